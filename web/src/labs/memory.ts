// The lab "Memory": write a story by clicking, ask, and see each hop of a memory network look at the sentences. Pull a
// hop's weight to another sentence: the hops after it, and the answer, follow.

import { pin } from "../edits.ts";
import type { Edit } from "../graph.ts";
import { make, rows, type Frame, type Lab } from "../lab/frame.ts";
import { World, type Names, type Sentence } from "../lab/world.ts";
import type { Model } from "../model.ts";
import { tensor } from "../tensor.ts";
import { tokenizerFromJson, type Tokenizer } from "../tokenizer.ts";

/** An example, read in Python. */
interface Recording extends Names {
  story: string[];
  question: string;
  /** Likeliest words first. */
  odds: [word: string, odds: number][];
  /** (hops, sentences). */
  weights: number[][];
  /** Other stories to begin with: each a story and a question. */
  examples: [string[], string][];
  /** The most sentences that the memory holds, and words that a sentence and a question have. */
  memory: number;
  words: [number, number];
}

interface Pin {
  readonly hop: number;
  readonly sentence: number;
  readonly weight: number;
}

/** All that undo brings back. */
interface Moment {
  readonly story: readonly Sentence[];
  readonly question: string;
  readonly pins: readonly Pin[];
}

export default function memory(frame: Frame): Lab {
  return new Memory(frame);
}

class Memory implements Lab {
  private readonly given: Recording;
  private now: Moment;
  private readonly past: Moment[] = [];
  private world: World;
  private odds: [string, number][];
  private weights: number[][];
  /** The answer without the reader's hand. */
  private unmoved: string;
  private person: string;
  private lit = 0;
  private example = 0;
  private running?: Model;
  private tokenizer?: Tokenizer;

  private readonly question = make("select", { id: "question" });
  private readonly story = make("ol", { class: "story", "aria-label": "The story" });
  private readonly heads: HTMLButtonElement[];
  private readonly result = make("output", { class: "result", for: "question" });
  private readonly others = make("span", { class: "others" });
  private readonly truth = make("p", { class: "truth" });
  private readonly people = make("div", { class: "chips", role: "group", "aria-label": "Who" });
  private readonly actions = make("div", { class: "chips", role: "group", "aria-label": "What happens next" });
  private readonly undo = make("button", { type: "button" }, "Undo");
  private readonly letGo = make("button", { type: "button" }, "Let go");
  private readonly shorter = make("button", { type: "button" }, "Take the last sentence away");
  private readonly hint = make("p", { class: "hint" });

  constructor(private readonly frame: Frame) {
    const given = (this.given = frame.recording as Recording);
    this.now = { story: given.story.map(words), question: given.question, pins: [] };
    this.world = new World(given, this.now.story);
    this.odds = given.odds;
    this.unmoved = this.odds[0][0];
    this.weights = given.weights;
    this.person = given.people[0];
    this.lit = this.weights.length - 1;
    this.heads = this.weights.map((_, hop) => {
      const head = make("button", { type: "button" }, `hop ${hop + 1}`);
      head.addEventListener("click", () => this.light(hop));
      return head;
    });
    this.layOut();
    this.draw();
  }

  receive(state: Record<string, unknown>): void {
    const story = Array.isArray(state.story) ? state.story.map((one) => words(String(one))) : this.now.story;
    const question = typeof state.question === "string" ? words(state.question).join(" ") : this.now.question;
    try {
      if (!new World(this.given, story).ask(words(question))) throw new Error(`the story does not tell: ${question}?`);
    } catch (error) {
      return this.frame.say((error as Error).message);
    }
    void this.act({ story: story.slice(-this.given.memory), question, pins: [] });
  }

  // --- what the reader does --------------------------------------------------------------------------------

  private layOut(): void {
    const style = make("style");
    style.textContent = STYLE;
    this.question.addEventListener("change", () => void this.act({ ...this.now, question: this.question.value, pins: [] }));
    for (const person of this.given.people) {
      const chip = make("button", { type: "button" }, person);
      chip.addEventListener("click", () => {
        this.person = person;
        this.draw();
      });
      this.people.append(chip);
    }
    this.undo.addEventListener("click", () => {
      this.now = this.past.pop() ?? this.now;
      this.frame.say("");
      void this.answer();
    });
    this.letGo.addEventListener("click", () => void this.act({ ...this.now, pins: [] }));
    this.shorter.addEventListener("click", () => this.tell(this.now.story.slice(0, -1)));
    const another = make("button", { type: "button" }, "Another story");
    another.addEventListener("click", () => {
      const [story, question] = this.given.examples[this.example++ % this.given.examples.length];
      void this.act({ story: story.map(words), question, pins: [] });
    });
    const head = make("div", { class: "head" }, make("span", { class: "key" }, "sentences, oldest first"), make("span", { class: "hops" }, ...this.heads));
    this.frame.root.append(
      style,
      head,
      this.story,
      make("label", { for: "question", class: "asked" }, make("span", { class: "query" }, "Question"), this.question),
      make("p", { class: "answer" }, this.result, this.others),
      this.truth,
      this.hint,
      make("div", { class: "controls" }, this.undo, this.letGo, another, this.shorter),
      this.people,
      this.actions,
      this.frame.said,
    );
    this.frame.root.addEventListener("pointerdown", () => void this.ready(), { once: true });
    this.frame.root.addEventListener("keydown", () => void this.ready(), { once: true });
  }

  /** Another story; the question stays if it still has an answer. */
  private tell(story: readonly Sentence[]): void {
    const world = new World(this.given, story);
    const open = world.questions().map((one) => one.join(" "));
    const question = open.includes(this.now.question) ? this.now.question : open[0];
    void this.act({ story, question, pins: [] });
  }

  /** One thing done, which undo takes back. */
  private async act(next: Moment): Promise<void> {
    this.past.push(this.now);
    this.now = next;
    this.frame.say("");
    await this.answer();
  }

  private slide(slider: HTMLInputElement, hop: number, sentence: number): void {
    const last = this.now.pins.at(-1);
    const again = slider.dataset.held && last?.hop === hop && last.sentence === sentence;
    if (!again) this.past.push(this.now);
    const pins = again ? this.now.pins.slice(0, -1) : this.now.pins;
    slider.dataset.held = "true";
    this.now = { ...this.now, pins: [...pins, { hop, sentence, weight: Number(slider.value) }] };
    this.lit = hop;
    void this.answer();
  }

  private light(hop: number): void {
    this.lit = hop;
    this.draw();
  }

  // --- what the network does -------------------------------------------------------------------------------

  private async ready(): Promise<Model | undefined> {
    this.running ??= await this.frame.model();
    return this.running;
  }

  /** Reads the story, first as the network would, then with the reader's hand on it. */
  private async answer(): Promise<void> {
    const asked = this.now;
    if (!(await this.ready()) || asked !== this.now) return;
    this.world = new World(this.given, this.now.story);
    this.unmoved = this.run([]);
    this.run(this.now.pins);
    this.draw();
    const { story, question } = this.now;
    const [answer, odds] = this.odds[0];
    this.frame.tell({ story: story.map((one) => one.join(" ")), question, answer, odds, weights: this.weights });
  }

  private run(pins: readonly Pin[]): string {
    const model = this.running!;
    this.tokenizer ??= tokenizerFromJson(model.extras.tokenizer);
    const tokenizer = this.tokenizer;
    const [J, Q] = this.given.words;
    const padded = (sentence: Sentence, length: number): number[] => {
      const ids = tokenizer.encode(sentence.join(" "));
      return [...ids, ...new Array<number>(length - ids.length).fill(0)];
    };
    const S = this.now.story.length;
    const story = tensor(this.now.story.flatMap((one) => padded(one, J)), [1, S, J], "int64");
    const question = tensor(padded(words(this.now.question), Q), [1, Q], "int64");
    const edits: Record<string, Edit> = {};
    this.heads.forEach((_, hop) => {
      const mine = pins.filter((one) => one.hop === hop).map((one) => pin(0, one.sentence, one.weight));
      if (mine.length) edits[`hop.${hop}`] = (map, row) => mine.forEach((edit) => edit(map, row));
    });
    const run = model.graph("model").run({ story, question }, edits);
    this.weights = this.heads.map((_, hop) => Array.from(run.get(`hop.${hop}`).data));
    const logits = Array.from(run.get("logits").data);
    const most = Math.max(...logits);
    const powers = logits.map((one) => Math.exp(one - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    const best = powers.map((_, i) => i).sort((a, b) => powers[b] - powers[a]).slice(0, 3);
    const names = tokenizer.tokens(best);
    this.odds = best.map((id, i) => [names[i], powers[id] / sum]);
    return this.odds[0][0];
  }

  // --- what the reader sees --------------------------------------------------------------------------------

  private draw(): void {
    const { story, question, pins } = this.now;
    const known = this.world.ask(words(question));
    rows(this.story, story.length, (i) => this.sentence(i)).forEach((item, i) => {
      const [text, fact, ...sliders] = [...item.children] as [HTMLElement, HTMLElement, ...HTMLInputElement[]];
      text.textContent = story[i].join(" ");
      const place = known?.facts.indexOf(i) ?? -1;
      fact.textContent = place < 0 ? "" : "①②③"[place];
      fact.title = place < 0 ? "" : `supporting fact ${place + 1}`;
      sliders.forEach((slider, hop) => {
        const weight = this.weights[hop]?.[i] ?? 0;
        slider.value = String(weight);
        slider.style.setProperty("--w", String(weight));
        slider.tabIndex = hop === this.lit ? 0 : -1;
        slider.classList.toggle("pinned", pins.some((one) => one.hop === hop && one.sentence === i));
        slider.setAttribute("aria-label", `Weight of hop ${hop + 1} on “${story[i].join(" ")}”`);
        slider.setAttribute("aria-valuetext", weight.toFixed(2));
      });
    });
    this.heads.forEach((head, hop) => head.setAttribute("aria-pressed", String(hop === this.lit)));
    this.drawQuestions(question);
    const [[answer, odds], ...others] = this.odds;
    this.result.textContent = answer;
    this.others.textContent = ` ${percent(odds)}; then ${others.map(([word, share]) => `${word} ${percent(share)}`).join(", ")}`;
    const says = known ? `The story says: ${known.answer}${known.answer === answer ? "" : ", so this is wrong"}.` : "The story does not say.";
    this.truth.textContent = says + (pins.length && answer !== this.unmoved ? ` Without your hand: ${this.unmoved}.` : "");
    this.drawChips();
    this.undo.disabled = !this.past.length;
    this.letGo.disabled = !pins.length;
    this.shorter.disabled = story.length <= 2;
    this.hint.textContent = `Drag a bar of a hop, or choose a hop and use Tab and the arrow keys: the hops after it and the answer follow. ①②③: the facts that tell.`;
  }

  private drawQuestions(question: string): void {
    const open = this.world.questions().map((one) => one.join(" "));
    if (open.join() !== [...this.question.options].map((one) => one.value).join()) {
      this.question.replaceChildren(...open.map((one) => make("option", { value: one }, `${one}?`)));
    }
    this.question.value = question;
  }

  private drawChips(): void {
    for (const chip of this.people.children) chip.setAttribute("aria-pressed", String(chip.textContent === this.person));
    const full = this.now.story.length >= this.given.memory;
    const groups = new Map<string, Sentence[]>();
    for (const one of full ? [] : this.world.actions(this.person)) {
      const verb = one.slice(1, -1).join(" ");
      groups.set(verb, [...(groups.get(verb) ?? []), one]);
    }
    this.actions.replaceChildren(
      ...[...groups].map(([verb, sentences]) => {
        const chips = sentences.map((sentence) => {
          const chip = make("button", { type: "button", "aria-label": sentence.join(" ") }, sentence.at(-1)!);
          chip.addEventListener("click", () => {
            this.tell([...this.now.story, sentence]);
            this.people.querySelector<HTMLElement>("[aria-pressed=true]")!.focus({ preventScroll: true });
          });
          return chip;
        });
        return make("span", { class: "verb" }, make("span", {}, verb), ...chips);
      }),
    );
    if (full) this.actions.append(make("span", {}, "The memory is full: take a sentence away."));
  }

  private sentence(i: number): HTMLLIElement {
    const sliders = this.heads.map((_, hop) => {
      const slider = make("input", { type: "range", min: "0", max: "1", step: "0.01" });
      slider.addEventListener("input", () => this.slide(slider, hop, i));
      slider.addEventListener("focus", () => hop !== this.lit && this.light(hop));
      for (const end of ["change", "blur"]) {
        slider.addEventListener(end, () => {
          if (end === "blur" || !slider.matches(":focus-visible")) delete slider.dataset.held;
        });
      }
      slider.addEventListener("pointerdown", () => delete slider.dataset.held);
      return slider;
    });
    return make("li", {}, make("span", { class: "text" }), make("span", { class: "fact" }), ...sliders);
  }
}

/** The words of a text, as the vocabulary spells them. */
function words(text: string): Sentence {
  return text.toLowerCase().replace(/[.?]/g, " ").split(/\s+/).filter(Boolean);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0.995 || share < 0.005 ? 0 : 1)} %`;
}

const STYLE = `
.head, .story li { display: grid; grid-template-columns: minmax(0, 1fr) 1.2rem repeat(3, minmax(3.4rem, 5.5rem)); gap: 0 8px; align-items: center; }
.head { font-size: 0.9rem; }
.hops { display: contents; }
.head .key { grid-column: 1 / 3; }
.head button { min-height: 1.9rem; padding: 0 0.2rem; font-size: 0.9rem; white-space: nowrap; }
.key, .story .text { color: var(--key); } .query { color: var(--query); }
.story { list-style: none; margin: 0.3rem 0 0.6rem; padding: 0; }
.story li { min-height: 26px; }
.story .text { padding-left: 0.5rem; border-left: 5px solid var(--key); line-height: 24px; overflow-wrap: anywhere; }
.fact { color: var(--ink); }
input[type="range"] { appearance: none; width: 100%; height: 24px; margin: 0; background: transparent; cursor: ew-resize; touch-action: pan-y; }
input[type="range"]::-webkit-slider-runnable-track { height: 16px; border-radius: 3px; background: linear-gradient(to right, var(--weights) calc(var(--w) * 100%), var(--panel) 0); }
input[type="range"]::-moz-range-track { height: 16px; border-radius: 3px; background: linear-gradient(to right, var(--weights) calc(var(--w) * 100%), var(--panel) 0); }
input[type="range"]::-webkit-slider-thumb { appearance: none; width: 6px; height: 20px; margin-top: -2px; border-radius: 3px; background: var(--weights); border: 1px solid var(--ground); }
input[type="range"]::-moz-range-thumb { width: 4px; height: 18px; border-radius: 3px; background: var(--weights); border: 1px solid var(--ground); }
input[type="range"].pinned::-webkit-slider-thumb { background: var(--ink); }
input[type="range"].pinned::-moz-range-thumb { background: var(--ink); }
input[type="range"]:focus-visible { outline-width: 2px; outline-offset: -1px; }
.asked { display: flex; flex-wrap: wrap; gap: 0.3rem 0.7rem; align-items: center; padding-left: 0.5rem; border-left: 5px solid var(--query); }
select { font: inherit; color: var(--query); min-height: 2.2rem; max-width: 100%; background: var(--ground); border: 1px solid var(--soft); border-radius: 6px; padding: 0.1rem 0.4rem; }
.answer { margin: 0.4rem 0 0; }
.result { font-size: 1.35rem; font-weight: 700; }
.others, .truth, .hint { color: var(--soft); font-size: 0.95rem; }
.truth, .hint { margin: 0.1rem 0; }
.truth { min-height: 1.4rem; }
.controls, .chips { display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0.5rem 0; align-items: center; }
.chips { gap: 0.3rem 0.8rem; }
.verb { display: inline-flex; flex-wrap: wrap; gap: 0.3rem; align-items: center; }
.chips button { min-height: 1.9rem; padding: 0 0.6rem; font-size: 0.95rem; }
@media (max-width: 30rem) {
  .head, .story li { grid-template-columns: minmax(0, 1fr) 1rem repeat(3, 3.3rem); gap: 0 5px; }
  .story .text { font-size: 0.9rem; line-height: 1.15; }
}
`;
