// Recurrent networks: a state goes along the sentence and is renewed at each word.
//
// ONNX stacks the weights of a cell's gates over each other. For a GRU the order is update z, reset r, candidate h
// (torch has r, z, h); for an LSTM it is input i, output o, forget f, cell c (torch has i, f, c, o).
//   X (T, B, I)   W (directions, gates·H, I)   R (directions, gates·H, H)   bias (directions, 2·gates·H)

import { zeros } from "../tensor.ts";
import { asFloats, type Attributes, type Inputs, type Operation } from "./common.ts";
import { sigmoid, tanh } from "./exp.ts";
import { transposed } from "./linear.ts";
import type { Kernel } from "../kernel.ts";

/**
 * One step of one sentence: `x` holds the gates' share of the word (bias included), `h` the state, which is renewed
 * in place. `recur()` gives R times the present state plus its bias.
 */
type Cell = (step: Step) => void;

interface Step {
  readonly H: number;
  readonly x: Float32Array;
  readonly h: Float32Array;
  readonly c: Float32Array;
  /** Gates `from` to `to` of R · state + bias. */
  readonly recur: (state: Float32Array, from: number, to: number) => Float32Array;
}

/** Cho et al. 2014. torch applies the reset gate after R has been applied (linear_before_reset), the paper before. */
const gru =
  (resetAfter: boolean): Cell =>
  ({ H, x, h, recur }) => {
    const y = recur(h, 0, resetAfter ? 3 : 2);
    const z = new Float32Array(H);
    const r = new Float32Array(H);
    for (let i = 0; i < H; i++) {
      z[i] = sigmoid(x[i] + y[i]);
      r[i] = sigmoid(x[H + i] + y[H + i]);
    }
    const part = resetAfter ? r.map((reset, i) => reset * y[2 * H + i]) : recur(h.map((state, i) => r[i] * state), 2, 3);
    for (let i = 0; i < H; i++) h[i] = (1 - z[i]) * tanh(x[2 * H + i] + part[i]) + z[i] * h[i];
  };

/** Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000. */
const lstm: Cell = ({ H, x, h, c, recur }) => {
  const y = recur(h, 0, 4);
  const gate = (which: number, i: number) => x[which * H + i] + y[which * H + i];
  for (let i = 0; i < H; i++) {
    c[i] = sigmoid(gate(2, i)) * c[i] + sigmoid(gate(0, i)) * tanh(gate(3, i));
    h[i] = sigmoid(gate(1, i)) * tanh(c[i]);
  }
};

function recurrent(kind: "GRU" | "LSTM"): Operation {
  return (inputs: Inputs, attributes: Attributes, kernel: Kernel) => {
    attributes.only("layout", 0);
    attributes.only("input_forget", 0);
    if (attributes.list("clip") || inputs.has(7)) throw new Error("the engine knows neither clipping nor peepholes.");
    const usual = { GRU: ["Sigmoid", "Tanh"], LSTM: ["Sigmoid", "Tanh", "Tanh"] }[kind];
    const cell = { GRU: gru(attributes.number("linear_before_reset", 0) !== 0), LSTM: lstm }[kind];
    const kernelKnows = kind === "LSTM" || attributes.number("linear_before_reset", 0) !== 0;

    const [T, B, I] = inputs.get(0).shape;
    const [D, rows, H] = inputs.get(2).shape;
    attributes.only("activations", Array.from({ length: D }, () => usual).flat().join(","));
    const direction = attributes.text("direction", "forward");
    const lengths = inputs.integers(4) ?? new Array<number>(B).fill(T);
    const [x, W, R] = [inputs.floats(0), inputs.floats(1), inputs.floats(2)];
    const bias = inputs.has(3) ? inputs.floats(3) : new Float32Array(2 * D * rows);

    const all = zeros("float32", [T, D, B, H]);
    const [h, c] = [5, 6].map((i) => {
      const state = zeros("float32", [D, B, H]);
      if (inputs.has(i)) state.data.set(inputs.get(i).data);
      return state;
    });
    for (let d = 0; d < D; d++) {
      // What the words contribute does not depend on the state: one product for the whole sentence.
      const words = new Float32Array(T * B * rows);
      const [biasW, biasR] = [bias.subarray(2 * d * rows, (2 * d + 1) * rows), bias.subarray((2 * d + 1) * rows, (2 * d + 2) * rows)];
      kernel.multiply(x, part(W, d, rows, I, kernel), T * B, I, rows, words, biasW);

      const turnedR = part(R, d, rows, H, kernel);
      const product = new Float32Array(rows);
      const recur: Step["recur"] = (state, from, to) => {
        kernel.multiply(state, turnedR, 1, H, rows, product, biasR);
        return product.subarray(from * H, to * H);
      };
      const backward = direction === "reverse" || d === 1;
      for (let b = 0; b < B; b++) {
        const line = (d * B + b) * H;
        const [state, memory] = [h, c].map((one) => asFloats(one).subarray(line, line + H));
        const place = (i: number) => (backward ? lengths[b] - 1 - i : i);
        const sentence = { words, first: (place(0) * B + b) * rows, step: (backward ? -B : B) * rows, T: lengths[b] };
        const states = kernelKnows && kernel.recur?.(kind === "GRU" ? "gru" : "lstm", sentence, turnedR, biasR, state, memory);
        for (let i = 0; i < lengths[b]; i++) {
          const t = place(i);
          const word = (t * B + b) * rows;
          if (!states) cell({ H, x: words.subarray(word, word + rows), h: state, c: memory, recur });
          all.data.set(states ? states.subarray(i * H, (i + 1) * H) : state, ((t * D + d) * B + b) * H);
        }
      }
    }
    return kind === "LSTM" ? [all, h, c] : [all, h];
  };
}

/** The weights of one direction, turned around. Both directions lie in one array, cut once and kept. */
const parts = new WeakMap<Float32Array, Float32Array[]>();

function part(weights: Float32Array, d: number, rows: number, columns: number, kernel: Kernel): Float32Array {
  const known = parts.get(weights) ?? [];
  const one = (known[d] ??= weights.subarray(d * rows * columns, (d + 1) * rows * columns));
  if (kernel.kept(weights)) {
    parts.set(weights, known);
    kernel.keep(one);
  }
  return transposed(one, rows, columns, kernel);
}

export const recurrence = { GRU: recurrent("GRU"), LSTM: recurrent("LSTM") };
