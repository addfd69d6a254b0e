// The maths of the labs "by hand", against the numbers that torch gave (fixtures/make_attention.py).

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attend, softmax, type Kind, type Matrix, type Network } from "../src/lab/attention.ts";

interface Case {
  kind: Kind;
  temperature: number;
  q: Matrix;
  k: Matrix;
  v: Matrix;
  mask: boolean[][];
  network?: Network;
  scores: Matrix;
  weights: Matrix;
  output: Matrix;
}

const cases: Case[] = JSON.parse(readFileSync(new URL("fixtures/attention.json", import.meta.url), "utf8"));

function near(found: Matrix, expected: Matrix): void {
  expect(found.length).toBe(expected.length);
  found.forEach((row, t) => row.forEach((x, s) => expect(Math.abs(x - expected[t][s])).toBeLessThan(1e-9)));
}

describe("attention by loops", () => {
  it("has cases of every kind, and rows that are masked whole", () => {
    expect(new Set(cases.map((one) => one.kind)).size).toBe(3);
    expect(cases.some((one) => one.mask.some((row) => !row.includes(true)))).toBe(true);
  });

  it.each(cases.map((one, i) => [`${i}: ${one.kind} at ${one.temperature}`, one] as const))("equals torch, %s", (_, one) => {
    const found = attend(one.q, one.k, one.v, one);
    near(found.scores, one.scores);
    near(found.weights, one.weights);
    near(found.output, one.output);
  });

  it("refuses a temperature of zero and an additive score without its matrices", () => {
    expect(() => attend([[1]], [[1]], [[1]], { kind: "dot", temperature: 0 })).toThrow("above 0");
    expect(() => attend([[1]], [[1]], [[1]], { kind: "additive", temperature: 1 })).toThrow("W and U");
  });
});

describe("softmax", () => {
  const row = fc.array(fc.record({ logit: fc.double({ min: -1e3, max: 1e3, noNaN: true }), open: fc.boolean() }), { minLength: 1, maxLength: 6 });

  it("sums to one over what is open, and is zero elsewhere", () => {
    fc.assert(
      fc.property(row, (entries) => {
        const open = entries.map((one) => one.open);
        const weights = softmax(entries.map((one) => one.logit), open);
        expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(open.includes(true) ? 1 : 0, 9);
        weights.forEach((weight, s) => (open[s] ? expect(weight).toBeGreaterThanOrEqual(0) : expect(weight).toBe(0)));
      }),
    );
  });

  it("does not move when all scores do", () => {
    fc.assert(
      fc.property(row, fc.double({ min: -50, max: 50, noNaN: true }), (entries, shift) => {
        const [here, there] = [0, shift].map((by) => softmax(entries.map((one) => one.logit + by)));
        here.forEach((weight, s) => expect(there[s]).toBeCloseTo(weight, 9));
      }),
    );
  });

  it("gives the highest score all as the temperature falls", () => {
    const { weights } = attend([[1, 0]], [[1, 0], [0.9, 5], [-1, 0]], [[1], [2], [3]], { kind: "dot", temperature: 0.005 });
    expect(weights[0][0]).toBeGreaterThan(0.999);
  });
});
