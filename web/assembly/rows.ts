// Softmax and layer normalisation of rows of n numbers, in place. Four at a time, the last up to three one by one.

import { exp } from "./functions";

// @ts-ignore: a decorator
@inline
function total(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3);
}

/** exp(x) over the sum of exp(x); the largest x is taken off first, so that exp does not overflow. */
export function softmax(at: usize, end: usize, n: i32): void {
  const row = <usize>n << 2;
  const whole = row & ~15;
  for (; at < end; at += row) {
    let top = load<f32>(at);
    if (whole) {
      let tops = v128.load(at);
      for (let k: usize = 16; k < whole; k += 16) tops = f32x4.max(tops, v128.load(at + k));
      top = max(
        max(f32x4.extract_lane(tops, 0), f32x4.extract_lane(tops, 1)),
        max(f32x4.extract_lane(tops, 2), f32x4.extract_lane(tops, 3)),
      );
    }
    for (let k = whole; k < row; k += 4) top = max(top, load<f32>(at + k));
    const tops = f32x4.splat(top);
    let sums = f32x4.splat(0);
    for (let k: usize = 0; k < whole; k += 16) {
      const one = exp(f32x4.sub(v128.load(at + k), tops));
      v128.store(at + k, one);
      sums = f32x4.add(sums, one);
    }
    let sum = total(sums);
    for (let k = whole; k < row; k += 4) {
      const one = f32x4.extract_lane(exp(f32x4.splat(load<f32>(at + k) - top)), 0);
      store<f32>(at + k, one);
      sum += one;
    }
    scale(at, row, 1 / sum);
  }
}

function scale(at: usize, row: usize, by: f32): void {
  const whole = row & ~15;
  for (let k: usize = 0; k < whole; k += 16) v128.store(at + k, f32x4.mul(v128.load(at + k), f32x4.splat(by)));
  for (let k = whole; k < row; k += 4) store<f32>(at + k, load<f32>(at + k) * by);
}

/** Minus the mean, over the standard deviation, times `gain`, plus `bias` (0 means none). */
export function normalize(at: usize, end: usize, n: i32, gain: usize, bias: usize, epsilon: f32): void {
  const row = <usize>n << 2;
  const whole = row & ~15;
  for (; at < end; at += row) {
    let sums = f32x4.splat(0);
    for (let k: usize = 0; k < whole; k += 16) sums = f32x4.add(sums, v128.load(at + k));
    let sum = total(sums);
    for (let k = whole; k < row; k += 4) sum += load<f32>(at + k);
    const mean = sum / <f32>n;
    const means = f32x4.splat(mean);
    sums = f32x4.splat(0);
    for (let k: usize = 0; k < whole; k += 16) {
      const off = f32x4.sub(v128.load(at + k), means);
      sums = f32x4.add(sums, f32x4.mul(off, off));
    }
    sum = total(sums);
    for (let k = whole; k < row; k += 4) {
      const off = load<f32>(at + k) - mean;
      sum += off * off;
    }
    const narrow: f32 = 1 / sqrt<f32>(sum / <f32>n + epsilon);
    const narrows = f32x4.splat(narrow);
    for (let k: usize = 0; k < whole; k += 16) {
      let out = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(at + k), means), narrows), v128.load(gain + k));
      if (bias) out = f32x4.add(out, v128.load(bias + k));
      v128.store(at + k, out);
    }
    for (let k = whole; k < row; k += 4) {
      const out = (load<f32>(at + k) - mean) * narrow * load<f32>(gain + k);
      store<f32>(at + k, bias ? out + load<f32>(bias + k) : out);
    }
  }
}
