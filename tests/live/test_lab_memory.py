"""The lab "Memory": a story written by clicking, a question, each hop's weights, and a reader's hand on them."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from tfedu.data.stories import ask, replay
from tfedu.live import Lab
from tfedu.live.labs import memory
from tfedu.reader import Reader
from tfedu.trace import pin

NAME = "memory"
FIXTURES = Path(__file__).resolve().parents[2] / "web" / "tests" / "fixtures"
browser_test = pytest.mark.browser


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.from_pretrained(memory.MODEL)


def told(seen: Any, wish: str = "true") -> dict[str, Any]:
    """What the lab says it shows, once `wish` holds of it."""
    seen.page.wait_for_function(f"window.told && (({wish}))")
    return seen.page.evaluate("window.told")  # type: ignore[no-any-return]


def agrees(seen: Any, reader: Reader, state: dict[str, Any], **edit: Any) -> None:
    """The page shows what PyTorch computes."""
    found = reader(state["story"], state["question"], **edit)
    assert state["answer"] == found.answer
    assert state["odds"] == pytest.approx(found.odds[found.answer], abs=5e-3)
    for shown, row in zip(state["weights"], found.looks.tolist(), strict=True):
        assert shown == pytest.approx(row, abs=5e-3)
    assert seen.page.locator(".result").inner_text() == found.answer


# --- without a browser -----------------------------------------------------------------------------------


def test_the_worlds_fixture_is_what_the_package_makes() -> None:
    made = runpy.run_path(str(FIXTURES / "make_world.py"))["fixture"]()
    written = json.loads((FIXTURES / "world.json").read_text("utf-8"))
    assert made == written, "out of date: run web/tests/fixtures/make_world.py"


@pytest.mark.parametrize("example", range(len(memory.EXAMPLES)))
def test_the_examples_are_possible_and_read_rightly(example: int, reader: Reader) -> None:
    story, question = memory.EXAMPLES[example]
    told_as = [tuple(sentence.split()) for sentence in story]
    truth, _ = ask(replay(told_as), tuple(question.split()))
    assert reader(story, question).answer == truth


def test_the_recording_is_what_the_model_says(reader: Reader, make_lab: Any) -> None:
    lab = make_lab(NAME)
    state = lab._content.state(lab.recording)
    found = reader(state["story"], state["question"])
    assert state["answer"] == found.answer
    assert state["weights"][-1] == pytest.approx(found.looks[-1].tolist(), abs=1e-3)
    assert "hop 3" in lab.still()
    with pytest.raises(ValueError, match="reads no text"):
        Lab(NAME, text="a story")


# --- in a browser ----------------------------------------------------------------------------------------


@browser_test
def test_a_story_by_clicking_is_read_as_torch_reads_it(play: Any, reader: Reader) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("button", name="david", exact=True).click()
    page.get_by_role("button", name="david went to the kitchen", exact=True).click()
    state = told(seen, "window.told.story.length === 8")
    assert state["story"][-1] == "david went to the kitchen"
    agrees(seen, reader, state)
    page.locator("select").select_option("where is david")
    state = told(seen, "window.told.question === 'where is david'")
    assert state["answer"] == "kitchen"
    agrees(seen, reader, state)
    assert seen.models() == 1
    assert page.get_by_role("button", name="david dropped the lamp").count() == 0, "david holds no lamp"
    seen.picture("memory-asked")


@browser_test
def test_a_pulled_weight_gives_another_answer_and_undo_takes_it_back(play: Any, reader: Reader) -> None:
    seen = play()
    page = seen.page
    first = page.locator(".result").inner_text()
    assert first == "library"
    story, question = memory.EXAMPLES[0]
    apple = story.index("ben took the apple")
    changed = [
        hop for hop in range(3) if reader(story, question, edit={f"hop.{hop}": pin(0, apple)}).answer != first
    ]
    assert changed, "some hop can be led to the apple"
    hop = changed[0]
    slider = page.locator(".story li").nth(apple).locator("input").nth(hop)
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    seen.drag(box["x"] + 4, y, box["x"] + box["width"] + 8, y)
    state = told(seen, f"window.told.weights[{hop}][{apple}] > 0.99")
    agrees(seen, reader, state, edit={f"hop.{hop}": pin(0, apple)})
    assert state["answer"] != first
    assert f"Without your hand: {first}" in page.locator(".truth").inner_text()
    seen.picture("memory-pulled")
    page.get_by_role("button", name="Undo").click()
    seen.until(f"$('.result').textContent === '{first}'")
    agrees(seen, reader, told(seen, f"window.told.weights[{hop}][{apple}] < 0.99"))


@browser_test
def test_by_keyboard_alone(play: Any, reader: Reader) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("button", name="hop 1").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = "document.querySelector('tf-lab').shadowRoot.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("Weight of hop 1 on")
    page.keyboard.press("End")
    state = told(seen, "window.told.weights[0][0] > 0.99")
    agrees(seen, reader, state, edit={"hop.0": pin(0, 0)})


@browser_test
def test_by_touch_on_a_phone(play: Any, reader: Reader) -> None:
    seen = play(width=390, has_touch=True)
    x, y = seen.centre(".story li:first-child input:last-child")
    seen.swipe(x - 15, y, x + 45, y)
    state = told(seen)
    last = state["weights"][-1]
    assert last[0] > 0.6
    agrees(seen, reader, state, edit={"hop.2": pin(0, 0, last[0])})
    assert seen.clean() == []
    seen.picture("memory-phone")


@browser_test
def test_a_full_memory_says_so_and_undo_leads_back_to_the_start(play: Any) -> None:
    seen = play()
    page = seen.page
    start = page.locator(".story li").count()
    for number in range(start, 14):
        room = ("hall", "attic")[number % 2]
        page.get_by_role("button", name=f"anna went to the {room}", exact=True).click()
        told(seen, f"window.told.story.length === {number + 1}")
    assert "The memory is full" in page.locator("[aria-label='What happens next']").inner_text()
    assert seen.clean() == []
    for number in range(13, start - 1, -1):
        page.get_by_role("button", name="Undo").click()
        told(seen, f"window.told.story.length === {number}")
    assert page.get_by_role("button", name="Undo").is_disabled()


@browser_test
def test_a_story_from_outside(play: Any, reader: Reader) -> None:
    seen = play()
    story = ["Ben went to the hall.", "Ben took the book.", "Ben went to the attic."]
    asked = json.dumps({"story": story, "question": "Where is the book?"})
    seen.page.evaluate(f"document.querySelector('tf-lab').receive({asked})")
    state = told(seen, "window.told.story.length === 3")
    agrees(seen, reader, state)
    bad = json.dumps({"story": ["ben dropped the book"], "question": "where is ben"})
    seen.page.evaluate(f"document.querySelector('tf-lab').receive({bad})")
    seen.until("$('.said').textContent.includes('cannot happen')")


@browser_test
def test_a_damaged_model_leaves_the_still_figure_and_says_why(play: Any) -> None:
    seen = play(damaged=True)
    seen.page.locator("select").select_option("where is ben")
    seen.until("$('.said').textContent.includes('could not start')")
    assert seen.page.locator("tf-lab figure svg").is_visible()
