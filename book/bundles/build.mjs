// node build.mjs ENTRY OUTPUT: one script for the page, minified. Run by book/vendor.py in a folder with the packages.
import { readFile } from "node:fs/promises";
import { build } from "esbuild";

// Plotly's attributes carry their documentation; as in Plotly's own files for the web, it is left out.
const PROSE = [
  /^\s*description: (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"),?\s*$/gm,
  /^\s*description: \[[^[]*?\]\s*\.join\([^)]*\),?/gm,
];
const withoutProse = {
  name: "without-prose",
  setup: (made) =>
    made.onLoad({ filter: /plotly\.js\/src\/.*\.js$/ }, async ({ path }) => ({
      contents: PROSE.reduce((text, prose) => text.replace(prose, ""), await readFile(path, "utf8")),
    })),
};

const [entry, outfile] = process.argv.slice(2);
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: entry.includes("plotly") ? "Plotly" : undefined,
  target: "es2020",
  define: { global: "window", "define.amd": "false" }, // no AMD: require.js may be on the page
  loader: { ".css": "empty" },
  legalComments: "eof",
  plugins: [withoutProse],
  nodePaths: ["node_modules"],
});
