"""Is the engine in the page as quick as onnxruntime-web, on the same graph in the same browser?

One Chromium, one page, one thread. The two take turns, and change who goes first, so that whatever else the machine
does meets both alike. Each is timed from typed arrays to typed arrays: attention maps as well as outputs.
"""

from __future__ import annotations

import functools
import gzip
import http.server
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.result import Absent, Result, Row
from tfedu.attention import MultiHeadAttention
from tfedu.live import Lab, export
from tfedu.live.lab import STATIC, model_file
from tfedu.live.referee import to_onnx
from tfedu.live.slim import join

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEER = ROOT / "web" / "node_modules" / "onnxruntime-web"
PEER_FILES = ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LENGTHS = (32, 64)
SLOWER = 1.2  # at most so many times the peer's time
BLINK = 50.0  # ms from a keystroke to the map
WARM, TURNS, LOADS = 30, 151, 5
SENTENCE = "Ein Mann mit einem roten Hut liest ein Buch im Park"


class Encoder(nn.Module):
    """A Transformer encoder, normalised before each part: (B, T) numbers of words to (B, T, D)."""

    def __init__(self, words: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Embedding(128, width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Read a sentence."""
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Layer(nn.Module):
    """Self-attention, then a feed-forward part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before, self.attention = nn.LayerNorm(width), MultiHeadAttention(width, heads)
        self.between = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Attend, then think."""
        x = x + self.attention(self.before(x))
        return x + self.feed(self.between(x))


#: words, width, heads, layers
ENCODERS = {"0.84 M": (256, 128, 4, 4), "5 M": (1000, 256, 4, 6)}


def run() -> Result:
    """Measure; needs Chromium, and onnxruntime-web from `npm ci` in web/.

    Raises:
        Absent: one of them is not there.
    """
    if not PEER.exists():
        raise Absent("onnxruntime-web is not here: run `npm ci` in web/ first.")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise Absent("No Chromium: install it (apt install chromium) or set CHROMIUM to its path.")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        cases = _write_site(Path(folder))
        with _serve(Path(folder)) as address:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            rows = [*_sizes(Path(folder)), *_loads(browser, address), *_runs(browser, address, cases)]
            rows += _keystrokes(browser, address)
            versions = {
                "chromium": browser.version,
                "onnxruntime-web": _peer_version(),
                "onnx": version("onnx"),
            }
            browser.close()
    return Result(
        "Is the engine in the page as quick as onnxruntime-web, on the same graph in the same browser?",
        "onnxruntime-web",
        rows,
        versions,
        {"threads": 1, "warm_up": WARM, "repetitions": TURNS, "loads": LOADS, "weights": "float32"},
    )


def _write_site(folder: Path) -> list[dict[str, Any]]:
    """The pages, the two engines and the models; returns the cases to run."""
    for name in ("tfedu-live.js", "lab-translate.js"):
        shutil.copy(STATIC / name, folder)
    for name in PEER_FILES:
        shutil.copy(PEER / "dist" / name, folder)
    for name in ("page.js", "keystroke.js"):
        shutil.copy(HERE / name, folder)
    icon = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
    (folder / "blank.html").write_text(f'{icon}<script src="page.js"></script>')
    lab = Lab("translate")
    (folder / lab.path.name).write_bytes(join(lab.path))
    (folder / "lab.html").write_text(
        f'{icon}<link rel="stylesheet" href="palette.css"><script defer src="lab-translate.js"></script>'
        f'<script src="keystroke.js"></script><main>{lab.to_html()}</main>'
    )
    shutil.copy(ROOT / "book" / "site" / "palette.css", folder)

    cases: list[dict[str, Any]] = []
    torch.manual_seed(0)
    for size, (words, *shape) in ENCODERS.items():
        path = folder / f"encoder-{size.split()[0]}.live.safetensors"
        model = Encoder(words, *shape).eval()
        export(model, torch.arange(5)[None], path, dynamic={"tokens": {1: "T"}}, half=False)
        _write_onnx(path, "model")
        for T in LENGTHS:
            tokens = torch.randint(words, (1, T))
            cases.append({"case": f"encoder of {size} parameters, T={T}", "file": path.name, "graph": "model",
                          "inputs": {"tokens": _literal(tokens)}})  # fmt: skip
    for name in ("translate-multi30k-additive-seed0", "translate-grammar-additive-seed0"):
        path = folder / model_file(name).name
        if not path.exists():
            path.write_bytes(join(model_file(name)))
        for graph in ("encode", "step"):
            _write_onnx(path, graph)
        for T in LENGTHS:
            source = {"source": _literal(torch.randint(4, 60, (1, T)))}
            kind = name.split("-")[1]
            cases.append({"case": f"{kind} translator, encode, S={T}", "file": path.name, "graph": "encode",
                          "inputs": source})  # fmt: skip
            cases.append({"case": f"{kind} translator, one step, S={T}", "file": path.name, "graph": "step",
                          "inputs": {"word": _literal(torch.tensor([[1]]))}, "after": source})  # fmt: skip
    return cases


def _write_onnx(path: Path, graph: str) -> None:
    name = f"{path.name.removesuffix('.live.safetensors')}.{graph}.onnx"
    (path.parent / name).write_bytes(to_onnx(path, graph).SerializeToString())


def _literal(x: Tensor) -> dict[str, Any]:
    return {"dtype": "int64", "shape": list(x.shape), "data": x.flatten().tolist()}


@contextmanager
def _serve(folder: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        """Isolated pages get a clock of 5 microseconds instead of 100."""

        def end_headers(self) -> None:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    Handler.extensions_map = {
        **Handler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def _sizes(folder: Path) -> Iterator[Row]:
    def zipped(*names: str) -> float:
        return sum(len(gzip.compress((folder / name).read_bytes())) for name in names) / 1000

    yield Row("engine", "download, gzipped", "kB", zipped("tfedu-live.js"), zipped(*PEER_FILES), limit=1)
    yield Row("engine and Translate lab", "download, gzipped", "kB", zipped("lab-translate.js"), limit=40)


def _loads(browser: Any, address: str) -> Iterator[Row]:
    """From nothing to a model that can run, and its first run: a fresh page each time, nothing cached."""
    for size in ENCODERS:
        name = f"encoder-{size.split()[0]}"
        ready: dict[str, list[float]] = {"ours": [], "theirs": []}
        first: dict[str, list[float]] = {"ours": [], "theirs": []}
        for turn in range(LOADS):
            for who in ("ours", "theirs") if turn % 2 else ("theirs", "ours"):
                context = browser.new_context()
                page = context.new_page()
                page.goto(f"{address}blank.html")
                case = {"file": f"{name}.live.safetensors", "graph": "model",
                        "inputs": {"tokens": _literal(torch.arange(32)[None])}}  # fmt: skip
                taken = page.evaluate("([who, one]) => loading(who, one)", [who, case])
                ready[who].append(taken[0])
                first[who].append(taken[1])
                context.close()
        yield Row.timed(f"encoder of {size} parameters", "ready", ready["ours"], ready["theirs"], limit=1)
        yield Row.timed(f"encoder of {size} parameters, T=32", "first run", first["ours"], first["theirs"])


def _runs(browser: Any, address: str, cases: list[dict[str, Any]]) -> Iterator[Row]:
    page = browser.new_page()
    page.goto(f"{address}blank.html")
    page.evaluate("async () => { for (const one of [ours, theirs]) await script(one.script) }")
    for case in cases:
        found = page.evaluate("(one) => racing(one)", {**case, "warm": WARM, "turns": TURNS})
        yield Row.timed(case["case"], "one run", found["ours"], found["theirs"], limit=SLOWER)
        yield Row(case["case"], "largest difference of an output", "1", found["difference"], limit=1e-4)
    page.close()


def _keystrokes(browser: Any, address: str) -> Iterator[Row]:
    """In the real Translate lab: from the letter's event to the frame that shows the new map."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    page.goto(f"{address}lab.html")
    page.wait_for_selector("tf-lab[data-ready]", state="attached")
    before = page.evaluate("() => shown()")
    page.locator("#text").fill("Ein")
    page.wait_for_function("(before) => shown() !== before", arg=before)  # the model is there
    page.locator("#text").focus()
    page.wait_for_timeout(500)
    page.evaluate("() => { taken.length = 0 }")
    for letter in SENTENCE.removeprefix("Ein"):
        page.keyboard.type(letter)
        page.wait_for_timeout(200)  # a quick typist leaves 100 to 200 ms
    page.wait_for_timeout(500)
    taken = page.evaluate("() => taken")
    lengths = page.evaluate(
        "() => document.querySelector('tf-lab').shadowRoot.querySelectorAll('.written li').length"
    )
    yield Row.timed(f"Translate lab, up to {lengths} words", "keystroke to painted map", taken, limit=BLINK)
    yield Row("Translate lab", "keystroke to painted map, the slowest of ten", "ms",
              sorted(taken)[int(0.9 * len(taken))])  # fmt: skip
    page.close()


def _peer_version() -> str:
    return str(json.loads((PEER / "package.json").read_text("utf-8"))["version"])
