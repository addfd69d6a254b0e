// The lab "Next token": a language model of characters reads along as one types.
//
// Everything is about the caret. The bars: what could come next there, by the model and after the knobs; press one and it
// is written. The shade on the text: what the character before the caret looked at, in the head that is chosen. The bars
// under the text: how surprising each character was to the model. The model can also write, by itself.

import type { Model } from "../model.ts";
import { Reading } from "../reading.ts";
import { bits, chance, chances, draw, PLAIN, type Knobs } from "../sampling.ts";
import { tokenizerFromJson, type Tokenizer } from "../tokenizer.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";

/** What Python recorded, for the end of `text`; the maps are in hundredths. */
interface Recording {
  text: string;
  /** Of each character of `text` but the first, in bits. */
  bits: number[];
  /** The likeliest characters, and how likely. */
  next: [string, number][];
  /** For each map and head, the last row. */
  maps: Record<string, number[][]>;
  head: Head;
  examples: string[];
  /** All that the model can write. */
  characters: string;
  longest: number;
}

/** The name of a map, and the number of a head. */
type Head = readonly [string, number];

/** What is known of one character of the text. */
interface Known {
  /** Undefined where nothing was predicted: at the beginning of what the model reads, and before it. */
  readonly bits?: number;
  /** Whether the model reads it. */
  readonly read: boolean;
}

const SHOWN = 8; // bars
const MOST = 1200; // characters of a text
const PEAK = 8; // bits: the highest bar under a character
const STRIP = 24; // characters in a head's small picture
const SHADES = 5;
const BEAT = 70; // milliseconds a character
const TURN = 12; // milliseconds of reading at a time
const NAMES: Record<string, string> = { " ": "␣", "\n": "↵" };
const SPOKEN: Record<string, string> = { " ": "space", "\n": "new line", ".": "full stop", ",": "comma", "'": "apostrophe", "-": "hyphen", ":": "colon", ";": "semicolon", "!": "exclamation mark", "?": "question mark" };

export default function nextToken(frame: Frame): Lab {
  return new NextToken(frame);
}

class NextToken implements Lab {
  private readonly given: Recording;
  private text: string;
  private caret: number;
  private knobs: Knobs = PLAIN;
  private seed = 1;
  private head: Head;
  private readonly past: string[] = []; // texts, for Undo

  private model?: Model;
  private reading?: Reading;
  private tokenizer?: Tokenizer;
  /** Where in the text the model begins to read, and the places in the text of what it reads. */
  private first = 0;
  private places: number[] = [];
  /** The text that is read to its end. */
  private done?: string;
  private request = 0;
  /** Which run of writing goes on; 0: none. */
  private writing = 0;
  private runs = 0;

  private readonly field = make("textarea", { id: "text", rows: "3", maxlength: String(MOST), autocomplete: "off", autocapitalize: "off", spellcheck: "false", lang: "en", "aria-describedby": "legend" });
  private readonly mirror = make("div", { class: "mirror", "aria-hidden": "true" });
  private readonly sheet = make("div", { class: "sheet" }, this.mirror, this.field);
  private readonly finding = make("p", { class: "finding" });
  private readonly bars = make("ol", { class: "bars", "aria-label": "What could come next" });
  private readonly rest = make("p", { class: "rest" });
  private readonly grid = make("div", { class: "heads", role: "group", "aria-label": "The heads; choose whose weights shade the text" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly one = make("button", { type: "button" }, "Write one");
  private readonly go = make("button", { type: "button", "aria-pressed": "false" }, "Go on");
  private readonly undo = make("button", { type: "button", disabled: "" }, "Undo");
  private readonly dice = make("button", { type: "button" }, "Another seed");
  private readonly seedField = make("input", { id: "seed", type: "number", min: "1", max: "9999", step: "1" });
  private readonly dials: Record<keyof Knobs, HTMLInputElement>;
  private readonly plain = make("button", { type: "button", disabled: "" }, "As the model says");
  private readonly shown: Record<keyof Knobs, HTMLOutputElement>;
  private readonly looks = make("p", { class: "looks" });

  constructor(private readonly frame: Frame) {
    this.given = frame.recording as Recording;
    this.text = this.field.value = this.given.text;
    this.caret = this.text.length;
    this.head = this.given.head;
    const range = (id: string, max: number, step: number): HTMLInputElement => make("input", { type: "range", id, min: id === "top-k" ? "1" : id === "top-p" ? "0.05" : "0", max: String(max), step: String(step) });
    this.dials = { temperature: range("temperature", 2, 0.05), topK: range("top-k", this.given.characters.length, 1), topP: range("top-p", 1, 0.01) };
    this.shown = { temperature: make("output", { for: "temperature" }), topK: make("output", { for: "top-k" }), topP: make("output", { for: "top-p" }) };
    this.layOut();
    this.listen();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    if (typeof state.text === "string" && state.text !== this.text) this.write(state.text.slice(0, MOST));
    const inside = (value: unknown, least: number, most: number): value is number => typeof value === "number" && value >= least && value <= most;
    if (inside(state.temperature, 0, 2)) this.knobs = { ...this.knobs, temperature: state.temperature };
    if (inside(state.top_k, 0, this.given.characters.length)) this.knobs = { ...this.knobs, topK: Math.round(state.top_k) };
    if (inside(state.top_p, 0, 1)) this.knobs = { ...this.knobs, topP: state.top_p };
    if (inside(state.seed, 1, 9999)) this.seed = Math.round(state.seed);
    void this.read();
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = STYLE;
    for (const [name, heads] of Object.entries(this.given.maps)) {
      const row = make("div", { class: "layer" }, make("span", { class: "number", "aria-hidden": "true" }, `layer ${layer(name) + 1}`));
      heads.forEach((_, head) => row.append(this.button([name, head])));
      this.grid.append(row);
    }
    const chips = this.given.examples.map((text) => {
      const chip = make("button", { type: "button", lang: "en" }, text.replaceAll("\n", "↵"));
      chip.addEventListener("click", () => this.write(text));
      return chip;
    });
    const dial = (knob: keyof Knobs, name: string): HTMLElement => make("label", { class: "dial", for: this.dials[knob].id }, make("span", {}, name), this.shown[knob], this.dials[knob]);
    this.frame.root.append(
      style,
      make("label", { for: "text", class: "label" }, "Type: the model reads each character and guesses the next"),
      this.sheet,
      make("p", { class: "legend", id: "legend" }, make("span", { class: "key surprise" }, "bar: its surprise in bits"), make("span", { class: "key weight" }, "shade: what the character before the caret looks at")),
      this.frame.said,
      make("details", {}, make("summary", {}, "or pick a beginning"), make("div", { class: "chips" }, ...chips)),
      this.finding,
      make("div", { class: "controls" }, this.one, this.go, this.undo, make("label", { for: "seed", class: "seed" }, "seed ", this.seedField), this.dice),
      make(
        "div",
        { class: "halves" },
        make("div", {}, make("p", { class: "title" }, "What could come next"), this.bars, this.rest),
        make(
          "div",
          { class: "knobs" },
          make("p", { class: "title" }, "How it is drawn"),
          dial("temperature", "temperature"),
          dial("topK", "top-k: how many of the likeliest"),
          dial("topP", "top-p: the share that they hold"),
          this.plain,
        ),
      ),
      make("p", { class: "title" }, "Its heads, over the last characters"),
      this.grid,
      this.looks,
    );
  }

  private listen(): void {
    this.field.addEventListener("input", () => {
      this.stop();
      this.text = this.field.value;
      this.followCaret();
      void this.read();
    });
    for (const event of ["keyup", "pointerup", "focus", "select", "selectionchange"]) {
      this.field.addEventListener(event, () => {
        if (this.followCaret()) this.draw();
      });
    }
    this.field.addEventListener("focus", () => void this.ready());
    this.one.addEventListener("click", () => {
      this.stop();
      void this.add();
    });
    this.go.addEventListener("click", () => (this.writing ? this.stop() : void this.goOn()));
    this.undo.addEventListener("click", () => {
      this.stop();
      void this.set(this.past.pop() ?? this.text);
    });
    this.seedField.addEventListener("change", () => {
      const seed = Math.round(Number(this.seedField.value));
      this.seed = seed >= 1 && seed <= 9999 ? seed : this.seed;
      this.draw();
    });
    this.dice.addEventListener("click", () => {
      this.seed = (this.seed % 9999) + 1;
      this.draw();
    });
    for (const [knob, dial] of Object.entries(this.dials) as [keyof Knobs, HTMLInputElement][]) {
      dial.addEventListener("input", () => {
        const value = Number(dial.value);
        this.turn({ ...this.knobs, [knob]: knob === "topK" && value === Number(dial.max) ? 0 : value });
      });
    }
    this.plain.addEventListener("click", () => this.turn(PLAIN));
    this.bars.addEventListener("keydown", (event) => this.move(event));
    this.grid.addEventListener("keydown", (event) => this.step(event));
  }

  private turn(knobs: Knobs): void {
    this.knobs = knobs;
    this.draw();
    void this.ready().then((ready) => ready && !this.writing && this.read());
  }

  /** Where the caret is now; whether it moved. */
  private followCaret(): boolean {
    const caret = this.field.selectionEnd;
    const moved = caret !== this.caret;
    this.caret = caret;
    return moved;
  }

  /** Another text, which Undo takes back. */
  private write(text: string): void {
    this.stop();
    this.remember();
    void this.set(text);
  }

  private remember(): void {
    if (this.past.at(-1) !== this.text) this.past.push(this.text);
  }

  private set(text: string, caret = text.length): Promise<boolean> {
    this.text = this.field.value = text;
    this.caret = caret;
    this.field.setSelectionRange(caret, caret);
    return this.read();
  }

  /** Puts a character in at the caret. */
  private async put(character: string): Promise<void> {
    this.stop();
    if (!(await this.ready()) || this.text.length >= MOST) return;
    this.remember();
    await this.set(this.text.slice(0, this.caret) + character + this.text.slice(this.caret), this.caret + 1);
  }

  /** The model writes one character at the end. */
  private async add(remember = true): Promise<boolean> {
    if (!(await this.ready())) return false;
    if (this.text.length >= MOST) {
      this.frame.say(`The sheet holds ${MOST} characters: take some away.`);
      return false;
    }
    if (this.done !== this.text && !(await this.read())) return false;
    const logits = this.reading!.places.at(-1)?.logits;
    if (!logits) {
      this.frame.say("It needs something to go on with: type a character.");
      return false;
    }
    if (remember) this.remember();
    const token = draw(chances(this.allowed(logits), this.knobs), chance(this.seed, this.text.length));
    const written = this.set(this.text + this.character(token));
    this.sheet.scrollTop = this.sheet.scrollHeight;
    return written;
  }

  private async goOn(): Promise<void> {
    if (!(await this.ready())) return;
    const mine = (this.writing = ++this.runs);
    this.remember();
    this.drawGo();
    while (this.writing === mine && (await this.add(false))) await new Promise((next) => setTimeout(next, BEAT));
    if (this.writing === mine) this.stop();
  }

  private stop(): void {
    this.writing = 0;
    this.drawGo();
  }

  private button(head: Head): HTMLButtonElement {
    const button = make("button", { type: "button", class: "head", "aria-label": `layer ${layer(head[0]) + 1}, head ${head[1] + 1}` });
    const choose = (): void => {
      this.head = head;
      this.draw();
    };
    button.addEventListener("click", choose);
    button.addEventListener("focus", choose);
    this.buttons.set(id(head), button);
    return button;
  }

  /** Arrow keys go through the heads. */
  private step(event: KeyboardEvent): void {
    const names = Object.keys(this.given.maps);
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ?? [0, 0];
    const to = this.buttons.get(id([names[names.indexOf(this.head[0]) + down], this.head[1] + right]));
    if ((!down && !right) || !to) return;
    event.preventDefault();
    to.focus();
  }

  /** Arrow keys go through the bars. */
  private move(event: KeyboardEvent): void {
    const buttons = [...this.bars.querySelectorAll("button")];
    const at = buttons.indexOf(event.composedPath()[0] as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons.forEach((one, i) => (one.tabIndex = i === to ? 0 : -1));
    buttons[to].focus();
  }

  // --- what the model does ---------------------------------------------------------------------------------

  private async ready(): Promise<boolean> {
    if (this.reading) return true;
    this.model ??= await this.frame.model();
    if (!this.model) return false;
    this.tokenizer ??= tokenizerFromJson(this.model.extras.tokenizer);
    this.reading ??= new Reading(this.model);
    return true;
  }

  /** Reads the text, a little at a time; false if another text came meanwhile. */
  private async read(): Promise<boolean> {
    const mine = ++this.request;
    if (!(await this.ready())) return false;
    const { text } = this;
    const { longest } = this.given;
    const ids = this.ids(text);
    const known = ids.map((_, i) => i).filter((i) => ids[i] !== undefined);
    // As in Python: when the context is full, the older half goes, for learned positions cannot slide.
    const half = longest / 2 + 1;
    const skip = Math.ceil(Math.max(0, known.length - longest) / half) * half;
    this.places = known.slice(skip);
    this.first = skip ? this.places[0] : 0;
    const tokens = this.places.map((i) => ids[i]!);
    try {
      for (;;) {
        const until = performance.now() + TURN;
        if (this.reading!.read(tokens, () => performance.now() > until)) break;
        await new Promise((next) => setTimeout(next));
        if (mine !== this.request) return false;
      }
    } catch (error) {
      this.frame.say(`This text could not be read: ${message(error)}`, "problem");
      return false;
    }
    if (mine !== this.request) return false;
    const strange = [...new Set([...text].filter((_, i) => ids[i] === undefined))];
    this.frame.say(
      strange.length
        ? `The model never met ${strange.map((one) => `“${one}”`).join(", ")} and skips ${strange.length > 1 ? "them" : "it"}.`
        : skip
          ? `The model reads ${longest} characters at most: it has forgotten the first ${this.first} (hatched).`
          : "",
    );
    this.done = text;
    this.draw();
    this.tell();
    return true;
  }

  /** The id of each character; undefined for one that the model does not know. */
  private ids(text: string): (number | undefined)[] {
    return Array.from({ length: text.length }, (_, i) => (this.given.characters.includes(text[i]) ? this.tokenizer!.encode(text[i])[0] : undefined));
  }

  private character(token: number): string {
    return this.tokenizer!.decode([token]);
  }

  /** The scores, without those of ids that are no character. */
  private allowed(logits: Float32Array): Float32Array {
    return logits.map((one, token) => (this.given.characters.includes(this.character(token) || "none") ? one : -Infinity));
  }

  /** The number, among what the model has read, of the character before the caret; -1 if there is none. */
  private get place(): number {
    return this.places.filter((i) => i < this.caret).length - 1;
  }

  /** Whether the model has read anything; before, the recording speaks. */
  private get begun(): boolean {
    return this.done !== undefined || !!this.reading?.places.length;
  }

  /** What stands in the notebook's state. */
  private tell(): void {
    const costs = this.known().flatMap((one) => one.bits ?? []);
    const { temperature, topK, topP } = this.knobs;
    this.frame.tell({
      text: this.text,
      next: this.candidates().slice(0, SHOWN).map((one) => [one.character, one.after]),
      bits: costs.length ? costs.reduce((a, b) => a + b) / costs.length : 0,
      temperature,
      top_k: topK,
      top_p: topP,
      seed: this.seed,
    });
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  /** All characters, the likeliest first: as the model says, and after the knobs. */
  private candidates(): { character: string; before: number; after: number }[] {
    if (!this.begun) return this.given.next.map(([character, share]) => ({ character, before: share, after: share }));
    const logits = this.reading!.places[this.place]?.logits;
    if (!logits) return [];
    const allowed = this.allowed(logits);
    const [before, after] = [chances(allowed), chances(allowed, this.knobs)];
    return Array.from(before, (share, token) => ({ character: this.character(token), before: share, after: after[token] }))
      .filter((one) => this.given.characters.includes(one.character || "none"))
      .sort((a, b) => b.before - a.before);
  }

  private known(): Known[] {
    if (!this.begun) return [{ read: true }, ...this.given.bits.map((one) => ({ bits: one, read: true }))];
    const found: Known[] = Array.from({ length: this.text.length }, () => ({ read: false }));
    this.places.forEach((i, t) => {
      const [before, here] = [this.reading!.places[t - 1], this.reading!.places[t]];
      found[i] = { read: true, bits: before && here && bits(this.allowed(before.logits), here.token) };
    });
    return found;
  }

  /** The weights of the character before the caret, in one head, on all that was read up to it. */
  private row([name, head]: Head): ArrayLike<number> {
    if (!this.begun) return this.given.maps[name][head].map((w) => w / 100);
    const row = this.reading!.places[this.place]?.rows[name];
    return row ? row.data.subarray(head * row.shape[3], (head + 1) * row.shape[3]) : [];
  }

  private draw(): void {
    this.drawText();
    this.drawBars();
    this.drawHeads();
    this.drawKnobs();
    this.undo.disabled = !this.past.length;
  }

  private drawGo(): void {
    const on = !!this.writing;
    this.go.setAttribute("aria-pressed", String(on));
    this.go.textContent = on ? "Stop" : "Go on";
    this.undo.disabled = !this.past.length;
  }

  private drawText(): void {
    const known = this.known();
    const row = this.row(this.head);
    const weight = new Map<number, number>();
    const places = this.begun ? this.places : Array.from(this.text, (_, i) => i);
    for (let t = 0; t < row.length; t++) weight.set(places[t], row[t]);
    const looking = places[row.length - 1];
    const letters = rows(this.mirror, this.text.length + 1, () => make("span"));
    letters.forEach((span, i) => {
      span.textContent = this.text[i] ?? "\u200b"; // so that a last empty line has its height
      const { bits: cost, read } = known[i] ?? { read: true };
      span.className = [!read && i < this.text.length ? (i < this.first ? "gone" : "strange") : "", i === looking ? "looking" : "", this.text[i] === "\n" ? "end" : "", this.first > 0 && i === this.first ? "first" : ""].join(" ");
      span.style.setProperty("--s", String(Math.min(1, (cost ?? 0) / PEAK)));
      span.style.setProperty("--w", (weight.get(i) ?? 0).toFixed(3));
    });
    const costs = known.flatMap((one) => one.bits ?? []);
    const mean = costs.reduce((a, b) => a + b, 0) / Math.max(1, costs.length);
    const before = known[looking]?.bits;
    const said = before === undefined ? "" : `${quoted(this.text[looking])} had ${percent(2 ** -before)}, which costs ${before.toFixed(1)} bits. `;
    this.finding.textContent = costs.length ? `${said}Mean of ${costs.length}: ${mean.toFixed(2)} bits a character.` : "The first character comes without a guess.";
  }

  private drawBars(): void {
    const all = this.candidates();
    const top = all.slice(0, SHOWN);
    const most = Math.max(...top.map((one) => Math.max(one.before, one.after)), 0.01);
    const changed = this.isChanged();
    this.bars.classList.toggle("changed", changed);
    rows(this.bars, top.length, (i) => this.bar(i)).forEach((item, i) => {
      const button = item.firstElementChild as HTMLButtonElement;
      const { character, before, after } = top[i];
      const [name, track, share] = [...button.children] as HTMLElement[];
      button.dataset.character = character;
      button.classList.toggle("cut", after === 0);
      button.setAttribute("aria-label", `${SPOKEN[character] ?? character}: ${after === 0 ? "cut" : percent(after)}${changed ? `, by the model ${percent(before)}` : ""}; write it`);
      name.dataset.name = NAMES[character] ?? character;
      track.style.setProperty("--before", String(before / most));
      track.style.setProperty("--after", String(after / most));
      share.textContent = after === 0 ? "cut" : percent(after);
      if (![...this.bars.querySelectorAll("button")].some((one) => one.tabIndex === 0)) button.tabIndex = 0;
    });
    const others = all.slice(SHOWN);
    const left = this.begun ? others.reduce((sum, one) => sum + one.after, 0) : Math.max(0, 1 - top.reduce((sum, one) => sum + one.after, 0));
    const count = this.given.characters.length - top.length;
    const cut = others.filter((one) => one.after === 0).length;
    this.rest.textContent = top.length ? `the other ${count} together: ${percent(left)}${cut ? `, ${cut === count ? "all" : cut} cut` : ""}` : "Type a character: the model guesses what follows it.";
  }

  private bar(i: number): HTMLLIElement {
    const button = make("button", { type: "button" }, make("span", { class: "name" }), make("span", { class: "track" }), make("span", { class: "share" }));
    button.tabIndex = i ? -1 : 0;
    button.addEventListener("click", () => void this.put(button.dataset.character!));
    return make("li", {}, button);
  }

  private drawHeads(): void {
    for (const [name, heads] of Object.entries(this.given.maps)) {
      heads.forEach((_, head) => {
        const one: Head = [name, head];
        const button = this.buttons.get(id(one))!;
        const row = Array.from(this.row(one)).slice(-STRIP);
        button.innerHTML = picture(row);
        const current = id(one) === id(this.head);
        button.setAttribute("aria-pressed", String(current));
        button.tabIndex = current ? 0 : -1;
      });
    }
    const row = Array.from(this.row(this.head));
    const most = row.indexOf(Math.max(...row));
    const back = row.length - 1 - most;
    const [name, head] = this.head;
    this.looks.textContent = row.length
      ? `Layer ${layer(name) + 1}, head ${head + 1} looks most at ${back === 0 ? "the character itself" : `${this.quoted(most)}, ${back} before it`}: ${percent(row[most])}.`
      : "";
  }

  /** A character by its number among those that are read. */
  private quoted(place: number): string {
    return quoted(this.text[this.begun ? this.places[place] : place] ?? "");
  }

  private drawKnobs(): void {
    const { temperature, topK, topP } = this.knobs;
    const all = this.given.characters.length;
    this.dials.temperature.value = String(temperature);
    this.dials.topK.value = String(topK || all);
    this.dials.topP.value = String(topP);
    this.shown.temperature.textContent = temperature === 0 ? "0: the likeliest" : temperature.toFixed(2);
    this.shown.topK.textContent = topK ? String(topK) : "all";
    this.shown.topP.textContent = topP === 1 ? "all" : percent(topP);
    for (const [knob, dial] of Object.entries(this.dials) as [keyof Knobs, HTMLInputElement][]) dial.setAttribute("aria-valuetext", this.shown[knob].textContent!);
    this.plain.disabled = !this.isChanged();
    if (this.frame.root.getRootNode() instanceof ShadowRoot && (this.frame.root.getRootNode() as ShadowRoot).activeElement !== this.seedField) this.seedField.value = String(this.seed);
  }

  private isChanged(): boolean {
    return this.knobs.temperature !== 1 || this.knobs.topK !== 0 || this.knobs.topP !== 1;
  }
}

const id = ([name, head]: Head): string => `${name}/${head}`;
const layer = (name: string): number => Number(/\d+/.exec(name)?.[0] ?? 0);
const quoted = (character: string): string => `“${NAMES[character] ?? character}”`;

function percent(share: number): string {
  const hundred = 100 * share;
  return `${hundred >= 99.95 ? "100" : hundred >= 10 ? hundred.toFixed(0) : hundred >= 0.1 ? hundred.toFixed(1) : hundred > 0 ? "< 0.1" : "0"} %`;
}

/** A row of weights as a strip of a few shades, the newest at the right. */
function picture(row: readonly number[]): string {
  const paths = Array.from({ length: SHADES }, () => "");
  row.forEach((weight, i) => {
    const shade = Math.min(SHADES, Math.ceil(weight * SHADES - 0.2));
    if (shade > 0) paths[shade - 1] += `M${STRIP - row.length + i} 0h1v1h-1z`;
  });
  return `<svg viewBox="0 0 ${STRIP} 1" preserveAspectRatio="none" aria-hidden="true">${paths.map((d, i) => (d ? `<path d="${d}" opacity="${(i + 1) / SHADES}"/>` : "")).join("")}</svg>`;
}

const STYLE = `
.lab { --surprise: var(--tf-series-1, #A87400); }
.label { display: block; font-weight: 600; margin-bottom: 0.25rem; }
.sheet { display: grid; max-height: 16.5rem; overflow-y: auto; border: 1px solid var(--soft); border-radius: 8px; background: var(--ground); }
.sheet:focus-within { outline: 3px solid var(--weights); outline-offset: 2px; }
#text, .mirror {
  grid-area: 1 / 1; width: 100%; min-height: 7.4rem; margin: 0; padding: 0.5rem 0.7rem 0.9rem; border: 0; overflow: hidden; resize: none;
  font: 1.06rem/2.15 var(--tf-mono, ui-monospace, "DejaVu Sans Mono", Consolas, monospace); font-variant-ligatures: none; letter-spacing: 0; tab-size: 4;
  white-space: pre-wrap; overflow-wrap: anywhere; word-break: normal; text-align: left;
}
#text { height: 100%; background: transparent; color: var(--ink); caret-color: var(--query); outline-color: transparent; }
.mirror { color: transparent; pointer-events: none; user-select: none; }
.mirror span {
  padding: 0.12em 0 0.62em; border-radius: 2px;
  background:
    linear-gradient(var(--surprise), var(--surprise)) bottom / 100% calc(var(--s, 0) * 0.58em) no-repeat,
    linear-gradient(color-mix(in srgb, var(--weights) calc(var(--w, 0) * 62%), transparent) 0 0) top / 100% calc(100% - 0.6em) no-repeat;
}
.mirror .end { position: relative; }
.mirror .end::before { content: "↵"; position: absolute; left: 0.1em; top: 0; line-height: 1.3; padding: 0 0.15em; border-radius: 2px; color: var(--soft); background: color-mix(in srgb, var(--weights) calc(var(--w, 0) * 62%), transparent); }
.mirror .looking { box-shadow: inset 0 0.14em 0 var(--query); }
.mirror .first { box-shadow: -2px 0 0 var(--ink); }
.mirror .gone, .mirror .strange { background: repeating-linear-gradient(135deg, var(--line) 0 2px, transparent 2px 6px); }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1.2rem; margin: 0.3rem 0 0; font-size: 0.9rem; color: var(--soft); }
.key::before { content: ""; display: inline-block; width: 0.8em; margin-right: 0.4em; }
.surprise::before { height: 0.5em; background: var(--surprise); }
.weight::before { height: 0.9em; background: color-mix(in srgb, var(--weights) 55%, transparent); vertical-align: -0.1em; }
details { margin: 0.2rem 0 0.4rem; } summary { cursor: pointer; color: var(--soft); min-height: 1.6rem; width: fit-content; }
.chips { display: flex; flex-wrap: wrap; gap: 0.4rem; margin-top: 0.4rem; } .chips button { text-align: left; border-radius: 8px; }
.finding { margin: 0.3rem 0; font-weight: 600; min-height: 1.4em; font-variant-numeric: tabular-nums; }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin: 0.5rem 0; }
.seed { margin-left: auto; } .seed input { width: 4.6rem; min-height: 2.2rem; padding: 0 0.4rem; background: var(--ground); border: 1px solid var(--soft); border-radius: 6px; }
.title { margin: 0.7rem 0 0.3rem; font: inherit; font-weight: 600; }
.halves { display: grid; grid-template-columns: 1.2fr 1fr; gap: 0 1.6rem; }
.bars { list-style: none; margin: 0; padding: 0; }
.bars button { display: grid; grid-template-columns: 1.5rem 1fr 4.1rem; gap: 0.4rem; align-items: center; width: 100%; min-height: 1.75rem; padding: 0 0.2rem; border: 0; border-radius: 4px; text-align: left; }
.bars .name { font: 600 1.05rem/1 var(--tf-mono, ui-monospace, monospace); text-align: center; }
.bars .name::after { content: attr(data-name); }
.track { position: relative; height: 1.05rem; }
.track::before, .track::after { content: ""; position: absolute; inset: 0 auto 0 0; border-radius: 2px; }
.track::before { width: calc(var(--after) * 100%); background: var(--weights); }
.changed .track::after { width: calc(var(--before) * 100%); min-width: 3px; border: 1.5px solid var(--ink); box-shadow: 0 0 0 1px var(--ground); }
.cut .track::after { border-style: dashed; background: repeating-linear-gradient(135deg, var(--line) 0 2px, transparent 2px 6px); }
.cut .name { text-decoration: line-through; }
.share { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
.rest, .looks { margin: 0.2rem 0; min-height: 1.4rem; font-size: 0.95rem; color: var(--soft); }
.dial { display: grid; grid-template-columns: 1fr auto; gap: 0 0.6rem; margin-bottom: 0.3rem; }
.dial output { font-weight: 600; font-variant-numeric: tabular-nums; }
.dial input { grid-column: 1 / 3; width: 100%; min-height: 1.8rem; accent-color: var(--weights); }
.layer { display: grid; grid-template-columns: 3.6rem repeat(auto-fit, minmax(2.4rem, 1fr)); gap: 0.35rem; align-items: center; margin-bottom: 0.3rem; }
.number { font-size: 0.9rem; color: var(--soft); }
.head { min-height: 1.75rem; padding: 2px; border-radius: 4px; background: var(--ground); }
.head[aria-pressed="true"] { background: var(--ground); border-color: var(--ink); box-shadow: 0 0 0 2px var(--ink); }
.head svg { display: block; width: 100%; height: 1.2rem; shape-rendering: crispEdges; } .head path { fill: var(--weights); }
@media (max-width: 36rem) {
  .halves { grid-template-columns: 1fr; }
  .seed { margin-left: 0; }
  .layer { grid-template-columns: repeat(auto-fit, minmax(2.4rem, 1fr)); } .number { display: none; }
}
`;
