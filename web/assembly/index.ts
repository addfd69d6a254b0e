// What src/simd.ts calls. Newer browsers get the same with a faster matmul (its comment says why).

export { matmul } from "./matmul";
export { gelus, tanhs, tanhsOfSums } from "./functions";
export { normalize, softmax } from "./rows";
export { gru, lstm } from "./recurrent";
