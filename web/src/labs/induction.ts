// The lab "Induction": a block of random letters comes again, and a model of two attention layers, which has never seen
// the block, knows the second time what follows. The reader changes letters, sees on which edges it rests, and cuts them.
//
// The rows stand under each other, so the two edges of the mechanism have a shape: one step to the left in the first
// layer, and up and one to the right in the second.

import { cut } from "../edits.ts";
import type { Edits } from "../graph.ts";
import type { Model } from "../model.ts";
import { tensor, type Tensor } from "../tensor.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { others, previous, randomBlock, successors } from "../lab/repeats.ts";

/** What one way to run a model says of one text; for each character but the first, what was foretold for it. */
interface Result {
  /** The character that was taken to be likeliest. */
  readonly guess: readonly string[];
  /** How likely the true one was. */
  readonly odds: readonly number[];
  /** The weights of one head of each layer, see `Recording.heads`: rows are queries. */
  readonly maps: readonly (readonly (readonly number[])[])[];
}

/** What Python recorded. */
interface Recording {
  text: string;
  results: Record<Way, Result>;
  /** Of many other texts with blocks of that length. */
  many: Record<Way, Score>;
  /** Which head of each layer is drawn: in the first the best at the letter before, in the second at the successor. */
  heads: { two: number[]; one: number[] };
  symbols: string;
  letters: string;
  small: string;
}

interface Score {
  /** The share of right guesses in the second row, from its second character on. */
  readonly accuracy: number;
  /** In nats a character. */
  readonly loss: number;
}

const WAYS = ["whole", "previous", "successor", "others", "one"] as const;
type Way = (typeof WAYS)[number];
const NAMES: Record<Way, string> = {
  whole: "two layers, whole",
  previous: "layer 1: letter before cut",
  successor: "layer 2: successor cut",
  others: "both: as many others cut",
  one: "one layer, whole",
};
const [SHORTEST, LONGEST] = [4, 14];
const MANY = 32; // other texts
const PEAK = 9; // nats: the longest bar
const LEAST = 0.08; // thinner edges are not drawn
const TURN = 12; // milliseconds of work at a time

interface Moment {
  readonly text: string;
  readonly seed: number;
}

export default function induction(frame: Frame): Lab {
  return new Induction(frame);
}

class Induction implements Lab {
  private readonly given: Recording;
  private now: Moment;
  private readonly past: Moment[] = [];
  private way: Way = "whole";
  /** The place of the character that looks. */
  private place: number;
  private results: Record<Way, Result>;
  private many: Record<Way, Score> | undefined;
  private manyOf: number; // the length of their blocks

  private models?: { two: Model; one: Model };
  private request = 0;

  private readonly board = make("div", { class: "board", role: "group", "aria-label": "The sequence: a block, and the block again" });
  private readonly edges = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly finding = make("p", { class: "finding", role: "status" });
  private readonly letter = make("select", { id: "letter" });
  private readonly size = make("input", { type: "range", id: "size", min: String(SHORTEST), max: String(LONGEST), step: "1" });
  private readonly sized = make("output", { for: "size" });
  private readonly fresh = make("button", { type: "button" }, "New block");
  private readonly again = make("button", { type: "button" }, "Copy row 1 to row 2");
  private readonly undo = make("button", { type: "button", disabled: "" }, "Undo");
  private readonly ways = make("div", { class: "ways", role: "group", "aria-label": "What runs" });
  private readonly note = make("p", { class: "note" });

  constructor(private readonly frame: Frame) {
    this.given = frame.recording as Recording;
    this.now = { text: this.given.text, seed: 1 };
    this.results = this.given.results;
    this.many = this.given.many;
    this.manyOf = this.block;
    this.place = this.block + 1;
    this.layOut();
    this.listen();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    if (typeof state.way === "string" && (WAYS as readonly string[]).includes(state.way)) this.way = state.way as Way;
    const text = typeof state.text === "string" ? state.text : this.now.text;
    const fits = text.length % 2 === 0 && text.length >= 2 * SHORTEST && text.length <= 2 * LONGEST;
    if (!fits || [...text].some((one) => !this.given.symbols.includes(one))) {
      return this.frame.say(`A sequence here is two rows of ${SHORTEST} to ${LONGEST} letters or digits each.`);
    }
    void this.act({ ...this.now, text });
  }

  private get block(): number {
    return this.now.text.length / 2;
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = STYLE;
    this.edges.setAttribute("aria-hidden", "true");
    this.letter.append(...[...this.given.letters].map((one) => make("option", { value: one }, one)));
    for (const way of WAYS) {
      const button = make("button", { type: "button" }, make("span", { class: "what" }, NAMES[way]), make("span", { class: "bar" }), make("span", { class: "score" }), make("span", { class: "many" }));
      button.addEventListener("click", () => {
        this.way = way;
        this.draw();
        void this.run();
      });
      this.ways.append(button);
    }
    this.frame.root.append(
      style,
      make("p", { class: "lead" }, "Random letters, and the same again. Under each letter: what the model expected there. ", make("span", { class: "query" }, "▲ Choose a letter"), " to see where it looks; type another to change it."),
      make("div", { class: "stage" }, this.board, this.edges),
      make("p", { class: "legend" }, make("span", { class: "key first" }, "a head of layer 1 looks"), make("span", { class: "key second" }, "a head of layer 2 looks"), make("span", { class: "key lit" }, "the model was sure of this letter")),
      this.finding,
      make(
        "div",
        { class: "controls" },
        this.fresh,
        this.again,
        this.undo,
        make("label", { for: "letter", class: "pick" }, "letter ", this.letter),
        make("label", { for: "size", class: "dial" }, "block of ", this.sized, this.size),
      ),
      this.frame.said,
      make("p", { class: "title" }, "Second row, from its second letter on: loss in nats, and right guesses"),
      this.ways,
      this.note,
    );
  }

  private listen(): void {
    this.fresh.addEventListener("click", () => this.renew(this.block));
    this.again.addEventListener("click", () => void this.act({ ...this.now, text: this.now.text.slice(0, this.block).repeat(2) }));
    this.undo.addEventListener("click", () => {
      this.now = this.past.pop() ?? this.now;
      void this.run();
    });
    this.size.addEventListener("input", () => this.renew(Number(this.size.value)));
    this.letter.addEventListener("change", () => this.change(this.letter.value));
    this.board.addEventListener("keydown", (event) => this.key(event));
    this.frame.root.addEventListener("pointerdown", () => void this.ready(), { once: true });
    this.frame.root.addEventListener("keydown", () => void this.ready(), { once: true });
    new ResizeObserver(() => this.drawEdges()).observe(this.board);
  }

  /** A new block of so many letters. */
  private renew(size: number): void {
    const seed = this.now.seed + 1;
    void this.act({ text: randomBlock(this.given.letters, size, seed).repeat(2), seed });
  }

  /** One thing done, which Undo takes back. */
  private async act(next: Moment): Promise<void> {
    if (next.text !== this.now.text) this.past.push(this.now);
    this.place = next.text.length === this.now.text.length ? this.place : next.text.length / 2 + 1;
    this.now = next;
    await this.run();
  }

  private change(letter: string): void {
    const { text } = this.now;
    void this.act({ ...this.now, text: text.slice(0, this.place) + letter + text.slice(this.place + 1) });
  }

  private choose(place: number): void {
    if (place === this.place) return;
    this.place = place;
    this.draw();
  }

  /** Arrow keys go through the letters; a letter takes the place of the one that is chosen. */
  private key(event: KeyboardEvent): void {
    const { block } = this;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: block, ArrowUp: -block }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? 2 * block - 1 : step === undefined ? -1 : this.place + step;
    if (this.cells[to]) {
      event.preventDefault();
      this.cells[to].focus();
    } else if (event.key.length === 1 && event.key !== " " && this.given.symbols.includes(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.change(event.key);
    }
  }

  private get cells(): HTMLElement[] {
    return [...this.board.children] as HTMLElement[];
  }

  // --- what the models do ----------------------------------------------------------------------------------

  private async ready(): Promise<boolean> {
    if (this.models) return true;
    const [two, one] = await Promise.all([this.frame.model(), this.frame.model(this.given.small)]);
    if (two && one) this.models = { two, one };
    return !!this.models;
  }

  /** Runs the text in all ways; then, a little at a time, many other texts. */
  private async run(): Promise<void> {
    const mine = ++this.request;
    if (!(await this.ready()) || mine !== this.request) return;
    try {
      this.results = Object.fromEntries(WAYS.map((way) => [way, this.result(way, this.now.text, true)])) as Record<Way, Result>;
    } catch (error) {
      return this.frame.say(`This sequence could not be read: ${message(error)}`, "problem");
    }
    this.frame.say("");
    if (this.manyOf !== this.block) this.many = undefined;
    this.draw();
    const { accuracy, loss } = this.score(this.results[this.way], this.now.text);
    this.frame.tell({ text: this.now.text, way: this.way, accuracy, loss, guess: this.results[this.way].guess.join("") });
    if (!this.many) await this.compare(mine);
  }

  private async compare(mine: number): Promise<void> {
    const { block } = this;
    const sums = WAYS.map(() => ({ accuracy: 0, loss: 0 }));
    let until = performance.now() + TURN;
    for (let seed = 0; seed < MANY; seed++) {
      const text = randomBlock(this.given.letters, block, 10_000 + seed).repeat(2);
      for (const [i, way] of WAYS.entries()) {
        const { accuracy, loss } = this.score(this.result(way, text), text);
        sums[i] = { accuracy: sums[i].accuracy + accuracy / MANY, loss: sums[i].loss + loss / MANY };
        if (performance.now() < until) continue;
        await new Promise((next) => setTimeout(next));
        if (mine !== this.request) return;
        until = performance.now() + TURN;
      }
    }
    this.many = Object.fromEntries(WAYS.map((way, i) => [way, sums[i]])) as Record<Way, Score>;
    this.manyOf = block;
    this.draw();
  }

  private result(way: Way, text: string, maps = false): Result {
    const graph = this.models![way === "one" ? "one" : "two"].graph("model");
    const { symbols } = this.given;
    const ids = Array.from(text, (one) => symbols.indexOf(one));
    const run = graph.run({ tokens: tensor(ids, [1, ids.length], "int64") }, this.edits(way, text));
    const logits = run.get("output");
    const V = logits.shape[2];
    const [guess, odds]: [string[], number[]] = [[], []];
    for (let t = 0; t + 1 < ids.length; t++) {
      const row = logits.data.subarray(t * V, (t + 1) * V) as Float32Array;
      const best = row.indexOf(Math.max(...row));
      const sum = row.reduce((all, one) => all + Math.exp(one - row[best]), 0);
      guess.push(symbols[best]);
      odds.push(Math.exp(row[ids[t + 1]] - row[best]) / sum);
    }
    return { guess, odds, maps: maps ? this.names(way).map((name, i) => rowsOf(run.get(name), this.heads(way)[i])) : [] };
  }

  private names(way: Way): string[] {
    return Object.keys(this.models![way === "one" ? "one" : "two"].graph("model").description.maps);
  }

  private heads(way: Way): readonly number[] {
    return this.given.heads[way === "one" ? "one" : "two"];
  }

  private edits(way: Way, text: string): Edits {
    const [first, second] = this.names("whole");
    const [before, after] = [previous(text.length), successors(text)];
    if (way === "previous") return { [first]: cut(before) };
    if (way === "successor") return { [second]: cut(after) };
    if (way === "others") return { [first]: cut(others(before, 1)), [second]: cut(others(after, 2)) };
    return {};
  }

  /** Of the second row, from its second letter on: the first cannot be known. */
  private score({ guess, odds }: Result, text: string): Score {
    const places = odds.map((_, t) => t).slice(text.length / 2);
    const share = (one: (t: number) => number): number => places.reduce((sum, t) => sum + one(t), 0) / places.length;
    return { accuracy: share((t) => Number(guess[t] === text[t + 1])), loss: share((t) => -Math.log(Math.max(odds[t], 1e-12))) };
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const { text } = this.now;
    const { block } = this;
    const { guess, odds } = this.results[this.way];
    this.board.style.setProperty("--n", String(block));
    rows(this.board, text.length, (place) => this.cell(place)).forEach((cell, place) => {
      const [letter, mark] = [...cell.children] as HTMLElement[];
      const [foretold, share] = [guess[place - 1], odds[place - 1] ?? 0];
      const right = foretold === text[place];
      letter.textContent = text[place];
      mark.dataset.mark = place === 0 ? "" : right ? "✓" : `✗${foretold}`;
      cell.classList.toggle("second", place >= block);
      cell.classList.toggle("right", right);
      cell.classList.toggle("broken", place >= block && text[place] !== text[place - block]);
      cell.style.setProperty("--p", share.toFixed(3));
      cell.tabIndex = place === this.place ? 0 : -1;
      cell.setAttribute("aria-pressed", String(place === this.place));
      const expected = place === 0 ? "" : right ? `, expected, ${percent(share)}` : `, not expected: ${foretold}`;
      cell.setAttribute("aria-label", `${text[place]}, row ${place < block ? 1 : 2}${expected}`);
    });
    const known = [...this.letter.options].some((one) => one.value === text[this.place]);
    if (!known) this.letter.append(make("option", { value: text[this.place] }, text[this.place]));
    this.letter.value = text[this.place];
    this.size.value = this.sized.textContent = String(block);
    this.undo.disabled = !this.past.length;
    this.again.disabled = text.slice(0, block) === text.slice(block);
    this.finding.textContent = this.found();
    this.drawWays();
    this.drawEdges();
  }

  private cell(place: number): HTMLButtonElement {
    const button = make("button", { type: "button", class: "cell" }, make("span", { class: "letter" }), make("span", { class: "mark" }));
    button.addEventListener("click", () => this.choose(place));
    button.addEventListener("focus", () => this.choose(place));
    return button;
  }

  private drawWays(): void {
    [...this.ways.children].forEach((button, i) => {
      const way = WAYS[i];
      const { accuracy, loss } = this.score(this.results[way], this.now.text);
      const count = this.block - 1;
      const [, bar, score, many] = [...button.children] as HTMLElement[];
      button.setAttribute("aria-pressed", String(way === this.way));
      bar.style.setProperty("--loss", String(Math.min(1, loss / PEAK)));
      bar.style.setProperty("--mean", String(Math.min(1, (this.many?.[way].loss ?? 0) / PEAK)));
      bar.classList.toggle("compared", !!this.many);
      score.textContent = `${loss.toFixed(2)} · ${Math.round(accuracy * count)} of ${count}`;
      many.textContent = this.many ? `${this.many[way].loss.toFixed(2)} · ${percent(this.many[way].accuracy)}` : "…";
    });
    this.note.textContent = `Bar and first numbers: this sequence. Tick and last numbers: the mean of ${MANY} other sequences of this length. An edge is cut in all heads of its layer. Nothing is trained here.`;
  }

  /** The keys that stand out for the character that is chosen: in the second layer, and for that one in the first. */
  private path(): { second: number; first: number } {
    const maps = this.results[this.way].maps;
    const most = (row: readonly number[]): number => row.indexOf(Math.max(...row));
    const second = maps.length > 1 ? most(maps[1][this.place]) : this.place;
    return { second, first: most(maps[0][second]) };
  }

  private found(): string {
    const { text } = this.now;
    const { guess, odds, maps } = this.results[this.way];
    const t = this.place;
    const { second, first } = this.path();
    const said: string[] = [];
    if (maps.length > 1) {
      const what = second === t ? "itself" : `“${text[second]}”`;
      const why = second < t && second > 0 && text[second - 1] === text[t] ? `, which came after “${text[t]}” before` : "";
      said.push(`Layer 2, head ${this.heads(this.way)[1] + 1}: “${text[t]}” looks most at ${what} (${portion(maps[1][t][second])})${why}.`);
    }
    const why = first === second - 1 ? "the letter before it" : first === second ? "itself" : `“${text[first]}”, ${second - first} before it`;
    said.push(`Layer 1, head ${this.heads(this.way)[0] + 1}: “${text[second]}” ${maps.length > 1 ? "had looked" : "looks"} most at ${why} (${portion(maps[0][second][first])}).`);
    if (t + 1 < text.length) {
      const right = guess[t] === text[t + 1];
      said.push(right ? `So it expects “${guess[t]}” (${percent(odds[t])}), and that is right.` : `It expects “${guess[t]}”; but “${text[t + 1]}” follows, which it gave ${percent(odds[t])}.`);
    }
    return said.join(" ");
  }

  private drawEdges(): void {
    const { text } = this.now;
    const maps = this.results[this.way].maps;
    const cells = this.cells;
    const { offsetWidth: wide, offsetHeight: high } = this.board;
    if (!wide || cells.length !== text.length || maps[0]?.length !== text.length) return;
    this.edges.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    const { second } = this.path();
    const drawn = [
      ...(maps.length > 1 ? maps[1][this.place].map((weight, s) => this.edge(this.place, s, weight, "second")) : []),
      ...maps[0][second].map((weight, s) => this.edge(second, s, weight, "first")),
    ];
    if (this.way === "previous" && second > 0) drawn.push(this.edge(second, second - 1, 0.3, "first cut"));
    if (this.way === "successor") for (const [t, s] of successors(text)) if (t === this.place) drawn.push(this.edge(t, s, 0.3, "second cut"));
    this.edges.innerHTML = drawn.join("");
  }

  /** An edge from a query to a key, as thick as its weight; it ends in a square, the keys' shape. */
  private edge(query: number, key: number, weight: number, kind: string): string {
    if (weight < LEAST) return "";
    const at = (place: number): [number, number, number] => {
      const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = this.cells[place];
      return [offsetLeft + offsetWidth / 2, offsetTop, offsetTop + offsetHeight];
    };
    const [[x, top], [u, high, low]] = [at(query), at(key)];
    const same = top === high;
    const end = same ? high - 3 : low + 3;
    const rise = same ? Math.min(30, 12 + Math.abs(x - u) * 0.12) : 0;
    const lean = query === key ? 9 : 0;
    const middle = (top + end) / 2;
    const curve = same ? `C${x + lean} ${top - rise} ${u - lean} ${end - rise} ${u} ${end}` : `C${x} ${middle} ${u} ${middle} ${u} ${end}`;
    const cross = kind.includes("cut") ? `<path class="cross" d="M${u - 5} ${end - 5}l10 10m0 -10l-10 10"/>` : `<rect x="${u - 3}" y="${end - 3}" width="6" height="6"/>`;
    return `<g class="${kind}"><path d="M${x} ${top - 2}${curve}" style="stroke-width:${(1 + 5 * weight).toFixed(1)}px"/>${cross}</g>`;
  }
}

/** One head of a map (1, H, T, S). */
function rowsOf(map: Tensor, head: number): number[][] {
  const [, , T, S] = map.shape;
  return Array.from({ length: T }, (_, t) => Array.from(map.data.subarray((head * T + t) * S, (head * T + t + 1) * S)));
}

const percent = (share: number): string => (share > 0 && share < 0.001 ? "less than 0.1 %" : `${(100 * share).toFixed(share >= 0.1 || share === 0 ? 0 : 1)} %`);
const portion = (weight: number): string => (weight >= 0.995 ? "1" : weight.toFixed(2).replace(/^0/, ""));

const STYLE = `
.lab { --lit: var(--tf-series-1, #A87400); }
.lead { margin: 0 0 0.4rem; color: var(--soft); } .query { color: var(--query); }
.stage { position: relative; }
.board { display: grid; grid-template-columns: repeat(var(--n), minmax(0, 2.9rem)); gap: 2.6rem 3px; padding-top: 2rem; justify-content: center; }
.cell { display: grid; gap: 0; min-height: 0; padding: 0.1rem 0; border-radius: 5px; border-color: var(--line); background: color-mix(in srgb, var(--lit) calc(var(--p, 0) * 45%), var(--ground)); justify-items: center; }
.cell:hover:not([aria-pressed="true"]) { background: color-mix(in srgb, var(--lit) calc(var(--p, 0) * 45%), var(--panel)); }
.cell[aria-pressed="true"] { color: inherit; background: color-mix(in srgb, var(--lit) calc(var(--p, 0) * 45%), var(--ground)); border: 2px solid var(--query); }
.cell.broken { border-style: dashed; border-color: var(--ink); }
.cell:focus-visible { outline-offset: 1px; }
.letter { font: 600 1.15rem/1.5 var(--tf-mono, ui-monospace, monospace); }
.mark { font: 0.85rem/1.2 var(--tf-mono, ui-monospace, monospace); min-height: 1.05rem; letter-spacing: -0.05em; color: var(--ink); }
.mark::after { content: attr(data-mark); }
.cell:not(.second) .mark { color: var(--soft); }
.stage svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; overflow: visible; }
.stage path { fill: none; stroke: var(--weights); stroke-linecap: round; opacity: 0.85; } .stage rect { fill: var(--weights); }
.first path { stroke-dasharray: 2 6; }
.cut path { stroke: var(--ink); stroke-width: 1.5px !important; stroke-dasharray: 1 5; } .cut .cross { stroke-dasharray: none; stroke-width: 2px !important; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1.2rem; margin: 0.4rem 0 0; font-size: 0.9rem; color: var(--soft); }
.key::before { content: ""; display: inline-block; width: 1.6em; margin-right: 0.4em; vertical-align: 0.25em; border-top: 4px solid var(--weights); }
.key.first::before { border-top-style: dotted; }
.key.lit::before { width: 0.9em; height: 0.9em; border: 0; vertical-align: -0.1em; background: color-mix(in srgb, var(--lit) 45%, var(--ground)); }
.finding { margin: 0.4rem 0; font-weight: 600; line-height: 1.35; min-height: 2.7em; }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; margin: 0.5rem 0; }
select { min-height: 2.4rem; background: var(--ground); border: 1px solid var(--soft); border-radius: 6px; padding: 0 0.4rem; font-family: var(--tf-mono, ui-monospace, monospace); }
.dial { display: flex; gap: 0.4rem; align-items: center; } .dial output { min-width: 1.4em; font-weight: 600; } .dial input { width: 8rem; min-height: 2.2rem; accent-color: var(--weights); }
.title { margin: 0.6rem 0 0.3rem; font: inherit; font-weight: 600; }
.ways { display: grid; gap: 3px; }
.ways button { display: grid; grid-template-columns: 13.5rem 1fr 7.4rem 6.4rem; gap: 0.5rem; align-items: center; min-height: 2.1rem; padding: 0 0.6rem; border-radius: 6px; text-align: left; }
.ways .bar { position: relative; height: 1rem; background: linear-gradient(to right, var(--weights) calc(var(--loss) * 100%), transparent 0); border-left: 2px solid currentColor; }
.ways .compared::after { content: ""; position: absolute; top: -3px; bottom: -3px; left: calc(var(--mean) * 100%); width: 2px; background: currentColor; }
.ways button[aria-pressed="true"] { color: inherit; background: var(--panel); border: 2px solid var(--ink); }
.score, .many { font-variant-numeric: tabular-nums; white-space: nowrap; text-align: right; }
.many { font-size: 0.9rem; color: var(--soft); }
.note { margin: 0.3rem 0 0; font-size: 0.9rem; color: var(--soft); }
@media (max-width: 36rem) {
  .ways button { grid-template-columns: 1fr auto; gap: 0 0.6rem; padding: 0.3rem 0.6rem; } .ways .what { grid-column: 1 / 3; } .ways .bar { grid-row: 2 / 4; } .ways .score { grid-column: 2; }
  .finding { min-height: 6.75em; }
}
`;
