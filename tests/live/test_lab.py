"""The Translate lab in a real Chromium that can reach nothing but this machine."""

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tfedu.live import Lab, lab
from tfedu.live.labs import translate
from tfedu.live.slim import join

pytestmark = pytest.mark.browser
MODEL = translate.MODEL + ".live.safetensors"
SENTENCE = "Zwei Hunde spielen im Schnee."


@pytest.fixture(scope="module")
def shipped(make_lab: Any) -> Lab:
    return make_lab("translate")


def translation(seen: Any) -> str:
    return str(seen.page.locator(".result").inner_text())


def shown(seen: Any) -> list[float]:
    """The lit word's weights."""
    values = seen.page.locator(".read input").evaluate_all("all => all.map(one => one.value)")
    return [float(value) for value in values]


def write(seen: Any, text: str) -> None:
    seen.page.locator("#text").fill(text)


def translated(seen: Any, text: str = SENTENCE) -> None:
    """Type a text, wait for its translation."""
    seen.ready()
    before = seen.page.locator(".read").inner_text()
    write(seen, text)
    seen.until(f"$('.read').innerText !== {json.dumps(before)}")


def test_before_it_is_touched_the_lab_shows_the_recording_and_fetches_no_model(
    visit: Any, shipped: Lab
) -> None:
    seen = visit()
    seen.ready()
    assert translation(seen) == shipped.recording["translation"]
    assert seen.page.locator(".written button").all_inner_texts() == shipped.recording["target"]
    assert sum(shown(seen)) == pytest.approx(1, abs=0.05)
    seen.page.wait_for_timeout(200)
    assert seen.models() == 0
    assert seen.outside() == []


def test_without_javascript_the_still_figure_is_there(visit: Any, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(visit().page.url)
    assert page.locator("figure.tf-lab-still svg[role=img]").is_visible()
    context.close()


def test_typing_translates_as_torch_does_and_asks_for_one_file(visit: Any) -> None:
    seen = visit()
    translated(seen)
    expected = translate.record(translate.MODEL, SENTENCE)
    assert translation(seen) == expected["translation"]
    assert seen.page.locator(".read .word").all_inner_texts() == expected["source"]
    assert seen.page.locator(".written button").all_inner_texts() == expected["target"]
    for row, weights in enumerate(expected["weights"]):
        seen.page.locator(".written button").nth(row).hover()
        assert shown(seen) == pytest.approx(weights, abs=0.02), row
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
    translated(seen, "Ein Mann liest ein Buch im Park.")
    first = translation(seen)
    seen.page.locator(".written button").nth(8).click()  # "park"
    weights = shown(seen)
    box = seen.page.locator("svg[aria-hidden]").bounding_box()
    x, y = box["x"] + box["width"] - 6, box["y"] + 38 * 8.5  # where the ribbons of word 8 arrive
    seen.page.mouse.move(x, y)
    seen.page.mouse.down()
    seen.page.mouse.move(x - 60, y)
    seen.page.mouse.move(x - box["width"], y, steps=5)
    seen.page.mouse.up()
    seen.until("$('.before').textContent.startsWith('Without your hand')")
    assert translation(seen) != first
    assert shown(seen)[weights.index(max(weights))] < 0.1
    assert translation(seen).split()[:8] == first.split()[:8], "what came before must stay"
    seen.page.get_by_role("button", name="Undo").click()
    seen.until("$('.before').textContent === ''")
    assert translation(seen) == first
    assert shown(seen) == pytest.approx(weights, abs=0.011)


def test_the_keyboard_alone_moves_through_words_and_weights(visit: Any) -> None:
    seen = visit()
    translated(seen, "Ein Mann liest ein Buch im Park.")
    first = translation(seen)
    seen.page.locator(".written button[aria-current]").focus()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowDown")
    assert seen.page.locator(".written button[aria-current]").inner_text() == "man"
    seen.page.locator(".read input").nth(4).focus()
    seen.page.keyboard.press("End")
    seen.until("$('.before').textContent.startsWith('Without your hand')")
    assert shown(seen)[4] == 1
    assert translation(seen) != first
    seen.page.get_by_role("button", name="Undo").press("Enter")
    seen.until("$('.before').textContent === ''")
    assert translation(seen) == first


def test_without_attention_every_word_weighs_the_same(visit: Any) -> None:
    seen = visit()
    translated(seen)
    first = translation(seen)
    seen.page.get_by_role("button", name="Attention off").click()
    seen.until("$('.read input').disabled")
    assert len(set(shown(seen))) == 1
    assert translation(seen) != first
    assert seen.page.locator(".before").inner_text() == f"With attention: {first}"
    seen.page.get_by_role("button", name="Attention off").click()
    seen.until("!$('.read input').disabled")
    assert translation(seen) == first


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
    write(seen, text)
    seen.until(f"$('.said').textContent.includes({json.dumps(said)})")
    assert seen.errors == []
    translated(seen)
    assert "snow" in translation(seen)


def test_from_the_disk_it_runs_too(visit: Any) -> None:
    seen = visit(disk=True)
    translated(seen)
    assert translation(seen) == translate.record(translate.MODEL, SENTENCE)["translation"]
    assert [url.rsplit("/", 1)[1] for url in seen.asked if ".live." in url] == [f"{translate.MODEL}.live.js"]
    assert seen.clean() == []


def test_a_damaged_model_on_the_disk_says_so(visit: Any) -> None:
    seen = visit(disk=True, damaged=True)
    seen.ready()
    write(seen, SENTENCE)
    seen.until("$('.said').textContent.includes('could not start')")
    assert seen.page.locator("figure.tf-lab-still svg").is_visible()
    assert seen.errors == []


def test_over_http_the_script_for_the_disk_never_comes(visit: Any) -> None:
    seen = visit()
    translated(seen)
    assert [url.rsplit("/", 1)[1] for url in seen.asked if ".live." in url] == [MODEL]


def test_a_damaged_model_says_so_and_leaves_the_still_figure(visit: Any) -> None:
    seen = visit(damaged=True)
    seen.ready()
    write(seen, SENTENCE)
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
    write(seen, SENTENCE)
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
    translated(seen)
    assert seen.clean() == []
    seen.picture(f"translate-{width}-{theme}")


def test_a_finger_pulls_a_weight(visit: Any) -> None:
    seen = visit(width=390, has_touch=True, is_mobile=True)
    translated(seen)
    first = shown(seen)
    slider = seen.page.locator(".read input").first.bounding_box()
    seen.page.touchscreen.tap(slider["x"] + slider["width"] * 0.6, slider["y"] + slider["height"] / 2)
    seen.until("$('.pinned')")
    assert shown(seen) != first


PARK = "Ein Mann liest ein Buch im Park."


def test_a_finger_taps_a_word_and_pulls_its_ribbon(visit: Any) -> None:
    seen = visit(width=390, has_touch=True, is_mobile=True)
    translated(seen, PARK)
    first = translation(seen)
    seen.page.touchscreen.tap(*seen.centre(".written button", 8))
    seen.until("$('.written button[aria-current]').textContent === 'park'")
    weights = shown(seen)
    box = seen.page.locator("svg[aria-hidden]").bounding_box()
    # Not at the very edge: a browser takes a finger that close to a word's button for a tap on it.
    x, y = box["x"] + box["width"] - 30, box["y"] + 38 * 8.5
    seen.swipe(x, y, x - box["width"], y)
    seen.until("$('.before').textContent.startsWith('Without your hand')")
    assert translation(seen) != first
    assert shown(seen)[weights.index(max(weights))] < 0.1
    seen.page.touchscreen.tap(*seen.centre(".controls button"))  # undo
    seen.until("$('.before').textContent === ''")
    assert translation(seen) == first


def test_a_finger_that_moves_up_the_ribbons_scrolls_and_pulls_nothing(visit: Any) -> None:
    seen = visit(width=390, height=500, has_touch=True, is_mobile=True)
    translated(seen, PARK)
    x, y = seen.centre("svg[aria-hidden]")
    before = seen.page.evaluate("scrollY")
    seen.swipe(x, y, x, y - 150)
    seen.page.wait_for_function("before => scrollY > before", arg=before)
    assert seen.page.locator(".pinned").count() == 0


def test_by_keyboard_alone_from_the_top_of_the_page(visit: Any) -> None:
    seen = visit()
    seen.ready()
    press = seen.page.keyboard.press

    def tab_to(selector: str, key: str = "Tab") -> None:
        for _ in range(30):
            press(key)
            if seen.page.locator(f"{selector}:focus").count():
                return
        pytest.fail(f"no Tab leads to {selector}")

    seen.page.evaluate(
        "document.querySelector('tf-lab').addEventListener('tf-state', (e) => (window.told = e.detail))"
    )
    tab_to("#text")
    press("Control+a")
    seen.page.keyboard.type(PARK)
    # Each letter is translated: wait for the whole sentence's.
    seen.page.wait_for_function("text => window.told && window.told.text === text", arg=PARK)
    first = translation(seen)
    tab_to(".written button")
    while seen.page.locator(".written button:focus").inner_text() != "park":
        press("ArrowDown")
    tab_to(".read li:last-child input", "Shift+Tab")
    press("End")
    seen.until("$('.before').textContent.startsWith('Without your hand')")
    assert translation(seen) != first
    tab_to(".controls button")
    press("Enter")
    seen.until("$('.before').textContent === ''")
    assert translation(seen) == first
    press("Tab")
    press("Space")  # attention off
    seen.until("$('.read input').disabled")
    press("Space")
    seen.until("!$('.read input').disabled")
    assert translation(seen) == first


NOTEBOOK = """async ([recording, still]) => {
  const { default: door } = await import("../static/live/lab-translate.mjs");
  const state = { name: "translate", recording, still, state: {}, asked: {} };
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
    translated(seen)
    seen.page.wait_for_function("window.saved")
    saved = seen.page.evaluate("window.saved")
    assert saved["text"] == SENTENCE
    assert saved["translation"] == translation(seen)
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
    assert sent[0][1] == [join(shipped.path)]
    shipped.text = SENTENCE
    assert shipped.text == widget.asked["text"] == SENTENCE
    shipped.text = SENTENCE
    assert widget.asked["turn"] == 2, "the same text again must reach a page that has moved on"
    assert shipped.translation == translate.record(translate.MODEL, SENTENCE)["translation"]
    assert len(shipped.weights) == len(shipped.target_tokens)
    with pytest.raises(AttributeError, match="has no 'vector'"):
        _ = shipped.vector


def test_colab_is_told_to_show_widgets(shipped: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Colab's own words; nobody has tried it there."""
    pytest.importorskip("anywidget")
    calls: list[str] = []
    output = ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: calls.append("enabled")  # type: ignore[attr-defined]
    output._widgets = SimpleNamespace(_installed_url=None)  # type: ignore[attr-defined]
    for name, module in (("google", None), ("google.colab", None), ("google.colab.output", output)):
        monkeypatch.setitem(sys.modules, name, module or ModuleType(name))
    monkeypatch.delenv(lab.BOOK, raising=False)
    assert shipped._repr_mimebundle_()
    assert calls
