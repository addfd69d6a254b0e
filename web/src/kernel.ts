// Where a model's time goes: the matrix product, and a few functions of many numbers. Two ways to the same numbers:
// WebAssembly with SIMD (simd.ts, and the routines in assembly/), and plain JavaScript for browsers without it.

import { SimdKernel } from "./simd.ts";

export interface Kernel {
  readonly simd: boolean;
  /** out (M, N) = a (M, K) times b (K, N), plus a bias (N) if given; row by row, from the beginning of each array. */
  multiply(a: Float32Array, b: Float32Array, M: number, K: number, N: number, out: Float32Array, bias?: Float32Array): void;
  /** Says that `b` never changes and will come again, so that it need not be carried each time. */
  keep(b: Float32Array): void;
  kept(b: Float32Array): boolean;

  // What only the fast kernel has. It may answer undefined; then, as without it, the operator's own loop does the work.
  /** Of x, or of each row of x plus a row that is given. */
  tanh?(x: Float32Array, plus?: Float32Array): Float32Array | undefined;
  gelu?(x: Float32Array): Float32Array | undefined;
  /** Of rows of n numbers each. */
  softmax?(x: Float32Array, n: number): Float32Array | undefined;
  normalize?(x: Float32Array, n: number, gain: Float32Array, bias: Float32Array | undefined, epsilon: number): Float32Array | undefined;
  /** A GRU or an LSTM along a sentence: its states (T, H). `h` and `c` are renewed in place. */
  recur?(kind: "gru" | "lstm", sentence: Sentence, R: Float32Array, bias: Float32Array, h: Float32Array, c: Float32Array): Float32Array | undefined;
}

/** What the words contribute to the gates: word i of T lies at `first + i · step` in `words`. */
export interface Sentence {
  readonly words: Float32Array;
  readonly first: number;
  readonly step: number;
  readonly T: number;
}

/** The fastest kernel that this browser can run; `simd: false` asks for the plain one. */
export function makeKernel({ simd = true } = {}): Kernel {
  return (simd ? SimdKernel.make(new PlainKernel()) : undefined) ?? new PlainKernel();
}

export class PlainKernel implements Kernel {
  readonly simd = false;
  private readonly constants = new WeakSet<Float32Array>();

  keep(b: Float32Array): void {
    this.constants.add(b);
  }

  kept(b: Float32Array): boolean {
    return this.constants.has(b);
  }

  multiply(a: Float32Array, b: Float32Array, M: number, K: number, N: number, out: Float32Array, bias?: Float32Array): void {
    // All inner loops run along rows, the order of memory; a dot product for each output would leap through b.
    // Four rows of b at a time, so that each output is fetched and put back a quarter as often.
    out.fill(0, 0, M * N);
    for (let m = 0; m < M; m++) {
      const o = m * N;
      if (bias) out.set(bias, o);
      let k = 0;
      for (; k + 4 <= K; k += 4) {
        const w = a[m * K + k], x = a[m * K + k + 1], y = a[m * K + k + 2], z = a[m * K + k + 3];
        const p = k * N, q = p + N, r = q + N, s = r + N;
        for (let n = 0; n < N; n++) out[o + n] += w * b[p + n] + x * b[q + n] + y * b[r + n] + z * b[s + n];
      }
      for (; k < K; k++) {
        const x = a[m * K + k];
        for (let n = 0; n < N; n++) out[o + n] += x * b[k * N + n];
      }
    }
  }
}
