// A sentence with blanks, as words that one can press: a word that is pressed becomes a blank. Words that the model reads
// in pieces show their pieces. Above the words stand arcs, from the place that looks to those that it looks at.

import { make, rows } from "./frame.ts";
import type { Part } from "../masked.ts";
import type { Tensor } from "../tensor.ts";

/** The weights of one attention: heads, queries, keys. */
export type Heads = ArrayLike<number>[][];

export interface Line {
  readonly cut: readonly Part[];
  /** One label for each place, and the part that each belongs to; the first and the last belong to none. */
  readonly labels: readonly string[];
  readonly of: readonly number[];
  /** The place of the blank that is looked from; -1 if there is none. */
  readonly from: number;
  /** How much it looks at each place; without them there are no arcs. */
  readonly weights?: readonly number[];
  /** From which place on words are hidden. */
  readonly hidden?: number;
  /** What stands in a blank until it is filled. */
  readonly guesses?: readonly string[];
}

export interface LineWishes {
  /** A word was pressed. */
  take(part: number): void;
  /** A blank was pressed; blanks are counted from 0. */
  choose(blank: number): void;
}

const LEAST = 0.03; // thinner arcs are not drawn
const THICK = 9; // pixels for a weight of 1

export class BlankLine {
  readonly element = make("div", { class: "sentence" });
  private readonly arcs = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly list = make("ol", { class: "line", "aria-label": "The words: press one to make it a blank" });
  private shown?: Line;
  private held = 0; // Tab's way into the words

  constructor(private readonly wishes: LineWishes) {
    this.arcs.setAttribute("aria-hidden", "true"); // the numbers say the same
    this.element.append(this.arcs, this.list);
    this.list.addEventListener("click", (event) => this.press((event.target as Element).closest("button")));
    this.list.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => requestAnimationFrame(() => this.drawArcs())).observe(this.element);
  }

  draw(line: Line): void {
    this.shown = line;
    const { cut, labels, of, from, weights, hidden = Infinity, guesses = [] } = line;
    const ends = [-1, cut.length];
    let blanks = 0;
    rows(this.list, cut.length + 2, () => make("li")).forEach((item, row) => {
      const part = row - 1;
      const places = of.flatMap((one, place) => (one === part ? [place] : []));
      const pieces = places.map((place) => {
        const weight = weights?.[place] ?? 0;
        const share = weight >= 0.995 ? "1" : weight >= 0.05 ? weight.toFixed(2).slice(1) : "";
        const piece = make("span", { class: "piece", "data-place": String(place) }, make("span", {}, labels[place]), make("small", { "aria-hidden": "true" }, share));
        piece.style.setProperty("--w", String(weight));
        if (place > 0 && place === from) piece.classList.add("from");
        return piece;
      });
      item.className = ends.includes(part) ? "mark" : places[0] >= hidden ? "hidden" : "";
      if (places.length > 1) item.classList.add("split");
      if (ends.includes(part) || !/[\p{L}\p{N}_]/u.test(cut[part].text)) {
        return item.replaceChildren(...pieces);
      }
      const button = item.firstElementChild instanceof HTMLButtonElement ? item.firstElementChild : make("button", { type: "button" });
      button.dataset.part = String(part);
      button.classList.toggle("blank", cut[part].blank);
      delete button.dataset.blank;
      button.removeAttribute("aria-current");
      if (cut[part].blank) {
        const guess = guesses[blanks];
        pieces[0].firstElementChild!.textContent = guess || "\u2003";
        button.dataset.blank = String(blanks++);
        button.setAttribute("aria-label", `Blank ${blanks}${guess ? `: ${guess}` : ""}`);
        button.setAttribute("aria-description", "in it stands the first guess; press it to see where it looks");
        if (places[0] === from) button.setAttribute("aria-current", "true");
      } else {
        button.removeAttribute("aria-label"); // its pieces name it
        button.setAttribute("aria-description", `press to take out “${cut[part].text}”`);
      }
      button.replaceChildren(...pieces);
      if (button.parentNode !== item) item.replaceChildren(button);
    });
    const buttons = this.buttons();
    this.held = Math.max(0, Math.min(this.held, buttons.length - 1));
    buttons.forEach((button, i) => (button.tabIndex = i === this.held ? 0 : -1));
    this.drawArcs();
  }

  private buttons(): HTMLButtonElement[] {
    return [...this.list.querySelectorAll("button")];
  }

  private press(button: HTMLButtonElement | null): void {
    if (!button) return;
    this.held = this.buttons().indexOf(button);
    if (button.dataset.blank !== undefined) this.wishes.choose(Number(button.dataset.blank));
    else this.wishes.take(Number(button.dataset.part));
  }

  /** Arrow keys go through the words. */
  private step(event: KeyboardEvent): void {
    const buttons = this.buttons();
    const at = buttons.indexOf(event.target as HTMLButtonElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || to < 0 || to >= buttons.length) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[(this.held = to)].tabIndex = 0;
    buttons[to].focus();
  }

  private drawArcs(): void {
    const { from = -1, weights } = this.shown ?? {};
    const pieces = [...this.list.querySelectorAll<HTMLElement>("[data-place]")];
    const start = pieces[from];
    if (!start || !weights) return this.arcs.replaceChildren();
    const [x, y] = top(start);
    this.arcs.innerHTML = pieces
      .map((piece, place) => {
        if (place === from || weights[place] < LEAST) return "";
        const [toX, toY] = top(piece);
        const high = Math.min(y, toY) - Math.min(26, 10 + Math.abs(x - toX) / 12);
        return `<path d="M${x} ${y}C${x} ${high} ${toX} ${high} ${toX} ${toY}" stroke-width="${Math.max(1, THICK * weights[place]).toFixed(1)}" opacity="${(0.35 + 0.65 * weights[place]).toFixed(2)}"/>`;
      })
      .join("");
  }
}

/** The middle of an element's upper edge. */
function top(one: HTMLElement): [number, number] {
  return [one.offsetLeft + one.offsetWidth / 2, one.offsetTop];
}

/** A map (1, H, T, T) as rows of each head. */
export function heads(map: Tensor): Heads {
  const [, H, T, S] = map.shape;
  return Array.from({ length: H }, (_, h) => Array.from({ length: T }, (_, t) => map.data.subarray((h * T + t) * S, (h * T + t + 1) * S)));
}

export function percent(p: number): string {
  return p > 0 && p < 0.005 ? "< 1 %" : `${Math.round(100 * p)} %`;
}

/** A map as a square of a few shades: one path a shade, whatever its size. The row that looks gets a frame. */
export function mapPicture(map: readonly ArrayLike<number>[], from = -1): string {
  const [shades, T] = [Array(SHADES + 1).fill("") as string[], map.length];
  map.forEach((row, t) => {
    for (let s = 0; s < row.length; s++) shades[Math.min(SHADES, Math.round(row[s] * SHADES))] += `M${s} ${t}h1v1h-1z`;
  });
  const paths = shades.map((d, shade) => (shade && d ? `<path d="${d}" opacity="${(shade / SHADES).toFixed(2)}"/>` : "")).join("");
  const row = from < 0 ? "" : `<rect x="0" y="${from}" width="${T}" height="1"/>`;
  return `<svg viewBox="0 0 ${T} ${T}" preserveAspectRatio="none" aria-hidden="true">${paths}${row}</svg>`;
}
const SHADES = 6;

export const BLANK_STYLE = `
.sentence { position: relative; margin-top: 0.4rem; padding-top: 1.7rem; }
.sentence > svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; overflow: visible; }
.sentence > svg path { fill: none; stroke: var(--weights); stroke-linecap: round; }
.line { list-style: none; display: flex; flex-wrap: wrap; gap: 1.5rem 0.15rem; margin: 0; padding: 0; font-size: 1.15rem; }
.line button { min-height: 0; padding: 0; border-radius: 6px; border-color: transparent; display: inline-flex; gap: 1px; }
.line li { display: flex; }
.line button:hover:not(.blank) { border: 1px dashed var(--soft); }
.piece { display: inline-flex; flex-direction: column; align-items: center; padding: 0.1rem 0.28rem 0; border-bottom: 5px solid color-mix(in srgb, var(--weights) calc(var(--w, 0) * 100%), transparent); }
.piece small { min-height: 1.05rem; line-height: 1.05rem; font-size: 0.8rem; font-variant-numeric: tabular-nums; color: var(--ink); }
.split button { border: 1px dotted var(--soft); }
.split .piece + .piece { border-left: 1px dotted var(--soft); padding-left: 0.2rem; }
.mark { color: var(--soft); font-size: 0.9rem; align-items: end; }
.hidden { color: var(--soft); text-decoration: line-through; }
.line .blank { min-width: 3rem; justify-content: center; color: var(--query); background: var(--panel); border: 1px solid var(--soft); border-bottom: 2px solid var(--query); font-style: italic; }
.line .blank[aria-current] { border: 2px solid var(--query); }
.line .blank .piece { border-bottom-width: 3px; }
`;
