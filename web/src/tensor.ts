// Tensors: a shape, and its numbers in one typed array, last axis fastest.

export type DType = "float32" | "int64" | "bool";
export type Data = Float32Array | Int32Array | Uint8Array;

export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Data;
}

const INT32_MAX = 2 ** 31 - 1;

/** Rows longer than this are copied whole; for shorter ones the call costs more than a loop. */
const LONG = 100;

/** The array that holds numbers of a type. ONNX counts in int64; 32 bits hold every index a page will meet. */
function allocate(dtype: DType, size: number): Data {
  if (dtype === "float32") return new Float32Array(size);
  return dtype === "int64" ? new Int32Array(size) : new Uint8Array(size);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

export function zeros(dtype: DType, shape: readonly number[]): Tensor {
  return { dtype, shape, data: allocate(dtype, sizeOf(shape)) };
}

/** A tensor from numbers (or booleans); the shape of a plain list is its length. */
export function tensor(values: ArrayLike<number | boolean>, shape?: readonly number[], dtype: DType = "float32"): Tensor {
  const made = zeros(dtype, shape ?? [values.length]);
  if (made.data.length !== values.length) {
    throw new Error(`${values.length} numbers do not fill a tensor of shape (${made.shape.join(", ")}).`);
  }
  for (let i = 0; i < values.length; i++) made.data[i] = dtype === "int64" ? toInteger(Number(values[i])) : Number(values[i]);
  return made;
}

/** Exporters write "to the end" as the largest int64; here it is the largest int32. */
export function toInteger(x: number): number {
  return Math.max(-INT32_MAX, Math.min(INT32_MAX, Math.trunc(x)));
}

/** The same numbers in another shape; nothing is copied. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  if (sizeOf(shape) !== x.data.length) {
    throw new Error(`a tensor of shape (${x.shape.join(", ")}) cannot become (${shape.join(", ")}).`);
  }
  return { dtype: x.dtype, shape, data: x.data };
}

export function copy(x: Tensor): Tensor {
  return { ...x, data: x.data.slice() };
}

/** The axis counted from 0, where -1 is the last one. */
export function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= Math.max(rank, 1)) throw new Error(`axis ${axis} is not one of ${rank} axes.`);
  return positive;
}

/** A shape (or strides) with another number for one axis. */
export function withSize(shape: readonly number[], axis: number, n: number): number[] {
  return shape.map((old, i) => (i === axis ? n : old));
}

/** For each axis, how far apart in memory its neighbours are. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

/** The shape that two shapes broadcast to: axes are matched from the last, and 1 fits anything. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [m, n] = [a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1];
    if (m !== n && m !== 1 && n !== 1) {
      throw new Error(`shapes (${a.join(", ")}) and (${b.join(", ")}) do not broadcast.`);
    }
    return m === 1 ? n : m;
  });
}

/** Strides that read `from` as if it had the shape `to`: an axis that is stretched does not move (stride 0). */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : strides[axis - missing]));
}

/**
 * Walks over several arrays together. `shape` is walked in order; `strides[i]` and `starts[i]` say where array i
 * keeps the entries. `visit` gets the place of a row's first entry in each array, the row's length, and the step
 * from one entry of the row to the next in each array.
 */
export function eachRow(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  starts: readonly number[],
  visit: (at: number[], length: number, steps: number[]) => void,
): void {
  if (sizeOf(shape) === 0) return;
  // Neighbouring axes that every array walks evenly become one: longer rows, fewer visits.
  const [sizes, steps] = merge(shape, strides);
  const last = sizes.length - 1;
  const at = [...starts];
  const count = new Array<number>(last).fill(0);
  const rowSteps = steps.map((one) => one[last]);
  for (;;) {
    visit(at, sizes[last], rowSteps);
    let axis = last - 1;
    for (; axis >= 0; axis--) {
      for (let i = 0; i < at.length; i++) at[i] += steps[i][axis];
      if (++count[axis] < sizes[axis]) break;
      for (let i = 0; i < at.length; i++) at[i] -= steps[i][axis] * sizes[axis];
      count[axis] = 0;
    }
    if (axis < 0) return;
  }
}

function merge(shape: readonly number[], strides: readonly (readonly number[])[]): [number[], number[][]] {
  const sizes: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 1) continue;
    const end = sizes.length - 1;
    if (end >= 0 && strides.every((one, i) => merged[i][end] === one[axis] * shape[axis])) {
      sizes[end] *= shape[axis];
      strides.forEach((one, i) => (merged[i][end] = one[axis]));
    } else {
      sizes.push(shape[axis]);
      strides.forEach((one, i) => merged[i].push(one[axis]));
    }
  }
  return sizes.length ? [sizes, merged] : [[1], strides.map(() => [0])];
}

/** The tensor of `shape` whose entries `x` keeps at `start` and `strides` from there: slices, transposes, stretches. */
export function view(x: Tensor, shape: readonly number[], strides: readonly number[], start = 0): Tensor {
  const out = zeros(x.dtype, shape);
  const [from, to] = [x.data, out.data];
  eachRow(shape, [stridesOf(shape), strides], [0, start], ([o, i], length, [, step]) => {
    if (step === 1 && length > LONG) to.set(from.subarray(i, i + length), o);
    else for (let k = 0; k < length; k++) to[o + k] = from[i + k * step];
  });
  return out;
}

/** Writes the whole of `x` into `out`, at `start` and `strides` from there: the reverse of `view`. */
export function place(x: Tensor, out: Tensor, strides: readonly number[], start: number): void {
  const [from, to] = [x.data, out.data];
  eachRow(x.shape, [stridesOf(x.shape), strides], [0, start], ([i, o], length, [, step]) => {
    if (step === 1 && length > LONG) to.set(from.subarray(i, i + length), o);
    else for (let k = 0; k < length; k++) to[o + k * step] = from[i + k];
  });
}
