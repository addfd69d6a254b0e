"""The lab "Transformer": all heads of the translator in the reader's hands, and what the page writes is torch's."""

from typing import Any

import pytest
import torch

from tfedu.data.text import BOS
from tfedu.live import Lab
from tfedu.live.labs import transformer as content
from tfedu.trace import Edit, ablate, trace
from tfedu.translator import Translator

NAME = "transformer"
browser_test = pytest.mark.browser
SILENT = [("encoder.1.self_attention", 0), ("decoder.1.cross_attention", 0), ("decoder.1.cross_attention", 3)]


def every(heads: list[int]) -> Edit:
    def edit(weights: torch.Tensor, first_row: int) -> torch.Tensor:
        for head in heads:
            weights = ablate(head)(weights, first_row)
        return weights

    return edit


def by_torch(text: str, silent: list[Any]) -> str:
    """The translation by the PyTorch model, with the same heads silent."""
    translator = Translator.from_pretrained(content.MODEL)
    named: dict[str, list[int]] = {}
    for name, head in silent:
        named.setdefault(name, []).append(head)
    edit = {name: every(heads) for name, heads in named.items()}
    with trace(translator.model, edit=edit):  # a trace of its own, so not by calling the translator
        (ids,) = translator.model.translate(torch.tensor([translator.source.encode(text)]))
    return translator.target.decode(ids)


def label(name: str, head: int) -> str:
    kind = {"encoder self": "German at German", "decoder self": "English back at English"}
    side, layer, which = name.removesuffix("_attention").split(".")
    named = kind.get(f"{side} {which}", "English across at German")
    return f"{named}, layer {int(layer) + 1}, head {head + 1}: silent"


def press(seen: Any, name: str, head: int) -> None:
    before = seen.page.evaluate("window.told && JSON.stringify(window.told)")
    seen.page.get_by_role("button", name=label(name, head)).click()
    seen.page.wait_for_function("(was) => window.told && JSON.stringify(window.told) !== was", arg=before)


def test_the_recording_is_the_model_s_own() -> None:
    recording = content.record(content.MODEL)
    translator = Translator.from_pretrained(content.MODEL)
    assert recording["translation"] == translator(recording["text"]).text
    source = translator.source.encode(recording["text"])
    target = translator.target.encode(recording["translation"])
    with torch.no_grad(), trace(translator.model) as maps:
        translator.model(torch.tensor([source]), torch.tensor([[BOS, *target]]))
    assert recording["maps"].keys() == maps.keys()
    for name, heads in recording["maps"].items():
        assert (torch.tensor(heads) / 100 - maps[name].weights[0]).abs().max() <= 0.0051
    assert "24 small maps" in content.still(recording)
    with pytest.raises(ValueError, match="no Transformer"):
        Lab(NAME, "translate-grammar-additive-seed0")


@browser_test
def test_silent_heads_change_the_translation_as_in_torch_and_come_back(play: Any) -> None:
    seen = play()
    page = seen.page
    whole = page.locator(".result").inner_text()
    assert whole == by_torch(content.EXAMPLES[0], [])
    for count in range(1, len(SILENT) + 1):
        press(seen, *SILENT[count - 1])
        told = page.evaluate("window.told")
        assert told["silent"] == [list(one) for one in SILENT[:count]]
        assert told["translation"] == by_torch(content.EXAMPLES[0], SILENT[:count])
        assert page.locator(".result").inner_text() == told["translation"]
        pressed = page.locator(".map[aria-pressed=true]")
        assert pressed.count() == count
    assert ("With all heads" in page.locator(".before").inner_text()) == (told["translation"] != whole)
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("window.told")["silent"] == [list(one) for one in SILENT[:2]]
    page.get_by_role("button", name="All heads back").click()
    assert page.evaluate("window.told")["translation"] == whole
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("window.told")["silent"] == [list(one) for one in SILENT[:2]]
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    assert page.evaluate("window.told")["silent"] == []
    assert page.get_by_role("button", name="Undo").is_disabled()
    assert seen.models() == 1
    assert seen.clean() == []


@browser_test
def test_by_keyboard_alone(play: Any) -> None:
    seen = play()
    page = seen.page
    page.locator(".map.current").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert "layer 1, head 2" in page.locator(".shown").inner_text()
    page.keyboard.press("Enter")
    seen.until("$('.map[aria-pressed=true]')")
    assert page.evaluate("window.told")["silent"] == [["decoder.0.cross_attention", 1]]
    page.keyboard.press(" ")
    seen.until("!$('.map[aria-pressed=true]')")
    word = page.locator(".queries button[aria-current]")
    before = word.inner_text()
    word.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".queries button[aria-current]").inner_text() != before
    shares = [float(text or 0) for text in page.locator(".keys small").all_inner_texts()]
    assert 0.7 < sum(shares) <= 1.03


@browser_test
def test_typed_words_are_tidied_and_strange_ones_named(play: Any) -> None:
    seen = play(width=390, has_touch=True)
    page = seen.page
    page.locator("#text").fill("Er ruft sie an")
    wanted = by_torch("er ruft sie an .", [])
    seen.until(f"$('.result').textContent === '{wanted}'")
    assert page.evaluate("window.told")["text"] == "er ruft sie an ."
    page.locator("#text").fill("der Mann liest die Zeitschriftenbeilage .")
    seen.until("$('.said').textContent.includes('Zeitschriftenbeilage')")
    page.locator("#text").fill("xyzzy")
    seen.until("$('.said').textContent.includes('none of these words')")
    page.locator(".map").nth(5).tap()
    seen.until("$('.map[aria-pressed=true]')")
    assert seen.clean() == []
