// Operators that treat every number by itself: arithmetic, comparison, activation functions.

import { broadcast, broadcastStrides, eachRow, reshape, stridesOf, zeros, type Data, type DType, type Tensor } from "../tensor.ts";
import { asFloats, Inputs, type Operation } from "./common.ts";
import { erf, exp, sigmoid, tanh } from "./exp.ts";

/** o[at + k] = f(x[i + k·di], y[j + k·dj]) for k below n. */
type Row = (o: Data, at: number, x: Data, i: number, di: number, y: Data, j: number, dj: number, n: number) => void;

// The four operations of arithmetic have loops of their own: a loop around a function argument is several times slower.
const ADD: Row = (o, at, x, i, di, y, j, dj, n) => {
  for (let k = 0; k < n; k++) o[at + k] = x[i + k * di] + y[j + k * dj];
};
const SUBTRACT: Row = (o, at, x, i, di, y, j, dj, n) => {
  for (let k = 0; k < n; k++) o[at + k] = x[i + k * di] - y[j + k * dj];
};
const MULTIPLY: Row = (o, at, x, i, di, y, j, dj, n) => {
  for (let k = 0; k < n; k++) o[at + k] = x[i + k * di] * y[j + k * dj];
};
const DIVIDE: Row = (o, at, x, i, di, y, j, dj, n) => {
  for (let k = 0; k < n; k++) o[at + k] = x[i + k * di] / y[j + k * dj]; // an integer array cuts towards zero, as ONNX does
};

function row(f: (x: number, y: number) => number): Row {
  return (o, at, x, i, di, y, j, dj, n) => {
    for (let k = 0; k < n; k++) o[at + k] = f(x[i + k * di], y[j + k * dj]);
  };
}

function combine(a: Tensor, b: Tensor, run: Row, dtype: DType): Tensor {
  const out = zeros(dtype, broadcast(a.shape, b.shape));
  const strides = [stridesOf(out.shape), broadcastStrides(a.shape, out.shape), broadcastStrides(b.shape, out.shape)];
  eachRow(out.shape, strides, [0, 0, 0], ([o, i, j], n, [, di, dj]) => run(out.data, o, a.data, i, di, b.data, j, dj, n));
  return out;
}

const binary =
  (run: Row, dtype?: DType): Operation =>
  (inputs) =>
    combine(inputs.get(0), inputs.get(1), run, dtype ?? inputs.get(0).dtype);

const compare = (f: (x: number, y: number) => boolean): Operation => binary(row((x, y) => Number(f(x, y))), "bool");

/** Of any number of inputs, two at a time. */
const fold =
  (run: Row): Operation =>
  (inputs) =>
    inputs.all().reduce((a, b) => combine(a, b, run, a.dtype));

const unary =
  (f: (x: number) => number, dtype?: DType): Operation =>
  (inputs) => {
    const x = inputs.get(0);
    const out = zeros(dtype ?? x.dtype, x.shape);
    for (let i = 0; i < x.data.length; i++) out.data[i] = f(x.data[i]);
    return out;
  };

// Tanh and Gelu run over the widest layers, so their loops are written out, and Gelu looks up what it can.

/** The share of a normal distribution that lies below x, at every 1/512 from -6 to 6: between two entries a straight
 *  line errs by 1.2e-7. */
const SHARES = Float32Array.from({ length: 12 * 512 + 2 }, (_, i) => 0.5 * (1 + erf((i / 512 - 6) * Math.SQRT1_2)));

/** x times that share (Hendrycks and Gimpel 2016); or nearly so, by tanh. */
const gelu: Operation = (inputs, attributes, kernel) => {
  const exact = attributes.text("approximate", "none") === "none";
  const fast = exact ? kernel.gelu?.(inputs.floats(0)) : undefined;
  if (fast) return { dtype: "float32", shape: inputs.get(0).shape, data: fast };
  const [x, out] = [inputs.floats(0), new Float32Array(inputs.floats(0).length)];
  if (!exact) {
    const scale = Math.sqrt(2 / Math.PI);
    for (let i = 0; i < x.length; i++) out[i] = 0.5 * x[i] * (1 + tanh(scale * (x[i] + 0.044715 * x[i] * x[i] * x[i])));
  } else {
    for (let i = 0; i < x.length; i++) {
      const place = (Math.min(6, Math.max(-6, x[i])) + 6) * 512;
      const k = place | 0;
      out[i] = x[i] * (SHARES[k] + (place - k) * (SHARES[k + 1] - SHARES[k]));
    }
  }
  return { dtype: "float32", shape: inputs.get(0).shape, data: out };
};

/** Of one input, or (fuse.ts) of the sum of two. */
const tanhOf: Operation = (inputs, _, kernel) => {
  const [rows, plus] = inputs.has(1) ? rowsAndRow(inputs.get(0), inputs.get(1)) : [inputs.get(0)];
  const fast = rows && kernel.tanh?.(asFloats(rows), plus && asFloats(plus));
  if (fast) return { dtype: "float32", shape: rows.shape, data: fast };
  const x = inputs.has(1) ? combine(inputs.get(0), inputs.get(1), ADD, "float32") : inputs.get(0);
  const [from, out] = [asFloats(x), new Float32Array(x.data.length)];
  for (let i = 0; i < from.length; i++) out[i] = tanh(from[i]);
  return { dtype: "float32", shape: x.shape, data: out };
};

/** Of two tensors to add, the one of many rows and the one that is a row for all of them, if that is what they are. */
function rowsAndRow(a: Tensor, b: Tensor): [Tensor, Tensor] | [] {
  const n = a.shape.at(-1);
  if (b.shape.at(-1) !== n || Math.min(a.data.length, b.data.length) !== n) return [];
  const [rows, row] = b.data.length === n ? [a, b] : [b, a];
  return rows.shape.length >= row.shape.length ? [rows, row] : [];
}

/** The remainder with the sign of the divisor, as in Python; with fmod = 1 that of the dividend, as in C. */
const remainder: Operation = (inputs, attributes, kernel) => {
  const f = attributes.number("fmod", 0) ? (x: number, y: number) => x % y : (x: number, y: number) => x - y * Math.floor(x / y);
  return binary(row(f))(inputs, attributes, kernel);
};

const where: Operation = (inputs) => {
  const [condition, a, b] = inputs.all();
  const out = zeros(a.dtype, broadcast(condition.shape, broadcast(a.shape, b.shape)));
  const strides = [stridesOf(out.shape), ...[condition, a, b].map((x) => broadcastStrides(x.shape, out.shape))];
  eachRow(out.shape, strides, [0, 0, 0, 0], ([o, c, i, j], n, [, dc, di, dj]) => {
    for (let k = 0; k < n; k++) out.data[o + k] = condition.data[c + k * dc] ? a.data[i + k * di] : b.data[j + k * dj];
  });
  return out;
};

const clip: Operation = (inputs, attributes, kernel) => {
  const low = inputs.has(1) ? inputs.get(1).data[0] : -Infinity;
  const high = inputs.has(2) ? inputs.get(2).data[0] : Infinity;
  return unary((x) => Math.min(high, Math.max(low, x)))(inputs, attributes, kernel);
};

/** ONNX's numbers for types: floats of any width, booleans; all else is an integer. */
const cast: Operation = (inputs, attributes, kernel) => {
  const to = attributes.number("to", 1);
  if ([1, 10, 11, 16].includes(to)) return unary((x) => x, "float32")(inputs, attributes, kernel);
  return to === 9 ? unary((x) => Number(x !== 0), "bool")(inputs, attributes, kernel) : unary((x) => x, "int64")(inputs, attributes, kernel);
};

export const elementwise = {
  Add: binary(ADD),
  Sub: binary(SUBTRACT),
  Mul: binary(MULTIPLY),
  Div: binary(DIVIDE),
  Pow: binary(row(Math.pow)),
  Mod: remainder,
  Max: fold(row(Math.max)),
  Min: fold(row(Math.min)),
  Equal: compare((x, y) => x === y),
  Less: compare((x, y) => x < y),
  LessOrEqual: compare((x, y) => x <= y),
  Greater: compare((x, y) => x > y),
  GreaterOrEqual: compare((x, y) => x >= y),
  And: compare((x, y) => !!x && !!y),
  Or: compare((x, y) => !!x || !!y),
  Not: unary((x) => Number(!x)),
  Where: where,
  Cast: cast,
  Clip: clip,
  Identity: (inputs: Inputs) => reshape(inputs.get(0), inputs.get(0).shape),
  Abs: unary(Math.abs),
  Neg: unary((x) => -x),
  Floor: unary(Math.floor),
  Reciprocal: unary((x) => 1 / x),
  Sqrt: unary(Math.sqrt),
  Exp: unary(exp),
  Log: unary(Math.log),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Tanh: tanhOf,
  Sigmoid: unary(sigmoid),
  Erf: unary(erf),
  Relu: unary((x) => Math.max(0, x)),
  Gelu: gelu,
};
