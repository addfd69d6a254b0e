// Filling blanks: how a text is cut, and the small sums over probabilities that the labs show.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { best, divergence, entropy, moved, parts, replaced, softened } from "../src/masked.ts";

const words = (text: string) => parts(text).map((part) => (part.blank ? "_" : part.text));
const letters = Array.from("aBé9 _-.,$€[]MASK☃😀ß\t\n\u0301");
const scores = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 2, maxLength: 40 });

describe("a text", () => {
  it("is cut into words, marks and blanks", () => {
    expect(words("Two dogs, one _.")).toEqual(["Two", "dogs", ",", "one", "_", "."]);
    expect(words("a ___ or [MASK] or pre_fix")).toEqual(["a", "_", "or", "_", "or", "pre", "_", "fix"]);
    expect(words(" don't [SEP] €5 ☃\t\n")).toEqual(["don", "'", "t", "[", "SEP", "]", "€5", "☃"]);
    expect(words("  \n")).toEqual([]);
  });

  it("loses nothing but white space", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...letters)).map((some) => some.join("")), (text) => {
        const cut = parts(text);
        expect(cut.map((part) => part.text).join("")).toBe(text.replace(/\s/gu, ""));
        for (const part of cut) expect(text.slice(part.from, part.to)).toBe(part.text);
      }),
    );
  });

  it("takes a word in the place of a blank, and glues a piece that goes on with a word", () => {
    const fill = (text: string, by: string) => replaced(text, parts(text).find((part) => part.blank)!, by);
    expect(fill("a _ sings.", "bird")).toBe("a bird sings.");
    expect(fill("a bird sing _ .", "·ing")).toBe("a bird singing .");
    expect(replaced("a bird", parts("a bird")[1], "_")).toBe("a _");
  });
});

describe("probabilities", () => {
  it("sum to one, and grow more alike with the temperature", () => {
    fc.assert(
      fc.property(scores, fc.double({ min: 0.2, max: 5, noNaN: true }), (some, warm) => {
        const [cold, mild, hot] = [warm / 2, warm, warm * 2].map((temperature) => softened(some, temperature));
        expect(mild.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
        expect(entropy(cold)).toBeLessThanOrEqual(entropy(mild) + 1e-9);
        expect(entropy(mild)).toBeLessThanOrEqual(entropy(hot) + 1e-9);
        expect(entropy(hot)).toBeLessThanOrEqual(Math.log2(some.length) + 1e-9);
      }),
    );
    expect([...softened([Math.log(3), 0], 1)].map((p) => Number(p.toFixed(6)))).toEqual([0.75, 0.25]);
    expect([...softened([Math.log(9), 0], 2)].map((p) => Number(p.toFixed(6)))).toEqual([0.75, 0.25]);
    expect(entropy(Float64Array.of(0.5, 0.5, 0))).toBe(1);
  });

  it("differ by what was moved, and waste bits that no order forgives", () => {
    const [a, b] = [Float64Array.of(0.5, 0.25, 0.25), Float64Array.of(0.25, 0.25, 0.5)];
    expect(moved(a, b)).toBe(0.25);
    expect(divergence(a, b)).toBeCloseTo(0.25, 12);
    expect(divergence(Float64Array.of(1, 0), Float64Array.of(0.25, 0.75))).toBe(2);
    expect(divergence(Float64Array.of(0.5, 0.5), Float64Array.of(1, 0))).toBeGreaterThan(100);
    fc.assert(
      fc.property(scores, fc.double({ min: 0.3, max: 3, noNaN: true }), (some, temperature) => {
        const [one, other] = [softened(some, 1), softened(some, temperature)];
        expect(divergence(one, one)).toBe(0);
        expect(divergence(one, other)).toBeGreaterThanOrEqual(0);
        expect(moved(one, other)).toBeLessThanOrEqual(1);
        // Pinsker: what moves is bounded by the divergence.
        expect(2 * moved(one, other) ** 2).toBeLessThanOrEqual(divergence(one, other) * Math.LN2 + 1e-9);
      }),
    );
  });

  it("have a best, the lower id first among those alike", () => {
    expect(best([0.1, 0.3, 0.3, 0.2, 0.1], 3)).toEqual([1, 2, 3]);
    expect(best([0.1, 0.3, 0.3], 2, new Set([1]))).toEqual([2, 0]);
    expect(best([], 2)).toEqual([]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), fc.integer({ min: 1, max: 8 }), (some, count) => {
        const sorted = some.map((_, i) => i).sort((i, j) => some[j] - some[i] || i - j);
        expect(best(some, count)).toEqual(sorted.slice(0, count));
      }),
    );
  });
});
