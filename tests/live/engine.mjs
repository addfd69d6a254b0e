// Runs the built engine for test_engine.py: a list of jobs as JSON on standard input, their results on standard output.

import { readFileSync } from "node:fs";

const { ablate, BlankFiller, cut, Model, OPERATORS, parts, pin, replace, tensor, TextGenerator, Translator } = await import(process.argv[2]);

const plain = ({ dtype, shape, data }) => ({ dtype, shape: [...shape], data: [...data] });
const edit = ({ ablate: head, cut: pairs, pin: place, replace: by }) =>
  by ? replace(tensor(by.data, by.shape)) : place ? pin(...place) : pairs ? cut(pairs) : ablate(head);
const edits = (list = []) => Object.fromEntries(list.map((one) => [one.at, edit(one)]));
const told = (writing, name) => {
  const map = writing.map(name);
  return { tokens: writing.tokens, map: map ? plain(map) : null };
};

const jobs = {
  operators: () => OPERATORS,
  run({ file, simd, graph, inputs, want, edit }) {
    const model = Model.read(readFileSync(file), { simd });
    if (model.kernel.simd !== simd) throw new Error("this node has no SIMD");
    const tensors = Object.entries(inputs).map(([name, x]) => [name, tensor(x.data, x.shape, x.dtype)]);
    const run = model.graph(graph).run(Object.fromEntries(tensors), edits(edit));
    return Object.fromEntries(want.map((name) => [name, plain(run.get(name))]));
  },
  translate({ file, simd, sources, edit, map }) {
    const translator = new Translator(Model.read(readFileSync(file), { simd }));
    return sources.map((source) => told(translator.translate(source, { step: edits(edit) }), map));
  },
  fill({ file, simd, text, hidden = [], edit }) {
    const filler = new BlankFiller(Model.read(readFileSync(file), { simd }));
    const cut = parts(text);
    const pieces = filler.pieces(cut);
    const reading = filler.read(pieces.ids, { hidden: pieces.ids.map((_, place) => hidden.includes(place)), edits: edits(edit) });
    const probabilities = pieces.ids.map((_, place) => [...reading.probabilities(place)]);
    return { parts: cut.map((part) => (part.blank ? "_" : part.text)), ...pieces, probabilities, maps: filler.maps.map((name) => plain(reading.map(name))) };
  },
  generate({ file, simd, prompt, words, edit, map }) {
    const writer = new TextGenerator(Model.read(readFileSync(file), { simd }));
    return told(writer.generate(prompt, { words, edits: edits(edit) }), map);
  },
};

const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(({ job, ...rest }) => jobs[job](rest))));
