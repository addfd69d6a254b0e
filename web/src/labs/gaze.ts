// The lab "gaze": a digit among pieces of others. Drag any of them, and the model looks again, glimpse by glimpse. Drag
// one of its glimpses, and it goes on from where the reader made it look.

import { look, type Glimpse, type Location } from "../gaze.ts";
import type { Model } from "../model.ts";
import { make, type Frame, type Lab } from "../lab/frame.ts";

type Ink = readonly (readonly number[])[];
/** A corner, (y, x), in pixels. */
type Place = readonly [number, number];

/** What Python recorded: the things in the picture, and how the model looked at them. */
interface Recording {
  size: number;
  digits: { label: number; ink: Ink }[];
  pieces: { ink: Ink; at: Place }[];
  digit: number;
  at: Place;
  cells: number;
  scales: number;
  glimpses: Glimpse[];
}

/** All that the reader can change; a new one for each change, so that undo keeps the old. */
interface State {
  readonly digit: number;
  readonly at: Place;
  readonly pieces: readonly Place[];
  /** Glimpses that the reader placed, by number from 0. */
  readonly chosen: ReadonlyMap<number, Location>;
}

const QUIET = 500; // milliseconds without a change, before the finding is spoken
const BEAT = 800; // milliseconds a glimpse is shown when it plays
const TOUCH = 3.4; // pixels around a glimpse that a finger may miss by
const LEAP = 5; // pixels that an arrow key moves with shift

export default function gaze(frame: Frame): Lab {
  return new GazeLab(frame);
}

class GazeLab implements Lab {
  private readonly given: Recording;
  private readonly first: State;
  private state: State;
  private readonly past: State[] = [];
  private glimpses: readonly Glimpse[];
  /** The glimpse that is shown, from 0. */
  private shown: number;
  private model?: Model;
  private timer = 0;
  private beat = 0;

  private readonly picture: SVGElement;
  private readonly things: SVGElement[];
  private readonly squares: SVGElement[];
  private readonly path = svg("polyline", { class: "path" });
  private readonly dots: SVGElement[];
  private readonly views: SVGElement[][];
  private readonly bars: { row: HTMLElement; bar: HTMLElement; share: HTMLElement }[];
  private readonly steps: HTMLButtonElement[];
  private readonly digits: HTMLButtonElement[];
  private readonly finding = make("p", { class: "finding" });
  private readonly spoken = make("p", { class: "spoken", role: "status" });
  private readonly undo = make("button", { type: "button" }, "Undo");
  private readonly reset = make("button", { type: "button" }, "Reset");
  private readonly release = make("button", { type: "button" }, "Let it look");

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.first = this.state = { digit: given.digit, at: given.at, pieces: given.pieces.map((one) => one.at), chosen: new Map() };
    this.glimpses = given.glimpses;
    this.shown = given.glimpses.length - 1;

    const { size } = given;
    this.picture = svg("svg", { viewBox: `0 0 ${size} ${size}`, class: "picture", role: "group", "aria-label": "The picture" });
    this.things = [this.thing("The digit", -1), ...given.pieces.map((_, i) => this.thing(`Piece ${i + 1}`, i))];
    this.squares = Array.from({ length: given.scales }, () => svg("rect", { class: "square" }));
    this.dots = given.glimpses.map((_, t) => this.dot(t));
    this.picture.append(...this.things, ...this.squares, this.path, ...this.dots);
    this.views = Array.from({ length: given.scales }, () => Array.from({ length: given.cells ** 2 }, (_, i) => cell(i, given.cells, 0)));
    this.bars = given.digits.map(({ label }) => {
      const [bar, share] = [make("span", { class: "bar" }), make("span", { class: "share" })];
      return { row: make("li", {}, make("span", { class: "name" }, String(label)), bar, share), bar, share };
    });
    this.steps = given.glimpses.map((_, t) => this.button(String(t + 1), () => this.show(t), `Glimpse ${t + 1}`));
    this.digits = given.digits.map(({ label }, i) => this.button(String(label), () => this.act({ ...this.state, digit: i, chosen: new Map() }), `Digit ${label}`));
    this.layOut();
    this.fill();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    const next = { ...this.state };
    const { digit, at } = state;
    if (typeof digit === "number" && this.given.digits[digit]) Object.assign(next, { digit });
    if (pair(at)) Object.assign(next, { at: this.inside(at, this.given.digits[0].ink.length) });
    this.act(next);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const views = this.views.map((cells, i) => {
      const shown = svg("svg", { viewBox: `0 0 ${this.given.cells} ${this.given.cells}`, "aria-hidden": "true" });
      shown.append(...cells);
      const wide = this.given.cells * 2 ** i;
      return make("figure", {}, shown, make("figcaption", {}, `${wide} × ${wide} pixels`));
    });
    const play = this.button("Watch it look", () => this.play());
    this.undo.addEventListener("click", () => void this.change(this.past.pop() ?? this.state));
    this.reset.addEventListener("click", () => this.act(this.first));
    this.release.addEventListener("click", () => this.act({ ...this.state, chosen: new Map() }));
    this.frame.root.append(
      make("style", {}, STYLE),
      make("div", { class: "controls", role: "group", "aria-label": "The digit in the picture" }, make("span", {}, "Digit"), ...this.digits),
      this.finding,
      make(
        "div",
        { class: "sides" },
        make("div", {}, this.picture, make("div", { class: "controls", role: "group", "aria-label": "The glimpse shown" }, make("span", {}, "Glimpse"), ...this.steps, play)),
        make(
          "div",
          {},
          make("p", { class: "head" }, "All that it sees in this glimpse"),
          make("div", { class: "views" }, ...views),
          make("p", { class: "head" }, "What it takes the digit for, after this glimpse"),
          make("ol", { class: "bars" }, ...this.bars.map((one) => one.row)),
        ),
      ),
      this.frame.said,
      make(
        "div",
        { class: "controls" },
        this.release,
        this.undo,
        this.reset,
        make("span", { class: "hint" }, "Drag the digit, a piece, or a numbered glimpse; or Tab to it and press arrow keys."),
      ),
      this.spoken,
    );
  }

  private button(text: string, act: () => void, name?: string): HTMLButtonElement {
    const made = make("button", { type: "button", ...(name ? { "aria-label": name } : {}) }, text);
    made.addEventListener("click", act);
    return made;
  }

  /** The digit (number -1) or a piece: a group of inked cells that can be dragged. */
  private thing(name: string, number: number): SVGElement {
    const made = svg("g", { class: number < 0 ? "thing digit" : "thing", role: "slider", tabindex: "0", "aria-label": name, "aria-valuemin": "0", "aria-valuemax": String(this.given.size) });
    const move = (to: Place): State => {
      const at = this.inside(to, this.ink(number).length);
      if (number < 0) return { ...this.state, at };
      return { ...this.state, pieces: this.state.pieces.map((one, i) => (i === number ? at : one)) };
    };
    this.hold(made, () => this.at(number), 1, move);
    return made;
  }

  private dot(t: number): SVGElement {
    const made = svg("g", { class: "dot", role: "slider", tabindex: "0", "aria-label": `Where glimpse ${t + 1} looks`, "aria-valuemin": "0", "aria-valuemax": String(this.given.size) });
    made.append(svg("circle", { class: "hit", r: String(TOUCH) }), svg("circle", { class: "mark", r: "1.9" }), svg("text", { y: "0.85", "text-anchor": "middle" }));
    made.querySelector("text")!.textContent = String(t + 1);
    made.addEventListener("focus", () => this.show(t));
    const half = this.given.size / 2;
    const move = ([y, x]: Place): State => {
      const clip = (one: number): number => Math.min(1, Math.max(-1, one / half - 1));
      // The glimpses after it are the model's own again: they follow from this one.
      const chosen = new Map([...this.state.chosen].filter(([other]) => other < t));
      return { ...this.state, chosen: chosen.set(t, [clip(y), clip(x)]) };
    };
    this.hold(made, () => this.pixels(this.glimpses[t].location), 0, move);
    return made;
  }

  /** Lets a thing be moved by mouse, finger and arrow keys; `grid` is what a dragged place snaps to, if not 0. */
  private hold(thing: SVGElement, at: () => Place, grid: number, move: (to: Place) => State): void {
    let from: { y: number; x: number } | undefined;
    thing.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const [y, x] = at();
      const here = this.under(event);
      from = { y: y - here[0], x: x - here[1] };
      thing.setPointerCapture(event.pointerId);
      event.preventDefault();
      thing.focus({ preventScroll: true });
      this.keep();
    });
    thing.addEventListener("pointermove", (event) => {
      if (!from) return;
      const here = this.under(event);
      const to: Place = [here[0] + from.y, here[1] + from.x];
      void this.change(move(grid ? [Math.round(to[0]), Math.round(to[1])] : to));
    });
    for (const end of ["pointerup", "pointercancel"]) thing.addEventListener(end, () => (from = undefined));
    thing.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    thing.addEventListener("keydown", (event) => {
      const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation(); // in a deck, arrow keys turn the slides
      if (!event.repeat) this.keep();
      const far = event.shiftKey ? LEAP : 1;
      const [y, x] = at();
      void this.change(move([y + far * by[0], x + far * by[1]]));
    });
  }

  private act(next: State): void {
    this.keep();
    void this.change(next);
  }

  private keep(): void {
    clearTimeout(this.beat);
    if (this.past.at(-1) !== this.state) this.past.push(this.state);
  }

  private async change(next: State): Promise<void> {
    const other = next.digit !== this.state.digit;
    this.state = next;
    if (other) this.fill();
    this.drawThings(); // what is dragged stays under the finger while the model is fetched
    this.model ??= await this.frame.model();
    if (!this.model || this.state !== next) return; // no model; or this state is past, and its own call draws
    this.glimpses = look(this.model, this.pixelsOf(next), this.given.glimpses.length, next.chosen);
    this.draw();
    this.frame.tell({
      digit: this.given.digits[next.digit].label,
      at: next.at,
      locations: this.glimpses.map((one) => one.location),
      probabilities: this.glimpses.map((one) => one.probabilities),
    });
  }

  private show(t: number): void {
    clearTimeout(this.beat);
    this.shown = t;
    this.draw();
  }

  private play(t = 0): void {
    this.show(t);
    if (t + 1 < this.glimpses.length) this.beat = window.setTimeout(() => this.play(t + 1), BEAT);
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private ink(number: number): Ink {
    return number < 0 ? this.given.digits[this.state.digit].ink : this.given.pieces[number].ink;
  }

  private at(number: number): Place {
    return number < 0 ? this.state.at : this.state.pieces[number];
  }

  /** All pixels; where two things have ink, the darker stays. */
  private pixelsOf({ digit, at, pieces }: State): Float32Array {
    const { size } = this.given;
    const made = new Float32Array(size * size);
    const lay = (ink: Ink, [top, left]: Place): void =>
      ink.forEach((row, y) => row.forEach((value, x) => {
        const here = (top + y) * size + left + x;
        made[here] = Math.max(made[here], value / 255);
      }));
    lay(this.given.digits[digit].ink, at);
    pieces.forEach((one, i) => lay(this.given.pieces[i].ink, one));
    return made;
  }

  /** Draws the cells of all things; only needed when one has other ink. */
  private fill(): void {
    this.things.forEach((thing, i) => {
      const ink = this.ink(i - 1);
      const side = ink.length;
      const cells = ink.flatMap((row, y) => row.flatMap((value, x) => (value > 8 ? [cell(y * side + x, side, value / 255)] : [])));
      thing.replaceChildren(svg("rect", { class: "hit", width: String(side), height: String(side) }), ...cells);
    });
  }

  private drawThings(): void {
    this.things.forEach((thing, i) => {
      const [y, x] = this.at(i - 1);
      thing.setAttribute("transform", `translate(${x} ${y})`);
      value(thing, y, x);
    });
    this.digits.forEach((button, i) => button.setAttribute("aria-pressed", String(i === this.state.digit)));
    this.undo.disabled = !this.past.length;
    this.release.disabled = !this.state.chosen.size;
  }

  private draw(): void {
    this.drawThings();
    const glimpse = this.glimpses[this.shown];
    const [y, x] = this.pixels(glimpse.location);
    this.squares.forEach((square, i) => {
      const side = this.given.cells * 2 ** i;
      for (const [name, one] of Object.entries({ x: x - side / 2, y: y - side / 2, width: side, height: side })) square.setAttribute(name, one.toFixed(2));
    });
    const places = this.glimpses.map((one) => this.pixels(one.location));
    this.path.setAttribute("points", places.slice(0, this.shown + 1).map(([top, left]) => `${left.toFixed(2)},${top.toFixed(2)}`).join(" "));
    this.dots.forEach((dot, t) => {
      const [top, left] = places[t];
      dot.setAttribute("transform", `translate(${left.toFixed(2)} ${top.toFixed(2)})`);
      dot.classList.toggle("lit", t === this.shown);
      dot.classList.toggle("later", t > this.shown);
      // Glimpses gather at the digit: those that would lie over the one shown let the pointer through.
      dot.classList.toggle("under", t !== this.shown && Math.hypot(top - y, left - x) < 2 * TOUCH);
      dot.classList.toggle("chosen", this.state.chosen.has(t));
      value(dot, Math.round(top), Math.round(left));
    });
    this.views.forEach((cells, i) => cells.forEach((one, c) => one.setAttribute("opacity", glimpse.seen[i][c].toFixed(2))));
    const best = highest(glimpse.probabilities);
    this.bars.forEach(({ row, bar, share }, i) => {
      bar.style.width = `calc(${glimpse.probabilities[i].toFixed(3)} * (100% - 1.8rem))`; // beside its name
      share.textContent = glimpse.probabilities[i] >= 0.005 ? portion(glimpse.probabilities[i]) : "";
      row.classList.toggle("best", i === best);
    });
    this.steps.forEach((button, t) => button.setAttribute("aria-pressed", String(t === this.shown)));
    this.finding.textContent = this.found(glimpse, best, y, x);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.spoken.textContent = this.finding.textContent), QUIET);
  }

  /** What there is to see now, in a sentence. */
  private found(glimpse: Glimpse, best: number, y: number, x: number): string {
    const { digits } = this.given;
    const half = digits[0].ink.length / 2;
    const away = Math.hypot(this.state.at[0] + half - y, this.state.at[1] + half - x);
    const truth = digits[this.state.digit].label;
    const says = `it says “${digits[best].label}” (${portion(glimpse.probabilities[best])})`;
    const right = digits[best].label === truth ? "rightly" : `but it is a ${truth}`;
    return `Glimpse ${this.shown + 1} looks ${away.toFixed(0)} pixels beside the digit’s middle; then ${says}, ${right}.`;
  }

  private pixels([y, x]: Location): Place {
    const half = this.given.size / 2;
    return [(y + 1) * half, (x + 1) * half];
  }

  private inside(at: Place, side: number): Place {
    const clip = (one: number): number => Math.min(this.given.size - side, Math.max(0, Math.round(one)));
    return [clip(at[0]), clip(at[1])];
  }

  /** Where a pointer is, in the picture's pixels. */
  private under(event: PointerEvent): Place {
    const box = this.picture.getBoundingClientRect();
    const unit = this.given.size / box.width;
    return [(event.clientY - box.top) * unit, (event.clientX - box.left) * unit];
  }
}

function svg(tag: string, attributes: Record<string, string> = {}): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, one] of Object.entries(attributes)) made.setAttribute(name, one);
  return made;
}

/** A cell of a square of cells; it overlaps its neighbours by a hair, so that no seam shows. */
function cell(index: number, side: number, opacity: number): SVGElement {
  return svg("rect", { class: "ink", x: String(index % side), y: String(Math.floor(index / side)), width: "1.02", height: "1.02", opacity: opacity.toFixed(2) });
}

/** Says where something is, for a screen reader. */
function value(thing: SVGElement, y: number, x: number): void {
  thing.setAttribute("aria-valuenow", String(x));
  thing.setAttribute("aria-valuetext", `${x} pixels across, ${y} down`);
}

function highest(numbers: readonly number[]): number {
  return numbers.indexOf(Math.max(...numbers));
}

function pair(given: unknown): given is Place {
  return Array.isArray(given) && given.length === 2 && given.every(Number.isFinite);
}

/** A share: .62, or 1. */
function portion(share: number): string {
  return share >= 0.995 ? "1" : share.toFixed(2).slice(1);
}

const STYLE = `
.lab { --value: var(--tf-value-text, #00624A); }
.controls { display: flex; flex-wrap: wrap; gap: 0.35rem 0.4rem; align-items: center; margin: 0.5rem 0; }
.controls button { min-width: 2.4rem; padding: 0.3rem 0.6rem; }
.controls > span { margin-right: 0.2rem; }
.finding { margin: 0.3rem 0; font-size: 1.1rem; font-weight: 600; line-height: 1.3; min-height: 2.6em; }
.sides { display: grid; grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); gap: 1rem; align-items: start; }
.picture { display: block; width: 100%; aspect-ratio: 1; border: 1px solid var(--line); background: var(--ground); overflow: hidden; user-select: none; -webkit-user-select: none; }
.ink { fill: var(--ink); pointer-events: none; }
.hit { fill: transparent; }
.thing { cursor: grab; touch-action: none; }
.thing:active { cursor: grabbing; }
.thing:focus-visible, .dot:focus-visible { outline-width: 0.5px; outline-offset: 0.3px; }
.thing:hover .hit { fill: var(--panel); }
.square { fill: none; stroke: var(--weights); stroke-width: 2; vector-effect: non-scaling-stroke; pointer-events: none; }
.path { fill: none; stroke: var(--query); stroke-width: 2.5; vector-effect: non-scaling-stroke; pointer-events: none; }
.dot { cursor: move; touch-action: none; }
.dot .mark { fill: var(--ground); stroke: var(--query); stroke-width: 2; vector-effect: non-scaling-stroke; }
.dot text { font: 600 2.5px var(--tf-sans, sans-serif); fill: var(--query); pointer-events: none; }
.dot.lit .mark { fill: var(--query); } .dot.lit text { fill: var(--ground); }
.dot.under { pointer-events: none; opacity: 0.45; }
.dot.later .mark { stroke-dasharray: 2 2; }
.dot.chosen .mark { stroke: var(--key); } .dot.chosen.lit .mark { fill: var(--key); } .dot.chosen:not(.lit) text { fill: var(--key); }
.head { margin: 0 0 0.3rem; color: var(--soft); font-size: 0.95rem; }
.views { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.4rem; margin-bottom: 0.8rem; }
.views figure { margin: 0; min-width: 0; } .views svg { display: block; width: 100%; border: 2px solid var(--weights); }
.views figcaption { font-size: 0.85rem; color: var(--soft); }
.bars { list-style: none; margin: 0; padding: 0; font-variant-numeric: tabular-nums; }
.bars li { display: flex; align-items: center; gap: 0.4rem; min-height: 1.35rem; padding-right: 2.2rem; }
.bars .name { width: 1rem; text-align: right; flex: none; } .bars .bar { height: 0.85rem; background: var(--soft); border-radius: 2px; min-width: 1px; flex: none; }
.bars .share { width: 0; white-space: nowrap; }
.bars .best { font-weight: 700; } .bars .best .bar { background: var(--ink); }
.hint { font-size: 0.95rem; color: var(--soft); }
.said { min-height: 0; }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 36rem) { .sides { grid-template-columns: 1fr; } .finding { min-height: 3.9em; } }
`;
