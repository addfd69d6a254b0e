// The operators that a graph may hold, as ONNX defines them (operator set 20). The exporter reads this list, so
// that a model with any other operator is refused when it is exported, not on the reader's page.

import type { Operation } from "./operators/common.ts";
import { elementwise } from "./operators/elementwise.ts";
import { linear } from "./operators/linear.ts";
import { recurrence } from "./operators/recurrent.ts";
import { reductions } from "./operators/reduce.ts";
import { shape } from "./operators/shape.ts";

export const OPERATORS = [
  "Abs", "Add", "And", "ArgMax", "Cast", "Clip", "Concat", "Conv", "Cos", "CumSum", "Div", "Equal", "Erf", "Exp",
  "Expand", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "Gelu", "Gemm", "Greater", "GreaterOrEqual",
  "Identity", "LSTM", "LayerNormalization", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mod", "Mul",
  "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceSum", "Relu",
  "Reshape", "Shape", "Sigmoid", "Sin", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile",
  "Transpose", "Trilu", "Unsqueeze", "Where",
] as const;

export type Operator = (typeof OPERATORS)[number];

export const operations: Readonly<Record<Operator, Operation>> = {
  ...elementwise,
  ...linear,
  ...recurrence,
  ...reductions,
  ...shape,
};
