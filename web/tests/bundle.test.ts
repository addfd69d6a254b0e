// The two files that the package carries: the same engine, as a module and as a classic script with one global.

import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { OPERATORS } from "../src/index.ts";
import { tensor } from "../src/tensor.ts";
import { archive } from "./file.ts";

type Engine = typeof import("../src/index.ts");

const url = (name: string) => new URL(`../../tfedu/live/static/${name}`, import.meta.url);
const read = (name: string) => readFileSync(url(name), "utf8");

const file = archive(
  { W: tensor([1, 2, 3, 4], [2, 2]) },
  {
    model: {
      inputs: [{ name: "x", dtype: "float32", shape: ["T", 2] }],
      outputs: [{ name: "y", dtype: "float32", shape: ["T", 2] }],
      maps: {},
      nodes: [{ op: "MatMul", inputs: ["x", "W"], outputs: ["y"] }],
    },
  },
);

function works(engine: Engine): void {
  expect(Object.keys(engine.OPERATORS)).toHaveLength(OPERATORS.length);
  const y = engine.Model.read(file).graph("model").run({ x: tensor([1, 1], [1, 2]) }).get("y");
  expect(Array.from(y.data)).toEqual([4, 6]);
  expect(engine.makeKernel().simd).toBe(true);
}

it("the module works", async () => works((await import(url("tfedu-live.mjs").href)) as Engine));

it("the classic script works, and leaves one global", () => {
  const page = { atob, TextDecoder, WebAssembly, Uint8Array, ArrayBuffer };
  const context = createContext({ ...page });
  runInContext(read("tfedu-live.js"), context);
  expect(Object.keys(context).filter((name) => !(name in page))).toEqual(["TfeduLive"]);
  works((context as unknown as { TfeduLive: Engine }).TfeduLive);
});

it("a browser without WebAssembly, or whose page forbids it, gets the plain product", () => {
  for (const WebAssembly of [undefined, { validate: () => false }, { validate: () => true, Module: class { constructor() { throw new Error("forbidden"); } } }]) {
    const context = createContext({ atob, WebAssembly });
    runInContext(`WebAssembly = this.WebAssembly; ${read("tfedu-live.js")}`, context);
    expect((context as unknown as { TfeduLive: Engine }).TfeduLive.makeKernel().simd).toBe(false);
  }
});

it.each(["tfedu-live.js", "tfedu-live.mjs"])("%s asks nothing of another host, and is small", (name) => {
  expect(read(name)).not.toMatch(/https?:|\bimport\(|\brequire\(|\beval\(|new Function/);
  expect(gzipSync(read(name)).length).toBeLessThan(22_000);
});
