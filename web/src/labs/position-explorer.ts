// The lab "Position explorer": four ways to tell attention where a token stands, side by side.
//
// Two positions are picked, on the maps or by sliders. Alone they are compared; with words at them, one word's query
// meets the other's key. What counts is how the value changes as both move together: not at all, if only the distance
// matters. Nothing is fetched; the maths is ../lab/positions.ts.

import { BY_HAND_STYLE, Finding, number } from "../lab/by_hand.ts";
import { make, type Frame, type Lab } from "../lab/frame.ts";
import { angles, bias, code, map, SCHEMES, together, type Given, type Scheme, type Settings } from "../lab/positions.ts";

interface State extends Settings {
  /** The position of the query, a row of each map; and of the key, a column. */
  readonly first: number;
  readonly second: number;
}

const NAMES: Record<Scheme, string> = { sinusoidal: "sinusoidal", learned: "learned", bias: "relative bias", rotary: "rotary" };
const ACTS: Record<Scheme, string> = {
  sinusoidal: "waves, added to the token",
  learned: "a table, added; before training",
  bias: "added to the score, by distance",
  rotary: "turns query and key",
};
/** The same names, inside a sentence. */
const SAID: Record<Scheme, string> = { sinusoidal: "sinusoids", learned: "a learned table", bias: "a relative bias", rotary: "rotations" };
const SAME = 0.005; // a smaller change is none that a reader would see
const LEVELS = 24; // shades of a map
const WIDE = 160; // units of a picture, about one pixel each
const STRIP = 36;
const LINE = 56;

interface Panel {
  readonly figure: HTMLElement;
  readonly code: SVGElement;
  readonly cells: SVGElement;
  readonly mark: SVGElement;
  readonly line: SVGElement;
  readonly value: HTMLElement;
  readonly moved: HTMLElement;
}

interface Dial {
  readonly label: HTMLElement;
  readonly slider: HTMLInputElement;
  readonly shown: HTMLOutputElement;
}

export default function positionExplorer(frame: Frame): Lab {
  return new PositionExplorer(frame);
}

class PositionExplorer implements Lab {
  private readonly given: Given;
  private readonly count: number;
  private readonly widest: number;
  private readonly start: State;
  private state: State;
  /** The maps, and of what they were made. */
  private tables = {} as Record<Scheme, number[][]>;
  private made = "";

  private readonly panels: Record<Scheme, Panel>;
  private readonly dials: Record<"first" | "second" | "both" | "width" | "base" | "reach", Dial>;
  private readonly kinds: HTMLButtonElement[];
  private readonly finding = new Finding();
  private readonly below = make("p", { class: "hint" });

  constructor(private readonly frame: Frame) {
    const given = frame.recording as Given & State;
    this.given = given;
    this.count = given.learned.length;
    this.widest = given.learned[0].length;
    const { first, second, width, base, reach, words } = given;
    this.start = this.state = { first, second, width, base, reach, words };
    const last = this.count - 1;
    this.dials = {
      first: this.dial("first", make("span", { class: "query" }, "▲ first position"), [0, last, 1], (first) => this.change({ first })),
      second: this.dial("second", make("span", { class: "key" }, "■ second position"), [0, last, 1], (second) => this.change({ second })),
      both: this.dial("both", "move both", [0, last, 1], (least) => this.move(least)),
      width: this.dial("width", "width of a code", [2, this.widest, 2], (width) => this.change({ width })),
      base: this.dial("base", "base of the waves", [Math.log10(2), 6, 0.01], (power) => this.change({ base: Number((10 ** power).toPrecision(2)) })),
      reach: this.dial("reach", "reach of the bias", [1, last, 1], (reach) => this.change({ reach })),
    };
    this.kinds = [false, true].map((words) => {
      const button = make("button", { type: "button" }, words ? "two words at them" : "positions alone");
      button.addEventListener("click", () => this.change({ words }));
      return button;
    });
    this.panels = Object.fromEntries(SCHEMES.map((scheme) => [scheme, this.panel(scheme)])) as Record<Scheme, Panel>;
    this.layOut();
    this.draw();
  }

  receive(given: Record<string, unknown>): void {
    const next: Record<string, unknown> = {};
    const most = { first: this.count - 1, second: this.count - 1, width: this.widest, base: 1e6, reach: this.count - 1 };
    const least = { first: 0, second: 0, width: 2, base: 2, reach: 1 };
    for (const name of Object.keys(most) as (keyof typeof most)[]) {
      const value = given[name];
      if (typeof value !== "number" || !Number.isFinite(value)) continue;
      const inside = Math.min(most[name], Math.max(least[name], value));
      next[name] = name === "base" ? inside : name === "width" ? 2 * Math.round(inside / 2) : Math.round(inside);
    }
    if (typeof given.words === "boolean") next.words = given.words;
    this.change(next);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private dial(name: string, label: Node | string, [min, max, step]: number[], turned: (value: number) => void): Dial {
    const slider = make("input", { type: "range", id: name, min: String(min), max: String(max), step: String(step) });
    const shown = make("output", { for: name });
    slider.addEventListener("input", () => turned(Number(slider.value)));
    return { slider, shown, label: make("label", { class: "dial", for: name }, make("span", {}, label), shown, slider) };
  }

  private panel(scheme: Scheme): Panel {
    const strip = svg("svg", { viewBox: `0 0 ${WIDE} ${STRIP}`, class: "code", "aria-hidden": "true" });
    const board = svg("svg", { viewBox: `0 0 ${this.count} ${this.count}`, class: "map", "aria-hidden": "true" });
    const line = svg("svg", { viewBox: `0 0 ${WIDE} ${LINE}`, class: "line", "aria-hidden": "true" });
    const cells = svg("g", {});
    const mark = svg("g", { class: "mark" });
    board.append(cells, mark);
    this.drag(board);
    const value = make("b");
    const moved = make("span");
    const figure = make(
      "figure",
      {},
      make("figcaption", {}, make("b", {}, NAMES[scheme]), make("span", {}, ACTS[scheme])),
      strip,
      board,
      line,
      make("p", { class: "verdict" }, value, " ", moved),
    );
    return { figure, code: strip, cells, mark, line, value, moved };
  }

  /** A map picks both positions; a finger that moves up or down scrolls the page instead. */
  private drag(board: SVGElement): void {
    const pick = (event: PointerEvent): void => {
      const box = board.getBoundingClientRect();
      const at = (part: number): number => Math.min(this.count - 1, Math.max(0, Math.floor(part * this.count)));
      this.change({ first: at((event.clientY - box.top) / box.height), second: at((event.clientX - box.left) / box.width) });
    };
    board.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      board.setPointerCapture(event.pointerId);
      pick(event);
    });
    board.addEventListener("pointermove", (event) => {
      if (board.hasPointerCapture(event.pointerId)) pick(event);
    });
  }

  private layOut(): void {
    const tries = make("div", { class: "controls" }, make("span", {}, "Try:"));
    for (const [name, act] of this.tries()) {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", act);
      tries.append(button);
    }
    const reset = make("button", { type: "button" }, "Reset");
    reset.addEventListener("click", () => this.act(this.start, ""));
    tries.append(reset);
    const { first, second, both, width, base, reach } = this.dials;
    this.frame.root.append(
      make("style", {}, BY_HAND_STYLE + STYLE),
      make(
        "div",
        { class: "stage" },
        make(
          "div",
          {},
          make("div", { class: "controls" }, make("span", { class: "kinds", role: "group", "aria-label": "What is compared" }, ...this.kinds)),
          make("div", { class: "dials" }, first.label, second.label, both.label, width.label, base.label, reach.label),
          this.finding.element,
        ),
        make("div", {}, make("div", { class: "panels" }, ...SCHEMES.map((scheme) => this.panels[scheme].figure)), this.below, tries, this.frame.said),
      ),
      this.finding.spoken,
    );
  }

  private tries(): [string, () => void][] {
    const { start } = this;
    return [
      ["one clock hand", () => this.act({ ...start, width: 2 }, "Two numbers are one hand of a clock, which turns once in 6.3 positions: then all seems to begin anew. The slower hands of a wide code tell such positions apart.")],
      ["hasty hands", () => this.act({ ...start, base: 3 }, "With a small base all hands are fast. Neighbours are told apart sharply, but beyond a few steps the similarity only ripples around zero: far is not told from very far. The slow hands of a large base still fall there.")],
      ["a short reach", () => this.act({ ...start, reach: 3 }, "Beyond three steps all distances share one bias: the map is level there, and this head cannot tell far from very far.")],
      [
        "move two words together",
        () => {
          const before = { ...start, words: true, first: 2, second: 6 };
          const here = this.valuesAt(before);
          const after = { ...before, first: 27, second: 31 };
          const there = this.valuesAt(after);
          const change = (scheme: Scheme): string => `${number(here[scheme])} became ${number(there[scheme])}`;
          this.act(after, `Both words moved by 25 positions, from 2 and 6 to 27 and 31. Relative bias and rotary give the same score as before. With sinusoids ${change("sinusoidal")}, with the table ${change("learned")}: a word times a place is in the score, and the place changed.`);
        },
      ],
    ];
  }

  /** One thing done by a button, and what to say of it. */
  private act(next: State, say: string): void {
    this.change(next);
    this.frame.say(say);
  }

  /** Both positions, so that the lower of them is `least`. */
  private move(least: number): void {
    const by = least - Math.min(this.state.first, this.state.second);
    this.change({ first: this.state.first + by, second: this.state.second + by });
  }

  private change(next: Partial<State>): void {
    this.state = { ...this.state, ...next };
    this.frame.say("");
    this.draw();
    const moved = Object.fromEntries(SCHEMES.map((scheme) => [scheme, this.moved(scheme)]));
    this.frame.tell({ ...this.state, values: this.valuesAt(this.state), moved });
  }

  // --- what follows ----------------------------------------------------------------------------------------

  private compute(state: State): Record<Scheme, number[][]> {
    return Object.fromEntries(SCHEMES.map((scheme) => [scheme, map(scheme, state, this.given)])) as Record<Scheme, number[][]>;
  }

  private valuesAt(state: State): Record<Scheme, number> {
    const tables = this.key(state) === this.made ? this.tables : this.compute(state);
    return Object.fromEntries(SCHEMES.map((scheme) => [scheme, tables[scheme][state.first][state.second]])) as Record<Scheme, number>;
  }

  private key({ width, base, reach, words }: State): string {
    return [width, base, reach, words].join();
  }

  /** By how much the value changes as both positions move together. */
  private moved(scheme: Scheme): number {
    const met = together(this.tables[scheme], this.state.first, this.state.second);
    return Math.max(...met) - Math.min(...met);
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const { state } = this;
    const fresh = this.key(state) !== this.made;
    if (fresh) {
      this.tables = this.compute(state);
      this.made = this.key(state);
    }
    for (const scheme of SCHEMES) this.drawPanel(scheme, fresh);
    this.kinds.forEach((button, i) => button.setAttribute("aria-pressed", String(Boolean(i) === state.words)));
    const { first, second, width, base, reach } = state;
    this.dials.both.slider.max = String(this.count - 1 - Math.abs(first - second));
    const shown = { first, second, both: Math.min(first, second), width, base, reach };
    for (const [name, value] of Object.entries(shown) as [keyof typeof shown, number][]) {
      const { slider, shown: output } = this.dials[name];
      const text = name === "both" ? `${first}, ${second}` : value.toLocaleString("en");
      output.textContent = text;
      slider.setAttribute("aria-valuetext", text);
      slider.value = String(name === "base" ? Math.log10(value) : value);
    }
    this.finding.show(this.found());
    this.below.textContent = state.words
      ? "Each map: the score of the query at the row with the key at the column. The curve follows the dotted diagonal, on which both words move together."
      : "Each map: how alike the position of the row is to that of the column. The curve is the dotted row: the first position beside all others.";
  }

  private drawPanel(scheme: Scheme, fresh: boolean): void {
    const { first, second, words } = this.state;
    const table = this.tables[scheme];
    const panel = this.panels[scheme];
    const all = words ? table.flat() : [0, 1];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    if (fresh) panel.cells.innerHTML = shades(table, low, high);
    const apart = second - first;
    const [from, to] = [Math.max(0, -apart), Math.min(this.count, this.count - apart)];
    const way = words ? `M${from + apart} ${from}L${to + apart} ${to}` : `M0 ${first + 0.5}H${this.count}`;
    panel.mark.innerHTML = `<path class="halo" d="${way}"/><path class="way" d="${way}"/><rect x="${second - 0.4}" y="${first - 0.4}" width="1.8" height="1.8"/>`;
    panel.code.innerHTML = this.drawCode(scheme);
    const values = words ? together(table, first, second) : table[first];
    const at = words ? Math.min(first, second) : second;
    panel.line.innerHTML = curve(values, words ? low : -1, words ? high : 1, at, this.count);
    const change = this.moved(scheme);
    panel.value.textContent = number(table[first][second]);
    panel.moved.textContent = change < SAME ? "stays as both move" : `changes by ${number(change)} as both move`;
    panel.moved.className = change < SAME ? "relative" : "absolute";
  }

  /** The first position's code: bars, or the hands of clocks; a bias has none, but a number for each distance. */
  private drawCode(scheme: Scheme): string {
    const { first, second, width, base, reach } = this.state;
    const middle = STRIP / 2;
    if (scheme === "rotary") {
      const hands = angles(first, width, base);
      const step = WIDE / hands.length;
      const radius = Math.min(step / 2, middle) - 1;
      return hands
        .map((angle, i) => {
          const x = step * (i + 0.5);
          const [dx, dy] = [radius * Math.cos(angle), -radius * Math.sin(angle)];
          return `<circle cx="${x.toFixed(1)}" cy="${middle}" r="${radius.toFixed(1)}"/><path class="hand" d="M${x.toFixed(1)} ${middle}l${dx.toFixed(1)} ${dy.toFixed(1)}"/>`;
        })
        .join("");
    }
    const last = this.count - 1;
    const row =
      scheme === "bias"
        ? Array.from({ length: 2 * last + 1 }, (_, i) => bias(i - last, reach, this.given.slope) / (-this.given.slope * last))
        : code(scheme, first, width, base, this.given.learned);
    const zero = scheme === "bias" ? 1 : middle;
    const most = scheme === "bias" ? STRIP - 3 : middle / Math.max(1, ...row.map(Math.abs));
    const step = WIDE / row.length;
    return row
      .map((value, i) => {
        const high = Math.abs(value) * most;
        const lit = scheme === "bias" && i - last === second - first ? ' class="lit"' : "";
        const top = scheme === "bias" ? zero : value > 0 ? zero - high : zero;
        return `<rect${lit} x="${(i * step).toFixed(2)}" y="${top.toFixed(1)}" width="${(step * 0.8).toFixed(2)}" height="${Math.max(1, high).toFixed(1)}"/>`;
      })
      .join("");
  }

  /** What there is to see now, in a sentence. */
  private found(): string {
    const { first, second, words } = this.state;
    const apart = Math.abs(second - first);
    const changing = SCHEMES.filter((scheme) => this.moved(scheme) >= SAME);
    const names = (some: readonly Scheme[], joined: string): string => some.map((scheme) => SAID[scheme]).join(", ").replace(/, ([^,]*)$/, ` ${joined} $1`);
    const far = `${apart} ${apart === 1 ? "step" : "steps"} apart`;
    if (!changing.length) return `${words ? "Two words" : "Positions"} ${far}: in all four ways only the distance counts.`;
    const keeping = SCHEMES.filter((scheme) => !changing.includes(scheme));
    const what = words ? `two words ${far} keep their score` : `positions ${far} stay as alike as they are`;
    return `As ${first} and ${second} move together, ${what} with ${names(keeping, "and")}; not with ${names(changing, "or")}.`;
  }
}

/** A table as squares of one size, in shades: one path for each shade, so that a map is two dozen elements. */
function shades(table: readonly (readonly number[])[], low: number, high: number): string {
  const paths = Array.from({ length: LEVELS + 1 }, () => "");
  table.forEach((row, y) => {
    for (let x = 0; x < row.length; ) {
      const level = (value: number): number => Math.round(LEVELS * Math.min(1, Math.max(0, (value - low) / (high - low || 1))));
      const from = x;
      const here = level(row[x]);
      while (x < row.length && level(row[x]) === here) x++;
      paths[here] += `M${from} ${y}h${x - from}v1h${from - x}z`;
    }
  });
  return paths.map((path, level) => (level && path ? `<path d="${path}" fill-opacity="${(level / LEVELS).toFixed(3)}"/>` : "")).join("");
}

/** Values over the positions, one of them marked. */
function curve(values: readonly number[], low: number, high: number, at: number, count: number): string {
  const x = (n: number): number => (WIDE * (n + 0.5)) / count;
  const y = (value: number): number => 4 + (LINE - 8) * (1 - (value - low) / (high - low || 1));
  const zero = low < 0 && high > 0 ? `<path class="zero" d="M0 ${y(0).toFixed(1)}H${WIDE}"/>` : "";
  const points = values.map((value, n) => `${x(n).toFixed(1)} ${y(value).toFixed(1)}`);
  return `${zero}<path class="curve" d="M${points.join("L")}"/><circle cx="${x(at).toFixed(1)}" cy="${y(values[at]).toFixed(1)}" r="4"/>`;
}

function svg(tag: "svg" | "g", attributes: Record<string, string>): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const STYLE = `
.lab { container-type: inline-size; }
.finding { min-height: 2.6em; }
.dials { display: grid; grid-template-columns: repeat(3, 1fr); gap: 0 1.2rem; }
.dial { display: grid; grid-template-columns: 1fr auto; align-items: baseline; font-size: 0.95rem; }
.dial output { font-weight: 600; font-variant-numeric: tabular-nums; }
.dial input { grid-column: 1 / -1; width: 100%; min-height: 1.9rem; margin: 0; accent-color: var(--ink); }
.dial .query { color: var(--query); font-weight: 600; } .dial .key { color: var(--key); font-weight: 600; }
.panels { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0.9rem; }
.panels figure { justify-content: start; }
.panels figcaption { padding: 0 0 0.3rem; } .panels figcaption b { display: block; }
.panels figcaption span { display: block; font-size: 0.88rem; line-height: 1.2; color: var(--soft); min-height: 2.4em; }
.panels svg { display: block; width: 100%; overflow: visible; }
.code { fill: var(--ink); margin-bottom: 0.4rem; } .code circle { fill: none; stroke: var(--line); } .code .hand { stroke: var(--ink); stroke-width: 1.6; } .code .lit { fill: var(--weights); stroke: var(--weights); stroke-width: 2; }
.map { background: var(--ground); outline: 1px solid var(--line); fill: var(--weights); cursor: crosshair; touch-action: pan-y; shape-rendering: crispEdges; }
.mark { fill: none; } .mark rect { stroke: var(--ink); stroke-width: 0.5; fill: var(--ground); } .way { stroke: var(--ink); stroke-width: 0.45; stroke-dasharray: 0.9 0.9; } .halo { stroke: var(--ground); stroke-width: 0.9; opacity: 0.6; }
.line { margin-top: 0.5rem; } .curve { fill: none; stroke: var(--weights); stroke-width: 2; } .zero { stroke: var(--line); } .line circle { fill: var(--ink); }
.verdict { margin: 0.1rem 0 0; font-size: 0.92rem; line-height: 1.25; font-variant-numeric: tabular-nums; min-height: 2.5em; } .verdict .relative { color: var(--soft); } .verdict .absolute { font-weight: 600; }
@container (min-width: 56rem) {
  .stage { display: grid; grid-template-columns: 19rem 1fr; column-gap: 2rem; }
  .stage .dials { grid-template-columns: 1fr; }
}
@media (max-width: 36rem) {
  .dials, .panels { grid-template-columns: 1fr 1fr; }
  .finding { min-height: 5.2em; font-size: 1.05rem; }
  .dial { font-size: 0.86rem; }
}
`;
