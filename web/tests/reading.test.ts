// Reading along: what is kept, what is read anew; and what is drawn.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GraphDescription, NodeDescription } from "../src/graph.ts";
import { Model, tensor, tokenizerFromJson } from "../src/index.ts";
import { Reading } from "../src/reading.ts";
import { bits, chance, chances, draw, PLAIN } from "../src/sampling.ts";
import { archive } from "./file.ts";

const node = (op: string, inputs: string[], output: string, attributes = {}): NodeDescription => ({ op, inputs, outputs: [output], attributes });
const whole = (data: number[]) => ({ dtype: "int64" as const, shape: [data.length], data });
const V = 5;

/** Counts the tokens so far. */
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
  constants: { one: whole([1, 1, 1, V]), row: whole([1, 1, 1, -1]), last: whole([-1]), second: whole([2]) },
  nodes: [
    node("Gather", ["eye", "word"], "vector"),
    node("Reshape", ["vector", "one"], "own"),
    { op: "Concat", inputs: ["past", "own"], outputs: ["next_past"], attributes: { axis: 2 } },
    node("ReduceSum", ["next_past", "last"], "alike"),
    node("Reshape", ["alike", "row"], "scores"),
    node("Softmax", ["scores"], "map"),
    node("ReduceSum", ["next_past", "second"], "logits", { keepdims: 0 }),
  ],
};
const eye = tensor(Array.from({ length: V * V }, (_, i) => Number(i % (V + 1) === 0)), [V, V]);
const model = Model.read(archive({ eye }, { step }, { generator: JSON.stringify({ longest: 8 }) }));
const counts = (tokens: number[]) => Array.from({ length: V }, (_, id) => tokens.filter((one) => one === id).length);

describe("a text that is read", () => {
  it("is the same however the reader came to it", () => {
    const text = fc.array(fc.integer({ min: 0, max: V - 1 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 6 }), (texts) => {
        const reading = new Reading(model);
        for (const tokens of texts) {
          expect(reading.read(tokens)).toBe(true);
          expect(reading.places.map((one) => one.token)).toEqual(tokens);
          expect(reading.places.map((one) => [...one.logits])).toEqual(tokens.map((_, t) => counts(tokens.slice(0, t + 1))));
          expect(reading.places.map((one) => one.rows["0.self_attention"].shape[3])).toEqual(tokens.map((_, t) => t + 1));
        }
      }),
      { numRuns: 25 },
    );
  });

  it("is read anew only from where it changed, and a little at a time if wished", () => {
    const reading = new Reading(model);
    reading.read([1, 2, 3, 4]);
    const kept = reading.places.slice(0, 2);
    expect(reading.read([1, 2, 4, 4, 4], () => true)).toBe(false);
    expect(reading.places).toHaveLength(3);
    expect(reading.places.slice(0, 2)).toEqual(kept);
    expect(reading.places[0]).toBe(kept[0]);
    expect(reading.read([1, 2, 4, 4, 4])).toBe(true);
  });

  it("has an end", () => {
    const reading = new Reading(model);
    expect(() => reading.read(Array(9).fill(1))).toThrow("reads 8 tokens at most");
    expect(() => new Reading(Model.read(archive({ eye }, { step })))).toThrow("not a language model's");
  });
});

interface Fixture {
  cases: { logits: number[]; temperature: number; top_k: number; top_p: number; odds: number[] }[];
  chances: [number, number, number][];
  characters: { json: string; size: number; texts: string[]; ids: number[][]; decoded: string[]; tokens: string[][] };
}
const fixture = JSON.parse(readFileSync(new URL("fixtures/sampling.json", import.meta.url), "utf8")) as Fixture;

describe("what is drawn", () => {
  it("is as likely as in Python", () => {
    expect(fixture.cases.length).toBeGreaterThan(50);
    for (const { logits, temperature, top_k, top_p, odds } of fixture.cases) {
      const found = chances(logits, { temperature, topK: top_k, topP: top_p });
      found.forEach((one, id) => expect(one).toBeCloseTo(odds[id], 5));
      expect([...found].map((one) => one === 0)).toEqual(odds.map((one) => one === 0));
    }
  });

  it("comes as often as it should", () => {
    const odds = chances([0, Math.log(2), -Infinity, 0]);
    const count = [0, 0, 0, 0];
    for (let i = 0; i < 400; i++) count[draw(odds, (i + 0.5) / 400)]++;
    expect(count).toEqual([100, 200, 0, 100]);
    expect(draw(odds, 1)).toBe(3);
  });

  it("costs bits", () => {
    expect(bits([0, 0, 0, 0], 2)).toBeCloseTo(2, 12);
    expect(bits([Math.log(3), 0, -Infinity], 0)).toBeCloseTo(Math.log2(4 / 3), 12);
    expect(PLAIN).toEqual({ temperature: 1, topK: 0, topP: 1 });
  });
});

describe("characters", () => {
  const { json, size, texts, ids, decoded, tokens } = fixture.characters;
  const tokenizer = tokenizerFromJson(json);

  it("are numbered as in Python", () => {
    expect(tokenizer.size).toBe(size);
    texts.forEach((text, i) => {
      expect(tokenizer.encode(text)).toEqual(ids[i]);
      expect(tokenizer.decode(ids[i])).toBe(decoded[i]);
      expect(tokenizer.tokens(ids[i])).toEqual(tokens[i]);
    });
    expect(() => tokenizer.tokens([size])).toThrow("outside this vocabulary");
    expect(tokenizer.decode([5, 2, 6])).toBe(tokenizer.decode([5]));
  });
});

describe("chance", () => {
  it("is Python's", () => {
    for (const [seed, place, wanted] of fixture.chances) expect(chance(seed, place)).toBe(wanted);
  });

  it("is even, and another for each seed and place", () => {
    const found = Array.from({ length: 4000 }, (_, i) => chance(1 + (i % 40), Math.floor(i / 40)));
    expect(new Set(found).size).toBe(4000);
    expect(found.reduce((a, b) => a + b) / 4000).toBeCloseTo(0.5, 1);
    for (let tenth = 0; tenth < 10; tenth++) expect(Math.abs(found.filter((one) => Math.floor(10 * one) === tenth).length - 400)).toBeLessThan(80);
  });
});
