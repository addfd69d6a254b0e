// Builds the bundles that the package carries, or with --check says whether they are what the source makes.
//   node build.mjs --kernel   only build/assembly.ts: the WebAssembly routines as text, which src/simd.ts imports
//   node build.mjs            the kernel, and in tfedu/live/static the engine, tfedu-live.{js,mjs}, and each lab of
//                             src/labs with all that it needs, lab-NAME.{js,mjs}: script for a page, module for a notebook
//   node build.mjs --check    the same into memory; exit 1 if a committed bundle differs or weighs too much
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import asc from "assemblyscript/asc";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const LIMIT = 40_000; // bytes, gzipped

async function kernel() {
  await mkdir(here("build"), { recursive: true });
  const options = ["--enable", "simd", "-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--disableWarning", "112", "--baseDir", here(".")];
  const assemble = async (source, ...more) => {
    const { error, stderr } = await asc.main([`assembly/${source}.ts`, "-o", `build/${source}.wasm`, ...options, ...more]);
    if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
    return (await readFile(here(`build/${source}.wasm`))).toString("base64");
  };
  const [all, relaxed] = [await assemble("index"), await assemble("matmul", "--enable", "relaxed-simd")];
  await writeFile(here("build/assembly.ts"), `export const routines = "${all}";\nexport const relaxedProduct = "${relaxed}";\n`);
}

async function bundle(contents, format, globalName) {
  const { outputFiles } = await build({
    absWorkingDir: here("."),
    stdin: { contents, resolveDir: here("."), loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    target: "es2022",
    charset: "utf8",
    format,
    globalName,
    banner: { js: "/* Built from web/src by `npm run build`. MIT licence. */" },
  });
  return outputFiles[0].contents;
}

await kernel();
if (process.argv.includes("--kernel")) process.exit();
const check = process.argv.includes("--check");
const engine = 'export * from "./src/index.ts";';
const bundles = [
  ["tfedu-live.js", engine, "iife", "TfeduLive"],
  ["tfedu-live.mjs", engine, "esm"],
];
for (const file of (await readdir(here("src/labs"))).sort()) {
  const name = file.replace(/\.ts$/, "");
  const lab = `import { define } from "./src/lab/frame.ts"; import make from "./src/labs/${file}"; define("${name}", make);`;
  const widget = 'import { render } from "./src/lab/widget.ts"; export default { render };';
  bundles.push([`lab-${name}.js`, lab, "iife"], [`lab-${name}.mjs`, `${lab} ${widget}`, "esm"]);
}
for (const [name, source, format, globalName] of bundles) {
  const contents = await bundle(source, format, globalName);
  const path = here(`../tfedu/live/static/${name}`);
  const gzipped = gzipSync(contents).length;
  console.log(`${name}: ${contents.length} bytes, ${gzipped} gzipped`);
  if (gzipped > LIMIT) throw new Error(`${name} weighs ${gzipped} bytes gzipped; the limit is ${LIMIT}.`);
  if (check) {
    const committed = await readFile(path).catch(() => Buffer.alloc(0));
    if (!committed.equals(contents)) {
      console.error(`${name} in tfedu/live/static is not what web/src builds. Run \`npm run build\` and commit it.`);
      process.exitCode = 1;
    }
  } else {
    await mkdir(here("../tfedu/live/static"), { recursive: true });
    await writeFile(path, contents);
  }
}
