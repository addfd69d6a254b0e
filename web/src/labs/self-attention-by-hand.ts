// The lab "Self-attention by hand": three tokens are arrows, and each asks all three. Queries, keys and values are made
// from the tokens by three fixed matrices, so that moving one token changes a row, a column and an output.
//
// Nothing is fetched; the maths is ../lab/attention.ts with three queries in place of one.

import { attend, mix, score, type Attended, type Matrix, type Vector } from "../lab/attention.ts";
import { BY_HAND_STYLE, COLDEST, Finding, headToTail, HOTTEST, matrix, pair, portion, thermometer, vectors } from "../lab/by_hand.ts";
import { make, type Frame, type Lab } from "../lab/frame.ts";
import { contours, inside, Plane, PLANE_STYLE, type Arrow } from "../lab/plane.ts";

/** The start, from Python. */
interface Recording {
  words: string[];
  x: Matrix;
  /** Two rows each; `q = W_q x`. */
  W_q: Matrix;
  W_k: Matrix;
  W_v: Matrix;
  temperature: number;
  causal: boolean;
}

interface State {
  readonly x: Matrix;
  readonly temperature: number;
  /** Whether a token may look at itself and at what came before it only. */
  readonly causal: boolean;
}

interface Made extends Attended {
  readonly q: Matrix;
  readonly k: Matrix;
  readonly v: Matrix;
}

export default function selfAttentionByHand(frame: Frame): Lab {
  return new SelfAttentionByHand(frame);
}

class SelfAttentionByHand implements Lab {
  private readonly given: Recording;
  private readonly first: State;
  private state: State;
  private readonly past: State[] = [];
  private lit?: string;
  /** The token that asks: its query is drawn, its row is lit. */
  private row: number;

  private readonly tokens: Plane;
  private readonly keys: Plane;
  private readonly values: Plane;
  private readonly heat = thermometer(() => this.keep(), (temperature) => this.change({ ...this.state, temperature }));
  private readonly causal = make("button", { type: "button" }, "causal mask");
  private readonly askers: HTMLButtonElement[];
  private readonly cells: HTMLElement[][];
  private readonly sum = make("p", { class: "working" });
  private readonly finding = new Finding();
  private readonly undo = make("button", { type: "button" }, "Undo");
  private readonly reset = make("button", { type: "button" }, "Reset");

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.first = this.state = { x: given.x, temperature: given.temperature, causal: given.causal };
    this.row = given.words.length - 1;
    const hands = {
      grab: () => this.keep(),
      move: (id: string, to: Vector) => this.change({ ...this.state, x: this.state.x.map((one, t) => (id === `x${t}` ? to : one)) }),
      light: (id?: string) => this.light(id),
    };
    const arrows = (role: "key" | "value"): Arrow[] => given.words.map((label, s) => ({ id: role[0] + s, role, label, spoken: "", fixed: true }));
    const query: Arrow = { id: "q", role: "query", label: "query", spoken: "", fixed: true };
    this.tokens = new Plane("The tokens", given.words.map((label, t) => ({ id: `x${t}`, role: "token", label, spoken: `Token “${label}”` })), hands);
    this.keys = new Plane("The query of one token and all keys", [...arrows("key"), query], hands);
    this.values = new Plane("The values and the output of one token", arrows("value"), hands);
    this.askers = given.words.map((word, t) => {
      const asker = make("button", { type: "button" }, word);
      asker.addEventListener("click", () => this.ask(t));
      return asker;
    });
    this.cells = given.words.map(() => given.words.map(() => make("td")));
    this.layOut();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    const next = { ...this.state };
    const { x, temperature, causal } = state;
    if (vectors(x, this.first.x.length)) Object.assign(next, { x: (x as Matrix).map(inside) });
    if (typeof temperature === "number") Object.assign(next, { temperature: Math.min(HOTTEST, Math.max(COLDEST, temperature)) });
    if (typeof causal === "boolean") Object.assign(next, { causal });
    this.keep();
    this.change(next);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const { words, W_q, W_k, W_v } = this.given;
    const corner = make("th", { scope: "col" }, "asks ↓  is asked →");
    const map = make(
      "table",
      {},
      make("thead", {}, make("tr", {}, corner, ...words.map((word) => make("th", { scope: "col", class: "letters key" }, word)))),
      make("tbody", {}, ...words.map((_, t) => make("tr", {}, make("th", { scope: "row" }, this.askers[t]), ...this.cells[t]))),
    );
    this.cells.forEach((row, t) => row.forEach((cell) => cell.addEventListener("click", () => this.ask(t))));
    const tries = make("div", { class: "controls" }, make("span", {}, "Try:"));
    for (const [name, act] of this.tries()) {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", act);
      tries.append(button);
    }
    this.causal.addEventListener("click", () => this.act({ ...this.state, causal: !this.state.causal }));
    this.undo.addEventListener("click", () => {
      while (this.past.at(-1) === this.state) this.past.pop(); // taken hold of, and not moved
      this.change(this.past.pop() ?? this.state);
      this.frame.say("");
    });
    this.reset.addEventListener("click", () => this.act(this.first, ""));
    const product = (letter: string, role: string, W: Matrix): Node =>
      make("span", {}, make("i", { class: `letters ${role}` }, letter), " = ", matrix(W), make("i", {}, "x"));
    this.frame.root.append(
      make("style", {}, PLANE_STYLE + BY_HAND_STYLE + STYLE),
      make("div", { class: "controls" }, this.causal, this.heat.element),
      make("p", { class: "network" }, product("q", "query", W_q), product("k", "key", W_k), product("v", "value", W_v)),
      this.finding.element,
      make(
        "div",
        { class: "planes" },
        make("figure", { class: "plane" }, make("figcaption", {}, make("b", {}, "● tokens"), ": drag them"), this.tokens.element),
        make("figure", { class: "map" }, make("figcaption", {}, make("span", { class: "weights" }, "weights"), ": pick the row that asks"), map),
        make("figure", { class: "plane" }, make("figcaption", {}, make("span", { class: "letters query" }, "▲ its query"), ", all ", make("span", { class: "letters key" }, "■ keys"), "; dotted: equal scores"), this.keys.element),
        make("figure", { class: "plane" }, make("figcaption", {}, make("span", { class: "letters value" }, "◆ values"), ", shrunk by its row, add up to ", make("b", {}, "its output")), this.values.element),
      ),
      this.sum,
      make("div", { class: "controls" }, this.undo, this.reset, make("span", { class: "hint" }, "Drag a token, or Tab to it and press arrow keys.")),
      tries,
      this.frame.said,
      this.finding.spoken,
    );
  }

  private tries(): [string, () => void][] {
    const [a, b, c] = this.given.words;
    const x = this.first.x;
    return [
      ["swap two tokens", () => this.act({ ...this.first, x: [x[1], x[0], x[2]] }, `“${a}” and “${b}” changed places: two rows of the map changed places, two columns too, and the output of “${c}” is what it was. Without positions, self-attention cannot tell the order.`)],
      ["make two tokens equal", () => this.act({ ...this.first, x: [x[1], x[1], x[2]] }, `“${a}” is now where “${b}” is: they ask the same, are asked the same, and get the same output. Only a position could tell them apart.`)],
      ["hide what comes later", () => this.act({ ...this.first, causal: true }, `Each token sees itself and what came before. “${a}” has only itself, so its output is its own value. A model that writes needs this: the next word is what it must guess.`, 0)],
    ];
  }

  private ask(row: number): void {
    this.row = row;
    this.draw();
  }

  /** One thing done, which undo takes back. */
  private act(next: State, say?: string, row = this.row): void {
    this.keep();
    this.row = row;
    this.change(next);
    if (say !== undefined) this.frame.say(say);
  }

  private keep(): void {
    if (this.past.at(-1) !== this.state) this.past.push(this.state);
  }

  private change(next: State): void {
    this.state = next;
    this.draw();
    const { q, k, v, weights, output } = this.made();
    this.frame.tell({ ...next, q, k, v, weights, output });
  }

  private light(id?: string): void {
    if (this.lit === id) return;
    this.lit = id;
    this.draw();
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private made(): Made {
    const { x, temperature, causal } = this.state;
    // W x for each token: the columns of W, weighted by the numbers of x.
    const [q, k, v] = [this.given.W_q, this.given.W_k, this.given.W_v].map((W) => x.map((one) => mix(one, [W.map((row) => row[0]), W.map((row) => row[1])])));
    const mask = x.map((_, t) => x.map((_, s) => !causal || s <= t));
    return { q, k, v, ...attend(q, k, v, { kind: "scaled", temperature, mask }) };
  }

  private draw(): void {
    const { state, row } = this;
    const { words } = this.given;
    const { q, k, v, weights, output } = this.made();
    const hidden = words.map((_, s) => state.causal && s > row);
    const named = (letter: string): string[] => words.map((_, s) => letter + s);
    const places = (letter: string, at: Matrix): [string, Vector][] => at.map((one, s) => [letter + s, one]);
    const notes = (letter: string): Map<string, string> => new Map(words.map((_, s) => [letter + s, hidden[s] ? "later" : portion(weights[row][s])]));
    const faint = (letter: string): Set<string> => new Set(named(letter).filter((_, s) => hidden[s]));
    this.tokens.draw({ places: new Map(places("x", state.x)), lit: this.lit });
    this.keys.draw({
      places: new Map([["q", q[row]] as [string, Vector], ...places("k", k)]),
      notes: notes("k"),
      faint: faint("k"),
      behind: contours((at) => score(q[row], at, "scaled") / Math.SQRT2, 1),
    });
    this.values.draw({ places: new Map(places("v", v)), notes: notes("v"), faint: faint("v"), over: headToTail(weights[row], v) });
    this.cells.forEach((cells, t) =>
      cells.forEach((cell, s) => {
        cell.textContent = portion(weights[t][s]);
        cell.style.setProperty("--w", String(weights[t][s]));
        cell.classList.toggle("hidden", state.causal && s > t);
      }),
    );
    this.askers.forEach((asker, t) => {
      asker.setAttribute("aria-pressed", String(t === row));
      asker.parentElement!.parentElement!.classList.toggle("lit", t === row);
    });
    this.causal.setAttribute("aria-pressed", String(state.causal));
    this.heat.show(state.temperature);
    this.sum.textContent = `output of “${words[row]}” = ${weights[row].map((weight, s) => `${portion(weight)}·${pair(v[s])}`).join(" + ")} = ${pair(output[row])}`;
    this.finding.show(this.found(weights[row]));
    this.undo.disabled = this.past.every((one) => one === state);
  }

  /** What there is to see now, in a sentence. */
  private found(weights: Vector): string {
    const { words } = this.given;
    const asks = words[this.row];
    if (this.state.causal && this.row === 0) return `“${asks}” comes first and may look at nothing but itself.`;
    const top = weights.indexOf(Math.max(...weights));
    const open = this.state.causal ? this.row + 1 : words.length;
    if (weights[top] < 1 / open + 0.03) return `“${asks}” looks at all alike: its output is close to the average of the values.`;
    return `“${asks}” looks most at ${top === this.row ? "itself" : `“${words[top]}”`}: ${portion(weights[top])} of its output comes from there.`;
  }
}

const STYLE = `
.lab { container-type: inline-size; }
@container (min-width: 56rem) { .planes { grid-template-columns: repeat(4, 1fr); } }
.network { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; margin: 0.4rem 0 0.6rem; }
.network > span { display: flex; align-items: center; gap: 0.3rem; } .network .matrix { margin: 0; }
.map { justify-content: start; } .weights { color: var(--weights); font-weight: 600; }
table { width: 100%; flex: 1; border-collapse: separate; border-spacing: 3px; table-layout: fixed; font-variant-numeric: tabular-nums; }
thead th { font-weight: 600; overflow: hidden; text-overflow: ellipsis; } thead th:first-child { font-weight: 400; font-size: 0.8rem; color: var(--soft); text-align: left; }
tbody th { padding: 0; } tbody button { width: 100%; padding: 0.3rem; border-radius: 6px; color: var(--query); font-weight: 600; border-color: var(--query); overflow: hidden; text-overflow: ellipsis; }
tbody button[aria-pressed="true"] { background: var(--query); border-color: var(--query); }
td { height: 4rem; text-align: center; font-weight: 600; border-radius: 4px; cursor: pointer; background: linear-gradient(var(--weights) 0 0) left bottom / calc(var(--w) * 100%) 7px no-repeat, color-mix(in srgb, var(--weights) calc(var(--w) * 45%), var(--ground)); box-shadow: inset 0 0 0 1px var(--line); }
.lit td { box-shadow: inset 0 0 0 2px var(--query); }
td.hidden { color: var(--soft); background: repeating-linear-gradient(45deg, var(--panel) 0 4px, var(--ground) 4px 8px); font-weight: 400; }
.fixed { pointer-events: none; }
`;
