// What the lab "Induction" knows of sequences in which a block comes again; as tfedu.data.patterns has it.

import { chance } from "../sampling.ts";

/** An edge of attention, from a query to a key. */
export type Edge = readonly [number, number];

/** `count` letters by chance, none of them twice, so that each has one successor; the same for the same seed. */
export function randomBlock(letters: string, count: number, seed: number): string {
  const left = [...letters];
  return Array.from({ length: count }, (_, i) => left.splice(Math.floor(chance(seed, i) * left.length), 1)[0]).join("");
}

/** From each token to the one before it. */
export function previous(length: number): Edge[] {
  return Array.from({ length: length - 1 }, (_, i) => [i + 1, i] as const);
}

/** From each token to what came after the same token, the times before (Olsson et al. 2022). */
export function successors(text: string): Edge[] {
  return Array.from(text, (_, t) => t).flatMap((t) => Array.from({ length: t }, (_, i) => i + 1).filter((s) => text[s - 1] === text[t]).map((s) => [t, s] as const));
}

/** For each edge another of the same query, to an earlier key that no edge reaches, where there is one; by chance. */
export function others(edges: readonly Edge[], seed: number): Edge[] {
  const taken = new Set(edges.map(String));
  return edges.flatMap(([t], n) => {
    const free = Array.from({ length: t }, (_, s) => [t, s] as const).filter((edge) => !taken.has(String(edge)));
    if (!free.length) return [];
    const edge = free[Math.floor(chance(seed, n) * free.length)];
    taken.add(String(edge));
    return [edge];
  });
}
