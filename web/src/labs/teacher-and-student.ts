// The lab of distillation: one sentence, one blank, two models. What the teacher thinks possible and how much, the
// student was trained to think as well; a temperature softens both, and shows what the small probabilities say.

import { best, BlankFiller, divergence, entropy, moved, parts, replaced, type Part, type Pieces, type Reading } from "../masked.ts";
import { BLANK_STYLE, BlankLine, heads, mapPicture, percent, type Heads } from "../lab/blanks.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { SENTENCE_STYLE, SentenceField } from "../lab/sentence.ts";

/** A word, and its probability for teacher and student. */
type Guess = [string, number, number];
type Both<T> = [teacher: T, student: T];

/** What Python recorded, at temperature 1; the maps are in hundredths. */
interface Recording {
  text: string;
  labels: string[];
  of: number[];
  models: Both<string>;
  /** A model that began as the student did and was then trained without the teacher, where there is one. */
  alone: string | null;
  parameters: Both<number>;
  guesses: Guess[];
  entropy: Both<number>;
  divergence: number;
  maps: Both<number[][][][]>;
  examples: string[];
}

const GUESSES = 6;
const LETTERS = 400;
const PAUSE = 300; // milliseconds without a hand, then each word is hidden in turn
const NAMES: Both<string> = ["Teacher", "Student"];

export default function teacherAndStudent(frame: Frame): Lab {
  return new TeacherAndStudent(frame);
}

class TeacherAndStudent implements Lab {
  private readonly recording: Recording;
  private text: string;
  private cut: Part[];
  private pieces: Pieces;
  private guesses: Guess[];
  private entropy: Both<number>;
  private divergence: number;
  private maps: Both<Heads[]>;
  private agreed = "";
  private temperature = 1;
  private blank = 0;
  /** The word that was taken out by a press, and the number of its part. */
  private taken?: { part: number; word: string };
  private layers: Both<number>;
  private taught = true;

  private readonly known = new Map<string, BlankFiller>();
  private fillers?: Both<BlankFiller>;
  private readings?: Both<Reading>;
  private turn = 0;

  private readonly field: SentenceField;
  private readonly line = new BlankLine({ take: (part) => void this.take(part), choose: (blank) => void this.choose(blank) });
  private readonly slider = make("input", { id: "temperature", type: "range", min: "-1", max: "3", step: "0.1", value: "0" });
  private readonly warm = make("label", { for: "temperature" });
  private readonly untaught = make("button", { type: "button", "aria-pressed": "false" }, "Take one trained without the teacher");
  private readonly student = make("th", { scope: "col" });
  private readonly table = make("tbody");
  private readonly sums = make("p", { class: "sums" });
  private readonly agreement = make("p", { class: "agreement" });
  private readonly sides: Both<HTMLElement>;
  private readonly alike = make("p", { class: "alike" });

  constructor(private readonly frame: Frame) {
    const recorded = (this.recording = frame.recording as Recording);
    this.text = recorded.text;
    this.cut = parts(this.text);
    this.pieces = { ids: recorded.of.map(() => 0), of: recorded.of, labels: recorded.labels };
    this.guesses = recorded.guesses;
    this.entropy = recorded.entropy;
    this.divergence = recorded.divergence;
    this.maps = recorded.maps.map((layers) => layers.map((heads) => heads.map((map) => map.map((row) => row.map((w) => w / 100))))) as unknown as Both<Heads[]>;
    const last = this.maps[1].length - 1;
    this.layers = [Math.min(2 * last, this.maps[0].length - 1), last]; // a student begins as every second layer
    this.field = new SentenceField({
      label: "An English sentence; write _ for a blank, or press a word below",
      examples: recorded.examples,
      lang: "en",
      read: (text, picked) => {
        if (picked) this.taken = undefined;
        void this.read(text);
      },
      touched: () => void this.ready(),
    });
    this.field.text = this.text;
    this.sides = NAMES.map((name, side) => this.side(name, side)) as Both<HTMLElement>;
    this.layOut();
    this.slider.addEventListener("input", async () => {
      if (!(await this.ready())) return;
      this.temperature = 2 ** Number(this.slider.value);
      this.weigh();
    });
    this.untaught.hidden = !recorded.alone;
    this.untaught.addEventListener("click", async () => {
      if (!(await this.ready(!this.taught))) return;
      this.run();
    });
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    if (typeof state.taught === "boolean" && this.recording.alone) this.taught = state.taught;
    if (typeof state.temperature === "number" && state.temperature > 0) {
      this.temperature = state.temperature;
      this.slider.value = String(Math.log2(this.temperature));
    }
    if (typeof state.text === "string") this.field.text = state.text;
    this.taken = undefined;
    void this.read(this.field.text);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = SENTENCE_STYLE + BLANK_STYLE + STYLE;
    const { label, input, examples } = this.field;
    const heads = make("tr", {}, make("th", { scope: "col" }, "Teacher"), make("th", { scope: "col" }, "In the blank"), this.student);
    this.frame.root.append(
      style,
      label,
      input,
      this.frame.said,
      examples,
      this.line.element,
      make("div", { class: "warm" }, this.warm, this.slider, this.untaught),
      make("table", {}, make("caption", {}, "What each thinks possible; the largest share fills its bar"), make("thead", {}, heads), this.table),
      this.sums,
      this.agreement,
      make("p", { class: "kind" }, "Where their heads look"),
      make("div", { class: "sides" }, ...this.sides),
      this.alike,
    );
  }

  /** One model's layers as buttons, and the maps of the chosen one. */
  private side(name: string, side: number): HTMLElement {
    const buttons = this.maps[side].map((_, layer) => {
      const button = make("button", { type: "button", "aria-pressed": "false" }, `layer ${layer + 1}`);
      button.addEventListener("click", () => {
        this.layers[side] = layer;
        this.drawMaps();
      });
      return button;
    });
    return make("div", { role: "group", "aria-label": `The ${name.toLowerCase()}'s maps` }, make("div", { class: "layers" }, make("span", {}, name), ...buttons), make("div", { class: "maps" }));
  }

  /** A word becomes the blank; the one that was taken out before goes back. */
  private async take(part: number): Promise<void> {
    if (!(await this.ready()) || this.cut[part]?.blank !== false) return;
    const word = this.cut[part].text;
    let text = replaced(this.text, this.cut[part], "_");
    const was = this.taken;
    if (was && this.cut[was.part]?.blank) text = replaced(text, parts(text)[was.part], was.word);
    this.taken = { part, word };
    this.blank = parts(text).slice(0, part).filter((one) => one.blank).length;
    this.field.text = text;
    await this.read(text);
  }

  private async choose(blank: number): Promise<void> {
    if (!(await this.ready())) return;
    this.blank = blank;
    this.run();
  }

  // --- what the models do ----------------------------------------------------------------------------------

  /** Both models; the student is the one that was taught, or (`taught` is false) the one that was not. */
  private async ready(taught = this.taught): Promise<boolean> {
    const names = [this.recording.models[0], taught ? this.recording.models[1] : this.recording.alone!];
    const models = await Promise.all(names.map((name) => this.frame.model(name)));
    if (models.some((model) => !model)) return false;
    models.forEach((model, i) => this.known.has(names[i]) || this.known.set(names[i], new BlankFiller(model!)));
    const fillers = names.map((name) => this.known.get(name)!) as Both<BlankFiller>;
    this.taught = taught;
    if (fillers[1] !== this.fillers?.[1]) {
      this.fillers = fillers;
      this.pieces = fillers[0].pieces(this.cut);
      this.readings = fillers.map((one) => one.read(this.pieces.ids)) as Both<Reading>;
    }
    return true;
  }

  private async read(text: string): Promise<void> {
    const cut = parts(text);
    if (!cut.length) return this.frame.say("Type an English sentence; a word of it, pressed, becomes the blank.");
    if (text.length > LETTERS) return this.frame.say(`That is ${text.length} letters. The models read one sentence or two: type at most ${LETTERS} letters.`);
    if (!(await this.ready()) || this.field.text !== text) return; // no model, or one typed on
    const pieces = this.fillers![0].pieces(cut);
    const longest = Math.min(...this.fillers!.map((one) => one.facts.longest));
    if (pieces.ids.length > longest) {
      return this.frame.say(`The models read this as ${pieces.ids.length} pieces, and they have learned ${longest} places. Take some words away.`);
    }
    const strange = cut.filter((_, i) => pieces.ids.some((one, place) => one === this.fillers![0].facts.unk && pieces.of[place] === i));
    this.frame.say(strange.length ? `They never met ${strange.map((part) => `“${part.text}”`).join(", ")}, and read a word without a meaning.` : "");
    this.text = text;
    this.cut = cut;
    this.pieces = pieces;
    this.run();
  }

  private get places(): number[] {
    return this.cut.flatMap((part, i) => (part.blank ? [this.pieces.of.indexOf(i)] : []));
  }

  private run(): void {
    this.turn++;
    try {
      this.blank = Math.max(0, Math.min(this.blank, this.places.length - 1));
      this.readings = this.fillers!.map((one) => one.read(this.pieces.ids)) as Both<Reading>;
      this.maps = this.fillers!.map((one, side) => one.maps.map((name) => heads(this.readings![side].map(name)))) as Both<Heads[]>;
      this.agreed = "";
      this.weigh();
      window.setTimeout(() => void this.compare(this.turn), PAUSE);
    } catch (error) {
      this.frame.say(`This sentence could not be read: ${message(error)}`, "problem");
    }
  }

  /** The probabilities at the temperature, and what they sum up to. */
  private weigh(): void {
    const place = this.places[this.blank];
    this.guesses = [];
    if (place !== undefined) {
      const [filler] = this.fillers!;
      const [cold, soft] = [1, this.temperature].map((t) => this.readings!.map((one) => one.probabilities(place, t)) as Both<Float64Array>);
      const found = new Set(cold.flatMap((one) => best(one, GUESSES, filler.specials)));
      this.guesses = [...found]
        .sort((a, b) => cold[0][b] - cold[0][a] || a - b)
        .map((id) => [filler.labels([id])[0], soft[0][id], soft[1][id]]);
      this.entropy = soft.map(entropy) as Both<number>;
      this.divergence = divergence(...soft);
    }
    this.draw();
    this.frame.tell({
      text: this.text,
      temperature: this.temperature,
      taught: this.taught,
      guesses: this.guesses,
      entropy: place === undefined ? [] : this.entropy,
      divergence: place === undefined ? null : this.divergence,
    });
  }

  /** Hides each word of the sentence alone, and counts how often both guess the same first. */
  private async compare(turn: number): Promise<void> {
    const { ids, of } = this.pieces;
    const { mask } = this.fillers![0].facts;
    const words = ids.flatMap((one, place) => (one !== mask && of[place] >= 0 && /[\p{L}\p{N}]/u.test(this.cut[of[place]]?.text ?? "") ? [place] : []));
    let [same, counted] = [0, 0];
    for (const place of words) {
      if (turn !== this.turn) return;
      const hidden = ids.map((one, other) => (other === place ? mask : one));
      const [teacher, student] = this.fillers!.map((one) => best(one.read(hidden).probabilities(place), 1, one.specials)[0]);
      same += Number(teacher === student);
      counted++;
      await new Promise((resolve) => window.setTimeout(resolve));
    }
    if (turn !== this.turn || !counted) return;
    this.agreed = ` With each of the other ${counted} words hidden in turn, they agree ${same} times.`;
    this.drawSums();
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const { labels, of } = this.pieces;
    this.line.draw({ cut: this.cut, labels, of, from: this.places[this.blank] ?? -1 });
    const degrees = this.temperature.toFixed(this.temperature < 2 ? 2 : 1);
    this.warm.textContent = `Temperature ${degrees}${this.temperature > 1.01 ? ": softened" : this.temperature < 0.99 ? ": sharpened" : ""}`;
    this.slider.setAttribute("aria-valuetext", degrees);
    this.untaught.setAttribute("aria-pressed", String(!this.taught));
    this.student.textContent = this.taught ? "Student" : "Without a teacher";
    const most = Math.max(...this.guesses.flatMap(([, ...shares]) => shares)); // its bar is full: softened, all are small
    rows(this.table, this.guesses.length, guessRow).forEach((row, i) => {
      const [word, ...shares] = this.guesses[i];
      const cells = [...row.children] as HTMLElement[];
      cells[1].textContent = word;
      [cells[0], cells[2]].forEach((cell, side) => {
        cell.style.setProperty("--p", String(shares[side] / most));
        cell.children[side ? 1 : 0].textContent = shares[side] < 0.0995 ? `${(100 * shares[side]).toFixed(1)} %` : percent(shares[side]);
      });
    });
    this.drawSums();
    this.drawMaps();
  }

  private drawSums(): void {
    const none = !this.guesses.length;
    this.sums.textContent = none
      ? "There is no blank: press a word, and it becomes one."
      : `How undecided: the teacher ${bits(this.entropy[0])}, the student ${bits(this.entropy[1])}. How far apart: a divergence of ${this.divergence.toFixed(3)} bits.`;
    const [first, second] = [1, 2].map((side) => this.guesses.reduce((most, one) => (one[side] > most[side] ? one : most), this.guesses[0])?.[0]);
    this.agreement.textContent = none ? "" : (first === second ? `Both say “${first}” first.` : `The teacher says “${first}” first, the student “${second}”.`) + this.agreed;
  }

  private drawMaps(): void {
    const place = this.places[this.blank] ?? -1;
    const [theirs, ours] = this.sides.map((side, i) => {
      const [buttons, maps] = side.children as unknown as [HTMLElement, HTMLElement];
      buttons.querySelectorAll("button").forEach((button, layer) => button.setAttribute("aria-pressed", String(layer === this.layers[i])));
      const shown = this.maps[i][this.layers[i]];
      rows(maps, shown.length, () => make("span", { class: "picture" })).forEach((one, head) => (one.innerHTML = mapPicture(shown[head], place)));
      return shown;
    });
    const shares = ours.map((map, head) => map.reduce((sum, row, t) => sum + 1 - moved(row, theirs[head]?.[t] ?? row), 0) / map.length);
    const size = this.recording.parameters.map((n) => n.toLocaleString("en-GB"));
    this.alike.textContent =
      `Head by head, these two layers share ${shares.map(percent).join(", ")} of their weights. ` + `The teacher has ${this.maps[0].length} layers and ${size[0]} parameters, the student ${this.maps[1].length} and ${size[1]}.`;
  }
}

function guessRow(): HTMLElement {
  const [left, right] = [make("td", { class: "left" }, make("span"), make("span", { class: "bar" })), make("td", { class: "right" }, make("span", { class: "bar" }), make("span"))];
  return make("tr", {}, left, make("th", { scope: "row" }), right);
}

/** An entropy, and how many equally probable words have it. */
function bits(entropy: number): string {
  return `${entropy.toFixed(2)} bits (like ${(2 ** entropy).toFixed(1)} equal words)`;
}

const STYLE = `
.warm { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; align-items: center; margin: 0.9rem 0 0.5rem; }
.warm label { margin: 0; min-width: 12.5rem; font-variant-numeric: tabular-nums; }
.warm input { flex: 1 1 12rem; min-width: 8rem; height: 2rem; accent-color: var(--ink); }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
caption { text-align: left; font-weight: 600; font-size: 0.95rem; margin-bottom: 0.2rem; }
thead th { padding: 0 0.3rem; font-size: 0.9rem; font-weight: 600; color: var(--soft); }
thead th:first-child { text-align: right; } thead th:last-child { text-align: left; }
tbody th { font-weight: 400; text-align: center; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding: 0 0.3rem; }
th:nth-child(2) { width: 7.5rem; }
td { padding: 0.2rem 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
td > span { display: inline-block; vertical-align: middle; }
td > span:not(.bar) { width: 3.2rem; }
td .bar { height: 1.1rem; width: calc(100% - 3.6rem); }
.left { text-align: right; }
.left .bar { border-radius: 3px 0 0 3px; background: linear-gradient(to left, var(--tf-series-1, #A87400) calc(var(--p) * 100%), var(--panel) 0); }
.right .bar { border-radius: 0 3px 3px 0; background: linear-gradient(to right, var(--tf-series-4, #2388C6) calc(var(--p) * 100%), var(--panel) 0); }
.left span:first-child { padding-right: 0.4rem; } .right span:last-child { padding-left: 0.4rem; }
.sums, .agreement, .alike { margin: 0.5rem 0 0; }
.agreement, .alike { font-size: 0.95rem; color: var(--soft); min-height: 2.8rem; }
.kind { margin: 0.8rem 0 0.3rem; font-weight: 600; font-size: 0.95rem; }
.sides { display: grid; gap: 0.8rem 1.6rem; }
.layers { display: flex; flex-wrap: wrap; gap: 0.3rem; align-items: center; margin-bottom: 0.4rem; font-size: 0.95rem; }
.layers span { flex-basis: 100%; }
.layers button { min-height: 2rem; padding: 0 0.6rem; font-size: 0.9rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(3.6rem, 1fr)); gap: 0.4rem; }
.picture { display: block; aspect-ratio: 1; border: 1px solid var(--soft); border-radius: 4px; padding: 2px; background: var(--ground); }
.picture svg { display: block; width: 100%; height: 100%; }
.picture path { fill: var(--weights); shape-rendering: crispEdges; }
.picture rect { fill: none; stroke: var(--query); stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
@media (min-width: 45rem) { .sides { grid-template-columns: 1fr 1fr; } }
`;
