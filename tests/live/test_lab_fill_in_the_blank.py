"""The lab "fill-in-the-blank": what the page guesses is what torch guesses, whatever the reader's hand did."""

from typing import Any

import pytest
import torch

from tfedu.live import Lab
from tfedu.live.labs import fill_in_the_blank as content
from tfedu.live.masked import BlankFiller, parts
from tfedu.trace import Edit, ablate

NAME = "fill-in-the-blank"
browser_test = pytest.mark.browser
TEXT = content.examples(content.MODEL)[0]


@pytest.fixture(scope="module")
def filler() -> BlankFiller:
    return BlankFiller(content.MODEL)


def told(seen: Any) -> dict[str, Any]:
    return dict(seen.page.evaluate("window.told"))


def until_told(seen: Any, script: str) -> dict[str, Any]:
    seen.page.wait_for_function(f"window.told && ({script})")
    return told(seen)


def agree(filler: BlankFiller, state: dict[str, Any]) -> None:
    """Each guess of the page is as probable to torch, with the same words hidden and the same heads silent."""
    pieces = filler.pieces(state["text"])
    assert state["pieces"] == pieces.labels
    assert len(state["guesses"]) == len(pieces.blanks)
    names = list(filler.read(pieces.ids)[1])
    edit: dict[str, Edit] = {}
    for layer, head in state["silent"]:
        edit[names[layer]] = after(edit.get(names[layer]), ablate(head))
    for place, found in zip(pieces.blanks, state["guesses"], strict=True):
        hidden = range(place + 1, len(pieces.ids) - 1) if state["hidden"] else ()
        wanted, _ = filler.read(pieces.ids, list(hidden), edit)
        best = dict(filler.guesses(wanted[place], len(filler.words) - 5))
        for piece, probability in found:
            assert probability == pytest.approx(best[piece], abs=3e-3)
        assert found[0][1] == pytest.approx(max(best.values()), abs=3e-3)


def after(first: Edit | None, second: Edit) -> Edit:
    return second if first is None else lambda weights, row: second(first(weights, row), row)


def test_the_recording_is_the_model_s_own(filler: BlankFiller) -> None:
    recording = content.record(content.MODEL)
    agree(filler, content.state(recording))
    pieces = filler.pieces(recording["text"])
    found, maps = filler.read(pieces.ids)
    for heads, own in zip(recording["maps"], maps.values(), strict=True):
        assert (torch.tensor(heads) / 100 - own).abs().max() <= 0.0051
    layer, head = recording["head"]
    silenced, _ = filler.read(pieces.ids, edit={list(maps)[layer]: ablate(head)})
    moved = (silenced - found)[pieces.blanks[0]].abs().sum().item() / 2
    assert moved == pytest.approx(max(map(max, recording["moves"])), abs=1e-3)
    assert moved > 0.05, "the head that the lab opens with should matter"
    assert recording["guesses"][0][0][0] in content.still(recording)
    for text in content.examples(content.MODEL):
        assert "[UNK]" not in filler.pieces(text).labels
        assert filler.pieces(text).blanks


def test_python_refuses_what_has_no_blank_and_what_is_no_text() -> None:
    with pytest.raises(ValueError, match="no blank"):
        Lab(NAME, text="the man sleeps .")
    with pytest.raises(ValueError, match="give a sentence"):
        Lab(NAME, text="the _ " * 80)
    with pytest.raises(ValueError, match="fills no blanks"):
        Lab(NAME, "memn2n-stories-seed0")


@browser_test
def test_blanks_come_and_go_by_hand(play: Any, filler: BlankFiller) -> None:
    seen = play()
    page = seen.page
    first = page.locator(".guesses .word").first.inner_text()
    words = [part for part in parts(TEXT) if part not in "_."]
    page.locator(".line button:not(.blank)").last.click()  # takes out a word; fetches the model
    state = until_told(seen, "window.told.guesses.length === 2")
    assert page.locator(".own").last.inner_text().startswith(f"Here stood “{words[-1]}”")
    agree(filler, state)
    page.get_by_role("button", name=f"Put “{words[-1]}” back").click()
    state = until_told(seen, "window.told.guesses.length === 1")
    assert state["text"] == TEXT
    page.locator(".guesses button").first.click()
    state = until_told(seen, "window.told.guesses.length === 0")
    assert state["text"] == TEXT.replace("_", first)
    assert "no blank" in page.locator(".finding").inner_text()
    page.get_by_role("button", name="Undo").click()
    assert until_told(seen, "window.told.guesses.length === 1")["text"] == TEXT
    assert seen.models() == 1
    assert seen.clean() == []


@browser_test
def test_heads_fall_silent_and_what_follows_is_hidden_as_in_torch(play: Any, filler: BlankFiller) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("button", name="Hide what follows").click()
    agree(filler, until_told(seen, "window.told.hidden"))
    assert page.locator(".line .hidden").count() > 0
    assert "untouched" in page.locator(".finding").inner_text()
    page.get_by_role("button", name="Silence it").click()
    state = until_told(seen, "window.told.silent.length === 1")
    agree(filler, state)
    page.get_by_role("button", name="Hide what follows").click()
    page.get_by_role("button", name="Layer 1, head 2").click()
    page.get_by_role("button", name="Silence it").click()
    state = until_told(seen, "window.told.silent.length === 2 && !window.told.hidden")
    assert [0, 1] in state["silent"]
    agree(filler, state)
    assert page.locator(".map.silent").count() == 2
    assert (
        float(page.locator(".guesses .bar").first.evaluate("x => x.style.getPropertyValue('--before')")) >= 0
    )
    page.get_by_role("button", name="All heads back").click()
    agree(filler, until_told(seen, "!window.told.silent.length"))
    # Each head was tried, and the one that Python found still moves most.
    seen.until("$('.map').getAttribute('aria-label').includes('moves')")
    assert seen.clean() == []


@browser_test
def test_typed_texts_are_read_letter_by_letter_and_strange_ones_kindly(
    play: Any, filler: BlankFiller
) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    page = seen.page
    page.locator("#text").fill("")
    page.locator("#text").press_sequentially("The old king _ a book, and _")
    state = until_told(seen, "window.told.guesses.length === 2 && window.told.text.includes('and')")
    agree(filler, state)
    page.locator(".line .blank").last.tap()
    seen.until("$('.answers > :last-child').classList.contains('current')")
    page.locator("#text").fill("the ☃ reads a _ .")
    seen.until("$('.said').textContent.includes('☃')")
    agree(filler, until_told(seen, "window.told.text.includes('☃')"))
    page.locator("#text").fill("the man and " * 30 + "_")
    seen.until("$('.said').textContent.includes('Take some words away')")
    page.locator("#text").fill("the man " * 60)
    seen.until("$('.said').textContent.includes('letters')")
    page.locator("#text").fill("  ")
    seen.until("$('.said').textContent.includes('Type an English sentence')")
    page.locator("summary").tap()
    page.get_by_role("button", name=content.examples(content.MODEL)[3]).tap()
    agree(filler, until_told(seen, f"window.told.text === {content.examples(content.MODEL)[3]!r}"))
    assert seen.clean() == []


@browser_test
def test_by_keyboard_alone(play: Any, filler: BlankFiller) -> None:
    seen = play()
    page = seen.page
    page.locator(".line button[tabindex='0']").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    agree(filler, until_told(seen, "window.told.guesses.length === 2"))
    page.keyboard.press("Home")
    assert page.locator(".line button:focus").inner_text().startswith(parts(TEXT)[0])
    page.locator(".map[tabindex='0']").focus()
    before = page.locator(".map[aria-current]").get_attribute("aria-label")
    page.keyboard.press("ArrowUp")
    if page.locator(".map[aria-current]").get_attribute("aria-label") == before:
        page.keyboard.press("ArrowDown")
    assert page.locator(".map[aria-current]").get_attribute("aria-label") != before
    page.get_by_role("button", name="Silence it").focus()
    page.keyboard.press("Space")
    agree(filler, until_told(seen, "window.told.silent.length === 1"))
    page.locator(".guesses button").first.focus()
    page.keyboard.press("Enter")
    agree(filler, until_told(seen, "window.told.guesses.length === 1"))


@browser_test
def test_a_damaged_model_leaves_the_still_figure(visit: Any) -> None:
    seen = visit(NAME, damaged=True)
    seen.ready()
    seen.page.get_by_role("button", name="Hide what follows").click()
    seen.page.wait_for_selector(".problem")
    assert "recording" in seen.said()
    assert seen.page.locator("figure.tf-lab-still").is_visible()
