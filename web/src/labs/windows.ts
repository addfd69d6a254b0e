// The lab "Windows": what a patch of a picture has seen after one layer of attention, after two, after more.
//
// Three ways beside each other: windows that stay, windows that every second layer shifts, everything at once. Below, the
// shift as it is computed, by a roll and a mask, and what each way costs. Nothing is fetched; the maths is ../lab/windows.ts.

import { BY_HAND_STYLE, Finding } from "../lab/by_hand.ts";
import { make, rows, type Frame, type Lab } from "../lab/frame.ts";
import { svg } from "../lab/plane.ts";
import { area, attended, cost, layer, reach, rolled, rolledWindow, stack, WAYS, type Box, type Cost, type Layer, type Way } from "../lab/windows.ts";

/** All that the reader can change. */
interface State {
  /** Of the picture, in pixels. */
  readonly side: number;
  readonly window: number;
  readonly shift: number;
  readonly layers: number;
  readonly merge: boolean;
  readonly way: Way;
  /** The layer that is shown, from 1. */
  readonly layer: number;
  /** The patch that asks. */
  readonly row: number;
  readonly column: number;
}

type Count = "side" | "window" | "shift" | "layers";

interface Recording extends State {
  /** Pixels along a patch. */
  patch: number;
  /** Numbers in a token's vector, for the cost. */
  width: number;
  least: Record<Count, number>;
  most: Record<Count, number>;
}

interface Dial {
  readonly label: HTMLElement;
  readonly slider: HTMLInputElement;
  readonly shown: HTMLOutputElement;
}

/** What one way costs, at this size and at twice the side. */
interface Bill {
  readonly item: HTMLElement;
  readonly rows: readonly { bars: HTMLElement[]; label: HTMLElement; total: HTMLElement }[];
  readonly sum: HTMLElement;
}

const NAMES: Record<Way, string> = { stay: "Windows that stay", shift: "Windows that shift", all: "All at once, as in ViT" };
const SAID: Record<Way, string> = { stay: "windows that stay", shift: "windows that shift", all: "all at once" };
const SIDES: readonly [down: number, across: number, name: string][] = [[0, 1, "right-hand neighbour"], [0, -1, "left-hand neighbour"], [1, 0, "neighbour below"], [-1, 0, "neighbour above"]];
const BEAT = 1400; // milliseconds a layer is shown when it plays
const ROLL = 900; // milliseconds
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const FINGER = 0.055; // of the board: around the patch that asks, what a finger may miss by

export default function windows(frame: Frame): Lab {
  return new WindowsLab(frame);
}

class WindowsLab implements Lab {
  private readonly given: Recording;
  private readonly first: State;
  private state: State;
  private readonly past: State[] = [];
  private stacks = {} as Record<Way, Layer[]>;
  private beat = 0;
  private isRolled = true;

  private readonly board = svg("svg", { class: "board", role: "group", "aria-label": "The picture, in patches" });
  private readonly scene = svg("g", {});
  private readonly asker: SVGElement;
  private readonly films: Record<Way, HTMLElement>;
  private readonly prices: Record<Way, HTMLElement>;
  private readonly heads = make("div", { class: "film heads", "aria-hidden": "true" });
  private readonly legend = make("ul", { class: "legend" });
  private readonly dials: Record<Count, Dial>;
  private readonly merge = make("input", { type: "checkbox", id: "merge" });
  private readonly rolled = svg("svg", { class: "rolled", "aria-hidden": "true" });
  private readonly mask = svg("svg", { class: "mask", "aria-hidden": "true" });
  private readonly told: { rolled: HTMLElement; mask: HTMLElement };
  private readonly bills: Bill[];
  private readonly growth = make("p", { class: "growth" });
  private readonly finding = new Finding();
  private readonly play = make("button", { type: "button" }, "Play the layers");
  private readonly undo = make("button", { type: "button" }, "Undo");

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    const { side, window, shift, layers, merge, way, layer: shown, row, column } = given;
    this.first = this.state = { side, window, shift, layers, merge, way, layer: shown, row, column };
    this.asker = this.makeAsker();
    this.board.append(this.scene, this.asker);
    this.point(this.board, () => 0);
    this.point(this.rolled, () => this.here().shift);
    this.films = table(() => make("div", { class: "film" }));
    this.prices = table(() => make("span", { class: "price" }));
    this.dials = {
      side: this.dial("side", "image side", given.patch),
      window: this.dial("window", "window side", 1),
      shift: this.dial("shift", "shift by", 1),
      layers: this.dial("layers", "layers", 1),
    };
    this.told = { rolled: make("span"), mask: make("span") };
    this.bills = ["Windows", "All at once"].map((name) => {
      const sum = make("p", { class: "sum" });
      const rows = [0, 1].map(() => ({ bars: ["projections", "weights"].map((part) => make("span", { class: `bar ${part}` })), label: make("span"), total: make("span") }));
      const lines = rows.map(({ bars, label, total }) => make("p", { class: "line" }, label, make("span", { class: "bars" }, ...bars), total));
      rows[0].label.append(make("b", {}, name));
      return { item: make("li", {}, lines[0], lines[1], sum), rows, sum };
    });
    this.layOut();
    this.draw();
  }

  receive(given: Record<string, unknown>): void {
    const next: Record<string, unknown> = {};
    for (const name of ["side", "window", "shift", "layers", "layer", "row", "column"] as const) {
      if (typeof given[name] === "number" && Number.isFinite(given[name])) next[name] = given[name];
    }
    if (typeof given.merge === "boolean") next.merge = given.merge;
    if (WAYS.includes(given.way as Way)) next.way = given.way;
    this.change(next);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const ways = WAYS.map((way) => make("div", { class: "way" }, make("p", {}, make("b", {}, NAMES[way]), " ", this.prices[way]), this.films[way]));
    const films = make("div", { class: "films", role: "group", "aria-label": "What the patch has seen, in three ways, layer after layer; arrow keys go from one to the next" }, ...ways);
    films.prepend(this.heads);
    films.addEventListener("keydown", (event) => this.walk(event));
    this.merge.addEventListener("change", () => this.act({ merge: this.merge.checked }));
    this.play.addEventListener("click", () => {
      this.keep();
      this.run();
    });
    this.undo.addEventListener("click", () => this.back());
    const reset = make("button", { type: "button" }, "Reset");
    reset.addEventListener("click", () => this.act(this.first));
    const tries = make("div", { class: "controls" }, make("span", {}, "Try:"));
    for (const [name, next, say] of this.tries()) {
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => this.act({ ...this.first, ...next }, say));
      tries.append(button);
    }
    const { side, window, shift, layers } = this.dials;
    const merging = make("label", { class: "tick", for: "merge" }, this.merge, "after every second layer, merge 2 × 2 patches into one");
    this.frame.root.append(
      make("style", {}, BY_HAND_STYLE + STYLE),
      this.finding.element,
      make(
        "div",
        { class: "stage" },
        make("div", { class: "look" }, this.board, this.legend),
        make("div", { class: "turn" }, films, make("div", { class: "controls" }, this.play, this.undo, reset)),
        make("div", { class: "dials" }, side.label, window.label, shift.label, layers.label, merging),
        make(
          "div",
          { class: "computed" },
          make("p", { class: "title" }, "As it is computed"),
          make("div", { class: "pair" }, make("figure", {}, this.rolled, make("figcaption", {}, this.told.rolled)), make("figure", {}, this.mask, make("figcaption", {}, this.told.mask))),
        ),
        make("div", { class: "cost" }, make("p", { class: "title" }, "What this layer costs"), make("ul", {}, ...this.bills.map((one) => one.item)), this.growth),
        make("div", { class: "more" }, tries, this.frame.said),
      ),
      this.finding.spoken,
    );
  }

  private tries(): [string, Partial<State>, string][] {
    return [
      [
        "a corner",
        { row: 0, column: 0, layer: 2 },
        "The shift leaves slivers at the edges. Rolled, the slivers of four corners fill one window, and all windows are of one size: one batch. The mask keeps the four apart, for in the picture they are strangers.",
      ],
      ["Swin’s own size", { side: 224, window: 7, shift: 3, row: 27, column: 27, layer: 2 }, "224 pixels in patches of 4 are 56 × 56 tokens, in windows of 7 × 7: the first stage of Swin-T. All at once costs 14 times as much there, and at twice the side 53 times."],
      ["a window that does not fit", { side: 52, row: 12, column: 12, layer: 2 }, "13 patches are no multiple of 4. Padding below and to the right makes 16 of them: in layer 1 the last patch was alone with it in its window. It rolls along with the rest. It takes part as keys and counts in the cost, but holds nothing of the picture."],
      ["merging", { merge: true, layer: 3 }, "After layer 2 each token is 2 × 2 patches, so the same window reaches twice as far, over a quarter of the tokens. So windows that stay see more as well, but a border goes on parting the eyes, until one window holds the whole picture."],
    ];
  }

  /** A dial is one thing done, however far it is turned in one grip. */
  private dial(name: Count, label: string, step: number): Dial {
    const slider = make("input", { type: "range", id: name, step: String(step), min: String(this.given.least[name]), max: String(this.given.most[name]) });
    const shown = make("output", { for: name });
    let held = false;
    slider.addEventListener("input", () => {
      if (!held) this.keep();
      held = true;
      const value = Number(slider.value);
      this.change(name === "window" ? { window: value, shift: Math.floor(value / 2) } : { [name]: value });
    });
    for (const end of ["change", "blur"]) slider.addEventListener(end, () => (held = false));
    return { slider, shown, label: make("label", { class: "dial", for: name }, make("span", {}, label), shown, slider) };
  }

  /** The patch that asks: dragged, or moved by arrow keys, with the shift key by a window. */
  private makeAsker(): SVGElement {
    const made = svg("g", { class: "asker", role: "slider", tabindex: "0", "aria-label": "The patch that asks", "aria-valuemin": "1" });
    made.append(svg("circle", { class: "hit" }), svg("circle", { class: "dot" }));
    made.addEventListener("keydown", (event) => {
      const by = arrow(event);
      if (!by) return;
      if (!event.repeat) this.keep();
      const step = (event.shiftKey ? this.state.window : 1) * this.here().side;
      this.change({ row: this.state.row + by[0] * step, column: this.state.column + by[1] * step });
    });
    return made;
  }

  /** A tap picks a patch, a drag goes on; a finger that moves up or down scrolls, unless it holds the patch itself. */
  private point(picture: SVGElement, shift: () => number): void {
    const pick = (event: PointerEvent): void => {
      const box = picture.getBoundingClientRect();
      const { side, padded } = this.here();
      const extent = picture === this.board ? this.extent() : padded[0] * side;
      const [row, column] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map((part) => {
        const at = Math.floor(Math.min(0.9999, Math.max(0, part)) * extent);
        return shift() ? (at + shift() * side) % extent : at;
      });
      this.change({ row, column });
    };
    picture.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      picture.setPointerCapture(event.pointerId);
      this.keep();
      pick(event);
    });
    picture.addEventListener("pointermove", (event) => {
      if (picture.hasPointerCapture(event.pointerId)) pick(event);
    });
  }

  /** Arrow keys go through the small pictures: across from layer to layer, down from way to way. */
  private walk(event: KeyboardEvent): void {
    const by = arrow(event);
    if (!by) return;
    const way = WAYS[Math.min(WAYS.length - 1, Math.max(0, WAYS.indexOf(this.state.way) + by[0]))];
    this.act({ way, layer: this.state.layer + by[1] });
    (this.films[way].children[this.state.layer - 1] as HTMLElement).focus();
  }

  private run(shown = 1): void {
    this.change({ layer: shown });
    if (shown < this.state.layers) this.beat = window.setTimeout(() => this.run(shown + 1), BEAT);
  }

  /** One thing done, which Undo takes back, and what to say of it. */
  private act(next: Partial<State>, say = ""): void {
    this.keep();
    this.change(next);
    this.frame.say(say);
  }

  private keep(): void {
    this.past.push(this.state);
  }

  private back(): void {
    let before = this.past.pop();
    while (before && same(before, this.state)) before = this.past.pop(); // of a touch that changed nothing
    this.frame.say("");
    if (before) this.show(before);
  }

  private change(next: Partial<State>): void {
    this.frame.say("");
    this.show(this.fitting(next));
  }

  private show(state: State): void {
    clearTimeout(this.beat);
    this.state = state;
    this.draw();
    const seen = table((way) => this.stacks[way].map((_, l) => area(this.seen(way, l + 1))));
    this.frame.tell({ ...state, seen, cost: table((way) => total(cost(this.here(way), this.given.width))) });
  }

  /** A state in which all fits together, whatever was asked for; the patch keeps its place in a picture of another size. */
  private fitting(next: Partial<State>): State {
    const { least, most, patch } = this.given;
    const within = (value: number, low: number, high: number): number => Math.round(Math.min(high, Math.max(low, value)));
    const asked = { ...this.state, ...next };
    const side = within(asked.side / patch, least.side / patch, most.side / patch) * patch;
    const window = within(asked.window, least.window, most.window);
    const layers = within(asked.layers, least.layers, most.layers);
    const place = (name: "row" | "column"): number => {
      const at = next[name] ?? Math.floor(((asked[name] + 0.5) * side) / this.state.side);
      return within(at, 0, side / patch - 1);
    };
    return {
      ...asked,
      side,
      window,
      layers,
      shift: within(asked.shift, least.shift, window - 1),
      layer: within(asked.layer, 1, layers),
      row: place("row"),
      column: place("column"),
    };
  }

  // --- what follows ----------------------------------------------------------------------------------------

  private grid(): number {
    return this.state.side / this.given.patch;
  }

  /** The layer that is shown, in one of the ways. */
  private here(way = this.state.way): Layer {
    return this.stacks[way][this.state.layer - 1];
  }

  private seen(way: Way, layers: number): Box {
    return reach(this.stacks[way].slice(0, layers), this.state.row, this.state.column);
  }

  /** Patches along the board: the picture and the widest padding. */
  private extent(): number {
    return Math.max(...this.stacks.stay.map(({ padded, side }) => padded[0] * side));
  }

  /** The neighbour behind the border of the first layer's window, if the patch stands at one. */
  private stranger(): { row: number; column: number; name: string } | undefined {
    const box = attended(this.stacks.stay[0], this.state.row, this.state.column);
    return SIDES.map(([down, across, name]) => ({ row: this.state.row + down, column: this.state.column + across, name })).find(
      ({ row, column }) => Math.min(row, column) >= 0 && Math.max(row, column) < this.grid() && !holds(box, row, column),
    );
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const { state } = this;
    const settings = { ...state, grid: this.grid() };
    this.stacks = table((way) => stack(settings, way));
    this.drawDials();
    this.drawBoard();
    for (const way of WAYS) this.drawFilm(way);
    rows(this.heads, state.layers, (l) => make("span", {}, `layer ${l + 1}`));
    this.heads.style.setProperty("--count", String(state.layers));
    this.drawRolled();
    this.drawMask();
    this.drawCost();
    this.undo.disabled = this.past.every((one) => same(one, state));
    this.play.disabled = state.layers === 1;
    this.finding.show(this.found());
  }

  private drawDials(): void {
    const { side, window, shift, layers, merge } = this.state;
    const shown = { side: `${side} px`, window: `${window} × ${window}`, shift: String(shift), layers: String(layers) };
    this.dials.shift.slider.max = String(window - 1);
    for (const name of Object.keys(shown) as Count[]) {
      const { slider, shown: output } = this.dials[name];
      output.textContent = shown[name];
      slider.setAttribute("aria-valuetext", shown[name]);
      slider.value = String(this.state[name]);
    }
    this.dials.shift.slider.disabled = window === 2;
    this.merge.checked = merge;
  }

  private drawBoard(): void {
    const { row, column, way, layer: shown } = this.state;
    const [here, extent, grid] = [this.here(), this.extent(), this.grid()];
    const { side } = here;
    this.board.setAttribute("viewBox", `0 0 ${extent} ${extent}`);
    const [down, across] = [Math.floor(row / side), Math.floor(column / side)];
    const direct = attended(here, down, across);
    let drawn = `${hatching(extent)}${picture(grid)}${padding(here, grid)}${lattice(here)}`;
    const seen = Array.from({ length: shown }, (_, l) => this.seen(way, l + 1));
    drawn += `<path class="seen" d="${frame(seen[shown - 1])}"/><path class="direct" d="${frame(direct, side)}"/>${squares(direct, side)}`;
    drawn += `<path class="border" d="${borders(here)}"/>`;
    seen.forEach((box, l) => {
      if (!l || area(box) > area(seen[l - 1])) drawn += `<path class="since" d="${frame(box)}"/>${label(l + 1, box, extent)}`;
    });
    drawn += this.drawStranger(seen[shown - 1], extent);
    this.scene.innerHTML = drawn;
    const [hit, dot] = this.asker.children;
    this.asker.setAttribute("transform", `translate(${(across + 0.5) * side} ${(down + 0.5) * side})`);
    hit.setAttribute("r", String(Math.max(0.6 * side, FINGER * extent)));
    dot.setAttribute("r", String(Math.max(0.36 * side, 0.012 * extent)));
    this.asker.setAttribute("aria-valuemax", String(grid ** 2));
    this.asker.setAttribute("aria-valuenow", String(row * grid + column + 1));
    this.asker.setAttribute("aria-valuetext", `row ${row + 1}, column ${column + 1}`);
    this.drawLegend(direct, seen[shown - 1]);
  }

  private drawLegend(direct: Box, seen: Box): void {
    const { layer: shown } = this.state;
    const { side } = this.here();
    const keys = area(direct);
    const told = side > 1 ? `${keys} tokens of ${side} × ${side} patches` : `${keys} ${keys === 1 ? "patch" : "patches"}`;
    const other = this.stranger();
    const known = other && holds(seen, other.row, other.column);
    this.legend.replaceChildren(
      make("li", { class: "query" }, side > 1 ? "the token that asks" : "the patch that asks"),
      make("li", { class: "key" }, `its window in layer ${shown}: it attends to ${told}`),
      make("li", { class: "far" }, `seen after ${shown === 1 ? "this layer" : `${shown} layers (numbers: since which)`}: ${area(seen)} of ${this.grid() ** 2} patches`),
      ...(other ? [make("li", { class: "other" }, make("b", { "aria-hidden": "true" }, known ? "✓" : "✗"), `its ${other.name}, over the border of layer 1: ${known ? "seen" : "not seen"}`)] : []),
    );
  }

  private drawStranger(seen: Box, extent: number): string {
    const other = this.stranger();
    if (!other) return "";
    const { row, column } = other;
    const size = Math.max(1, extent / 24);
    // In a fine grid the mark is larger than a patch: it makes room for the patch that asks.
    const [y, x] = [[row, this.state.row], [column, this.state.column]].map(([to, from]) => from + 0.5 + (to - from) * size);
    const mark = holds(seen, row, column) ? `M${x - 0.25 * size} ${y}l${0.18 * size} ${0.2 * size}l${0.34 * size} ${-0.42 * size}` : `M${x - 0.22 * size} ${y - 0.22 * size}l${0.44 * size} ${0.44 * size}m0 ${-0.44 * size}l${-0.44 * size} ${0.44 * size}`;
    return `<path class="halo" d="${mark}"/><path class="stranger" d="${mark}"/>`;
  }

  private drawFilm(way: Way): void {
    const { layers, layer: shown, row, column } = this.state;
    const [extent, grid] = [this.extent(), this.grid()];
    const film = this.films[way];
    film.style.setProperty("--count", String(layers));
    const all = rows(film, layers, (l) => {
      const button = make("button", { type: "button" }, svg("svg", { "aria-hidden": "true" }), make("span"));
      button.addEventListener("click", () => this.act({ way, layer: l + 1 }));
      return button;
    });
    all.forEach((button, l) => {
      const here = this.stacks[way][l];
      const box = this.seen(way, l + 1);
      const chosen = way === this.state.way && l + 1 === shown;
      const [small, count] = button.children;
      small.setAttribute("viewBox", `0 0 ${extent} ${extent}`);
      const radius = Math.max(0.5, 0.05 * extent);
      small.innerHTML = `<path class="ground" d="M0 0h${grid}v${grid}h${-grid}z"/><path class="seen" d="${frame(box)}"/><path class="border" d="${borders(here)}"/><circle class="dot" cx="${column + 0.5}" cy="${row + 0.5}" r="${radius}"/>`;
      count.textContent = String(area(box));
      button.setAttribute("aria-label", `${SAID[way]}, after layer ${l + 1}: ${area(box)} of ${grid ** 2} patches`);
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    });
    this.prices[way].textContent = `${amount(total(cost(this.here(way), this.given.width)))} multiplications a layer`;
  }

  private drawRolled(): void {
    const here = this.here();
    const { side, shift, window, padded } = here;
    const extent = padded[0] * side;
    const cut = shift * side;
    this.rolled.setAttribute("viewBox", `0 0 ${extent} ${extent}`);
    const [down, across] = [this.state.row, this.state.column].map((place) => Math.floor(place / side));
    const [r, c] = [down, across].map((place, axis) => rolled(place, shift, padded[axis]));
    const [top, left] = [r, c].map((place) => Math.floor(place / window) * window);
    const direct = attended(here, down, across);
    const whole = window >= here.rows;
    let over = whole ? `<path class="direct" d="${frame(direct, side)}"/>` : "";
    if (!whole) {
      rolledWindow(here, top / window, left / window).places.forEach(([row, column], i) => {
        const at = { top: top + Math.floor(i / window), left: left + (i % window) };
        const cell = { ...at, bottom: at.top + 1, right: at.left + 1 };
        if (holds(direct, row, column)) over += `<path class="direct" d="${frame(cell, side)}"/>${squares(cell, side)}`;
        else if (row < here.rows && column < here.columns) over += `<path class="foreign" d="${frame(cell, side)}"/>`;
      });
    }
    over += `<path class="border" d="${borders({ ...here, shift: 0 })}"/>${seam(extent, cut)}<path class="own" d="${frame({ top, left, bottom: top + window, right: left + window }, side)}"/>`;
    over += `<circle class="dot" cx="${(c + 0.5) * side}" cy="${(r + 0.5) * side}" r="${Math.max(0.36 * side, 0.02 * extent)}"/>`;
    this.rolled.innerHTML = `${hatching(extent)}${pieces(here, this.grid())}<g class="over">${over}</g>`;
    if (cut && !this.isRolled && !STILL.matches) roll(this.rolled, extent, cut);
    this.isRolled = cut > 0;
    const count = (padded[0] / window) ** 2;
    const alone = (Math.ceil((here.rows - shift) / window) + Number(shift > 0)) ** 2;
    const each = count === 1 ? "one window" : `${count} windows of ${window} × ${window}`;
    this.told.rolled.textContent = cut
      ? `Rolled up and left by ${shift}: ${each}${alone > count ? `, where the picture alone has ${alone}, smaller at its edges` : ""}. Shaded: what came round from the other edge.`
      : `${each[0].toUpperCase()}${each.slice(1)}; nothing is rolled in this layer.`;
  }

  /** The mask of each window, at the window's place: a row for each query, a column for each key. */
  private drawMask(): void {
    const here = this.here();
    const { side, shift, window, padded } = here;
    const place = [this.state.row, this.state.column].map((one, axis) => rolled(Math.floor(one / side), shift, padded[axis]));
    const [down, across] = place.map((one) => Math.floor(one / window));
    const [high, wide] = padded.map((one) => one / window);
    const count = window ** 2;
    const known = new Map<string, { path: string; pairs: number }>(); // there are four kinds at most
    let drawn = "";
    for (let r = 0; r < high; r++) {
      for (let c = 0; c < wide; c++) {
        const kind = shift ? `${r === high - 1} ${c === wide - 1}` : "";
        const made = known.get(kind) ?? meetings(rolledWindow(here, r, c).pieces);
        known.set(kind, made);
        const own = r === down && c === across;
        const asks = (place[0] % window) * window + (place[1] % window);
        const row = `d="M0 ${asks}h${count}v1h${-count}z"`;
        const line = own ? `<path class="own" d="M0 0h${count}v${count}h${-count}z"/><path class="halo" ${row}/><path class="line" ${row}/>` : "";
        drawn += `<svg x="${c + 0.06}" y="${r + 0.06}" width="0.88" height="0.88" viewBox="0 0 ${count} ${count}"><path class="none" d="M0 0h${count}v${count}h${-count}z"/><path class="pairs" d="${made.path}"/>${line}</svg>`;
        if (own) this.told.mask.textContent = `The ${high * wide > 1 ? "masks of the windows" : "mask of the window"}, ${count} queries (rows) × ${count} keys. Framed: where it asks; ${made.pairs === count ** 2 ? "all there are neighbours, and all pairs meet" : `of ${count ** 2} pairs only ${made.pairs} meet, for the others are strangers`}.`;
      }
    }
    this.mask.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    this.mask.innerHTML = drawn;
  }

  private drawCost(): void {
    const { rows: tokens, side } = this.here();
    const width = this.given.width * side;
    const both = (count: number): Layer[] => [this.state.window, count].map((window) => layer(count, count, window, 0));
    const layers = both(tokens);
    const costs = [layers, both(2 * tokens)].map((pair) => pair.map((one) => cost(one, width)));
    const most = Math.max(...costs.flat().map(total));
    this.bills.forEach(({ rows: lines, sum }, i) => {
      lines.forEach(({ bars, label, total: shown }, twice) => {
        const one = costs[twice][i];
        bars[0].style.width = `${(100 * one.projections) / most}%`;
        bars[1].style.width = `${(100 * one.weights) / most}%`;
        shown.textContent = amount(total(one));
        if (twice) label.textContent = `doubled: × ${times(total(one) / total(costs[0][i]))}`;
      });
      const { padded, window } = layers[i];
      const hw = `${padded[0]}·${padded[1]}`;
      const terms = [`4·${hw}·${width}²`, i ? `2·(${hw})²·${width}` : `2·${window}²·${hw}·${width}`];
      const letters = ["4<i>hwC</i>²", i ? "2(<i>hw</i>)²<i>C</i>" : "2<i>M</i>²<i>hwC</i>"];
      sum.innerHTML = `<span class="part projections"></span>${letters[0]} + <span class="part weights"></span>${letters[1]} = ${terms.join(" + ")}`;
    });
    const [fewer, more] = layers.map((_, i) => times(costs[1][i].weights / costs[0][i].weights));
    this.growth.textContent = `Grey: queries, keys, values and output. Purple: the weights, made and used. Doubled, the picture has twice the side: the purple of windows grows × ${fewer}, that of all at once × ${more}.`;
  }

  /** What there is to see now, in a sentence. */
  private found(): string {
    const { way, layer: shown, layers, merge } = this.state;
    const grid = this.grid();
    const box = this.seen(way, shown);
    const [count, all] = [area(box), grid ** 2];
    const much = count === all ? `all ${all} patches` : `${count} of ${all} patches`;
    if (way === "all") {
      const [windows, once] = (["stay", "all"] as const).map((one) => total(cost(this.here(one), this.given.width)));
      return `All at once: in one layer the patch sees ${much}, for ${amount(once)} multiplications where windows take ${amount(windows)}.`;
    }
    const after = `After ${shown === 1 ? "one layer" : `${shown} layers`} the patch has seen ${much}`;
    const other = this.stranger();
    if (!other) return `${after}.`;
    const met = table((one) => this.stacks[one].findIndex((_, l) => holds(this.seen(one, l + 1), other.row, other.column)) + 1);
    const since = met[way];
    if (since > shown) return `${after}. Its ${other.name} lies behind a border, until layer ${since}.`;
    if (!since) return `${after}. Its ${other.name} lies behind a border ${merge ? `in all ${layers} layers` : "in every layer, however many there are"}.`;
    if (way === "stay") return `${after}, and since layer ${since} its ${other.name}.`;
    const stays = met.stay ? `show it in layer ${met.stay}` : merge ? `not show it in ${layers} layers` : "never show it";
    return `${after}, its ${other.name} among them. Windows that stay would ${stays}.`;
  }
}

function table<T>(of: (way: Way) => T): Record<Way, T> {
  return Object.fromEntries(WAYS.map((way) => [way, of(way)])) as Record<Way, T>;
}

/** An arrow key as a step (down, across). */
function arrow(event: KeyboardEvent): readonly [number, number] | undefined {
  const by = ({ ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] } as const)[event.key as "ArrowUp"];
  if (!by || event.altKey || event.ctrlKey || event.metaKey) return undefined;
  event.preventDefault();
  event.stopPropagation(); // in a deck, arrow keys turn the slides
  return by;
}

function same(a: State, b: State): boolean {
  return (Object.keys(a) as (keyof State)[]).every((name) => a[name] === b[name]);
}

function holds({ top, left, bottom, right }: Box, row: number, column: number): boolean {
  return row >= top && row < bottom && column >= left && column < right;
}

function total({ projections, weights }: Cost): number {
  return projections + weights;
}

/** A large number in words that one can compare. */
function amount(count: number): string {
  const [unit, name] = count >= 1e9 ? [1e9, " billion"] : count >= 1e6 ? [1e6, " million"] : [1, ""];
  return `${unit === 1 ? count.toLocaleString("en") : (count / unit).toFixed(count / unit < 100 ? 1 : 0)}${name}`;
}

function times(factor: number): string {
  return factor.toFixed(factor < 9.95 ? 1 : 0);
}

/** Which pairs of a window may meet, as the data of a path, and how many. */
function meetings(pieces: readonly number[]): { path: string; pairs: number } {
  const count = pieces.length;
  if (new Set(pieces).size === 1) return { path: `M0 0h${count}v${count}h${-count}z`, pairs: count ** 2 };
  let [path, pairs] = ["", 0];
  pieces.forEach((one, q) => {
    for (let k = 0; k < count; k++) {
      const from = k;
      while (k < count && pieces[k] === one) k++;
      if (k > from) path += `M${from} ${q}h${k - from}v1h${from - k}z`;
      pairs += k - from;
    }
  });
  return { path, pairs };
}

/** The edge of a box, as the data of a path; `side` patches to a token. */
function frame({ top, left, bottom, right }: Box, side = 1): string {
  const [high, wide] = [(bottom - top) * side, (right - left) * side];
  return `M${left * side} ${top * side}h${wide}v${high}h${-wide}z`;
}

/** The number of a layer, in the upper right corner of what was seen by then. */
function label(number: number, { top, right }: Box, extent: number): string {
  const size = extent * 0.045;
  return `<text x="${right - 0.3 * size}" y="${top + size}" font-size="${size}">${number}</text>`;
}

/** A small square on each token of a box: what is a key, told without colour. */
function squares({ top, left, bottom, right }: Box, side: number): string {
  const size = 0.28 * side;
  let path = "";
  for (let r = top; r < bottom; r++) {
    for (let c = left; c < right; c++) path += `M${((c + 0.5) * side - size / 2).toFixed(2)} ${((r + 0.5) * side - size / 2).toFixed(2)}h${size}v${size}h${-size}z`;
  }
  return `<path class="mark" d="${path}"/>`;
}

/** The borders of a layer's windows. */
function borders({ padded, window, shift, side }: Layer): string {
  const [high, wide] = padded.map((count) => count * side);
  const cuts = (count: number): number[] => [0, ...Array.from({ length: count / window }, (_, i) => shift + i * window).filter((at) => at > 0), count];
  return cuts(padded[0]).map((at) => `M0 ${at * side}h${wide}`).join("") + cuts(padded[1]).map((at) => `M${at * side} 0v${high}`).join("");
}

/** Thin lines between the tokens. */
function lattice({ padded, side }: Layer): string {
  const extent = padded[0] * side;
  const lines = Array.from({ length: padded[0] - 1 }, (_, i) => `M0 ${(i + 1) * side}h${extent}M${(i + 1) * side} 0v${extent}`);
  return `<path class="lattice" d="${lines.join("")}"/>`;
}

/** What fills rows and columns up to whole windows. */
function padding({ padded, side }: Layer, grid: number): string {
  const extent = padded[0] * side;
  return extent > grid ? `<path class="padding" d="M0 ${grid}H${grid}V0H${extent}V${extent}H0z"/>` : "";
}

/** A rolled picture: what stayed together, and what came round from above, from the left and from the corner. */
function pieces(here: Layer, grid: number): string {
  const extent = here.padded[0] * here.side;
  const cut = here.shift * here.side;
  const content = picture(grid) + padding(here, grid) + lattice(here);
  const drawn = [0, 1, 2, 3].map((i) => {
    const [below, right] = [i > 1, i % 2 === 1];
    const [high, wide] = [below ? cut : extent - cut, right ? cut : extent - cut];
    if (!high || !wide) return "";
    const at = `x="${right ? extent - cut : 0}" y="${below ? extent - cut : 0}" width="${wide}" height="${high}"`;
    return `<g class="piece"><svg ${at} viewBox="${right ? 0 : cut} ${below ? 0 : cut} ${wide} ${high}">${content}</svg>${i ? `<rect class="moved" ${at}/>` : ""}</g>`;
  });
  return drawn.join("");
}

/** Lets the pieces come to their places from where they lie in the picture. */
function roll(rolled: SVGElement, extent: number, cut: number): void {
  const how = { duration: ROLL, easing: "ease-in-out" };
  rolled.querySelectorAll(".piece").forEach((piece, i) => {
    const [down, across] = [i > 1, i % 2 === 1].map((moved) => (moved ? cut - extent : cut));
    piece.animate([{ transform: `translate(${across}px, ${down}px)` }, { transform: "none" }], how);
  });
  rolled.querySelector(".over")!.animate([{ opacity: 0 }, { opacity: 0, offset: 0.8 }, { opacity: 1 }], how);
}

/** Where the edges of the picture met, and where the strips beyond came from. */
function seam(extent: number, cut: number): string {
  if (!cut) return "";
  const edge = extent - cut;
  const lines = `<path class="seam" d="M0 ${edge}H${extent}M${edge} 0V${extent}"/>`;
  const size = Math.min(0.075 * extent, 0.8 * cut);
  if (size < 0.05 * extent) return lines; // too narrow for words
  const [middle, beside] = [edge / 2, edge + cut / 2];
  const how = `font-size="${size}" dy="${0.35 * size}"`;
  return `${lines}<text ${how} x="${middle}" y="${beside}">from the top</text><text ${how} transform="translate(${beside} ${middle}) rotate(90)">from the left</text>`;
}

function hatching(extent: number): string {
  const step = extent / 48;
  return `<defs><pattern id="hatch" width="${step}" height="${step}" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="stripe" d="M0 0h${step}" stroke-width="${0.45 * step}"/></pattern></defs>`;
}

/** A picture to cut into windows: a cat's face. A border between the middle windows parts its eyes. */
function picture(grid: number): string {
  return `<svg width="${grid}" height="${grid}" viewBox="0 0 100 100"><rect class="ground" width="100" height="100"/><g class="cat">
    <path d="M18 46L14 8L40 24Q50 21 60 24L86 8L82 46Q90 64 76 80Q64 92 50 92Q36 92 24 80Q10 64 18 46z"/>
    <g class="dark"><ellipse cx="34" cy="46" rx="6" ry="7.5"/><ellipse cx="66" cy="46" rx="6" ry="7.5"/><path d="M42 62Q50 58 58 62L50 71z"/></g>
    <path class="stroke" d="M50 71V77Q44 84 37 80M50 77Q56 84 63 80M30 66L6 61M30 71L7 74M70 66L94 61M70 71L93 74"/></g></svg>`;
}

const STYLE = `
.lab { container-type: inline-size; }
.title { font-weight: 700; margin: 0 0 0.4rem; }
.finding { min-height: 2.6em; }
.stage { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 0.9rem 1.2rem; }
.look, .turn { grid-column: span 3; } .dials, .more { grid-column: 1 / -1; } .computed { grid-column: span 4; } .cost { grid-column: span 2; }
.board, .rolled, .mask { display: block; width: 100%; overflow: visible; user-select: none; -webkit-user-select: none; }
.board, .rolled { cursor: crosshair; touch-action: pan-y; }
svg * { vector-effect: non-scaling-stroke; }
.ground { fill: var(--ground); }
.cat { fill: color-mix(in srgb, var(--ink) 13%, var(--ground)); } .cat .dark { fill: color-mix(in srgb, var(--ink) 60%, var(--ground)); } .cat .stroke { fill: none; stroke: color-mix(in srgb, var(--ink) 45%, var(--ground)); stroke-width: 1.5; }
.lattice { stroke: var(--line); stroke-width: 0.6; fill: none; }
.padding { fill: url(#hatch); } .stripe { stroke: var(--line); vector-effect: none; }
.seen { fill: var(--tf-key, #D55E00); fill-opacity: 0.2; }
.direct { fill: var(--tf-key, #D55E00); fill-opacity: 0.3; }
.mark { fill: var(--tf-key, #D55E00); }
.since { fill: none; stroke: var(--tf-key, #D55E00); stroke-width: 1.5; stroke-dasharray: 2 2.5; }
.border { fill: none; stroke: var(--weights); stroke-width: 2; }
.foreign { fill: url(#hatch); }
.moved { fill: var(--ink); fill-opacity: 0.16; }
.seam { fill: none; stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 3; }
.rolled text { fill: var(--ink); stroke: var(--ground); stroke-width: 3px; paint-order: stroke; text-anchor: middle; font-weight: 600; }
.own { fill: none; stroke: var(--weights); stroke-width: 4; }
.dot { fill: var(--tf-query, #0072B2); stroke: var(--ground); stroke-width: 1.5; }
.hit { fill: transparent; }
.asker { cursor: grab; touch-action: none; outline: 3px solid transparent; }
.asker:active { cursor: grabbing; }
.asker:focus-visible .hit { stroke: var(--weights); stroke-width: 3; }
.board text { fill: var(--key); stroke: var(--ground); stroke-width: 3px; paint-order: stroke; text-anchor: end; font-weight: 700; }
.stranger { fill: none; stroke: var(--ink); stroke-width: 3; } .halo { fill: none; stroke: var(--ground); stroke-width: 7; }
.legend { list-style: none; margin: 0.5rem 0 0; padding: 0; font-size: 0.92rem; line-height: 1.3; }
.legend li { padding-left: 1.5rem; position: relative; } .legend li::before { content: ""; position: absolute; left: 0.1rem; top: 0.2em; width: 0.85em; height: 0.85em; }
.legend .other b { position: absolute; left: 0.1rem; } .legend .other::before { display: none; }
.legend .query::before { border-radius: 50%; background: var(--tf-query, #0072B2); }
.legend .key::before { background: radial-gradient(var(--tf-key, #D55E00) 28%, color-mix(in srgb, var(--tf-key, #D55E00) 45%, transparent) 30%); }
.legend .far::before { background: color-mix(in srgb, var(--tf-key, #D55E00) 20%, transparent); outline: 1.5px dashed var(--tf-key, #D55E00); }
.heads { font-size: 0.85rem; color: var(--soft); text-align: center; }
.way { margin-bottom: 0.5rem; } .way p { margin: 0 0 0.2rem; font-size: 0.95rem; line-height: 1.2; } .price { display: block; font-size: 0.85rem; color: var(--soft); }
.film { display: grid; grid-template-columns: repeat(var(--count), minmax(0, 1fr)); gap: 0.3rem; }
.film button { min-height: 0; padding: 3px 3px 0; border-radius: 6px; border-color: transparent; display: block; line-height: 1.3; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.film svg { display: block; overflow: visible; width: 100%; max-width: 5.5rem; margin: 0 auto; }
.film .border { stroke-width: 0.9; } .film .seen { fill-opacity: 0.55; } .film .ground { stroke: var(--line); }
.film button[aria-pressed="true"] { background: var(--panel); color: var(--ink); border-color: var(--ink); font-weight: 700; }
.dials { display: grid; grid-template-columns: repeat(4, 1fr); gap: 0 1.2rem; }
.dial { display: grid; grid-template-columns: auto 1fr; gap: 0 0.5rem; align-items: baseline; font-size: 0.95rem; }
.dial output { font-weight: 600; font-variant-numeric: tabular-nums; }
.dial input { grid-column: 1 / -1; width: 100%; min-height: 1.9rem; margin: 0; accent-color: var(--ink); }
.tick { grid-column: 1 / -1; display: flex; gap: 0.5rem; align-items: center; min-height: 2rem; font-size: 0.95rem; } .tick input { width: 1.2rem; height: 1.2rem; accent-color: var(--ink); flex: none; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0.8rem; } .pair figure { justify-content: start; } .pair figcaption { padding: 0.35rem 0 0; font-size: 0.88rem; line-height: 1.25; color: var(--soft); }
.mask { align-self: start; } .pairs { fill: var(--weights); } .none { fill: var(--panel); } .mask .own { stroke: var(--ink); stroke-width: 3; } .mask .halo { stroke-width: 4; } .line { fill: none; stroke: var(--tf-query, #0072B2); stroke-width: 2; } .mask svg { overflow: visible; }
.cost ul { list-style: none; margin: 0; padding: 0; } .cost li { margin-bottom: 0.6rem; font-size: 0.92rem; }
.cost .line { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 0.5rem; margin: 0; font-variant-numeric: tabular-nums; }
.bars { display: flex; flex-basis: 100%; order: 1; margin-bottom: 0.2rem; } .bar { height: 0.7rem; } .projections { background: var(--soft); } .weights { background: var(--weights); }
.part { display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.25em; }
.sum { margin: 0.15rem 0 0; font-size: 0.88rem; color: var(--soft); overflow-wrap: anywhere; } .growth { margin: 0; font-size: 0.88rem; line-height: 1.3; }
@container (min-width: 56rem) {
  .stage { grid-template: "look turn computed" auto "look turn cost" auto "dials dials cost" auto "more more cost" 1fr / 3fr 2.2fr 3.4fr; }
  .look { grid-area: look; } .turn { grid-area: turn; } .computed { grid-area: computed; } .cost { grid-area: cost; } .dials { grid-area: dials; } .more { grid-area: more; }
  .cost ul { display: grid; grid-template-columns: 1fr 1fr; gap: 1.2rem; }
}
@media (max-width: 36rem) {
  .rolled text { display: none; } /* too small to read */
  .stage > * { grid-column: 1 / -1; }
  .dials { grid-template-columns: 1fr 1fr; }
  .finding { min-height: 5.2em; font-size: 1.05rem; }
}
`;
