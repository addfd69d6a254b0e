// Attention by plain loops over small lists: what the labs "by hand" compute, and nothing about how they look.
//
// The law of the book, output = weights · values, for any number of queries; a mask says who may attend to whom.

/** One vector, or one row of a matrix. */
export type Vector = readonly number[];
export type Matrix = readonly Vector[];

/** The small network of an additive score, a·tanh(Wq + Uk). */
export interface Network {
  readonly W: Matrix;
  readonly U: Matrix;
  readonly a: Vector;
}

export type Kind = "dot" | "scaled" | "additive";

/** Every step on the way from queries, keys and values to the outputs. Rows are queries, columns are keys. */
export interface Attended {
  /** q·k, or a·tanh(Wq + Uk). */
  readonly scores: Matrix;
  /** What the softmax sees: the scores over √K (scaled only) and over the temperature. */
  readonly logits: Matrix;
  /** Rows sum to one, unless all of a row is masked: then it is all zeros. */
  readonly weights: Matrix;
  readonly output: Matrix;
}

export interface Options {
  readonly kind: Kind;
  /** Above 0. Towards 0 the highest score takes all; high up, all weights become equal. */
  readonly temperature: number;
  /** For each query and key: true = may attend. Without it, everyone may. */
  readonly mask?: readonly (readonly boolean[])[];
  /** Asked for by the additive score alone. */
  readonly network?: Network;
}

export function attend(q: Matrix, k: Matrix, v: Matrix, { kind, temperature, mask, network }: Options): Attended {
  if (!(temperature > 0)) throw new RangeError(`a temperature is above 0, not ${temperature}`);
  const divisor = temperature * (kind === "scaled" ? Math.sqrt(q[0].length) : 1);
  const scores = q.map((query) => k.map((key) => score(query, key, kind, network)));
  const logits = scores.map((row) => row.map((one) => one / divisor));
  const weights = logits.map((row, t) => softmax(row, mask?.[t]));
  return { scores, logits, weights, output: weights.map((row) => mix(row, v)) };
}

export function score(q: Vector, k: Vector, kind: Kind, network?: Network): number {
  if (kind !== "additive") return dot(q, k);
  if (!network) throw new TypeError("the additive score needs its matrices W and U and its vector a");
  return dot(network.a, hidden(q, k, network).map(Math.tanh));
}

/** Wq + Uk: what the additive score puts through tanh. */
export function hidden(q: Vector, k: Vector, { W, U }: Network): number[] {
  return W.map((row, i) => dot(row, q) + dot(U[i], k));
}

export function dot(a: Vector, b: Vector): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

/** Softmax over the allowed entries, exactly zero elsewhere. No entry allowed: all zeros, where others give NaN. */
export function softmax(logits: Vector, allowed: readonly boolean[] = logits.map(() => true)): number[] {
  const most = Math.max(...logits.filter((_, s) => allowed[s]));
  // Less the largest, so that no power overflows; the quotient is the same.
  const powers = logits.map((one, s) => (allowed[s] ? Math.exp(one - most) : 0));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => (sum ? power / sum : 0));
}

/** The sum of vectors, each times its weight. */
export function mix(weights: Vector, vectors: Matrix): number[] {
  return vectors[0].map((_, i) => weights.reduce((sum, weight, s) => sum + weight * vectors[s][i], 0));
}
