"""The lab "Induction": a block and the block again, in the reader's hands; what is foretold and cut is torch's."""

import json
from typing import Any

import pytest

from tfedu.data.patterns import encode, successors
from tfedu.live import Lab
from tfedu.live.labs import induction as content
from tfedu.models.attention_only import AttentionOnly

NAME = "induction"
browser_test = pytest.mark.browser
BLOCK = len(content.EXAMPLE) // 2


@pytest.fixture(scope="module")
def models() -> dict[str, AttentionOnly]:
    names = {way: content.SMALL if way == "one" else content.MODEL for way in content.WAYS}
    return {way: AttentionOnly.from_pretrained(name) for way, name in names.items()}


def told(seen: Any, wish: str = "true") -> dict[str, Any]:
    """What the lab says it shows, once `wish` holds of it."""
    seen.page.wait_for_function(f"window.told && (({wish}))")
    return seen.page.evaluate("window.told")  # type: ignore[no-any-return]


def agrees(state: dict[str, Any], models: dict[str, AttentionOnly]) -> None:
    """The page shows what PyTorch computes."""
    (found,) = content.results(models[state["way"]], state["way"], [state["text"]])
    wanted = content.score(found, state["text"])
    assert state["guess"] == "".join(found["guess"])
    assert state["loss"] == pytest.approx(wanted["loss"], abs=5e-3)
    assert state["accuracy"] == pytest.approx(wanted["accuracy"])


# --- without a browser -----------------------------------------------------------------------------------


def test_the_recording_shows_what_the_lab_is_about(make_lab: Any) -> None:
    recording = make_lab(NAME).recording
    text = recording["text"]
    scores = {way: content.score(recording["results"][way], text) for way in content.WAYS}
    for found in (scores, recording["many"]):
        assert found["whole"]["accuracy"] >= 0.9
        assert found["others"]["accuracy"] >= 0.8
        assert max(found[way]["accuracy"] for way in ("previous", "successor", "one")) <= 0.3
    whole = recording["results"]["whole"]["maps"]
    place = BLOCK + 1
    assert whole[1][place].index(max(whole[1][place])) == 2, "the second layer: what came after it"
    assert whole[0][2].index(max(whole[0][2])) == 1, "the first layer: the one before"
    state = make_lab(NAME)._content.state(recording)
    assert (state["text"], state["way"]) == (text, "whole")
    with pytest.raises(ValueError, match="two rows"):
        Lab(NAME, text="abc")


def test_as_many_other_edges_are_other_edges_and_as_many() -> None:
    text = content.random_block(9, 5) * 2
    after = [(int(t), int(s)) for t, s in successors(encode(text))[0].nonzero()]
    found = content.others(after, 2)
    assert not set(found) & set(after)
    assert len(set(found)) == len(found) == len(after)
    assert all(s < t for t, s in found)
    assert [t for t, _ in found] == [t for t, _ in after]
    assert len(set(text[:9])) == 9


# --- in a browser ----------------------------------------------------------------------------------------


@browser_test
def test_every_way_to_run_is_torchs(play: Any, models: dict[str, AttentionOnly]) -> None:
    seen = play()
    page = seen.page
    for number, way in enumerate(content.WAYS):
        page.locator(".ways button").nth(number).click()
        state = told(seen, f"window.told.way === '{way}'")
        agrees(state, models)
        right = round(state["accuracy"] * (BLOCK - 1))
        marked = page.locator(".second.right").count()
        assert marked - right in (0, 1), "the first letter can be a lucky guess"
    assert seen.models() == 2
    assert seen.clean() == []
    page.locator(".ways button").nth(1).click()
    seen.until("$('.stage .cut')")
    seen.picture("induction-cut")


@browser_test
def test_letters_are_changed_by_keyboard_and_undone(play: Any, models: dict[str, AttentionOnly]) -> None:
    seen = play()
    page = seen.page
    page.locator(".cell[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    place = BLOCK + 2
    state = told(seen, f"window.told.text[{place}] === 'a'")
    agrees(state, models)
    assert page.locator(".cell.broken").count() == 1
    assert state["accuracy"] < 1
    page.keyboard.press("ArrowUp")
    page.locator("#letter").select_option("w")
    state = told(seen, f"window.told.text[{place - BLOCK}] === 'w'")
    agrees(state, models)
    page.get_by_role("button", name="Copy row 1 to row 2").click()
    state = told(seen, "!document.querySelector('tf-lab').shadowRoot.querySelector('.broken')")
    agrees(state, models)
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    assert told(seen, f"window.told.text === '{content.EXAMPLE}'")
    assert page.get_by_role("button", name="Undo").is_disabled()
    assert seen.errors == []


@browser_test
def test_by_touch_on_a_phone_a_new_block_is_foretold(play: Any, models: dict[str, AttentionOnly]) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    page = seen.page
    page.get_by_role("button", name="New block").tap()
    state = told(seen, f"window.told.text !== '{content.EXAMPLE}'")
    assert state["text"][:BLOCK] == content.random_block(BLOCK, 2) == state["text"][BLOCK:]
    agrees(state, models)
    page.locator("#size").fill("14")
    state = told(seen, "window.told.text.length === 28")
    agrees(state, models)
    seen.until("$('.many').textContent.includes('%')")
    page.locator(".cell").nth(20).tap()
    seen.until("$('.cell:nth-child(21)').getAttribute('aria-pressed') === 'true'")
    assert seen.clean() == []
    seen.picture("induction-phone")


@browser_test
def test_the_mean_of_other_sequences_is_torchs(play: Any, make_lab: Any) -> None:
    seen = play()
    page = seen.page
    first = page.locator(".many").all_inner_texts()
    page.locator("#size").fill(str(BLOCK + 1))
    seen.until("$('.many').textContent === '…'")
    page.locator("#size").fill(str(BLOCK))
    page.wait_for_function("window.told && window.told.text.length === " + str(2 * BLOCK))
    seen.until("$('.many').textContent !== '…'")
    assert page.locator(".many").all_inner_texts() == first


@browser_test
def test_a_text_from_outside(play: Any, models: dict[str, AttentionOnly]) -> None:
    seen = play()
    asked = json.dumps({"text": "Rome1Rome1", "way": "successor"})
    seen.page.evaluate(f"document.querySelector('tf-lab').receive({asked})")
    agrees(told(seen, "window.told.text === 'Rome1Rome1'"), models)
    seen.page.evaluate("document.querySelector('tf-lab').receive({text: 'abc'})")
    seen.until("$('.said').textContent.includes('two rows')")


@browser_test
def test_a_damaged_model_leaves_the_still_figure_and_says_why(play: Any) -> None:
    seen = play(damaged=True)
    seen.page.get_by_role("button", name="New block").click()
    seen.until("$('.said').textContent.includes('could not start')")
    assert seen.page.locator("tf-lab figure svg").is_visible()
