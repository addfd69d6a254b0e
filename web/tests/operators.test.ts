// Every operator against onnxruntime's numbers (fixtures/make.py), with both matrix products.

import { describe, expect, it } from "vitest";
import { makeKernel } from "../src/kernel.ts";
import { OPERATORS, operations, type Operator } from "../src/operators.ts";
import { Attributes, Inputs } from "../src/operators/common.ts";
import { CASES, expectClose, toTensor } from "./file.ts";

const kernels = { simd: makeKernel(), plain: makeKernel({ simd: false }) };

it("has both matrix products here", () => {
  expect(kernels.simd.simd).toBe(true);
  expect(kernels.plain.simd).toBe(false);
});

it("lists what it has, and has a case for each", () => {
  expect(Object.keys(operations).sort()).toEqual([...OPERATORS].sort());
  expect([...new Set(CASES.map((one) => one.op))].sort()).toEqual([...OPERATORS].sort());
});

describe.each(Object.entries(kernels))("as onnxruntime, %s", (_, kernel) => {
  it.each(CASES.map((one, i) => [`${i} ${one.op} ${JSON.stringify(one.attributes)}`, one] as const))("%s", (_, one) => {
    const inputs = one.inputs.map((x) => (x ? toTensor(x) : undefined));
    const before = structuredClone(inputs);
    for (const kept of [false, true]) {
      if (kept) for (const x of inputs) if (x?.data instanceof Float32Array) kernel.keep(x.data);
      for (let again = 0; again < 2; again++) {
        const made = operations[one.op as Operator](new Inputs(inputs), new Attributes(one.attributes), kernel);
        const outputs = Array.isArray(made) ? made : [made];
        one.outputs.forEach((wanted, i) => expectClose(outputs[i], wanted, 2e-6));
      }
    }
    expect(inputs).toEqual(before); // nothing is written into an input
  });
});

it("names what it does not know", () => {
  const gru = CASES.find((one) => one.op === "GRU")!;
  const inputs = new Inputs(gru.inputs.map((x) => (x ? toTensor(x) : undefined)));
  const run = (op: Operator, attributes: Record<string, number | string | string[]>) => () =>
    operations[op](inputs, new Attributes(attributes), kernels.plain);
  expect(run("GRU", { layout: 1 })).toThrow("layout = 0");
  expect(run("GRU", { activations: ["Sigmoid", "Relu"] })).toThrow("activations");
  expect(run("Pad", { mode: "reflect" })).toThrow("mode = constant");
});
