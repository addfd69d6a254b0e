// The two engines behind one face: `load` gives a function from inputs to outputs. page.py drives it.

const script = (src) => new Promise((resolve, reject) => {
  const tag = document.createElement("script");
  Object.assign(tag, { src, onload: resolve, onerror: reject });
  document.head.append(tag);
});
const ours = {
  script: "tfedu-live.js",
  async load(file, graph) {
    const found = (await TfeduLive.Model.load(file)).graph(graph);
    const names = found.description.outputs.map((one) => one.name);
    return async (inputs) => {
      const run = found.run(inputs);
      return Object.fromEntries(names.map((name) => [name, run.get(name)]));
    };
  },
  tensor: ({ dtype, shape, data }) => TfeduLive.tensor(data, shape, dtype),
};
const theirs = {
  script: "ort.wasm.min.js",
  async load(file, graph) {
    ort.env.wasm.numThreads = 1;
    const address = file.replace(".live.safetensors", `.${graph}.onnx`);
    const session = await ort.InferenceSession.create(address, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    return (inputs) => session.run(inputs);
  },
  tensor: ({ dtype, shape, data }) => new ort.Tensor(dtype, dtype === "int64" ? data.map(BigInt) : data, shape),
};
const engines = { ours, theirs };
const give = (who, inputs) => Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, engines[who].tensor(x)]));

/** Milliseconds from nothing to a model that can run, and of its first run. */
async function loading(who, { file, graph, inputs }) {
  const start = performance.now();
  await script(engines[who].script);
  const run = await engines[who].load(file, graph);
  const ready = performance.now();
  await run(give(who, inputs));
  return [ready - start, performance.now() - ready];
}

/** Both run in turns: the milliseconds of each run, and the largest difference between their outputs. */
async function racing({ file, graph, inputs, after, warm, turns }) {
  const racers = {};
  for (const who of ["ours", "theirs"]) {
    const given = give(who, inputs);
    if (after) { // what "step" wants of "encode"
      const encoded = await (await engines[who].load(file, "encode"))(give(who, after));
      Object.assign(given, encoded);
    }
    const run = await engines[who].load(file, graph);
    racers[who] = () => run(given);
  }
  const [mine, other] = [await racers.ours(), await racers.theirs()];
  let difference = 0;
  for (const name of Object.keys(other)) {
    const [a, b] = [mine[name].data, other[name].data];
    if (a.length !== b.length) throw new Error(`${name}: ${a.length} numbers and ${b.length}`);
    for (let i = 0; i < a.length; i++) difference = Math.max(difference, Math.abs(a[i] - b[i]) / Math.max(1, Math.abs(b[i])));
  }
  const taken = { ours: [], theirs: [] };
  for (let turn = -warm; turn < turns; turn++) {
    for (const who of turn % 2 ? ["ours", "theirs"] : ["theirs", "ours"]) {
      const start = performance.now();
      await racers[who]();
      const time = performance.now() - start;
      if (turn >= 0) taken[who].push(time);
    }
  }
  return { ...taken, difference };
}
