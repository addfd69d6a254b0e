// A linear layer comes as two steps: a product with its weight, then a sum with its bias. The kernel does both at once,
// since each of its sums may as well begin at the bias. The value between the two is then not made, unless somebody
// asks for it or changes it (graph.ts). So it is with additive attention, the tanh of a sum: queries and keys are
// carried to the kernel once, not twice.

import type { NodeDescription } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

export interface Fused {
  readonly nodes: readonly NodeDescription[];
  /** The values that are no longer made, and the node that would. */
  readonly inner: ReadonlyMap<string, NodeDescription>;
}

/** Joins each MatMul by a constant matrix with the Add of a constant bias, and each other Add with its Tanh, if nobody
 *  else reads what lies between. */
export function fuse(nodes: readonly NodeDescription[], constants: ReadonlyMap<string, Tensor>, outputs: ReadonlySet<string>): Fused {
  const readers = new Map<string, NodeDescription[]>();
  for (const node of nodes) for (const input of node.inputs) readers.set(input, [...(readers.get(input) ?? []), node]);
  const inner = new Map<string, NodeDescription>();
  const joined = new Map<NodeDescription, NodeDescription>();
  for (const node of nodes) {
    const [between] = node.outputs;
    const [reader, another] = readers.get(between) ?? [];
    if (!reader || another || outputs.has(between)) continue;
    if (node.op === "Add" && reader.op === "Tanh" && !joined.has(node)) {
      inner.set(between, node);
      joined.set(reader, { ...reader, inputs: node.inputs }); // a second input, which ONNX's has not
    }
    if (node.op !== "MatMul" || reader.op !== "Add") continue;
    const bias = reader.inputs.find((input) => input !== between) ?? "";
    const [weight, added] = [constants.get(node.inputs[1])?.shape ?? [], constants.get(bias)?.shape ?? []];
    if (weight.length !== 2 || added.length !== 1 || added[0] !== weight[1]) continue;
    inner.set(between, node);
    joined.set(reader, { ...reader, op: "MatMul", inputs: [...node.inputs, bias] }); // a third input, which ONNX's has not
  }
  return { nodes: nodes.filter((node) => !inner.has(node.outputs[0])).map((node) => joined.get(node) ?? node), inner };
}
