// What the labs of pictures compute beside the model: other orders of patches, brushes, the reduction of a file, rollout.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { GraphDescription } from "../src/graph.ts";
import { Model, tensor } from "../src/index.ts";
import {
  blank, changed, fromBase64, GREY, inverse, meanDistance, patchAt, permutation, PictureReader, rearranged, reduced, softmax, stroke, toBytes,
} from "../src/pictures.ts";
import { archive } from "./file.ts";

const SIZE = 8;
const PATCH = 2;
const picture = Float32Array.from({ length: 3 * SIZE * SIZE }, (_, i) => ((i * 37) % 256) / 255);

describe("patches", () => {
  it("come in an order that the seed decides, and go back", () => {
    const order = permutation(16, 5);
    expect(order).toEqual(permutation(16, 5));
    expect(order).not.toEqual(permutation(16, 6));
    expect([...order].sort((a, b) => a - b)).toEqual([...Array(16).keys()]);
    expect(permutation(16, 0)).toEqual([...Array(16).keys()]);
    const shuffled = rearranged(picture, SIZE, PATCH, order);
    expect(shuffled).not.toEqual(picture);
    expect(rearranged(shuffled, SIZE, PATCH, inverse(order))).toEqual(picture);
  });

  it("lie where the order says", () => {
    const order = permutation(16, 3);
    const shuffled = rearranged(picture, SIZE, PATCH, order);
    for (let i = 0; i < picture.length; i++) {
      const [plane, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
      const to = order.indexOf(patchAt(i, SIZE, PATCH));
      expect(shuffled[plane * 64 + (Math.floor(to / 4) * 2 + (y % 2)) * 8 + (to % 4) * 2 + (x % 2)]).toBe(picture[i]);
    }
  });

  it("are grey when erased, and the others stay", () => {
    const made = rearranged(picture, SIZE, PATCH, [...Array(16).keys()].map((one) => (one === 6 ? -1 : one)));
    expect(changed(made, picture, SIZE, PATCH)).toEqual(new Set([6]));
    made.forEach((one, i) => expect(one).toBe(patchAt(i, SIZE, PATCH) === 6 ? GREY : picture[i]));
  });
});

describe("a brush", () => {
  it("covers what is near its line and leaves the rest", () => {
    const made = picture.slice();
    expect(stroke(made, SIZE, [1, 1], [1, 6], 1, [1, 0, 0])).toBe(true);
    for (let x = 1; x < 6; x++) {
      expect([0, 1, 2].map((plane) => made[plane * 64 + x])).toEqual([1, 0, 0]);
      expect([0, 1, 2].map((plane) => made[plane * 64 + 3 * 8 + x])).toEqual([0, 1, 2].map((plane) => picture[plane * 64 + 3 * 8 + x]));
    }
  });

  it("leaves a dot without a way, and says when it missed", () => {
    const made = blank(SIZE, [1, 1, 1]);
    expect(stroke(made, SIZE, [4.5, 4.5], [4.5, 4.5], 0.5, [0, 0, 0])).toBe(true);
    expect(changed(made, blank(SIZE, [1, 1, 1]), SIZE, 1)).toEqual(new Set([36]));
    expect(stroke(made, SIZE, [-9, -9], [-9, -9], 2, [0, 0, 0])).toBe(false);
  });
});

describe("a file's pixels", () => {
  const cases = JSON.parse(readFileSync(new URL("fixtures/pictures.json", import.meta.url), "utf8")) as { from: number; size: number; rgb: number[]; fitted: number[] }[];

  it.each(cases)("are reduced from $from to $size as tfedu.data.pictures.fit does it", ({ from, size, rgb, fitted }) => {
    const rgba = Array.from({ length: from * from }, (_, i) => [...[0, 1, 2].map((plane) => rgb[plane * from * from + i]), 255]).flat();
    const found = reduced(rgba, from, size);
    expect(found.length).toBe(fitted.length);
    found.forEach((one, i) => expect(Math.abs(one - fitted[i])).toBeLessThan(2e-6));
  });
});

describe("numbers", () => {
  it("go to bytes and back", () => {
    const text = btoa(String.fromCharCode(...toBytes(picture)));
    expect(fromBase64(text)).toEqual(picture);
    expect(toBytes(Float32Array.of(-1, 0.5, 2))).toEqual([0, 128, 255]);
  });

  it("softmax sums to one, however large the scores", () => {
    const p = softmax([1000, 999, -1000]);
    expect(p.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(p[0] / p[1]).toBeCloseTo(Math.E, 9);
  });

  it("a mean distance is that of the middles of cells", () => {
    expect(meanDistance([0, 0, 0, 1], 2, 0)).toBeCloseTo(Math.SQRT2, 12);
    expect(meanDistance([1, 1, 0, 0], 2, 0)).toBe(0.5);
    expect(meanDistance([0, 0, 0, 0], 2, 0)).toBe(0);
  });
});

describe("a reading", () => {
  // Two layers whose maps are the picture's own numbers, softened: enough for rows, heads and rollout.
  const graph: GraphDescription = {
    inputs: [{ name: "picture", dtype: "float32", shape: [1, 3, 2, 2] }],
    outputs: [{ name: "logits", dtype: "float32", shape: [1, 4] }, { name: "a", dtype: "float32", shape: [1, 1, 3, 4] }],
    maps: { "layers.0": "a", "layers.1": "b" },
    constants: {
      first: { dtype: "int64", shape: [4], data: [1, 3, 2, 2] },
      flat: { dtype: "int64", shape: [2], data: [1, -1] },
    },
    nodes: [
      { op: "Reshape", inputs: ["picture", "first"], outputs: ["same"] },
      { op: "Softmax", inputs: ["same"], outputs: ["a"], attributes: { axis: -1 } },
      { op: "Softmax", inputs: ["a"], outputs: ["b"], attributes: { axis: -1 } },
      { op: "Reshape", inputs: ["b", "flat"], outputs: ["logits"] },
    ],
  };
  const model = Model.read(archive({ unused: tensor([0]) }, { model: graph }, { pictures: JSON.stringify({ size: 2, patch: 1, prefix: 0, classes: [] }) }));
  const reading = new PictureReader(model).read(Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)));

  it("gives one head's row, or the mean of all", () => {
    const heads = [0, 1, 2].map((head) => reading.row(0, 1, head));
    reading.row(0, 1).forEach((one, s) => expect(one).toBeCloseTo((heads[0][s] + heads[1][s] + heads[2][s]) / 3, 9));
    expect(reading.heads(0)).toBe(3);
  });

  it("rolls out as the product of the layers' maps, half of each the identity", () => {
    const step = (layer: number): number[][] => [0, 1].map((t) => Array.from(reading.row(layer, t), (one, s) => one / 2 + (s === t ? 0.5 : 0)));
    const [low, high] = [step(0), step(1)];
    for (const query of [0, 1]) {
      const wanted = [0, 1].map((s) => high[query][0] * low[0][s] + high[query][1] * low[1][s]);
      reading.rollout(query).forEach((one, s) => expect(one).toBeCloseTo(wanted[s], 9));
    }
  });

  it("knows the tokens' vectors after a layer by the layer's name", () => {
    const named: GraphDescription = {
      ...graph,
      maps: { "layers.0.attention": "a" },
      nodes: [
        graph.nodes[0],
        { ...graph.nodes[1], tap: "layers.0.attention.mechanism" },
        { op: "Add", inputs: ["same", "a"], outputs: ["sum"], tap: "layers.0" },
        { op: "Relu", inputs: ["sum"], outputs: ["b"], tap: "norm" },
        graph.nodes[3],
      ],
    };
    const layered = new PictureReader(Model.read(archive({ unused: tensor([0]) }, { model: named }, { pictures: JSON.stringify({ size: 2, patch: 1, prefix: 0, classes: [] }) })));
    const x = Float32Array.from({ length: 12 }, (_, i) => Math.cos(i));
    const one = layered.read(x);
    one.vectors(0).data.forEach((value, i) => expect(value).toBeCloseTo(x[i] + one.map(0).data[i], 6));
  });

  it("wants a model that names pictures", () => {
    expect(() => new PictureReader(Model.read(archive({}, { model: graph })))).toThrow(/tfedu.live.pictures/);
  });
});
