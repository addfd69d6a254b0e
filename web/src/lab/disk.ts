// A page opened from the disk may not fetch, but it may load a script. So the book has beside each model NAME.live.js:
// one call that hands over the same bytes as text. A page that came over http never asks for it.

import { Model } from "../model.ts";

const arrived = new Map<string, string>();
const loading = new Map<string, Promise<Model>>();

/** The model whose file lies at `url`, by way of the script beside it; loaded once for all who ask. */
export function fromDisk(url: URL): Promise<Model> {
  const address = url.href.replace(/\.safetensors$/, ".js");
  const name = decodeURIComponent(address.split("/").at(-1)!.replace(/\.live\.js$/, ""));
  const model = loading.get(address) ?? load(address, name);
  loading.set(address, model);
  model.catch(() => loading.delete(address)); // so that one may try again
  return model;
}

async function load(address: string, name: string): Promise<Model> {
  Object.assign(globalThis, { tfeduModel: (given: string, text: string) => arrived.set(given, text) });
  await new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`${name}.live.js is not where the book's build put it.`)));
    script.src = address;
    document.head.append(script);
  });
  const text = arrived.get(name);
  arrived.delete(name); // megabytes
  if (text === undefined) throw new Error(`${name}.live.js holds no model.`);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return Model.read(bytes);
}
