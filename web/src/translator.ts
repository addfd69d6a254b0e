// A translator writes word by word. Its file has two graphs: "encode" reads the sentence once, "step" takes the
// last word and the state, and gives the scores of all words for the next place, the new state, and one row of the
// attention map. What "step" makes as next_X is its input X at the next word; what it wants else, "encode" made.

import type { Edit, Edits, Graph, Run } from "./graph.ts";
import type { Model } from "./model.ts";
import { tensor, zeros, type Tensor } from "./tensor.ts";

/** What the exporter says about the vocabulary, in the text "translator". */
interface Driver {
  bos: number;
  eos: number;
  /** Ids that a translation never holds. */
  never: number[];
  /** [a, b]: a translation of S words has at most a · S + b. */
  longest: [number, number];
}

export interface Step {
  /** The word that was chosen, by its id; the last one is the end of the sentence. */
  readonly token: number;
  /** The scores of all words; their softmax says how likely the step took each to be. */
  readonly logits: Float32Array;
  /** All that the step computed. */
  readonly run: Run;
}

/** Edits of the encoder's values, and of the steps'; an edit of a step is told its number, the map's row. */
export interface TranslationEdits {
  readonly encode?: Edits;
  readonly step?: Edits;
}

export class Translator {
  private readonly encode: Graph;
  private readonly step: Graph;
  private readonly driver: Driver;

  constructor(model: Model) {
    this.encode = model.graph("encode");
    this.step = model.graph("step");
    this.driver = JSON.parse(model.extras.translator ?? "{}") as Driver;
    if (!(this.driver.eos >= 0 && this.driver.bos >= 0)) throw new Error("this model file is not a translator's.");
  }

  /** Reads a sentence; `next` or `finish` of what comes back writes its translation. */
  begin(source: readonly number[], edits: TranslationEdits = {}): Translation {
    if (source.length === 0) throw new Error("nothing to translate: the text is empty.");
    const read = this.encode.run({ source: tensor(source, [1, source.length], "int64") }, edits.encode);
    return new Translation(read, this.step, this.driver, source.length, edits.step);
  }

  /** The whole translation, always going on with the best word. */
  translate(source: readonly number[], edits: TranslationEdits = {}): Translation {
    return this.begin(source, edits).finish();
  }
}

/** A translation that grows, and that can be changed at any of its words: what came after is then written anew. */
export class Translation {
  readonly steps: Step[] = [];
  private readonly longest: number;
  /** Edits of single steps, by number; they stay when the steps before them change. */
  private readonly single = new Map<number, Map<string, Edit>>();
  private readonly every: Map<string, Edit>;

  constructor(
    readonly encoded: Run,
    private readonly graph: Graph,
    private readonly driver: Driver,
    length: number,
    edits: Edits = {},
  ) {
    this.longest = driver.longest[0] * length + driver.longest[1];
    this.every = new Map(Object.entries(edits).map(([name, edit]) => [graph.resolve(name), edit]));
  }

  get done(): boolean {
    return this.steps.at(-1)?.token === this.driver.eos || this.steps.length >= this.longest;
  }

  /** The words written so far, without the end. */
  get tokens(): number[] {
    return this.steps.map((step) => step.token).filter((token) => token !== this.driver.eos);
  }

  /** The rows of a map so far, (B, H, T, S); the one named "decoder.attention" unless another is asked for. */
  map(name = "decoder.attention"): Tensor | undefined {
    if (!this.steps.length || !Object.hasOwn(this.graph.description.maps, name)) return undefined;
    const rows = this.steps.map((step) => step.run.get(name));
    const [B, H, , S] = rows[0].shape;
    const map = zeros("float32", [B, H, rows.length, S]);
    rows.forEach((row, t) => {
      for (let head = 0; head < B * H; head++) {
        map.data.set(row.data.subarray(head * S, (head + 1) * S), (head * rows.length + t) * S);
      }
    });
    return map;
  }

  /** Writes one more word; nothing if the translation is done. */
  next(): Step | undefined {
    if (this.done) return undefined;
    const number = this.steps.length;
    const before = this.steps.at(-1);
    const inputs: Record<string, Tensor> = {};
    for (const { name } of this.graph.description.inputs) {
      if (name === "word") inputs.word = tensor([before?.token ?? this.driver.bos], [1, 1], "int64");
      else if (before && this.carries(name)) inputs[name] = before.run.get(`next_${name}`);
      else inputs[name] = this.encoded.get(name);
    }
    const edits = new Map([...this.every, ...(this.single.get(number) ?? [])]);
    const step = this.choose(this.graph.run(inputs, Object.fromEntries(edits), number));
    this.steps.push(step);
    return step;
  }

  /** Writes to the end. */
  finish(): this {
    while (this.next());
    return this;
  }

  /**
   * Changes a value in the encoder, in every step, or in step number `where`; without an edit, gives it back.
   * Only what follows is computed again, up to this step; `next` and `finish` write the rest anew.
   */
  edit(where: "encode" | "every" | number, name: string, edit?: Edit): this {
    if (where === "encode") {
      this.encoded.edit(name, edit);
      this.steps.length = 0;
      return this;
    }
    const key = this.graph.resolve(name); // one name for one value, so that an edit can be taken back by any of them
    if (where === "every") {
      change(this.every, key, edit);
      this.steps.length = 0;
      return this;
    }
    const step = this.steps[where];
    if (step) {
      const chosen = this.choose(step.run.edit(key, edit ?? this.every.get(key)));
      this.steps.length = where;
      this.steps.push(chosen);
    }
    const own = this.single.get(where) ?? new Map<string, Edit>();
    this.single.set(where, own);
    change(own, key, edit);
    return this;
  }

  private carries(name: string): boolean {
    return this.graph.description.outputs.some((output) => output.name === `next_${name}`);
  }

  private choose(run: Run): Step {
    const logits = run.get("logits").data as Float32Array;
    let token = -1;
    for (let id = 0; id < logits.length; id++) {
      if (!this.driver.never.includes(id) && (token < 0 || logits[id] > logits[token])) token = id;
    }
    return { token, logits, run };
  }
}

function change(edits: Map<string, Edit>, key: string, edit: Edit | undefined): void {
  if (edit) edits.set(key, edit);
  else edits.delete(key);
}
