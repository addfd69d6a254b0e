// What a model takes a picture for: a bar for each class, and where the bar was before the reader changed something.

import { make } from "./frame.ts";

export class ClassBars {
  readonly element: HTMLElement;
  private readonly items: { row: HTMLElement; bar: HTMLElement; was: HTMLElement; share: HTMLElement }[];

  constructor(names: readonly string[]) {
    this.items = names.map((name) => {
      const [bar, was, share] = [make("span", { class: "bar" }), make("span", { class: "was" }), make("span", { class: "share" })];
      return { row: make("li", {}, make("span", { class: "name" }, name), make("span", { class: "room" }, bar, was), share), bar, was, share };
    });
    this.element = make("ol", { class: "bars" }, ...this.items.map((one) => one.row));
  }

  draw(probabilities: readonly number[], before?: readonly number[]): void {
    const best = likeliest(probabilities);
    this.items.forEach(({ row, bar, was, share }, i) => {
      bar.style.width = `${(100 * probabilities[i]).toFixed(1)}%`;
      share.textContent = percent(probabilities[i]);
      was.hidden = !before;
      if (before) was.style.left = `${(100 * before[i]).toFixed(1)}%`;
      row.classList.toggle("best", i === best);
    });
  }
}

export function likeliest(probabilities: readonly number[]): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

export function percent(p: number): string {
  return p > 0 && p < 0.005 ? "< 1 %" : `${(100 * p).toFixed(0)} %`;
}

export const BARS_STYLE = `
.bars { list-style: none; margin: 0; padding: 0; font-variant-numeric: tabular-nums; }
.bars li { display: flex; align-items: center; gap: 0.5rem; min-height: 1.55rem; }
.bars .name { flex: 0 0 6.1rem; text-align: right; }
.bars .room { position: relative; flex: 1; height: 0.95rem; background: var(--panel); border-radius: 2px; }
.bars .bar { display: block; height: 100%; min-width: 1px; background: var(--soft); border-radius: 2px; }
.bars .was { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
.bars .share { flex: 0 0 3.2rem; }
.bars .best { font-weight: 700; } .bars .best .bar { background: var(--ink); }
`;
