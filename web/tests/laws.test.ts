// Properties that hold for any numbers, against definitions written as plainly as possible.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeKernel } from "../src/kernel.ts";
import { operations, type Operator } from "../src/operators.ts";
import { Attributes, Inputs, type Attribute } from "../src/operators/common.ts";
import { fromHalf } from "../src/safetensors.ts";
import { broadcast, eachRow, sizeOf, stridesOf, tensor, view, type Tensor } from "../src/tensor.ts";
import { distance } from "./file.ts";

const plain = makeKernel({ simd: false });

function run(op: Operator, inputs: Tensor[], attributes: Record<string, Attribute> = {}): Tensor {
  return operations[op](new Inputs(inputs), new Attributes(attributes), plain) as Tensor;
}

const number = fc.double({ min: -4, max: 4, noNaN: true }).map(Math.fround);
const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
const filled = (of: number[]) => fc.array(number, { minLength: sizeOf(of), maxLength: sizeOf(of) }).map((data) => tensor(data, of));
const any = shape.chain(filled);
/** Two shapes that broadcast: some axes of the second are 1, or missing. */
const pair = shape.chain((of) =>
  fc
    .tuple(fc.array(fc.boolean(), { minLength: of.length, maxLength: of.length }), fc.nat(of.length - 1))
    .chain(([ones, missing]) => fc.tuple(filled(of), filled(of.map((n, i) => (ones[i] ? 1 : n)).slice(missing)))),
);

/** The entry of x at an index of a shape that x broadcasts to. */
function at(x: Tensor, index: number[]): number {
  const own = index.slice(index.length - x.shape.length).map((i, axis) => (x.shape[axis] === 1 ? 0 : i));
  return x.data[own.reduce((sum, i, axis) => sum + i * stridesOf(x.shape)[axis], 0)];
}

function indices(of: readonly number[]): number[][] {
  return of.reduce<number[][]>((all, n) => all.flatMap((head) => Array.from({ length: n }, (_, i) => [...head, i])), [[]]);
}

describe("the tanh of a sum", () => {
  /** Rows, and a row of the same width, or any two that broadcast. */
  const rows = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 })).chain(([S, n]) => fc.tuple(filled([1, S, n]), filled([n])));
  for (const [name, kernel] of [["simd", makeKernel()], ["plain", plain]] as const) {
    it(`is taken number by number, whichever comes first, ${name}`, () => {
      fc.assert(
        fc.property(fc.oneof(rows, pair), fc.boolean(), ([a, b], turned) => {
          const made = operations.Tanh(new Inputs(turned ? [b, a] : [a, b]), new Attributes(), kernel) as Tensor;
          expect(made.shape).toEqual(broadcast(a.shape, b.shape));
          return indices(made.shape).every((index, i) => Math.abs(made.data[i] - Math.tanh(at(a, index) + at(b, index))) < 1e-6);
        }),
      );
    });
  }
});

describe("the matrix product", () => {
  const size = fc.integer({ min: 1, max: 40 });
  for (const [name, kernel] of [["simd", makeKernel()], ["plain", plain]] as const) {
    it(`is the sum over k, ${name}`, () => {
      fc.assert(
        fc.property(size, size, size, fc.boolean(), fc.integer(), (M, K, N, keep, seed) => {
          const random = mulberry(seed);
          const a = Float32Array.from({ length: M * K }, random);
          const b = Float32Array.from({ length: K * N }, random);
          const out = new Float32Array(M * N + 1).fill(7); // one more than needed, to see that it is left alone
          if (keep) kernel.keep(b);
          kernel.multiply(a, b, M, K, N, out);
          for (let m = 0; m < M; m++) {
            for (let n = 0; n < N; n++) {
              let sum = 0;
              for (let k = 0; k < K; k++) sum += a[m * K + k] * b[k * N + n];
              if (Math.abs(out[m * N + n] - sum) > 1e-5) return false;
            }
          }
          return out[M * N] === 7;
        }),
        { numRuns: 200 },
      );
    });
  }

  it("keeps many matrices apart, while its memory grows", () => {
    const kernel = makeKernel();
    const random = mulberry(1);
    const [M, K, N] = [3, 64, 64];
    const a = Float32Array.from({ length: M * K }, random);
    const all = Array.from({ length: 20 }, () => Float32Array.from({ length: K * N }, random));
    all.forEach((b) => kernel.keep(b));
    for (let round = 0; round < 2; round++) {
      for (const b of all) {
        const [found, wanted] = [new Float32Array(M * N), new Float32Array(M * N)];
        kernel.multiply(a, b, M, K, N, found);
        plain.multiply(a, b, M, K, N, wanted);
        expect(distance(tensor(found), tensor(wanted))).toBeLessThan(1e-5);
      }
    }
  });
});

describe("operators", () => {
  it("broadcast as the definition says", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const out = run("Sub", [a, b]);
        expect(out.shape).toEqual(broadcast(a.shape, b.shape));
        indices(out.shape).forEach((index) => expect(at(out, index)).toBe(Math.fround(at(a, index) - at(b, index))));
      }),
    );
  });

  it("softmax: rows sum to 1, keep their order, and a shift changes nothing", () => {
    fc.assert(
      fc.property(any, fc.integer({ min: -2000, max: 2000 }), (x, shift) => {
        const n = x.shape.at(-1)!;
        const p = run("Softmax", [x]);
        const shifted = run("Softmax", [run("Add", [run("Add", [x, tensor([shift], [])]), tensor([0], [])])]);
        for (let i = 0; i < p.data.length; i += n) {
          const row = p.data.subarray(i, i + n) as Float32Array;
          expect(row.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 5);
          for (let k = 0; k < n; k++) expect(row[k]).toBeCloseTo(Math.exp(x.data[i + k]) / range(n, (j) => Math.exp(x.data[i + j])), 5);
        }
        expect(distance(shifted, p)).toBeLessThan(2e-3); // float32 keeps 4 decimals of 2000
      }),
    );
  });

  it("layer normalisation: mean 0, and variance v / (v + epsilon)", () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 2, maxLength: 9 }), (row) => {
        const n = row.length;
        const out = run("LayerNormalization", [tensor(row, [1, n]), tensor(row.map(() => 1)), tensor(row.map(() => 0))]);
        const mean = range(n, (i) => row[i]) / n;
        const variance = range(n, (i) => (row[i] - mean) ** 2) / n;
        expect(range(n, (i) => out.data[i]) / n).toBeCloseTo(0, 4);
        expect(range(n, (i) => out.data[i] ** 2) / n).toBeCloseTo(variance / (variance + 1e-5), 4);
      }),
    );
  });

  it("transposing there and back changes nothing", () => {
    fc.assert(
      fc.property(
        any.chain((x) => fc.tuple(fc.constant(x), fc.shuffledSubarray(x.shape.map((_, i) => i), { minLength: x.shape.length }))),
        ([x, perm]) => {
          const there = run("Transpose", [x], { perm });
          indices(there.shape).forEach((index) => {
            const back = new Array<number>(index.length);
            perm.forEach((axis, i) => (back[axis] = index[i]));
            expect(at(there, index)).toBe(at(x, back));
          });
          expect(run("Transpose", [there], { perm: perm.map((_, axis) => perm.indexOf(axis)) })).toEqual(x);
        },
      ),
    );
  });

  it("slices as Python does", () => {
    const edge = fc.integer({ min: -9, max: 9 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), edge, edge, edge.filter((step) => step !== 0), (n, start, end, step) => {
        const x = tensor(range0(n));
        const [from, to, by] = [start, end, step].map((one) => tensor([one], [1], "int64"));
        expect([...run("Slice", [x, from, to, tensor([0], [1], "int64"), by]).data]).toEqual(python(n, start, end, step));
      }),
      { numRuns: 500 },
    );
  });

  it("joins what it has split", () => {
    fc.assert(
      fc.property(any, fc.nat(3), (x, i) => {
        const axis = i % x.shape.length;
        const first = 1 + (i % x.shape[axis]);
        const sizes = [first, x.shape[axis] - first];
        const parts = operations.Split(new Inputs([x, tensor(sizes, [2], "int64")]), new Attributes({ axis }), plain) as Tensor[];
        expect(run("Concat", parts, { axis })).toEqual(x);
      }),
    );
  });

  it("sums, means and largest numbers, over any axes", () => {
    fc.assert(
      fc.property(
        any.chain((x) => fc.tuple(fc.constant(x), fc.subarray(x.shape.map((_, i) => i), { minLength: 1 }))),
        ([x, axes]) => {
          const wanted = new Map<string, number[]>();
          for (const index of indices(x.shape)) {
            const key = index.map((i, axis) => (axes.includes(axis) ? 0 : i)).join();
            wanted.set(key, [...(wanted.get(key) ?? []), at(x, index)]);
          }
          const [total, mean, top] = (["ReduceSum", "ReduceMean", "ReduceMax"] as const).map((op) => run(op, [x, tensor(axes, [axes.length], "int64")]));
          indices(total.shape).forEach((index) => {
            const group = wanted.get(index.join())!;
            const sum = group.reduce((a, b) => a + b, 0);
            expect(at(total, index)).toBeCloseTo(sum, 4);
            expect(at(mean, index)).toBeCloseTo(sum / group.length, 4);
            expect(at(top, index)).toBe(Math.max(...group));
          });
        },
      ),
    );
  });
});

it("a view visits every entry once, however its axes merge", () => {
  fc.assert(
    fc.property(any, (x) => {
      const seen: number[] = [];
      eachRow(x.shape, [stridesOf(x.shape)], [0], ([i], n, [step]) => {
        for (let k = 0; k < n; k++) seen.push(i + k * step);
      });
      expect(seen).toEqual(range0(x.data.length));
      expect(view(x, x.shape, stridesOf(x.shape))).toEqual(x);
    }),
  );
});

it("half-precision numbers mean what IEEE 754 says", () => {
  const cases: [number, number][] = [
    [0x0000, 0], [0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0400, 2 ** -14], [0x0001, 2 ** -24], [0x03ff, 1023 * 2 ** -24],
    [0x3555, 0.333251953125], [0x7c00, Infinity], [0xfc00, -Infinity], [0x7e00, NaN],
  ];
  expect([...fromHalf(Uint16Array.from(cases, ([bits]) => bits))]).toEqual(cases.map(([, value]) => value));
  expect(Object.is(fromHalf(Uint16Array.of(0x8000))[0], -0)).toBe(true);
});

function range0(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** The sum of f over 0 … n - 1. */
function range(n: number, f: (i: number) => number): number {
  return range0(n).reduce((sum, i) => sum + f(i), 0);
}

/** list(range(n))[start:end:step], except that ONNX, going backwards, begins with the first entry at the least. */
function python(n: number, start: number, end: number, step: number): number[] {
  const [low, high] = step > 0 ? [0, n] : [-1, n - 1];
  const clip = (i: number) => Math.min(high, Math.max(low, i < 0 ? i + n : i));
  const found = [];
  for (let i = Math.max(0, clip(start)); step > 0 ? i < clip(end) : i > clip(end); i += step) found.push(i);
  return found;
}

/** A small seeded generator of numbers in [-1, 1). */
function mulberry(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}
