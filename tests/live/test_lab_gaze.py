"""The lab "gaze": what the page computes is what PyTorch computes, and the reader's hands move what they should."""

from typing import Any

import pytest
import torch

from tfedu.live import Lab
from tfedu.live.gaze import export_gaze, gaze_graphs
from tfedu.live.labs import gaze
from tfedu.models.ram import RAM, RAMConfig
from tfedu.weights import CheckpointError, find

NAME = "gaze"


def shipped() -> bool:
    try:
        return find(gaze.MODEL).is_file()
    except CheckpointError:
        return False


pytestmark = pytest.mark.skipif(not shipped(), reason=f"{gaze.MODEL} is not in data/")


def told(seen: Any) -> dict[str, Any]:
    seen.page.wait_for_function("window.told !== undefined")
    return dict(seen.page.evaluate("window.told"))


def by_torch(state: dict[str, Any], **given: Any) -> Any:
    model = RAM.from_pretrained(gaze.MODEL)
    with torch.no_grad():
        return model(gaze.picture(gaze.scene(), state["digit"], state["at"]), **given)


def agree(state: dict[str, Any], found: Any) -> None:
    torch.testing.assert_close(
        torch.tensor(state["probabilities"]), found.logits[0].softmax(-1), atol=0.02, rtol=0
    )
    torch.testing.assert_close(torch.tensor(state["locations"]), found.locations[0], atol=0.02, rtol=0)


def test_the_graph_is_one_glimpse_of_the_model() -> None:
    torch.manual_seed(0)
    model = RAM(RAMConfig(cells=3, scales=2, glimpse=5, hidden=6)).eval()
    graph = gaze_graphs(model, 12)["glimpse"]
    picture = torch.rand(1, 12, 12)
    location, state = model.start(picture)
    expected = model(picture, glimpses=3)
    for t in range(3):
        with torch.no_grad():
            logits, after, state, seen, *maps = graph.module(picture, location, state)
        torch.testing.assert_close(logits[0], expected.logits[0, t])
        assert seen.shape == (1, 2, 3, 3)
        assert [one.shape for one in maps] == [(1, 1, 9, 144)] * 2
        location = after


def test_the_file_is_small_and_knows_its_maps(tmp_path: Any) -> None:
    path = export_gaze(gaze.MODEL, tmp_path / "a.live.safetensors")
    assert path.stat().st_size < 400_000


def test_the_recording_is_what_the_model_does() -> None:
    recording = Lab(NAME).recording
    state = gaze.state(recording)
    found = by_torch(state)
    torch.testing.assert_close(torch.tensor(state["locations"]), found.locations[0], atol=1e-4, rtol=0)
    assert len(recording["digits"]) == 10
    assert [one["label"] for one in recording["digits"]] == list(range(10))
    with pytest.raises(ValueError, match="reads no text"):
        Lab(NAME, text="a digit")


def test_it_opens_on_the_recording_and_fetches_nothing(play: Any) -> None:
    seen = play()
    assert "it says" in seen.page.locator(".finding").inner_text()
    assert seen.models() == 0
    assert seen.clean() == []


def test_dragging_the_digit_makes_it_look_again(play: Any) -> None:
    seen = play()
    before = seen.page.locator(".path").get_attribute("points")
    x, y = seen.centre(".thing.digit .hit")
    seen.drag(x + 30, y + 30, x - 20, y - 120)
    state = told(seen)
    assert state["at"] != list(gaze.AT)
    agree(state, by_torch(state))
    assert seen.page.locator(".path").get_attribute("points") != before
    assert seen.models() == 1
    seen.page.get_by_role("button", name="Undo").click()
    seen.page.wait_for_function(f"window.told.at.join() === '{','.join(map(str, gaze.AT))}'")
    assert seen.clean() == []


def test_placing_a_glimpse_changes_those_after_it(play: Any) -> None:
    seen = play()
    seen.page.get_by_role("button", name="Glimpse 2").click()
    x, y = seen.centre(".dot >> nth=1")
    seen.drag(x, y, x + 60, y + 70)
    state = told(seen)
    own = by_torch(state).locations[0]
    moved = torch.tensor(state["locations"])
    torch.testing.assert_close(moved[0], own[0])
    assert (moved[1] - own[1]).abs().max() > 0.1
    # The model goes on from there as it does in PyTorch, one glimpse later.
    model = RAM.from_pretrained(gaze.MODEL)
    shown = gaze.picture(gaze.scene(), state["digit"], state["at"])
    with torch.no_grad():
        place, hidden = model.start(shown)
        hidden = model.core(model.sensor(shown, place), place, hidden)
        place = moved[1:2]
        hidden = model.core(model.sensor(shown, place), place, hidden)
        torch.testing.assert_close(moved[2:3], model.look(hidden, place), atol=0.02, rtol=0)
    seen.page.get_by_role("button", name="Let it look").click()
    seen.page.wait_for_function(f"Math.abs(window.told.locations[1][0] - {own[1, 0].item()}) < 0.03")


def test_by_keyboard_and_by_finger_and_on_a_phone(play: Any) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    seen.page.locator(".thing.digit").focus()
    seen.page.keyboard.press("ArrowRight")
    assert told(seen)["at"] == [gaze.AT[0], gaze.AT[1] + 1]
    seen.page.keyboard.press("Shift+ArrowUp")
    seen.page.wait_for_function(f"window.told.at[0] === {gaze.AT[0] - 5}")
    x, y = seen.centre(".thing.digit .hit")
    seen.swipe(x + 20, y + 20, x + 90, y - 10)
    seen.page.wait_for_function(f"window.told.at[1] > {gaze.AT[1] + 5}")
    state = told(seen)
    agree(state, by_torch(state))
    seen.page.get_by_role("button", name="Digit 3").click()
    seen.page.wait_for_function("window.told.digit === 3")
    assert seen.clean() == []
    seen.picture("gaze-phone")


def test_a_damaged_model_leaves_the_still_figure(visit: Any) -> None:
    seen = visit(NAME, damaged=True)
    seen.ready()
    seen.page.get_by_role("button", name="Digit 3").click()
    seen.page.wait_for_selector(".problem")
    assert "recording" in seen.said()
    assert seen.page.locator("figure.tf-lab-still").is_visible()
