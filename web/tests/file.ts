// What tests share: reading the fixtures, making model files by hand, comparing numbers.

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { GraphDescription } from "../src/graph.ts";
import { tensor, type DType, type Tensor } from "../src/tensor.ts";

export interface Literal {
  dtype: DType;
  shape: number[];
  data: number[];
}

export interface Case {
  op: string;
  attributes: Record<string, number | string | number[]>;
  inputs: (Literal | null)[];
  outputs: Literal[];
}

export const CASES = JSON.parse(readFileSync(new URL("fixtures/operators.json", import.meta.url), "utf8")) as Case[];

export const toTensor = ({ data, shape, dtype }: Literal): Tensor => tensor(data, shape, dtype);

/** The largest difference, relative where numbers are large; infinite if shapes or types differ. */
export function distance(found: Tensor | undefined, wanted: Literal | Tensor): number {
  if (!found || found.dtype !== wanted.dtype || found.shape.join() !== wanted.shape.join()) return Infinity;
  let worst = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const difference = Math.abs(found.data[i] - wanted.data[i]) / Math.max(1, Math.abs(wanted.data[i]));
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

export function expectClose(found: Tensor | undefined, wanted: Literal | Tensor, tolerance = 1e-6): void {
  expect(found?.dtype).toBe(wanted.dtype);
  expect(found?.shape).toEqual([...wanted.shape]);
  expect(distance(found, wanted)).toBeLessThanOrEqual(tolerance);
}

/** A model file of float32 tensors. */
export function archive(
  weights: Record<string, Tensor>,
  graphs: Record<string, GraphDescription>,
  extras: Record<string, string> = {},
): Uint8Array {
  const metadata: Record<string, string> = { format: "tfedu-live", version: "1", graphs: JSON.stringify(graphs) };
  for (const [name, text] of Object.entries(extras)) metadata[`extra.${name}`] = text;
  const header: Record<string, unknown> = { __metadata__: metadata };
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, { data, shape, dtype }] of Object.entries(weights)) {
    const stored = { float32: "F32", int64: "I32", bool: "BOOL" }[dtype];
    header[name] = { dtype: stored, shape, data_offsets: [end, end + data.byteLength] };
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    end += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  return new Uint8Array(Buffer.concat([length, text, ...parts]));
}
