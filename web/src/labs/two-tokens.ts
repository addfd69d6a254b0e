// The lab of DeiT: one picture, two tokens that read it. The class token learned the labels, the distillation token what a
// teacher says, a network of convolutions. Where does each look, what does each say, and does the teacher say so too?

import { likeliest, percent } from "../lab/bars.ts";
import { weightsPicture } from "../lab/board.ts";
import { button, Easel, EASEL_STYLE } from "../lab/easel.ts";
import { make, message, rows, type Frame, type Lab } from "../lab/frame.ts";
import { moved } from "../masked.ts";
import { PictureReader, toBytes, type PictureFacts, type PictureReading } from "../pictures.ts";
import type { Tensor } from "../tensor.ts";

/** One for the class token, one for the distillation token. */
type Both<T> = readonly [T, T];

/** What Python recorded of the first drawing; the weights are in thousandths. */
interface Recording extends PictureFacts {
  pictures: { name: string; pixels: string }[];
  models: [student: string, teacher: string];
  /** Of the class token's head, the distillation token's, their mean, and the teacher. */
  probabilities: number[][];
  rows: Both<number[]>[][];
  /** The cosine of the two tokens' vectors: as learned, then after each layer. */
  alike: number[];
  /** On how many of the drawings the teacher agrees with each token, and with their mean. */
  agree: [number, number, number];
}

const QUIET = 500; // milliseconds without a change, before the finding is spoken
const WHO = ["class token", "distillation token", "mean", "teacher"] as const;
const SHORT = ["class", "distil.", "mean", "teacher"] as const;
const ANSWERS = ["class_logits", "distillation_logits", "logits"];
const TOKENS: Both<string> = ["Class token", "Distillation token"];

export default function twoTokens(frame: Frame): Lab {
  return new TwoTokens(frame);
}

class TwoTokens implements Lab {
  private readonly given: Recording;
  private readonly columns: number;
  private readers?: Both<PictureReader>; // student and teacher
  /** Of the picture that is shown; without one, the recording holds. */
  private reading?: PictureReading;
  private probabilities: readonly (readonly number[])[];
  private alike: readonly number[];
  /** The mean answer to the picture as it was before the reader changed it. */
  private before?: { of: unknown; says: number };
  private layer: number;
  private head: number | null = null;
  private patch?: number;
  private asked = false;
  private timer = 0;

  private readonly easel: Easel;
  private readonly layers: HTMLButtonElement[];
  private readonly heads = make("div", { class: "heads", role: "group", "aria-label": "Heads of the layer" });
  private readonly table = make("tbody");
  private readonly steps = make("ol", { class: "steps" });
  private readonly finding = make("p", { class: "finding" });
  private readonly each = make("p", { class: "each" });
  private readonly where = make("p", { class: "where" });
  private readonly grown = make("p", { class: "note" });
  private readonly spoken = make("p", { class: "spoken", role: "status" });

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.columns = given.size / given.patch;
    this.layer = given.rows.length - 1;
    this.probabilities = given.probabilities;
    this.alike = given.alike;
    this.easel = new Easel(frame, given, given.pictures, TOKENS.map((name) => `Where the ${name.toLowerCase()} looks, in patches`), {
      choose: (patch) => {
        this.patch = patch === this.patch ? undefined : patch;
        void this.turn({});
      },
      ready: () => this.ready(),
      changed: () => {
        this.reading = undefined;
        this.show(); // what is painted stays under the finger while the models read
        this.ask();
      },
      reset: () => {
        this.patch = undefined;
        [this.layer, this.head] = [given.rows.length - 1, null];
      },
    });
    this.layers = given.rows.map((_, layer) => button(String(layer + 1), () => void this.turn({ layer }), `Layer ${layer + 1}`));
    this.layOut();
    this.show();
  }

  receive(state: Record<string, unknown>): void {
    const within = (one: unknown, count: number): one is number => Number.isInteger(one) && (one as number) >= 0 && (one as number) < count;
    const { layer, head } = state;
    if (within(layer, this.given.rows.length)) this.layer = layer;
    if (head === null || within(head, this.given.rows[0].length)) this.head = head;
    this.easel.receive(state);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = EASEL_STYLE + STYLE;
    const columns = SHORT.map((name, i) => make("th", { scope: "col", title: WHO[i] }, name));
    const boards = this.easel.boards.map((board, side) => make("figure", {}, make("figcaption", {}, TOKENS[side]), board.element));
    const { agree, pictures } = this.given;
    this.frame.root.append(
      style,
      this.easel.choice,
      this.finding,
      make(
        "div",
        { class: "sides" },
        make(
          "div",
          {},
          make("div", { class: "boards" }, ...boards),
          this.where,
          this.easel.tools,
          make("div", { class: "controls", role: "group", "aria-label": "Layer" }, make("span", {}, "Layer"), ...this.layers),
          this.heads,
        ),
        make(
          "div",
          {},
          make("table", {}, make("caption", {}, "What each takes it for, in %"), make("thead", {}, make("tr", {}, make("td"), ...columns)), this.table),
          this.each,
          make("p", { class: "head" }, "How alike the two tokens are: cosine of their vectors"),
          this.steps,
          this.grown,
        ),
      ),
      make("p", { class: "note" }, `On the ${pictures.length} drawings as they are, the teacher agrees with the class token on ${agree[0]}, with the distillation token on ${agree[1]}, and with DeiT's answer, the mean of both, on ${agree[2]}.`),
      make("p", { class: "note" }, "Press a patch to see what both give it. A picture can also be dropped here or pasted."),
      this.spoken,
    );
  }

  /** Another layer or head. */
  private async turn({ layer = this.layer, head = this.head }: { layer?: number; head?: number | null }): Promise<void> {
    [this.layer, this.head] = [layer, head];
    this.show();
    if (!(await this.ready())) return;
    if (!this.reading) return this.ask();
    this.tell();
  }

  // --- what the models do ----------------------------------------------------------------------------------

  private async ready(): Promise<boolean> {
    const models = await Promise.all(this.given.models.map((name) => this.frame.model(name)));
    if (models.some((model) => !model)) return false;
    try {
      this.readers ??= models.map((model) => new PictureReader(model!)) as unknown as Both<PictureReader>;
    } catch (error) {
      this.frame.say(message(error), "problem");
    }
    return this.readers !== undefined;
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
    const [student, teacher] = this.readers!;
    const { given } = this.easel.painted;
    if (this.before?.of !== given) this.before = { of: given, says: likeliest(student.read(given).probabilities()) };
    const { shown } = this.easel;
    const reading = (this.reading = student.read(shown));
    this.probabilities = [...ANSWERS.map((answer) => reading.probabilities(answer)), teacher.read(shown).probabilities()];
    this.alike = [this.given.alike[0], ...this.given.rows.map((_, layer) => cosine(reading.vectors(layer)))];
    this.show();
    this.tell();
  }

  private tell(): void {
    const { painted, shown } = this.easel;
    this.frame.tell({
      picture: painted.name,
      pixels: toBytes(shown),
      erased: [...painted.erased],
      probabilities: Object.fromEntries(WHO.map((who, i) => [who, this.probabilities[i]])),
      agree: this.says(2) === this.says(3),
      layer: this.layer,
      head: this.head,
      weights: this.weights()!.map((one) => Array.from(one)),
      alike: this.alike,
    });
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private says(who: number): number {
    return likeliest(this.probabilities[who]);
  }

  /** Where both tokens look: in one head, or, without, the mean of all. Nothing while only the models know. */
  private weights(head = this.head): Both<ArrayLike<number>> | undefined {
    const side = (token: number): ArrayLike<number> => {
      if (this.reading) return this.reading.row(this.layer, token, head ?? undefined);
      const recorded = this.given.rows[this.layer];
      const chosen = head === null ? recorded : [recorded[head]];
      return recorded[0][token].map((_, s) => chosen.reduce((sum, one) => sum + one[token][s], 0) / chosen.length / 1000);
    };
    return this.known ? [side(0), side(1)] : undefined;
  }

  /** Whether what the models say of this picture is known. */
  private get known(): boolean {
    return this.reading !== undefined || this.easel.untouched;
  }

  private grid(weights: ArrayLike<number>): number[] {
    return Array.from(weights).slice(this.given.prefix);
  }

  private show(): void {
    const { shown: picture, gone } = this.easel;
    const weights = this.weights();
    this.easel.boards.forEach((board, side) => board.draw({ picture, weights: weights && this.grid(weights[side]), query: this.patch, gone }));
    this.layers.forEach((one, layer) => one.setAttribute("aria-pressed", String(layer === this.layer)));
    this.drawHeads();
    this.drawTable();
    this.drawSteps();
    this.where.textContent = weights ? this.places(weights) : "";
    [this.finding.textContent, this.each.textContent] = this.known ? [this.found(), this.tokens()] : ["", ""];
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.spoken.textContent = `${this.finding.textContent} ${this.where.textContent}`), QUIET);
  }

  /** For each head a small picture of both tokens' weights; the first is the mean of the heads. */
  private drawHeads(): void {
    const buttons = rows(this.heads, this.given.rows[0].length + 1, (i) => button("", () => void this.turn({ head: i ? i - 1 : null }), i ? `Head ${i}` : "Mean of the heads"));
    buttons.forEach((one, i) => {
      const small = this.weights(i ? i - 1 : null)?.map((weights) => weightsPicture(this.grid(weights), this.columns)).join("") ?? "";
      one.innerHTML = `<span class="pair">${small}</span><span>${i || "mean"}</span>`;
      one.setAttribute("aria-pressed", String(i === (this.head ?? -1) + 1));
    });
  }

  private drawTable(): void {
    const best = this.probabilities.map(likeliest);
    rows(this.table, this.given.classes.length, (i) => make("tr", {}, make("th", { scope: "row" }, this.given.classes[i]), ...WHO.map(() => make("td")))).forEach((row, i) =>
      WHO.forEach((_, who) => {
        const [cell, p] = [row.children[who + 1] as HTMLElement, this.probabilities[who][i]];
        cell.textContent = p > 0 && p < 0.005 ? "<1" : (100 * p).toFixed(0);
        cell.style.setProperty("--p", p.toFixed(3));
        cell.classList.toggle("best", i === best[who]);
      }),
    );
  }

  private drawSteps(): void {
    rows(this.steps, this.alike.length, (i) => make("li", {}, make("span", { class: "number" }), make("span", { class: "column" }), make("span", {}, i ? String(i) : "start"))).forEach((item, i) => {
      (item.children[0] as HTMLElement).textContent = short(this.alike[i]);
      (item.children[1] as HTMLElement).style.setProperty("--p", Math.max(0, this.alike[i]).toFixed(3));
      item.classList.toggle("best", i === this.layer + 1);
    });
    const [first, last] = [this.alike[0], this.alike.at(-1)!];
    this.grown.textContent = `As they were learned: ${short(first)}; after the last layer, with this picture: ${short(last)}. 1 is the same direction, 0 a right angle. Without a teacher they grow alike as well, as this chapter shows.`;
  }

  /** What student and teacher say, in a sentence. */
  private found(): string {
    const { classes } = this.given;
    const says = (who: number): string => `“${classes[this.says(who)]}” (${percent(Math.max(...this.probabilities[who]))})`;
    const was = this.easel.edited && this.before?.of === this.easel.painted.given ? this.before!.says : this.says(2);
    const turned = was === this.says(2) ? "" : ` Before your change DeiT said “${classes[was]}”.`;
    return `DeiT says ${says(2)}, its teacher ${says(3)}: they ${this.says(2) === this.says(3) ? "agree" : "do not agree"}.${turned}`;
  }

  /** What both tokens say, in a sentence. */
  private tokens(): string {
    const { classes } = this.given;
    const [first, second, teacher] = [this.says(0), this.says(1), this.says(3)];
    if (first === second) return `Both tokens say “${classes[first]}” first${first === teacher ? ", as the teacher does" : "; the teacher does not"}.`;
    const sides = second === teacher ? ", as the teacher does" : first === teacher ? "; the teacher is with the class token" : "; the teacher is with neither";
    return `The class token says “${classes[first]}” first, the distillation token “${classes[second]}”${sides}.`;
  }

  /** Where both tokens look, in a sentence. */
  private places(weights: Both<ArrayLike<number>>): string {
    const grids = weights.map((one) => this.grid(one));
    const name = (patch: number): string => `row ${Math.floor(patch / this.columns) + 1}, column ${(patch % this.columns) + 1}`;
    const share = (side: number, patch: number): string => `${(100 * grids[side][patch]).toFixed(1)} %`;
    const most = grids.map((one) => one.indexOf(Math.max(...one)));
    const through = `Layer ${this.layer + 1}, ${this.head === null ? "mean of the heads" : `head ${this.head + 1}`}`;
    const alike = `They share ${percent(1 - moved(...weights))} of their weights.`;
    if (this.patch !== undefined) {
      return `${through}: to ${name(this.patch)} the class token gives ${share(0, this.patch)}, the distillation token ${share(1, this.patch)}. ${alike}`;
    }
    return `${through}: the class token looks most at ${name(most[0])} (${share(0, most[0])}), the distillation token at ${most[0] === most[1] ? "the same" : name(most[1])} (${share(1, most[1])}). ${alike}`;
  }
}

/** A cosine in two decimals, or in three where two would say that it is 1. */
function short(cosine: number): string {
  return cosine.toFixed(Math.abs(cosine) < 0.995 ? 2 : 3).replace("-", "−");
}

/** Between the first two of the vectors (1, T, D). */
function cosine({ data, shape }: Tensor): number {
  const width = shape[2];
  let [both, first, second] = [0, 0, 0];
  for (let i = 0; i < width; i++) {
    both += data[i] * data[width + i];
    first += data[i] ** 2;
    second += data[width + i] ** 2;
  }
  return both / Math.sqrt(first * second);
}

const STYLE = `
.finding { margin: 0.3rem 0 0.6rem; font-size: 1.1rem; font-weight: 600; line-height: 1.3; min-height: 2.6em; }
.sides { display: grid; grid-template-columns: minmax(0, 1.25fr) minmax(0, 1fr); gap: 1rem 1.4rem; align-items: start; }
.boards { display: grid; grid-template-columns: 1fr 1fr; gap: 0.6rem; }
figure { margin: 0; } figcaption { font-size: 0.95rem; font-weight: 600; }
.where { margin: 0.4rem 0; font-size: 0.95rem; min-height: 4.2em; }
.sides .controls button { min-width: 2.3rem; }
.heads { display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.35rem; }
.heads button { display: flex; flex-direction: column; padding: 3px; min-height: 0; border-radius: 6px; font-size: 0.9rem; line-height: 1.3; align-items: stretch; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 3px; }
.heads svg { display: block; width: 100%; background: #fff; border: 1px solid var(--line); border-radius: 2px; }
.heads path { fill: #6A3D9A; shape-rendering: crispEdges; }
.heads button[aria-pressed="true"] span { font-weight: 700; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; font-variant-numeric: tabular-nums; }
caption, .head { text-align: left; margin: 0 0 0.2rem; color: var(--soft); font-size: 0.95rem; } .head { margin-top: 0.9rem; }
thead th { font-size: 0.85rem; font-weight: 600; text-align: left; padding: 0 0 0 0.35rem; }
thead td { width: 5.6rem; }
tbody th { font-weight: 400; text-align: right; padding: 0.1rem 0 0.35rem; line-height: 1.15; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
tbody td { padding: 0.1rem 0 0.35rem 0.35rem; line-height: 1.15; background: linear-gradient(to right, var(--soft) calc(var(--p) * 100%), var(--panel) 0) 0.35rem 100% / calc(100% - 0.35rem) 4px no-repeat; }
td.best { font-weight: 700; background-image: linear-gradient(to right, var(--ink) calc(var(--p) * 100%), var(--panel) 0); }
.each { margin: 0.5rem 0 0; font-size: 0.95rem; min-height: 2.8em; }
.steps { list-style: none; display: flex; gap: 0.25rem; margin: 0; padding: 0; font-size: 0.85rem; font-variant-numeric: tabular-nums; text-align: center; }
.steps li { flex: 1; min-width: 0; display: flex; flex-direction: column; }
.steps .column { height: 3rem; background: linear-gradient(to top, var(--soft) calc(var(--p) * 100%), var(--panel) 0); }
.steps .best { font-weight: 700; } .steps .best .column { background-image: linear-gradient(to top, var(--ink) calc(var(--p) * 100%), var(--panel) 0); }
.note { margin: 0.4rem 0 0; font-size: 0.95rem; color: var(--soft); }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 36rem) { .sides { grid-template-columns: minmax(0, 1fr); } .finding { min-height: 3.9em; } }
`;
