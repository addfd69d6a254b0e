"""The Translate lab in a real Chromium that can reach nothing but this machine."""

import functools
import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tfedu.live import Lab, lab
from tfedu.live.labs import translate

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[1] / "book" / "vendor" / "axe.min.js"
PALETTE = Path(__file__).parents[2] / "book" / "site" / "palette.css"
MODEL = translate.MODEL + ".live.safetensors"
SENTENCE = "Zwei Hunde spielen im Schnee."


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def shipped() -> Lab:
    return Lab("translate")


@pytest.fixture(scope="module")
def site(shipped: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A page as the book makes it, with the labs' files two folders away, and one with a damaged model."""
    root = tmp_path_factory.mktemp("site")
    for name in ("live", "damaged"):
        (root / "static" / name).mkdir(parents=True)
        shutil.copy(lab.STATIC / "lab-translate.js", root / "static" / name)
    shutil.copy(PALETTE, root / "static")
    shutil.copy(lab.STATIC / "lab-translate.mjs", root / "static" / "live")
    (root / "static" / "live" / MODEL).symlink_to(shipped.path)
    (root / "static" / "damaged" / MODEL).write_bytes(shipped.path.read_bytes()[:100_000])
    (root / "book").mkdir()
    for name in ("live", "damaged"):
        (root / "book" / f"{name}.html").write_text(
            '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>A chapter</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            '<link rel="stylesheet" href="../static/palette.css">'
            "<style>body{background:var(--tf-ground);color:var(--tf-ink)}</style>"
            f'<script defer src="../static/{name}/lab-translate.js"></script></head>'
            f"<body><main><h1>A chapter</h1>{shipped.to_html()}</main></body></html>"
        )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(address=f"http://127.0.0.1:{server.server_port}/book/")
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("No Chromium: apt install chromium.")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        found = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", rules])
        yield found
        found.close()


class Opened:
    """An open page, what it asked for, and what went wrong."""

    def __init__(self, browser: Any, url: str, width: int, theme: str, **more: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 1000}, **more)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")

    def models(self) -> int:
        return sum(url.endswith(".safetensors") for url in self.asked)

    def ready(self) -> None:
        self.page.wait_for_selector("tf-lab[data-ready]", state="attached")

    def type(self, text: str) -> None:
        self.page.locator("#text").fill(text)

    def translation(self) -> str:
        return str(self.page.locator(".result").inner_text())

    def until(self, script: str) -> None:
        """Wait until an expression holds; `$` finds one element of the lab."""
        finder = "(s) => document.querySelector('tf-lab').shadowRoot.querySelector(s)"
        self.page.wait_for_function(f"(($) => {script})({finder})", timeout=20_000)

    def weights(self) -> list[float]:
        return [
            float(value)
            for value in self.page.locator(".read input").evaluate_all("all => all.map(one => one.value)")
        ]

    def translated(self, text: str = SENTENCE) -> None:
        self.ready()
        before = self.page.locator(".read").inner_text()
        self.type(text)
        self.until(f"$('.read').innerText !== {json.dumps(before)}")

    def axe(self) -> list[str]:
        self.page.evaluate(AXE.read_text("utf-8"))
        return list(
            self.page.evaluate(
                "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
                ".map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + n.failureSummary).join(' | '))"
            )
        )


@pytest.fixture
def visit(browser: Any, site: SimpleNamespace) -> Iterator[Any]:
    opened: list[Opened] = []

    def go(name: str = "live", width: int = 1280, theme: str = "light", **more: Any) -> Opened:
        more.setdefault("reduced_motion", "reduce")
        opened.append(Opened(browser, f"{site.address}{name}.html", width, theme, **more))
        return opened[-1]

    yield go
    for one in opened:
        one.context.close()


def test_before_it_is_touched_the_lab_shows_the_recording_and_fetches_no_model(
    visit: Any, shipped: Lab
) -> None:
    seen = visit()
    seen.ready()
    assert seen.translation() == shipped.recording["translation"]
    assert seen.page.locator(".written button").all_inner_texts() == shipped.recording["target"]
    assert sum(seen.weights()) == pytest.approx(1, abs=0.05)
    seen.page.wait_for_timeout(200)
    assert seen.models() == 0
    assert all(url.startswith(("http://127.0.0.1", "data:")) for url in seen.asked)


def test_without_javascript_the_still_figure_is_there(visit: Any, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(visit().page.url)
    assert page.locator("figure.tf-lab-still svg[role=img]").is_visible()
    context.close()


def test_typing_translates_as_torch_does_and_asks_for_one_file(visit: Any) -> None:
    seen = visit()
    seen.translated()
    expected = translate.record(translate.MODEL, SENTENCE)
    assert seen.translation() == expected["translation"]
    assert seen.page.locator(".read .word").all_inner_texts() == expected["source"]
    assert seen.page.locator(".written button").all_inner_texts() == expected["target"]
    for row, weights in enumerate(expected["weights"]):
        seen.page.locator(".written button").nth(row).hover()
        assert seen.weights() == pytest.approx(weights, abs=0.02), row
    assert seen.models() == 1
    assert seen.errors == []


def test_a_picked_sentence_grows_word_by_word(visit: Any) -> None:
    seen = visit(reduced_motion="no-preference")
    seen.ready()
    seen.page.locator("summary").click()
    seen.page.get_by_role("button", name=translate.EXAMPLES[1]).click()
    seen.until("$('.unwritten')")
    seen.until("!$('.unwritten')")
    assert seen.page.locator("#text").input_value() == translate.EXAMPLES[1]


def test_pulling_a_ribbon_changes_what_is_written_and_undo_takes_it_back(visit: Any) -> None:
    seen = visit()
    seen.translated("Ein Mann liest ein Buch im Park.")
    first = seen.translation()
    seen.page.locator(".written button").nth(8).click()  # "park"
    weights = seen.weights()
    box = seen.page.locator("svg[aria-hidden]").bounding_box()
    x, y = box["x"] + box["width"] - 6, box["y"] + 38 * 8.5  # where the ribbons of word 8 arrive
    seen.page.mouse.move(x, y)
    seen.page.mouse.down()
    seen.page.mouse.move(x - 60, y)
    seen.page.mouse.move(x - box["width"], y, steps=5)
    seen.page.mouse.up()
    seen.until("$('.before').textContent.startsWith('Without your hand')")
    assert seen.translation() != first
    assert seen.weights()[weights.index(max(weights))] < 0.1
    assert seen.translation().split()[:8] == first.split()[:8], "what came before must stay"
    seen.page.get_by_role("button", name="Undo").click()
    seen.until("$('.before').textContent === ''")
    assert seen.translation() == first
    assert seen.weights() == pytest.approx(weights, abs=0.011)


def test_the_keyboard_alone_moves_through_words_and_weights(visit: Any) -> None:
    seen = visit()
    seen.translated("Ein Mann liest ein Buch im Park.")
    first = seen.translation()
    seen.page.locator(".written button[aria-current]").focus()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowDown")
    assert seen.page.locator(".written button[aria-current]").inner_text() == "man"
    seen.page.locator(".read input").nth(4).focus()
    seen.page.keyboard.press("End")
    seen.until("$('.before').textContent.startsWith('Without your hand')")
    assert seen.weights()[4] == 1
    assert seen.translation() != first
    seen.page.get_by_role("button", name="Undo").press("Enter")
    seen.until("$('.before').textContent === ''")
    assert seen.translation() == first


def test_without_attention_every_word_weighs_the_same(visit: Any) -> None:
    seen = visit()
    seen.translated()
    first = seen.translation()
    seen.page.get_by_role("button", name="Attention off").click()
    seen.until("$('.read input').disabled")
    assert len(set(seen.weights())) == 1
    assert seen.translation() != first
    assert seen.page.locator(".before").inner_text() == f"With attention: {first}"
    seen.page.get_by_role("button", name="Attention off").click()
    seen.until("!$('.read input').disabled")
    assert seen.translation() == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one word"),
        ("Hund " * 100, "at most"),
        ("😀😀", "none of these letters"),
        ("שלום עולם", "none of these letters"),
        ("Ein Hund 😀 spielt.", "<unk>"),
    ],
)
def test_a_text_that_it_cannot_read_gets_a_friendly_word(visit: Any, text: str, said: str) -> None:
    seen = visit()
    seen.ready()
    seen.type(text)
    seen.until(f"$('.said').textContent.includes({json.dumps(said)})")
    assert seen.errors == []
    seen.translated()
    assert "snow" in seen.translation()


def test_a_damaged_model_says_so_and_leaves_the_still_figure(visit: Any) -> None:
    seen = visit("damaged")
    seen.ready()
    seen.type(SENTENCE)
    seen.until("$('.said').textContent.includes('could not start')")
    assert seen.page.locator("figure.tf-lab-still svg").is_visible()
    assert not seen.page.locator("#text").is_visible()
    assert seen.page.get_by_role("button", name="Try again").is_visible()
    assert seen.errors == []
    assert seen.axe() == []


def test_a_model_that_did_not_come_can_be_asked_for_again(visit: Any) -> None:
    seen = visit()
    seen.ready()
    seen.page.route("**/*.safetensors", lambda route: route.fulfill(status=503))
    seen.type(SENTENCE)
    seen.until("$('.said').textContent.includes('503')")
    seen.page.unroute("**/*.safetensors")
    seen.page.get_by_role("button", name="Try again").click()
    seen.until("$('.result').textContent.includes('snow')")
    assert seen.page.locator("#text").is_visible()
    assert seen.page.locator(".said").inner_text() == ""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_axe_finds_nothing(visit: Any, width: int, theme: str) -> None:
    seen = visit(width=width, theme=theme)
    seen.translated()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.axe() == []
    if folder := os.environ.get("TFEDU_PICTURES"):
        seen.page.screenshot(path=f"{folder}/lab-{width}-{theme}.png", full_page=True)


def test_a_finger_pulls_a_weight(visit: Any) -> None:
    seen = visit(width=390, has_touch=True, is_mobile=True)
    seen.translated()
    first = seen.weights()
    slider = seen.page.locator(".read input").first.bounding_box()
    seen.page.touchscreen.tap(slider["x"] + slider["width"] * 0.6, slider["y"] + slider["height"] / 2)
    seen.until("$('.pinned')")
    assert seen.weights() != first


NOTEBOOK = """async ([recording, still]) => {
  const { default: door } = await import("../static/live/lab-translate.mjs");
  const state = { name: "translate", recording, still, state: { text: recording.text }, asked: {} };
  const heard = {};
  window.widget = {
    get: (name) => state[name],
    set: (name, value) => (state[name] = value),
    save_changes: () => (window.saved = state.state),
    on: (event, act) => (heard[event] = act),
    off: (event) => delete heard[event],
    send: async (content) => {
      const bytes = await (await fetch("../static/live/MODEL")).arrayBuffer();
      heard["msg:custom"]({ kind: content.kind }, [new DataView(bytes)]);
    },
    fromPython: (text) => { state.asked = { text }; heard["change:asked"](); },
  };
  document.querySelector("tf-lab").remove();
  door.render({ model: window.widget, el: document.querySelector("main") });
}""".replace("MODEL", MODEL)


def test_in_a_notebook_python_and_the_page_tell_each_other(visit: Any, shipped: Lab) -> None:
    seen = visit()
    seen.page.evaluate(NOTEBOOK, [shipped.recording, shipped.still()])
    seen.translated()
    seen.page.wait_for_function("window.saved")
    saved = seen.page.evaluate("window.saved")
    assert saved["text"] == SENTENCE
    assert saved["translation"] == seen.translation()
    assert len(saved["weights"]) == len(saved["target_tokens"])
    assert sum(saved["weights"][0]) == pytest.approx(1, abs=1e-3)
    seen.page.evaluate("widget.fromPython('Ein Hund spielt.')")
    seen.until("$('.read .word').textContent === 'ein'")
    assert seen.page.locator("#text").input_value() == "Ein Hund spielt."
    assert seen.errors == []


def test_python_and_the_tag(shipped: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lab.BOOK, "1")
    bundle = shipped._repr_mimebundle_()
    assert list(bundle) == ["text/html"]
    assert len(bundle["text/html"]) < 20_000
    with pytest.raises(ValueError, match="there is no lab"):
        Lab("telepathy")
    with pytest.raises(FileNotFoundError, match=r"tfedu\.live"):
        Lab("translate", "no-such-model")


def test_the_widget_sends_the_model_only_when_asked(shipped: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    sent: list[tuple[Any, Any]] = []
    widget = shipped.widget
    monkeypatch.setattr(
        type(widget), "send", lambda self, content, buffers=None: sent.append((content, buffers))
    )
    assert len(json.dumps(widget.get_state(["recording", "still"]))) < 40_000
    widget._handle_custom_msg({"kind": "model"}, [])
    assert sent[0][0] == {"kind": "model"}
    assert len(sent[0][1][0]) == shipped.path.stat().st_size
    shipped.text = SENTENCE
    assert shipped.text == widget.asked["text"] == SENTENCE
