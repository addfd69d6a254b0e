"""A page for each lab, as the book makes it, and what a reader's hands, eyes and keyboard do there.

def test_something(visit):
    seen = visit("translate", width=390, theme="dark", has_touch=True)
    seen.ready()
    seen.page.locator("#text").fill("Ein Hund.")  # Playwright's locators see into the lab
    seen.until("$('.result').textContent.includes('dog')")
    assert seen.clean() == []
"""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tfedu import weights
from tfedu.live import Lab, lab
from tfedu.live.slim import join
from tfedu.site import slides

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tests" / "book" / "vendor" / "axe.min.js"
# The lab's tag must get along with the book's sheets, so a page carries those that set colours and type.
PAGE = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A chapter</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="../static/palette.css">
<style>body{{margin:8px;background:var(--tf-ground);color:var(--tf-ink)}}</style>
{scripts}</head>
<body><main><h1>A chapter</h1>{tag}<p>What follows the lab.</p></main></body></html>
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Site:
    """Pages on disk, written when first asked for, and where they are served."""

    def __init__(self, root: Path, address: str) -> None:
        self.root, self.address = root, address
        for kind in ("live", "damaged"):
            folder = root / "static" / kind
            folder.mkdir(parents=True)
            for path in lab.STATIC.iterdir():
                (folder / path.name).symlink_to(path)
            for path in (weights.data_dir() / "live").glob("*.live.safetensors"):
                copy, whole = folder / path.name, join(path)
                if kind == "damaged":
                    whole = whole[: min(100_000, len(whole) // 2)]
                copy.write_bytes(whole)
                name = path.name.removesuffix(".live.safetensors")
                copy.with_suffix(".js").write_text(lab.model_script(name, whole), "ascii")
        shutil.copy(ROOT / "book" / "site" / "palette.css", root / "static")
        (root / "book").mkdir()
        (root / "slides").mkdir()
        (root / "_static").mkdir()
        for path in (ROOT / "book" / "site").iterdir():
            (root / "_static" / path.name).symlink_to(path)
        (root / "_static" / "live").symlink_to(root / "static" / "live")

    def page(self, name: str, damaged: bool = False) -> str:
        """The path of the page of a lab, from the site's root; its script and models two folders away."""
        kind = "damaged" if damaged else "live"
        path = self.root / "book" / f"{name}-{kind}.html"
        if not path.exists():
            scripts = f'<script defer src="../static/{kind}/lab-{name}.js"></script>'
            path.write_text(PAGE.format(scripts=scripts, tag=shipped(name).to_html()), "utf-8")
        return f"book/{path.name}"

    def deck(self, name: str) -> str:
        """The path of a deck of three slides, made as the book's; the lab is on the second, under a heading."""
        path = self.root / "slides" / f"{name}.html"
        if not path.exists():
            lab_slide = ["<h2>Try it</h2>", f'<div class="cell_output">{shipped(name).to_html()}</div>']
            deck = [
                slides.Slide(["<h1>A chapter</h1>"]),
                slides.Slide(lab_slide),
                slides.Slide(["<h2>After</h2>"]),
            ]
            page = slides.PAGE.format(
                title="A chapter",
                styles="",
                math="",
                widgets=f'<script defer src="../_static/live/lab-{name}.js"></script>',
                sections=slides.columns(deck),
                glyphs="",
                chapter="../book/",
            )
            path.write_text(page, "utf-8")
        return f"slides/{path.name}"


@functools.cache
def shipped(name: str) -> Lab:
    """A lab as a chapter makes it; made once, for a recording takes a model."""
    return Lab(name)


class Opened:
    """An open page with a lab, what it asked for, and what went wrong."""

    def __init__(
        self, browser: Any, own: str, url: str, width: int, height: int, theme: str, **context: Any
    ) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, **context)
        self.context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        self.page = self.context.new_page()
        self.own, self.url, self.width = own, url, width
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")

    def ready(self) -> None:
        """Wait until the lab has drawn itself."""
        self.page.wait_for_selector("tf-lab[data-ready]", state="attached")

    def until(self, script: str) -> None:
        """Wait until an expression holds; in it `$` finds one element of the lab."""
        finder = "(s) => document.querySelector('tf-lab').shadowRoot.querySelector(s)"
        self.page.wait_for_function(f"(($) => {script})({finder})")

    def said(self) -> str:
        """What the lab tells its reader."""
        return str(self.page.locator(".said").inner_text())

    def models(self) -> int:
        """How many model files the page asked for, over http or from the disk."""
        return sum(url.endswith((".live.safetensors", ".live.js")) for url in self.asked)

    def outside(self) -> list[str]:
        """What it asked of any other place than its own."""
        return [url for url in self.asked if not url.startswith((self.own, "data:", "blob:"))]

    def drag(self, x: float, y: float, to_x: float, to_y: float, steps: int = 6) -> None:
        """By mouse."""
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(to_x, to_y, steps=steps)
        self.page.mouse.up()

    def swipe(self, x: float, y: float, to_x: float, to_y: float, steps: int = 6) -> None:
        """By a finger: real touches, from which the browser makes pointer events, or scrolls. Wants `has_touch`."""
        send = self.context.new_cdp_session(self.page).send
        send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, steps + 1):
            point = {"x": x + (to_x - x) * step / steps, "y": y + (to_y - y) * step / steps}
            send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        for _ in range(3):  # it rests before it leaves: after a flick, the next tap would only halt the fling
            self.page.wait_for_timeout(80)
            send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": to_x, "y": to_y}]})
        send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def centre(self, selector: str, nth: int = 0) -> tuple[float, float]:
        """The middle of an element, scrolled into view."""
        found = self.page.locator(selector).nth(nth)
        found.scroll_into_view_if_needed()
        box = found.bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def axe(self) -> list[str]:
        """All that axe-core finds, one line a finding."""
        self.page.evaluate(AXE.read_text("utf-8"))
        return list(
            self.page.evaluate(
                "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
                ".map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + n.failureSummary).join(' | '))"
            )
        )

    def clean(self) -> list[str]:
        """Every general fault of the page as it now is: errors, other hosts, accessibility, overflow."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        overflow = [f"the page is {wide} px wide on a screen of {self.width}"] if wide > self.width else []
        return [*self.errors, *self.outside(), *self.axe(), *overflow]

    def picture(self, name: str) -> None:
        """Keeps a picture if the variable TFEDU_PICTURES names a folder."""
        if folder := os.environ.get("TFEDU_PICTURES"):
            self.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Site(root, f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()


@pytest.fixture
def visit(browser: Any, site: Site) -> Iterator[Any]:
    """Opens the page of a lab: visit("translate", width=1280, theme="light", …). `damaged`: its model file is; `disk`:
    from the disk, not over http; `deck`: on a slide. The rest goes to Playwright's `new_context`."""
    opened: list[Opened] = []

    def go(
        name: str = "translate",
        *,
        damaged: bool = False,
        disk: bool = False,
        deck: bool = False,
        width: int = 1280,
        height: int = 1000,
        theme: str = "light",
        **context: Any,
    ) -> Opened:
        context.setdefault("reduced_motion", "reduce")
        own = f"file://{site.root}/" if disk else site.address
        url = own + (f"{site.deck(name)}#/1" if deck else site.page(name, damaged))
        opened.append(Opened(browser, own, url, width, height, theme, **context))
        return opened[-1]

    yield go
    for one in opened:
        one.context.close()


@pytest.fixture
def play(visit: Any, request: pytest.FixtureRequest) -> Any:
    """Opens the lab that the test's module calls NAME, and keeps what it tells as `window.told`."""

    def go(**how: Any) -> Opened:
        seen: Opened = visit(request.module.NAME, **how)
        seen.ready()
        seen.page.evaluate(
            "document.querySelector('tf-lab').addEventListener('tf-state', (e) => (window.told = e.detail))"
        )
        return seen

    return go


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """whole("gpt-shakespeare-seed0"): its live file as a page gets it; the one that ships may be slim."""
    folder = tmp_path_factory.mktemp("whole")

    @functools.cache
    def go(name: str) -> Path:
        path = folder / lab.model_file(name).name
        path.write_bytes(join(lab.model_file(name)))
        return path

    return go


@pytest.fixture(scope="session")
def make_lab() -> Any:
    """make_lab("translate"): the Lab whose page `visit` opens."""
    return shipped
