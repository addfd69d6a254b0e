// Attention in windows, as Swin has it: who attends to whom in one layer, what a patch has seen after many, what it costs.
//
// All who share a window attend to each other and to nobody else. What a patch has seen through several layers is found
// by walking back: from its window to the windows of all in there, and so on. The tests compare with the package's masks.

export const WAYS = ["stay", "shift", "all"] as const;
/** Windows that stay where they are, windows that every second layer shifts, or everything at once. */
export type Way = (typeof WAYS)[number];

/** What the reader sets. */
export interface Settings {
  /** Patches along a side of the picture. */
  readonly grid: number;
  readonly window: number;
  /** By how many tokens each second layer shifts. */
  readonly shift: number;
  readonly layers: number;
  /** Whether 2 × 2 tokens become one after every second layer. */
  readonly merge: boolean;
}

/** One layer of attention over tokens in rows and columns. */
export interface Layer {
  readonly rows: number;
  readonly columns: number;
  /** Patches along a token's side: merging doubles it. */
  readonly side: number;
  readonly window: number;
  readonly shift: number;
  /** Rows and columns with the padding below and to the right that makes whole windows of them. */
  readonly padded: readonly [rows: number, columns: number];
}

/** A layer with its windows. A grid no larger than the window is one window, and nothing is shifted. */
export function layer(rows: number, columns: number, window: number, shift: number, side = 1): Layer {
  const least = Math.min(rows, columns);
  if (least <= window) [window, shift] = [least, 0];
  const padded = [rows, columns].map((count) => Math.ceil(count / window) * window) as [number, number];
  return { rows, columns, side, window, shift, padded };
}

/** The layers of a network, the first first. */
export function stack({ grid, window, shift, layers, merge }: Settings, way: Way): Layer[] {
  return Array.from({ length: layers }, (_, l) => {
    const side = merge && way !== "all" ? 2 ** Math.floor(l / 2) : 1;
    const tokens = Math.ceil(grid / side);
    return layer(tokens, tokens, way === "all" ? tokens : window, way === "shift" && l % 2 ? shift : 0, side);
  });
}

/** Rows from `top` up to, not with, `bottom`, and columns from `left` to `right`. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/**
 * The tokens that the token at (row, column) attends to, and those to it: its window, as far as it lies in the picture.
 * Where the shifted windows overhang an edge, the roll fills them up from the other edge; the mask cuts that off again.
 */
export function attended(layer: Layer, row: number, column: number): Box {
  const [top, bottom] = span(layer, layer.rows, row);
  const [left, right] = span(layer, layer.columns, column);
  return { top, left, bottom, right };
}

function span({ window, shift }: Layer, count: number, place: number): [from: number, to: number] {
  const from = shift + Math.floor((place - shift) / window) * window;
  return [Math.max(0, from), Math.min(count, from + window)];
}

/** The patches that the patch at (row, column) has seen after these layers: always a box, for windows are boxes. */
export function reach(layers: readonly Layer[], row: number, column: number): Box {
  const last = layers[layers.length - 1];
  const at = [row, column].map((place) => Math.floor(place / last.side));
  let seen: Box = { top: at[0], left: at[1], bottom: at[0] + 1, right: at[1] + 1 };
  for (let l = layers.length - 1; l >= 0; l--) {
    const first = attended(layers[l], seen.top, seen.left);
    const final = attended(layers[l], seen.bottom - 1, seen.right - 1);
    const before = layers[l - 1] ?? layers[l];
    const times = layers[l].side / before.side; // a merged token is made of so many, in each direction
    seen = {
      top: first.top * times,
      left: first.left * times,
      bottom: Math.min(before.rows, final.bottom * times),
      right: Math.min(before.columns, final.right * times),
    };
  }
  return seen;
}

export function area({ top, left, bottom, right }: Box): number {
  return (bottom - top) * (right - left);
}

/** Where row or column `place` stands after the roll by `shift`, among `count`. */
export function rolled(place: number, shift: number, count: number): number {
  return (place - shift + count) % count;
}

/** What the roll has put into a window. */
export interface Rolled {
  /** Place by place, the row and the column in the picture; those past its end are padding. */
  readonly places: readonly (readonly [row: number, column: number])[];
  /** The piece of the picture that each place came with: the mask lets two meet if it is the same. */
  readonly pieces: readonly number[];
}

/** The window in row `down` and column `across` of the windows of a rolled picture. */
export function rolledWindow({ window, shift, padded }: Layer, down: number, across: number): Rolled {
  const places = Array.from({ length: window ** 2 }, (_, i): [number, number] => [
    (down * window + Math.floor(i / window) + shift) % padded[0],
    (across * window + (i % window) + shift) % padded[1],
  ]);
  // The roll brings what lay above or left of the first border, and only that.
  return { places, pieces: places.map(([row, column]) => 2 * Number(row < shift) + Number(column < shift)) };
}

/** Multiplications of one layer of attention: of queries, keys, values and output; and of the weights, made and used. */
export interface Cost {
  readonly projections: number;
  readonly weights: number;
}

/**
 * Equations (1) and (2) of Liu et al. 2021, for patches of `width` numbers; merging doubles it, as it does their side.
 * Padding is computed with, so it counts.
 */
export function cost({ padded: [h, w], window, side }: Layer, patch: number): Cost {
  const width = patch * side;
  return { projections: 4 * h * w * width ** 2, weights: 2 * window ** 2 * h * w * width };
}
