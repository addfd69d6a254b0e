// The notebook's door: anywidget loads a lab's bundle as a module and calls `render`.
//
// Two states cross it. `state` is what the page shows, written by the page, read in Python; it is empty while that is
// the recording. `asked` is what Python wants the page to show, written in Python, read by the page. So no text goes
// in circles while one types.

import type { LabElement } from "./frame.ts";
import { Model } from "../model.ts";

type State = Record<string, unknown>;

/** What anywidget hands over of a widget in Python. */
interface Widget {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, act: (...given: never[]) => void): void;
  off(event: string, act: (...given: never[]) => void): void;
}

export function render({ model, el }: { model: Widget; el: HTMLElement }): () => void {
  const lab = document.createElement("tf-lab") as LabElement;
  lab.setAttribute("name", String(model.get("name")));
  const recording = document.createElement("script");
  recording.type = "application/json";
  recording.textContent = JSON.stringify(model.get("recording"));
  lab.innerHTML = String(model.get("still"));
  lab.append(recording);
  lab.fetchModel = (name) => ask(model, name);
  lab.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take a letter that is typed here for a command
  lab.addEventListener("tf-state", (event) => {
    model.set("state", { ...(model.get("state") as State), ...(event as CustomEvent<State>).detail });
    model.save_changes();
  });
  const receive = (): void => lab.receive(model.get("asked") as State);
  model.on("change:asked", receive);
  el.append(lab);
  const shown = model.get("state") as State;
  if (Object.keys(shown).length) lab.receive(shown); // this is not the first time that the widget is shown
  return () => model.off("change:asked", receive);
}

/** Asks Python for a model's bytes; they do not travel before. */
function ask(widget: Widget, name: string): Promise<Model> {
  return new Promise((resolve, reject) => {
    const answer = (content: { kind?: string; name?: string; problem?: string }, buffers: DataView[]): void => {
      if (content.kind !== "model" || (content.name ?? "") !== name) return;
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
    widget.send({ kind: "model", name });
  });
}
