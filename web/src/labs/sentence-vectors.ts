// The lab of the bottleneck. A translator keeps of a sentence one vector; its two largest principal axes make a
// plane. So a sentence is a point, reading it is a way through the plane, and a point that is moved by hand is
// another sentence: the writer knows nothing but the vector.

import type { Edit } from "../graph.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { longer, right, tidy, unmatched, type Pair } from "../lab/grammar.ts";
import { SENTENCE_STYLE, SentenceField, unreadable } from "../lab/sentence.ts";
import { tokenizerFromJson, type Tokenizer } from "../tokenizer.ts";
import { Translator } from "../translator.ts";

type Place = readonly [x: number, y: number];

/** One translator, and its plane. */
interface Reader {
  how: "backwards" | "forwards";
  model: string;
  /** Two directions of length 1, and the place of the zero vector, negative. */
  axes: [number[], number[]];
  origin: Place;
  /** Where the recorded sentences are. */
  at: Place[];
  explained: number;
  correlation: number;
  /** Of the recorded text: where the vector was after 0, 1, … words, its end, and what was written from that. */
  trail: Place[];
  vector: number[];
  translation: string;
}

interface Recording {
  text: string;
  readers: Reader[];
  sentences: Pair[];
  of: number;
  /** Fewest and most words of the sentences that share a mark. */
  groups: [number, number][];
  examples: Pair[];
  tails: Pair[];
  followers: Record<string, string>;
}

/** A reader whose model is here. */
interface Ready {
  translator: Translator;
  source: Tokenizer;
  target: Tokenizer;
  /** What was read before: vectors by the ids that led to them. */
  seen: Map<string, Float32Array>;
}

/** All that undo brings back. */
interface Moment {
  text: string;
  reader: number;
  read: number;
  hand: Place;
}

const MOST = 60; // words
const BEAT = 420; // milliseconds a word
const NEAR = 14; // pixels: a pointer this close to a mark means it
const UNKNOWN = 3;
const HOME: Place = [0, 0];
const ARROWS: Record<string, Place> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export default function sentenceVectors(frame: Frame): Lab {
  return new SentenceVectors(frame);
}

class SentenceVectors implements Lab {
  private readonly recording: Recording;
  private readonly gold: Map<string, string>;
  private readonly models = new Map<string, Ready>();
  private reader = 0;
  private words: string[];
  private unknown = new Set<string>();
  /** How many words are read, the vectors on the way, and where they lie. */
  private read: number;
  private vectors: Float32Array[] = [];
  private ids: number[][] = [];
  private trail: Place[];
  /** How far the reader's hand moved the point. */
  private hand: Place = HOME;
  private translation: string;
  private unmoved: string;
  private history: Moment[] = [];
  private last = "";
  private chosen = -1; // the word that waits for another to change places with
  private pointed = -1; // the recorded sentence under the pointer
  private timer = 0;
  private asked = 0;

  private readonly field: SentenceField;
  private readonly finding = make("p", { class: "finding" });
  private readonly line = make("ol", { class: "words", "aria-label": "The words: press two, and they change places" });
  private readonly next = make("div", { class: "chips next", role: "group", "aria-label": "Add a word" });
  private readonly reading = make("input", { id: "reading", type: "range", min: "0", step: "1" });
  private readonly count = make("label", { for: "reading", class: "count" });
  private readonly play = make("button", { type: "button" }, STILL.matches ? "Read one more word" : "Read it word by word");
  private readonly more = make("button", { type: "button" }, "Lengthen it");
  private readonly turn = make("button", { type: "button", "aria-pressed": "false" }, "Reverse the reading");
  private readonly undo = make("button", { type: "button", disabled: "" }, "Undo");
  private readonly plane = make("div", { class: "plane" });
  private readonly picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly point = make("button", { type: "button", class: "point", "aria-describedby": "hint" });
  private readonly legend = make("p", { class: "legend" });
  private readonly result = make("output", { class: "result", lang: "en", for: "text reading" });
  private readonly wanted = make("p", { class: "wanted" });
  private readonly hint = make("p", { class: "hint", id: "hint" });

  constructor(private readonly frame: Frame) {
    this.recording = frame.recording as Recording;
    const { text, readers, sentences, examples } = this.recording;
    this.gold = new Map([...sentences, ...examples]);
    this.words = text.split(" ");
    this.read = this.words.length;
    this.trail = readers[0].trail;
    this.translation = this.unmoved = readers[0].translation;
    this.field = new SentenceField({
      label: "A German sentence",
      examples: examples.map(([german]) => german),
      read: (typed, picked) => this.take(typed, picked ? "pick" : "type"),
      touched: () => void this.ready(),
    });
    this.field.text = text;
    this.layOut();
    this.listen();
    this.draw();
    new ResizeObserver(() => requestAnimationFrame(() => this.drawPlane())).observe(this.plane);
  }

  receive(state: Record<string, unknown>): void {
    const asked = this.recording.readers.findIndex((one) => one.how === state.reader);
    if (asked >= 0) this.reader = asked;
    if (typeof state.text === "string") this.field.text = state.text;
    void this.begin(this.field.text);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    this.picture.setAttribute("aria-hidden", "true"); // the slider, the point and the words say the same
    this.plane.append(this.picture, this.point);
    const style = make("style");
    style.textContent = SENTENCE_STYLE + STYLE;
    const { label, input, examples } = this.field;
    const controls = make("div", { class: "controls" }, this.play, this.more, this.turn, this.undo);
    const reading = make("div", { class: "reader" }, this.count, this.reading);
    const from = make("p", { class: "from" }, "Written from the point alone:");
    this.frame.root.append(
      style,
      this.finding,
      make(
        "div",
        { class: "stage" },
        make("div", { class: "ask" }, label, input, this.frame.said, this.next, examples, this.line, reading, controls),
        make("div", { class: "see" }, this.plane, this.legend),
        make("div", { class: "says" }, from, this.result, this.wanted, this.hint),
      ),
    );
  }

  private listen(): void {
    this.reading.addEventListener("input", () => {
      this.stop();
      this.keep("read");
      void this.readTo(Number(this.reading.value));
    });
    this.play.addEventListener("click", () => void this.playAll());
    this.more.addEventListener("click", () => this.say(longer(this.words, this.recording.tails), "longer"));
    this.turn.addEventListener("click", () => {
      this.keep("turn");
      this.reader = (this.reader + 1) % this.recording.readers.length;
      this.field.text = this.words.join(" "); // what is there may be no sentence
      void this.begin(this.field.text);
    });
    this.undo.addEventListener("click", () => void this.back());
    this.line.addEventListener("click", (event) => this.choose([...this.line.children].indexOf((event.target as Element).closest("li")!)));
    this.next.addEventListener("click", (event) => {
      const word = (event.target as HTMLElement).dataset.word;
      if (word) this.say([...this.words, word], "add");
    });
    this.dragPoint();
    this.point.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow) return;
      event.preventDefault();
      this.keep("keys");
      const far = event.shiftKey ? 4 : 1;
      this.move([this.hand[0] + far * arrow[0], this.hand[1] + far * arrow[1]]);
    });
    this.picture.addEventListener("pointermove", (event) => this.pointAt(event));
    this.picture.addEventListener("pointerleave", () => this.pointAt());
    this.picture.addEventListener("click", (event) => {
      this.pointAt(event);
      if (this.pointed >= 0) this.say(this.recording.sentences[this.pointed][0].split(" "), "pick");
    });
  }

  private dragPoint(): void {
    let held: { x: number; y: number; hand: Place; kept: boolean } | undefined;
    this.point.addEventListener("pointerdown", (event) => {
      this.point.setPointerCapture(event.pointerId);
      this.stop();
      held = { x: event.clientX, y: event.clientY, hand: this.hand, kept: false };
      void this.ready();
    });
    this.point.addEventListener("pointermove", (event) => {
      if (!held) return;
      if (!held.kept) this.keep("drag", false);
      held.kept = true;
      const { scale } = this.view();
      const [right, down] = [(event.clientX - held.x) / this.zoom(), (event.clientY - held.y) / this.zoom()];
      this.move([held.hand[0] + right / scale[0], held.hand[1] - down / scale[1]]);
    });
    for (const end of ["pointerup", "pointercancel"]) this.point.addEventListener(end, () => (held = undefined));
  }

  /** Two words that are pressed one after the other change places. */
  private choose(place: number): void {
    if (place < 0) return;
    if (this.chosen < 0 || this.chosen === place) {
      this.chosen = this.chosen === place ? -1 : place;
      return this.draw();
    }
    const words = [...this.words];
    [words[this.chosen], words[place]] = [words[place], words[this.chosen]];
    this.say(words, "swap");
  }

  /** Puts words into the field, as if typed. */
  private say(words: readonly string[], action: string): void {
    this.take(words.join(" "), action);
  }

  private take(text: string, action: string): void {
    this.keep(action, action === "type");
    this.field.text = text;
    void this.begin(text);
  }

  /** Remembers how it is now, for undo; one action that goes on, such as typing, is remembered once. */
  private keep(action: string, goesOn = true): void {
    if (goesOn && this.last === action) return;
    this.last = action;
    this.history.push({ text: this.words.join(" "), reader: this.reader, read: this.read, hand: this.hand });
    this.undo.disabled = false;
  }

  private async back(): Promise<void> {
    const moment = this.history.pop();
    if (!moment) return;
    this.last = "";
    this.reader = moment.reader;
    this.field.text = moment.text;
    await this.begin(moment.text);
    await this.readTo(moment.read);
    if (moment.hand !== HOME) this.move(moment.hand);
  }

  // --- what the model does ---------------------------------------------------------------------------------

  private get now(): Reader {
    return this.recording.readers[this.reader];
  }

  /** The reader that is switched on, with its model; nothing if that did not come. */
  private async ready(): Promise<Ready | undefined> {
    const { model: name } = this.now;
    const known = this.models.get(name);
    if (known) return known;
    const model = await this.frame.model(name);
    if (!model) return undefined;
    const ready = {
      translator: new Translator(model),
      source: tokenizerFromJson(model.extras.source_tokenizer),
      target: tokenizerFromJson(model.extras.target_tokenizer),
      seen: new Map(),
    };
    this.models.set(name, ready);
    return ready;
  }

  /** Reads a text to its end. */
  private async begin(text: string): Promise<void> {
    this.stop();
    const reader = this.reader;
    const problem = unreadable(text.trim(), "the translator", "sentences of 4 to 12 words");
    if (problem) return this.frame.say(problem);
    const ready = await this.ready();
    if (!ready || this.field.text !== text || this.reader !== reader) return; // no model, or one went on
    const known = (word: string): boolean => ready.source.encode(word)[0] !== UNKNOWN;
    const words = tidy(text, known);
    const unknown = new Set(words.filter((word) => !known(word)));
    if (!words.length) return this.frame.say("There is no word in this; type a German sentence.");
    if (words.length > MOST) return this.frame.say(`These are ${words.length} words; the translator learned from 4 to 12. Try at most ${MOST}.`);
    if (words.every((word) => unknown.has(word))) {
      return this.frame.say(`The translator knows ${ready.source.size - 4} German words, and none of these. Pick one of those below, or a sentence.`);
    }
    this.frame.say(remark(words, unknown));
    [this.words, this.unknown, this.chosen] = [words, unknown, -1];
    try {
      this.follow(ready);
      await this.readTo(words.length);
    } catch (error) {
      this.frame.say(`This sentence could not be read: ${message(error)}`, "problem");
    }
  }

  /** The vectors on the way through the sentence: after no word, one, two, and so on. */
  private follow(ready: Ready): void {
    const ids = ready.source.encode(this.words.join(" "));
    this.ids = ids.map((_, n) => (this.now.how === "backwards" ? ids.slice(ids.length - n - 1) : ids.slice(0, n + 1)));
    this.vectors = this.ids.map((part) => vectorOf(ready, part));
    this.ids.unshift([]);
    this.vectors.unshift(new Float32Array(this.vectors[0].length)); // an LSTM begins with zeros
    this.trail = this.vectors.map((vector) => this.project(vector));
  }

  /** Stops reading after some words, and writes from what is kept of them. */
  private async readTo(read: number): Promise<void> {
    const ready = await this.ready();
    if (!ready) return;
    if (!this.vectors.length) this.follow(ready); // so far there was only the recording
    this.read = Math.min(read, this.words.length);
    this.hand = HOME;
    this.unmoved = this.write(ready);
    this.finish(this.unmoved);
  }

  /** Moves the point from where reading put it, within the picture. */
  private move(hand: Place): void {
    const [x, y] = this.trail[this.read];
    const { low, high } = this.view();
    const clamp = (value: number, axis: 0 | 1): number => Math.min(high[axis], Math.max(low[axis], value));
    this.hand = [clamp(x + hand[0], 0) - x, clamp(y + hand[1], 1) - y];
    this.drawPlane();
    cancelAnimationFrame(this.asked);
    this.asked = requestAnimationFrame(() => void this.writeMoved());
  }

  private async writeMoved(): Promise<void> {
    const ready = await this.ready();
    if (!ready) return;
    if (!this.vectors.length) this.follow(ready);
    this.finish(this.write(ready));
  }

  /** What the writer makes of the point: of the vector that was read, moved along the two axes by hand. */
  private write(ready: Ready): string {
    const vector = this.vector();
    const half = vector.length / 2;
    const put = (from: number): Edit => (value) => value.data.set(vector.subarray(from, from + half));
    const ids = this.ids[this.read].length ? this.ids[this.read] : [UNKNOWN]; // the encoder wants something to read
    const written = ready.translator.translate(ids, { encode: { state: put(0), cell: put(half) } });
    return ready.target.decode(written.tokens);
  }

  /** State and cell, as they now are. */
  private vector(): Float32Array {
    const [across, up] = this.now.axes;
    return this.vectors[this.read].map((value, i) => value + this.hand[0] * across[i] + this.hand[1] * up[i]);
  }

  private project(vector: Float32Array): Place {
    const along = (axis: 0 | 1): number => vector.reduce((sum, value, i) => sum + value * this.now.axes[axis][i], -this.now.origin[axis]);
    return [along(0), along(1)];
  }

  private finish(translation: string): void {
    this.translation = translation;
    this.draw();
    const { how } = this.now;
    this.frame.tell({ text: this.words.join(" "), reader: how, point: this.place(), vector: Array.from(this.vector()), translation });
  }

  private async playAll(): Promise<void> {
    this.keep("play");
    if (!(await this.ready())) return;
    this.stop();
    if (STILL.matches) return this.readTo(this.read < this.words.length ? this.read + 1 : 0);
    await this.readTo(0);
    this.timer = window.setInterval(() => {
      if (this.read >= this.words.length - 1) this.stop();
      void this.readTo(this.read + 1);
    }, BEAT);
  }

  private stop(): void {
    clearInterval(this.timer);
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private place(): Place {
    const [x, y] = this.trail[this.read];
    return [x + this.hand[0], y + this.hand[1]];
  }

  /** The number of the word in the sentence that was read as the n-th, n from 1. */
  private order(n: number): number {
    return this.now.how === "backwards" ? this.words.length - n : n - 1;
  }

  private draw(): void {
    const { how, correlation, explained, axes } = this.now;
    const S = this.words.length;
    this.finding.textContent = `One sentence, one point. Nobody told the vector to count, yet the more words, the further right (r = ${correlation.toFixed(2)} over ${this.recording.of.toLocaleString("en")} unseen sentences).`;
    this.drawWords();
    this.reading.max = String(S);
    this.reading.value = String(this.read);
    const last = this.read ? `, the last was “${this.words[this.order(this.read)]}”` : "";
    this.reading.setAttribute("aria-valuetext", `${this.read} of ${S} words read${last}`);
    this.count.textContent = `Words read, ${how}: ${this.read} of ${S}`;
    this.turn.textContent = how === "backwards" ? "Read it forwards" : "Read it backwards";
    this.turn.removeAttribute("aria-pressed");
    this.undo.disabled = !this.history.length;
    const marks = this.recording.groups.map(([least, most], group) => make("span", { class: `group${group}` }, `${MARKS[group]} ${least}–${most} words`));
    this.legend.replaceChildren(...marks, `2 of ${axes[0].length} axes, ${Math.round(100 * explained)}% of the variance`);
    this.drawResult();
    this.drawPlane();
  }

  private drawWords(): void {
    const lit = this.read ? this.order(this.read) : -1;
    rows(this.line, this.words.length, () => make("li", {}, make("button", { type: "button", lang: "de" }))).forEach((item, i) => {
      const done = this.now.how === "backwards" ? i >= this.words.length - this.read : i < this.read;
      item.classList.toggle("unread", !done);
      item.classList.toggle("lit", i === lit && this.read < this.words.length);
      item.classList.toggle("unknown", this.unknown.has(this.words[i]));
      item.firstElementChild!.textContent = this.words[i];
      item.firstElementChild!.setAttribute("aria-pressed", String(i === this.chosen));
    });
    const { followers } = this.recording;
    const next = this.words.at(-1) === "." ? [] : (followers[this.words.at(-1)!] ?? followers[""]).split(" ");
    if (!next.length && this.next.matches(":focus-within")) this.more.focus(); // before they go
    this.next.hidden = !next.length;
    rows(this.next, next.length, () => make("button", { type: "button", lang: "de" })).forEach((chip, i) => {
      chip.dataset.word = next[i];
      chip.textContent = `+ ${next[i]}`;
    });
  }

  private drawResult(): void {
    const words = this.translation.split(" ").filter(Boolean);
    const gold = this.read === this.words.length ? right(this.words.join(" "), this.gold, this.recording.tails)?.split(" ") : undefined;
    const moved = this.hand !== HOME && this.hand.some((step) => Math.abs(step) > 1e-6);
    const wrong = gold && !moved ? unmatched(words, gold) : new Set<number>();
    const parts = words.flatMap((word, i): (Node | string)[] => [i ? " " : "", wrong.has(i) ? make("mark", {}, word) : word]);
    this.result.replaceChildren(...(words.length ? parts : ["(nothing)"]));
    if (moved) this.wanted.textContent = `Where reading put it: ${this.unmoved}`;
    else if (this.read < this.words.length) this.wanted.textContent = "The rest of the sentence is not read yet.";
    else if (!gold) this.wanted.textContent = "No right translation is recorded for this sentence: judge for yourself.";
    else if (!wrong.size && words.length === gold.length) this.wanted.textContent = `All ${gold.length} words are right.`;
    else this.wanted.textContent = `Right: ${gold.join(" ")} (${words.length - wrong.size} of ${gold.length} words are there)`;
    this.hint.textContent = moved
      ? "You changed two of the vector's directions; the German was not asked again."
      : "Drag the point, or give it the arrow keys: to the left the writer says less, to the right more.";
  }

  /** How the plane lies in its box: all marks and the whole way are inside. */
  private view(): { low: Place; high: Place; scale: Place; width: number; height: number } {
    const width = this.plane.clientWidth || 640;
    const height = Math.round(Math.min(400, Math.max(240, width * 0.6)));
    const [xs, ys] = [0, 1].map((axis) => [...this.now.at, ...this.trail].map((place) => place[axis]));
    const low: Place = [Math.min(...xs) - 2, Math.min(...ys) - 2];
    const high: Place = [Math.max(...xs) + 2, Math.max(...ys) + 2];
    return { low, high, width, height, scale: [width / (high[0] - low[0]), height / (high[1] - low[1])] };
  }

  /** How much larger the picture is shown than it was drawn: a deck scales its slides. */
  private zoom(): number {
    return this.picture.getBoundingClientRect().width / (this.plane.clientWidth || 1) || 1;
  }

  private drawPlane(): void {
    const { low, scale, width, height } = this.view();
    const put = ([x, y]: Place): Place => [(x - low[0]) * scale[0], height - (y - low[1]) * scale[1]];
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.picture.style.height = `${height}px`;
    let drawn = "";
    this.now.at.forEach((place, i) => {
      const [x, y] = put(place);
      const group = this.groupOf(this.recording.sentences[i][0].split(" ").length);
      drawn += `<path class="group${group}${i === this.pointed ? " pointed" : ""}" d="${mark(group, x, y)}"/>`;
    });
    const way = this.trail.slice(0, this.read + 1).map(put);
    const rest = this.trail.slice(this.read).map(put);
    const at = put(this.place());
    const line = (places: Place[]): string => places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    drawn += `<polyline class="rest" points="${line(rest)}"/><polyline class="way" points="${line(way)}"/>`;
    drawn += way.slice(0, -1).map(([x, y]) => `<circle class="step" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.5"/>`).join("");
    if (this.hand !== HOME) drawn += `<polyline class="hand" points="${line([way.at(-1)!, at])}"/>`;
    drawn += `<text class="axis" x="${width - 6}" y="${height - 6}" text-anchor="end">first axis →</text>`;
    this.picture.innerHTML = drawn;
    if (this.pointed >= 0) this.label(this.recording.sentences[this.pointed][0], put(this.now.at[this.pointed]), width);
    else if (this.read && this.read < this.words.length) this.label(this.words[this.order(this.read)], at, width);
    this.point.style.left = `${at[0]}px`;
    this.point.style.top = `${at[1]}px`;
    const [x, y] = this.place().map((value) => value.toFixed(1));
    this.point.setAttribute("aria-label", `The sentence's vector, ${x} across and ${y} up. Arrow keys move it.`);
  }

  private groupOf(length: number): number {
    return this.recording.groups.findIndex(([least, most]) => least <= length && length <= most);
  }

  private label(text: string, [x, y]: Place, width: number): void {
    const label = document.createElementNS("http://www.w3.org/2000/svg", "text");
    const anchor = x < width * 0.3 ? "start" : x > width * 0.7 ? "end" : "middle";
    for (const [name, value] of Object.entries({ class: "label", x, y: y < 34 ? y + 28 : y - 16, "text-anchor": anchor })) {
      label.setAttribute(name, String(value));
    }
    label.textContent = text;
    this.picture.append(label);
  }

  private pointAt(event?: PointerEvent | MouseEvent): void {
    let nearest = -1;
    if (event) {
      const { low, scale, height } = this.view();
      const box = this.picture.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / this.zoom(), (event.clientY - box.top) / this.zoom()];
      const away = this.now.at.map((place) => Math.hypot((place[0] - low[0]) * scale[0] - x, height - (place[1] - low[1]) * scale[1] - y));
      const least = Math.min(...away);
      if (least < NEAR) nearest = away.indexOf(least);
    }
    if (nearest === this.pointed) return;
    this.pointed = nearest;
    this.drawPlane();
  }
}

/** One word a press, for those who want nothing to move by itself. */
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const MARKS = ["●", "▲", "■"];

function mark(group: number, x: number, y: number): string {
  if (group === 0) return `M${x - 3.2} ${y}a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0`;
  return group === 1 ? `M${x} ${y - 4}l3.8 6.8h-7.6z` : `M${x - 3} ${y - 3}h6v6h-6z`;
}

/** What is kept of some words, read in the model's order: state, then cell. */
function vectorOf(ready: Ready, ids: readonly number[]): Float32Array {
  const key = ids.join();
  const known = ready.seen.get(key);
  if (known) return known;
  const { encoded } = ready.translator.begin(ids);
  const [state, cell] = ["state", "cell"].map((name) => encoded.get(name).data as Float32Array);
  const vector = new Float32Array(state.length + cell.length);
  vector.set(state);
  vector.set(cell, state.length);
  ready.seen.set(key, vector);
  return vector;
}

function remark(words: readonly string[], unknown: ReadonlySet<string>): string {
  if (unknown.size) {
    const list = [...unknown].slice(0, 3).map((word) => `“${word.length > 20 ? `${word.slice(0, 20)}…` : word}”`);
    return `Not in the translator's vocabulary, so read as <unk>, which it never met: ${list.join(", ")}${unknown.size > 3 ? " …" : ""}`;
  }
  return words.at(-1) === "." ? "" : "No full stop yet; every sentence that the translator learned from has one.";
}

const STYLE = `
.lab { container-type: inline-size; }
@container (min-width: 56rem) {
  .stage { display: grid; grid-template: "ask see" auto "says see" 1fr / 1fr 1fr; column-gap: 2rem; }
  .ask { grid-area: ask; } .see { grid-area: see; } .says { grid-area: says; }
}
.finding { margin: 0 0 0.8rem; font-weight: 600; }
.next { margin: 0.3rem 0; }
.words { list-style: none; display: flex; flex-wrap: wrap; gap: 0.3rem; margin: 0.6rem 0 0.4rem; padding: 0; }
.words button { min-height: 2.2rem; padding: 0.1rem 0.55rem; border-radius: 6px; }
.words .unread button { color: var(--soft); border-style: dashed; }
.words .lit button { font-weight: 700; border-width: 2px; }
.words .unknown button { text-decoration: line-through; }
.words button[aria-pressed="true"] { border-color: var(--ink); }
.reader { display: flex; flex-wrap: wrap; align-items: center; gap: 0.2rem 0.8rem; }
.count { font-weight: 400; margin: 0; font-variant-numeric: tabular-nums; }
.reader input { flex: 1 1 12rem; min-width: 8rem; height: 2rem; accent-color: var(--ink); }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0.4rem 0 0.6rem; }
.plane { position: relative; overflow: hidden; border: 1px solid var(--line); border-radius: 8px; }
svg { display: block; width: 100%; }
.group0 { fill: var(--tf-series-0, #2F3A44); } .group1 { fill: var(--tf-series-1, #A87400); } .group2 { fill: var(--tf-series-2, #A8327C); }
path { opacity: 0.5; }
path.pointed { opacity: 1; stroke: var(--ink); stroke-width: 2; }
polyline { fill: none; stroke: var(--ink); stroke-width: 2; }
.rest { opacity: 0.3; stroke-dasharray: 3 4; }
.hand { stroke-dasharray: 6 4; }
.step { fill: var(--ground); stroke: var(--ink); stroke-width: 2; }
text { font: 0.95rem var(--tf-sans, system-ui, sans-serif); fill: var(--ink); }
.axis { fill: var(--soft); font-size: 0.9rem; }
.label { font-weight: 600; paint-order: stroke; stroke: var(--ground); stroke-width: 5px; stroke-linejoin: round; }
.point { position: absolute; width: 44px; height: 44px; min-height: 0; margin: -22px; padding: 0; border: 0; border-radius: 50%; cursor: grab; touch-action: none; background: radial-gradient(circle, var(--ink) 0 9px, var(--ground) 9.5px 11.5px, transparent 12px); }
.point:hover:not(:disabled) { background: radial-gradient(circle, var(--ink) 0 11px, var(--ground) 11.5px 13.5px, transparent 14px); }
.point:active { cursor: grabbing; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin: 0.3rem 0 0.8rem; font-size: 0.9rem; color: var(--soft); }
.legend .group0 { color: var(--tf-series-0-text, var(--tf-series-0, #2F3A44)); } .legend .group1 { color: var(--tf-series-1-text, #865C00); } .legend .group2 { color: var(--tf-series-2-text, var(--tf-series-2, #A8327C)); }
.from { margin: 0; font-size: 0.95rem; color: var(--soft); }
.result { display: block; font-size: 1.25rem; font-weight: 600; min-height: 1.8rem; overflow-wrap: anywhere; }
mark { background: none; color: var(--tf-series-2-text, var(--tf-series-2, #A8327C)); text-decoration: underline 2px; text-underline-offset: 0.2em; }
.wanted { margin: 0; min-height: 1.4rem; font-size: 0.95rem; color: var(--soft); }
.hint { margin: 0.4rem 0 0; font-size: 0.95rem; color: var(--soft); }
`;
