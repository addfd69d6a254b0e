// What a reader does to a picture: choose a drawing, bring one's own, paint on it, erase patches, shuffle them, take it
// back. For labs that show one picture on one board or more.

import {
  blank, changed, fromBase64, inverse, patchAt, permutation, rearranged, stroke, toBytes,
  type Colour, type Picture, type PictureFacts, type Place,
} from "../pictures.ts";
import { BOARD_STYLE, paint, PictureBoard, type Tool } from "./board.ts";
import { DOOR_STYLE, PictureDoor } from "./files.ts";
import { make, type Frame } from "./frame.ts";

/** All that can be changed; a new one for each change, so that Undo keeps the old. */
export interface Painted {
  readonly name: string;
  /** As it came: a drawing, a blank, a file. */
  readonly given: Picture;
  /** With all that was painted on it. */
  readonly picture: Picture;
  /** Patches of it that are grey. */
  readonly erased: ReadonlySet<number>;
  /** Of the order in which its patches are shown; 0: as they were. */
  readonly seed: number;
  /** Whether each patch takes its place along when they are shuffled. */
  readonly along: boolean;
}

export interface EaselHands {
  /** A patch was pressed. */
  choose(patch: number): void;
  /** Fetches what reads the pictures; false if it did not come. */
  ready(): Promise<boolean>;
  /** There is another picture to read. */
  changed(): void;
  /** All is as it was at first. */
  reset(): void;
}

const KEPT = 100; // pictures that Undo knows
const COLOURS: readonly (readonly [name: string, colour: string])[] = [
  ["black", "#14161A"], ["white", "#FFFFFF"], ["grey", "#8A8F94"], ["red", "#C22B22"],
  ["yellow", "#E0A92E"], ["green", "#5A8A38"], ["blue", "#3F7AC4"], ["brown", "#7A4B26"],
];
const TOOLS: readonly (readonly [Tool, string])[] = [["look", "Look"], ["draw", "Draw"], ["erase", "Erase"]];

export class Easel {
  readonly boards: readonly PictureBoard[];
  /** The drawings on offer, the door for a file, and beside it what there is to say. */
  readonly choice: HTMLElement;
  /** The tools, the brush, Undo and Reset. */
  readonly tools: HTMLElement;
  private state: Painted;
  private readonly first: Painted;
  private readonly past: Painted[] = [];
  private colour = 0;
  private readonly thumbs: HTMLButtonElement[];
  private readonly uses: HTMLButtonElement[];
  private readonly paints: HTMLButtonElement[];
  private readonly brush = make("input", { id: "brush", type: "range", min: "1", max: "9", step: "1", value: "3" });
  private readonly palette: HTMLElement;
  private readonly undo = button("Undo", () => this.change(this.past.pop() ?? this.state));

  /**
   *   facts: of the pictures.
   *   drawings: on offer; the first is shown.
   *   names: of the boards, for those who do not see them.
   */
  constructor(
    private readonly frame: Frame,
    private readonly facts: PictureFacts,
    private readonly drawings: readonly { name: string; pixels: string }[],
    names: readonly string[],
    private readonly hands: EaselHands,
  ) {
    const { size } = facts;
    this.first = this.state = begin(drawings[0].name, fromBase64(drawings[0].pixels));
    const drawing = { choose: hands.choose, grab: () => this.keep(), stroke: (from: Place, to: Place) => this.paint(from, to), erase: (patch: number, erase?: boolean) => this.erase(patch, erase) };
    this.boards = names.map((name) => new PictureBoard(size, facts.patch, name, drawing));
    this.thumbs = drawings.map(({ name, pixels }) => this.thumb(name, fromBase64(pixels)));
    this.thumbs.push(this.thumb("blank", blank(size, [1, 1, 1])));
    const door = new PictureDoor(size, frame.root, frame.root, {
      take: async (picture, name) => {
        if (!(await hands.ready())) return; // which may say something, too
        this.frame.say(`${name}: its middle square, in ${size} × ${size} pixels. It stays on this page.`);
        this.act(begin(name, picture));
      },
      refuse: (why) => this.frame.say(why, "problem"),
    });
    this.choice = make("div", { class: "thumbs", role: "group", "aria-label": "Pictures" }, ...this.thumbs, door.button, door.input, frame.said);
    this.uses = TOOLS.map(([tool, text]) => button(text, () => this.use(tool)));
    this.paints = COLOURS.map(([name, colour], i) => {
      const made = button("", () => this.dip(i), name);
      made.style.background = colour;
      return made;
    });
    this.palette = make("div", { class: "controls palette", role: "group", "aria-label": "Brush" }, ...this.paints, make("label", { for: "brush" }, "Width"), this.brush);
    const reset = button("Reset", () => {
      this.frame.say("");
      this.hands.reset();
      this.act(this.first);
    });
    this.tools = make("div", {}, make("div", { class: "controls", role: "group", "aria-label": "What your hand does" }, ...this.uses, this.undo, reset), this.palette);
    this.use("look");
    this.dip(0);
    this.show();
  }

  /** The picture as a model gets it. */
  get shown(): Picture {
    const { picture, erased } = this.state;
    return rearranged(picture, this.facts.size, this.facts.patch, this.order.map((one) => (erased.has(one) ? -1 : one)));
  }

  /** Which patch of the picture is shown at each place. */
  get order(): number[] {
    return permutation((this.facts.size / this.facts.patch) ** 2, this.state.seed);
  }

  /** For the boards: which of the places that they show are grey. */
  get gone(): (place: number) => boolean {
    const [{ erased }, { order }] = [this.state, this];
    return (place) => erased.has(order[place]);
  }

  get painted(): Painted {
    return this.state;
  }

  /** Whether it is another than it came as. */
  get edited(): boolean {
    const { picture, given, erased, seed } = this.state;
    return picture !== given || erased.size > 0 || seed > 0;
  }

  /** Whether it is what was recorded. */
  get untouched(): boolean {
    return this.state === this.first;
  }

  /** Shows the patches in another order. */
  arrange(order: Partial<Pick<Painted, "seed" | "along">>): void {
    this.act({ ...this.state, ...order });
  }

  /** What a notebook may ask for: a drawing by its name, colours from 0 to 255, erased patches, the seed of their order. */
  receive({ picture, pixels, erased, seed }: Record<string, unknown>): void {
    const { size, patch } = this.facts;
    let next = this.state;
    const chosen = this.drawings.find((one) => one.name === picture);
    if (Array.isArray(pixels) && pixels.length === 3 * size * size) {
      const given = Float32Array.from(pixels, (one) => Math.round(Number(one)) / 255);
      if (toBytes(given).join() !== toBytes(this.shown).join()) next = begin(typeof picture === "string" ? picture : "from Python", given);
    } else if (chosen) next = begin(chosen.name, fromBase64(chosen.pixels));
    const patches = (size / patch) ** 2;
    if (Array.isArray(erased)) next = { ...next, erased: new Set(erased.filter((one) => Number.isInteger(one) && one >= 0 && one < patches)) };
    if (typeof seed === "number" && seed >= 0) next = { ...next, seed: Math.floor(seed) };
    if (next !== this.state) this.keep();
    this.change(next);
  }

  private thumb(name: string, picture: Picture): HTMLButtonElement {
    const canvas = make("canvas", { "aria-hidden": "true" });
    canvas.width = canvas.height = this.facts.size;
    paint(canvas, picture, this.facts.size);
    const made = button("", () => this.act(begin(name, picture)), name);
    made.title = name;
    made.append(canvas);
    return made;
  }

  private use(tool: Tool): void {
    this.boards.forEach((board) => (board.tool = tool));
    this.uses.forEach((one, i) => one.setAttribute("aria-pressed", String(TOOLS[i][0] === tool)));
    this.palette.hidden = this.brush.disabled = tool !== "draw";
  }

  private dip(colour: number): void {
    this.colour = colour;
    this.paints.forEach((one, i) => one.setAttribute("aria-pressed", String(i === colour)));
  }

  private paint(from: Place, to: Place): void {
    const { size, patch } = this.facts;
    const [before, painted, order] = [this.shown, this.shown, this.order];
    const code = COLOURS[this.colour][1];
    const colour = [1, 3, 5].map((at) => parseInt(code.slice(at, at + 2), 16) / 255) as unknown as Colour;
    if (!stroke(painted, size, from, to, Number(this.brush.value) / 2, colour)) return;
    // An erased patch that is painted on is grey no more, but painted.
    const touched = new Set([...changed(before, painted, size, patch)].map((place) => order[place]));
    const home = rearranged(painted, size, patch, inverse(order));
    const picture = this.state.picture.map((one, i) => (touched.has(patchAt(i, size, patch)) ? home[i] : one));
    this.change({ ...this.state, picture, erased: new Set([...this.state.erased].filter((one) => !touched.has(one))) });
  }

  private erase(place: number, erase?: boolean): void {
    const patch = this.order[place];
    const erased = new Set(this.state.erased);
    if (erase ?? !erased.has(patch)) erased.add(patch);
    else erased.delete(patch);
    if (erased.size !== this.state.erased.size) this.change({ ...this.state, erased });
  }

  private act(next: Painted): void {
    this.keep();
    this.change(next);
  }

  private keep(): void {
    if (this.past.at(-1) !== this.state) this.past.push(this.state);
    if (this.past.length > KEPT) this.past.shift();
  }

  private change(next: Painted): void {
    this.state = next;
    this.show();
    this.hands.changed();
  }

  private show(): void {
    this.thumbs.forEach((thumb) => thumb.setAttribute("aria-pressed", String(thumb.title === this.state.name)));
    this.undo.disabled = !this.past.length;
  }
}

function begin(name: string, picture: Picture): Painted {
  return { name, given: picture, picture, erased: new Set(), seed: 0, along: false };
}

/** A button with what it does; `name` where its text does not say it. */
export function button(text: string, act: () => void, name?: string): HTMLButtonElement {
  const made = make("button", { type: "button", ...(name ? { "aria-label": name } : {}) }, text);
  made.addEventListener("click", act);
  return made;
}

export const EASEL_STYLE = `${BOARD_STYLE}${DOOR_STYLE}
.controls { display: flex; flex-wrap: wrap; gap: 0.35rem 0.4rem; align-items: center; margin: 0.5rem 0; }
.controls button { padding: 0.3rem 0.7rem; }
.controls > span, .controls > label { margin-right: 0.2rem; }
.thumbs { display: flex; flex-wrap: wrap; gap: 0.2rem; align-items: center; margin: 0.3rem 0 0.5rem; }
.thumbs button:has(canvas) { padding: 2px; min-height: 0; border-radius: 6px; border: 2px solid transparent; }
.thumbs button[aria-pressed="true"]:has(canvas) { border-color: var(--ink); background: none; }
.thumbs .said { flex: 1 1 10rem; margin: 0; }
.thumbs canvas { display: block; width: 2.2rem; height: 2.2rem; border: 1px solid var(--line); }
.palette button { width: 2.4rem; padding: 0; border-width: 2px; }
.palette button[aria-pressed="true"] { outline: 3px solid var(--ink); outline-offset: 2px; border-color: var(--ground); }
.palette input { flex: 1 1 5rem; min-width: 5rem; accent-color: var(--ink); }
`;
