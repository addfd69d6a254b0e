// The lab of BERT: take a word out of a sentence, and the model says what may have stood there, from the words on both
// sides. Hide what follows the blank, or silence a head, and see the guesses change.

import { ablate } from "../edits.ts";
import type { Edit } from "../graph.ts";
import { best, BlankFiller, moved, parts, replaced, type Part, type Pieces, type Reading } from "../masked.ts";
import { BLANK_STYLE, BlankLine, heads, mapPicture, percent, type Heads } from "../lab/blanks.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { SENTENCE_STYLE, SentenceField } from "../lab/sentence.ts";

/** What Python recorded; the maps are in hundredths, one list of heads for each layer. */
interface Recording {
  text: string;
  labels: string[];
  of: number[];
  /** The guesses for each blank: a piece and its probability. */
  guesses: [string, number][][];
  maps: number[][][][];
  /** By layer and head, how much of the guess for the first blank moves if that head alone is silenced. */
  moves: number[][];
  head: Head;
  examples: string[];
}

/** Layer and head, both from 0. */
type Head = readonly [number, number];

/** A guess, and how probable it was before the reader's hand. */
interface Shown {
  piece: string;
  probability: number;
  before?: number;
}

/** All that undo brings back. */
interface Moment {
  text: string;
  taken: Map<number, string>;
  silent: Head[];
  blank: number;
}

const GUESSES = 6;
const LETTERS = 400;
const PAUSE = 250; // milliseconds without a hand, then each head is tried

export default function fillInTheBlank(frame: Frame): Lab {
  return new FillInTheBlank(frame);
}

class FillInTheBlank implements Lab {
  private text: string;
  private cut: Part[];
  private pieces: Pieces;
  /** The guesses for each blank, and how probable the word is that was taken out of it. */
  private guesses: Shown[][];
  private first: (Shown | undefined)[] = []; // the first guess before the reader's hand
  private own: ({ word: string; probability: number } | undefined)[] = [];
  private maps: Heads[];
  /** How much of the guess moves if a head alone is silenced, by the head; empty until it was tried. */
  private readonly moves = new Map<string, number>();
  /** Words that were taken out by a press, by the number of their part. */
  private taken = new Map<number, string>();
  private blank = 0; // the one that is looked from
  private head: Head;
  private silent: Head[] = [];
  private hide = false;

  private filler?: BlankFiller;
  private reading?: Reading;
  private history: Moment[] = [];
  private turn = 0;

  private readonly field: SentenceField;
  private readonly line = new BlankLine({ take: (part) => void this.take(part), choose: (blank) => void this.choose(blank) });
  private readonly finding = make("p", { class: "finding", role: "status" });
  private readonly answers = make("div", { class: "answers" });
  private readonly grid = make("div", { class: "maps", role: "group", "aria-label": "The heads: press one to see where it looks" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly shown = make("p", { class: "shown" });
  private readonly quiet = make("button", { type: "button", "aria-pressed": "false" }, "Silence it");
  private readonly back = make("button", { type: "button", disabled: "" }, "All heads back");
  private readonly undo = make("button", { type: "button", disabled: "" }, "Undo");
  private readonly left = make("button", { type: "button", "aria-pressed": "false" }, "Hide what follows the blank");

  constructor(private readonly frame: Frame) {
    const recorded = frame.recording as Recording;
    this.text = recorded.text;
    this.cut = parts(this.text);
    this.pieces = { ids: recorded.of.map(() => 0), of: recorded.of, labels: recorded.labels };
    this.guesses = recorded.guesses.map((list) => list.map(([piece, probability]) => ({ piece, probability })));
    this.maps = recorded.maps.map((heads) => heads.map((map) => map.map((row) => row.map((w) => w / 100))));
    this.head = recorded.head;
    recorded.moves.forEach((layer, i) => layer.forEach((moves, head) => this.moves.set(id([i, head]), moves)));
    this.field = new SentenceField({
      label: "An English sentence; write _ for a blank, or press a word below",
      examples: recorded.examples,
      lang: "en",
      read: (text, picked) => void this.type(text, picked),
      touched: () => void this.ready(),
    });
    this.field.text = this.text;
    this.layOut();
    this.listen();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    const known = ([layer, head]: Head): boolean => this.buttons.has(id([layer, head]));
    if (Array.isArray(state.silent)) this.silent = (state.silent as Head[]).filter(known);
    if (typeof state.hidden === "boolean") this.hide = state.hidden;
    if (typeof state.text === "string") this.field.text = state.text;
    this.taken.clear();
    void this.read(this.field.text);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = SENTENCE_STYLE + BLANK_STYLE + STYLE;
    this.maps.forEach((heads, layer) => {
      const row = make("div", { class: "layer" }, make("span", { class: "number", "aria-hidden": "true" }, `layer ${layer + 1}`));
      heads.forEach((_, head) => row.append(this.button([layer, head])));
      this.grid.append(row);
    });
    this.grid.style.setProperty("--heads", String(this.maps[0].length));
    const { label, input, examples } = this.field;
    this.frame.root.append(
      style,
      label,
      input,
      this.frame.said,
      examples,
      this.line.element,
      make("div", { class: "controls" }, this.left, this.undo),
      this.finding,
      make(
        "div",
        { class: "stage" },
        this.answers,
        make("div", {}, make("p", { class: "kind" }, "Where each head looks"), this.grid, this.shown, make("div", { class: "controls" }, this.quiet, this.back)),
      ),
    );
  }

  private button(head: Head): HTMLButtonElement {
    const button = make("button", { type: "button", class: "map" }, make("span", { class: "picture" }), make("span", { class: "move" }));
    const point = (): void => this.point(head);
    button.addEventListener("focus", point);
    button.addEventListener("click", point);
    this.buttons.set(id(head), button);
    return button;
  }

  private listen(): void {
    this.left.addEventListener("click", async () => {
      if (!(await this.ready())) return;
      this.hide = !this.hide;
      this.run();
    });
    this.undo.addEventListener("click", () => {
      const was = this.history.pop();
      if (!was) return;
      Object.assign(this, { taken: was.taken, silent: was.silent, blank: was.blank });
      this.field.text = was.text;
      void this.read(was.text);
    });
    this.quiet.addEventListener("click", async () => {
      if (!(await this.ready())) return;
      this.keep();
      const rest = this.silent.filter((one) => id(one) !== id(this.head));
      this.silent = rest.length < this.silent.length ? rest : [...rest, this.head];
      this.run();
    });
    this.back.addEventListener("click", () => {
      this.keep();
      this.silent = [];
      this.run();
    });
    this.grid.addEventListener("keydown", (event) => {
      const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ?? [0, 0];
      const to = this.buttons.get(id([this.head[0] + down, this.head[1] + right]));
      if (!to || !(down || right)) return;
      event.preventDefault();
      to.focus();
    });
  }

  private point(head: Head): void {
    if (id(head) === id(this.head)) return;
    this.head = head;
    this.draw();
  }

  /** What Undo brings back. */
  private keep(): void {
    this.history.push({ text: this.text, taken: new Map(this.taken), silent: [...this.silent], blank: this.blank });
  }

  private async type(text: string, picked: boolean): Promise<void> {
    if (picked) {
      this.keep();
      this.taken.clear();
      this.blank = 0;
    }
    await this.read(text);
  }

  /** A word becomes a blank. */
  private async take(part: number): Promise<void> {
    if (!(await this.ready()) || this.cut[part]?.blank !== false) return;
    this.keep();
    this.taken.set(part, this.cut[part].text);
    this.blank = this.cut.slice(0, part).filter((one) => one.blank).length;
    await this.say(replaced(this.text, this.cut[part], "_"));
  }

  private async choose(blank: number): Promise<void> {
    if (!(await this.ready())) return;
    this.blank = blank;
    this.run();
  }

  /** A blank is filled. */
  private async fill(blank: number, by: string): Promise<void> {
    if (!(await this.ready())) return;
    const part = this.cut.findIndex((one, i) => one.blank && this.cut.slice(0, i).filter((other) => other.blank).length === blank);
    if (part < 0) return;
    this.keep();
    const glued = by.startsWith("·") && part > 0 && !this.cut[part - 1].blank;
    const text = replaced(this.text, this.cut[part], by.startsWith("·") && !glued ? by.slice(1) : by);
    this.taken = new Map([...this.taken].filter(([i]) => i !== part).map(([i, word]) => [glued && i > part ? i - 1 : i, word]));
    if (blank < this.blank || this.blank > 0) this.blank = Math.max(0, this.blank - Number(blank <= this.blank));
    await this.say(text);
    // Where the pressed guess was, there may be none now: the hand goes back to the words.
    if (!this.frame.root.contains((this.frame.root.getRootNode() as ShadowRoot).activeElement)) this.line.element.querySelector<HTMLElement>("button[tabindex='0']")?.focus();
  }

  private async say(text: string): Promise<void> {
    this.field.text = text;
    await this.read(text);
  }

  // --- what the model does ---------------------------------------------------------------------------------

  private async ready(): Promise<boolean> {
    const model = await this.frame.model();
    if (!model) return false;
    if (!this.filler) {
      this.filler = new BlankFiller(model);
      this.pieces = this.filler.pieces(this.cut);
    }
    return true;
  }

  private async read(text: string): Promise<void> {
    const cut = parts(text);
    if (!cut.length) return this.frame.say("Type an English sentence; a word of it, pressed, becomes a blank.");
    if (text.length > LETTERS) return this.frame.say(`That is ${text.length} letters. The model reads one sentence or two: type at most ${LETTERS} letters.`);
    if (!(await this.ready()) || this.field.text !== text) return; // no model, or one typed on
    const pieces = this.filler!.pieces(cut);
    const { longest, unk } = this.filler!.facts;
    if (pieces.ids.length > longest) {
      return this.frame.say(`The model reads this as ${pieces.ids.length} pieces, and it has learned ${longest} places. Take some words away.`);
    }
    const strange = cut.filter((_, i) => pieces.ids.some((one, place) => one === unk && pieces.of[place] === i));
    const split = cut.filter((_, i) => pieces.of.filter((one) => one === i).length > 1);
    const notes = [
      strange.length ? `It can't spell ${list(strange)}, and reads a word without a meaning.` : "",
      split.length ? `It has no piece for ${list(split)}, and reads ${split.length > 1 ? "them" : "it"} in several.` : "",
    ];
    this.frame.say(notes.filter(Boolean).join(" "));
    for (const [part] of this.taken) if (!cut[part]?.blank) this.taken.delete(part);
    this.text = text;
    this.cut = cut;
    this.pieces = pieces;
    this.run();
  }

  /** The places of the blanks. */
  private get places(): number[] {
    return this.cut.flatMap((part, i) => (part.blank ? [this.pieces.of.indexOf(i)] : []));
  }

  /** Reads the text: as it is, and, if the reader's hand is in it, with what the hand did. */
  private run(): void {
    this.turn++;
    try {
      const filler = this.filler!;
      const { ids } = this.pieces;
      const places = this.places;
      this.blank = Math.max(0, Math.min(this.blank, places.length - 1));
      const whole = filler.read(ids);
      const touched = this.hide || this.silent.length > 0;
      const edits = this.edits();
      const readings = places.map((place) => (touched ? filler.read(ids, { edits, hidden: this.hide ? this.after(place) : undefined }) : whole));
      this.first = [];
      this.guesses = readings.map((reading, i) => {
        const [now, before] = [reading.probabilities(places[i]), whole.probabilities(places[i])];
        const named = (one: number, probability: number): Shown => ({ piece: filler.labels([one])[0], probability, before: touched ? before[one] : undefined });
        const [found, [first]] = [best(now, GUESSES, filler.specials), best(before, 1, filler.specials)];
        if (!found.includes(first)) found[GUESSES - 1] = first; // so that one sees it fall
        this.first.push(touched ? named(first, before[first]) : undefined);
        return found.map((one) => named(one, now[one]));
      });
      const blanks = this.cut.flatMap((part, i) => (part.blank ? [i] : []));
      this.own = readings.map((reading, i) => {
        const word = this.taken.get(blanks[i]);
        const own = word === undefined ? [] : filler.tokenizer.encode(word);
        return word === undefined ? undefined : { word, probability: own.length === 1 ? reading.probabilities(places[i])[own[0]] : NaN };
      });
      this.reading = readings[this.blank] ?? (touched ? filler.read(ids, { edits }) : whole);
      this.maps = filler.maps.map((name) => heads(this.reading!.map(name)));
      this.moves.clear();
      this.draw();
      this.tell();
      window.setTimeout(() => void this.tryEachHead(this.turn), PAUSE);
    } catch (error) {
      this.frame.say(`This sentence could not be read: ${message(error)}`, "problem");
    }
  }

  /** Which places stand after one, the end left out. */
  private after(place: number): boolean[] {
    return this.pieces.ids.map((_, other) => other > place && other < this.pieces.ids.length - 1);
  }

  /** Silences each head alone, and notes how much of the guess that moves. */
  private async tryEachHead(turn: number): Promise<void> {
    const place = this.places[this.blank];
    if (place === undefined) return;
    const now = this.reading!.probabilities(place);
    const edits = this.edits();
    for (const [layer, name] of this.filler!.maps.entries()) {
      for (let head = 0; head < this.maps[layer].length; head++) {
        if (turn !== this.turn) return;
        const run = this.reading!.run;
        run.edit(name, both(edits[name], ablate(head)));
        this.moves.set(id([layer, head]), moved(now, this.reading!.probabilities(place)));
        run.edit(name, edits[name]);
        await new Promise((resolve) => window.setTimeout(resolve));
      }
    }
    if (turn === this.turn) this.drawMaps();
  }

  /** The silence of the silent heads, by the names of their maps. */
  private edits(): Record<string, Edit> {
    const edits: Record<string, Edit> = {};
    for (const [layer, head] of this.silent) {
      const name = this.filler!.maps[layer];
      edits[name] = both(edits[name], ablate(head));
    }
    return edits;
  }

  private tell(): void {
    this.frame.tell({
      text: this.text,
      pieces: this.pieces.labels,
      guesses: this.guesses.map((list) => list.map(({ piece, probability }) => [piece, probability])),
      silent: this.silent.map((one) => [...one]),
      hidden: this.hide,
    });
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const places = this.places;
    const place = places[this.blank] ?? -1;
    const { labels, of } = this.pieces;
    this.line.draw({
      cut: this.cut,
      labels,
      of,
      from: place,
      weights: place < 0 ? undefined : Array.from(this.maps[this.head[0]][this.head[1]][place]),
      hidden: this.hide && place >= 0 ? place + 1 : undefined,
      guesses: this.guesses.map((list) => (list[0]?.probability >= 0.005 ? list[0].piece : "")),
    });
    rows(this.answers, places.length, () => make("div", { role: "group" }, make("p", { class: "kind" }), make("ol", { class: "guesses" }), make("p", { class: "own" }))).forEach(
      (group, blank) => this.drawGuesses(group, blank),
    );
    this.left.setAttribute("aria-pressed", String(this.hide));
    this.left.disabled = !places.length;
    this.undo.disabled = !this.history.length;
    this.finding.replaceChildren(...this.news(places.length));
    this.drawMaps();
  }

  private drawGuesses(group: HTMLElement, blank: number): void {
    const [kind, guesses, own] = group.children as unknown as [HTMLElement, HTMLOListElement, HTMLElement];
    const several = this.guesses.length > 1;
    kind.textContent = several ? `Guesses for blank ${blank + 1}` : "Guesses for the blank";
    group.setAttribute("aria-label", kind.textContent);
    group.classList.toggle("current", several && blank === this.blank);
    const mine = this.own[blank];
    rows(guesses, this.guesses[blank].length, (row) => this.guessRow(row)).forEach((item, row) => {
      const { piece, probability, before } = this.guesses[blank][row];
      const button = item.firstElementChild as HTMLButtonElement;
      const [word, bar, share] = button.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
      const right = mine !== undefined && mine.word.toLowerCase() === piece;
      word.textContent = right ? `✓ ${piece}` : piece;
      bar.style.setProperty("--p", String(probability));
      bar.style.setProperty("--before", before === undefined ? "-1" : String(before));
      share.textContent = percent(probability);
      const was = before === undefined || Math.abs(before - probability) < 0.005 ? "" : `, was ${percent(before)}`;
      button.setAttribute("aria-description", `press to put it in${right ? ": it stood here" : ""}${was}`);
      button.dataset.blank = String(blank);
      button.dataset.piece = piece;
    });
    if (!mine) return own.replaceChildren();
    const back = own.querySelector("button") ?? make("button", { type: "button" });
    back.textContent = `Put “${mine.word}” back`;
    back.onclick = () => void this.fill(blank, mine.word);
    const says = Number.isNaN(mine.probability) ? "it is several pieces, and a blank holds one. " : `${percent(mine.probability)}. `;
    own.replaceChildren(`Here stood “${mine.word}”: ${says}`, back);
  }

  private guessRow(row: number): HTMLLIElement {
    const button = make("button", { type: "button" }, make("span", { class: "word" }), make("span", { class: "bar" }), make("span", { class: "share" }));
    button.dataset.row = String(row);
    button.addEventListener("click", () => void this.fill(Number(button.dataset.blank), button.dataset.piece!));
    return make("li", {}, button);
  }

  /** What has happened, in words. */
  private news(count: number): (Node | string)[] {
    if (!count) return ["There is no blank: press a word, and it becomes one."];
    const now = this.guesses[this.blank][0];
    if (!now) return [];
    const says = [make("b", {}, `“${now.piece}”`), `, ${percent(now.probability)}`];
    const touched = [this.hide ? "from the words before the blank alone" : "", this.silent.length ? `with ${this.silent.length} head${this.silent.length > 1 ? "s" : ""} silent` : ""].filter(Boolean).join(" and ");
    if (!touched) return ["From the words on both sides: ", ...says, "."];
    const [was, Touched] = [this.first[this.blank]!, touched[0].toUpperCase() + touched.slice(1)];
    const before = was.piece === now.piece ? `; untouched, ${percent(was.probability)}.` : `; untouched, “${was.piece}”, ${percent(was.probability)}.`;
    return [`${Touched}: `, ...says, before, this.hide ? " It was never trained on half a sentence." : ""];
  }

  private drawMaps(): void {
    const place = this.places[this.blank] ?? -1;
    for (const [key, button] of this.buttons) {
      const [layer, head] = key.split("/").map(Number);
      const [picture, move] = button.children as unknown as [HTMLElement, HTMLElement];
      picture.innerHTML = mapPicture(this.maps[layer][head], place);
      const moves = this.moves.get(key);
      move.style.setProperty("--p", String(moves ?? 0));
      const silent = this.isSilent([layer, head]);
      button.classList.toggle("silent", silent);
      button.tabIndex = key === id(this.head) ? 0 : -1;
      if (key === id(this.head)) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      const says = silent ? ", silent" : moves === undefined ? "" : `, its silence moves ${percent(moves)} of the guess`;
      button.setAttribute("aria-label", `Layer ${layer + 1}, head ${head + 1}${says}`);
    }
    const silent = this.isSilent(this.head);
    const moves = this.moves.get(id(this.head));
    const name = `Layer ${this.head[0] + 1}, head ${this.head[1] + 1}`;
    const says = silent ? ": silent" : moves === undefined ? "" : `: without it, ${percent(moves)} of the guess moves`;
    this.shown.textContent = `${name}${says}. The bar under each map says how much its head alone moves.`;
    this.quiet.textContent = silent ? "Let it speak" : "Silence it";
    this.quiet.setAttribute("aria-pressed", String(silent));
    this.back.disabled = !this.silent.length;
  }

  private isSilent(head: Head): boolean {
    return this.silent.some((one) => id(one) === id(head));
  }
}

const id = ([layer, head]: Head): string => `${layer}/${head}`;
const list = (some: Part[]): string => some.map((part) => `“${part.text}”`).join(", ");

/** One change after the other. */
function both(first: Edit | undefined, second: Edit): Edit {
  return (map, row) => {
    first?.(map, row);
    second(map, row);
  };
}

const STYLE = `
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0.7rem 0; }
.finding { margin: 0.4rem 0 0.8rem; min-height: 1.5rem; font-size: 1.1rem; }
.stage { display: grid; gap: 1.2rem 1.6rem; }
.kind { margin: 0 0 0.3rem; font-weight: 600; font-size: 0.95rem; }
.answers { display: grid; gap: 0.9rem; align-content: start; }
.answers .current .kind { color: var(--query); text-decoration: underline; }
.guesses { list-style: none; margin: 0; padding: 0; }
.guesses button { display: grid; grid-template-columns: 7rem 1fr 3.4rem; gap: 0.5rem; align-items: center; width: 100%; min-height: 2rem; padding: 0 0.3rem; border: 0; border-radius: 6px; text-align: left; }
.word { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar { position: relative; height: 0.9rem; background: linear-gradient(to right, var(--tf-series-4, #2388C6) calc(var(--p) * 100%), var(--panel) 0); border-radius: 3px; overflow: hidden; }
.bar::after { content: ""; position: absolute; inset: 0 auto 0 calc(var(--before, -1) * 100% - 1.5px); width: 3px; background: var(--ink); }
.share { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.own { margin: 0.3rem 0 0; font-size: 0.95rem; color: var(--soft); }
.own button { min-height: 2rem; color: var(--ink); }
.layer { display: grid; grid-template-columns: 3.4rem repeat(var(--heads), minmax(2.2rem, 4.4rem)); gap: 0.4rem; align-items: center; margin-bottom: 0.4rem; }
.number { font-size: 0.9rem; color: var(--soft); }
.map { position: relative; padding: 2px; border-radius: 4px; min-height: 0; border: 1px solid var(--soft); background: var(--ground); }
.map[aria-current] { box-shadow: 0 0 0 2px var(--ink); }
.map.silent { border-style: dashed; }
.map.silent .picture { opacity: 0.25; }
.map.silent::after { content: "×"; position: absolute; inset: 0; display: grid; place-items: center; font-size: 1.6rem; color: var(--ink); }
.picture { display: block; aspect-ratio: 1; }
.picture svg { display: block; width: 100%; height: 100%; }
.picture path { fill: var(--weights); shape-rendering: crispEdges; }
.picture rect { fill: none; stroke: var(--query); stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
.move { display: block; height: 5px; margin-top: 2px; background: linear-gradient(to right, var(--ink) calc(var(--p, 0) * 100%), var(--panel) 0); }
.shown { margin: 0.3rem 0 0; min-height: 2.8rem; font-size: 0.95rem; color: var(--soft); }
@media (min-width: 45rem) { .stage { grid-template-columns: 1fr 1fr; } }
`;
