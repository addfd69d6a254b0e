// Operators along one or more axes: sums, means, softmax, normalisation.

import type { Operation } from "./common.ts";
import { exp } from "./exp.ts";
import { axisOf, reshape, sizeOf, stridesOf, view, withSize, zeros, type Data, type Tensor } from "../tensor.ts";

/** What becomes of n numbers, x[i], x[i + step], … */
type Summary = (x: Data, i: number, step: number, n: number) => number;

const sum: Summary = (x, i, step, n) => {
  let total = 0;
  for (let k = 0; k < n; k++) total += x[i + k * step];
  return total;
};
const mean: Summary = (x, i, step, n) => sum(x, i, step, n) / n;
const largest: Summary = (x, i, step, n) => {
  let best = -Infinity;
  for (let k = 0; k < n; k++) best = Math.max(best, x[i + k * step]);
  return best;
};

const reduce =
  (summary: Summary): Operation =>
  (inputs, attributes) => {
    const x = inputs.get(0);
    const named = inputs.integers(1) ?? attributes.list("axes") ?? [];
    if (!named.length && attributes.number("noop_with_empty_axes", 0)) return reshape(x, x.shape);
    const axes = named.length ? named.map((axis) => axisOf(axis, x.shape.length)) : x.shape.map((_, axis) => axis);
    const kept = x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
    const short = x.shape.filter((_, axis) => !axes.includes(axis));
    const out = zeros(x.dtype, attributes.number("keepdims", 1) ? kept : short);
    // With the axes to reduce moved to the end, each output is the summary of one line.
    const outer = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const order = [...outer, ...axes.sort((a, b) => a - b)];
    const strides = stridesOf(x.shape);
    const ready = order.every((axis, i) => axis === i);
    const { data } = ready ? x : view(x, order.map((axis) => x.shape[axis]), order.map((axis) => strides[axis]));
    const n = sizeOf(axes.map((axis) => x.shape[axis]));
    for (let o = 0; o < out.data.length; o++) out.data[o] = summary(data, o * n, 1, n);
    return out;
  };

/** Calls `f` with the start of each line along an axis, the step along it, and its length. */
function eachLine(x: Tensor, axis: number, f: (start: number, step: number, n: number) => void): void {
  const n = x.shape[axis];
  const step = sizeOf(x.shape.slice(axis + 1));
  for (let block = 0; block < x.data.length; block += n * step) {
    for (let i = 0; i < step; i++) f(block + i, step, n);
  }
}

/** exp(x) over the sum of exp(x) along an axis. */
const softmax: Operation = (inputs, attributes, kernel) => {
  const [x, from] = [inputs.get(0), inputs.floats(0)];
  const along = axisOf(attributes.number("axis", -1), x.shape.length);
  const fast = along === x.shape.length - 1 ? kernel.softmax?.(from, x.shape[along]) : undefined;
  if (fast) return { dtype: "float32", shape: x.shape, data: fast };
  const out = zeros("float32", x.shape);
  const to = out.data;
  eachLine(x, along, (i, step, n) => {
    // Subtracting the largest changes nothing in the quotient, and keeps exp from overflowing.
    const top = largest(from, i, step, n);
    let total = 0;
    for (let k = 0; k < n; k++) total += to[i + k * step] = exp(from[i + k * step] - top);
    const share = 1 / total;
    for (let k = 0; k < n; k++) to[i + k * step] *= share;
  });
  return out;
};

/** From `axis` on: minus the mean, over the standard deviation, times a scale, plus a bias (Ba et al. 2016). */
const layerNormalization: Operation = (inputs, attributes, kernel) => {
  const [x, from, scale] = [inputs.get(0), inputs.floats(0), inputs.floats(1)];
  const bias = inputs.has(2) ? inputs.floats(2) : undefined;
  const epsilon = attributes.number("epsilon", 1e-5);
  const n = sizeOf(x.shape.slice(axisOf(attributes.number("axis", -1), x.shape.length)));
  const fast = kernel.normalize?.(from, n, scale, bias, epsilon);
  if (fast) return { dtype: "float32", shape: x.shape, data: fast };
  const out = zeros("float32", x.shape);
  for (let i = 0; i < from.length; i += n) {
    const centre = mean(from, i, 1, n);
    let variance = 0;
    for (let k = 0; k < n; k++) variance += (from[i + k] - centre) * (from[i + k] - centre);
    const narrow = 1 / Math.sqrt(variance / n + epsilon);
    for (let k = 0; k < n; k++) out.data[i + k] = (from[i + k] - centre) * narrow * scale[k] + (bias ? bias[k] : 0);
  }
  return out;
};

const argMax: Operation = (inputs, attributes) => {
  const x = inputs.get(0);
  const axis = axisOf(attributes.number("axis", 0), x.shape.length);
  const kept = withSize(x.shape, axis, 1);
  const out = zeros("int64", attributes.number("keepdims", 1) ? kept : kept.filter((_, i) => i !== axis));
  let o = 0;
  eachLine(x, axis, (i, step, n) => {
    let best = 0;
    for (let k = 1; k < n; k++) if (x.data[i + k * step] > x.data[i + best * step]) best = k;
    out.data[o++] = best;
  });
  return out;
};

const cumulate: Operation = (inputs, attributes) => {
  attributes.only("reverse", 0);
  attributes.only("exclusive", 0);
  const x = inputs.get(0);
  const out = zeros(x.dtype, x.shape);
  eachLine(x, axisOf(inputs.integers(1)![0], x.shape.length), (i, step, n) => {
    let total = 0;
    for (let k = 0; k < n; k++) out.data[i + k * step] = total += x.data[i + k * step];
  });
  return out;
};

export const reductions = {
  ReduceSum: reduce(sum),
  ReduceMean: reduce(mean),
  ReduceMax: reduce(largest),
  Softmax: softmax,
  LayerNormalization: layerNormalization,
  ArgMax: argMax,
  CumSum: cumulate,
};
