// The frame of every lab: <tf-lab name="translate" model="NAME">.
//
// The tag holds a still figure, and in a script of JSON what the lab shows before a model is there: the recording of
// an example. Without JavaScript the figure is what one sees. With it, the lab draws itself from the recording when
// it comes near the screen, and fetches its model only when a reader touches it. If that fails, the figure comes back.

import { Model } from "../model.ts";
import { fromDisk } from "./disk.ts";

/** What a lab gets from its frame. */
export interface Frame {
  /** Where the lab draws. */
  readonly root: HTMLElement;
  /** What was recorded for it in Python. */
  readonly recording: unknown;
  /**
   * The tag's model, or another that lies beside it, by its name; fetched when first asked for. Undefined if it did
   * not come: the frame has then said so.
   */
  model(name?: string): Promise<Model | undefined>;
  /** Where `say` writes; it stands below the lab until the lab puts it in a better place. */
  readonly said: HTMLElement;
  /** Says something to the reader, to screen readers too; an empty text takes it back. */
  say(text: string, kind?: "note" | "problem"): void;
  /** Tells whoever listens, such as a notebook, what the lab shows now. */
  tell(state: Record<string, unknown>): void;
}

export interface Lab {
  /** A state that comes from outside, such as a text set in Python. */
  receive(state: Record<string, unknown>): void;
}

const FETCHING = "Fetching the model …";

export type MakeLab = (frame: Frame) => Lab;

/** Where the models lie: beside the script. A module has no such place; a notebook hands its model over. */
const here = typeof document === "undefined" ? null : (document.currentScript as HTMLScriptElement | null)?.src;

export class LabElement extends HTMLElement {
  /** The labs known by now. Each bundle brings one; the first to come makes the element for all. */
  static readonly makers = new Map<string, MakeLab>();
  /** The elements that were seen before their lab's bundle came. */
  static readonly waiting = new Set<LabElement>();

  /** Another way to a model than by fetching it: a notebook's. */
  fetchModel?: (name: string) => Promise<Model>;
  private lab?: Lab;
  private watcher?: IntersectionObserver;
  private readonly loading = new Map<string, Promise<Model | undefined>>();
  private said?: HTMLElement;
  private pending?: Record<string, unknown>;

  constructor() {
    super();
    for (const kind of ["keydown", "keypress"] as const) this.addEventListener(kind, keep);
  }

  connectedCallback(): void {
    this.dataset.preventSwipe = ""; // in a deck, a finger in the lab moves what is in the lab
    if (this.lab || this.watcher) return;
    this.watcher = new IntersectionObserver(
      (seen) => {
        if (seen.some((one) => one.isIntersecting)) this.start();
      },
      { rootMargin: "300px" },
    );
    this.watcher.observe(this);
  }

  disconnectedCallback(): void {
    this.watcher?.disconnect();
    this.watcher = undefined;
  }

  receive(state: Record<string, unknown>): void {
    if (this.lab) this.lab.receive(state);
    else this.pending = { ...this.pending, ...state };
  }

  start(): void {
    LabElement.waiting.delete(this);
    this.watcher?.disconnect();
    const make = LabElement.makers.get(this.getAttribute("name") ?? "");
    if (!make) LabElement.waiting.add(this);
    const written = this.querySelector('script[type="application/json"]')?.textContent;
    if (!make || !written || this.lab) return; // the still figure stays
    const shadow = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    shadow.innerHTML = `<style>${STYLE}</style><div class="lab"></div>
      <div class="said" role="status"></div><div class="still" hidden><slot></slot></div>`;
    const root = shadow.querySelector<HTMLElement>(".lab")!;
    this.said = shadow.querySelector<HTMLElement>(".said")!;
    try {
      this.lab = make({
        root,
        said: this.said,
        recording: JSON.parse(written),
        model: (name = this.getAttribute("model") ?? "") => this.model(root, name),
        say: (text, kind = "note") => this.say(text, kind),
        tell: (detail) => this.dispatchEvent(new CustomEvent("tf-state", { detail })),
      });
    } catch (error) {
      this.fall(root, error); // a recording of another version, say
      return;
    }
    this.dataset.ready = "true";
    if (this.pending) this.lab.receive(this.pending);
  }

  private model(root: HTMLElement, name: string): Promise<Model | undefined> {
    const known = this.loading.get(name);
    if (known) return known;
    const loading = this.load(name).then(
      (model) => {
        if (this.said!.textContent === FETCHING) this.say(""); // what was said meanwhile stays
        return model;
      },
      (error) => {
        this.loading.delete(name);
        this.fall(root, error, name);
        return undefined;
      },
    );
    this.loading.set(name, loading);
    return loading;
  }

  private async load(name: string): Promise<Model> {
    this.say(FETCHING);
    if (this.fetchModel) return this.fetchModel(name);
    const address = /[/.]/.test(name) ? name : `${name}.live.safetensors`;
    const url = new URL(address, here ?? document.baseURI);
    return url.protocol === "file:" ? fromDisk(url) : Model.load(url);
  }

  /** The lab goes, the still figure comes, with what went wrong. */
  private fall(root: HTMLElement, error: unknown, name = ""): void {
    const shadow = this.shadowRoot!;
    root.hidden = true;
    const place = this.said!.nextSibling;
    const parent = this.said!.parentNode!;
    root.after(this.said!); // out of what is hidden
    shadow.querySelector<HTMLElement>(".still")!.hidden = false;
    const why = error instanceof TypeError ? "the model file did not come; is the network there?" : message(error);
    this.say(`The live model could not start: ${why} What you see is a recording.`, "problem");
    const again = document.createElement("button");
    again.type = "button";
    again.textContent = "Try again";
    again.addEventListener("click", () => {
      root.hidden = false;
      parent.insertBefore(this.said!, place);
      shadow.querySelector<HTMLElement>(".still")!.hidden = true;
      this.say("");
      if (this.lab) void this.model(root, name).then((model) => model && this.lab?.receive({}));
    });
    if (this.lab) this.said!.append(" ", again);
  }

  private say(text: string, kind: "note" | "problem" = "note"): void {
    this.said!.textContent = text;
    this.said!.classList.toggle("problem", kind === "problem");
  }
}

/** A key that a control of the lab uses ends there: in a deck, a space that is typed must not turn the slide. */
function keep(event: KeyboardEvent): void {
  const control = event.composedPath()[0];
  const pressed = event.key === " " || event.key === "Enter";
  const used =
    event.defaultPrevented ||
    ((control instanceof HTMLInputElement || control instanceof HTMLTextAreaElement || control instanceof HTMLSelectElement) && event.key !== "Escape") ||
    ((control instanceof HTMLButtonElement || (control instanceof HTMLElement && control.tagName === "SUMMARY")) && pressed);
  if (used) event.stopPropagation();
}

/** Makes a lab known by its name; called once by each lab's bundle. */
export function define(name: string, make: MakeLab): void {
  if (typeof customElements === "undefined") return;
  if (!customElements.get("tf-lab")) customElements.define("tf-lab", LabElement);
  const known = customElements.get("tf-lab") as typeof LabElement;
  known.makers.set(name, make);
  for (const one of known.waiting) if (one.getAttribute("name") === name) one.start();
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An element with attributes and children: all the templating that labs need. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Makes a list hold `count` items; those that are there stay, so that a hand does not lose what it holds. */
export function rows(list: HTMLElement, count: number, item: (index: number) => HTMLElement): HTMLElement[] {
  while (list.children.length > count) list.lastElementChild!.remove();
  while (list.children.length < count) list.append(item(list.children.length));
  return [...list.children] as HTMLElement[];
}

// The book's variables reach through the shadow; outside the book the light theme's colours stand in.
const STYLE = `
:host {
  --query: var(--tf-query-text, #0072B2); --key: var(--tf-key-text, #B34F00); --weights: var(--tf-weights, #6A3D9A);
  --ink: var(--tf-ink, #1F2933); --soft: var(--tf-soft, #5B6770); --line: var(--tf-line, #C4CBD2);
  --panel: var(--tf-panel, #EEF1F4); --ground: var(--tf-ground, #FFFFFF);
  display: block; margin: 1.6rem 0; padding: 4px; max-width: 44rem; color: var(--ink);
  font: 1rem/1.4 var(--tf-sans, "Source Sans 3", system-ui, sans-serif);
}
[hidden] { display: none !important; }
* { box-sizing: border-box; }
button, input, select, textarea { font: inherit; color: inherit; }
button {
  min-height: 2.4rem; padding: 0.3rem 0.8rem; cursor: pointer; background: transparent;
  border: 1px solid var(--soft); border-radius: 999px;
}
button:hover:not(:disabled, [aria-pressed="true"]) { background: var(--panel); }
button:disabled { opacity: 0.45; cursor: default; }
button[aria-pressed="true"] { color: var(--ground); background: var(--ink); border-color: var(--ink); }
:focus-visible { outline: 3px solid var(--weights); outline-offset: 2px; }
.said { min-height: 1.4rem; margin-top: 0.4rem; font-size: 0.95rem; color: var(--soft); }
.said.problem { color: var(--ink); border-left: 3px solid var(--key); padding-left: 0.7rem; }
`;
