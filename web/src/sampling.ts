// From scores to a token by chance, with the three knobs that reshape what is likely; as tfedu.models.gpt has it.

export interface Knobs {
  /** Scores are divided by it: below 1 likely tokens become likelier still; 0 leaves the likeliest alone. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens may be drawn, and what ties with the last of them; 0: all. */
  readonly topK: number;
  /** Of those, only the fewest that together have this share, the likeliest first; 1: all. */
  readonly topP: number;
}

/** The model as it is. */
export const PLAIN: Knobs = { temperature: 1, topK: 0, topP: 1 };

/** How likely each token is to be drawn. */
export function chances(logits: ArrayLike<number>, { temperature, topK, topP }: Knobs = PLAIN): Float64Array {
  const order = Array.from(logits, (_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
  const best = logits[order[0]];
  const out = new Float64Array(logits.length);
  if (temperature === 0) {
    out[order[0]] = 1;
    return out;
  }
  const least = topK > 0 && topK < order.length ? logits[order[topK - 1]] : -Infinity;
  const kept = order.filter((id) => logits[id] >= least);
  for (const id of kept) out[id] = Math.exp((logits[id] - best) / temperature);
  const sum = kept.reduce((all, id) => all + out[id], 0);
  let before = 0; // the share of all likelier tokens
  for (const id of kept) {
    const share = out[id] / sum;
    if (before >= topP) out[id] = 0;
    before += share;
  }
  const left = out.reduce((all, one) => all + one, 0);
  return out.map((one) => one / left);
}

/** The token at `chance` (from 0 to 1) of the way through all of them. */
export function draw(chances: ArrayLike<number>, chance: number): number {
  let left = chance;
  let last = 0;
  for (let id = 0; id < chances.length; id++) {
    if (chances[id] === 0) continue;
    last = id;
    if ((left -= chances[id]) < 0) return id;
  }
  return last;
}

/** A number from 0 to 1 that depends on the seed and the place alone: so a text can be written again. */
export function chance(seed: number, place: number): number {
  let h = (Math.imul(seed, 0x9e3779b1) + Math.imul(place + 1, 0x85ebca6b)) | 0;
  for (let round = 0; round < 2; round++) {
    h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
    h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
    h ^= h >>> 16;
  }
  return (h >>> 0) / 2 ** 32;
}

/** How many bits a token costs, and so how surprising it is, where these were the scores. */
export function bits(logits: ArrayLike<number>, token: number): number {
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) most = Math.max(most, logits[id]);
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id] - most);
  return (Math.log(sum) + most - logits[token]) / Math.LN2;
}
