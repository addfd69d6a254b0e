// What the labs "by hand" share: how numbers and matrices are written, the temperature, the sum drawn head to tail, style.

import type { Matrix, Vector } from "./attention.ts";
import { make } from "./frame.ts";
import { dot, segment } from "./plane.ts";

export const COLDEST = 0.05;
export const HOTTEST = 5;
const QUIET = 500; // milliseconds without a change, before a finding is spoken

const minus = (text: string): string => text.replace("-", "−");
export const number = (one: number): string => minus((Math.abs(one) < 0.005 ? 0 : one).toFixed(2));
export const brief = (one: number): string => minus(String(Number(one.toFixed(2)) + 0));
export const pair = (at: Vector): string => `(${at.map(brief).join(", ")})`;

/** A weight: .62, or 0, or 1. */
export function portion(weight: number): string {
  return weight >= 0.995 ? "1" : weight >= 0.005 ? weight.toFixed(2).slice(1) : "0";
}

export function matrix(rows: Matrix): Node {
  return make("span", { class: "matrix" }, ...rows.map((row) => make("span", {}, row.map(brief).join(" "))));
}

/** Whether something from outside is a list of so many points of the plane. */
export function vectors(given: unknown, count: number): boolean {
  return Array.isArray(given) && given.length === count && given.every((one) => Array.isArray(one) && one.length === 2 && one.every(Number.isFinite));
}

/** Each value, shrunk by its weight, begins where the one before it ends; the last ends at the output. As SVG. */
export function headToTail(weights: Vector, values: Matrix): string {
  let from: Vector = [0, 0];
  let drawn = "";
  values.forEach((value, s) => {
    const to = from.map((one, i) => one + weights[s] * value[i]);
    drawn += segment(from, to, "part", 9) + (s < values.length - 1 && weights[s] > 0.02 ? dot(to, "joint", 2.5) : "");
    from = to;
  });
  return drawn + segment([0, 0], from, "output", 13) + dot(from, "output end", Math.hypot(...from) < 0.05 ? 5 : 0);
}

/** The slider of the temperature, even in its logarithm; one grip of it is one `grab`. */
export function thermometer(grab: () => void, change: (temperature: number) => void): { element: HTMLElement; show(temperature: number): void } {
  const range = { min: String(Math.log10(COLDEST)), max: String(Math.log10(HOTTEST)) };
  const slider = make("input", { type: "range", id: "temperature", step: "0.01", ...range });
  const degrees = make("output", { for: "temperature" });
  let held = false;
  slider.addEventListener("input", () => {
    if (!held) grab();
    held = true;
    change(Number((10 ** Number(slider.value)).toPrecision(2)));
  });
  for (const end of ["change", "blur"]) slider.addEventListener(end, () => (held = false));
  return {
    element: make("label", { class: "heat", for: "temperature" }, make("span", {}, "temperature ", make("i", {}, "T")), degrees, slider),
    show: (temperature) => {
      degrees.textContent = String(temperature);
      slider.setAttribute("aria-valuetext", String(temperature));
      if (!held) slider.value = String(Math.log10(temperature));
    },
  };
}

/** A sentence that changes as one drags, and its echo for screen readers once it has come to rest. */
export class Finding {
  readonly element = make("p", { class: "finding" });
  readonly spoken = make("p", { class: "spoken", role: "status" });
  private timer = 0;

  show(text: string): void {
    this.element.textContent = text;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => (this.spoken.textContent = text), QUIET);
  }
}

export const BY_HAND_STYLE = `
.lab { --value: var(--tf-value-text, #00624A); }
.controls { display: flex; flex-wrap: wrap; gap: 0.5rem 0.6rem; align-items: center; margin: 0.5rem 0; }
.kinds { display: flex; }
.kinds button { border-radius: 0; margin-left: -1px; }
.kinds button:first-child { border-radius: 999px 0 0 999px; margin: 0; } .kinds button:last-child { border-radius: 0 999px 999px 0; }
.heat { display: grid; grid-template-columns: auto 2.6rem minmax(7rem, 1fr); gap: 0.5rem; align-items: center; flex: 1; margin-left: 0.4rem; }
.heat output { font-variant-numeric: tabular-nums; font-weight: 600; }
.heat input { width: 100%; min-height: 2.2rem; accent-color: var(--weights); }
.matrix { display: inline-grid; padding: 0 0.35rem; margin-right: 0.6rem; border: solid var(--soft); border-width: 0 1.5px; border-radius: 5px; color: var(--ink); line-height: 1.15; white-space: pre; font-variant-numeric: tabular-nums; }
.planes { display: grid; grid-template-columns: 1fr 1fr; gap: 0.8rem; }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; justify-content: end; }
figcaption { font-size: 0.95rem; padding-bottom: 0.25rem; }
.letters { color: var(--letters); font-weight: 600; }
.plane .shaft.value { stroke-width: 1.5; stroke-dasharray: 3 3; }
.part { fill: none; stroke: var(--tf-value, #009E73); stroke-width: 5; } .part.point { fill: var(--tf-value, #009E73); stroke: none; }
.joint { fill: var(--ground); }
.output { fill: none; stroke: var(--ink); stroke-width: 3; } .output.point, .output.end { fill: var(--ink); stroke: none; }
.over { pointer-events: none; }
.finding { margin: 0.3rem 0; font-size: 1.15rem; font-weight: 600; line-height: 1.3; min-height: 1.3em; }
.working { margin: 0.45rem 0 0; font-variant-numeric: tabular-nums; color: var(--soft); overflow-wrap: anywhere; }
.working + .working { margin-top: 0.1rem; color: var(--ink); }
.hint { font-size: 0.95rem; color: var(--soft); }
.said { min-height: 0; }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 36rem) {
  .finding { min-height: 2.6em; }
  .planes { grid-template-columns: 1fr; }
  .heat { flex-basis: 100%; margin-left: 0; }
}
`;
