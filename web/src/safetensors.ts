// A model file is a safetensors archive: eight bytes with the length of a JSON header, the header, then the
// numbers of all tensors. The header says where each tensor lies, and, under __metadata__, what the graphs are.

import { tensor, zeros, sizeOf, type DType, type Tensor } from "./tensor.ts";
import type { GraphDescription } from "./graph.ts";

/** The file is damaged, or is not a live model. The message is meant for the reader of the page. */
export class LiveFileError extends Error {
  override name = "LiveFileError";
}

export interface LiveFile {
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly graphs: Readonly<Record<string, GraphDescription>>;
  /** Texts that travel with the model, such as its tokenizers. */
  readonly extras: Readonly<Record<string, string>>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** For each stored type: the type it becomes, and its width in bytes. */
const STORED: Record<string, [DType, number]> = {
  F16: ["float32", 2],
  F32: ["float32", 4],
  I32: ["int64", 4],
  BOOL: ["bool", 1],
  U8: ["bool", 1],
};

export function readLiveFile(file: ArrayBuffer | Uint8Array): LiveFile {
  // A plain view even of Node's Buffer, whose `slice` would not copy.
  const bytes = ArrayBuffer.isView(file) ? new Uint8Array(file.buffer, file.byteOffset, file.byteLength) : new Uint8Array(file);
  const header = readHeader(bytes);
  const { __metadata__: metadata, ...entries } = header.content as Record<string, unknown>;
  const texts = (metadata ?? {}) as Record<string, string>;
  if (texts.format !== "tfedu-live") throw new LiveFileError("this file is not a live model: its header does not say so.");
  if (texts.version !== "1") {
    throw new LiveFileError(`this model file has version ${texts.version}; this page reads version 1.`);
  }
  const weights = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(entries)) {
    weights.set(name, readTensor(bytes.subarray(header.end), name, entry as Entry));
  }
  const extras = Object.entries(texts).filter(([key]) => key.startsWith("extra."));
  return {
    weights,
    graphs: parse(texts.graphs ?? "", "its graphs") as Record<string, GraphDescription>,
    extras: Object.fromEntries(extras.map(([key, text]) => [key.slice("extra.".length), text])),
  };
}

function readHeader(bytes: Uint8Array): { content: unknown; end: number } {
  const short = () => new LiveFileError("the model file is cut short; try to load the page again.");
  if (bytes.length < 8) throw short();
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (8 + length > bytes.length) throw short();
  return { content: parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)), "its header"), end: 8 + length };
}

function parse(text: string, what: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Reported below, as is JSON of another kind.
  }
  throw new LiveFileError(`the model file is damaged: ${what} cannot be read.`);
}

function readTensor(numbers: Uint8Array, name: string, { dtype, shape, data_offsets: range }: Entry): Tensor {
  const [type, width] = STORED[dtype] ?? [];
  if (!type || !width) throw new LiveFileError(`tensor ${name} is stored as ${dtype}, which this page does not read.`);
  const size = sizeOf(shape);
  const [begin, end] = range;
  if (end > numbers.length || end - begin !== size * width) {
    throw new LiveFileError(`the model file is damaged: tensor ${name} does not fit its place.`);
  }
  const own = numbers.slice(begin, end).buffer; // a copy, because typed arrays want aligned places
  if (dtype === "F16") return { dtype: type, shape, data: fromHalf(new Uint16Array(own)) };
  if (type === "bool") return { dtype: type, shape, data: new Uint8Array(own) };
  return { dtype: type, shape, data: type === "float32" ? new Float32Array(own) : new Int32Array(own) };
}

/**
 * Half-precision numbers (1 sign bit, 5 of exponent, 10 of fraction), widened once so that arithmetic is float32.
 * There are only 65,536 of them: a table is faster than taking each apart.
 */
export function fromHalf(halves: Uint16Array): Float32Array {
  const table = halfTable();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]];
  return out;
}

let halves: Float32Array | undefined;

function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let value = (1024 + fraction) * 2 ** (exponent - 25); // 1.fraction times 2^(exponent - 15)
    if (exponent === 0) value = fraction * 2 ** -24; // zero, and the numbers too small for a leading 1
    if (exponent === 31) value = fraction ? NaN : Infinity;
    halves[bits] = bits >> 15 ? -value : value;
  }
  return halves;
}

/** Small constants are written in the header itself. Infinity and NaN, which JSON lacks, come as text. */
export function readConstant(constant: { dtype: DType; shape: number[]; data: unknown }): Tensor {
  const flat = [constant.data].flat(Infinity).map(Number);
  return flat.length ? tensor(flat, constant.shape, constant.dtype) : zeros(constant.dtype, constant.shape);
}
