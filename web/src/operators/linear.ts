// Operators that are matrix products: MatMul, Gemm, and convolution, which becomes one.

import { broadcast, broadcastStrides, sizeOf, stridesOf, view, zeros } from "../tensor.ts";
import { asFloats, type Operation } from "./common.ts";
import type { Kernel } from "../kernel.ts";

/** (…, M, K) times (…, K, N); the leading axes broadcast. To one matrix for all, fuse.ts may have joined a bias. */
const matmul: Operation = (inputs, _, kernel) => {
  const [a, b] = [inputs.get(0), inputs.get(1)];
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [M, K] = left.slice(-2);
  const [rows, N] = right.slice(-2);
  if (K !== rows) throw new Error(`shapes (${a.shape.join(", ")}) and (${b.shape.join(", ")}) do not multiply.`);
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  const out = zeros("float32", [...batch, ...(a.shape.length > 1 ? [M] : []), ...(b.shape.length > 1 ? [N] : [])]);
  const [x, y, z] = [asFloats(a), asFloats(b), asFloats(out)];
  if (right.length === 2) {
    kernel.multiply(x, y, sizeOf(batch) * M, K, N, z, inputs.has(2) ? inputs.floats(2) : undefined); // one matrix for all: the whole batch is one product
    return out;
  }
  const [stepsA, stepsB] = [broadcastStrides(left.slice(0, -2), batch), broadcastStrides(right.slice(0, -2), batch)];
  const index = stridesOf(batch);
  for (let i = 0; i < sizeOf(batch); i++) {
    let [atA, atB] = [0, 0];
    batch.forEach((n, axis) => {
      const place = Math.floor(i / index[axis]) % n;
      atA += place * stepsA[axis] * M * K;
      atB += place * stepsB[axis] * K * N;
    });
    kernel.multiply(x.subarray(atA, atA + M * K), y.subarray(atB, atB + K * N), M, K, N, z.subarray(i * M * N));
  }
  return out;
};

/** Transposed matrices, kept for as long as the original lives: a weight is turned around once, not at each use. */
const turned = new WeakMap<Float32Array, Float32Array>();

/** The transpose of the matrix (rows, columns) at the beginning of `matrix`. */
export function transposed(matrix: Float32Array, rows: number, columns: number, kernel: Kernel): Float32Array {
  const known = turned.get(matrix);
  if (known) return known;
  const out = asFloats(view({ dtype: "float32", shape: [rows, columns], data: matrix }, [columns, rows], [1, columns]));
  if (kernel.kept(matrix)) {
    turned.set(matrix, out);
    kernel.keep(out);
  }
  return out;
}

/** alpha · A B + beta · C, where A and B may be given transposed. */
const gemm: Operation = (inputs, attributes, kernel) => {
  const [a, b] = [inputs.get(0), inputs.get(1)];
  const [turnA, turnB] = [attributes.number("transA", 0), attributes.number("transB", 0)];
  const [M, K] = turnA ? [a.shape[1], a.shape[0]] : a.shape;
  const N = turnB ? b.shape[0] : b.shape[1];
  const left = turnA ? transposed(asFloats(a), K, M, kernel) : asFloats(a);
  const right = turnB ? transposed(asFloats(b), N, K, kernel) : asFloats(b);
  const out = zeros("float32", [M, N]);
  kernel.multiply(left, right, M, K, N, asFloats(out));
  const [alpha, beta] = [attributes.number("alpha", 1), attributes.number("beta", 1)];
  const bias = inputs.has(2) ? view(inputs.get(2), [M, N], broadcastStrides(inputs.get(2).shape, [M, N])).data : undefined;
  for (let i = 0; i < out.data.length; i++) out.data[i] = alpha * out.data[i] + (bias ? beta * bias[i] : 0);
  return out;
};

/** Images (B, C, h, w), or series (B, C, w): every patch becomes a column, then one product does all patches. */
const conv: Operation = (inputs, attributes, kernel) => {
  attributes.only("auto_pad", "NOTSET");
  const flat = inputs.get(0).shape.length === 3; // a series is an image of height 1
  const image = (shape: readonly number[]) => (flat ? [shape[0], shape[1], 1, shape[2]] : shape);
  const pair = (name: string, usual: number) => {
    const list = attributes.list(name) ?? (flat ? [usual] : [usual, usual]);
    return flat ? [usual === 1 ? 1 : 0, list[0]] : list;
  };
  const [B, C, h, w] = image(inputs.get(0).shape);
  const [O, inner, kh, kw] = image(inputs.get(1).shape);
  const [dy, dx] = pair("dilations", 1);
  const [sy, sx] = pair("strides", 1);
  const pads = attributes.list("pads") ?? new Array<number>(flat ? 2 : 4).fill(0);
  const [top, left, bottom, right] = flat ? [0, pads[0], 0, pads[1]] : pads;
  const groups = attributes.number("group", 1);
  const height = Math.floor((h + top + bottom - dy * (kh - 1) - 1) / sy) + 1;
  const width = Math.floor((w + left + right - dx * (kw - 1) - 1) / sx) + 1;
  const [x, kernels] = [inputs.floats(0), inputs.floats(1)];
  const bias = inputs.has(2) ? inputs.floats(2) : undefined;
  const out = zeros("float32", flat ? [B, O, width] : [B, O, height, width]);
  const [places, depth, each] = [height * width, inner * kh * kw, O / groups];
  const columns = new Float32Array(depth * places);
  for (let b = 0; b < B; b++) {
    for (let g = 0; g < groups; g++) {
      let at = 0;
      for (let c = 0; c < inner; c++) {
        const plane = (b * C + g * inner + c) * h * w;
        for (let i = 0; i < kh; i++) {
          for (let j = 0; j < kw; j++) {
            for (let p = 0; p < places; p++) {
              const row = Math.floor(p / width) * sy - top + i * dy;
              const column = (p % width) * sx - left + j * dx;
              const inside = row >= 0 && row < h && column >= 0 && column < w;
              columns[at++] = inside ? x[plane + row * w + column] : 0;
            }
          }
        }
      }
      const from = (b * O + g * each) * places;
      const to = asFloats(out).subarray(from, from + each * places);
      kernel.multiply(kernels.subarray(g * each * depth, (g + 1) * each * depth), columns, each, depth, places, to);
      if (bias) for (let i = 0; i < to.length; i++) to[i] += bias[g * each + Math.floor(i / places)];
    }
  }
  return out;
};

export const linear = { MatMul: matmul, Gemm: gemm, Conv: conv };
