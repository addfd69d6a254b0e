// What the page gets: one global, TfeduLive, or one ES module.

export { ablate, cut, pin, replace } from "./edits.ts";
export { drawn, likeliest, TextGenerator, Writing, type Choice, type GenerationOptions, type Step } from "./generator.ts";
export { Graph, Run, type Edit, type Edits } from "./graph.ts";
export { makeKernel, type Kernel } from "./kernel.ts";
export { BlankFiller, parts, Reading, type MaskedFacts, type Part, type Pieces } from "./masked.ts";
export { Model } from "./model.ts";
export { OPERATORS } from "./operators.ts";
export { LiveFileError } from "./safetensors.ts";
export { tensor, type Tensor } from "./tensor.ts";
export { tokenizerFromJson, type Tokenizer } from "./tokenizer.ts";
export { Translation, Translator, type TranslationEdits } from "./translator.ts";
