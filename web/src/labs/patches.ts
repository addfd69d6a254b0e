// The lab of the Vision Transformer: a picture is a sentence of patches. Choose one, draw on it or bring your own; the model
// says what it shows. Press a patch, and see where it looks; erase patches or shuffle them, and see what the model still knows.

import { replace } from "../edits.ts";
import { BARS_STYLE, ClassBars, likeliest, percent } from "../lab/bars.ts";
import { weightsPicture } from "../lab/board.ts";
import { button, Easel, EASEL_STYLE } from "../lab/easel.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { meanDistance, PictureReader, toBytes, type Picture, type PictureFacts, type PictureReading } from "../pictures.ts";
import { view, type Tensor } from "../tensor.ts";

/** What Python recorded: the drawings, what the model says of the first, and where its class token looks, in thousandths. */
interface Recording extends PictureFacts {
  pictures: { name: string; pixels: string }[];
  /** How many of them it takes for what they are. */
  right: number;
  probabilities: number[];
  rows: number[][][];
}

/** Who looks, and through which layer and head; without a layer through all, without a head through their mean. */
interface Look {
  readonly query: number;
  readonly layer: number | null;
  readonly head: number | null;
}

const QUIET = 500; // milliseconds without a change, before the finding is spoken
const POSITIONS = "position_table"; // the model's own name for what it adds to each token

export default function patches(frame: Frame): Lab {
  return new PatchesLab(frame);
}

class PatchesLab implements Lab {
  private readonly given: Recording;
  private readonly columns: number;
  private readonly first: Look;
  private look: Look;
  private reader?: PictureReader;
  /** Of the picture that is shown; without one, the recording holds. */
  private reading?: PictureReading;
  private probabilities: readonly number[];
  /** Of the picture as it came. */
  private before: { of: Picture; says: readonly number[] };
  private asked = false;
  private timer = 0;

  private readonly easel: Easel;
  private readonly bars: ClassBars;
  private readonly token = button("Class token", () => void this.turn({ query: 0 }));
  private readonly layers: HTMLButtonElement[];
  private readonly heads = make("div", { class: "heads", role: "group", "aria-label": "Heads of the layer" });
  private readonly finding = make("p", { class: "finding" });
  private readonly where = make("p", { class: "where" });
  private readonly spoken = make("p", { class: "spoken", role: "status" });
  private readonly shuffle = button("Shuffle the patches", () => this.easel.arrange({ seed: this.easel.painted.seed + 1 }));
  private readonly back = button("Put them back", () => this.easel.arrange({ seed: 0, along: false }));
  private readonly along = button("Their places go along", () => this.easel.arrange({ along: !this.easel.painted.along }));

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.columns = given.size / given.patch;
    this.first = this.look = { query: 0, layer: given.rows.length - 1, head: null };
    this.easel = new Easel(frame, given, given.pictures, ["The picture, in patches"], {
      choose: (patch) => void this.turn({ query: given.prefix + patch }),
      ready: () => this.ready(),
      changed: () => {
        this.reading = undefined;
        this.show(); // what is painted stays under the finger while the model reads
        this.ask();
      },
      reset: () => (this.look = this.first),
    });
    this.probabilities = given.probabilities;
    this.before = { of: this.easel.painted.given, says: given.probabilities };
    this.bars = new ClassBars(given.classes);
    this.layers = given.rows.map((_, layer) => button(String(layer + 1), () => void this.turn({ layer }), `Layer ${layer + 1}`));
    this.layers.push(button("all: rollout", () => void this.turn({ layer: null })));
    this.layOut();
    this.show();
  }

  receive(state: Record<string, unknown>): void {
    const { query, layer, head } = state;
    const { prefix, rows } = this.given;
    const look = { ...this.look };
    const within = (one: unknown, count: number): one is number => Number.isInteger(one) && (one as number) >= 0 && (one as number) < count;
    if (within(query, prefix + this.columns ** 2)) Object.assign(look, { query });
    if (layer === null || within(layer, rows.length)) Object.assign(look, { layer });
    if (head === null || within(head, rows[0].length)) Object.assign(look, { head });
    this.look = look;
    this.easel.receive(state);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const group = (label: string, ...inside: (Node | string)[]): HTMLElement => make("div", { class: "controls", role: "group", "aria-label": label }, ...inside);
    const style = make("style");
    style.textContent = EASEL_STYLE + BARS_STYLE + STYLE;
    const { pictures, right } = this.given;
    this.frame.root.append(
      style,
      this.easel.choice,
      this.finding,
      make(
        "div",
        { class: "sides" },
        make("div", {}, this.easel.boards[0].element, this.easel.tools, group("The token that looks, and the order of the patches", this.token, this.shuffle, this.back, this.along)),
        make(
          "div",
          { class: "answers" },
          make("div", {}, make("p", { class: "head" }, "What it takes the picture for"), this.bars.element),
          make(
            "div",
            {},
            make("p", { class: "head" }, "Where the class token looks, or the patch that you press"),
            group("Layer", make("span", {}, "Layer"), ...this.layers),
            this.heads,
            this.where,
          ),
        ),
      ),
      make(
        "p",
        { class: "hint" },
        `Of the ${pictures.length} drawings, this small model takes ${right} for what they are. ` +
          "Press a patch, or Tab to the picture and use the arrow keys; Delete erases a patch or brings it back. A picture of yours can also be dropped here or pasted.",
      ),
      this.spoken,
    );
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
    const { given, along, seed } = this.easel.painted;
    if (this.before.of !== given) this.before = { of: given, says: this.reader!.read(given).probabilities() };
    this.reading = this.reader!.read(this.easel.shown, along && seed ? { [POSITIONS]: replace(this.moved()) } : {});
    this.probabilities = this.reading.probabilities();
    this.show();
    this.tell();
  }

  /** The model's table of places in the order of the patches. */
  private moved(): Tensor {
    const table = this.reader!.model.graph("model").constants.get(POSITIONS)!;
    const { prefix } = this.given;
    const [T, D] = table.shape.slice(-2);
    const rows = [...Array(prefix).keys(), ...this.easel.order.map((one) => prefix + one)];
    const made = view(table, table.shape, [...table.shape.slice(2).map(() => 0), D, 1]);
    for (let t = 0; t < T; t++) made.data.set(table.data.subarray(rows[t] * D, (rows[t] + 1) * D), t * D);
    return made;
  }

  private tell(): void {
    const { name, erased, seed } = this.easel.painted;
    this.frame.tell({
      picture: name,
      pixels: toBytes(this.easel.shown),
      erased: [...erased],
      seed,
      probabilities: this.probabilities,
      ...this.look,
      weights: Array.from(this.weights() ?? []),
    });
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  /** Where the chosen token looks: of one head, or, without, as chosen. Nothing, where only the model knows and is not there. */
  private weights(head = this.look.head): ArrayLike<number> | undefined {
    const { query, layer } = this.look;
    if (this.reading) return layer === null ? this.reading.rollout(query) : this.reading.row(layer, query, head ?? undefined);
    if (!this.easel.untouched || query !== 0 || layer === null) return undefined;
    const recorded = this.given.rows[layer];
    const chosen = head === null ? recorded : [recorded[head]];
    return recorded[0].map((_, s) => chosen.reduce((sum, row) => sum + row[s], 0) / chosen.length / 1000);
  }

  private show(): void {
    const { easel, look, given } = this;
    const weights = this.weights();
    const onGrid = weights && Array.from(weights).slice(given.prefix);
    const query = look.query >= given.prefix ? look.query - given.prefix : undefined;
    easel.boards[0].draw({ picture: easel.shown, weights: onGrid, query, gone: easel.gone });
    const before = easel.edited && this.before.of === easel.painted.given ? this.before.says : undefined;
    this.bars.draw(this.probabilities, before);
    this.token.setAttribute("aria-pressed", String(query === undefined));
    this.layers.forEach((one, layer) => one.setAttribute("aria-pressed", String(layer === (look.layer ?? given.rows.length))));
    this.back.hidden = !easel.painted.seed;
    this.along.hidden = !easel.painted.seed || (this.reader !== undefined && !this.reader.model.graph("model").constants.has(POSITIONS));
    this.along.setAttribute("aria-pressed", String(easel.painted.along));
    this.drawHeads(query);
    this.where.textContent = onGrid ? this.place(onGrid, Array.from(weights!)[0], query) : "";
    this.finding.textContent = this.found(before);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.spoken.textContent = `${this.finding.textContent} ${this.where.textContent}`), QUIET);
  }

  /** A small picture of where each head looks, as buttons; the first is their mean. */
  private drawHeads(query: number | undefined): void {
    this.heads.hidden = this.look.layer === null;
    if (this.look.layer === null) return;
    const count = this.given.rows[0].length;
    const buttons = rows(this.heads, count + 1, (i) => button("", () => void this.turn({ head: i ? i - 1 : null }), i ? `Head ${i}` : "Mean of the heads"));
    buttons.forEach((one, i) => {
      const weights = this.weights(i ? i - 1 : null);
      const small = weights ? weightsPicture(Array.from(weights).slice(this.given.prefix), this.columns, query) : "";
      one.innerHTML = `${small}<span>${i || "mean"}</span>`;
      one.setAttribute("aria-pressed", String(i === (this.look.head ?? -1) + 1));
    });
  }

  /** What the model says, in a sentence. */
  private found(before?: readonly number[]): string {
    if (!this.easel.untouched && !this.reading) return "";
    const { classes } = this.given;
    const { name } = this.easel.painted;
    const said = (p: readonly number[]): string => `“${classes[likeliest(p)]}” (${percent(Math.max(...p))})`;
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
.finding { margin: 0.3rem 0 0.6rem; font-size: 1.1rem; font-weight: 600; line-height: 1.3; min-height: 1.3em; }
.sides { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr); gap: 1rem 1.4rem; align-items: start; }
.head { margin: 0 0 0.3rem; color: var(--soft); font-size: 0.95rem; }
.answers { display: grid; gap: 0.9rem 1.4rem; }
.sides .controls button { min-width: 2.3rem; }
.heads { display: grid; grid-template-columns: repeat(auto-fill, minmax(2.9rem, 1fr)); gap: 0.35rem; margin: 0.5rem 0; }
.heads button { display: flex; flex-direction: column; padding: 3px; min-height: 0; border-radius: 6px; font-size: 0.8rem; line-height: 1.3; align-items: stretch; }
.heads svg { display: block; width: 100%; background: #fff; border-radius: 2px; }
.heads path { fill: #6A3D9A; shape-rendering: crispEdges; } .heads rect { fill: none; stroke: #0072B2; stroke-width: 2px; vector-effect: non-scaling-stroke; }
.heads button[aria-pressed="true"] span { font-weight: 700; }
.where { margin: 0.5rem 0 0; font-size: 0.95rem; min-height: 4.2em; }
.hint { margin: 0.6rem 0 0; font-size: 0.95rem; color: var(--soft); }
.said { min-height: 0; }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.lab { container-type: inline-size; }
@container (min-width: 60rem) { .sides { grid-template-columns: minmax(0, 1fr) minmax(0, 1.8fr); } .answers { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
@media (max-width: 36rem) { .sides { grid-template-columns: minmax(0, 1fr); } .finding { min-height: 2.6em; } }
`;
