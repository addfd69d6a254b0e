// Runs the recurrent attention model glimpse by glimpse. Locations are (y, x), from -1 (top, left) to 1.

import type { Model } from "./model.ts";
import { tensor, zeros, type Tensor } from "./tensor.ts";

export type Location = readonly [number, number];

export interface Glimpse {
  readonly location: Location;
  /** Of each class, after this glimpse. */
  readonly probabilities: readonly number[];
  /** What was seen at each scale: rows of cells, one after the other. */
  readonly seen: readonly (readonly number[])[];
}

/**
 * Looks at a picture.
 *   picture: its pixels, row by row, 0 = ground, 1 = ink.
 *   count: how many glimpses.
 *   chosen: for some glimpses, counted from 0, where to look, in place of the model's own choice.
 */
export function look(model: Model, picture: ArrayLike<number>, count: number, chosen: ReadonlyMap<number, Location> = new Map()): Glimpse[] {
  const graph = model.graph("glimpse");
  const shape = (name: string): number[] => graph.description.inputs.find((input) => input.name === name)!.shape.map(Number);
  const pixels = tensor(picture, shape("picture"));
  let own: Location = [0, 0]; // the first glimpse is at the centre
  let state: Tensor = zeros("float32", shape("state"));
  const glimpses: Glimpse[] = [];
  for (let t = 0; t < count; t++) {
    const location = chosen.get(t) ?? own;
    const run = graph.run({ picture: pixels, location: tensor(location, [1, 2]), state });
    const seen = run.get("seen");
    const [scales, cells] = [seen.shape[1], seen.shape[2] * seen.shape[3]];
    glimpses.push({
      location,
      probabilities: softmax(run.get("logits").data),
      seen: Array.from({ length: scales }, (_, i) => Array.from(seen.data.slice(i * cells, (i + 1) * cells))),
    });
    const next = run.get("next_location").data;
    own = [next[0], next[1]];
    state = run.get("next_state");
  }
  return glimpses;
}

function softmax(logits: ArrayLike<number>): number[] {
  const scores = Array.from(logits);
  const highest = Math.max(...scores);
  const powers = scores.map((one) => Math.exp(one - highest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((one) => one / sum);
}
