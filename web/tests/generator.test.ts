// Writing word by word with what is kept growing, with a model so small that its words can be foretold.

import { describe, expect, it } from "vitest";
import type { GraphDescription, NodeDescription } from "../src/graph.ts";
import { drawn, likeliest, Model, pin, replace, tensor, TextGenerator } from "../src/index.ts";
import { archive } from "./file.ts";

const node = (op: string, inputs: string[], output: string, attributes = {}): NodeDescription => ({ op, inputs, outputs: [output], attributes });
const whole = (data: number[]) => ({ dtype: "int64" as const, shape: [data.length], data });
const V = 7; // words 0 … 6: padding, begin, end, and four more

/** Looks back at all words so far alike, and so writes the one that it saw most often. */
const step: GraphDescription = {
  inputs: [
    { name: "word", dtype: "int64", shape: [1, 1] },
    { name: "past", dtype: "float32", shape: [1, 1, "P", V] },
  ],
  outputs: [
    { name: "logits", dtype: "float32", shape: [1, 1, V] },
    { name: "next_past", dtype: "float32", shape: [1, 1, "P+1", V] },
    { name: "map", dtype: "float32", shape: [1, 1, 1, "P+1"] },
  ],
  maps: { "0.self_attention": "map" },
  constants: { one: whole([1, 1, 1, V]), row: whole([1, 1, 1, -1]), flat: whole([1, 1, V]), last: whole([-1]) },
  nodes: [
    node("Gather", ["eye", "word"], "vector"),
    node("Reshape", ["vector", "one"], "own"),
    { op: "Concat", inputs: ["past", "own"], outputs: ["next_past"], attributes: { axis: 2 } },
    node("ReduceSum", ["next_past", "last"], "alike"),
    node("Reshape", ["alike", "row"], "scores"),
    node("Softmax", ["scores"], "map"),
    node("MatMul", ["map", "next_past"], "seen"),
    node("Reshape", ["seen", "flat"], "logits"),
  ],
};

const eye = tensor(Array.from({ length: V * V }, (_, i) => Number(i % (V + 1) === 0)), [V, V]);
const driver = { bos: 1, eos: 2, never: [0, 1], longest: 8 };
const file = (extras = { generator: JSON.stringify(driver) }) => Model.read(archive({ eye }, { step }, extras));
const model = new TextGenerator(file());

describe("a text", () => {
  it("goes on with what was given, up to the longest or the end", () => {
    const text = model.generate([1, 5, 4, 5]);
    expect(text.steps.map((one) => one.token)).toEqual([5, 4, 5, 5, 5, 5, 5, 5]);
    expect(text.tokens).toEqual([5, 5, 5, 5, 5]);
    expect(model.generate([1, 5, 4, 4], { words: 2 }).tokens).toEqual([4, 4]);
    expect(model.generate([1, 2, 2]).tokens).toEqual([]); // "end" was seen most often: it ends at once
    expect(model.generate([1, 2, 2]).steps).toHaveLength(3);
  });

  it("has maps whose rows grow", () => {
    const map = model.generate([1, 5, 4], { words: 1 }).map("0.self_attention")!;
    expect(map.shape).toEqual([1, 1, 3, 3]);
    const third = Math.fround(1 / 3);
    expect([...map.data]).toEqual([1, 0, 0, 0.5, 0.5, 0, third, third, third]);
  });

  it("wants a beginning that fits, and a language model", () => {
    expect(() => model.begin([])).toThrow("at least one word");
    expect(() => model.begin([1, 3, 3, 3, 3, 3, 3, 3, 3])).toThrow("9 words were given, but this model reads 8 at most");
    expect(() => new TextGenerator(file({ generator: "{}" }))).toThrow("not a language model's");
  });
});

describe("an edit of a text", () => {
  it("changes the word of one step, and what follows", () => {
    const text = model.generate([1, 5, 4, 5], { words: 3 });
    text.edit(3, "0.self_attention", pin(3, 2)); // look at the 4 alone
    expect(text.finish().tokens).toEqual([4, 4, 4]); // lowest first among those seen equally often
    expect(text.edit(3, "map").finish().tokens).toEqual([5, 5, 5]);
  });

  it("of a word that was given changes the maps and not the word", () => {
    const text = model.generate([1, 5, 4, 5], { words: 1 }).edit(1, "map", pin(1, 0)).finish();
    expect(text.steps.map((one) => one.token)).toEqual([5, 4, 5, 5]);
    expect([...text.map("0.self_attention")!.data.slice(4, 8)]).toEqual([1, 0, 0, 0]);
  });

  it("of every step takes from a whole map the row, and of it what there is to see", () => {
    const shift = tensor([1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], [4, 4]); // each looks at the word before it
    const text = model.generate([1, 5, 4, 6], { words: 1, edits: { map: replace(shift) } });
    expect(text.tokens).toEqual([5]); // row 3 looks at word 1
    expect([...text.map("0.self_attention")!.data]).toEqual([...shift.data]);
    expect(() => model.generate([1, 5, 4, 6], { words: 2, edits: { map: replace(shift) } })).toThrow("row 4 is not one of the 4 given");
  });
});

describe("a choice", () => {
  const logits = Float32Array.of(9, 9, 0, Math.log(2), 0);
  it("is the likeliest that is allowed", () => expect(likeliest(logits, [0, 1])).toBe(3));

  it("or is drawn, as likely as the model says", () => {
    const count = [0, 0, 0, 0, 0];
    for (let i = 0; i < 400; i++) count[drawn(1, () => (i + 0.5) / 400)(logits, [0, 1])]++;
    expect(count).toEqual([0, 0, 100, 200, 100]);
    expect(drawn(0.01, () => 0.999)(logits, [0, 1])).toBe(3);
    expect(() => drawn(0)).toThrow("a temperature is above 0");
  });

  it("can be given to a text", () => {
    expect(model.generate([1, 3, 6], { words: 2, choose: drawn(1, () => 0.999) }).tokens).toEqual([6, 6]);
  });
});
