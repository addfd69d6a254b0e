// Models that write word by word. The graph "step" takes the last word and what is kept of the words before it, and
// gives the scores of all words for the next place, and one row of each attention map. What it makes as next_X is its
// input X at the next word: a recurrent state, or the keys and values of all words so far, one longer each time.

import type { Edit, Edits, Graph, Run } from "./graph.ts";
import type { Model } from "./model.ts";
import { tensor, zeros, type Tensor } from "./tensor.ts";

/** What the exporter says about the vocabulary. */
export interface Vocabulary {
  bos: number;
  eos: number;
  /** Ids that are never written. */
  never: number[];
}

export interface Step {
  /** The word that comes next, by its id: the one that was given, else the one that was chosen. */
  readonly token: number;
  /** The scores of all words; their softmax says how likely the step took each to be. */
  readonly logits: Float32Array;
  /** All that the step computed. */
  readonly run: Run;
}

/** Which word to write, from the scores of all; never one of `never`. */
export type Choice = (logits: Float32Array, never: readonly number[]) => number;

/** The word with the highest score. */
export const likeliest: Choice = (logits, never) => {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if (!never.includes(id) && (best < 0 || logits[id] > logits[best])) best = id;
  }
  return best;
};

/** A word drawn by chance, as likely as the model says; below temperature 1 likely words become likelier still. */
export function drawn(temperature = 1, random: () => number = Math.random): Choice {
  if (!(temperature > 0)) throw new Error(`a temperature is above 0; got ${temperature}. For the best word, use likeliest.`);
  return (logits, never) => {
    const best = logits[likeliest(logits, never)];
    const weights = Array.from(logits, (x, id) => (never.includes(id) ? 0 : Math.exp((x - best) / temperature)));
    let left = random() * weights.reduce((sum, one) => sum + one, 0);
    return weights.findIndex((one) => one > 0 && (left -= one) < 0);
  };
}

/** A text that grows, and that can be changed at any of its words: what came after is then written anew. */
export class Writing {
  readonly steps: Step[] = [];
  /** Edits of single steps, by number; they stay when the steps before them change. */
  private readonly single = new Map<number, Map<string, Edit>>();
  private readonly every: Map<string, Edit>;

  constructor(
    private readonly graph: Graph,
    private readonly vocabulary: Vocabulary,
    /** The words that are given, the first of which is read, not written. */
    private readonly prompt: readonly number[],
    /** How many steps there are at most. */
    private readonly longest: number,
    edits: Edits = {},
    private readonly choose: Choice = likeliest,
    /** Where inputs come from that no step makes. */
    protected readonly source?: Run,
  ) {
    this.every = new Map(Object.entries(edits).map(([name, edit]) => [graph.resolve(name), edit]));
  }

  get done(): boolean {
    return this.written.at(-1)?.token === this.vocabulary.eos || this.steps.length >= this.longest;
  }

  /** The words written so far, without those that were given and without the end. */
  get tokens(): number[] {
    return this.written.map((step) => step.token).filter((token) => token !== this.vocabulary.eos);
  }

  /** The rows of a map so far, (B, H, T, S). Where S grows with T, what a row could not see yet is 0. */
  map(name: string): Tensor | undefined {
    if (!this.steps.length || !Object.hasOwn(this.graph.description.maps, name)) return undefined;
    const rows = this.steps.map((step) => step.run.get(name));
    const [B, H, , S] = rows[rows.length - 1].shape;
    const map = zeros("float32", [B, H, rows.length, S]);
    rows.forEach((row, t) => {
      const n = row.shape[3];
      for (let head = 0; head < B * H; head++) {
        map.data.set(row.data.subarray(head * n, (head + 1) * n), (head * rows.length + t) * S);
      }
    });
    return map;
  }

  /** Takes one more step; none if the text is done. */
  next(): Step | undefined {
    if (this.done) return undefined;
    const number = this.steps.length;
    const before = this.steps.at(-1);
    const inputs: Record<string, Tensor> = {};
    for (const input of this.graph.description.inputs) {
      const { name } = input;
      if (name === "word") inputs.word = tensor([before?.token ?? this.prompt[0]], [1, 1], "int64");
      else if (!this.carries(name)) inputs[name] = this.source!.get(name);
      else if (before) inputs[name] = before.run.get(`next_${name}`);
      else if (this.makes(this.source?.graph, name)) inputs[name] = this.source!.get(name);
      else inputs[name] = zeros(input.dtype, input.shape.map((n) => (typeof n === "string" ? 0 : n))); // nothing yet
    }
    const edits = new Map([...this.every, ...(this.single.get(number) ?? [])]);
    this.steps.push(this.read(this.graph.run(inputs, Object.fromEntries(edits), number), number));
    return this.steps[number];
  }

  /** Writes to the end. */
  finish(): this {
    while (this.next());
    return this;
  }

  /**
   * Changes a value in every step, or in step number `where`; without an edit, gives it back. Only what follows is
   * computed again, up to this step; `next` and `finish` write the rest anew.
   */
  edit(where: "every" | number, name: string, edit?: Edit): this {
    const key = this.graph.resolve(name); // one name for one value, so that an edit can be taken back by any of them
    if (where === "every") {
      change(this.every, key, edit);
      this.steps.length = 0;
      return this;
    }
    const step = this.steps[where];
    if (step) {
      const changed = this.read(step.run.edit(key, edit ?? this.every.get(key)), where);
      this.steps.length = where;
      this.steps.push(changed);
    }
    const own = this.single.get(where) ?? new Map<string, Edit>();
    this.single.set(where, own);
    change(own, key, edit);
    return this;
  }

  /** The steps whose word was not given. */
  private get written(): readonly Step[] {
    return this.steps.slice(this.prompt.length - 1);
  }

  private carries(name: string): boolean {
    return this.makes(this.graph, `next_${name}`);
  }

  private makes(graph: Graph | undefined, name: string): boolean {
    return graph?.description.outputs.some((output) => output.name === name) ?? false;
  }

  private read(run: Run, number: number): Step {
    const logits = run.get("logits").data as Float32Array;
    return { token: this.prompt[number + 1] ?? this.choose(logits, this.vocabulary.never), logits, run };
  }
}

export interface GenerationOptions {
  /** Edits of the steps; an edit is told the number of its step, the map's row. */
  readonly edits?: Edits;
  /** Which word to write; the likeliest unless given. */
  readonly choose?: Choice;
  /** How many words to write at most, beside those that were given. */
  readonly words?: number;
}

/** A language model: it goes on with what a reader began. Its file has the one graph "step". */
export class TextGenerator {
  private readonly step: Graph;
  private readonly vocabulary: Vocabulary & { longest: number };

  constructor(model: Model) {
    this.step = model.graph("step");
    this.vocabulary = JSON.parse(model.extras.generator ?? "{}") as Vocabulary & { longest: number };
    if (!(this.vocabulary.longest > 0)) throw new Error("this model file is not a language model's.");
  }

  /** `prompt` holds the words to go on with; `next` or `finish` of what comes back reads them and writes on. */
  begin(prompt: readonly number[], { edits, choose, words = Infinity }: GenerationOptions = {}): Writing {
    const { longest } = this.vocabulary;
    if (prompt.length === 0) throw new Error("nothing to go on with: give at least one word, such as the beginning's.");
    if (prompt.length > longest) throw new Error(`${prompt.length} words were given, but this model reads ${longest} at most.`);
    return new Writing(this.step, this.vocabulary, prompt, Math.min(longest, prompt.length - 1 + words), edits, choose);
  }

  /** The whole text. */
  generate(prompt: readonly number[], options: GenerationOptions = {}): Writing {
    return this.begin(prompt, options).finish();
  }
}

function change(edits: Map<string, Edit>, key: string, edit: Edit | undefined): void {
  if (edit) edits.set(key, edit);
  else edits.delete(key);
}
