// A language model that reads along as one types: its graph "step" takes one token, and keeps the keys and values of
// all tokens so far. So a token costs one row of each map, and a text that is changed at its end is not read anew.

import type { Graph } from "./graph.ts";
import type { Model } from "./model.ts";
import { stridesOf, tensor, view, withSize, zeros, type Tensor } from "./tensor.ts";

/** What is known after a token was read. */
export interface Place {
  readonly token: number;
  /** The scores of what comes next. */
  readonly logits: Float32Array;
  /** By name of the map, what this token looked at: (1, H, 1, tokens so far). */
  readonly rows: Readonly<Record<string, Tensor>>;
}

export class Reading {
  readonly places: Place[] = [];
  /** How many tokens the model can read. */
  readonly longest: number;
  /** The names of its maps, first layer first. */
  readonly maps: readonly string[];
  private readonly graph: Graph;
  private kept: Record<string, Tensor> = {}; // keys and values, (1, H, tokens, K) each

  constructor(model: Model) {
    this.graph = model.graph("step");
    this.longest = (JSON.parse(model.extras.generator ?? "{}") as { longest?: number }).longest ?? 0;
    if (!(this.longest > 0)) throw new Error("this model file is not a language model's.");
    this.maps = Object.keys(this.graph.description.maps);
    this.back(0);
  }

  /** Reads one token more. */
  next(token: number): Place {
    if (this.places.length >= this.longest) throw new Error(`this model reads ${this.longest} tokens at most.`);
    const run = this.graph.run({ word: tensor([token], [1, 1], "int64"), ...this.kept }, {}, this.places.length);
    for (const name of Object.keys(this.kept)) this.kept[name] = run.get(`next_${name}`);
    const rows = Object.fromEntries(this.maps.map((name) => [name, run.get(name)]));
    const place = { token, logits: run.get("logits").data as Float32Array, rows };
    this.places.push(place);
    return place;
  }

  /** Forgets all but the first `count` tokens. Their keys and values do not depend on what came after them. */
  back(count: number): void {
    if (count >= this.places.length && count > 0) return;
    this.places.length = count;
    for (const { name, dtype, shape } of this.graph.description.inputs) {
      if (name === "word") continue;
      if (count === 0) this.kept[name] = zeros(dtype, shape.map((n) => (typeof n === "string" ? 0 : n)));
      else this.kept[name] = view(this.kept[name], withSize(this.kept[name].shape, 2, count), stridesOf(this.kept[name].shape));
    }
  }

  /**
   * Reads `tokens`, from where they differ from what was read. Stops when `enough` says so, but never before the first
   * token more; returns whether all were read.
   */
  read(tokens: readonly number[], enough: () => boolean = () => false): boolean {
    let same = 0;
    while (same < this.places.length && this.places[same].token === tokens[same]) same++;
    this.back(same);
    while (this.places.length < tokens.length) {
      this.next(tokens[this.places.length]);
      if (enough()) break;
    }
    return this.places.length === tokens.length;
  }
}
