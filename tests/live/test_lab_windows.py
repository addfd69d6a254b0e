"""The lab "Windows": what the page says a patch has seen is what the package's masks let through."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from tfedu.cost import multiplications
from tfedu.live import Lab
from tfedu.live.labs import windows
from tfedu.models.swin import Swin, SwinConfig, WindowAttention

NAME = "windows"
FIXTURES = Path(__file__).resolve().parents[2] / "web" / "tests" / "fixtures"
browser_test = pytest.mark.browser


def told(seen: Any) -> dict[str, Any]:
    """The lab's state; what follows in it must be what Python computes, and the page must show it."""
    state: dict[str, Any] = seen.page.evaluate("window.told")
    settings = {name: state[name] for name in windows.SETTINGS}
    expected = windows.measured(settings, state)
    assert state["seen"] == expected["seen"]
    assert state["cost"] == expected["cost"]
    shown = [int(text) for text in seen.page.locator(".film button").all_inner_texts()]
    assert shown == [count for way in windows.WAYS for count in state["seen"][way]]
    return state


def spot(seen: Any, row: int, column: int, extent: int = 16, board: str = ".board") -> tuple[float, float]:
    """Where a patch lies on the screen; `extent` patches lie along the board."""
    found = seen.page.locator(board)
    found.scroll_into_view_if_needed()
    box = found.bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / extent, box["y"] + (row + 0.5) * box["height"] / extent


def press(seen: Any, name: str) -> None:
    seen.page.get_by_role("button", name=name).click()


def test_windows_that_stay_never_show_more_and_windows_that_shift_do() -> None:
    recording = windows.record()
    assert recording["seen"] == {"stay": [16] * 4, "shift": [16, 64, 144, 256], "all": [256] * 4}
    at = {"row": windows.SHOWN["row"], "column": windows.SHOWN["column"]}
    neighbour = at["row"], at["column"] + 1
    many = {**windows.SETTINGS, "layers": 20}
    assert not windows.reach("stay", **at, **many)[-1][neighbour]
    assert [bool(one[neighbour]) for one in windows.reach("shift", **at, **windows.SETTINGS)] == [
        False, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("side", [40, 52, 64])
def test_what_a_patch_has_seen_is_what_moves_it_in_a_swin(side: int, merge: bool) -> None:
    torch.manual_seed(0)
    settings = {"side": side, "window": 4, "shift": 2, "layers": 4, "merge": merge}
    depths, heads = ((2, 2), (1, 2)) if merge else ((4,), (1,))
    model = Swin(
        SwinConfig(classes=2, image_size=side, width=8, depths=depths, heads=heads, window=4)
    ).double()
    grid = side // windows.PATCH
    picture = torch.randn(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    for row, column in ((0, 0), (grid // 2, grid // 2), (grid - 1, grid // 3)):
        scale = 2 if merge else 1
        token = model.features(picture)[-1][0, :, row // scale, column // scale]
        (moved,) = torch.autograd.grad(token.square().sum(), picture)
        by_patch = moved[0].abs().sum(0).unflatten(0, (grid, -1)).unflatten(2, (grid, -1)).sum((1, 3))
        assert torch.equal(by_patch > 0, windows.reach("shift", row, column, **settings)[-1])


@pytest.mark.parametrize(("side", "window"), [(64, 4), (52, 4), (56, 14), (28, 8)])
def test_the_formulas_count_what_the_model_multiplies(side: int, window: int) -> None:
    config = SwinConfig(width=windows.WIDTH, depths=(2,), heads=(3,), window=window)
    grid = side // windows.PATCH
    x = torch.randn(1, grid, grid, windows.WIDTH)
    # Of the padding the model makes queries, keys and values, but spares the output.
    padding = (grid + -grid % min(window, grid)) ** 2 - grid**2
    expected = windows.multiplications("shift", side=side, window=window, layer=1, merge=False)
    for shifted in (False, True):
        layer = WindowAttention(config, 0, shifted)
        count = multiplications(lambda layer=layer: layer(x))  # type: ignore[misc]
        assert count == expected - padding * windows.WIDTH**2


def test_the_fixture_of_the_page_is_what_the_package_computes() -> None:
    now = runpy.run_path(str(FIXTURES / "make_windows.py"))["made"]()
    written = json.loads((FIXTURES / "windows.json").read_text("utf-8"))
    assert len(written["layers"]) == 90
    assert len(written["stacks"]) > 100
    assert json.loads(json.dumps(now)) == written, "run make_windows.py"


def test_python_reads_the_example_and_refuses_what_the_lab_has_not() -> None:
    recording = windows.record()
    assert "it sees 16 after layer 4 as after the first" in windows.still(recording)
    assert windows.state(recording)["cost"]["stay"] == 4 * 256 * 96**2 + 2 * 16 * 256 * 96
    with pytest.raises(ValueError, match="no model"):
        Lab(NAME, text="a cat")


@browser_test
def test_a_tap_picks_a_patch_and_a_drag_goes_on(play: Any) -> None:
    seen = play()
    seen.page.mouse.click(*spot(seen, 0, 5))
    state = told(seen)
    assert (state["row"], state["column"]) == (0, 5)
    seen.drag(*spot(seen, 0, 5), *spot(seen, 12, 15))
    state = told(seen)
    assert (state["row"], state["column"]) == (12, 15)
    x, y = spot(seen, 15, 15)
    seen.drag(x, y, x + 400, y + 10)
    assert (told(seen)["row"], told(seen)["column"]) == (15, 15)
    # In the rolled picture the strip that came round lies at the other end.
    seen.page.mouse.click(*spot(seen, 15, 3, board=".rolled"))
    assert (told(seen)["row"], told(seen)["column"]) == (1, 5)
    press(seen, "Undo")
    assert (told(seen)["row"], told(seen)["column"]) == (15, 15)
    press(seen, "Reset")
    state = told(seen)
    assert {
        name: state[name] for name in (*windows.SETTINGS, *windows.SHOWN)
    } == windows.SETTINGS | windows.SHOWN


@browser_test
def test_the_small_pictures_choose_way_and_layer_by_hand_and_by_keys(play: Any) -> None:
    seen = play()
    press(seen, "windows that stay, after layer 4: 16 of 256 patches")
    state = told(seen)
    assert (state["way"], state["layer"]) == ("stay", 4)
    said = "Its right-hand neighbour lies behind a border in every layer, however many there are."
    assert said in seen.page.locator(".finding").inner_text()
    for key in ("ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        seen.page.keyboard.press(key)
    state = told(seen)
    assert (state["way"], state["layer"]) == ("shift", 1)
    assert "lies behind a border, until layer 2" in seen.page.locator(".finding").inner_text()
    seen.page.keyboard.press("ArrowDown")
    assert told(seen)["way"] == "all"
    assert (
        "22.0 million multiplications where windows take 10.2 million"
        in seen.page.locator(".finding").inner_text()
    )
    seen.until("$('.spoken').textContent === $('.finding').textContent")
    press(seen, "Undo")
    assert told(seen)["way"] == "shift"
    press(seen, "Play the layers")
    seen.page.wait_for_function("window.told.layer === 4")
    assert told(seen)["seen"]["shift"][-1] == 256
    press(seen, "Undo")
    assert told(seen)["layer"] == 1


@browser_test
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_picture_rolls_before_the_eyes_unless_motion_is_unwelcome(play: Any, motion: str) -> None:
    seen = play(reduced_motion=motion)
    moving = "document.querySelector('tf-lab').shadowRoot.getAnimations().length"
    press(seen, "windows that shift, after layer 1")
    assert seen.page.evaluate(moving) == 0
    press(seen, "windows that shift, after layer 2")
    assert (seen.page.evaluate(moving) > 0) == (motion == "no-preference")
    seen.page.wait_for_function(f"{moving} === 0")
    assert seen.page.locator(".rolled .piece").count() == 4
    assert seen.errors == []


@browser_test
def test_the_keyboard_alone_sets_everything(play: Any) -> None:
    seen = play()
    page = seen.page
    patch = page.get_by_role("slider", name="The patch that asks")
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        patch.press(key)
    state = told(seen)
    assert (state["row"], state["column"]) == (10, 8)
    assert patch.get_attribute("aria-valuetext") == "row 11, column 9"
    page.get_by_label("window side").press("End")
    assert (told(seen)["window"], told(seen)["shift"]) == (8, 4)
    page.get_by_label("shift by").press("Home")
    page.get_by_label("layers").press("End")
    page.get_by_label("image side").press("Home")
    page.get_by_label("after every second layer").press(" ")
    state = told(seen)
    assert [state[name] for name in windows.SETTINGS] == [16, 8, 1, 6, True]
    assert (state["row"], state["column"]) == (2, 2), "the patch keeps its place in the picture"
    page.get_by_label("image side").press("End")
    assert told(seen)["side"] == 224


@browser_test
def test_what_the_suggestions_say_is_so(play: Any) -> None:
    seen = play()
    press(seen, "a corner")
    assert (told(seen)["row"], told(seen)["seen"]["shift"]) == (0, [16, 16, 64, 64])
    assert "of 256 pairs only 64 meet" in seen.page.locator(".computed").inner_text()
    press(seen, "Swin’s own size")
    state = told(seen)
    assert (state["side"], state["window"], state["shift"]) == (224, 7, 3)
    assert state["cost"]["all"] / state["cost"]["shift"] == pytest.approx(14, abs=0.5)
    twice = [
        windows.multiplications(way, side=448, window=7, layer=1, merge=False) for way in ("all", "shift")
    ]
    assert twice[0] / twice[1] == pytest.approx(53, abs=0.5)
    press(seen, "a window that does not fit")
    state = told(seen)
    assert (state["side"], state["seen"]["stay"][0]) == (52, 1)
    assert seen.page.locator(".board .padding").count() == 1
    press(seen, "merging")
    state = told(seen)
    assert state["seen"]["stay"] == [16, 16, 64, 64]
    row, column = state["row"], state["column"]
    eyes = [
        bool(one[row, column + 1])
        for one in windows.reach("stay", row, column, **windows.SETTINGS | {"merge": True, "layers": 5})
    ]
    assert eyes == [False] * 4 + [True]
    assert "would not show it in 4 layers" in seen.page.locator(".finding").inner_text()
    press(seen, "Reset")
    assert seen.said() == ""


@browser_test
def test_a_finger_taps_drags_the_patch_and_otherwise_scrolls(play: Any) -> None:
    seen = play(width=390, height=800, has_touch=True, is_mobile=True)
    seen.page.touchscreen.tap(*spot(seen, 3, 12))
    state = told(seen)
    assert (state["row"], state["column"]) == (3, 12)
    seen.swipe(*spot(seen, 3, 12), *spot(seen, 9, 4))
    state = told(seen)
    assert (state["row"], state["column"]) == (9, 4)
    scrolled = seen.page.evaluate("scrollY")
    x, y = spot(seen, 14, 12)
    seen.swipe(x, y, x, y - 200, steps=10)
    seen.page.wait_for_function(f"scrollY > {scrolled} + 50")


@browser_test
def test_python_sets_it_and_nonsense_is_ignored(play: Any) -> None:
    seen = play()
    receive = "(state) => document.querySelector('tf-lab').receive(state)"
    seen.page.evaluate(
        receive, {"side": 1000, "window": 3.4, "shift": 9, "layers": 2, "layer": 7, "way": "stay"}
    )
    state = told(seen)
    assert [state[name] for name in ("side", "window", "shift", "layers", "layer", "way")] == [
        224,
        3,
        2,
        2,
        2,
        "stay",
    ]
    seen.page.evaluate(receive, {"side": "x", "window": None, "row": [1], "merge": 1, "way": "else"})
    assert told(seen) == state
    seen.page.evaluate(
        receive, {"side": 37, "window": 8, "row": 99, "column": -1, "layers": 6, "merge": True}
    )
    state = told(seen)
    assert (state["side"], state["row"], state["column"]) == (36, 8, 0)
    assert seen.errors == []


@browser_test
@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (390, "light"), (1280, "light"), (1280, "dark")])
def test_it_fits_and_axe_finds_nothing(play: Any, width: int, theme: str) -> None:
    seen = play(width=width, theme=theme)
    for name in ("a corner", "Swin’s own size", "a window that does not fit", "merging"):
        press(seen, name)
        assert told(seen)["layer"] >= 2
        assert seen.clean() == []
        seen.picture(f"windows-{width}-{theme}-{name.replace(' ', '-')}")
