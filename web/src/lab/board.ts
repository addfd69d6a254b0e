// A picture under a grid of its patches, for the labs of the vision models. A patch can be chosen, by pointer or by
// arrow keys, and painted or erased; weights lie over the picture as on all figures of the book: the fuller the purple,
// the larger the weight.

import { make } from "./frame.ts";
import type { Picture, Place } from "../pictures.ts";

/** What the reader's hand does on the board. */
export type Tool = "look" | "draw" | "erase";

export interface BoardHands {
  /** A patch becomes the one that looks. */
  choose(patch: number): void;
  /** Something is about to change: what is there now can be kept for Undo. */
  grab?(): void;
  /** Paint from one place to another. */
  stroke?(from: Place, to: Place): void;
  /** Erase a patch, or bring it back; without `erase`, whichever it is not. */
  erase?(patch: number, erase?: boolean): void;
}

export interface BoardView {
  readonly picture: Picture;
  /** One for each patch; none: the picture alone. */
  readonly weights?: ArrayLike<number>;
  /** The patch that looks, where one does. */
  readonly query?: number;
  /** Which patches are erased. */
  readonly gone?: (patch: number) => boolean;
}

export class PictureBoard {
  readonly element: HTMLElement;
  private readonly canvas = make("canvas", { "aria-hidden": "true" });
  private readonly grid: HTMLElement;
  private readonly cells: HTMLElement[];
  private readonly columns: number;
  private used: Tool = "look";
  private erasing?: boolean;

  /**
   *   size, patch: sides, in pixels.
   *   name: what it shows, for those who do not see it.
   */
  constructor(
    private readonly size: number,
    patch: number,
    name: string,
    private readonly hands: BoardHands,
  ) {
    this.columns = size / patch;
    this.canvas.width = this.canvas.height = size;
    this.cells = Array.from({ length: this.columns ** 2 }, (_, i) => make("span", { role: "gridcell", tabindex: i ? "-1" : "0" }));
    const rows = Array.from({ length: this.columns }, (_, row) => make("div", { role: "row" }, ...this.cells.slice(row * this.columns, (row + 1) * this.columns)));
    this.grid = make("div", { class: "cells", role: "grid", "aria-label": name }, ...rows);
    this.element = make("div", { class: "board" }, this.canvas, this.grid);
    this.listen();
  }

  get tool(): Tool {
    return this.used;
  }

  set tool(tool: Tool) {
    this.used = tool;
    this.element.dataset.tool = tool;
  }

  draw({ picture, weights, query, gone }: BoardView): void {
    paint(this.canvas, picture, this.size);
    const most = Math.max(1e-12, ...Array.from(weights ?? []));
    this.cells.forEach((cell, i) => {
      const [row, column] = [Math.floor(i / this.columns) + 1, (i % this.columns) + 1];
      const share = weights ? `, ${(100 * weights[i]).toFixed(1)} %` : "";
      cell.setAttribute("aria-label", `row ${row}, column ${column}${gone?.(i) ? ", erased" : ""}${share}`);
      cell.classList.toggle("gone", gone?.(i) ?? false);
      cell.setAttribute("aria-selected", String(i === query));
      cell.style.setProperty("--w", weights ? (weights[i] / most).toFixed(3) : "0");
    });
    if (query !== undefined) this.reach(query);
  }

  /** From now on Tab comes to this patch. */
  private reach(patch: number): void {
    this.cells.forEach((cell, i) => (cell.tabIndex = i === patch ? 0 : -1));
  }

  private listen(): void {
    let from: Place | undefined;
    const at = (event: PointerEvent): Place => {
      const box = this.grid.getBoundingClientRect();
      return [((event.clientY - box.top) / box.height) * this.size, ((event.clientX - box.left) / box.width) * this.size];
    };
    const use = (to: Place, first: boolean): void => {
      const [row, column] = to.map((one) => Math.floor((one / this.size) * this.columns));
      const inside = row >= 0 && row < this.columns && column >= 0 && column < this.columns;
      if (this.used === "draw") this.hands.stroke?.(first ? to : from!, to);
      else if (!inside) return;
      else if (this.used === "look") this.hands.choose(row * this.columns + column);
      else {
        const patch = row * this.columns + column;
        if (first) this.erasing = !this.cells[patch].classList.contains("gone"); // the whole drag does as its first patch
        this.hands.erase?.(patch, this.erasing);
      }
    };
    this.grid.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.grid.setPointerCapture(event.pointerId);
      const cell = event.target as HTMLElement;
      if (this.cells.includes(cell)) {
        this.reach(this.cells.indexOf(cell));
        cell.focus({ preventScroll: true });
      }
      if (this.used !== "look") this.hands.grab?.();
      const to = at(event);
      use(to, true);
      from = to;
    });
    this.grid.addEventListener("pointermove", (event) => {
      if (!from) return;
      for (const one of event.getCoalescedEvents?.().concat(event) ?? [event]) {
        const to = at(one);
        use(to, false);
        from = to;
      }
    });
    for (const end of ["pointerup", "pointercancel"]) this.grid.addEventListener(end, () => (from = undefined));
    this.grid.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const here = this.cells.indexOf(event.target as HTMLElement);
    if (here < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const [row, column] = [Math.floor(here / this.columns), here % this.columns];
    const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (by) {
      const clip = (one: number): number => Math.min(this.columns - 1, Math.max(0, one));
      const next = clip(row + by[0]) * this.columns + clip(column + by[1]);
      this.reach(next);
      this.cells[next].focus();
      if (this.used === "look") this.hands.choose(next);
    } else if ((event.key === "Delete" || event.key === "Backspace") && this.hands.erase) {
      this.hands.grab?.();
      this.hands.erase(here);
    } else if (event.key === " " || event.key === "Enter") {
      if (this.used !== "look") this.hands.grab?.();
      const middle: Place = [row, column].map((one) => ((one + 0.5) * this.size) / this.columns) as [number, number];
      if (this.used === "look") this.hands.choose(here);
      else if (this.used === "draw") this.hands.stroke?.(middle, middle);
      else this.hands.erase?.(here);
    } else return;
    event.preventDefault(); // in a deck, these keys turn the slides; see the frame's `keep`
  }
}

/** Puts a picture on a canvas of its size. */
export function paint(canvas: HTMLCanvasElement, picture: Picture, size: number): void {
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    for (let plane = 0; plane < 3; plane++) image.data[4 * i + plane] = Math.round(255 * picture[plane * size * size + i]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** A small picture of weights on a grid, in so many shades; the largest weight is full. */
export function weightsPicture(weights: ArrayLike<number>, columns: number, query?: number): string {
  const most = Math.max(1e-12, ...Array.from(weights));
  const shades = Array(SHADES + 1).fill("") as string[];
  for (let i = 0; i < weights.length; i++) {
    shades[Math.round((weights[i] / most) * SHADES)] += `M${i % columns} ${Math.floor(i / columns)}h1v1h-1z`;
  }
  const paths = shades.map((d, shade) => (shade && d ? `<path d="${d}" opacity="${(shade / SHADES).toFixed(2)}"/>` : "")).join("");
  const cell = query === undefined ? "" : `<rect x="${query % columns}" y="${Math.floor(query / columns)}" width="1" height="1"/>`;
  return `<svg viewBox="0 0 ${columns} ${weights.length / columns}" aria-hidden="true">${paths}${cell}</svg>`;
}
const SHADES = 8;

export const BOARD_STYLE = `
.board { position: relative; aspect-ratio: 1; border: 1px solid var(--line); user-select: none; -webkit-user-select: none; }
.board canvas { display: block; width: 100%; height: 100%; image-rendering: pixelated; }
.cells { position: absolute; inset: 0; display: flex; flex-direction: column; touch-action: pan-y; cursor: pointer; }
.board[data-tool="draw"] .cells { touch-action: none; cursor: crosshair; }
.board[data-tool="erase"] .cells { touch-action: none; cursor: cell; }
.cells > div { flex: 1; display: flex; }
.cells span { flex: 1; background: color-mix(in srgb, var(--weights) calc(var(--w, 0) * 82%), transparent); box-shadow: inset 0 0 0 0.5px rgb(255 255 255 / 0.28); }
.cells span:hover { box-shadow: inset 0 0 0 2px rgb(255 255 255 / 0.75); }
.cells span[aria-selected="true"] { box-shadow: inset 0 0 0 3px #0072B2, inset 0 0 0 4.5px #fff; }
.cells span.gone { background-image: linear-gradient(45deg, transparent 46%, rgb(255 255 255 / 0.7) 46% 54%, transparent 54%); }
.cells span:focus-visible { outline: 3px solid #1F2933; outline-offset: 0; box-shadow: inset 0 0 0 2px #fff; z-index: 1; position: relative; }
.cells span[aria-selected="true"]:focus-visible { outline: 3px solid #0072B2; }
`;
