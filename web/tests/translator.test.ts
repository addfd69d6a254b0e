// The driver, with a translator so small that its translations can be foretold.

import { describe, expect, it } from "vitest";
import type { GraphDescription, NodeDescription } from "../src/graph.ts";
import { Model, pin, tensor, Translator } from "../src/index.ts";
import { archive } from "./file.ts";

const node = (op: string, inputs: string[], output: string, attributes = {}): NodeDescription => ({ op, inputs, outputs: [output], attributes });
const values = (data: number[], shape: number[]) => ({ dtype: "float32" as const, shape, data });
const V = 7; // words 0 … 6: padding, begin, end, and four more

/** Reads: keys are 0, 1, 2, …, the position of each word; values its id as a one-hot vector. */
const encode: GraphDescription = {
  inputs: [{ name: "source", dtype: "int64", shape: [1, "S"] }],
  outputs: [
    { name: "state", dtype: "float32", shape: [1, 1, 1] },
    { name: "keys", dtype: "float32", shape: [1, "S", 1] },
    { name: "values", dtype: "float32", shape: [1, "S", V] },
  ],
  maps: {},
  constants: { zero: values([0], [1, 1, 1]), axis: { dtype: "int64", shape: [], data: [1] }, last: { dtype: "int64", shape: [1], data: [-1] } },
  nodes: [
    node("Identity", ["zero"], "state"),
    node("Gather", ["eye", "source"], "values"),
    node("ReduceSum", ["values", "last"], "ones"),
    node("CumSum", ["ones", "axis"], "keys"),
  ],
};

/** Writes: looks at the word whose number is the state, copies it, and moves on; the last score asks for the end. */
const step: GraphDescription = {
  inputs: [
    { name: "word", dtype: "int64", shape: [1, 1] },
    { name: "state", dtype: "float32", shape: [1, 1, 1] },
    { name: "keys", dtype: "float32", shape: [1, "S", 1] },
    { name: "values", dtype: "float32", shape: [1, "S", V] },
  ],
  outputs: [
    { name: "logits", dtype: "float32", shape: [1, 1, V] },
    { name: "next_state", dtype: "float32", shape: [1, 1, 1] },
    { name: "map", dtype: "float32", shape: [1, 1, 1, "S"] },
  ],
  maps: { "decoder.attention": "map" },
  constants: {
    one: values([1], []),
    sharp: values([-50], []),
    two: values([2], []),
    to: { dtype: "int64", shape: [4], data: [1, 1, 1, -1] },
    flat: { dtype: "int64", shape: [3], data: [1, 1, -1] },
    never: values([9, 9, 0, 0, 0, 0, 0], [V]), // padding and begin score highest, but are never chosen
  },
  nodes: [
    node("Add", ["state", "one"], "next_state"),
    node("Sub", ["keys", "next_state"], "gap"),
    node("Mul", ["gap", "gap"], "square"),
    node("Mul", ["square", "sharp"], "scores"),
    node("Softmax", ["scores"], "weights", { axis: 1 }),
    node("Reshape", ["weights", "to"], "map"),
    node("Reshape", ["map", "flat"], "row"),
    node("MatMul", ["row", "values"], "copied"),
    node("Add", ["copied", "never"], "logits"),
  ],
};

const eye = tensor(Array.from({ length: V * V }, (_, i) => Number(i % (V + 1) === 0)), [V, V]);
const driver = { bos: 1, eos: 2, pad: 0, unk: 3, never: [0, 1], longest: [2, 3], attention: "dot" };
const file = (extras = { translator: JSON.stringify(driver) }) => Model.read(archive({ eye }, { encode, step }, extras));
const translator = new Translator(file());

describe("a translation", () => {
  it("goes on with the best word that is allowed, until the end", () => {
    const done = translator.translate([5, 3, 4, 2, 6]);
    expect(done.tokens).toEqual([5, 3, 4]);
    expect(done.steps.map((one) => one.token)).toEqual([5, 3, 4, 2]);
    expect(done.done).toBe(true);
    expect(done.next()).toBeUndefined();
    const map = done.map()!;
    expect(map.shape).toEqual([1, 1, 4, 5]);
    expect([...map.data].map(Math.round)).toEqual([1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
  });

  it("grows word by word, and stops at the longest", () => {
    const growing = translator.begin([6, 5]);
    expect(growing.map()).toBeUndefined();
    expect(growing.next()!.token).toBe(6);
    expect(growing.tokens).toEqual([6]);
    expect(growing.finish().steps).toHaveLength(2 * 2 + 3);
    expect(growing.map("decoder.other")).toBeUndefined();
  });

  it("wants words, and a translator", () => {
    expect(() => translator.begin([])).toThrow("the text is empty");
    expect(() => translator.begin([99])).toThrow("index 99 is outside of 7 entries");
    expect(() => new Translator(file({ translator: "{}" }))).toThrow("not a translator's");
  });
});

describe("an edit of a translation", () => {
  it("at one step changes this word, keeps those before, and can be taken back", () => {
    const one = translator.translate([5, 3, 4, 2, 6]);
    const [first, second] = one.steps;
    one.edit(1, "decoder.attention", pin(1, 4));
    expect(one.tokens).toEqual([5, 6]); // what came after is gone
    expect(one.steps[0]).toBe(first);
    expect(one.steps[1].run).toBe(second.run);
    expect(one.steps[1].run.ran.map((node) => node.outputs[0])).toEqual(["row", "copied", "logits"]);
    expect(one.finish().tokens).toEqual([5, 6, 4]);
    expect(one.edit(1, "map").finish().tokens).toEqual([5, 3, 4]);
  });

  it("that fails leaves all as it was", () => {
    const one = translator.translate([5, 3, 4, 2]);
    expect(() => one.edit(1, "map", pin(1, 9))).toThrow("key 9 is not one of 4");
    expect(() => one.edit(1, "nothing", pin(1, 0))).toThrow("graph step has nothing named nothing; there are decoder.attention");
    expect(one.tokens).toEqual([5, 3, 4]);
    expect(one.edit(0, "map", pin(0, 2)).finish().tokens).toEqual([4, 3, 4]);
  });

  it("stays when an earlier step changes", () => {
    const one = translator.translate([5, 3, 4, 2, 6]).edit(2, "map", pin(2, 0)).finish();
    expect(one.tokens).toEqual([5, 3, 5]);
    expect(one.edit(0, "map", pin(0, 4)).finish().tokens).toEqual([6, 3, 5]);
  });

  it("carries the state: a step that stands still repeats its word", () => {
    const one = translator.translate([5, 3, 4, 2]).edit(1, "next_state", (state) => void (state.data[0] = 1)).finish();
    expect(one.tokens).toEqual([5, 5, 3, 4]);
  });

  it("at every step, from the start or later", () => {
    const row = pin(2, 0);
    expect(translator.translate([5, 3, 4, 2], { step: { "decoder.attention": row } }).tokens).toEqual([5, 3, 5]);
    const later = translator.translate([5, 3, 4, 2]).edit("every", "map", row).finish();
    expect(later.tokens).toEqual([5, 3, 5]);
    expect(later.edit(2, "map", pin(2, 1)).finish().tokens).toEqual([5, 3, 3]);
    expect(later.edit(2, "map").finish().tokens).toEqual([5, 3, 5]); // the edit of every step is back
    expect(later.edit("every", "decoder.attention").finish().tokens).toEqual([5, 3, 4]);
  });

  it("in the encoder", () => {
    const swap = { values: () => tensor([0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0], [1, 2, V]) };
    expect(translator.translate([5, 2], { encode: swap }).tokens).toEqual([4]);
    const later = translator.translate([5, 2]).edit("encode", "values", swap.values);
    expect(later.finish().tokens).toEqual([4]);
    expect(later.edit("encode", "values").finish().tokens).toEqual([5]);
  });
});
