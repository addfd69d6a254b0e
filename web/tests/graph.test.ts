// Runs, taps and edits on a small graph written by hand: only what follows a change is computed again.

import { describe, expect, it } from "vitest";
import type { GraphDescription, NodeDescription, Run } from "../src/graph.ts";
import { ablate, LiveFileError, Model, pin, replace, tensor, type Tensor } from "../src/index.ts";
import { archive, expectClose } from "./file.ts";

const float = (name: string, ...shape: (number | string)[]) => ({ name, dtype: "float32" as const, shape });
const node = (op: string, inputs: string[], output: string, tap = "", attributes = {}): NodeDescription => ({
  op, inputs, outputs: [output], attributes, ...(tap ? { tap } : {}),
});

/**
 * Two branches from x: "left" is a projection whose weight is turned around first, "right" a map of two heads.
 *   x -> left = x · turned(W) + b -> sum <- right = softmax(x) · v
 */
const graph: GraphDescription = {
  inputs: [float("x", 1, 2, "T", 3)],
  outputs: [float("sum", 1, 2, "T", 3)],
  maps: { attention: "weights" },
  constants: { b: { dtype: "float32", shape: [], data: [0.5] } },
  nodes: [
    node("Transpose", ["W"], "turned", "model.left", { perm: [1, 0] }),
    node("MatMul", ["x", "turned"], "product", "model.left"),
    node("Add", ["product", "b"], "left", "model.left.bias"),
    node("Shape", ["left"], "unused", "model.left"),
    node("Softmax", ["x"], "weights", "model.right"),
    node("MatMul", ["weights", "v"], "right", "model.right"),
    node("Add", ["left", "right"], "sum"),
  ],
};
const W = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]);
const v = tensor([1, 0, 0, 0, 10, 0, 0, 0, 100], [3, 3]);
const x = tensor([0, 1, 2, 2, 1, 0, 0, 0, 0, 1, 1, 3], [1, 2, 2, 3]);
const model = Model.read(archive({ W, v }, { model: graph }, { note: "for you" }));
const start = () => model.graph("model").run({ x });
const ran = (run: Run) => run.ran.map((one) => one.outputs[0]);

/** The same by hand. */
function expected(weights: ArrayLike<number>, input: Tensor = x): number[] {
  return Array.from({ length: input.data.length }, (_, i) => {
    const [row, column] = [Math.floor(i / 3), i % 3];
    let left = 0.5;
    for (let k = 0; k < 3; k++) left += input.data[row * 3 + k] * W.data[column * 3 + k];
    return left + weights[i] * v.data[column * 4];
  });
}

describe("a run", () => {
  it("computes, and folds what depends on weights alone", () => {
    const run = start();
    expectClose(run.get("sum"), tensor(expected(run.get("weights").data), [1, 2, 2, 3]), 1e-5);
    expect(ran(run)).toEqual(["product", "left", "unused", "weights", "right", "sum"]);
    expect([...run.get("turned").data]).toEqual([1, 4, 7, 2, 5, 8, 3, 6, 9]);
    expect(model.extras).toEqual({ note: "for you" });
  });

  it("reads a file from any kind of bytes, wherever they lie", () => {
    const bytes = archive({ W, v }, { model: graph });
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    for (const file of [bytes.buffer as ArrayBuffer, shifted, Buffer.from(bytes)]) {
      expect(Model.read(file).graph("model").run({ x }).get("sum")).toEqual(start().get("sum"));
    }
  });

  it("takes any length where the shape has a symbol, and says what is wrong with other inputs", () => {
    const one = tensor([1, 2, 3, 4, 5, 6], [1, 2, 1, 3]);
    expect(model.graph("model").run({ x: one }).get("sum").shape).toEqual([1, 2, 1, 3]);
    expect(() => model.graph("model").run({})).toThrow("wants an input named x");
    expect(() => model.graph("model").run({ x, y: x })).toThrow("no input named y");
    expect(() => model.graph("model").run({ x: tensor([1, 2, 3], [3]) })).toThrow("input x of graph model is float32 (1, 2, T, 3)");
    expect(() => model.graph("model").run({ x: tensor([1, 2], [1, 2, 1, 1]) })).toThrow("got float32 (1, 2, 1, 1)");
    expect(() => model.graph("other")).toThrow("no graph other; it has model");
  });

  it("is tapped by value, by map and by module", () => {
    const run = start();
    expect(run.get("attention")).toBe(run.get("weights"));
    expect(run.get("model.left")).toBe(run.get("left")); // not "unused", which is later but leads nowhere
    expect(run.get("model.right")).toBe(run.get("right"));
    expect(() => run.get("model.lef")).toThrow("nothing named model.lef; there are attention, model.left");
    expect(model.graph("model").taps).toEqual(["model.left", "model.left.bias", "model.right"]);
  });

  it("fed anew, computes what follows from the input", () => {
    const other = tensor([1, 1, 1, 0, 0, 0], [1, 2, 1, 3]);
    const run = start().feed({ x: other });
    expectClose(run.get("sum"), model.graph("model").run({ x: other }).get("sum"));
  });
});

describe("an edit", () => {
  it("re-runs only what follows it", () => {
    const run = start();
    const [sum, left] = [run.get("sum"), run.get("left")];
    run.edit("attention", ablate(1));
    expect(ran(run)).toEqual(["right", "sum"]);
    expect(run.get("left")).toBe(left); // the very same numbers: not computed again
    const map = [...run.get("attention").data];
    expect(map.slice(6)).toEqual([0, 0, 0, 0, 0, 0]);
    expectClose(run.get("sum"), tensor(expected(map), [1, 2, 2, 3]), 1e-5);

    run.edit("attention");
    expect(ran(run)).toEqual(["right", "sum"]);
    expect(run.get("sum")).toEqual(sum);
  });

  it("of the last value runs nothing; of the input, all", () => {
    const run = start().edit("sum", (value) => void value.data.fill(3));
    expect(ran(run)).toEqual([]);
    expect(run.get("sum").data[0]).toBe(3);
    run.edit("x", (value) => void value.data.fill(0));
    expect(ran(run)).toHaveLength(6);
    expect(x.data[1]).toBe(1); // the reader's own input is left alone
  });

  it("of a weight re-runs also what was folded, and only in this run", () => {
    const run = start().edit("W", (value) => void value.data.fill(0));
    expect(ran(run)).toEqual(["turned", "product", "left", "unused", "sum"]);
    expect([...run.get("left").data]).toEqual(Array(12).fill(0.5));
    expect(start().get("left").data[0]).toBe(8.5);
    expect(start().edit("v", replace(tensor([0], [1, 1]))).get("right").data.every((one) => one === 0)).toBe(true);
  });

  it("stays when the input changes, and can be there from the start", () => {
    const other = tensor([1, 2, 3, 4, 5, 6], [1, 2, 1, 3]);
    const late = start().edit("attention", ablate(0)).edit("left", (value) => void value.data.fill(1)).feed({ x: other });
    const early = model.graph("model").run({ x: other }, { weights: ablate(0), "model.left": (value) => void value.data.fill(1), W: () => W });
    expect(early.get("sum")).toEqual(late.get("sum"));
    expect([...early.get("sum").data.slice(0, 3)]).toEqual([1, 1, 1]);
    expect(late.edit("attention").edit("model.left").get("sum")).toEqual(model.graph("model").run({ x: other }).get("sum"));
  });

  it("that fails, or changes a shape, leaves everything as it was", () => {
    const run = start();
    const sum = run.get("sum");
    expect(() => run.edit("weights", () => tensor([1]))).toThrow("the edit of weights made (1) from (1, 2, 2, 3)");
    expect(() => run.edit("weights", ablate(2))).toThrow("head 2 is not one of 2");
    expect(() => run.edit("weights", pin(0, 3))).toThrow("key 3 is not one of 3");
    expect(() => pin(0, 0, 1.5)).toThrow("between 0 and 1");
    expect(run.feed({ x }).get("sum")).toEqual(sum);
  });

  it("pins one weight; the rest of the row shares what is left, in proportion", () => {
    const before = start().get("weights").data;
    const map = start().edit("attention", pin(1, 2, 0.4, 1)).get("attention").data;
    const rest = before[9] + before[10];
    expect([...map.slice(0, 9)]).toEqual([...before.slice(0, 9)]);
    [0.6 * (before[9] / rest), 0.6 * (before[10] / rest), 0.4].forEach((one, k) => expect(map[9 + k]).toBeCloseTo(one, 6));
    const rows = start().edit("attention", pin(0, 1)).get("attention").data;
    expect([...rows.slice(0, 3), ...rows.slice(6, 9)]).toEqual([0, 1, 0, 0, 1, 0]);
  });

  it("replaces a map, for all heads or for each, and word by word", () => {
    const all = tensor([1, 0, 0, 0, 0, 1], [2, 3]);
    expect([...start().edit("attention", replace(all)).get("attention").data]).toEqual([1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1]);
    const one = (row: number) => model.graph("model").run({ x: tensor([0, 0, 0, 0, 0, 0], [1, 2, 1, 3]) }, { attention: replace(all) }, row);
    expect([...one(1).get("attention").data]).toEqual([0, 0, 1, 0, 0, 1]);
    expect(() => one(2)).toThrow("row 2 is not one of the 2");
    expect(() => start().edit("attention", replace(tensor([1, 2], [1, 2])))).toThrow("do not broadcast");
  });
});

describe("a linear layer, whose two steps are taken as one", () => {
  const linear: GraphDescription = {
    inputs: [float("x", "T", 3)],
    outputs: [float("y", "T", 3)],
    maps: {},
    nodes: [node("MatMul", ["x", "W"], "product", "layer"), node("Add", ["product", "bias"], "sum", "layer"), node("Relu", ["sum"], "y")],
  };
  const bias = tensor([1, 0, -100], [3]);
  const [one, other] = [tensor([1, 2, 3], [1, 3]), tensor([0, 1, 0], [1, 3])];
  const layer = (description = linear) => Model.read(archive({ W, bias }, { model: description })).graph("model");

  it("gives the same, and the value between when asked", () => {
    const run = layer().run({ x: one });
    expect(ran(run)).toEqual(["sum", "y"]);
    expect([...run.get("y").data]).toEqual([31, 36, 0]);
    expect([...run.get("product").data]).toEqual([30, 36, 42]);
    expect([...run.get("layer").data]).toEqual([31, 36, -58]);
    run.feed({ x: other });
    expect([...run.get("product").data]).toEqual([4, 5, 6]);
    expect([...run.edit("bias", (value) => void value.data.fill(1)).get("y").data]).toEqual([5, 6, 7]);
  });

  it("can be changed between, before the run and after", () => {
    const zero = (value: Tensor) => void value.data.fill(0);
    const late = layer().run({ x: one }).edit("product", zero);
    expect(ran(late)).toEqual(["sum", "y"]);
    for (const run of [late, layer().run({ x: one }, { product: zero }).feed({ x: other })]) {
      expect([...run.get("y").data]).toEqual([1, 0, 0]);
    }
    expect([...late.edit("product").get("y").data]).toEqual([31, 36, 0]);
    expect([...late.feed({ x: other }).get("y").data]).toEqual([5, 5, 0]);
  });

  it("stays two steps where somebody else reads between them", () => {
    const seen = layer({ ...linear, outputs: [...linear.outputs, float("product", "T", 3)] }).run({ x: one });
    expect(ran(seen)).toEqual(["product", "sum", "y"]);
  });
});

describe("the tanh of a sum, taken as one step", () => {
  const additive: GraphDescription = {
    inputs: [float("k", "S", 4), float("q", 1, 4)],
    outputs: [float("y", "S", 4)],
    maps: {},
    nodes: [node("Add", ["k", "q"], "sum"), node("Tanh", ["sum"], "y")],
  };
  const [k, q] = [tensor([1, 2, 3, 4, 0, -1, -2, 0.5], [2, 4]), tensor([0.5, -2, -1, 0], [1, 4])];
  const wanted = tensor([1.5, 0, 2, 4, 0.5, -3, -3, 0.5].map(Math.tanh), [2, 4]);

  it.each([true, false])("gives the same, and the sum when asked; simd: %s", (simd) => {
    const run = Model.read(archive({}, { model: additive }), { simd }).graph("model").run({ k, q });
    expect(ran(run)).toEqual(["y"]);
    expectClose(run.get("y"), wanted, 1e-6);
    expect([...run.get("sum").data]).toEqual([1.5, 0, 2, 4, 0.5, -3, -3, 0.5]);
    expectClose(run.edit("sum", (value) => void value.data.fill(1)).get("y"), tensor(new Array(8).fill(Math.tanh(1)), [2, 4]), 1e-6);
  });
});

describe("a damaged file", () => {
  const good = archive({ W, v }, { model: graph });
  const text = (from: string, to: string) => new Uint8Array(Buffer.from(Buffer.from(good).toString("latin1").replace(from, to), "latin1"));

  it.each([
    ["empty", new Uint8Array(0), "cut short"],
    ["cut in the header", good.slice(0, 100), "cut short"],
    ["cut in the numbers", good.slice(0, -4), "does not fit"],
    ["not an archive", new TextEncoder().encode("<!doctype html><html>not found</html>"), "cut short"],
    ["a broken header", text('"__metadata__"', '"__metadata__!'), "cannot be read"],
    ["an archive of another kind", text("tfedu-live", "someone's!"), "not a live model"],
    ["another version", text('"version":"1"', '"version":"2"'), "reads version 1"],
    ["an unknown type", text('"F32"', '"F64"'), "stored as F64"],
    ["a shape that lies", text('"shape":[3,3]', '"shape":[3,4]'), "does not fit"],
  ])("%s: says so", (_, bytes, message) => {
    expect(() => Model.read(bytes)).toThrow(LiveFileError);
    expect(() => Model.read(bytes)).toThrow(message);
  });

  it.each([
    ["an operator we lack", { ...graph, nodes: [node("toString", ["x"], "sum")] }, "no operator toString, which graph model needs"],
    ["a weight that is missing", { ...graph, nodes: [node("Add", ["x", "U"], "sum")] }, "wants U, which is not there"],
    ["an output that is missing", { ...graph, nodes: graph.nodes.slice(0, -1) }, "never makes sum"],
  ])("%s: says so", (_, description, message) => {
    expect(() => Model.read(archive({ W, v }, { model: description })).graph("model")).toThrow(message);
  });

  it("names the step in which shapes do not fit", () => {
    const bad = Model.read(archive({ W: tensor([1, 2]), v }, { model: { ...graph, maps: {}, nodes: [node("Add", ["x", "W"], "sum", "model.here")] } }));
    expect(() => bad.graph("model").run({ x })).toThrow("Add in model.here: shapes (1, 2, 2, 3) and (2) do not broadcast");
  });
});
