"""The lab "Position explorer": two positions in the reader's hands, and numbers that are the package's."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from tfedu.live import Lab
from tfedu.live.labs import position_explorer as explorer

NAME = "position-explorer"
FIXTURES = Path(__file__).resolve().parents[2] / "web" / "tests" / "fixtures"
browser_test = pytest.mark.browser


def told(seen: Any) -> dict[str, Any]:
    """The lab's state; its numbers must be those of the package's blocks, and the page must show them."""
    state: dict[str, Any] = seen.page.evaluate("window.told")
    tables = explorer.maps(**{name: state[name] for name in explorer.SETTINGS})
    expected = explorer.measured(tables, state["first"], state["second"])
    for kind, tolerance in (("values", 2e-5), ("moved", 5e-5)):
        assert state[kind] == pytest.approx(expected[kind], abs=tolerance)
    shown = [text.replace("−", "-") for text in seen.page.locator(".verdict b").all_inner_texts()]
    assert [float(text) for text in shown] == pytest.approx(list(state["values"].values()), abs=0.0051)
    return state


def pick(seen: Any, panel: int, first: int, second: int) -> tuple[float, float]:
    """Where in a map the two positions meet."""
    board = seen.page.locator("svg.map").nth(panel)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    side = box["width"] / explorer.POSITIONS
    return box["x"] + (second + 0.5) * side, box["y"] + (first + 0.5) * side


def test_alone_three_ways_know_the_distance_and_with_words_two() -> None:
    alone, words = (
        explorer.measured(explorer.maps(**explorer.SETTINGS | {"words": with_words}), 8, 14)["moved"]
        for with_words in (False, True)
    )
    assert {name for name, change in alone.items() if change < 1e-5} == {"sinusoidal", "bias", "rotary"}
    assert {name for name, change in words.items() if change < 1e-5} == {"bias", "rotary"}
    assert min(words["sinusoidal"], words["learned"]) > 0.3


def test_the_fixture_of_the_page_is_what_the_package_computes() -> None:
    now = runpy.run_path(str(FIXTURES / "make_positions.py"))["made"]()
    written = json.loads((FIXTURES / "positions.json").read_text("utf-8"))
    assert now["given"] == written["given"], "run make_positions.py"
    assert len(now["cases"]) == len(written["cases"]) == 10
    for one, other in zip(now["cases"], written["cases"], strict=True):
        assert one["settings"] == other["settings"]
        for name, table in one["tables"].items():
            for row, expected in zip(table, other["tables"][name], strict=True):
                assert row == pytest.approx(expected, abs=2e-5), "run make_positions.py"


def test_python_reads_the_example_and_refuses_what_the_lab_has_not() -> None:
    recording = explorer.record()
    assert recording["values"]["sinusoidal"] == pytest.approx(recording["values"]["rotary"], abs=1e-5)
    assert "Position 8 beside all others" in explorer.still(recording)
    assert explorer.state(recording)["second"] == 14
    with pytest.raises(ValueError, match="no model"):
        Lab(NAME, text="Ein Hund")


@browser_test
def test_a_map_picks_both_positions_and_a_drag_goes_on(play: Any) -> None:
    seen = play()
    seen.page.mouse.click(*pick(seen, 0, 5, 30))
    state = told(seen)
    assert (state["first"], state["second"]) == (5, 30)
    seen.drag(*pick(seen, 3, 5, 30), *pick(seen, 3, 20, 10))
    state = told(seen)
    assert (state["first"], state["second"]) == (20, 10)
    x, y = pick(seen, 1, 39, 39)
    seen.drag(x, y, x + 400, y + 60)
    assert (told(seen)["first"], told(seen)["second"]) == (39, 39)


@browser_test
def test_the_keyboard_alone_sets_everything(play: Any) -> None:
    seen = play()
    page = seen.page
    page.get_by_label("first position").press("ArrowRight")
    page.get_by_label("second position").press("Home")
    state = told(seen)
    assert (state["first"], state["second"]) == (9, 0)
    page.get_by_label("move both").press("End")
    state = told(seen)
    assert (state["first"], state["second"]) == (39, 30)
    page.get_by_label("width of a code").press("Home")
    page.get_by_label("base of the waves").press("Home")
    page.get_by_label("reach of the bias").press("End")
    page.get_by_role("button", name="two words at them").press("Enter")
    state = told(seen)
    assert [state[name] for name in explorer.SETTINGS] == [2, 2, 39, True]
    said = "keep their score with a relative bias and rotations; not with sinusoids or a learned table"
    assert said in page.locator(".finding").inner_text()
    seen.until("$('.spoken').textContent === $('.finding').textContent")


@browser_test
def test_what_the_suggestions_say_is_so(play: Any) -> None:
    seen = play()
    press = lambda name: seen.page.get_by_role("button", name=name).click()  # noqa: E731
    press("one clock hand")
    assert told(seen)["width"] == 2
    one = explorer.maps(width=2, base=10_000, reach=16, words=False)["sinusoidal"][0]
    assert one[[6, 19, 25]].min() > 0.95
    press("hasty hands")
    state = told(seen)
    hasty = explorer.maps(**{name: state[name] for name in explorer.SETTINGS})["sinusoidal"][0]
    slow = explorer.maps(width=32, base=10_000, reach=16, words=False)["sinusoidal"][0]
    assert hasty[15:].abs().max() < 0.3 < slow.min()
    press("a short reach")
    state = told(seen)
    level = explorer.maps(**{name: state[name] for name in explorer.SETTINGS})["bias"][0]
    assert level[3:].max() - level[3:].min() == 0 < level[2] - level[3]
    press("move two words together")
    state = told(seen)
    assert (state["first"], state["second"], state["words"]) == (27, 31, True)
    assert "Both words moved by 25" in seen.said()
    press("Reset")
    state = told(seen)
    assert {name: state[name] for name in explorer.SETTINGS} == explorer.SETTINGS
    assert (state["first"], state["second"]) == (explorer.FIRST, explorer.SECOND)
    assert seen.said() == ""


@browser_test
def test_a_finger_taps_a_map_and_otherwise_scrolls(play: Any) -> None:
    seen = play(width=390, height=800, has_touch=True, is_mobile=True)
    x, y = pick(seen, 0, 10, 20)
    seen.page.touchscreen.tap(x, y)
    state = told(seen)
    assert (state["first"], state["second"]) == (10, 20)
    scrolled = seen.page.evaluate("scrollY")
    x, y = pick(seen, 0, 35, 20)
    seen.swipe(x, y, x, y - 200, steps=10)
    seen.page.wait_for_function(f"scrollY > {scrolled} + 50")


@browser_test
def test_python_sets_it_and_nonsense_is_ignored(play: Any) -> None:
    seen = play()
    receive = "(state) => document.querySelector('tf-lab').receive(state)"
    seen.page.evaluate(receive, {"first": 99, "second": 3.4, "width": 7, "base": 50, "words": True})
    state = told(seen)
    assert [state[name] for name in ("first", "second", "width", "base", "words")] == [39, 3, 8, 50, True]
    seen.page.evaluate(receive, {"first": "x", "width": None, "reach": [1], "words": 1})
    assert told(seen) == state
    assert seen.errors == []


@browser_test
@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (390, "light"), (1280, "light"), (1280, "dark")])
def test_it_fits_and_axe_finds_nothing(play: Any, width: int, theme: str) -> None:
    seen = play(width=width, theme=theme)
    seen.page.get_by_role("button", name="move two words together").click()
    assert told(seen)["words"] is True
    assert seen.clean() == []
    seen.picture(f"positions-{width}-{theme}")
