// What all operators share: how they are called, and how they read their attributes.

import type { Kernel } from "../kernel.ts";
import type { Tensor } from "../tensor.ts";

export type Attribute = number | string | number[] | string[];

/** One step of a graph, as a function: tensors in (an optional input may be missing), tensor or tensors out. */
export type Operation = (inputs: Inputs, attributes: Attributes, kernel: Kernel) => Tensor | Tensor[];

/** The inputs of one node. */
export class Inputs {
  constructor(private readonly tensors: readonly (Tensor | undefined)[]) {}

  all(): Tensor[] {
    return this.tensors.map((_, i) => this.get(i));
  }

  has(i: number): boolean {
    return this.tensors[i] !== undefined;
  }

  get(i: number): Tensor {
    const found = this.tensors[i];
    if (!found) throw new Error(`input ${i} is missing.`);
    return found;
  }

  /** The numbers of an input of floats. */
  floats(i: number): Float32Array {
    return asFloats(this.get(i));
  }

  /** The numbers of a small input that holds sizes or axes; undefined if the input is absent. */
  integers(i: number): number[] | undefined {
    return this.has(i) ? Array.from(this.get(i).data) : undefined;
  }
}

export function asFloats(x: Tensor): Float32Array {
  if (x.dtype === "float32") return x.data as Float32Array;
  throw new Error(`wanted floats, got a tensor of ${x.dtype}.`);
}

/** The attributes of one node, with ONNX's defaults filled in by whoever asks. */
export class Attributes {
  constructor(private readonly values: Readonly<Record<string, Attribute>> = {}) {}

  number(name: string, otherwise: number): number {
    return Number(this.values[name] ?? otherwise);
  }

  text(name: string, otherwise: string): string {
    return String(this.values[name] ?? otherwise);
  }

  list(name: string): number[] | undefined {
    const value = this.values[name];
    return value === undefined ? undefined : [value].flat().map(Number);
  }

  /** Complains about an attribute that this engine does not know, unless it has its usual value. */
  only(name: string, usual: Attribute): void {
    const value = this.values[name];
    if (value !== undefined && String(value).toLowerCase() !== String(usual).toLowerCase()) {
      throw new Error(`the engine knows ${name} = ${usual} only, not ${value}.`);
    }
  }
}
