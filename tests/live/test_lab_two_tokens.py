"""The lab "two-tokens": both tokens, their heads and the teacher say in the page what they say in torch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tfedu.data.pictures import normalised
from tfedu.live import Lab
from tfedu.live.labs import two_tokens as content
from tfedu.live.pictures import as_bytes, from_base64, from_bytes, load
from tfedu.models.deit import DeiT, DeiTOutput
from tfedu.models.resnet import ResNet
from tfedu.trace import trace

NAME = "two-tokens"
browser_test = pytest.mark.browser
Models = tuple[DeiT, ResNet]


@pytest.fixture(scope="module")
def models() -> Models:
    student, teacher = load(content.MODEL), load(content.TEACHERS[content.MODEL])
    assert isinstance(student, DeiT)
    assert isinstance(teacher, ResNet)
    return student, teacher


def until_told(seen: Any, script: str) -> dict[str, Any]:
    seen.page.wait_for_function(f"window.told && ({script})")
    return dict(seen.page.evaluate("window.told"))


def agree(models: Models, state: dict[str, Any]) -> None:
    """The state's numbers are torch's, for the picture that it holds."""
    found = content.read(*models, from_bytes(state["pixels"], 32))
    for who, wanted in zip(content.WHO, found["probabilities"], strict=True):
        assert state["probabilities"][who] == pytest.approx(wanted, abs=0.02)
    assert state["alike"] == pytest.approx(found["alike"], abs=0.01)
    rows = torch.tensor(found["rows"][state["layer"]])  # heads, tokens, keys
    rows = rows.mean(0) if state["head"] is None else rows[state["head"]]
    torch.testing.assert_close(torch.tensor(state["weights"]), rows, atol=3e-3, rtol=0)
    means, said = state["probabilities"]["mean"], state["probabilities"]["teacher"]
    assert state["agree"] == (means.index(max(means)) == said.index(max(said)))


@torch.no_grad()
def test_what_is_read_is_what_the_models_do(models: Models) -> None:
    torch.manual_seed(0)
    student, teacher = models
    picture = torch.rand(3, 32, 32)
    found = content.read(student, teacher, picture)
    batch = normalised(picture)[None]
    with trace(student) as maps:
        said = student(batch)
    assert isinstance(said, DeiTOutput)
    answers = (said.class_logits, said.distillation_logits, said.logits, teacher(batch))
    for p, logits in zip(found["probabilities"], answers, strict=True):
        torch.testing.assert_close(torch.tensor(p), logits[0].softmax(-1))
    for rows, one in zip(found["rows"], maps.values(), strict=True):
        torch.testing.assert_close(torch.tensor(rows), one.weights[0, :, :2])
    learned = (
        torch.cat([student.class_token, student.distillation_token], 1)[0] + student.position_table[0, :2]
    )
    assert found["alike"][0] == pytest.approx(float(torch.cosine_similarity(*learned, dim=0)), abs=1e-5)
    assert len(found["alike"]) == 1 + len(student.layers)
    last = student.norm.register_forward_hook(
        lambda module, inputs, output: found.update(last=inputs[0][0, :2])
    )
    student(batch)
    last.remove()
    assert found["alike"][-1] == pytest.approx(
        float(torch.cosine_similarity(*found["last"], dim=0)), abs=1e-5
    )
    assert not any(layer._forward_hooks for layer in student.layers)


def test_the_recording_is_the_models_own(models: Models) -> None:
    recording = content.record(content.MODEL)
    agree(models, content.state(recording))
    shown = {one["name"]: from_base64(one["pixels"], 32) for one in recording["pictures"]}
    assert next(iter(shown)) == content.EXAMPLE
    assert sorted(shown) == sorted(recording["classes"])
    said = [
        [max(range(10), key=p.__getitem__) for p in content.read(*models, one)["probabilities"]]
        for one in shown.values()
    ]
    assert recording["agree"] == [sum(one[who] == one[3] for one in said) for who in range(3)]
    assert recording["pictures"][0]["name"] in content.still(recording)


def test_python_refuses_a_text_and_a_model_without_a_teacher() -> None:
    with pytest.raises(ValueError, match="reads no text"):
        Lab(NAME, text="a ship")
    with pytest.raises(ValueError, match="no teacher here"):
        Lab(NAME, "resnet-cifar10-seed0")


@browser_test
def test_erased_patches_are_grey_on_both_boards_and_for_all_who_read(play: Any, models: Models) -> None:
    seen = play()
    page = seen.page
    assert "agree" in page.locator(".finding").inner_text()
    assert seen.models() == 0
    page.get_by_role("button", name="Erase").click()
    x, y = seen.centre(".boards figure:nth-child(2) .cells span", 27)
    step = page.locator(".board .cells span").first.bounding_box()["width"]
    seen.drag(x, y, x + 2 * step, y)
    state = until_told(seen, "window.told.erased.length === 3")
    assert state["erased"] == [27, 28, 29]
    agree(models, state)
    assert seen.models() == 2
    grey = from_bytes(state["pixels"], 32)[:, 12:16, 12:24]
    assert ((grey - 0.5).abs() < 0.01).all()
    assert page.locator(".boards figure").first.locator(".gone").count() == 3
    page.get_by_role("button", name="Undo").click()
    agree(models, until_told(seen, "window.told.erased.length === 0"))
    assert page.locator(".gone").count() == 0
    assert seen.clean() == []


@browser_test
def test_layer_and_head_show_both_tokens_there(play: Any, models: Models) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("button", name="Layer 2").click()
    state = until_told(seen, "window.told.layer === 1")
    agree(models, state)
    pair = page.locator(".heads button").nth(3)
    assert pair.locator("svg").count() == 2
    pair.click()
    state = until_told(seen, "window.told.head === 2")
    agree(models, state)
    first, second = (torch.tensor(one) for one in state["weights"])
    shared = float(torch.minimum(first, second).sum())
    where = page.locator(".where").inner_text()
    assert "Layer 2, head 3" in where
    assert f"share {100 * shared:.0f} %" in where
    page.locator(".boards figure").nth(1).locator(".cells span").nth(19).click()
    seen.until("$('.where').textContent.includes('to row 3, column 4')")
    given = [f"{100 * one[2 + 19]:.1f} %" for one in state["weights"]]
    assert (
        f"the class token gives {given[0]}, the distillation token {given[1]}"
        in page.locator(".where").inner_text()
    )
    assert page.locator("[aria-selected=true]").count() == 2, "the patch is marked on both boards"
    page.get_by_role("button", name="Reset").click()
    agree(models, until_told(seen, "window.told.layer === 5 && window.told.head === null"))
    assert page.locator("[aria-selected=true]").count() == 0
    assert seen.clean() == []


@browser_test
def test_by_finger_on_a_phone_one_draws_on_the_picture(play: Any, models: Models) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    page = seen.page
    page.get_by_role("button", name="cat", exact=True).tap()
    cat = until_told(seen, "window.told.picture === 'cat'")
    agree(models, cat)
    page.get_by_role("button", name="Draw").tap()
    page.get_by_role("button", name="red").tap()
    x, y = seen.centre(".boards figure:first-child .cells span", 20)
    seen.swipe(x, y, x + 40, y + 40)
    state = until_told(seen, "window.told.pixels[338] === 0xC2")  # where the finger came down
    assert state["pixels"] != cat["pixels"]
    agree(models, state)
    assert seen.clean() == []
    seen.picture("two-tokens-phone")


@browser_test
def test_a_file_of_one_s_own_is_read_and_one_that_is_none_is_refused(
    play: Any, models: Models, tmp_path: Path
) -> None:
    seen = play()
    page = seen.page
    torch.manual_seed(1)
    pixels = (255 * torch.rand(32, 32, 3)).byte()
    Image.fromarray(pixels.numpy()).save(tmp_path / "own.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "own.png")
    state = until_told(seen, "window.told.picture === 'own.png'")
    assert state["pixels"] == as_bytes(pixels.permute(2, 0, 1) / 255)
    agree(models, state)
    assert "stays on this page" in seen.said()
    (tmp_path / "own.txt").write_text("no picture")
    page.locator("input[type=file]").set_input_files(tmp_path / "own.txt")
    page.wait_for_selector(".problem")
    assert "no picture" in seen.said()
    assert page.evaluate("window.told.picture") == "own.png"
    assert seen.clean() == []


@browser_test
def test_python_asks_and_the_keyboard_erases(play: Any, models: Models) -> None:
    seen = play()
    page = seen.page
    page.evaluate(
        "document.querySelector('tf-lab').receive({picture: 'frog', layer: 0, head: 4, erased: [0, 63, 99]})"
    )
    state = until_told(seen, "window.told.picture === 'frog'")
    assert (state["layer"], state["head"], state["erased"]) == (0, 4, [0, 63])
    agree(models, state)
    page.locator(".boards figure").first.locator(".cells span").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Delete")
    state = until_told(seen, "window.told.erased.length === 3")
    assert 8 in state["erased"]
    agree(models, state)
    assert seen.errors == []


@browser_test
def test_a_damaged_model_leaves_the_still_figure(visit: Any) -> None:
    seen = visit(NAME, damaged=True)
    seen.ready()
    seen.page.get_by_role("button", name="Layer 2").click()
    seen.page.wait_for_selector(".problem")
    assert "recording" in seen.said()
    assert seen.page.locator("figure.tf-lab-still").is_visible()
