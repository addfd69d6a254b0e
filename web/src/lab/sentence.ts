// The sentence that a lab reads: a field to type in, sentences to pick, and a friendly word about a text that
// is none.

import { make } from "./frame.ts";

const LETTERS = 300;

export interface SentenceWishes {
  /** What stands above the field. */
  label: string;
  /** Sentences to pick. */
  examples: readonly string[];
  /** The language of both; German unless given. */
  lang?: string;
  /** A text came: `picked` if all at once, not letter by letter. */
  read(text: string, picked: boolean): void;
  /** A hand came near: time to fetch the model. */
  touched(): void;
}

export class SentenceField {
  readonly input = make("input", { id: "text", type: "text", maxlength: "1000", autocomplete: "off", spellcheck: "false", dir: "auto" });
  readonly label: HTMLElement;
  /** The sentences to pick, folded away. */
  readonly examples: HTMLElement;
  private typing = 0;

  constructor(wishes: SentenceWishes) {
    const lang = wishes.lang ?? "de";
    this.input.lang = lang;
    this.label = make("label", { for: "text" }, wishes.label);
    const chips = wishes.examples.map((text) => {
      const chip = make("button", { type: "button", lang }, text);
      chip.addEventListener("click", () => {
        this.text = text;
        wishes.read(text, true);
      });
      return chip;
    });
    this.examples = make("details", {}, make("summary", {}, "or pick one"), make("div", { class: "chips" }, ...chips));
    this.input.addEventListener("focus", () => wishes.touched());
    this.input.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = window.setTimeout(() => wishes.read(this.text, false), 0);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") wishes.read(this.text, true);
    });
  }

  get text(): string {
    return this.input.value;
  }

  set text(text: string) {
    clearTimeout(this.typing);
    this.input.value = text;
  }
}

/** What to say about a text with nothing in it or too much; nothing about any other. */
export function unreadable(text: string, who: string, learned: string): string | undefined {
  if (!text) return `Type a German sentence: ${who} needs at least one word.`;
  if (text.length <= LETTERS) return undefined;
  const Who = who[0].toUpperCase() + who.slice(1);
  return `That is ${text.length} letters. ${Who} learned from ${learned}: type at most ${LETTERS} letters.`;
}

export const SENTENCE_STYLE = `
label { display: block; font-weight: 600; margin-bottom: 0.25rem; }
#text { width: 100%; min-height: 2.8rem; padding: 0.4rem 0.8rem; font-size: 1.1rem; background: var(--ground); border: 1px solid var(--soft); border-radius: 8px; }
details { margin: 0.5rem 0 1rem; }
summary { cursor: pointer; color: var(--soft); min-height: 1.6rem; width: fit-content; }
.chips { display: flex; flex-wrap: wrap; gap: 0.4rem; margin-top: 0.4rem; }
.chips button { text-align: left; border-radius: 8px; }
`;
