// Do the tests notice? Each line here changes one constant or one sign of the engine; the numbers must then be wrong.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { CASES, distance, toTensor } from "./file.ts";

type Engine = typeof import("../src/operators.ts") & typeof import("../src/operators/common.ts") & typeof import("../src/kernel.ts");

const MUTATIONS: [file: string, from: string, to: string][] = [
  ["operators/reduce.ts", '"epsilon", 1e-5', '"epsilon", 1e-6'],
  ["operators/reduce.ts", "exp(from[i + k * step] - top)", "exp(from[i + k * step])"],
  ["operators/reduce.ts", "1 / total", "1 / n"],
  ["operators/reduce.ts", "variance / n", "variance / (n - 1)"],
  ["operators/reduce.ts", "> x.data[i + best * step]", ">= x.data[i + best * step]"],
  ["operators/recurrent.ts", "z[i] = sigmoid(x[i] + y[i])", "z[i] = sigmoid(x[H + i] + y[H + i])"], // torch's order of gates
  ["operators/recurrent.ts", "reset * y[2 * H + i]", "y[2 * H + i]"],
  ["operators/recurrent.ts", "gru(attributes.number(\"linear_before_reset\", 0) !== 0)", "gru(true)"],
  ["operators/recurrent.ts", "gru(attributes.number(\"linear_before_reset\", 0) !== 0)", "gru(false)"],
  ["operators/recurrent.ts", "(1 - z[i]) * tanh(x[2 * H + i] + part[i]) + z[i] * h[i]", "z[i] * tanh(x[2 * H + i] + part[i]) + (1 - z[i]) * h[i]"],
  ["operators/recurrent.ts", "sigmoid(gate(2, i)) * c[i] + sigmoid(gate(0, i))", "sigmoid(gate(1, i)) * c[i] + sigmoid(gate(0, i))"],
  ["operators/recurrent.ts", '|| d === 1', '|| d === 2'],
  ["operators/recurrent.ts", "lengths[b] - 1 - i", "T - 1 - i"],
  ["operators/exp.ts", "0.254829592", "0.254929592"],
  ["operators/elementwise.ts", "0.044715", "0.0447"],
  ["operators/elementwise.ts", "Math.SQRT1_2", "0.7071"],
  ["operators/elementwise.ts", "(place - k) *", "0 *"],
  ["operators/elementwise.ts", "y * Math.floor(x / y)", "y * Math.trunc(x / y)"],
  ["operators/exp.ts", "1 / 24", "1 / 25"],
  ["operators/exp.ts", "Math.LOG2E + 0.5", "Math.LOG2E - 2"],
  ["operators/linear.ts", "- top + i * dy", "+ i * dy"],
  ["operators/linear.ts", "alpha * out.data[i]", "out.data[i]"],
  ["operators/shape.ts", "right < k : right > k", "right <= k : right > k"],
  ["tensor.ts", "from[axis - missing] === 1 ? 0", "from[axis - missing] === 7 ? 0"],
  ["kernel.ts", "out.set(bias, o)", "out.set(bias, 0)"],
];

const source = (path: string) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

async function engine(mutation?: [string, string, string]): Promise<Engine> {
  const { outputFiles } = await build({
    stdin: {
      contents: ["operators.ts", "operators/common.ts", "kernel.ts"].map((path) => `export * from "./${path}";`).join("\n"),
      resolveDir: source("."),
    },
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    plugins: [
      {
        name: "mutation",
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const text = await readFile(path, "utf8");
            if (path !== source(mutation?.[0] ?? "none")) return { contents: text, loader: "ts" };
            const [, from, to] = mutation!;
            if (!text.includes(from)) throw new Error(`${path} no longer holds ${from}: change the list of mutations.`);
            return { contents: text.replace(from, to), loader: "ts" };
          });
        },
      },
    ],
  });
  return (await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`)) as Engine;
}

/** How many of onnxruntime's numbers an engine misses. */
function wrong({ operations, Inputs, Attributes, makeKernel }: Engine): number {
  const kernel = makeKernel({ simd: false });
  return CASES.filter((one) => {
    try {
      const inputs = new Inputs(one.inputs.map((x) => (x ? toTensor(x) : undefined)));
      const made = operations[one.op as keyof typeof operations](inputs, new Attributes(one.attributes), kernel);
      const outputs = Array.isArray(made) ? made : [made];
      return one.outputs.some((wanted, i) => distance(outputs[i], wanted) > 2e-6);
    } catch {
      return true;
    }
  }).length;
}

it("the engine as it is makes no mistake", async () => expect(wrong(await engine())).toBe(0));

it.each(MUTATIONS)("%s: %s → %s is noticed", async (...mutation) => expect(wrong(await engine(mutation))).toBeGreaterThan(0));
