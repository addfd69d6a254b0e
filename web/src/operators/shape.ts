// Operators that move numbers without changing them: cut, join, turn, stretch, look up.

import { axisOf, broadcast, broadcastStrides, copy, eachRow, place, reshape, sizeOf, stridesOf, tensor, view, withSize, zeros, type Tensor } from "../tensor.ts";
import type { Operation } from "./common.ts";

const integers = (values: number[]): Tensor => tensor(values, [values.length], "int64");

const shapeOf: Operation = (inputs, attributes) => {
  const shape = inputs.get(0).shape;
  return integers(shape.slice(attributes.number("start", 0), attributes.list("end")?.[0]));
};

/** 0 keeps an axis as it is (unless allowzero), -1 is whatever is left. */
const reshapeTo: Operation = (inputs, attributes) => {
  const x = inputs.get(0);
  const keep = attributes.number("allowzero", 0) === 0;
  const shape = inputs.integers(1)!.map((n, axis) => (n === 0 && keep ? x.shape[axis] : n));
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = x.data.length / sizeOf(shape.filter((_, axis) => axis !== open));
  return reshape(x, shape);
};

const flatten: Operation = (inputs, attributes) => {
  const x = inputs.get(0);
  const axis = attributes.number("axis", 1);
  const rows = sizeOf(x.shape.slice(0, axis < 0 ? axis + x.shape.length : axis));
  return reshape(x, [rows, rows ? x.data.length / rows : 0]);
};

const unsqueeze: Operation = (inputs) => {
  const x = inputs.get(0);
  const axes = inputs.integers(1)!;
  const rank = x.shape.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  const old = x.shape[Symbol.iterator]();
  return reshape(x, Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : old.next().value!)));
};

const squeeze: Operation = (inputs) => {
  const x = inputs.get(0);
  const axes = inputs.integers(1)?.map((axis) => axisOf(axis, x.shape.length));
  return reshape(x, x.shape.filter((n, axis) => (axes ? !axes.includes(axis) : n !== 1)));
};

const transpose: Operation = (inputs, attributes) => {
  const x = inputs.get(0);
  const order = attributes.list("perm") ?? x.shape.map((_, axis) => x.shape.length - 1 - axis);
  const strides = stridesOf(x.shape);
  return view(x, order.map((axis) => x.shape[axis]), order.map((axis) => strides[axis]));
};

const expand: Operation = (inputs) => {
  const x = inputs.get(0);
  const shape = broadcast(x.shape, inputs.integers(1)!);
  return view(x, shape, broadcastStrides(x.shape, shape));
};

/** Starts, ends, axes and steps, as Python slices them: negative numbers count from the end, all are clipped. */
const slice: Operation = (inputs) => {
  const x = inputs.get(0);
  const [starts, ends] = [inputs.integers(1)!, inputs.integers(2)!];
  const axes = inputs.integers(3) ?? starts.map((_, i) => i);
  const steps = inputs.integers(4) ?? starts.map(() => 1);
  const [shape, strides] = [[...x.shape], stridesOf(x.shape)];
  let begin = 0;
  axes.forEach((named, i) => {
    const axis = axisOf(named, x.shape.length);
    const n = x.shape[axis];
    const clip = (at: number, low: number, high: number) => Math.min(high, Math.max(low, at < 0 ? at + n : at));
    const forward = steps[i] > 0;
    const from = forward ? clip(starts[i], 0, n) : clip(starts[i], 0, n - 1);
    const to = forward ? clip(ends[i], 0, n) : clip(ends[i], -1, n - 1);
    shape[axis] = Math.max(0, Math.ceil((to - from) / steps[i]));
    begin += from * strides[axis];
    strides[axis] *= steps[i];
  });
  return view(x, shape, strides, begin);
};

const split: Operation = (inputs, attributes) => {
  const x = inputs.get(0);
  const axis = axisOf(attributes.number("axis", 0), x.shape.length);
  const n = x.shape[axis];
  const parts = attributes.number("num_outputs", 1);
  const size = Math.ceil(n / parts); // the last part may be smaller
  const sizes = inputs.integers(1) ?? Array.from({ length: parts }, (_, i) => Math.min(size, n - i * size));
  const strides = stridesOf(x.shape);
  let begin = 0;
  return sizes.map((length) => {
    const part = view(x, withSize(x.shape, axis, length), strides, begin * strides[axis]);
    begin += length;
    return part;
  });
};

const concat: Operation = (inputs, attributes) => {
  const parts = inputs.all();
  const axis = axisOf(attributes.number("axis", 0), parts[0].shape.length);
  const total = parts.reduce((sum, part) => sum + part.shape[axis], 0);
  const out = zeros(parts[0].dtype, withSize(parts[0].shape, axis, total));
  const strides = stridesOf(out.shape);
  let begin = 0;
  for (const part of parts) {
    place(part, out, strides, begin * strides[axis]);
    begin += part.shape[axis];
  }
  return out;
};

/** Rows of a table by their numbers: how a word becomes its vector. */
const gather: Operation = (inputs, attributes) => {
  const [x, indices] = [inputs.get(0), inputs.get(1)];
  const axis = axisOf(attributes.number("axis", 0), x.shape.length);
  const n = x.shape[axis];
  const inner = sizeOf(x.shape.slice(axis + 1));
  const outer = sizeOf(x.shape.slice(0, axis));
  const out = zeros(x.dtype, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of indices.data) {
      const from = (o * n + within(index, n)) * inner;
      out.data.set(x.data.subarray(from, from + inner), at);
      at += inner;
    }
  }
  return out;
};

/** One number for each index, from its own line along the axis. */
const gatherElements: Operation = (inputs, attributes) => {
  const [x, indices] = [inputs.get(0), inputs.get(1)];
  const axis = axisOf(attributes.number("axis", 0), x.shape.length);
  const out = zeros(x.dtype, indices.shape);
  const strides = stridesOf(x.shape);
  const along = strides[axis];
  eachRow(out.shape, [stridesOf(out.shape), withSize(strides, axis, 0)], [0, 0], ([o, i], n, [, step]) => {
    for (let k = 0; k < n; k++) out.data[o + k] = x.data[i + k * step + within(indices.data[o + k], x.shape[axis]) * along];
  });
  return out;
};

function within(index: number, n: number): number {
  const positive = index < 0 ? index + n : index;
  if (!(positive >= 0 && positive < n)) throw new Error(`index ${index} is outside of ${n} entries.`);
  return positive;
}

/** Keeps the triangle above (upper = 1) or below a diagonal; k moves the diagonal to the right. */
const trilu: Operation = (inputs, attributes) => {
  const out = copy(inputs.get(0));
  const [rows, columns] = out.shape.slice(-2);
  const k = inputs.integers(1)?.[0] ?? 0;
  const upper = attributes.number("upper", 1) === 1;
  for (let i = 0; i < out.data.length; i++) {
    const right = (i % columns) - (Math.floor(i / columns) % rows); // columns to the right of the main diagonal
    if (upper ? right < k : right > k) out.data[i] = 0;
  }
  return out;
};

const range: Operation = (inputs) => {
  const [start, limit, step] = inputs.all().map((x) => x.data[0]);
  const length = Math.max(0, Math.ceil((limit - start) / step));
  return tensor(Array.from({ length }, (_, i) => start + i * step), [length], inputs.get(0).dtype);
};


const pad: Operation = (inputs, attributes) => {
  attributes.only("mode", "constant");
  const x = inputs.get(0);
  const rank = x.shape.length;
  const pads = inputs.integers(1)!;
  const axes = (inputs.integers(3) ?? x.shape.map((_, axis) => axis)).map((axis) => axisOf(axis, rank));
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  axes.forEach((axis, i) => ([before[axis], after[axis]] = [pads[i], pads[i + axes.length]]));
  // A negative pad cuts: first cut, then surround.
  const strides = stridesOf(x.shape);
  const cut = x.shape.map((n, axis) => n + Math.min(0, before[axis]) + Math.min(0, after[axis]));
  const begin = strides.reduce((sum, step, axis) => sum - Math.min(0, before[axis]) * step, 0);
  const out = zeros(x.dtype, x.shape.map((n, axis) => n + before[axis] + after[axis]));
  out.data.fill(inputs.has(2) ? inputs.get(2).data[0] : 0);
  const steps = stridesOf(out.shape);
  place(view(x, cut, strides, begin), out, steps, steps.reduce((sum, step, axis) => sum + Math.max(0, before[axis]) * step, 0));
  return out;
};

const tile: Operation = (inputs) => {
  const x = inputs.get(0);
  const repeats = inputs.integers(1)!;
  // (n) repeated r times is (r, n) stretched from (1, n).
  const wide = x.shape.flatMap((n, axis) => [repeats[axis], n]);
  const strides = stridesOf(x.shape).flatMap((step) => [0, step]);
  return reshape(view(x, wide, strides), x.shape.map((n, axis) => n * repeats[axis]));
};

export const shape = {
  Shape: shapeOf,
  Reshape: reshapeTo,
  Flatten: flatten,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
  Split: split,
  Concat: concat,
  Gather: gather,
  GatherElements: gatherElements,
  Trilu: trilu,
  Range: range,
  Pad: pad,
  Tile: tile,
};
