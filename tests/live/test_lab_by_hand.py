"""The lab "Attention by hand": arrows in the reader's hands, and the numbers beside them, which are torch's."""

import contextlib
import io
import json
import math
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from tfedu.attention import Additive, DotProduct, masked_softmax
from tfedu.live import Lab
from tfedu.live.labs import attention_by_hand as by_hand

NAME = "attention-by-hand"
ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "web" / "tests" / "fixtures"
CHAPTER = ROOT / "book" / "1_before_transformers" / "02_learning_to_align.ipynb"
browser_test = pytest.mark.browser


def by_torch(state: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Weights and output of what the page shows, by the package's own mechanisms."""
    q, k, v = (torch.tensor(rows, dtype=torch.float64) for rows in ([state["q"]], state["k"], state["v"]))
    mask = torch.tensor([state["mask"]])
    if state["score"] == "additive":
        additive = Additive(2, 2, 2).double()
        additive.load_state_dict(
            {
                "query.weight": torch.tensor(by_hand.W),
                "key.weight": torch.tensor(by_hand.U),
                "energy.weight": torch.tensor([by_hand.A]),
            }
        )
        with torch.no_grad():
            weights = masked_softmax(additive.score(q, additive.prepare(k)) / state["temperature"], mask)
    else:
        divisor = state["temperature"] * (math.sqrt(2) if state["score"] == "scaled" else 1)
        weights = DotProduct(scale=1 / divisor).weights(q, k, mask)
    return weights[0].tolist(), (weights @ v)[0].tolist()


def told(seen: Any) -> dict[str, Any]:
    """The lab's state; it must hold what torch computes, and the table must show it."""
    state: dict[str, Any] = seen.page.evaluate("window.told")
    weights, output = by_torch(state)
    assert state["weights"] == pytest.approx(weights, abs=1e-6)
    assert state["output"] == pytest.approx(output, abs=1e-6)
    shown = [float(text) for text in seen.page.locator(".share").all_inner_texts()]
    assert shown == pytest.approx(weights, abs=0.0051)
    return state


def tip(seen: Any, arrow: str) -> tuple[float, float]:
    x, y = seen.centre(f'[data-id="{arrow}"] .hit')
    return float(x), float(y)


def test_the_chapter_prints_the_numbers_with_which_the_lab_starts() -> None:
    cells = ["".join(cell["source"]) for cell in json.loads(CHAPTER.read_text("utf-8"))["cells"]]
    scope: dict[str, Any] = {"torch": torch}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(next(cell for cell in cells if cell.startswith("words = ")), scope)
    recording = by_hand.record()
    assert scope["words"] == recording["words"]
    for name in ("q", "k", "v"):
        assert scope[name].equal(torch.tensor(recording[name])), name
    for name in ("W", "U", "a"):
        assert scope[name].tolist() == recording["network"][name], name
    assert scope["alpha"].tolist() == pytest.approx(recording["weights"], abs=1e-6)
    assert scope["c"].tolist() == pytest.approx(recording["output"], abs=1e-6)
    assert str(round(recording["weights"][1], 2)) in printed.getvalue()
    assert 'Lab("attention-by-hand")' in cells


def test_the_fixture_of_the_page_is_what_the_package_computes() -> None:
    made = runpy.run_path(str(FIXTURES / "make_attention.py"))
    written = json.loads((FIXTURES / "attention.json").read_text("utf-8"))
    now = made["rounded"](made["cases"]())
    assert len(now) == len(written) >= 30

    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [x for one in value.values() for x in numbers(one)]
        return [x for one in value for x in numbers(one)] if isinstance(value, list) else [float(value)]

    for one, other in zip(now, written, strict=True):
        assert one.pop("kind") == other.pop("kind")
        assert numbers(one) == pytest.approx(numbers(other), abs=1e-9), "run make_attention.py"


def test_python_reads_the_example_and_refuses_what_the_lab_has_not() -> None:
    lab = Lab(NAME)
    pytest.importorskip("anywidget")
    assert lab.q == [0.6, 1.4]
    assert sum(lab.weights) == pytest.approx(1)
    assert lab.path is None
    assert "model=" not in lab.to_html().split(">", 1)[0]
    with pytest.raises(ValueError, match="no model"):
        Lab(NAME, text="Ein Hund")


@browser_test
def test_it_starts_as_the_chapter_does_and_fetches_nothing(play: Any, make_lab: Any) -> None:
    seen = play()
    recorded = make_lab(NAME).recording
    shown = [float(text) for text in seen.page.locator(".share").all_inner_texts()]
    assert shown == pytest.approx(recorded["weights"], abs=0.0051)
    assert "“Katze” scores highest" in seen.page.locator(".finding").inner_text()
    assert seen.models() == 0
    assert seen.clean() == []


@browser_test
@pytest.mark.parametrize("kind", ["additive", "dot", "scaled dot"])
def test_dragging_by_mouse_changes_every_number_as_torch_says(play: Any, kind: str) -> None:
    seen = play()
    seen.page.get_by_role("button", name=kind, exact=True).click()
    before = told(seen)
    x, y = tip(seen, "q")
    seen.drag(x, y, x + 70, y + 110)
    after = told(seen)
    assert after["q"][0] > before["q"][0] + 0.5
    assert after["q"][1] < before["q"][1] - 1
    assert after["k"] == before["k"]
    assert after["weights"] != before["weights"]
    x, y = tip(seen, "v1")
    seen.drag(x, y, x - 150, y)
    moved = told(seen)
    assert moved["weights"] == after["weights"], "values do not decide who is attended to"
    assert moved["output"] != after["output"]


@browser_test
def test_a_tip_stays_within_the_plane(play: Any) -> None:
    seen = play()
    x, y = tip(seen, "k0")
    seen.drag(x, y, x + 900, y + 900)
    assert told(seen)["k"][0] == [2.5, -2.5]


@browser_test
def test_of_crowded_tips_the_nearest_is_taken(play: Any) -> None:
    seen = play()
    seen.page.evaluate("document.querySelector('tf-lab').receive({k: [[0.6, 1.2], [0.2, 1.6], [-1, 0.6]]})")
    x, y = tip(seen, "k0")
    seen.drag(x, y + 4, x + 60, y + 4)
    state = told(seen)
    assert state["q"] == [0.6, 1.4]
    assert state["k"][0][0] > 1.2


@browser_test
def test_a_finger_drags_a_tip_and_elsewhere_scrolls(play: Any) -> None:
    seen = play(width=390, height=700, has_touch=True, is_mobile=True)
    x, y = tip(seen, "v0")
    scrolled = seen.page.evaluate("scrollY")
    seen.swipe(x, y, x + 60, y + 80, steps=10)
    state = told(seen)
    assert state["v"][0][0] > 0
    assert state["v"][0][1] < 0.8
    assert seen.page.evaluate("scrollY") == scrolled
    box = seen.page.locator(".plane svg").nth(1).bounding_box()
    seen.swipe(box["x"] + 20, box["y"] + 30, box["x"] + 20, box["y"] - 150, steps=10)
    seen.page.wait_for_function(f"scrollY > {scrolled} + 50")
    assert told(seen) == state


@browser_test
def test_the_keyboard_alone_moves_every_arrow(play: Any) -> None:
    seen = play()
    seen.page.get_by_role("button", name="scaled dot").focus()
    seen.page.keyboard.press("Tab")  # the temperature
    seen.page.keyboard.press("Home")
    assert told(seen)["temperature"] == 0.05
    order = []
    for _ in range(4):
        seen.page.keyboard.press("Tab")
        order.append(
            seen.page.evaluate("document.querySelector('tf-lab').shadowRoot.activeElement.dataset.id")
        )
    assert order == ["k0", "k1", "k2", "q"]
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
        seen.page.keyboard.press(key)
    assert told(seen)["q"] == pytest.approx([0.3, 1.3])
    query = seen.page.get_by_role("slider", name="Query, about to write")
    assert query.get_attribute("aria-valuetext") == "0.3 across, 1.3 up"
    ring = query.locator(".ring").evaluate("one => getComputedStyle(one).stroke")
    assert ring != "none", "focus must be seen"
    seen.until("$('.spoken').textContent === $('.finding').textContent")


@browser_test
def test_masks_hide_keys_and_a_query_without_any_gathers_zeros(play: Any) -> None:
    seen = play()
    boxes = seen.page.get_by_role("checkbox")
    boxes.nth(1).uncheck()
    state = told(seen)
    assert state["mask"] == [True, False, True]
    assert state["weights"][1] == 0
    boxes.nth(2).uncheck()
    assert told(seen)["weights"] == [1, 0, 0]
    assert "Only “die” may be attended to" in seen.page.locator(".finding").inner_text()
    boxes.nth(0).uncheck()
    state = told(seen)
    assert state["weights"] == state["output"] + [0] == [0, 0, 0]
    assert "NaN" in seen.page.locator(".finding").inner_text()
    assert seen.clean() == []
    for expected in ([True, False, False], [True, False, True], [True, True, True]):
        seen.page.get_by_role("button", name="Undo").click()
        assert told(seen)["mask"] == expected
    assert seen.page.get_by_role("button", name="Undo").is_disabled()


@browser_test
def test_a_cold_softmax_takes_the_highest_and_a_hot_one_levels(play: Any) -> None:
    seen = play()
    seen.page.get_by_role("button", name="temperature towards 0").click()
    assert max(told(seen)["weights"]) > 0.999
    assert "argmax" in seen.said()
    seen.page.locator("#temperature").focus()
    seen.page.keyboard.press("End")
    state = told(seen)
    assert state["temperature"] == 5
    assert max(state["weights"]) < 0.45
    seen.page.get_by_role("button", name="Undo").click()
    assert told(seen)["temperature"] == 0.05


@browser_test
def test_what_the_suggestions_say_is_so(play: Any) -> None:
    seen = play()

    def best(kind: str) -> int:
        seen.page.get_by_role("button", name=kind, exact=True).click()
        weights = told(seen)["weights"]
        return int(weights.index(max(weights)))

    assert [best("dot"), best("scaled dot"), best("additive")] == [1, 1, 1]
    seen.page.get_by_role("button", name="make one key longer").click()
    assert told(seen)["k"][0] == [2.4, 0.8]
    assert [best("dot"), best("scaled dot"), best("additive")] == [0, 0, 1]
    seen.page.get_by_role("button", name="turn the query round").click()
    assert told(seen)["q"] == [-0.6, -1.4]
    assert [best("dot"), best("scaled dot"), best("additive")] == [2, 2, 1]
    seen.page.get_by_role("button", name="Reset").click()
    assert told(seen)["q"] == [0.6, 1.4]
    assert seen.page.locator(".share").all_inner_texts() == [".34", ".62", ".04"]


@browser_test
def test_python_moves_an_arrow_and_nonsense_is_ignored(play: Any) -> None:
    seen = play()
    receive = "(state) => document.querySelector('tf-lab').receive(state)"
    seen.page.evaluate(receive, {"q": [-1, 9], "score": "dot", "temperature": 2})
    state = told(seen)
    assert (state["q"], state["score"], state["temperature"]) == ([-1, 2.5], "dot", 2)
    nonsense = {"q": [1], "k": [[1, 2]], "v": "all", "score": "cosine", "mask": [True]}
    seen.page.evaluate(receive, nonsense)
    assert told(seen) == state
    assert seen.errors == []


@browser_test
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_axe_finds_nothing(play: Any, width: int, theme: str) -> None:
    seen = play(width=width, theme=theme)
    seen.picture(f"by-hand-{width}-{theme}")
    assert seen.clean() == []
    seen.page.get_by_role("button", name="make one key longer").click()
    seen.page.get_by_role("checkbox").nth(2).uncheck()
    seen.page.locator('[data-id="k1"]').focus()
    assert seen.clean() == []
    seen.picture(f"by-hand-{width}-{theme}-longer")
