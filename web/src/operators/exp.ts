// The exponential function, and what is made of it. The browser's own is exact to the last of 16 digits, and for that
// takes longer than a softmax can afford; float32 keeps 7, so 9 are enough.

/** 2^k for k from -150, below which a float32 is zero, to 128, above which it is infinite. */
const POWERS = Float64Array.from({ length: 279 }, (_, i) => 2 ** (i - 150));

/** exp(x) = 2^k · exp(r), where r is so small (|r| ≤ ln 2 / 2) that the first terms of its series do. */
export function exp(x: number): number {
  const k = Math.floor(x * Math.LOG2E + 0.5);
  if (k < -150) return 0;
  if (k > 128) return Infinity;
  const r = x - k * Math.LN2;
  const series = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040))))));
  return series * POWERS[k + 150];
}

export function sigmoid(x: number): number {
  return 1 / (1 + exp(-x));
}

export function tanh(x: number): number {
  return 1 - 2 / (exp(2 * x) + 1);
}

/** The error function to 1.5e-7 (Abramowitz and Stegun, formula 7.1.26). */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * exp(-x * x));
}
