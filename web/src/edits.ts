// Ready-made changes of an attention map (B, H, T, S); the same as `ablate`, `cut`, `replace` and `pin` in tfedu.trace.

import { broadcast, broadcastStrides, view, withSize, type Tensor } from "./tensor.ts";
import type { Edit } from "./graph.ts";

/** The smallest ordinary float32: a row of zeros is not divided by zero. */
const TINY = 2 ** -126;

/** Silences one head: its weights become zero, so it gathers nothing. */
export function ablate(head: number): Edit {
  return (map) => {
    const [B, H, T, S] = sizes(map);
    within(head, H, "head");
    for (let b = 0; b < B; b++) map.data.fill(0, (b * H + head) * T * S, (b * H + head + 1) * T * S);
  };
}

/** Cuts edges, (query, key) each, in every head: their weights become zero, and what is left of a row stays as it is. */
export function cut(edges: Iterable<readonly [number, number]>): Edit {
  const gone = [...edges];
  return (map, firstRow) => {
    const [B, H, T, S] = sizes(map);
    for (const [query, key] of gone) {
      const row = query - firstRow;
      if (row < 0 || row >= T) continue;
      within(key, S, "key");
      for (let i = 0; i < B * H; i++) map.data[(i * T + row) * S + key] = 0;
    }
  };
}

/**
 * Puts another map in place of the model's: `by` is (T, S), (H, T, S) or (B, H, T, S). In a decoder that goes word
 * by word it may hold all rows: each step takes its own, and of a row as much as there are words to look back at.
 * Other values can be replaced as well, by their like.
 */
export function replace(by: Tensor): Edit {
  return (value, firstRow) => {
    const [rows, wanted] = [by.shape.at(-2) ?? 1, value.shape.at(-2) ?? 1];
    const [from, columns, seen] = [rows > wanted ? firstRow : 0, by.shape.at(-1) ?? 1, value.shape.at(-1) ?? 1];
    if (from + wanted > rows && rows > 1) throw new Error(`row ${firstRow} is not one of the ${rows} given.`);
    let cut = rows > wanted ? withSize(by.shape, by.shape.length - 2, wanted) : by.shape;
    if (rows > wanted && seen === firstRow + wanted && columns > seen) cut = withSize(cut, cut.length - 1, seen);
    broadcast(cut, value.shape); // complains unless they fit
    const strides = broadcastStrides(by.shape, value.shape);
    return view(by, value.shape, strides, from * columns);
  };
}

/** Holds one weight at a value in [0, 1]; the rest of its row keeps its proportions and the row's sum of 1. */
export function pin(query: number, key: number, weight = 1, head?: number): Edit {
  if (!(weight >= 0 && weight <= 1)) throw new Error(`a weight lies between 0 and 1; got ${weight}.`);
  return (map, firstRow) => {
    const [B, H, T, S] = sizes(map);
    if (head !== undefined) within(head, H, "head");
    const row = query - firstRow;
    if (row < 0 || row >= T) return;
    within(key, S, "key");
    for (let i = 0; i < B * H; i++) {
      if (head !== undefined && i % H !== head) continue;
      const weights = map.data.subarray((i * T + row) * S, (i * T + row + 1) * S);
      weights[key] = 0;
      let rest = 0;
      for (const one of weights) rest += one;
      rest = Math.max(rest, TINY);
      for (let j = 0; j < S; j++) weights[j] *= (1 - weight) / rest;
      weights[key] = weight;
    }
  };
}

function sizes(map: Tensor): [number, number, number, number] {
  const [S, T, H = 1, B = 1] = [...map.shape].reverse();
  return [B, H, T, S];
}

function within(i: number, n: number, what: string): void {
  if (!(i >= 0 && i < n)) throw new Error(`${what} ${i} is not one of ${n}, counted from 0.`);
}
