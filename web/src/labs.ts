// The labs, for two doors: a page loads this as a classic script, which makes <tf-lab> known; a notebook loads it as
// the module of an anywidget and calls `render`.

import { define, LabElement } from "./lab/frame.ts";
import { translateLab } from "./lab/translate.ts";
import { Model } from "./model.ts";

define("translate", translateLab);
if (typeof customElements !== "undefined" && !customElements.get("tf-lab")) customElements.define("tf-lab", LabElement);

/** What anywidget hands over of a widget in Python. */
interface Widget {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, act: (...given: never[]) => void): void;
  off(event: string, act: (...given: never[]) => void): void;
}

function render({ model, el }: { model: Widget; el: HTMLElement }): () => void {
  const lab = document.createElement("tf-lab") as LabElement;
  lab.setAttribute("name", String(model.get("name")));
  const recording = document.createElement("script");
  recording.type = "application/json";
  recording.textContent = JSON.stringify(model.get("recording"));
  lab.innerHTML = String(model.get("still"));
  lab.append(recording);
  lab.fetchModel = () => ask(model);
  // What came from Python is not told back to it: the text would go in circles while one types.
  lab.addEventListener("tf-state", (event) => {
    for (const [name, value] of Object.entries((event as CustomEvent).detail)) model.set(name, value);
    model.save_changes();
  });
  const receive = (): void => lab.receive({ text: model.get("text") });
  model.on("change:text", receive);
  el.append(lab);
  if (model.get("text") !== (model.get("recording") as { text?: string }).text) receive();
  return () => model.off("change:text", receive);
}

/** Asks Python for the model's bytes; they do not travel before. */
function ask(widget: Widget): Promise<Model> {
  return new Promise((resolve, reject) => {
    const answer = (content: { kind?: string; problem?: string }, buffers: DataView[]): void => {
      if (content.kind !== "model") return;
      widget.off("msg:custom", answer);
      if (content.problem) return reject(new Error(content.problem));
      try {
        const { buffer, byteOffset, byteLength } = buffers[0];
        resolve(Model.read(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)));
      } catch (error) {
        reject(error);
      }
    };
    widget.on("msg:custom", answer);
    widget.send({ kind: "model" });
  });
}

export default { render };
