"""The lab "teacher-and-student": both models guess as in torch, at every temperature, and the sums are right."""

from typing import Any

import pytest
import torch

from tfedu.live import Lab
from tfedu.live.labs import teacher_and_student as content
from tfedu.live.masked import BlankFiller, parts

NAME = "teacher-and-student"
browser_test = pytest.mark.browser
TEXT = content.examples(content.MODEL)[0]


@pytest.fixture(scope="module")
def fillers() -> list[BlankFiller]:
    return [BlankFiller(name) for name in (content.MODEL, *content.STUDENTS[content.MODEL])]


def until_told(seen: Any, script: str) -> dict[str, Any]:
    seen.page.wait_for_function(f"window.told && ({script})")
    return dict(seen.page.evaluate("window.told"))


def agree(fillers: list[BlankFiller], state: dict[str, Any], blank: int = 0) -> None:
    """The state's numbers are torch's, from the logits up."""
    pieces = fillers[0].pieces(state["text"])
    place = pieces.blanks[blank]
    fillers = [fillers[0], fillers[1 if state["taught"] else 2]]
    logits = [filler.read(pieces.ids)[0][place].double().log() for filler in fillers]
    soft = [(one / state["temperature"]).softmax(-1) for one in logits]
    each = [dict(f.guesses(p, len(f.words) - 5)) for f, p in zip(fillers, soft, strict=True)]
    for piece, *shares in state["guesses"]:
        for found, wanted in zip(shares, each, strict=True):
            assert found == pytest.approx(wanted[piece], abs=3e-3)
    first = max(each[0], key=lambda one: each[0][one])
    assert max(state["guesses"], key=lambda one: one[1])[1] == pytest.approx(each[0][first], abs=3e-3)
    entropy = [float(-(p * p.log2()).sum()) for p in soft]
    assert state["entropy"] == pytest.approx(entropy, abs=0.02)
    divergence = float((soft[0] * (soft[0] / soft[1]).log2()).sum())
    assert state["divergence"] == pytest.approx(divergence, abs=0.01)


def test_the_recording_is_the_models_own(fillers: list[BlankFiller]) -> None:
    recording = content.record(content.MODEL)
    agree(fillers, content.state(recording))
    ids = fillers[0].pieces(recording["text"]).ids
    for layers, filler in zip(recording["maps"], fillers[:2], strict=True):
        for heads, own in zip(layers, filler.read(ids)[1].values(), strict=True):
            assert (torch.tensor(heads) / 100 - own).abs().max() <= 0.0051
    assert len(recording["maps"][1]) < len(recording["maps"][0]), "a student is less deep"
    assert recording["guesses"][0][0] in content.still(recording)


def test_python_refuses_what_has_no_student_and_what_has_no_blank() -> None:
    with pytest.raises(ValueError, match="no student"):
        Lab(NAME, "memn2n-stories-seed0")
    with pytest.raises(ValueError, match="no blank"):
        Lab(NAME, text="the man sleeps .")


@browser_test
def test_the_temperature_softens_both_as_in_torch(play: Any, fillers: list[BlankFiller]) -> None:
    seen = play()
    page = seen.page
    slider = page.locator("#temperature")
    slider.focus()
    page.keyboard.press("End")
    hot = until_told(seen, "window.told.temperature === 8")
    agree(fillers, hot)
    assert seen.models() == 2
    page.keyboard.press("Home")
    cold = until_told(seen, "window.told.temperature === 0.5")
    agree(fillers, cold)
    assert cold["entropy"][0] < content.record(content.MODEL)["entropy"][0] < hot["entropy"][0]
    assert "softened" not in page.locator(".warm label").inner_text()
    assert seen.clean() == []


@browser_test
def test_the_blank_moves_to_the_word_that_is_pressed(play: Any, fillers: list[BlankFiller]) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    page = seen.page
    page.locator("#text").fill("the old king reads a book .")
    until_told(seen, "window.told.guesses.length === 0")
    assert "no blank" in page.locator(".sums").inner_text()
    page.locator(".line button").nth(1).tap()
    state = until_told(seen, "window.told.text.includes('_ king')")
    agree(fillers, state)
    page.locator(".line button").nth(5).tap()
    state = until_told(seen, "window.told.text.includes('a _')")
    assert parts(state["text"]) == ["the", "old", "king", "reads", "a", "_", "."]
    agree(fillers, state)
    seen.until("$('.agreement').textContent.includes('other 5 words')")
    page.locator("#text").fill("a _ king reads _ books .")
    agree(fillers, until_told(seen, "window.told.text.includes('books')"))
    page.locator(".line .blank").last.tap()
    seen.until("$('.line li:nth-child(6) .blank[aria-current]')")
    agree(fillers, dict(page.evaluate("window.told")), blank=1)
    page.locator("#text").fill("the man and " * 30 + "_")
    seen.until("$('.said').textContent.includes('Take some words away')")
    assert seen.clean() == []


@browser_test
def test_a_student_without_a_teacher_takes_the_other_s_place(play: Any, fillers: list[BlankFiller]) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("button", name="Take one trained without the teacher").click()
    agree(fillers, until_told(seen, "!window.told.taught"))
    assert page.get_by_role("columnheader", name="Without a teacher").is_visible()
    page.get_by_role("button", name="Take one trained without the teacher").click()
    agree(fillers, until_told(seen, "window.told.taught"))
    assert seen.models() == 3
    assert seen.clean() == []


@browser_test
def test_layers_are_chosen_for_each_model(play: Any) -> None:
    seen = play()
    page = seen.page
    before = page.locator(".alike").inner_text()
    pictures = page.locator(".sides .picture").first.inner_html()
    button = page.get_by_role("group", name="The teacher's maps").get_by_role("button", name="layer 1")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator(".sides .picture").first.inner_html() != pictures
    assert page.locator(".alike").inner_text() != before
    assert seen.models() == 0
