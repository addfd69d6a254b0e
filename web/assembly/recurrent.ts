// A recurrent cell along a sentence, as src/operators/recurrent.ts has it: `words` holds the gates' share of each word
// (bias included), R is packed, and each new state is written over the old one at `h`, and to the next row of `out`. `product`
// is room for R times the state; `step` is the bytes from a word to the next, negative to read backwards; H is a
// multiple of 4.

import { sigmoid, tanh } from "./functions";
import { matmul } from "./matmul";

// @ts-ignore: a decorator
@inline
function both(word: usize, product: usize, gate: i32, H: i32, i: usize): v128 {
  const at = (<usize>gate * H << 2) + i;
  return f32x4.add(v128.load(word + at), v128.load(product + at));
}

/** Gates z, r, h; the reset gate is applied after R, as in torch. */
export function gru(words: usize, R: usize, bias: usize, h: usize, out: usize, product: usize, T: i32, H: i32, step: i32): void {
  const size = <usize>H << 2;
  for (let t = 0; t < T; t++) {
    matmul(h, R, bias, product, 1, H, 3 * H, true);
    for (let i: usize = 0; i < size; i += 16) {
      const z = sigmoid(both(words, product, 0, H, i));
      const r = sigmoid(both(words, product, 1, H, i));
      const candidate = tanh(f32x4.add(v128.load(words + 2 * size + i), f32x4.mul(r, v128.load(product + 2 * size + i))));
      // (1 - z) · candidate + z · h
      const state = f32x4.add(candidate, f32x4.mul(z, f32x4.sub(v128.load(h + i), candidate)));
      v128.store(h + i, state);
      v128.store(out + i, state);
    }
    words += step;
    out += size;
  }
}

/** Gates i, o, f, c; the cell lies behind the state, at h + H. */
export function lstm(words: usize, R: usize, bias: usize, h: usize, out: usize, product: usize, T: i32, H: i32, step: i32): void {
  const size = <usize>H << 2;
  for (let t = 0; t < T; t++) {
    matmul(h, R, bias, product, 1, H, 4 * H, true);
    for (let i: usize = 0; i < size; i += 16) {
      const kept = f32x4.mul(sigmoid(both(words, product, 2, H, i)), v128.load(h + size + i));
      const cell = f32x4.add(kept, f32x4.mul(sigmoid(both(words, product, 0, H, i)), tanh(both(words, product, 3, H, i))));
      const state = f32x4.mul(sigmoid(both(words, product, 1, H, i)), tanh(cell));
      v128.store(h + size + i, cell);
      v128.store(h + i, state);
      v128.store(out + i, state);
    }
    words += step;
    out += size;
  }
}
