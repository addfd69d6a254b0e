// The lab "Attention by hand": one query, three keys and three values are arrows; scores, weights and the output follow
// the reader's hand.
//
// Queries and keys share a plane, for they are compared. The values have their own: what is found may live anywhere.
// There is no model and nothing is fetched; all the maths is in ../lab/attention.ts.

import { attend, hidden, score, type Attended, type Kind, type Matrix, type Network, type Vector } from "../lab/attention.ts";
import { BY_HAND_STYLE, brief, COLDEST, Finding, headToTail, HOTTEST, matrix, number, pair, portion, thermometer, vectors } from "../lab/by_hand.ts";
import { make, type Frame, type Lab } from "../lab/frame.ts";
import { contours, inside, Plane, PLANE_STYLE, type Arrow } from "../lab/plane.ts";

/** The chapter's worked example, from Python. */
interface Recording {
  words: string[];
  writing: string;
  q: Vector;
  k: Matrix;
  v: Matrix;
  network: Network;
  score: Kind;
  temperature: number;
}

/** All that the reader can change; a new one for each change, so that undo keeps the old. */
interface State {
  readonly q: Vector;
  readonly k: Matrix;
  readonly v: Matrix;
  readonly score: Kind;
  readonly temperature: number;
  /** For each key: true = may be attended to. */
  readonly mask: readonly boolean[];
}

const KINDS: Record<Kind, { name: string; formula: string; divisor: string; about: string }> = {
  additive: { name: "additive", formula: "a·tanh(Wq + Uk)", divisor: "÷ T", about: "Far along one axis, the query drives the other axis’s tanh to its ceiling: there, keys no longer differ." },
  dot: { name: "dot", formula: "q·k", divisor: "÷ T", about: "|q| |k| cos θ: direction counts, and so does length." },
  scaled: { name: "scaled dot", formula: "q·k", divisor: "÷ √2 ÷ T", about: "Dot products of K numbers grow like √K, so they are divided by it. Here K = 2." },
};

export default function attentionByHand(frame: Frame): Lab {
  return new AttentionByHand(frame);
}

class AttentionByHand implements Lab {
  private readonly given: Recording;
  private readonly first: State;
  private state: State;
  private readonly past: State[] = [];
  private lit?: string;
  /** The token whose score is worked out below the table. */
  private row = 0;

  private readonly keys: Plane;
  private readonly values: Plane;
  private readonly kinds = new Map<Kind, HTMLButtonElement>();
  private readonly heat = thermometer(() => this.keep(), (temperature) => this.change({ ...this.state, temperature }));
  private readonly network = make("p", { class: "network" });
  private readonly formula = make("th", { scope: "col" });
  private readonly divisor = make("th", { scope: "col" });
  private readonly rows: { row: HTMLElement; open: HTMLInputElement; cells: HTMLElement[]; bar: HTMLElement; share: HTMLElement }[];
  private readonly working = make("p", { class: "working" });
  private readonly sum = make("p", { class: "working" });
  private readonly finding = new Finding();
  private readonly undo = make("button", { type: "button" }, "Undo");
  private readonly reset = make("button", { type: "button" }, "Reset");

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.first = this.state = { q: given.q, k: given.k, v: given.v, score: given.score, temperature: given.temperature, mask: given.k.map(() => true) };
    const hands = {
      grab: (id: string) => {
        this.keep();
        if (id[0] === "k") this.row = Number(id[1]);
      },
      move: (id: string, to: Vector) => this.change(moved(this.state, id, to)),
      light: (id?: string) => this.light(id),
    };
    const query: Arrow = { id: "q", role: "query", label: "query", spoken: `Query, about to write “${given.writing}”` };
    const arrows = (role: "key" | "value"): Arrow[] => given.words.map((label, s) => ({ id: role[0] + s, role, label, spoken: `${role === "key" ? "Key" : "Value"} of “${label}”` }));
    this.keys = new Plane("The query and the keys", [...arrows("key"), query], hands);
    this.values = new Plane("The values and the output", arrows("value"), hands);
    this.rows = given.words.map((word, s) => this.tableRow(word, s));
    this.layOut();
    this.row = best(this.attended());
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    const next = { ...this.state };
    const { q, k, v, score, temperature, mask } = state;
    if (vectors([q], 1)) Object.assign(next, { q: inside(q as Vector) });
    if (vectors(k, this.first.k.length)) Object.assign(next, { k: (k as Matrix).map(inside) });
    if (vectors(v, this.first.v.length)) Object.assign(next, { v: (v as Matrix).map(inside) });
    if (typeof score === "string" && score in KINDS) Object.assign(next, { score });
    if (typeof temperature === "number") Object.assign(next, { temperature: Math.min(HOTTEST, Math.max(COLDEST, temperature)) });
    if (Array.isArray(mask) && mask.length === next.mask.length) Object.assign(next, { mask: mask.map(Boolean) });
    this.keep();
    this.change(next);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const kinds = make("div", { class: "kinds", role: "group", "aria-label": "Score" });
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const button = make("button", { type: "button" }, KINDS[kind].name);
      button.addEventListener("click", () => this.act({ ...this.state, score: kind }));
      this.kinds.set(kind, button);
      kinds.append(button);
    }
    const head = ["token", "may attend", this.formula, this.divisor, "weight"].map((one) => (typeof one === "string" ? make("th", { scope: "col" }, one) : one));
    head[4].className = "weight";
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...this.rows.map((one) => one.row)));
    const tries = make("div", { class: "controls" }, make("span", {}, "Try:"));
    for (const [name, act] of this.tries()) {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", act);
      tries.append(button);
    }
    this.undo.addEventListener("click", () => {
      while (this.past.at(-1) === this.state) this.past.pop(); // taken hold of, and not moved
      this.change(this.past.pop() ?? this.state);
      this.frame.say("");
    });
    this.reset.addEventListener("click", () => this.act(this.first, ""));
    this.frame.root.append(
      make("style", {}, PLANE_STYLE + BY_HAND_STYLE + STYLE),
      make(
        "div",
        { class: "stage" },
        make(
          "div",
          {},
          make("div", { class: "controls" }, kinds, this.heat.element),
          this.network,
          this.finding.element,
          make(
            "div",
            { class: "planes" },
            make("figure", { class: "plane" }, make("figcaption", {}, make("span", { class: "letters query" }, "▲ query"), " meets ", make("span", { class: "letters key" }, "■ keys"), "; dotted: equal scores"), this.keys.element),
            make("figure", { class: "plane" }, make("figcaption", {}, make("span", { class: "letters value" }, "◆ values"), ", shrunk by weight, add up to the ", make("b", {}, "output")), this.values.element),
          ),
          make("div", { class: "controls" }, this.undo, this.reset, make("span", { class: "hint" }, "Drag a tip, or Tab to it and press arrow keys.")),
          tries,
          this.frame.said,
        ),
        make("div", {}, table, this.working, this.sum),
      ),
      this.finding.spoken,
    );
  }

  private tableRow(word: string, s: number): (typeof this.rows)[number] {
    const open = make("input", { type: "checkbox", "aria-label": `“${word}” may be attended to` });
    open.addEventListener("change", () => this.act({ ...this.state, mask: this.state.mask.map((one, i) => (i === s ? open.checked : one)) }));
    const cells = [make("td", { class: "number" }), make("td", { class: "number" })];
    const bar = make("span", { class: "bar" });
    const share = make("span", { class: "share" });
    const row = make("tr", {}, make("th", { scope: "row" }, word), make("td", { class: "open" }, make("label", {}, open)), ...cells, make("td", { class: "weight" }, make("div", {}, bar, share)));
    row.addEventListener("pointerenter", () => this.light(`k${s}`));
    row.addEventListener("pointerleave", () => this.light(undefined));
    return { row, open, cells, bar, share };
  }

  /** Three things worth seeing: each sets the scene, and says where to look. */
  private tries(): [string, () => void][] {
    const [one] = this.given.words;
    const start = this.first;
    return [
      [
        "make one key longer",
        () => this.act({ ...start, score: "dot", k: start.k.map((key, s) => (s ? key : inside(key.map((x) => 2 * x)))) },
          `The key of “${one}” is now twice as long in the same direction, and so is its dot product: length counts like direction. Try scaled dot: all scores shrink alike, the order stays. Try additive: tanh has a ceiling.`, 0),
      ],
      [
        "temperature towards 0",
        () => this.act({ ...start, temperature: COLDEST }, "The highest score takes all: softmax becomes argmax. Now slide T to 5: the weights level out, and the output moves to the average of the values."),
      ],
      [
        "turn the query round",
        () => this.act({ ...start, score: "dot", q: inside(start.q.map((x) => -x)) }, "Keys and values stayed; only the question changed. Every dot product changed its sign, so the last is now first. Try additive: it does not judge by direction."),
      ],
    ];
  }

  /** One thing done, which undo takes back. */
  private act(next: State, say?: string, row = this.row): void {
    this.keep();
    this.row = row;
    this.change(next);
    if (say !== undefined) this.frame.say(say); // else what was said stays: it may have said to do this
  }

  private keep(): void {
    if (this.past.at(-1) !== this.state) this.past.push(this.state);
  }

  private change(next: State): void {
    this.state = next;
    this.draw();
    const { weights, output } = this.attended();
    this.frame.tell({ ...next, weights: weights[0], output: output[0] });
  }

  private light(id?: string): void {
    if (this.lit === id) return;
    this.lit = id;
    this.draw();
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private attended(): Attended {
    const { q, k, v, score: kind, temperature, mask } = this.state;
    return attend([q], k, v, { kind, temperature, mask: [mask], network: this.given.network });
  }

  private draw(): void {
    const { state } = this;
    const found = this.attended();
    const [weights, output] = [found.weights[0], found.output[0]];
    this.drawPlanes(weights);
    this.rows.forEach(({ row, open, cells, bar, share }, s) => {
      open.checked = state.mask[s];
      cells[0].textContent = number(found.scores[0][s]);
      cells[1].textContent = state.mask[s] ? number(found.logits[0][s]) : "masked";
      bar.style.width = `${100 * weights[s]}%`;
      share.textContent = portion(weights[s]);
      row.classList.toggle("masked", !state.mask[s]);
      row.classList.toggle("lit", this.lit?.[1] === String(s));
    });
    for (const [kind, button] of this.kinds) button.setAttribute("aria-pressed", String(kind === state.score));
    this.formula.textContent = KINDS[state.score].formula;
    this.divisor.textContent = KINDS[state.score].divisor;
    this.heat.show(state.temperature);
    if (this.network.dataset.kind !== state.score) {
      this.network.replaceChildren(...(state.score === "additive" ? shown(this.given.network) : []), KINDS[state.score].about);
      this.network.dataset.kind = state.score;
    }
    this.working.textContent = this.scoreByHand();
    this.sum.textContent = `output = ${weights.map((weight, s) => `${portion(weight)}·${pair(state.v[s])}`).join(" + ")} = ${pair(output)}`;
    this.finding.show(this.found(weights, output));
    this.undo.disabled = this.past.every((one) => one === state);
  }

  private drawPlanes(weights: Vector): void {
    const { q, k, v, mask, score: kind } = this.state;
    const [root, { network }] = [kind === "scaled" ? Math.SQRT2 : 1, this.given];
    this.keys.draw({
      places: new Map<string, Vector>([["q", q], ...k.map((at, s) => [`k${s}`, at] as const)]),
      notes: new Map(k.map((_, s) => [`k${s}`, mask[s] ? portion(weights[s]) : "masked"])),
      faint: new Set(k.map((_, s) => `k${s}`).filter((_, s) => !mask[s])),
      lit: this.lit,
      behind: contours((at) => score(q, at, kind, network) / root, 1),
    });
    this.values.draw({
      places: new Map(v.map((at, s) => [`v${s}`, at])),
      notes: new Map(v.map((_, s) => [`v${s}`, mask[s] ? portion(weights[s]) : "masked"])),
      faint: new Set(v.map((_, s) => `v${s}`).filter((_, s) => !mask[s])),
      lit: this.lit,
      over: headToTail(weights, v),
    });
  }

  /** The chosen token's score, with its numbers. */
  private scoreByHand(): string {
    const { q, k, score: kind } = this.state;
    const key = k[this.row];
    const value = number(score(q, key, kind, this.given.network));
    const name = `score of “${this.given.words[this.row]}” = `;
    if (kind !== "additive") return `${name}${q.map((one, i) => `${brief(one)}·${brief(key[i])}`).join(" + ")} = ${value}`;
    const units = hidden(q, key, this.given.network).map((one, i) => `${brief(this.given.network.a[i])}·tanh(${number(one)})`);
    return `${name}${units.join(" + ")} = ${value}`;
  }

  /** What there is to see now, in a sentence. */
  private found(weights: Vector, output: Vector): string {
    const { words } = this.given;
    const open = words.filter((_, s) => this.state.mask[s]);
    if (!open.length) return "Nothing may be attended to: every weight is 0 and the output is zero. That is this book's convention; a bare softmax would give NaN.";
    if (open.length === 1) return `Only “${open[0]}” may be attended to, so it gets all the weight, whatever its score.`;
    const top = weights.indexOf(Math.max(...weights));
    if (weights[top] > 0.985) return `All but argmax: “${words[top]}” scores highest and takes ${portion(weights[top])} of the weight, so the output lies on its value.`;
    if (weights[top] < 1 / open.length + 0.03) return `The weights are nearly level: the output ${pair(output)} is close to the average of the values.`;
    return `“${words[top]}” scores highest: ${portion(weights[top])} of the output comes from its value.`;
  }
}

function best({ weights }: Attended): number {
  return weights[0].indexOf(Math.max(...weights[0]));
}

function moved(state: State, id: string, to: Vector): State {
  if (id === "q") return { ...state, q: to };
  const put = (rows: Matrix): Matrix => rows.map((row, s) => (s === Number(id[1]) ? to : row));
  return id[0] === "k" ? { ...state, k: put(state.k) } : { ...state, v: put(state.v) };
}

/** The additive score's matrices, as a line. */
function shown({ W, U, a }: Network): (Node | string)[] {
  return [make("i", {}, "W"), " = ", matrix(W), make("i", {}, "U"), " = ", matrix(U), make("i", {}, "a"), " = ", matrix([a])];
}

const STYLE = `
.lab { container-type: inline-size; }
@container (min-width: 56rem) { .stage { display: grid; grid-template-columns: 1.4fr 1fr; align-items: center; column-gap: 2rem; } }
.network { display: flex; flex-wrap: wrap; align-items: center; gap: 0.35rem; margin: 0.2rem 0 0; min-height: 3.4rem; font-size: 0.95rem; color: var(--soft); }
table { width: 100%; margin-top: 0.8rem; border-collapse: collapse; font-variant-numeric: tabular-nums; }
thead th { font-size: 0.88rem; font-weight: 400; color: var(--soft); text-align: right; vertical-align: bottom; padding: 0 0.5rem 0.2rem; }
thead th:first-child, thead .weight { text-align: left; } thead th:nth-child(2) { text-align: center; }
tbody th { text-align: left; font-weight: 600; color: var(--key); padding: 0 0.5rem; }
tbody tr { border-top: 1px solid var(--line); } tbody tr.lit { background: var(--panel); }
td { padding: 0 0.5rem; } .number { text-align: right; white-space: nowrap; }
.open { text-align: center; width: 3.5rem; } .open label { display: grid; place-items: center; min-height: 2.4rem; cursor: pointer; }
.open input { width: 1.15rem; height: 1.15rem; margin: 0; accent-color: var(--ink); cursor: pointer; }
td.weight { width: 38%; } td.weight div { display: flex; align-items: center; gap: 0.4rem; padding-right: 1.8rem; }
.bar { height: 1rem; background: var(--weights); border-radius: 2px; flex: none; min-width: 1px; } .share { font-weight: 600; }
.masked th, .masked .number { color: var(--soft); text-decoration: line-through; } .masked .number:nth-child(4) { text-decoration: none; } .masked .bar { visibility: hidden; }
@media (max-width: 36rem) {
  .network { min-height: 6rem; align-content: center; }
  td, thead th, tbody th { padding-left: 0.25rem; padding-right: 0.25rem; } td.weight { width: 30%; }
}
`;
