// A translator writes word by word. Its file has two graphs: "encode" reads the sentence once, and "step" writes a
// word, as generator.ts tells, with what "encode" made of the sentence beside it.

import { Writing, type Vocabulary } from "./generator.ts";
import type { Edit, Edits, Graph, Run } from "./graph.ts";
import type { Model } from "./model.ts";
import { tensor, type Tensor } from "./tensor.ts";

/** What the exporter says about the vocabulary, in the text "translator". */
interface Driver extends Vocabulary {
  /** [a, b]: a translation of S words has at most a · S + b. */
  longest: [number, number];
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

/** A translation that grows, and that can be changed in the sentence as read, or at any of its words. */
export class Translation extends Writing {
  /** The map from target to source: the last layer's, where there are several. */
  private readonly across: string;

  constructor(
    readonly encoded: Run,
    graph: Graph,
    driver: Driver,
    length: number,
    edits: Edits = {},
  ) {
    super(graph, driver, [driver.bos], driver.longest[0] * length + driver.longest[1], edits, undefined, encoded);
    this.across = Object.keys(graph.description.maps).filter((name) => !name.endsWith("self_attention")).at(-1) ?? "";
  }

  /** The rows of a map so far, (B, H, T, S); of the last one that looks at the source unless another is asked for. */
  override map(name = this.across): Tensor | undefined {
    return super.map(name);
  }

  /** As of a `Writing`; "encode" changes a value of the encoder. */
  override edit(where: "encode" | "every" | number, name: string, edit?: Edit): this {
    if (where !== "encode") return super.edit(where, name, edit);
    this.encoded.edit(name, edit);
    this.steps.length = 0;
    return this;
  }
}
