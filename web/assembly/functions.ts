// exp and what is made of it, four numbers at a time; as src/operators/exp.ts, but with the 7 digits of a float32.

// @ts-ignore: a decorator
@inline
function four(x: f32): v128 {
  return f32x4.splat(x);
}

// @ts-ignore: a decorator
@inline
function line(slope: v128, x: v128, start: f32): v128 {
  return f32x4.add(f32x4.mul(slope, x), four(start));
}

/** exp(x) = 2^k · exp(r): r is so small (|r| ≤ ln 2 / 2) that a few terms of the series do, 2^k is k in the exponent. */
export function exp(x: v128): v128 {
  const inside = f32x4.min(f32x4.max(x, four(-87)), four(88));
  const k = f32x4.nearest(f32x4.mul(inside, four(1.44269504)));
  // ln 2 in two parts, the first so short that k times it is exact.
  const r = f32x4.sub(f32x4.sub(inside, f32x4.mul(k, four(0.693359375))), f32x4.mul(k, four(-2.12194440e-4)));
  let series = line(four(1.0 / 720), r, 1.0 / 120);
  series = line(series, r, 1.0 / 24);
  series = line(series, r, 1.0 / 6);
  series = line(series, r, 0.5);
  series = line(series, r, 1);
  series = line(series, r, 1);
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(k), i32x4.splat(127)), 23);
  return v128.and(f32x4.mul(series, power), f32x4.ge(x, four(-87))); // below it is zero, as far as anyone can see
}

export function sigmoid(x: v128): v128 {
  return f32x4.div(four(1), f32x4.add(four(1), exp(f32x4.neg(x))));
}

export function tanh(x: v128): v128 {
  return f32x4.sub(four(1), f32x4.div(four(2), f32x4.add(exp(f32x4.add(x, x)), four(1))));
}

/** x times the share of a normal distribution below x; erf by Abramowitz and Stegun, formula 7.1.26. */
function gelu(x: v128): v128 {
  const size = f32x4.mul(f32x4.abs(x), four(0.70710678));
  const t = f32x4.div(four(1), line(four(0.3275911), size, 1));
  let series = line(four(1.061405429), t, -1.453152027);
  series = line(series, t, 1.421413741);
  series = line(series, t, -0.284496736);
  series = line(series, t, 0.254829592);
  // Half of 1 - erf(|x| / √2): the share beyond |x|. Below -|x| lies as much.
  const beyond = f32x4.mul(four(0.5), f32x4.mul(f32x4.mul(series, t), exp(f32x4.neg(f32x4.mul(size, size)))));
  const share = v128.bitselect(beyond, f32x4.sub(four(1), beyond), f32x4.lt(x, four(0)));
  return f32x4.mul(x, share);
}

/** In place, up to three numbers beyond `end`. */
export function tanhs(at: usize, end: usize): void {
  for (; at < end; at += 16) v128.store(at, tanh(v128.load(at)));
}

/** Of rows of n numbers, n a multiple of 4, each plus one more row. */
export function tanhsOfSums(at: usize, end: usize, row: usize, n: i32): void {
  const size = <usize>n << 2;
  for (; at < end; at += size) {
    for (let i: usize = 0; i < size; i += 16) v128.store(at + i, tanh(f32x4.add(v128.load(at + i), v128.load(row + i))));
  }
}

export function gelus(at: usize, end: usize): void {
  for (; at < end; at += 16) v128.store(at, gelu(v128.load(at)));
}
