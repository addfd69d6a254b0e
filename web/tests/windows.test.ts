// The lab's windows against the package's own masks (fixtures/make_windows.py), and what must hold for any.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { area, attended, cost, layer, reach, rolled, rolledWindow, stack, type Box, type Settings, type Way } from "../src/lab/windows.ts";

interface Fixture {
  patch: number;
  width: number;
  layers: { rows: number; columns: number; window: number; shift: number; groups: number[]; padded: [number, number]; padded_groups: number[] }[];
  stacks: { settings: Omit<Settings, "grid"> & { side: number }; way: Way; row: number; column: number; seen: number[][] }[];
  costs: { settings: { side: number; window: number; merge: boolean }; way: Way; layer: number; cost: number }[];
}

const { patch, width, layers, stacks, costs }: Fixture = JSON.parse(readFileSync(new URL("fixtures/windows.json", import.meta.url), "utf8"));

const tokens = ({ top, left, bottom, right }: Box, columns: number): number[] =>
  Array.from({ length: (bottom - top) * (right - left) }, (_, i) => (top + Math.floor(i / (right - left))) * columns + left + (i % (right - left)));

describe("one layer", () => {
  it.each(layers.map((one) => [`${one.rows} × ${one.columns}, windows of ${one.window}, shift ${one.shift}`, one] as const))("%s: each token attends to whom the package lets it", (_, one) => {
    const made = layer(one.rows, one.columns, one.window, one.shift);
    expect(made.padded).toEqual(one.padded);
    for (let token = 0; token < one.rows * one.columns; token++) {
      const allowed = one.groups.flatMap((group, other) => (group === one.groups[token] ? [other] : []));
      expect(tokens(attended(made, Math.floor(token / one.columns), token % one.columns), one.columns)).toEqual(allowed);
    }
  });

  it.each(layers.map((one) => [`${one.rows} × ${one.columns}, windows of ${one.window}, shift ${one.shift}`, one] as const))("%s: rolled and masked, the same", (_, one) => {
    const made = layer(one.rows, one.columns, one.window, one.shift);
    const [high, wide] = made.padded;
    const seen: number[] = [];
    for (let down = 0; down < high / made.window; down++) {
      for (let across = 0; across < wide / made.window; across++) {
        const { places, pieces } = rolledWindow(made, down, across);
        const at = places.map(([row, column]) => row * wide + column);
        seen.push(...at);
        const wrong = at.filter((q, i) => at.some((k, j) => (pieces[i] === pieces[j]) !== (one.padded_groups[q] === one.padded_groups[k])));
        expect(wrong).toEqual([]);
        // Where the roll puts a place, it finds it again.
        expect(places.map(([row, column]) => [rolled(row, made.shift, high), rolled(column, made.shift, wide)])).toEqual(
          places.map((_, i) => [down * made.window + Math.floor(i / made.window), across * made.window + (i % made.window)]),
        );
      }
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: high * wide }, (_, i) => i)); // each place once
  });
});

describe("many layers", () => {
  it.each(stacks.map((one) => [`${JSON.stringify(one.settings)}, ${one.way}, from ${one.row}, ${one.column}`, one] as const))("%s: what is seen is the product of the masks", (_, one) => {
    const made = stack({ ...one.settings, grid: one.settings.side / patch }, one.way);
    const found = made.map((_, l) => reach(made.slice(0, l + 1), one.row, one.column));
    expect(found.map(({ top, left, bottom, right }) => [top, left, bottom, right])).toEqual(one.seen);
  });

  const any = fc.record({ grid: fc.integer({ min: 1, max: 40 }), window: fc.integer({ min: 2, max: 8 }), shift: fc.integer({ min: 1, max: 7 }), layers: fc.integer({ min: 1, max: 6 }), merge: fc.boolean() });
  const setting = any.map((one) => ({ ...one, shift: Math.min(one.shift, one.window - 1) }));
  const place = fc.double({ min: 0, max: 0.999, noNaN: true });

  it("without shift and merging nothing is seen that the first layer did not show; with more layers nothing is lost", () => {
    fc.assert(
      fc.property(setting, place, place, (settings, y, x) => {
        const [row, column] = [y, x].map((one) => Math.floor(one * settings.grid));
        for (const way of ["stay", "shift"] as const) {
          const made = stack(settings, way);
          const seen = made.map((_, l) => reach(made.slice(0, l + 1), row, column));
          seen.slice(1).forEach((box, l) => expect(area(box)).toBeGreaterThanOrEqual(area(seen[l])));
          if (way === "stay" && !settings.merge) for (const box of seen) expect(box).toEqual(seen[0]);
        }
        expect(area(reach(stack(settings, "all"), row, column))).toBe(settings.grid ** 2);
      }),
    );
  });

  it("all in a window attend to the same", () => {
    fc.assert(
      fc.property(setting, place, place, ({ grid, window, shift }, y, x) => {
        const made = layer(grid, grid, window, shift);
        const box = attended(made, Math.floor(y * grid), Math.floor(x * grid));
        expect(attended(made, box.top, box.left)).toEqual(box);
        expect(attended(made, box.bottom - 1, box.right - 1)).toEqual(box);
      }),
    );
  });
});

describe("the cost", () => {
  it.each(costs)("of layer $layer, $way, $settings is the package's", ({ settings, way, layer: number, cost: expected }) => {
    const made = stack({ ...settings, grid: settings.side / patch, shift: 1, layers: number }, way)[number - 1];
    const { projections, weights } = cost(made, width);
    expect(projections + weights).toBe(expected);
  });

  it("grows with the area in windows, and the weights' part with its square all at once", () => {
    const weights = (grid: number, window: number): number => cost(layer(grid, grid, window, 0), width).weights;
    expect(weights(112, 7) / weights(56, 7)).toBe(4);
    expect(weights(112, 112) / weights(56, 56)).toBe(16);
  });
});
