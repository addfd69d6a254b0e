// The fast kernel. WebAssembly sees only its own memory: first the matrices that stay, each carried there once, then
// scratch space, into which the numbers of one call are copied, and out of which its answer is.

import { routines, relaxedProduct } from "../build/assembly.ts";
import type { Kernel, Sentence } from "./kernel.ts";

/** Below this many multiplications, carrying numbers into WebAssembly costs more than it saves. */
const SMALL = 512;
/** How many columns the product takes at a time. */
const BLOCK = 16;
const PAGE = 65_536; // bytes: WebAssembly memory grows by pages

type Product = (a: number, b: number, bias: number, out: number, M: number, K: number, N: number, packed: boolean) => void;
type Cell = (words: number, R: number, bias: number, h: number, out: number, product: number, T: number, H: number, step: number) => void;

interface Routines {
  matmul: Product;
  gru: Cell;
  lstm: Cell;
  tanhs(at: number, end: number): void;
  tanhsOfSums(at: number, end: number, row: number, n: number): void;
  gelus(at: number, end: number): void;
  softmax(at: number, end: number, n: number): void;
  normalize(at: number, end: number, n: number, gain: number, bias: number, epsilon: number): void;
}

/** The routines of a program in text, or undefined: a browser that lacks what it needs does not accept it. */
function load(program: string, memory: WebAssembly.Memory): Routines | undefined {
  const bytes = Uint8Array.from(atob(program), (letter) => letter.charCodeAt(0));
  if (!WebAssembly.validate(bytes)) return undefined;
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports as unknown as Routines;
}

export class SimdKernel implements Kernel {
  readonly simd = true;
  private readonly places = new WeakMap<Float32Array, number>();
  private floats: Float32Array;
  private end = 16;

  private constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly routines: Routines,
    private readonly product: Product,
    private readonly plain: Kernel,
  ) {
    this.floats = new Float32Array(memory.buffer);
  }

  /** Undefined where there is no WebAssembly with SIMD, or a page's security policy forbids it. */
  static make(plain: Kernel): SimdKernel | undefined {
    try {
      const memory = new WebAssembly.Memory({ initial: 1 });
      const found = load(routines, memory);
      return found && new SimdKernel(memory, found, (load(relaxedProduct, memory) ?? found).matmul, plain);
    } catch {
      return undefined;
    }
  }

  keep(b: Float32Array): void {
    this.plain.keep(b);
  }

  kept(b: Float32Array): boolean {
    return this.plain.kept(b);
  }

  multiply(a: Float32Array, b: Float32Array, M: number, K: number, N: number, out: Float32Array, bias?: Float32Array): void {
    if (M * K * N < SMALL) return this.plain.multiply(a, b, M, K, N, out, bias);
    const stays = this.settle(b, K, N);
    const at = this.carry(M * N, a.subarray(0, M * K), bias?.subarray(0, N) ?? NONE, stays ? NONE : b.subarray(0, K * N));
    if (!at) return this.plain.multiply(a, b, M, K, N, out, bias);
    this.product(at[0], stays ?? at[2], bias ? at[1] : 0, at[3], M, K, N, stays !== undefined);
    out.set(this.floats.subarray(at[3] / 4, at[3] / 4 + M * N));
  }

  tanh(x: Float32Array, plus?: Float32Array): Float32Array | undefined {
    if (plus && plus.length % 4) return undefined; // the routine goes by fours
    if (plus) return this.inPlace([x, plus], ([at, row]) => this.routines.tanhsOfSums(at, at + 4 * x.length, row, plus.length));
    return this.inPlace([x], ([at]) => this.routines.tanhs(at, at + 4 * x.length));
  }

  gelu(x: Float32Array): Float32Array | undefined {
    return this.inPlace([x], ([at]) => this.routines.gelus(at, at + 4 * x.length));
  }

  softmax(x: Float32Array, n: number): Float32Array | undefined {
    return this.inPlace([x], ([at]) => this.routines.softmax(at, at + 4 * x.length, n));
  }

  normalize(x: Float32Array, n: number, gain: Float32Array, bias: Float32Array | undefined, epsilon: number): Float32Array | undefined {
    return this.inPlace([x, gain, bias ?? NONE], ([at, by, plus]) =>
      this.routines.normalize(at, at + 4 * x.length, n, by, bias ? plus : 0, epsilon),
    );
  }

  recur(kind: "gru" | "lstm", { words, first, step, T }: Sentence, R: Float32Array, bias: Float32Array, h: Float32Array, c: Float32Array): Float32Array | undefined {
    const H = h.length;
    const gates = { gru: 3, lstm: 4 }[kind] * H;
    if (H % 4) return undefined; // the routine goes by fours
    const stays = this.settle(R, H, gates);
    const at = stays && this.carry(T * H + gates, words, bias.subarray(0, gates), h, c);
    if (!at) return undefined;
    const [from, plus, state, memory, out] = at;
    this.routines[kind](from + 4 * first, stays, plus, state, out, out + 4 * T * H, T, H, 4 * step);
    h.set(this.floats.subarray(state / 4, state / 4 + H));
    c.set(this.floats.subarray(memory / 4, memory / 4 + H));
    return this.floats.slice(out / 4, out / 4 + T * H);
  }

  /** Carries arrays into scratch space, works there on the first, and gives back what it has become. */
  private inPlace(arrays: Float32Array[], work: (at: number[]) => void): Float32Array | undefined {
    const at = this.carry(0, ...arrays);
    if (!at) return undefined;
    work(at);
    return this.floats.slice(at[0] / 4, at[0] / 4 + arrays[0].length);
  }

  /** Copies arrays into scratch space; says where each begins, and last where there is room for so many numbers more. */
  private carry(room: number, ...arrays: Float32Array[]): number[] | undefined {
    const at = [this.end];
    for (const one of arrays) at.push(at[at.length - 1] + 16 * Math.ceil(one.length / 4)); // a whole number of registers
    if (!this.reserve(at[arrays.length] + 4 * room)) return undefined;
    arrays.forEach((one, i) => this.floats.set(one, at[i] / 4));
    return at;
  }

  /** The place of a matrix (K, N) that was said to stay, packed in blocks of columns; assembly/matmul.ts says why. */
  private settle(b: Float32Array, K: number, N: number): number | undefined {
    const known = this.places.get(b);
    if (known !== undefined || !this.kept(b) || !this.reserve(this.end + 4 * K * N)) return known;
    const place = this.end;
    let to = place / 4;
    for (let n = 0; n < N; ) {
      const width = N - n < BLOCK ? N - n : BLOCK;
      for (let k = 0; k < K; k++) for (let j = 0; j < width; j++) this.floats[to++] = b[k * N + n + j];
      n += width;
    }
    this.places.set(b, place);
    this.end += 16 * Math.ceil((K * N) / 4);
    return place;
  }

  /** Makes the memory so large; false if the browser gives no more. */
  private reserve(bytes: number): boolean {
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing <= 0) return true;
    try {
      this.memory.grow(missing);
    } catch {
      return false;
    }
    this.floats = new Float32Array(this.memory.buffer); // a view of the memory dies when the memory grows
    return true;
  }
}

const NONE = new Float32Array(0);
