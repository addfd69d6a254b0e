// Runs the built engine for test_engine.py: a list of jobs as JSON on standard input, their results on standard output.

import { readFileSync } from "node:fs";

const { ablate, Model, OPERATORS, pin, tensor, Translator } = await import(process.argv[2]);

const plain = ({ dtype, shape, data }) => ({ dtype, shape: [...shape], data: [...data] });
const edits = (list = []) => Object.fromEntries(list.map(({ at, ablate: head, pin: place }) => [at, place ? pin(...place) : ablate(head)]));

const jobs = {
  operators: () => OPERATORS,
  run({ file, simd, graph, inputs, want, edit }) {
    const model = Model.read(readFileSync(file), { simd });
    if (model.kernel.simd !== simd) throw new Error("this node has no SIMD");
    const tensors = Object.entries(inputs).map(([name, x]) => [name, tensor(x.data, x.shape, x.dtype)]);
    const run = model.graph(graph).run(Object.fromEntries(tensors), edits(edit));
    return Object.fromEntries(want.map((name) => [name, plain(run.get(name))]));
  },
  translate({ file, simd, sources, edit }) {
    const translator = new Translator(Model.read(readFileSync(file), { simd }));
    return sources.map((source) => {
      const translation = translator.translate(source, { step: edits(edit) });
      const map = translation.map();
      return { tokens: translation.tokens, map: map ? plain(map) : null };
    });
  },
};

const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(({ job, ...rest }) => jobs[job](rest))));
