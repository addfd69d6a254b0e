// A plane with arrows from its origin, whose tips the reader moves: by mouse, by finger, by arrow keys.
//
// The plane knows where its arrows are and how they look; what they mean is the lab's business.

import type { Vector } from "./attention.ts";

export type Role = "token" | "query" | "key" | "value";

export interface Arrow {
  /** Unique in the lab, such as "k1". */
  readonly id: string;
  readonly role: Role;
  /** What stands at its tip. */
  readonly label: string;
  /** What a screen reader calls it. */
  readonly spoken: string;
  /** It follows from others, and cannot be moved by hand. */
  readonly fixed?: boolean;
}

/** What the reader does to an arrow. */
export interface Hands {
  /** It is taken hold of: what comes until the next grab is one thing to undo. */
  grab(id: string): void;
  move(id: string, to: Vector): void;
  /** It is pointed at or focused, or no longer. */
  light(id: string | undefined): void;
}

/** Arrows reach this far along each axis. */
export const REACH = 2.5;
const SIZE = 340; // units of the picture, about one pixel each
const UNIT = SIZE / (2 * REACH + 0.7);
const GRID = 0.05; // a dragged tip snaps to this
const STEP = 0.1; // an arrow key's
const LEAP = 0.5; // with shift
const FINGER = 22; // pixels around a tip that take hold of it

const x = (at: Vector): number => SIZE / 2 + at[0] * UNIT;
const y = (at: Vector): number => SIZE / 2 - at[1] * UNIT;
const point = (at: Vector): string => `${x(at).toFixed(1)} ${y(at).toFixed(1)}`;

/** The heads: each role has its own shape, so that colour is not the only cue. They point along +x. */
const HEADS: Record<Role, string> = {
  token: "M8 0A8 8 0 1 1 -8 0A8 8 0 1 1 8 0Z",
  query: "M9 0L-7 -8V8Z",
  key: "M-7 -7H7V7H-7Z",
  value: "M9 0L0 -9L-9 0L0 9Z",
};

export class Plane {
  readonly element = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group" });
  private readonly behind = svg("g");
  private readonly shafts = new Map<string, SVGElement>();
  private readonly tips = new Map<string, SVGElement>();
  private readonly labels = new Map<string, SVGTextElement>();
  private readonly over = svg("g", { class: "over" });
  private places = new Map<string, Vector>();

  constructor(
    name: string,
    private readonly arrows: readonly Arrow[],
    private readonly hands: Hands,
  ) {
    this.element.setAttribute("aria-label", name);
    this.element.append(axes(), this.behind);
    for (const { id, role } of arrows) this.shafts.set(id, this.element.appendChild(svg("path", { class: `shaft ${role}` })));
    this.element.append(this.over);
    for (const { id, role } of arrows) this.labels.set(id, this.element.appendChild(svg("text", { class: `label ${role}`, "aria-hidden": "true" })));
    for (const arrow of arrows) this.tips.set(arrow.id, this.element.appendChild(this.tip(arrow)));
    this.drag();
  }

  /**
   * Draws the arrows where they now are.
   *   places: an arrow's tip by its id.
   *   notes: what stands behind an arrow's label.
   *   faint: the arrows that do not count now; lit: the one pointed at.
   *   behind, over: pictures of the lab's own, as SVG, under and over the shafts.
   */
  draw(given: {
    places: Map<string, Vector>;
    notes?: Map<string, string>;
    faint?: Set<string>;
    lit?: string;
    behind?: string;
    over?: string;
  }): void {
    this.places = given.places;
    this.behind.innerHTML = given.behind ?? "";
    this.over.innerHTML = given.over ?? "";
    for (const { id, role, label, fixed } of this.arrows) {
      const at = given.places.get(id)!;
      const [shaft, tip, text] = [this.shafts.get(id)!, this.tips.get(id)!, this.labels.get(id)!];
      const turn = role === "query" ? (-Math.atan2(at[1], at[0]) * 180) / Math.PI : 0;
      shaft.setAttribute("d", `M${point([0, 0])}L${point(at)}`);
      tip.setAttribute("transform", `translate(${point(at)})`);
      tip.querySelector(".head")!.setAttribute("transform", `rotate(${turn.toFixed(1)})`);
      if (!fixed) {
        tip.setAttribute("aria-valuenow", String(at[0]));
        tip.setAttribute("aria-valuetext", `${at[0]} across, ${at[1]} up`);
      }
      for (const one of [shaft, tip, text]) {
        one.classList.toggle("faint", given.faint?.has(id) ?? false);
        one.classList.toggle("lit", id === given.lit);
      }
      text.innerHTML = "";
      text.append(label);
      const note = given.notes?.get(id);
      if (note) text.appendChild(svg("tspan", { class: "note", dx: "5" })).textContent = note;
    }
    this.placeLabels();
  }

  /** Puts each label beside its tip, where it covers neither another label nor a tip. */
  private placeLabels(): void {
    const high = 16;
    const taken = [...this.places.values()].map((at) => ({ left: x(at) - 9, top: y(at) - 9, right: x(at) + 9, bottom: y(at) + 9 }));
    for (const { id } of this.arrows) {
      const text = this.labels.get(id)!;
      const at = this.places.get(id)!;
      const wide = text.getComputedTextLength() + 6 || 8 * (text.textContent ?? "").length;
      const out = [Math.sign(at[0]) || 1, Math.sign(at[1]) || 1];
      // Beyond the tip if it may be: to the side or above, as the arrow points; then on the other sides.
      const side = [12 * out[0] + (out[0] < 0 ? -wide : 0), -high / 2];
      const above = [-wide / 2, out[1] > 0 ? -high - 11 : 11];
      const other = [-12 * out[0] + (out[0] > 0 ? -wide : 0), -high / 2];
      const below = [-wide / 2, out[1] > 0 ? 11 : -high - 11];
      const order = Math.abs(at[0]) > Math.abs(at[1]) ? [side, above, below, other] : [above, side, other, below];
      const boxes = order.map(([dx, dy]) => {
        const left = Math.min(SIZE - wide - 3, Math.max(3, x(at) + dx));
        const top = Math.min(SIZE - high - 3, Math.max(3, y(at) + dy));
        return { left, top, right: left + wide, bottom: top + high };
      });
      const covered = boxes.map((box) => taken.reduce((sum, one) => sum + overlap(box, one), 0));
      const chosen = boxes[covered.indexOf(Math.min(...covered))];
      taken.push(chosen);
      text.setAttribute("x", chosen.left.toFixed(1));
      text.setAttribute("y", (chosen.bottom - 4).toFixed(1));
    }
  }

  /** A tip is a slider of two dimensions, which ARIA has no word for. */
  private tip({ id, role, spoken, fixed }: Arrow): SVGElement {
    if (fixed) {
      const end = svg("g", { class: `fixed ${role}`, "aria-hidden": "true" });
      end.append(svg("path", { class: "head", d: HEADS[role] }));
      return end;
    }
    const tip = svg("g", {
      class: `tip ${role}`,
      role: "slider",
      tabindex: "0",
      "aria-label": spoken,
      "aria-roledescription": "arrow tip, moved by the arrow keys",
      "aria-valuemin": String(-REACH),
      "aria-valuemax": String(REACH),
    });
    tip.append(svg("circle", { class: "hit", r: String(FINGER) }), svg("circle", { class: "ring", r: "16" }), svg("path", { class: "head", d: HEADS[role] }));
    tip.dataset.id = id;
    tip.addEventListener("keydown", (event) => this.key(event, id));
    tip.addEventListener("focus", () => this.hands.light(id));
    tip.addEventListener("blur", () => this.hands.light(undefined));
    return tip;
  }

  private key(event: KeyboardEvent, id: string): void {
    const by = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // in a deck, arrow keys turn the slides
    if (!event.repeat) this.hands.grab(id);
    const step = event.shiftKey ? LEAP : STEP;
    this.hands.move(id, inside(this.places.get(id)!.map((one, i) => one + by[i] * step)));
  }

  private drag(): void {
    // Each finger holds its own arrow, at the place where it took hold.
    const held = new Map<number, { id: string; dx: number; dy: number }>();
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !(event.target as Element).closest(".tip")) return;
      const here = this.under(event);
      const distance = (id: string): number => Math.hypot(...this.places.get(id)!.map((one, i) => one - here[i]));
      // Where tips crowd, the nearest is meant, not the one that happens to lie on top.
      const id = this.arrows.filter((one) => !one.fixed).map((one) => one.id).reduce((a, b) => (distance(b) < distance(a) ? b : a));
      const at = this.places.get(id)!;
      held.set(event.pointerId, { id, dx: at[0] - here[0], dy: at[1] - here[1] });
      this.element.setPointerCapture(event.pointerId);
      event.preventDefault();
      this.tips.get(id)!.focus({ preventScroll: true });
      this.hands.grab(id);
      this.element.classList.add("held");
    });
    this.element.addEventListener("pointermove", (event) => {
      const hold = held.get(event.pointerId);
      if (!hold) return this.hover(event);
      const here = this.under(event);
      this.hands.move(hold.id, inside([here[0] + hold.dx, here[1] + hold.dy].map((one) => Math.round(one / GRID) * GRID)));
    });
    const release = (event: PointerEvent): void => {
      held.delete(event.pointerId);
      if (!held.size) this.element.classList.remove("held");
    };
    this.element.addEventListener("pointerup", release);
    this.element.addEventListener("pointercancel", release);
    this.element.addEventListener("pointerleave", () => this.hands.light(undefined));
    // Not every browser heeds touch-action inside a picture: a finger on a tip must not scroll the page.
    this.element.addEventListener("touchstart", (event) => (event.target as Element).closest(".tip") && event.preventDefault(), { passive: false });
  }

  private hover(event: PointerEvent): void {
    if (event.pointerType === "mouse") this.hands.light((event.target as Element).closest<SVGElement>(".tip")?.dataset.id);
  }

  /** Where a pointer is, in the plane's own units. */
  private under(event: PointerEvent): [number, number] {
    const box = this.element.getBoundingClientRect();
    const scale = SIZE / box.width / UNIT;
    return [(event.clientX - box.left - box.width / 2) * scale, -(event.clientY - box.top - box.height / 2) * scale];
  }
}

/** Within reach, and without the dust of binary fractions. */
export function inside(at: Vector): number[] {
  return at.map((one) => Number(Math.min(REACH, Math.max(-REACH, one)).toFixed(2)) + 0);
}

/** An arrow from one place to another, as SVG; its head is drawn by CSS class `class`. */
export function segment(from: Vector, to: Vector, name: string, head = 0): string {
  const [dx, dy] = [x(to) - x(from), y(to) - y(from)];
  const long = Math.hypot(dx, dy);
  if (long < 0.5) return "";
  const size = Math.min(head, long);
  const [ux, uy] = [dx / long, dy / long];
  const [bx, by] = [x(to) - ux * size, y(to) - uy * size];
  const side = 0.55 * size;
  const arrow = size ? `<path class="${name} point" d="M${point(to)}L${bx - uy * side} ${by + ux * side}L${bx + uy * side} ${by - ux * side}Z"/>` : "";
  return `<path class="${name}" d="M${point(from)}L${bx} ${by}"/>${arrow}`;
}

/** A place with a word at it, as SVG. */
export function dot(at: Vector, name: string, radius: number): string {
  return `<circle class="${name}" cx="${x(at)}" cy="${y(at)}" r="${radius}"/>`;
}

/** Lines that join the places where a function of the plane has the same value: one line each `step`. */
export function contours(height: (at: Vector) => number, step: number): string {
  const cells = 28;
  const edge = REACH + 0.35;
  const side = (2 * edge) / cells;
  const values: number[][] = [];
  for (let row = 0; row <= cells; row++) {
    values.push(Array.from({ length: cells + 1 }, (_, column) => height([column * side - edge, row * side - edge])));
  }
  let lines = "";
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      // Two triangles a cell: in a triangle a level is one straight line or none.
      const corner = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([right, up]) => ({
        at: [(column + right) * side - edge, (row + up) * side - edge],
        value: values[row + up][column + right],
      }));
      for (const triangle of [[corner[0], corner[1], corner[2]], [corner[0], corner[2], corner[3]]]) {
        const [low, high] = [Math.min, Math.max].map((pick) => pick(...triangle.map((one) => one.value)) / step);
        for (let level = Math.ceil(low); level <= high; level++) {
          const cuts = triangle.flatMap((a, i) => {
            const b = triangle[(i + 1) % 3];
            const part = (level * step - a.value) / (b.value - a.value);
            return part >= 0 && part < 1 ? [point(a.at.map((one, j) => one + part * (b.at[j] - one)))] : [];
          });
          if (cuts.length === 2) lines += `M${cuts[0]}L${cuts[1]}`;
        }
      }
    }
  }
  return `<path class="level" d="${lines}"/>`;
}

function axes(): SVGElement {
  const group = svg("g", { class: "axes", "aria-hidden": "true" });
  let lines = "";
  for (let tick = -2; tick <= 2; tick++) {
    lines += `M${point([tick, -REACH - 0.35])}V0M${point([-REACH - 0.35, tick])}H${SIZE}`;
  }
  group.innerHTML = `<path class="grid" d="${lines}"/><path class="axis" d="M${point([0, -REACH - 0.35])}V0M${point([-REACH - 0.35, 0])}H${SIZE}"/>`;
  group.innerHTML += [-2, -1, 1, 2].map((n) => `<text x="${x([n, 0])}" y="${SIZE - 4}">${n < 0 ? "−" : ""}${Math.abs(n)}</text>`).join("");
  group.innerHTML += [-2, -1, 1, 2].map((n) => `<text x="3" y="${y([0, n]) - 3}" class="up">${n < 0 ? "−" : ""}${Math.abs(n)}</text>`).join("");
  return group;
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The area that two boxes share. */
function overlap(a: Box, b: Box): number {
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return wide > 0 && high > 0 ? wide * high : 0;
}

/** An element of a drawing. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Record<string, string> = {}): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** The planes' own style; colours come from the frame and the lab. */
export const PLANE_STYLE = `
.plane svg { display: block; width: 100%; background: var(--ground); border: 1px solid var(--line); border-radius: 8px; user-select: none; -webkit-user-select: none; }
.token { --mark: var(--ink); --letters: var(--ink); }
.query { --mark: var(--tf-query, #0072B2); --letters: var(--query); }
.key { --mark: var(--tf-key, #D55E00); --letters: var(--key); }
.value { --mark: var(--tf-value, #009E73); --letters: var(--value); }
.grid { stroke: var(--panel); } .axis { stroke: var(--line); stroke-width: 1.2; }
.axes text { fill: var(--soft); font-size: 11px; text-anchor: middle; } .axes .up { text-anchor: start; }
.level { fill: none; stroke: var(--line); stroke-width: 1; stroke-dasharray: 2 3; }
.shaft { fill: none; stroke: var(--mark); stroke-width: 2.5; }
.head { fill: var(--mark); stroke: var(--ground); stroke-width: 1.5; }
.hit { fill: transparent; } .ring { fill: none; }
/* The ring shows the focus; the clear outline is for systems that paint with their own colours. */
.tip { cursor: grab; touch-action: none; outline: 3px solid transparent; }
.held, .held .tip { cursor: grabbing; }
.tip.lit .ring { stroke: var(--mark); stroke-width: 1.5; fill: color-mix(in srgb, var(--mark) 16%, transparent); }
.tip:focus-visible .ring { stroke: var(--weights); stroke-width: 3; }
.label { font-size: 14px; font-weight: 600; fill: var(--letters); stroke: var(--ground); stroke-width: 4px; paint-order: stroke; stroke-linejoin: round; pointer-events: none; }
.label .note { fill: var(--weights); font-weight: 700; font-variant-numeric: tabular-nums; }
.faint { opacity: 0.35; }
`;
