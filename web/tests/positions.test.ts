// The lab's four ways to tell positions, against the package's own (fixtures/make_positions.py), and their laws.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dot } from "../src/lab/attention.ts";
import { bias, map, SCHEMES, sinusoid, together, turn, type Given, type Scheme, type Settings } from "../src/lab/positions.ts";

interface Fixture {
  step: number;
  given: Given;
  cases: { settings: Settings; tables: Record<Scheme, number[][]> }[];
}

const { step, given, cases }: Fixture = JSON.parse(readFileSync(new URL("fixtures/positions.json", import.meta.url), "utf8"));
const some = <T>(list: readonly T[]): T[] => list.filter((_, i) => i % step === 0);

describe("the four ways", () => {
  it.each(cases.map(({ settings, tables }) => [JSON.stringify(settings), settings, tables] as const))("equal the package's at %s", (_, settings, tables) => {
    for (const scheme of SCHEMES) {
      const found = some(map(scheme, settings, given)).map(some);
      // The package computes the angles of sinusoids in single precision.
      found.forEach((row, m) => row.forEach((x, n) => expect(Math.abs(x - tables[scheme][m][n]), `${scheme} ${m} ${n}`).toBeLessThan(2e-5)));
      expect(found.length).toBe(tables[scheme].length);
    }
  });

  it("know the distance alone, or the place: as two words move together, two ways keep their score", () => {
    const settings = { width: 32, base: 10_000, reach: 16, words: true };
    const spread = (scheme: Scheme): number => {
      const met = together(map(scheme, settings, given), 3, 9);
      expect(met.length).toBe(given.learned.length - 6);
      return Math.max(...met) - Math.min(...met);
    };
    expect(spread("bias")).toBeLessThan(1e-12);
    expect(spread("rotary")).toBeLessThan(1e-12);
    expect(spread("sinusoidal")).toBeGreaterThan(0.3);
    expect(spread("learned")).toBeGreaterThan(0.3);
  });

  it("agree, for positions alone, in that sinusoids and rotations are alike", () => {
    const settings = { width: 12, base: 50, reach: 3, words: false };
    const turned = map("rotary", settings, given);
    map("sinusoidal", settings, given).forEach((row, m) => row.forEach((x, n) => expect(x).toBeCloseTo(turned[m][n], 12)));
  });
});

describe("a rotation", () => {
  const vector = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 6, maxLength: 6 });
  const place = fc.integer({ min: 0, max: 200 });

  it("leaves a dot product a function of the distance", () => {
    fc.assert(
      fc.property(vector, vector, place, place, place, (a, b, m, n, by) => {
        expect(dot(turn(a, m, 100), turn(b, n, 100))).toBeCloseTo(dot(turn(a, m + by, 100), turn(b, n + by, 100)), 8);
      }),
    );
  });

  it("keeps lengths, and position 0 as it is", () => {
    expect(turn([1, 2, 3, 4], 0, 10)).toEqual([1, 2, 3, 4]);
    fc.assert(
      fc.property(vector, place, (a, n) => {
        expect(dot(turn(a, n, 10), turn(a, n, 10))).toBeCloseTo(dot(a, a), 8);
      }),
    );
  });
});

it("sinusoids begin at (0, 1), and a bias ends at its reach", () => {
  expect(sinusoid(0, 6, 10)).toEqual([0, 1, 0, 1, 0, 1]);
  expect([2, -4, 5, 90].map((distance) => bias(distance, 4, -0.5))).toEqual([-1, -2, -2, -2]);
});
