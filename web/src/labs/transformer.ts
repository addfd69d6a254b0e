// The Transformer lab: German in, English out, and all heads of the translator as small maps.
//
// A map is a button: press it, and the head is silent: its weights become zero, it gathers nothing, and the sentence
// is translated anew. Words light up under the head that is pointed at.

import { ablate } from "../edits.ts";
import type { Edit } from "../graph.ts";
import type { Model } from "../model.ts";
import type { Tensor } from "../tensor.ts";
import { tokenizerFromJson, type Tokenizer } from "../tokenizer.ts";
import { Translator } from "../translator.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { SENTENCE_STYLE, SentenceField, unreadable } from "../lab/sentence.ts";

/** The weights of one attention: heads, queries, keys. */
type Heads = number[][][];

/** What Python recorded; the maps are in hundredths. */
interface Recording {
  text: string;
  translation: string;
  source: string[];
  target: string[];
  maps: Record<string, Heads>;
  examples: string[];
}

/** One head: the name of its map, and its number. */
type Head = readonly [string, number];

const UNKNOWN = 3;
const END = "(end)";
const START = "(start)";
const SHADES = 6;
const KINDS: readonly (readonly [RegExp, string, string])[] = [
  [/^encoder.*self/, "Encoder: German looks at German", "German at German"],
  [/^decoder.*self/, "Decoder: English looks back at English", "English back at English"],
  [/^decoder.*cross/, "Across: English looks at German", "English across at German"],
];

export default function transformer(frame: Frame): Lab {
  return new TransformerLab(frame);
}

class TransformerLab implements Lab {
  private text: string;
  private source: string[];
  private target: string[];
  private maps: Record<string, Heads>;
  private translation: string;
  private whole: string; // the translation with all heads
  private readonly names: string[];
  private readonly count: number; // heads in each map

  private model?: Model;
  private readonly tokenizers: { source?: Tokenizer; target?: Tokenizer } = {};
  private readonly silent: Head[] = []; // in the order in which they were silenced
  private readonly done: (() => void)[] = []; // what Undo takes back, the last first
  /** The head that is pointed at, the place of Tab's way into the maps, and the word that is lit. */
  private head: Head;
  private word = 0;

  private readonly field: SentenceField;
  private readonly result = make("output", { class: "result", lang: "en", for: "text" });
  private readonly before = make("p", { class: "before" });
  private readonly grid = make("div", { class: "maps", role: "group", "aria-label": "The heads; press one to silence it" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly queries = make("ol", { class: "queries", "aria-label": "Words that look: the queries" });
  private readonly keys = make("ol", { class: "keys", "aria-label": "Words that are looked at: the keys, with their weights" });
  private readonly shown = make("p", { class: "shown" });
  private readonly undo = make("button", { type: "button", disabled: "" }, "Undo");
  private readonly back = make("button", { type: "button", disabled: "" }, "All heads back");

  constructor(private readonly frame: Frame) {
    const recorded = frame.recording as Recording;
    this.text = recorded.text;
    this.source = recorded.source;
    this.target = recorded.target;
    this.translation = this.whole = recorded.translation;
    this.maps = Object.fromEntries(
      Object.entries(recorded.maps).map(([name, heads]) => [name, heads.map((map) => map.map((row) => row.map((w) => w / 100)))]),
    );
    this.names = Object.keys(recorded.maps).sort((a, b) => kind(a) - kind(b) || layer(a) - layer(b));
    this.count = recorded.maps[this.names[0]].length;
    this.head = [this.names.at(-1)!, 0];
    this.word = Math.min(3, this.target.length - 1);
    this.field = new SentenceField({
      label: "A German sentence, in the words of its small world",
      examples: recorded.examples,
      read: (text) => void this.translate(text),
      touched: () => void this.ready(),
    });
    this.field.text = this.text;
    this.layOut();
    this.undo.addEventListener("click", () => this.done.pop()?.());
    this.back.addEventListener("click", () => {
      const were = [...this.silent];
      this.change(() => this.silent.splice(0), () => this.silent.push(...were));
    });
    this.queries.addEventListener("keydown", (event) => this.move(event));
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    if (Array.isArray(state.silent)) {
      this.silent.splice(0, Infinity, ...(state.silent as Head[]).filter(([name, head]) => this.names.includes(name) && head in this.maps[name]));
      this.done.length = 0;
    }
    if (typeof state.text === "string") this.field.text = state.text;
    void this.translate(this.field.text);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = SENTENCE_STYLE + STYLE;
    let group = this.grid;
    for (const name of this.names) {
      if (layer(name) === 0) this.grid.append((group = make("div", {}, make("p", { class: "kind" }, KINDS[kind(name)][1]))));
      const row = make("div", { class: "layer" }, make("span", { class: "number", "aria-hidden": "true" }, `layer ${layer(name) + 1}`));
      for (let head = 0; head < this.count; head++) row.append(this.button([name, head]));
      group.append(row);
    }
    this.grid.addEventListener("keydown", (event) => this.step(event));
    this.frame.root.append(
      style,
      this.field.label,
      this.field.input,
      this.frame.said,
      this.field.examples,
      this.result,
      this.before,
      make("div", { class: "controls" }, this.undo, this.back),
      this.grid,
      this.shown,
      make("div", { class: "words" }, make("span", { class: "query" }, "● looks"), this.queries, make("span", { class: "key" }, "■ is seen"), this.keys),
    );
  }

  private button(head: Head): HTMLButtonElement {
    const button = make("button", { type: "button", class: "map" });
    const point = (): void => this.point(head);
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && point());
    button.addEventListener("focus", point);
    button.addEventListener("click", () => void this.toggle(head));
    this.buttons.set(id(head), button);
    return button;
  }

  /** Arrow keys go through the maps. */
  private step(event: KeyboardEvent): void {
    const row = this.names.indexOf(this.head[0]);
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ?? [0, 0];
    const to: Head = [this.names[row + down], this.head[1] + right];
    if ((!down && !right) || !to[0] || to[1] < 0 || to[1] >= this.count) return;
    event.preventDefault();
    this.buttons.get(id(to))!.focus();
  }

  /** Arrow keys go through the words that look. */
  private move(event: KeyboardEvent): void {
    const last = this.queries.children.length - 1;
    const to = { ArrowRight: this.word + 1, ArrowLeft: this.word - 1, Home: 0, End: last }[event.key];
    if (to === undefined || to < 0 || to > last) return;
    event.preventDefault();
    this.queries.querySelectorAll("button")[to].focus();
  }

  private point(head: Head): void {
    if (id(head) === id(this.head)) return;
    this.head = head;
    this.drawWords();
  }

  private async toggle(head: Head): Promise<void> {
    this.point(head);
    if (!(await this.ready())) return;
    const flip = (): void => {
      const at = this.silent.findIndex((one) => id(one) === id(head));
      if (at < 0) this.silent.push(head);
      else this.silent.splice(at, 1);
    };
    this.change(flip, flip);
  }

  /** Does something to the silent heads, and remembers how to take it back. */
  private change(act: () => void, takeBack: () => void): void {
    act();
    this.done.push(() => {
      takeBack();
      this.run();
    });
    this.run();
  }

  // --- what the model does ---------------------------------------------------------------------------------

  private async ready(): Promise<boolean> {
    this.model ??= await this.frame.model();
    return !!this.model;
  }

  private async translate(text: string): Promise<void> {
    const problem = unreadable(text.trim(), "the translator", "sentences of 4 to 25 words");
    if (problem) return this.frame.say(problem);
    if (!(await this.ready()) || this.field.text !== text) return; // no model, or one typed on
    const words = this.tidy(text);
    const strange = words.filter((word) => this.id(word) === UNKNOWN);
    if (strange.length === words.filter((word) => word !== ".").length) {
      return this.frame.say("The translator knows none of these words. It learned 250 of them; pick a sentence to see some.");
    }
    this.frame.say(strange.length ? `It never met ${strange.map((word) => `“${word}”`).join(", ")}, and reads <unk>, a word without a meaning.` : "");
    this.text = words.join(" ");
    this.run();
  }

  /** Words and full stops apart, each as the translator writes it; a sentence ends with a full stop. */
  private tidy(text: string): string[] {
    const words = text.replace(/[.!?]+/g, " . ").replace(/[,;:“”„"]/g, " ").trim().split(/\s+/).map((word) => {
      const spellings = [word, word.toLowerCase(), word[0].toUpperCase() + word.slice(1)];
      return spellings.find((one) => this.id(one) !== UNKNOWN) ?? word;
    });
    return words.at(-1) === "." ? words : [...words, "."];
  }

  private id(word: string): number {
    return this.tokenizer("source").encode(word)[0];
  }

  /** Translates the text with the heads that are not silent, and without any silence for comparison. */
  private run(): void {
    try {
      const translator = new Translator(this.model!);
      const ids = this.tokenizer("source").encode(this.text);
      const edits = this.edits();
      const running = translator.translate(ids, { encode: edits.encoder, step: edits.decoder });
      const decode = this.tokenizer("target");
      this.source = decode && this.tokenizer("source").tokens(ids);
      this.target = decode.tokens(running.tokens);
      if (running.steps.length > this.target.length) this.target.push(END);
      this.translation = decode.decode(running.tokens);
      this.whole = this.silent.length ? decode.decode(translator.translate(ids).tokens) : this.translation;
      this.maps = Object.fromEntries(
        this.names.map((name) => [name, heads(name.startsWith("encoder") ? running.encoded.get(name) : running.map(name)!)]),
      );
      this.draw();
      this.frame.tell({
        text: this.text,
        translation: this.translation,
        source_tokens: this.source,
        target_tokens: this.target,
        silent: this.silent.map((one) => [...one]),
      });
    } catch (error) {
      this.frame.say(`This sentence could not be translated: ${message(error)}`, "problem");
    }
  }

  private edits(): Record<"encoder" | "decoder", Record<string, Edit>> {
    const edits: Record<"encoder" | "decoder", Record<string, Edit>> = { encoder: {}, decoder: {} };
    for (const name of new Set(this.silent.map(([name]) => name))) {
      const quiet = this.silent.filter((one) => one[0] === name).map(([, head]) => ablate(head));
      edits[name.startsWith("encoder") ? "encoder" : "decoder"][name] = (map, first) => {
        for (const edit of quiet) edit(map, first);
      };
    }
    return edits;
  }

  private tokenizer(side: "source" | "target"): Tokenizer {
    return (this.tokenizers[side] ??= tokenizerFromJson(this.model!.extras[`${side}_tokenizer`]));
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    for (const name of this.names) {
      this.maps[name].forEach((map, head) => {
        const button = this.buttons.get(id([name, head]))!;
        const quiet = this.isSilent([name, head]);
        button.innerHTML = picture(map);
        button.setAttribute("aria-pressed", String(quiet));
        button.setAttribute("aria-label", `${KINDS[kind(name)][2]}, layer ${layer(name) + 1}, head ${head + 1}: silent`);
      });
    }
    this.result.textContent = this.translation;
    const n = this.silent.length;
    this.before.textContent =
      n === 0 ? "All heads speak." : this.translation === this.whole ? `${n} silent, and the translation is the same.` : `With all heads: ${this.whole}`;
    this.result.classList.toggle("changed", this.translation !== this.whole);
    this.undo.disabled = !this.done.length;
    this.back.disabled = !n;
    this.drawWords();
  }

  /** The words under the head that is pointed at: the lit one looks, the others are seen. */
  private drawWords(): void {
    const [name, head] = this.head;
    for (const [key, button] of this.buttons) {
      button.tabIndex = key === id(this.head) ? 0 : -1;
      button.classList.toggle("current", key === id(this.head));
    }
    const back = [START, ...this.target].slice(0, this.target.length);
    const [looking, seen] = [
      [this.source, this.source],
      [this.target, back],
      [this.target, this.source],
    ][kind(name)];
    this.word = Math.min(this.word, looking.length - 1);
    const weights = this.maps[name][head][this.word];
    rows(this.queries, looking.length, (place) => this.wordButton(place)).forEach((item, place) => {
      const button = item.firstElementChild as HTMLButtonElement;
      button.textContent = looking[place];
      button.tabIndex = place === this.word ? 0 : -1;
      if (place === this.word) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    rows(this.keys, seen.length, () => make("li", {}, make("span"), make("small"))).forEach((item, place) => {
      const weight = weights[place] ?? 0;
      item.children[0].textContent = seen[place];
      item.children[1].textContent = weight >= 0.995 ? "1" : weight >= 0.05 ? weight.toFixed(2).slice(1) : "";
      item.style.setProperty("--w", String(weight));
    });
    const what = `${KINDS[kind(name)][2]}, layer ${layer(name) + 1}, head ${head + 1}`;
    this.shown.textContent = this.isSilent(this.head) ? `${what}: silent. Press it again and it speaks.` : `${what}. Press its map to silence it.`;
  }

  private wordButton(place: number): HTMLLIElement {
    const button = make("button", { type: "button" });
    const light = (): void => {
      if (this.word === place) return;
      this.word = place;
      this.drawWords();
    };
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && light());
    button.addEventListener("focus", light);
    button.addEventListener("click", light);
    return make("li", {}, button);
  }

  private isSilent(head: Head): boolean {
    return this.silent.some((one) => id(one) === id(head));
  }
}

const id = ([name, head]: Head): string => `${name}/${head}`;
const kind = (name: string): number => KINDS.findIndex(([like]) => like.test(name));
const layer = (name: string): number => Number(name.split(".")[1]);

/** A map (1, H, T, S) as rows. */
function heads(map: Tensor): Heads {
  const [, H, T, S] = map.shape;
  const row = (h: number, t: number): number[] => Array.from(map.data.subarray((h * T + t) * S, (h * T + t + 1) * S) as Float32Array);
  return Array.from({ length: H }, (_, h) => Array.from({ length: T }, (_, t) => row(h, t)));
}

/** A map as a square of a few shades: one path a shade, whatever its size. */
function picture(map: number[][]): string {
  const [T, S] = [map.length, map[0].length];
  const shades: string[] = Array(SHADES + 1).fill("");
  map.forEach((row, t) =>
    row.forEach((weight, s) => {
      shades[Math.min(SHADES, Math.round(weight * SHADES))] += `M${s} ${t}h1v1h-1z`;
    }),
  );
  const paths = shades.map((d, shade) => (shade && d ? `<path d="${d}" opacity="${(shade / SHADES).toFixed(2)}"/>` : ""));
  return `<svg viewBox="0 0 ${S} ${T}" preserveAspectRatio="none" aria-hidden="true">${paths.join("")}</svg>`;
}

const STYLE = `
.result { display: block; font-size: 1.25rem; font-weight: 600; color: var(--query); min-height: 1.8rem; }
.result.changed { text-decoration: underline wavy var(--weights) 1.5px; text-underline-offset: 0.25em; }
.before, .shown { margin: 0; min-height: 1.4rem; font-size: 0.95rem; color: var(--soft); }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0.5rem 0; }
.kind { margin: 0.6rem 0 0.3rem; font: inherit; font-size: 0.95rem; font-weight: 600; }
.layer { display: grid; grid-template-columns: 3.4rem repeat(4, minmax(2.6rem, 4.6rem)); gap: 0.4rem; align-items: center; margin-bottom: 0.4rem; }
.number { font-size: 0.9rem; color: var(--soft); }
.map { position: relative; padding: 2px; border-radius: 4px; aspect-ratio: 1; min-height: 0; border: 1px solid var(--soft); background: var(--ground); }
.map.current { box-shadow: 0 0 0 2px var(--ink); }
.map[aria-pressed="true"] { background: var(--panel); border-style: dashed; }
.map[aria-pressed="true"]::after { content: "×"; position: absolute; inset: 0; display: grid; place-items: center; font-size: 1.6rem; color: var(--ink); }
svg { display: block; width: 100%; height: 100%; shape-rendering: crispEdges; }
path { fill: var(--weights); }
.words { display: grid; grid-template-columns: auto 1fr; gap: 0.4rem 0.7rem; align-items: baseline; margin-top: 0.3rem; }
.query { color: var(--query); } .key { color: var(--key); } .query, .key { font-size: 0.9rem; white-space: nowrap; }
ol { list-style: none; display: flex; flex-wrap: wrap; gap: 0.2rem; margin: 0; padding: 0; }
.queries button { min-height: 2.1rem; padding: 0 0.4rem; border-radius: 6px; border-color: transparent; color: var(--query); }
.queries button[aria-current] { border-color: var(--query); font-weight: 700; }
.keys li { display: flex; flex-direction: column; align-items: center; padding: 0 0.35rem; border-radius: 6px; border-bottom: 5px solid color-mix(in srgb, var(--weights) calc(var(--w, 0) * 100%), transparent); color: var(--key); }
.keys small { min-height: 1.1rem; font-variant-numeric: tabular-nums; color: var(--ink); line-height: 1.1rem; }
@media (min-width: 45rem) {
  .maps { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1.2rem; align-items: end; }
  .layer { grid-template-columns: repeat(4, 1fr); } .number { display: none; }
}
@media (max-width: 30rem) { .layer { grid-template-columns: 3.2rem repeat(4, 1fr); } }
`;
