// A model that fills blanks: it reads a whole text at once, and says for every place which piece would stand there.
//
// A text is cut into parts: words, punctuation marks, and blanks, which are written `_`. The model reads the pieces of
// all parts between its two marks, "start" and "end".

import type { Edits, Run } from "./graph.ts";
import type { Model } from "./model.ts";
import { LiveFileError } from "./safetensors.ts";
import { tensor, type Tensor } from "./tensor.ts";
import { tokenizerFromJson, type Tokenizer } from "./tokenizer.ts";

/** A word, a mark or a blank of a text, and where it stands there. */
export interface Part {
  readonly text: string;
  readonly blank: boolean;
  /** From which letter to which. */
  readonly from: number;
  readonly to: number;
}

/** What Python says of the model, beside its tokenizer: ids of special pieces, and how many pieces it can read. */
export interface MaskedFacts {
  readonly pad: number;
  readonly unk: number;
  readonly cls: number;
  readonly sep: number;
  readonly mask: number;
  readonly longest: number;
}

const PARTS = /(?<blank>_+|\[(?:MASK|mask)\])|[^\s\p{P}$+<=>^`|~]+|[\p{P}$+<=>^`|~]/gu;

/** The words, marks and blanks of a text; white space falls away. */
export function parts(text: string): Part[] {
  return Array.from(text.matchAll(PARTS), (found) => ({
    text: found[0],
    blank: found.groups!.blank !== undefined,
    from: found.index,
    to: found.index + found[0].length,
  }));
}

/** A text in which a part stands replaced; a piece that goes on with a word is glued to the word before it. */
export function replaced(text: string, part: Part, by: string): string {
  const before = text.slice(0, part.from);
  return (by.startsWith("·") ? before.trimEnd() + by.slice(1) : before + by) + text.slice(part.to);
}

/** The ids that the model reads of a text, and for each the number of its part: -1 for "start", the count for "end". */
export interface Pieces {
  readonly ids: readonly number[];
  readonly of: readonly number[];
  readonly labels: readonly string[];
}

export class BlankFiller {
  readonly tokenizer: Tokenizer;
  readonly facts: MaskedFacts;
  /** The names of the maps, the lowest layer first, and the heads in each. */
  readonly maps: readonly string[];

  constructor(readonly model: Model) {
    try {
      this.facts = JSON.parse(model.extras.masked) as MaskedFacts;
    } catch {
      throw new LiveFileError("the model file is not of a model that fills blanks: export it with tfedu.live.masked.");
    }
    this.tokenizer = tokenizerFromJson(model.extras.tokenizer);
    this.maps = Object.keys(model.graph("model").description.maps);
  }

  pieces(cut: readonly Part[]): Pieces {
    const { cls, sep, mask } = this.facts;
    const each = cut.map((part) => (part.blank ? [mask] : this.tokenizer.encode(part.text)));
    const ids = [cls, ...each.flat(), sep];
    const labels = ["start", ...each.flatMap((some, i) => (cut[i].blank ? ["_"] : this.labels(some))), "end"];
    return { ids, of: [-1, ...each.flatMap((some, i) => some.map(() => i)), cut.length], labels };
  }

  /** How pieces are shown: one that goes on with a word starts with a middle dot. */
  labels(ids: Iterable<number>): string[] {
    return this.tokenizer.tokens(ids).map((piece) => piece.replace(/^##(?=.)/u, "·"));
  }

  /** The specials, which fill no blank. */
  get specials(): ReadonlySet<number> {
    const { pad, unk, cls, sep, mask } = this.facts;
    return new Set([pad, unk, cls, sep, mask]);
  }

  /**
   * Reads the pieces of a text.
   *   hidden: for each place, whether it is hidden: no head looks there.
   *   edits: changes of maps, by their names.
   */
  read(ids: readonly number[], { hidden, edits = {} }: { hidden?: readonly boolean[]; edits?: Edits } = {}): Reading {
    const T = ids.length;
    const mask = tensor(Array.from({ length: T * T }, (_, i) => !hidden?.[i % T]), [1, T, T], "bool"); // true = may look
    return new Reading(this.model.graph("model").run({ tokens: tensor(ids, [1, T], "int64"), mask }, edits));
  }
}

/** One reading of a text. */
export class Reading {
  constructor(readonly run: Run) {}

  /** For every piece of the vocabulary, how probable it is at a place; a `temperature` above 1 makes them more alike. */
  probabilities(place: number, temperature = 1): Float64Array {
    const logits = this.run.get("logits");
    const size = logits.shape[2];
    return softened(logits.data.subarray(place * size, (place + 1) * size), temperature);
  }

  /** A map (1, H, T, T). */
  map(name: string): Tensor {
    return this.run.get(name);
  }
}

/** The softmax of scores over a temperature. */
export function softened(scores: ArrayLike<number>, temperature: number): Float64Array {
  const out = Float64Array.from(scores, (score) => score / temperature);
  let [most, sum] = [-Infinity, 0];
  for (const one of out) most = Math.max(most, one);
  for (let i = 0; i < out.length; i++) sum += out[i] = Math.exp(out[i] - most);
  for (let i = 0; i < out.length; i++) out[i] /= sum;
  return out;
}

/** The `count` most probable, the most probable first; of two alike the lower id. */
export function best(probabilities: ArrayLike<number>, count: number, never: ReadonlySet<number> = new Set()): number[] {
  const found: number[] = [];
  for (let id = 0; id < probabilities.length; id++) {
    if (never.has(id)) continue;
    if (found.length === count && probabilities[id] <= probabilities[found[count - 1]]) continue;
    let at = found.length;
    while (at > 0 && probabilities[id] > probabilities[found[at - 1]]) at--;
    found.splice(at, 0, id);
    found.length = Math.min(found.length, count);
  }
  return found;
}

/** The Kullback-Leibler divergence KL(a ‖ b) in bits: what is wasted if one expects b and a comes; 0 if both are the same. */
export function divergence(a: Float64Array, b: Float64Array): number {
  let bits = 0;
  for (let i = 0; i < a.length; i++) if (a[i] > 0) bits += a[i] * Math.log2(a[i] / Math.max(b[i], Number.MIN_VALUE));
  return Math.max(bits, 0);
}

/** How undecided a distribution is, in bits: 0 if one is certain. */
export function entropy(probabilities: Float64Array): number {
  let bits = 0;
  for (const p of probabilities) if (p > 0) bits -= p * Math.log2(p);
  return bits;
}

/** The share of probability that differs between two distributions: 0 if they are the same, 1 if nothing is shared. */
export function moved(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / 2;
}
