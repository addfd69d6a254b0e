// A model file, ready to run: its graphs, and the texts that came with it.

import { Graph } from "./graph.ts";
import { makeKernel, type Kernel } from "./kernel.ts";
import { LiveFileError, readLiveFile, type LiveFile } from "./safetensors.ts";

export class Model {
  private readonly graphs = new Map<string, Graph>();

  private constructor(
    private readonly file: LiveFile,
    /** Shared by the graphs, as the weights are. */
    readonly kernel: Kernel,
  ) {}

  /** Reads a file; `simd: false` asks for the plain matrix product. Throws `LiveFileError` if it is damaged. */
  static read(bytes: ArrayBuffer | Uint8Array, options: { simd?: boolean } = {}): Model {
    return new Model(readLiveFile(bytes), makeKernel(options));
  }

  /** Fetches and reads a file, once for all who ask for it on a page. */
  static load(url: string | URL): Promise<Model> {
    const address = String(url);
    const loading = loaded.get(address) ?? fetchModel(address);
    loaded.set(address, loading);
    loading.catch(() => loaded.delete(address)); // so that one may try again
    return loading;
  }

  get names(): string[] {
    return Object.keys(this.file.graphs);
  }

  get extras(): Readonly<Record<string, string>> {
    return this.file.extras;
  }

  /** A graph by its name; it is made ready when first asked for. */
  graph(name: string): Graph {
    const known = this.graphs.get(name);
    if (known) return known;
    if (!Object.hasOwn(this.file.graphs, name)) {
      throw new Error(`the model has no graph ${name}; it has ${this.names.join(", ") || "none"}.`);
    }
    const graph = new Graph(name, this.file.graphs[name], this.file.weights, this.kernel);
    this.graphs.set(name, graph);
    return graph;
  }
}

const loaded = new Map<string, Promise<Model>>();

async function fetchModel(address: string): Promise<Model> {
  const response = await fetch(address);
  if (!response.ok) throw new LiveFileError(`the model file did not come: the server answered ${response.status}.`);
  return Model.read(await response.arrayBuffer());
}
