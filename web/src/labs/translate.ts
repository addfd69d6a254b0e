// The Translate lab: German in, English out, and the weights in the reader's hands.
//
// Each English word is a band one word high, filled by ribbons from the German words, each as thick as its weight: the
// weights of a word sum to one, so the ribbons fill the band. Pull a weight, and the translation is written anew from
// that word on.

import { pin } from "../edits.ts";
import type { Edit } from "../graph.ts";
import type { Model } from "../model.ts";
import { tokenizerFromJson, type Tokenizer } from "../tokenizer.ts";
import { Translator, type Translation } from "../translator.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { SENTENCE_STYLE, SentenceField, unreadable } from "../lab/sentence.ts";

/** What Python recorded; `weights` has a row for each of `target`, whose last is the end. */
interface Recording {
  text: string;
  translation: string;
  source: string[];
  target: string[];
  weights: number[][];
  examples: string[];
}

/** One thing that the reader did: held a weight. */
interface Pin {
  row: number;
  key: number;
  weight: number;
}

const MAP = "decoder.attention";
const END = "(end)";
const UNKNOWN = 3;
const SPACE = "␣"; // how the tokenizer shows a piece that is only a space
const ROW = 38; // pixels a word
const THICK = 0.78; // of a row; the rest is air
const LEAST = 0.02; // thinner ribbons are not drawn
const BEAT = 130; // milliseconds a word

export default function translate(frame: Frame): Lab {
  return new TranslateLab(frame);
}

class TranslateLab implements Lab {
  private text: string;
  private source: string[];
  private target: string[];
  private weights: number[][];
  /** The word whose row is lit, the German word that is pointed at, and how many words are written. */
  private row: number;
  private column = -1;
  private shown = Infinity;

  private model?: Model;
  private running?: Translation;
  private unchanged: string; // the translation before the reader's hand
  private pins: Pin[] = [];
  /** The pins that are in the running translation, row by row. */
  private readonly applied = new Map<number, string>();
  private attention = true;
  private readonly tokenizers: { source?: Tokenizer; target?: Tokenizer } = {};
  private timer = 0;

  private readonly field: SentenceField;
  private readonly read = make("ol", { class: "read", "aria-label": "German words: the keys, with their weights" });
  private readonly written = make("ol", { class: "written", "aria-label": "English words: the queries" });
  private readonly ribbons = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly result = make("output", { class: "result", lang: "en", for: "text" });
  private readonly before = make("p", { class: "before" });
  private readonly undo = make("button", { type: "button", disabled: "" }, "Undo");
  private readonly off = make("button", { type: "button", "aria-pressed": "false" }, "Attention off");
  private readonly again = make("button", { type: "button" }, "Write it again");
  private readonly hint = make("p", { class: "hint" });

  constructor(private readonly frame: Frame) {
    const recorded = frame.recording as Recording;
    this.text = recorded.text;
    this.source = recorded.source;
    this.target = recorded.target;
    this.weights = recorded.weights;
    this.unchanged = recorded.translation;
    this.row = surest(recorded.weights.slice(0, -1));
    this.field = new SentenceField({
      label: "A German sentence",
      examples: recorded.examples,
      read: (text, picked) => void this.translate(text, picked),
      touched: () => void this.ready(),
    });
    this.field.text = this.text;
    this.result.textContent = recorded.translation;
    this.layOut();
    this.listen();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    if (typeof state.text === "string") this.field.text = state.text;
    void this.translate(this.field.text, true);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    this.ribbons.setAttribute("preserveAspectRatio", "none");
    this.ribbons.setAttribute("aria-hidden", "true"); // the sliders and words say the same
    const style = make("style");
    style.textContent = SENTENCE_STYLE + STYLE;
    this.frame.root.append(
      style,
      this.field.label,
      this.field.input,
      this.frame.said,
      this.field.examples,
      make("div", { class: "heads" }, make("span", { class: "key" }, "■ read (keys)"), make("span", { class: "query" }, "● written (queries)")),
      make("div", { class: "stage" }, this.read, this.ribbons, this.written),
      this.result,
      this.before,
      make("div", { class: "controls" }, this.undo, this.off, this.again),
      this.hint,
    );
  }

  private listen(): void {
    this.undo.addEventListener("click", () => {
      this.pins.pop();
      void this.apply();
    });
    this.off.addEventListener("click", async () => {
      if (!(await this.ready())) return;
      this.attention = !this.attention;
      this.pins = [];
      this.begin();
      this.finish();
    });
    this.again.addEventListener("click", () => this.play());
    this.written.addEventListener("keydown", (event) => this.move(event));
    this.drag();
  }

  /** Arrow keys go through the English words. */
  private move(event: KeyboardEvent): void {
    const to = { ArrowDown: this.row + 1, ArrowUp: this.row - 1, Home: 0, End: this.target.length - 1 }[event.key];
    if (to === undefined || to < 0 || to >= this.target.length) return;
    event.preventDefault();
    this.light(to);
    this.written.querySelectorAll("button")[to].focus();
  }

  /** A ribbon of the lit word is pulled: to the right it thickens, to the left it thins. */
  private drag(): void {
    let held: { key: number; x: number; weight: number } | undefined;
    this.ribbons.addEventListener("pointerdown", (event) => {
      const key = Number((event.target as Element).getAttribute("data-key") ?? -1);
      if (key < 0 || !this.attention) return;
      this.ribbons.setPointerCapture(event.pointerId);
      held = { key, x: event.clientX, weight: this.weights[this.row][key] };
      this.pins.push({ row: this.row, key, weight: held.weight }); // one pull is one thing to undo
      void this.ready();
    });
    this.ribbons.addEventListener("pointermove", (event) => {
      if (!held) return;
      const weight = held.weight + (event.clientX - held.x) / Math.max(this.ribbons.clientWidth, 1);
      this.pins[this.pins.length - 1] = { row: this.row, key: held.key, weight: Math.min(1, Math.max(0, weight)) };
      void this.apply();
    });
    const release = (event: PointerEvent): void => {
      if (held && event.clientX === held.x) {
        this.pins.pop();
        void this.apply();
      }
      held = undefined;
    };
    this.ribbons.addEventListener("pointerup", release);
    this.ribbons.addEventListener("pointercancel", release);
  }

  /** A weight's own slider; one grip of it is one thing to undo. */
  private slide(slider: HTMLInputElement, key: number): void {
    const last = this.pins.at(-1);
    const pinned = { row: this.row, key, weight: Number(slider.value) };
    if (slider.dataset.held && last?.row === this.row && last.key === key) this.pins[this.pins.length - 1] = pinned;
    else this.pins.push(pinned);
    slider.dataset.held = "true";
    void this.apply();
  }

  private light(row: number): void {
    this.row = row;
    this.draw();
  }

  // --- what the model does ---------------------------------------------------------------------------------

  /** The model, and a translation of the text that is shown. */
  private async ready(): Promise<boolean> {
    this.model ??= await this.frame.model();
    if (this.model && !this.running) this.begin();
    return !!this.running;
  }

  private async translate(text: string, slowly: boolean): Promise<void> {
    const tidy = text.trim();
    const problem = unreadable(tidy, "the translator", "captions of about a dozen words");
    if (problem) return this.frame.say(problem);
    this.model ??= await this.frame.model();
    if (!this.model || this.field.text !== text) return; // no model, or one typed on
    const ids = this.tokenizer("source").encode(tidy);
    const unknown = ids.filter((id) => id === UNKNOWN).length;
    const spaces = this.tokenizer("source").tokens(ids).filter((piece) => piece === SPACE).length;
    if (!ids.length) return this.frame.say("There is no word in this; type a German sentence.");
    if (unknown + spaces === ids.length) {
      return this.frame.say("The translator knows none of these letters. It reads German; try “Zwei Hunde spielen im Schnee.”");
    }
    this.frame.say(unknown ? "Some letters are new to the translator; it reads each of them as <unk>, a word without a meaning." : "");
    this.text = tidy;
    this.pins = [];
    try {
      this.begin();
      this.row = surest(this.weights.slice(0, -1));
      this.finish();
      if (slowly) this.play();
    } catch (error) {
      this.frame.say(`This sentence could not be translated: ${message(error)}`, "problem");
    }
  }

  /** Reads the text anew, and writes a translation in which no weight is pulled. */
  private begin(): void {
    const tokenizer = this.tokenizer("source");
    const ids = tokenizer.encode(this.text);
    const step = this.attention ? undefined : { [MAP]: level };
    const translator = new Translator(this.model!);
    this.running = translator.translate(ids, { step });
    this.source = tokenizer.tokens(ids);
    this.take();
    this.unchanged = this.attention ? this.sentence() : this.tokenizer("target").decode(translator.translate(ids).tokens);
  }

  /** Puts the reader's pins on, in their order, and writes on from the first that changed. */
  private async apply(): Promise<void> {
    this.shown = Infinity;
    if (!(await this.ready())) return;
    const running = this.running!;
    const rows = new Set([...this.pins.map((one) => one.row), ...this.applied.keys()]);
    for (const row of [...rows].sort((a, b) => a - b)) {
      const pins = this.pins.filter((one) => one.row === row);
      const edits = pins.map((one) => pin(row, one.key, one.weight));
      const all: Edit = (map, first) => {
        for (const edit of edits) edit(map, first);
      };
      const key = JSON.stringify(pins);
      if (this.applied.get(row) === key) continue;
      running.edit(row, MAP, pins.length ? all : undefined).finish();
      if (pins.length) this.applied.set(row, key);
      else this.applied.delete(row);
    }
    running.finish();
    this.take(false);
    this.finish();
  }

  /** What the translation now is. */
  private take(fresh = true): void {
    const running = this.running!;
    if (fresh) this.applied.clear();
    const map = running.map()!;
    const S = map.shape[3];
    this.weights = running.steps.map((_, t) => Array.from(map.data.subarray(t * S, (t + 1) * S)));
    this.target = this.tokenizer("target").tokens(running.tokens);
    if (running.steps.length > this.target.length) this.target.push(END);
    this.row = Math.min(this.row, this.target.length - 1);
  }

  private finish(): void {
    clearInterval(this.timer);
    this.shown = Infinity;
    this.draw();
    this.frame.tell({ text: this.text, translation: this.sentence(), source_tokens: this.source, target_tokens: this.target, weights: this.weights });
  }

  private sentence(): string {
    return this.running ? this.tokenizer("target").decode(this.running.tokens) : this.unchanged;
  }

  private tokenizer(side: "source" | "target"): Tokenizer {
    return (this.tokenizers[side] ??= tokenizerFromJson(this.model!.extras[`${side}_tokenizer`]));
  }

  /** Word by word, as it was written. */
  private play(): void {
    clearInterval(this.timer);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.draw();
    this.shown = this.row = 0;
    const tick = (): void => {
      this.shown++;
      this.row = Math.min(this.shown, this.target.length) - 1;
      if (this.shown >= this.target.length) {
        clearInterval(this.timer);
        this.shown = Infinity;
        this.row = surest(this.weights.slice(0, -1));
      }
      this.draw();
    };
    tick();
    this.timer = window.setInterval(tick, BEAT);
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const weights = this.weights[this.row];
    const best = this.attention ? weights.indexOf(Math.max(...weights)) : -1;
    rows(this.read, this.source.length, (key) => this.keyRow(key)).forEach((item, key) => {
      const [word, share, slider] = item.children as unknown as [HTMLElement, HTMLElement, HTMLInputElement];
      word.textContent = this.source[key];
      word.title = this.source[key];
      share.textContent = weights[key] >= 0.995 ? "1" : weights[key] >= 0.005 ? weights[key].toFixed(2).slice(1) : "";
      item.classList.toggle("best", key === best);
      item.classList.toggle("pinned", this.pins.some((one) => one.row === this.row && one.key === key));
      slider.value = String(weights[key]);
      slider.style.setProperty("--w", String(weights[key]));
      slider.disabled = !this.attention;
      slider.setAttribute("aria-label", `Weight of “${this.source[key]}” in writing “${this.target[this.row]}”`);
      slider.setAttribute("aria-valuetext", weights[key].toFixed(2));
    });
    rows(this.written, this.target.length, (row) => this.queryRow(row)).forEach((item, row) => {
      const word = item.firstElementChild as HTMLButtonElement;
      word.textContent = this.target[row];
      word.tabIndex = row === this.row ? 0 : -1;
      if (row === this.row) word.setAttribute("aria-current", "true");
      else word.removeAttribute("aria-current");
      item.classList.toggle("unwritten", row >= this.shown);
      item.classList.toggle("pinned", this.pins.some((one) => one.row === row));
      item.style.setProperty("--w", this.column >= 0 ? String(this.weights[row][this.column]) : "0");
    });
    this.drawRibbons();
    const now = this.sentence();
    this.result.replaceChildren(...changes(this.unchanged, now));
    this.before.textContent = now === this.unchanged ? "" : `${this.attention ? "Without your hand" : "With attention"}: ${this.unchanged}`;
    this.undo.disabled = !this.pins.length;
    this.off.setAttribute("aria-pressed", String(!this.attention));
    this.hint.textContent = this.attention
      ? `Writing “${this.target[this.row]}”: pull one of its ribbons sideways, or slide a weight under a German word.`
      : "Every German word now weighs the same, wherever the translator is: what is left is one average of the sentence.";
  }

  private keyRow(key: number): HTMLLIElement {
    const slider = make("input", { type: "range", min: "0", max: "1", step: "0.01" });
    slider.addEventListener("input", () => this.slide(slider, key));
    for (const end of ["change", "blur"]) {
      slider.addEventListener(end, () => {
        if (end === "blur" || !slider.matches(":focus-visible")) delete slider.dataset.held;
      });
    }
    slider.addEventListener("pointerdown", () => delete slider.dataset.held);
    const item = make("li", {}, make("bdi", { class: "word" }), make("span", { class: "share", "aria-hidden": "true" }), slider);
    item.addEventListener("pointerenter", () => {
      this.column = key;
      this.draw();
    });
    item.addEventListener("pointerleave", () => {
      this.column = -1;
      this.draw();
    });
    return item;
  }

  private queryRow(row: number): HTMLLIElement {
    const word = make("button", { type: "button" });
    const light = (): void => {
      if (row !== this.row) this.light(row);
    };
    word.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && light());
    word.addEventListener("focus", light);
    word.addEventListener("click", light);
    return make("li", {}, word);
  }

  private drawRibbons(): void {
    const height = ROW * Math.max(this.source.length, this.target.length);
    this.ribbons.setAttribute("viewBox", `0 0 100 ${height}`);
    this.ribbons.style.height = `${height}px`;
    let drawn = "";
    this.weights.forEach((weights, row) => {
      if (row >= this.shown) return;
      const lit = row === this.row;
      const strength = this.column >= 0 ? 0.06 : lit ? 0.92 : 0.1;
      let filled = -THICK / 2;
      weights.forEach((weight, key) => {
        const thick = ROW * THICK * weight;
        const arrival = ROW * (row + 0.5 + filled);
        filled += THICK * weight;
        if (weight < LEAST) return;
        const leaves = ROW * (key + 0.5) - thick / 2;
        const [a, b, c, d] = [leaves, arrival, arrival + thick, leaves + thick].map((y) => y.toFixed(1));
        const opacity = this.column === key ? 0.2 + 0.75 * weight : strength;
        const pull = lit ? ` data-key="${key}"` : "";
        drawn += `<path d="M0 ${a}C45 ${a} 55 ${b} 100 ${b}V${c}C55 ${c} 45 ${d} 0 ${d}Z" opacity="${opacity.toFixed(2)}"${pull}/>`;
      });
    });
    this.ribbons.innerHTML = drawn;
  }
}

/** The word that is surest of where to look: the row with the largest weight. */
function surest(weights: number[][]): number {
  const tops = weights.map((row) => Math.max(...row));
  return Math.max(0, tops.indexOf(Math.max(...tops)));
}

/** The same weight for every word: what attention is when it is switched off. */
const level: Edit = (map) => {
  map.data.fill(1 / map.shape[map.shape.length - 1]);
};

/** The new sentence, with what differs from the old one marked: all but the common beginning and end. */
function changes(old: string, now: string): (Node | string)[] {
  if (old === now) return [now];
  const [a, b] = [old.split(" "), now.split(" ")];
  let from = 0;
  while (from < Math.min(a.length, b.length) && a[from] === b[from]) from++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - from && a.at(-1 - end) === b.at(-1 - end)) end++;
  const middle = b.slice(from, b.length - end).join(" ");
  const parts = [b.slice(0, from).join(" "), middle && make("mark", {}, middle), end ? b.slice(-end).join(" ") : ""];
  return parts.filter(Boolean).flatMap((part, i) => (i ? [" ", part] : [part]));
}

const STYLE = `
.heads { display: flex; justify-content: space-between; font-size: 0.9rem; }
.key { color: var(--key); } .query { color: var(--query); }
.stage { display: grid; grid-template-columns: minmax(8rem, 11rem) 1fr minmax(5.5rem, 9rem); margin: 0.3rem 0 0.8rem; }
ol { list-style: none; margin: 0; padding: 0; }
li { height: ${ROW}px; display: flex; align-items: center; }
.read li { display: grid; grid-template: 20px 18px / 2rem 1fr; align-items: center; padding-right: 6px; border-right: 5px solid var(--key); }
.read .word { grid-area: 1 / 2; color: var(--key); text-align: right; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; line-height: 20px; }
.read .share { grid-area: 1 / 1; font-variant-numeric: tabular-nums; font-size: 0.9rem; line-height: 20px; }
.best .word { font-weight: 700; }
.pinned .share::before, .written .pinned button::after { content: ""; display: inline-block; width: 6px; height: 6px; margin: 0 5px 2px; background: var(--weights); transform: rotate(45deg); }
.pinned .share::before { margin-left: 0; }
input[type="range"] { grid-area: 2 / 1 / 3 / 3; appearance: none; width: 100%; height: 18px; margin: 0; background: transparent; cursor: ew-resize; touch-action: pan-y; }
input[type="range"]::-webkit-slider-runnable-track { height: 5px; border-radius: 3px; background: linear-gradient(to right, var(--weights) calc(var(--w) * 100%), var(--line) 0); }
input[type="range"]::-moz-range-track { height: 5px; border-radius: 3px; background: linear-gradient(to right, var(--weights) calc(var(--w) * 100%), var(--line) 0); }
input[type="range"]::-webkit-slider-thumb { appearance: none; width: 14px; height: 14px; margin-top: -4.5px; border-radius: 50%; background: var(--weights); border: 2px solid var(--ground); }
input[type="range"]::-moz-range-thumb { width: 10px; height: 10px; border-radius: 50%; background: var(--weights); border: 2px solid var(--ground); }
input[type="range"]:focus-visible { outline-width: 2px; outline-offset: -1px; border-radius: 9px; }
input[type="range"]:disabled { cursor: default; opacity: 0.5; }
svg { width: 100%; min-width: 0; display: block; touch-action: pan-y; } /* on the whole: not heeded on a path */
path { fill: var(--weights); transition: opacity 0.15s; }
path[data-key] { cursor: ew-resize; }
.written button { width: 100%; min-height: 0; height: ${ROW - 6}px; padding: 0 0.5rem; border: 0; border-radius: 0 6px 6px 0; border-left: 5px solid var(--query); text-align: left; color: var(--query); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; background: color-mix(in srgb, var(--weights) calc(var(--w, 0) * 30%), transparent); }
.written button[aria-current] { font-weight: 700; background: var(--panel); }
.written .unwritten { visibility: hidden; }
.result { display: block; font-size: 1.25rem; font-weight: 600; color: var(--query); min-height: 1.8rem; }
mark { background: none; color: inherit; text-decoration: underline wavy var(--weights) 1.5px; text-underline-offset: 0.25em; }
.before { margin: 0; min-height: 1.4rem; font-size: 0.95rem; color: var(--soft); }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0.5rem 0; }
.hint { margin: 0; font-size: 0.95rem; color: var(--soft); }
@media (max-width: 30rem) { .stage { grid-template-columns: 8rem 1fr 6rem; } }
@media (prefers-reduced-motion: reduce) { path { transition: none; } }
`;
