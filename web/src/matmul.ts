// The matrix product: nearly all of a model's time. Two ways to the same numbers: WebAssembly with SIMD
// (assembly/matmul.ts), and plain JavaScript for browsers without it.

import kernelText from "../build/kernel.ts";

/** Below this many multiplications, carrying numbers into WebAssembly costs more than it saves. */
const SMALL = 512;
/** How many columns the program takes at a time. */
const BLOCK = 16;
const PAGE = 65_536; // bytes: WebAssembly memory grows by pages

export interface Kernel {
  readonly simd: boolean;
  /** out (M, N) = a (M, K) times b (K, N), each row by row, from the given places in their arrays. */
  multiply(a: Float32Array, b: Float32Array, M: number, K: number, N: number, out: Float32Array): void;
  /** Says that `b` never changes and will come again, so that it need not be carried each time. */
  keep(b: Float32Array): void;
  kept(b: Float32Array): boolean;
}

/** The fastest kernel that this browser can run; `simd: false` asks for the plain one. */
export function makeKernel({ simd = true } = {}): Kernel {
  if (simd) {
    try {
      const bytes = Uint8Array.from(atob(kernelText), (letter) => letter.charCodeAt(0));
      // An engine without SIMD does not accept the program: that is the feature test.
      if (WebAssembly.validate(bytes)) return new SimdKernel(new WebAssembly.Module(bytes));
    } catch {
      // No WebAssembly at all, or a page whose security policy forbids it.
    }
  }
  return new PlainKernel();
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

  multiply(a: Float32Array, b: Float32Array, M: number, K: number, N: number, out: Float32Array): void {
    // All inner loops run along rows, the order of memory; a dot product for each output would leap through b.
    // Four rows of b at a time, so that each output is fetched and put back a quarter as often.
    out.fill(0, 0, M * N);
    for (let m = 0; m < M; m++) {
      const o = m * N;
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

type Product = (a: number, b: number, out: number, M: number, K: number, N: number, packed: boolean) => void;

/**
 * WebAssembly sees only its own memory: first the matrices that stay, each carried there once, then scratch space
 * for the numbers of one product.
 */
export class SimdKernel implements Kernel {
  readonly simd = true;
  private readonly memory = new WebAssembly.Memory({ initial: 1 });
  private readonly product: Product;
  private readonly plain = new PlainKernel();
  private readonly places = new WeakMap<Float32Array, number>();
  private end = 16;

  constructor(module: WebAssembly.Module) {
    this.product = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports.matmul as Product;
  }

  keep(b: Float32Array): void {
    this.plain.keep(b);
  }

  kept(b: Float32Array): boolean {
    return this.plain.kept(b);
  }

  multiply(a: Float32Array, b: Float32Array, M: number, K: number, N: number, out: Float32Array): void {
    const [sizeA, sizeB, size] = [M * K, K * N, M * N];
    if (sizeA * N < SMALL) return this.plain.multiply(a, b, M, K, N, out);
    try {
      if (this.kept(b) && !this.places.has(b)) this.settle(b, K, N);
      const place = this.places.get(b);
      const scratch = this.end;
      this.reserve(scratch + 4 * (sizeA + size + (place === undefined ? sizeB : 0)));
      // A view of the memory dies when the memory grows, so it is made anew.
      const floats = new Float32Array(this.memory.buffer);
      const [atOut, atB] = [scratch + 4 * sizeA, scratch + 4 * (sizeA + size)];
      floats.set(a.subarray(0, sizeA), scratch / 4);
      if (place === undefined) floats.set(b.subarray(0, sizeB), atB / 4);
      this.product(scratch, place ?? atB, atOut, M, K, N, place !== undefined);
      out.set(floats.subarray(atOut / 4, atOut / 4 + size));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // a RangeError: the browser gives no more memory
      this.plain.multiply(a, b, M, K, N, out);
    }
  }

  /** Carries a matrix (K, N) into the memory for good, in blocks of columns; assembly/matmul.ts says why. */
  private settle(b: Float32Array, K: number, N: number): void {
    this.reserve(this.end + 4 * K * N);
    const floats = new Float32Array(this.memory.buffer);
    let to = this.end / 4;
    for (let n = 0; n < N; ) {
      const width = N - n < BLOCK ? N - n : BLOCK;
      for (let k = 0; k < K; k++) for (let j = 0; j < width; j++) floats[to++] = b[k * N + n + j];
      n += width;
    }
    this.places.set(b, this.end);
    this.end += 4 * K * N;
  }

  private reserve(bytes: number): void {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.memory.grow(missing);
  }
}
