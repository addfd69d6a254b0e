// A graph is a list of small steps, each makes named values from named values. A run keeps every value, so that
// any of them can be looked at, or changed: then only the steps that follow from it are taken again.

import { fuse, type Fused } from "./fuse.ts";
import type { Kernel } from "./kernel.ts";
import { operations, type Operator } from "./operators.ts";
import { Attributes, Inputs, type Attribute } from "./operators/common.ts";
import { LiveFileError, readConstant } from "./safetensors.ts";
import { copy, type DType, type Tensor } from "./tensor.ts";

export interface NodeDescription {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** The module of the original model that this step belongs to, such as encoder.layers.0.norm. */
  readonly tap?: string;
}

export interface ValueDescription {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly (number | string)[];
}

/** As it stands in the file: nodes in an order in which each comes after what it needs. */
export interface GraphDescription {
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
  readonly maps: Readonly<Record<string, string>>;
  readonly nodes: readonly NodeDescription[];
  readonly constants?: Readonly<Record<string, { dtype: DType; shape: number[]; data: unknown }>>;
}

/** A change of a value. It gets a copy, which it may write into or replace; the shape must stay. */
export type Edit = (value: Tensor, firstRow: number) => Tensor | void;
export type Edits = Readonly<Record<string, Edit>>;

export class Graph {
  /** What does not depend on the inputs: the weights, and what is made of weights alone, computed once. */
  readonly constants = new Map<string, Tensor>();
  /** The steps as the file has them. */
  readonly nodes: readonly NodeDescription[];
  /** The same in fewer steps. */
  readonly fused: Fused;

  constructor(
    readonly name: string,
    readonly description: GraphDescription,
    weights: ReadonlyMap<string, Tensor>,
    readonly kernel: Kernel,
  ) {
    this.nodes = description.nodes;
    for (const [key, constant] of Object.entries(description.constants ?? {})) this.constants.set(key, readConstant(constant));
    const changing = new Set(description.inputs.map((input) => input.name));
    for (const node of this.nodes) {
      if (!Object.hasOwn(operations, node.op)) throw new LiveFileError(`the engine has no operator ${node.op}, which graph ${name} needs.`);
      for (const input of node.inputs) {
        if (input === "" || changing.has(input) || this.constants.has(input)) continue;
        const weight = weights.get(input);
        if (!weight) throw new LiveFileError(`the model file is damaged: graph ${name} wants ${input}, which is not there.`);
        this.constants.set(input, weight);
      }
      if (node.inputs.some((input) => changing.has(input))) node.outputs.forEach((output) => changing.add(output));
      else this.perform(node, (name) => this.constants.get(name)).forEach(([output, value]) => this.constants.set(output, value));
    }
    for (const one of this.constants.values()) if (one.dtype === "float32") kernel.keep(one.data as Float32Array);
    for (const output of [...description.outputs.map((one) => one.name), ...Object.values(description.maps)]) {
      const weight = weights.get(output);
      if (changing.has(output) || this.constants.has(output)) continue;
      if (!weight) throw new LiveFileError(`the model file is damaged: graph ${name} never makes ${output}.`);
      this.constants.set(output, weight);
    }
    const outputs = [...description.outputs.map((one) => one.name), ...Object.values(description.maps)];
    this.fused = fuse(this.nodes, this.constants, new Set(outputs));
  }

  /** Runs the whole graph. The edits apply as the values come up; see `Run.edit` to change more afterwards. */
  run(inputs: Readonly<Record<string, Tensor>>, edits: Edits = {}, firstRow = 0): Run {
    return new Run(this, inputs, edits, firstRow);
  }

  /** The modules whose output can be seen and changed, in the order in which they come up. */
  get taps(): string[] {
    return [...new Set(this.nodes.flatMap(({ tap }) => (tap ? [tap] : [])))];
  }

  /**
   * The value that a name stands for: a value itself, a map ("decoder.attention"), or a module ("encoder.rnn"),
   * which stands for its output: of the values made inside of it, the last that is used outside of it.
   */
  resolve(name: string): string {
    if (this.values.has(name)) return name;
    const map = this.description.maps[name];
    if (map !== undefined) return map;
    const inside = (node: NodeDescription) => node.tap === name || node.tap?.startsWith(`${name}.`) === true;
    const used = new Set(this.description.outputs.map((output) => output.name));
    for (const node of this.nodes) if (!inside(node)) node.inputs.forEach((input) => used.add(input));
    const made = this.nodes.filter(inside).flatMap((node) => node.outputs.filter((output) => used.has(output)).slice(0, 1));
    const last = made.at(-1);
    if (last === undefined) {
      const known = [...Object.keys(this.description.maps), ...this.taps].join(", ");
      throw new Error(`graph ${this.name} has nothing named ${name}; there are ${known || "no maps and no modules"}.`);
    }
    return last;
  }

  /** All names of values: inputs, constants, and what the nodes make. */
  private get values(): ReadonlySet<string> {
    return (this.known ??= new Set([
      ...this.description.inputs.map((input) => input.name),
      ...this.constants.keys(),
      ...this.nodes.flatMap((node) => node.outputs),
    ]));
  }
  private known: ReadonlySet<string> | undefined;

  /** Takes one step. */
  perform(node: NodeDescription, value: (name: string) => Tensor | undefined): [string, Tensor][] {
    try {
      const inputs = new Inputs(node.inputs.map(value));
      const made = operations[node.op as Operator](inputs, new Attributes(node.attributes), this.kernel);
      const outputs = Array.isArray(made) ? made : [made];
      return node.outputs.flatMap((name, i): [string, Tensor][] => (name === "" ? [] : [[name, outputs[i]]]));
    } catch (error) {
      throw new Error(`${node.op}${node.tap ? ` in ${node.tap}` : ""}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** One run of a graph, with all its values. */
export class Run {
  /** The nodes that the last change made run, in order. */
  ran: readonly NodeDescription[] = [];
  private readonly original = new Map<string, Tensor>(); // before the edits
  private readonly values: Map<string, Tensor>; // after them
  private readonly edits = new Map<string, Edit>();
  private nodes: readonly NodeDescription[];

  constructor(
    readonly graph: Graph,
    inputs: Readonly<Record<string, Tensor>>,
    edits: Edits,
    /** For graphs that make one row of a map at a time: which one. Edits are told. */
    readonly firstRow: number,
  ) {
    this.values = new Map(graph.constants);
    this.nodes = graph.fused.nodes;
    for (const [name, edit] of Object.entries(edits)) this.edits.set(this.open(graph.resolve(name)), edit);
    const missing = graph.description.inputs.find(({ name }) => !(name in inputs));
    if (missing) throw new Error(`graph ${graph.name} wants an input named ${missing.name}.`);
    const changed = this.put(inputs);
    for (const name of this.edits.keys()) {
      const constant = graph.constants.get(name);
      if (constant) this.set(name, constant, changed);
    }
    this.follow(changed);
  }

  /** A value by its name, by the name of a map, or by a module's; see `Graph.resolve`. */
  get(name: string): Tensor {
    const value = this.value(this.graph.resolve(name));
    if (!value) throw new Error(`graph ${this.graph.name} did not make ${name}.`);
    return value;
  }

  /** Changes a value, or, without a function, gives it back; then runs what follows from it. */
  edit(name: string, edit?: Edit): this {
    const key = this.open(this.graph.resolve(name));
    const before = this.original.get(key) ?? this.get(key);
    const changed = new Set<string>();
    if (!edit) this.edits.delete(key);
    this.set(key, before, changed, edit);
    if (edit) this.edits.set(key, edit); // only now: an edit that fails leaves all as it was
    return this.follow(changed);
  }

  /** Other inputs, all or some; then runs what follows from them. */
  feed(inputs: Readonly<Record<string, Tensor>>): this {
    return this.follow(this.put(inputs));
  }

  /** A value; one that was fused away is made now. */
  private value(name: string): Tensor | undefined {
    const known = this.values.get(name);
    const maker = known ? undefined : this.graph.fused.inner.get(name);
    return maker ? this.graph.perform(maker, (input) => this.value(input))[0][1] : known;
  }

  /** Before a value is changed: if it was fused away, this run goes back to the steps as the file has them. */
  private open(name: string): string {
    if (this.graph.fused.inner.has(name)) this.nodes = this.graph.nodes;
    return name;
  }

  private put(inputs: Readonly<Record<string, Tensor>>): Set<string> {
    const changed = new Set<string>();
    for (const [name, value] of Object.entries(inputs)) {
      const wanted = this.graph.description.inputs.find((input) => input.name === name);
      if (!wanted) throw new Error(`graph ${this.graph.name} has no input named ${name}.`);
      const fits = wanted.shape.every((n, axis) => typeof n === "string" || n === value.shape[axis]);
      if (wanted.dtype !== value.dtype || wanted.shape.length !== value.shape.length || !fits) {
        throw new Error(
          `input ${name} of graph ${this.graph.name} is ${wanted.dtype} (${wanted.shape.join(", ")}); ` +
            `got ${value.dtype} (${value.shape.join(", ")}).`,
        );
      }
      this.set(name, value, changed);
    }
    return changed;
  }

  private set(name: string, value: Tensor, changed: Set<string>, edit = this.edits.get(name)): void {
    changed.add(name);
    if (!edit) {
      this.original.delete(name);
      this.values.set(name, value);
      return;
    }
    const mine = copy(value);
    const edited = edit(mine, this.firstRow) ?? mine;
    if (edited.dtype !== value.dtype || edited.shape.join() !== value.shape.join()) {
      throw new Error(`the edit of ${name} made (${edited.shape.join(", ")}) from (${value.shape.join(", ")}).`);
    }
    this.original.set(name, value);
    this.values.set(name, edited);
  }

  /** Runs the nodes that need a changed value. What they make has changed as well, and so on down the list. */
  private follow(changed: Set<string>): this {
    const ran: NodeDescription[] = [];
    for (const node of this.nodes) {
      if (!node.inputs.some((input) => changed.has(input))) continue;
      for (const [name, value] of this.graph.perform(node, (input) => this.value(input))) this.set(name, value, changed);
      ran.push(node);
    }
    this.ran = ran;
    return this;
  }
}
