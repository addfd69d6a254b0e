// A model that names what a picture shows: it reads the picture as a sentence of patches.
//
// A picture is a Float32Array of 3 × size × size colours from 0 to 1, channels first. Its patches are counted row by row;
// in the maps some tokens may stand before them, such as the class token.

import type { Edits, Run } from "./graph.ts";
import type { Model } from "./model.ts";
import { LiveFileError } from "./safetensors.ts";
import { tensor, type Tensor } from "./tensor.ts";

/** What Python says of the model. */
export interface PictureFacts {
  /** Side of a picture, in pixels. */
  readonly size: number;
  /** Side of a patch, in pixels; 0: the model has none. */
  readonly patch: number;
  /** Tokens before the patches. */
  readonly prefix: number;
  readonly classes: readonly string[];
}

export type Picture = Float32Array;
/** A colour: red, green and blue, from 0 to 1. */
export type Colour = readonly [number, number, number];
/** (y, x), in pixels. */
export type Place = readonly [number, number];

/** What an erased patch shows: in the middle of the range, where a network reads 0. */
export const GREY = 0.5;

export class PictureReader {
  readonly facts: PictureFacts;
  /** The names of the maps, the lowest layer first. */
  readonly maps: readonly string[];

  constructor(readonly model: Model) {
    try {
      this.facts = JSON.parse(model.extras.pictures) as PictureFacts;
    } catch {
      throw new LiveFileError("the model file is not of a model that names pictures: export it with tfedu.live.pictures.");
    }
    this.maps = Object.keys(model.graph("model").description.maps);
  }

  read(picture: Picture, edits: Edits = {}): PictureReading {
    const { size } = this.facts;
    return new PictureReading(this, this.model.graph("model").run({ picture: tensor(picture, [1, 3, size, size]) }, edits));
  }
}

/** What the model makes of one picture. */
export class PictureReading {
  constructor(
    private readonly reader: PictureReader,
    private readonly run: Run,
  ) {}

  /** Of each class; `answer` may be a head of a DeiT, "class_logits" or "distillation_logits". */
  probabilities(answer = "logits"): number[] {
    return softmax(this.run.get(answer).data);
  }

  /** The map (1, H, T, S) of a layer, from 0. */
  map(layer: number): Tensor {
    return this.run.get(this.reader.maps[layer]);
  }

  /** The tokens' vectors (1, T, D) as a layer, from 0, hands them on. */
  vectors(layer: number): Tensor {
    return this.run.get(this.reader.maps[layer].replace(/\.attention$/, ""));
  }

  heads(layer: number): number {
    return this.map(layer).shape[1];
  }

  /** Where a token looks: a weight for each token. Of one head, or, without, the mean of all. */
  row(layer: number, query: number, head?: number): Float64Array {
    const { shape, data } = this.map(layer);
    const [, H, T, S] = shape;
    const row = new Float64Array(S);
    for (const one of head === undefined ? Array(H).keys() : [head]) {
      for (let s = 0; s < S; s++) row[s] += data[(one * T + query) * S + s] / (head === undefined ? H : 1);
    }
    return row;
  }

  /**
   * How much of each token's input reaches a token through all layers, if heads are averaged, each layer adds its input
   * back with weight one half, and everything between is ignored; as `rollout` in tfedu.trace.
   */
  rollout(query: number): Float64Array {
    let flow = new Float64Array(this.map(0).shape[3]);
    flow[query] = 1;
    for (let layer = this.reader.maps.length - 1; layer >= 0; layer--) {
      const next = flow.map((one) => one / 2);
      flow.forEach((one, token) => {
        if (one) this.row(layer, token).forEach((weight, s) => (next[s] += (one * weight) / 2));
      });
      flow = next;
    }
    return flow;
  }
}

export function softmax(logits: ArrayLike<number>): number[] {
  const scores = Array.from(logits);
  const highest = Math.max(...scores);
  const powers = scores.map((one) => Math.exp(one - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((one) => one / sum);
}

/** How far from a cell of a grid the weights lie, on average, in cells; weight that lies on no cell does not count. */
export function meanDistance(weights: ArrayLike<number>, columns: number, from: number): number {
  let [sum, all] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i] * Math.hypot(Math.floor(i / columns) - Math.floor(from / columns), (i % columns) - (from % columns));
    all += weights[i];
  }
  return all > 0 ? sum / all : 0;
}

// --- pictures made of pictures ---------------------------------------------------------------------------------

/** A picture of one colour. */
export function blank(size: number, colour: Colour): Picture {
  const plane = size * size;
  return Float32Array.from({ length: 3 * plane }, (_, i) => colour[Math.floor(i / plane)]);
}

/** From bytes (0 to 255), channels first, as base64. */
export function fromBase64(text: string): Picture {
  return Float32Array.from(atob(text), (letter) => letter.charCodeAt(0) / 255);
}

/** Numbers as a screen has them, in 256 steps. */
export function toBytes(picture: Picture): number[] {
  return Array.from(picture, (one) => Math.round(255 * Math.min(1, Math.max(0, one))));
}

/** An order of `count` things; the same seed gives the same, and 0 leaves all where it is. */
export function permutation(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  let state = seed >>> 0;
  for (let i = count - 1; seed && i > 0; i--) {
    state = (state + 0x6d2b79f5) >>> 0; // mulberry32
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const other = ((mixed ^ (mixed >>> 14)) >>> 0) % (i + 1);
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

/** The picture whose patch number i is the old one's number `order[i]`; a number below 0 leaves it grey. */
export function rearranged(picture: Picture, size: number, patch: number, order: readonly number[]): Picture {
  const columns = size / patch;
  const made = new Float32Array(picture.length);
  for (let i = 0; i < made.length; i++) {
    const [plane, y, x] = [Math.floor(i / (size * size)), Math.floor(i / size) % size, i % size];
    const from = order[Math.floor(y / patch) * columns + Math.floor(x / patch)];
    const [top, left] = [Math.floor(from / columns) * patch, (from % columns) * patch];
    made[i] = from < 0 ? GREY : picture[(plane * size + top + (y % patch)) * size + left + (x % patch)];
  }
  return made;
}

/** Draws a line of round ends, in place; its edge is soft by a pixel. Returns whether it met the picture. */
export function stroke(picture: Picture, size: number, from: Place, to: Place, radius: number, colour: Colour): boolean {
  const [dy, dx] = [to[0] - from[0], to[1] - from[1]];
  const length = dy * dy + dx * dx;
  let met = false;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [py, px] = [y + 0.5 - from[0], x + 0.5 - from[1]];
      const along = length ? Math.min(1, Math.max(0, (py * dy + px * dx) / length)) : 0;
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(py - along * dy, px - along * dx)));
      if (!cover) continue;
      met = true;
      for (let plane = 0; plane < 3; plane++) {
        const i = (plane * size + y) * size + x;
        picture[i] += cover * (colour[plane] - picture[i]);
      }
    }
  }
  return met;
}

/** The order that undoes an order. */
export function inverse(order: readonly number[]): number[] {
  const back = new Array<number>(order.length);
  order.forEach((from, to) => (back[from] = to));
  return back;
}

/** The patch that a number of a picture belongs to. */
export function patchAt(i: number, size: number, patch: number): number {
  return Math.floor((Math.floor(i / size) % size) / patch) * (size / patch) + Math.floor((i % size) / patch);
}

/** In which patches two pictures differ. */
export function changed(a: Picture, b: Picture, size: number, patch: number): Set<number> {
  const found = new Set<number>();
  a.forEach((one, i) => one !== b[i] && found.add(patchAt(i, size, patch)));
  return found;
}

// --- pictures from files ----------------------------------------------------------------------------------------

/** A square of RGBA bytes brought to another side by a filter that looks at all it covers, row by row, then column by column. */
export function reduced(rgba: ArrayLike<number>, from: number, size: number): Picture {
  const taps = filter(from, size);
  const wide = new Float32Array(3 * from * size); // plane, y, x
  const made = new Float32Array(3 * size * size);
  for (let plane = 0; plane < 3; plane++) {
    for (let y = 0; y < from; y++) {
      taps.forEach(({ first, weights }, x) => {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * rgba[4 * (y * from + first + i) + plane];
        wide[(plane * from + y) * size + x] = sum;
      });
    }
    taps.forEach(({ first, weights }, y) => {
      for (let x = 0; x < size; x++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * wide[(plane * from + first + i) * size + x];
        made[(plane * size + y) * size + x] = Math.min(1, Math.max(0, sum / 255));
      }
    });
  }
  return made;
}

/** For each new pixel, which old ones it is made of: a tent, as wide as two steps from one to the next; as `fit` in Python. */
function filter(from: number, to: number): { first: number; weights: number[] }[] {
  const step = from / to;
  const reach = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const middle = (i + 0.5) * step;
    const first = Math.max(0, Math.floor(middle - reach + 0.5));
    const last = Math.min(from, Math.floor(middle + reach + 0.5));
    const weights = Array.from({ length: last - first }, (_, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - middle) / reach));
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((one) => one / sum) };
  });
}
