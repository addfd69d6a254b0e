// Four ways to tell attention where a token stands, in closed form. The tests compare each with the package's own.

import { dot, type Matrix, type Vector } from "./attention.ts";

export const SCHEMES = ["sinusoidal", "learned", "bias", "rotary"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** What the reader sets. */
export interface Settings {
  /** Numbers in a code, even. */
  readonly width: number;
  /** From one pair of coordinates to the next, waves get slower by base^(2 / width). */
  readonly base: number;
  /** The largest distance with a bias of its own. */
  readonly reach: number;
  /** Whether two words stand at the two positions, or the positions alone are compared. */
  readonly words: boolean;
}

/** What is no formula. */
export interface Given {
  /** A row for each position: a table as before its training. */
  readonly learned: Matrix;
  /** The vectors of two words. */
  readonly vectors: readonly [Vector, Vector];
  /** What a step costs in the bias that stands for a learned one. */
  readonly slope: number;
}

/** The angle of each pair of coordinates at position n. */
export function angles(n: number, width: number, base: number): number[] {
  return Array.from({ length: width / 2 }, (_, i) => n * base ** ((-2 * i) / width));
}

/** Sine and cosine of each angle in turn: what Vaswani et al. add to a token. */
export function sinusoid(n: number, width: number, base: number): number[] {
  return angles(n, width, base).flatMap((angle) => [Math.sin(angle), Math.cos(angle)]);
}

/** Each pair of coordinates of x, turned by its angle: what Su et al. do to queries and keys. */
export function turn(x: Vector, n: number, base: number): number[] {
  return angles(n, x.length, base).flatMap((angle, i) => {
    const [a, b, cos, sin] = [x[2 * i], x[2 * i + 1], Math.cos(angle), Math.sin(angle)];
    return [a * cos - b * sin, a * sin + b * cos];
  });
}

/** The bias of a distance; beyond the reach all share the farthest one's. */
export function bias(distance: number, reach: number, slope: number): number {
  return slope * Math.min(Math.abs(distance), reach);
}

/**
 * The table of one way, rows the first position, columns the second. Without words: how alike the two positions are.
 * With words: the score of the first word's query with the second word's key.
 */
export function map(scheme: Scheme, { width, base, reach, words }: Settings, { learned, vectors, slope }: Given): number[][] {
  const places = learned.map((_, n) => n);
  const [a, b] = vectors.map((one) => one.slice(0, width));
  const pairs = (rows: Matrix, columns: Matrix, compare: (x: Vector, y: Vector) => number): number[][] => rows.map((x) => columns.map((y) => compare(x, y)));
  const scaled = (x: Vector, y: Vector): number => dot(x, y) / Math.sqrt(width);
  if (scheme === "bias") {
    const content = words ? scaled(a, b) : 0;
    return places.map((m) => places.map((n) => (words ? content + bias(n - m, reach, slope) : Math.exp(bias(n - m, reach, slope)))));
  }
  if (scheme === "rotary") {
    if (words) return pairs(places.map((m) => turn(a, m, base)), places.map((n) => turn(b, n, base)), scaled);
    const turned = places.map((n) => turn(Array(width).fill(1), n, base));
    return pairs(turned, turned, cosine);
  }
  const codes = places.map((n) => code(scheme, n, width, base, learned));
  return words ? pairs(codes.map((one) => add(a, one)), codes.map((one) => add(b, one)), scaled) : pairs(codes, codes, cosine);
}

/** What is added to a token at position n. */
export function code(scheme: "sinusoidal" | "learned", n: number, width: number, base: number, learned: Matrix): Vector {
  return scheme === "learned" ? learned[n].slice(0, width) : sinusoid(n, width, base);
}

/** The values that a pair meets as both move together: a diagonal. */
export function together(table: Matrix, first: number, second: number): number[] {
  const apart = second - first;
  return table.flatMap((row, m) => (m + apart >= 0 && m + apart < row.length ? [row[m + apart]] : []));
}

function add(a: Vector, b: Vector): number[] {
  return a.map((x, i) => x + b[i]);
}

function cosine(a: Vector, b: Vector): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
