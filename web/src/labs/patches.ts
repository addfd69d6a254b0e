// The lab of the Vision Transformer: a picture is a sentence of patches. Choose one, draw on it or bring your own; the model
// says what it shows. Press a patch, and see where it looks; erase patches or shuffle them, and see what the model still knows.

import { replace } from "../edits.ts";
import { BARS_STYLE, ClassBars, likeliest, percent } from "../lab/bars.ts";
import { BOARD_STYLE, paint, PictureBoard, weightsPicture, type Tool } from "../lab/board.ts";
import { DOOR_STYLE, PictureDoor } from "../lab/files.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import {
  blank, changed, fromBase64, inverse, meanDistance, patchAt, permutation, PictureReader, rearranged, stroke, toBytes,
  type Colour, type Picture, type PictureFacts, type PictureReading, type Place,
} from "../pictures.ts";
import { view, type Tensor } from "../tensor.ts";

/** What Python recorded: the drawings, what the model says of the first, and where its class token looks, in thousandths. */
interface Recording extends PictureFacts {
  pictures: { name: string; pixels: string }[];
  /** How many of them it takes for what they are. */
  right: number;
  probabilities: number[];
  rows: number[][][];
}

/** All that the reader can change about the picture; a new one for each change, so that Undo keeps the old. */
interface State {
  readonly name: string;
  /** As it came: a drawing, a blank, a file. */
  readonly given: Picture;
  /** With all that was painted on it. */
  readonly picture: Picture;
  /** Patches of the picture that are grey. */
  readonly erased: ReadonlySet<number>;
  /** Of the order of its patches; 0: as they were. */
  readonly seed: number;
  /** Whether each patch takes its place along when they are shuffled. */
  readonly along: boolean;
}

/** Who looks, and through which layer and head; without a layer through all, without a head through their mean. */
interface Look {
  readonly query: number;
  readonly layer: number | null;
  readonly head: number | null;
}

const QUIET = 500; // milliseconds without a change, before the finding is spoken
const KEPT = 100; // states that Undo knows
const POSITIONS = "position_table"; // the model's own name for what it adds to each token
const COLOURS: readonly (readonly [name: string, colour: string])[] = [
  ["black", "#14161A"], ["white", "#FFFFFF"], ["grey", "#8A8F94"], ["red", "#C22B22"],
  ["yellow", "#E0A92E"], ["green", "#5A8A38"], ["blue", "#3F7AC4"], ["brown", "#7A4B26"],
];
const TOOLS: readonly (readonly [Tool, string])[] = [["look", "Look"], ["draw", "Draw"], ["erase", "Erase patches"]];

export default function patches(frame: Frame): Lab {
  return new PatchesLab(frame);
}

class PatchesLab implements Lab {
  private readonly given: Recording;
  private readonly columns: number;
  private readonly first: { state: State; look: Look };
  private state: State;
  private look: Look;
  private readonly past: State[] = [];
  private reader?: PictureReader;
  /** Of the picture that is shown; without one, the recording holds. */
  private reading?: PictureReading;
  private probabilities: readonly number[];
  /** Of each picture as it came. */
  private readonly untouched = new Map<Picture, readonly number[]>();
  private asked = false;
  private timer = 0;
  private colour = 0;

  private readonly board: PictureBoard;
  private readonly bars: ClassBars;
  private readonly thumbs: HTMLButtonElement[];
  private readonly door: PictureDoor;
  private readonly tools: HTMLButtonElement[];
  private readonly paints: HTMLButtonElement[];
  private readonly brush = make("input", { id: "brush", type: "range", min: "1", max: "9", step: "1", value: "3" });
  private readonly palette: HTMLElement;
  private readonly token = make("button", { type: "button" }, "Class token");
  private readonly layers: HTMLButtonElement[];
  private readonly heads = make("div", { class: "heads", role: "group", "aria-label": "Heads of the layer" });
  private readonly finding = make("p", { class: "finding" });
  private readonly where = make("p", { class: "where" });
  private readonly spoken = make("p", { class: "spoken", role: "status" });
  private readonly undo = make("button", { type: "button" }, "Undo");
  private readonly reset = make("button", { type: "button" }, "Reset");
  private readonly shuffle = make("button", { type: "button" }, "Shuffle the patches");
  private readonly back = make("button", { type: "button" }, "Put them back");
  private readonly along = make("button", { type: "button", "aria-pressed": "false" }, "Their places go along");

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.columns = given.size / given.patch;
    const state = this.begin(given.pictures[0].name, fromBase64(given.pictures[0].pixels));
    this.first = { state, look: { query: 0, layer: given.rows.length - 1, head: null } };
    this.state = state;
    this.look = this.first.look;
    this.probabilities = given.probabilities;
    this.untouched.set(state.given, given.probabilities);

    this.board = new PictureBoard(given.size, given.patch, "The picture, in patches", {
      choose: (patch) => void this.turn({ query: given.prefix + patch }),
      grab: () => this.keep(),
      stroke: (from, to) => this.draw(from, to),
      erase: (patch, erase) => this.erase(patch, erase),
    });
    this.bars = new ClassBars(given.classes);
    this.thumbs = given.pictures.map(({ name, pixels }) => this.thumb(name, fromBase64(pixels)));
    this.thumbs.push(this.thumb("blank", blank(given.size, [1, 1, 1])));
    this.door = new PictureDoor(given.size, frame.root, frame.root, {
      take: (picture, name) => {
        this.act(this.begin(name, picture));
        const said = `${name}: its middle square, in ${given.size} × ${given.size} pixels. It stays on this page.`;
        void this.frame.model().then((model) => model && this.frame.say(said)); // after “Fetching”
      },
      refuse: (why) => this.frame.say(why, "problem"),
    });
    this.tools = TOOLS.map(([tool, text]) => this.button(text, () => this.use(tool)));
    this.paints = COLOURS.map(([name, colour], i) => {
      const made = this.button("", () => this.dip(i), name);
      made.style.background = colour;
      return made;
    });
    this.palette = make("div", { class: "controls palette", role: "group", "aria-label": "Brush" }, ...this.paints, make("label", { for: "brush" }, "Width"), this.brush);
    this.layers = given.rows.map((_, layer) => this.button(String(layer + 1), () => void this.turn({ layer }), `Layer ${layer + 1}`));
    this.layers.push(this.button("all: rollout", () => void this.turn({ layer: null })));
    this.layOut();
    this.use("look");
    this.dip(0);
    this.show();
  }

  receive(state: Record<string, unknown>): void {
    const { picture, pixels, erased, seed, query, layer, head } = state;
    const { size, patch, prefix, rows } = this.given;
    let next = this.state;
    const chosen = this.given.pictures.find((one) => one.name === picture);
    if (Array.isArray(pixels) && pixels.length === 3 * size * size) {
      const given = Float32Array.from(pixels, (one) => Math.round(Number(one)) / 255);
      if (given.some((one, i) => one !== this.shown[i])) next = this.begin(typeof picture === "string" ? picture : "from Python", given);
    } else if (chosen) next = this.begin(chosen.name, fromBase64(chosen.pixels));
    const patches = (size / patch) ** 2;
    if (Array.isArray(erased)) next = { ...next, erased: new Set(erased.filter((one) => Number.isInteger(one) && one >= 0 && one < patches)) };
    if (typeof seed === "number" && seed >= 0) next = { ...next, seed: Math.floor(seed) };
    const look = { ...this.look };
    const within = (one: unknown, count: number): one is number => Number.isInteger(one) && (one as number) >= 0 && (one as number) < count;
    if (within(query, prefix + patches)) Object.assign(look, { query });
    if (layer === null || within(layer, rows.length)) Object.assign(look, { layer });
    if (head === null || within(head, rows[0].length)) Object.assign(look, { head });
    this.look = look;
    if (next !== this.state) this.keep();
    this.change(next);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const group = (label: string, ...inside: (Node | string)[]): HTMLElement => make("div", { class: "controls", role: "group", "aria-label": label }, ...inside);
    this.undo.addEventListener("click", () => this.change(this.past.pop() ?? this.state));
    this.reset.addEventListener("click", () => {
      this.look = this.first.look;
      this.frame.say("");
      this.act(this.first.state);
    });
    this.token.addEventListener("click", () => void this.turn({ query: 0 }));
    this.shuffle.addEventListener("click", () => this.act({ ...this.state, seed: this.state.seed + 1 }));
    this.back.addEventListener("click", () => this.act({ ...this.state, seed: 0, along: false }));
    this.along.addEventListener("click", () => this.act({ ...this.state, along: !this.state.along }));
    const style = make("style");
    style.textContent = BOARD_STYLE + BARS_STYLE + DOOR_STYLE + STYLE;
    this.frame.root.append(
      style,
      make("div", { class: "thumbs", role: "group", "aria-label": "Pictures" }, ...this.thumbs, this.door.button, this.door.input),
      this.frame.said,
      this.finding,
      make(
        "div",
        { class: "sides" },
        make(
          "div",
          {},
          this.board.element,
          group("What your hand does", ...this.tools, this.token),
          this.palette,
          group("Order of the patches, and what was changed", this.shuffle, this.back, this.along, this.undo, this.reset),
        ),
        make(
          "div",
          { class: "answers" },
          make("div", {}, make("p", { class: "head" }, "What it takes the picture for"), this.bars.element),
          make(
            "div",
            {},
            make("p", { class: "head" }, "Where the chosen token looks"),
            group("Layer", make("span", {}, "Layer"), ...this.layers),
            this.heads,
            this.where,
          ),
        ),
      ),
      make(
        "p",
        { class: "hint" },
        `Of the ${this.given.pictures.length} drawings, this small model takes ${this.given.right} for what they are. ` +
          "Press a patch, or Tab to the picture and use the arrow keys; Delete erases a patch or brings it back. A picture of yours can also be dropped here or pasted.",
      ),
      this.spoken,
    );
  }

  private button(text: string, act: () => void, name?: string): HTMLButtonElement {
    const made = make("button", { type: "button", ...(name ? { "aria-label": name } : {}) }, text);
    made.addEventListener("click", act);
    return made;
  }

  private thumb(name: string, picture: Picture): HTMLButtonElement {
    const canvas = make("canvas", { "aria-hidden": "true" });
    canvas.width = canvas.height = this.given.size;
    paint(canvas, picture, this.given.size);
    const made = this.button("", () => this.act(this.begin(name, picture)), name);
    made.title = name;
    made.append(canvas);
    return made;
  }

  private begin(name: string, picture: Picture): State {
    return { name, given: picture, picture, erased: new Set(), seed: 0, along: false };
  }

  private use(tool: Tool): void {
    this.board.tool = tool;
    this.tools.forEach((button, i) => button.setAttribute("aria-pressed", String(TOOLS[i][0] === tool)));
    this.palette.hidden = this.brush.disabled = tool !== "draw";
  }

  private dip(colour: number): void {
    this.colour = colour;
    this.paints.forEach((button, i) => button.setAttribute("aria-pressed", String(i === colour)));
  }

  private draw(from: Place, to: Place): void {
    const { size, patch } = this.given;
    const [before, painted] = [this.shown, this.shown.slice()];
    const code = COLOURS[this.colour][1];
    const colour = [1, 3, 5].map((at) => parseInt(code.slice(at, at + 2), 16) / 255) as unknown as Colour;
    if (!stroke(painted, size, from, to, Number(this.brush.value) / 2, colour)) return;
    const { order } = this;
    const touched = new Set([...changed(before, painted, size, patch)].map((slot) => order[slot]));
    const home = rearranged(painted, size, patch, inverse(order));
    const picture = this.state.picture.map((one, i) => (touched.has(patchAt(i, size, patch)) ? home[i] : one));
    this.change({ ...this.state, picture, erased: new Set([...this.state.erased].filter((one) => !touched.has(one))) });
  }

  private erase(slot: number, erase?: boolean): void {
    const patch = this.order[slot];
    const erased = new Set(this.state.erased);
    if (erase ?? !erased.has(patch)) erased.add(patch);
    else erased.delete(patch);
    if (erased.size !== this.state.erased.size) this.change({ ...this.state, erased });
  }

  private act(next: State): void {
    this.keep();
    this.change(next);
  }

  private keep(): void {
    if (this.past.at(-1) !== this.state) this.past.push(this.state);
    if (this.past.length > KEPT) this.past.shift();
  }

  /** Another token, layer or head. */
  private async turn(look: Partial<Look>): Promise<void> {
    this.look = { ...this.look, ...look };
    this.show();
    if (!(await this.ready())) return;
    if (!this.reading) return this.ask();
    this.show();
    this.tell();
  }

  private change(next: State): void {
    this.state = next;
    this.reading = undefined;
    this.show(); // what is painted stays under the finger while the model reads
    this.ask();
  }

  // --- what the model does ---------------------------------------------------------------------------------

  private async ready(): Promise<boolean> {
    const model = await this.frame.model();
    if (!model) return false;
    try {
      this.reader ??= new PictureReader(model);
    } catch (error) {
      this.frame.say(message(error), "problem");
    }
    return this.reader !== undefined;
  }

  /** Has the picture read, once a frame at most: a brush moves faster than a model reads. */
  private ask(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      void this.read().finally(() => (this.asked = false));
    });
  }

  private async read(): Promise<void> {
    if (!(await this.ready())) return;
    this.asked = false;
    const { given, along, seed } = this.state;
    if (!this.untouched.has(given)) this.untouched.set(given, this.reader!.read(given).probabilities());
    this.reading = this.reader!.read(this.shown, along && seed ? { [POSITIONS]: replace(this.moved()) } : {});
    this.probabilities = this.reading.probabilities();
    this.show();
    this.tell();
  }

  /** The model's table of places in the order of the patches. */
  private moved(): Tensor {
    const table = this.reader!.model.graph("model").constants.get(POSITIONS)!;
    const { prefix } = this.given;
    const [T, D] = table.shape.slice(-2);
    const rows = [...Array(prefix).keys(), ...this.order.map((one) => prefix + one)];
    const made = view(table, table.shape, [...table.shape.slice(2).map(() => 0), D, 1]);
    for (let t = 0; t < T; t++) made.data.set(table.data.subarray(rows[t] * D, (rows[t] + 1) * D), t * D);
    return made;
  }

  private tell(): void {
    this.frame.tell({
      picture: this.state.name,
      pixels: toBytes(this.shown),
      erased: [...this.state.erased],
      seed: this.state.seed,
      probabilities: this.probabilities,
      ...this.look,
      weights: Array.from(this.weights() ?? []),
    });
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private get order(): number[] {
    return permutation(this.columns ** 2, this.state.seed);
  }

  /** The picture as the model gets it. */
  private get shown(): Picture {
    const { picture, erased } = this.state;
    return rearranged(picture, this.given.size, this.given.patch, this.order.map((one) => (erased.has(one) ? -1 : one)));
  }

  /** Where the chosen token looks: of one head, or, without, as chosen. Nothing, where only the model knows and is not there. */
  private weights(head = this.look.head): ArrayLike<number> | undefined {
    const { query, layer } = this.look;
    if (this.reading) return layer === null ? this.reading.rollout(query) : this.reading.row(layer, query, head ?? undefined);
    if (this.state !== this.first.state || query !== 0 || layer === null) return undefined;
    const recorded = this.given.rows[layer];
    const chosen = head === null ? recorded : [recorded[head]];
    return recorded[0].map((_, s) => chosen.reduce((sum, row) => sum + row[s], 0) / chosen.length / 1000);
  }

  private show(): void {
    const { state, look, given } = this;
    const weights = this.weights();
    const onGrid = weights && Array.from(weights).slice(given.prefix);
    const query = look.query >= given.prefix ? look.query - given.prefix : undefined;
    const { order } = this;
    this.board.draw({ picture: this.shown, weights: onGrid, query, gone: (slot) => state.erased.has(order[slot]) });
    const edited = state.picture !== state.given || state.erased.size > 0 || state.seed > 0;
    this.bars.draw(this.probabilities, edited ? this.untouched.get(state.given) : undefined);
    this.thumbs.forEach((thumb) => thumb.setAttribute("aria-pressed", String(thumb.title === state.name)));
    this.token.setAttribute("aria-pressed", String(query === undefined));
    this.layers.forEach((button, layer) => button.setAttribute("aria-pressed", String(layer === (look.layer ?? given.rows.length))));
    this.back.hidden = !state.seed;
    this.along.hidden = !state.seed || (this.reader !== undefined && !this.reader.model.graph("model").constants.has(POSITIONS));
    this.along.setAttribute("aria-pressed", String(state.along));
    this.undo.disabled = !this.past.length;
    this.drawHeads(query);
    this.where.textContent = onGrid ? this.place(onGrid, Array.from(weights!)[0], query) : "";
    this.finding.textContent = this.found(edited);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.spoken.textContent = `${this.finding.textContent} ${this.where.textContent}`), QUIET);
  }

  /** A small picture of where each head looks, as buttons; the first is their mean. */
  private drawHeads(query: number | undefined): void {
    this.heads.hidden = this.look.layer === null;
    if (this.look.layer === null) return;
    const count = this.given.rows[0].length;
    const buttons = rows(this.heads, count + 1, (i) => this.button("", () => void this.turn({ head: i ? i - 1 : null }), i ? `Head ${i}` : "Mean of the heads"));
    buttons.forEach((button, i) => {
      const weights = this.weights(i ? i - 1 : null);
      const small = weights ? weightsPicture(Array.from(weights).slice(this.given.prefix), this.columns, query) : "";
      button.innerHTML = `${small}<span>${i || "mean"}</span>`;
      button.setAttribute("aria-pressed", String(i === (this.look.head ?? -1) + 1));
    });
  }

  /** What the model says, in a sentence. */
  private found(edited: boolean): string {
    const { given, name } = this.state;
    if (this.state !== this.first.state && !this.reading) return "";
    const { classes } = this.given;
    const said = (p: readonly number[]): string => `“${classes[likeliest(p)]}” (${percent(Math.max(...p))})`;
    const before = edited && this.untouched.get(given);
    const now = said(this.probabilities);
    if (before) return likeliest(before) === likeliest(this.probabilities) ? `It still says ${now}; before, ${percent(Math.max(...before))}.` : `It says ${now}; before, it said ${said(before)}.`;
    const wrong = classes.includes(name) && classes[likeliest(this.probabilities)] !== name;
    return `It says ${now}${wrong ? `, but it was drawn as a ${name}` : ""}.`;
  }

  /** Where the chosen token looks, in a sentence. */
  private place(weights: readonly number[], token: number, query: number | undefined): string {
    const { layer, head } = this.look;
    const name = (patch: number): string => `row ${Math.floor(patch / this.columns) + 1}, column ${(patch % this.columns) + 1}`;
    const most = weights.indexOf(Math.max(...weights));
    const through = layer === null ? "Through all layers" : `Layer ${layer + 1}, ${head === null ? "mean of the heads" : `head ${head + 1}`}`;
    const who = query === undefined ? "the class token" : `the patch at ${name(query)}`;
    const far = query === undefined ? "" : `, and on average ${meanDistance(weights, this.columns, query).toFixed(1)} patches away`;
    return `${through}: ${who} looks most at ${name(most)} (${(100 * weights[most]).toFixed(1)}\u00a0%)${far}. ${(100 * token).toFixed(0)}\u00a0% goes to the class token${query === undefined ? " itself" : ""}.`;
  }
}

const STYLE = `
.controls { display: flex; flex-wrap: wrap; gap: 0.35rem 0.4rem; align-items: center; margin: 0.5rem 0; }
.controls button { padding: 0.3rem 0.7rem; }
.controls > span, .controls > label { margin-right: 0.2rem; }
.thumbs { display: flex; flex-wrap: wrap; gap: 0.2rem; align-items: center; margin: 0.3rem 0 0.5rem; }
.thumbs button:has(canvas) { padding: 2px; min-height: 0; border-radius: 6px; border: 2px solid transparent; }
.thumbs button[aria-pressed="true"]:has(canvas) { border-color: var(--ink); background: none; }
.thumbs canvas { display: block; width: 2.2rem; height: 2.2rem; border: 1px solid var(--line); }
.finding { margin: 0.3rem 0 0.6rem; font-size: 1.1rem; font-weight: 600; line-height: 1.3; min-height: 1.3em; }
.sides { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr); gap: 1rem 1.4rem; align-items: start; }
.palette button { width: 2.4rem; padding: 0; border-width: 2px; }
.palette button[aria-pressed="true"] { outline: 3px solid var(--ink); outline-offset: 2px; border-color: var(--ground); }
.palette input { flex: 1 1 5rem; min-width: 5rem; accent-color: var(--ink); }
.head { margin: 0 0 0.3rem; color: var(--soft); font-size: 0.95rem; } 
.answers { display: grid; gap: 0.9rem 1.4rem; }
.sides .controls button { min-width: 2.3rem; }
.heads { display: grid; grid-template-columns: repeat(auto-fill, minmax(2.9rem, 1fr)); gap: 0.35rem; margin: 0.5rem 0; }
.heads button { display: flex; flex-direction: column; padding: 3px; min-height: 0; border-radius: 6px; font-size: 0.85rem; line-height: 1.3; align-items: stretch; }
.heads svg { display: block; width: 100%; background: #fff; border-radius: 2px; }
.heads path { fill: #6A3D9A; shape-rendering: crispEdges; } .heads rect { fill: none; stroke: #0072B2; stroke-width: 2px; vector-effect: non-scaling-stroke; }
.heads button[aria-pressed="true"] span { font-weight: 700; }
.where { margin: 0.5rem 0 0; font-size: 0.95rem; min-height: 4.2em; }
.hint { margin: 0.6rem 0 0; font-size: 0.95rem; color: var(--soft); }
.said { min-height: 0; margin: 0; }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.lab { container-type: inline-size; }
@container (min-width: 60rem) { .sides { grid-template-columns: minmax(0, 1fr) minmax(0, 1.8fr); } .answers { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
@media (max-width: 36rem) { .sides { grid-template-columns: minmax(0, 1fr); } .finding { min-height: 2.6em; } }
`;
