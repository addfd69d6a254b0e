"""The lab "Next token": a text read along, knobs that reshape what comes next, and the model's own writing."""

import json
import math
from typing import Any

import pytest
import torch

from tfedu.data.text import SPECIALS, CharacterTokenizer
from tfedu.live import Lab
from tfedu.live.labs import next_token as content
from tfedu.models.gpt import GPT, distribution
from tfedu.weights import load

NAME = "next-token"
browser_test = pytest.mark.browser
TEXT = content.EXAMPLES[0]


@pytest.fixture(scope="module")
def gpt() -> GPT:
    return GPT.from_pretrained(content.MODEL)


@pytest.fixture(scope="module")
def tokenizer() -> CharacterTokenizer:
    return CharacterTokenizer.from_json(load(content.MODEL).extras["tokenizer"])


def told(seen: Any, wish: str = "true") -> dict[str, Any]:
    """What the lab says it shows, once `wish` holds of it."""
    seen.page.wait_for_function(f"window.told && (({wish}))")
    return seen.page.evaluate("window.told")  # type: ignore[no-any-return]


def logits(gpt: GPT, tokenizer: CharacterTokenizer, text: str) -> torch.Tensor:
    """Of each place of a text; what is no character is never written."""
    with torch.no_grad():
        found = gpt(torch.tensor([tokenizer.encode(text)]))[0]
    found[:, : len(SPECIALS)] = -torch.inf
    return found


def agrees(state: dict[str, Any], gpt: GPT, tokenizer: CharacterTokenizer) -> None:
    """The page shows what PyTorch computes, for the end of the text."""
    text, found = state["text"], logits(gpt, tokenizer, state["text"])
    odds = distribution(found[-1], state["temperature"], state["top_k"] or None, state["top_p"])
    for character, share in state["next"]:
        assert share == pytest.approx(float(odds[tokenizer.encode(character)[0]]), abs=5e-3)
    sure = found.log_softmax(dim=-1)[range(len(text) - 1), tokenizer.encode(text)[1:]]
    assert state["bits"] == pytest.approx(-float(sure.mean()) / math.log(2), abs=5e-3)


def write(seen: Any, text: str) -> dict[str, Any]:
    seen.page.locator("#text").fill(text)
    return told(seen, f"window.told.text === {json.dumps(text)}")


# --- without a browser -----------------------------------------------------------------------------------


def test_the_recording_is_what_the_model_says(make_lab: Any, gpt: GPT, tokenizer: CharacterTokenizer) -> None:
    lab = make_lab(NAME)
    state = lab._content.state(lab.recording)
    assert state["text"] == TEXT
    agrees(state, gpt, tokenizer)
    assert len(lab.recording["bits"]) == len(TEXT) - 1
    for rows in lab.recording["maps"].values():
        assert all(sum(row) == pytest.approx(100, abs=len(TEXT) / 2) for row in rows)
    assert all(set(text) <= set(tokenizer.characters) for text in content.EXAMPLES)
    with pytest.raises(ValueError, match="does not know"):
        Lab(NAME, text="42 €")
    with pytest.raises(ValueError, match="1 to 256"):
        Lab(NAME, text="a" * 257)


# --- in a browser ----------------------------------------------------------------------------------------


@browser_test
def test_what_is_typed_is_read_as_torch_reads_it(play: Any, gpt: GPT, tokenizer: CharacterTokenizer) -> None:
    seen = play()
    page = seen.page
    page.locator("#text").focus()
    page.keyboard.press("End")
    page.keyboard.type("r")
    agrees(told(seen, "window.told.text.endsWith('br')"), gpt, tokenizer)
    state = write(seen, "the king the king the k")
    agrees(state, gpt, tokenizer)
    assert page.locator(".bars button").first.get_attribute("data-character") == state["next"][0][0] == "i"
    page.locator(".bars button").first.click()
    agrees(told(seen, "window.told.text.endsWith('the ki')"), gpt, tokenizer)
    page.get_by_role("button", name="Undo").click()
    agrees(told(seen, "window.told.text.endsWith('the k')"), gpt, tokenizer)
    write(seen, "ROMEO:7\n€")
    seen.until("$('.said').textContent.includes('never met “7”, “€”')")
    assert seen.models() == 1
    assert seen.clean() == []


@browser_test
def test_knobs_cut_and_reshape_the_bars(play: Any, gpt: GPT, tokenizer: CharacterTokenizer) -> None:
    seen = play()
    page = seen.page
    page.locator("#temperature").fill("0.5")
    agrees(told(seen, "window.told.temperature === 0.5"), gpt, tokenizer)
    page.locator("#top-k").fill("3")
    agrees(told(seen, "window.told.top_k === 3"), gpt, tokenizer)
    assert page.locator(".bars .cut").count() == content.SHOWN - 3
    page.locator("#top-p").fill("0.3")
    agrees(told(seen, "window.told.top_p === 0.3"), gpt, tokenizer)
    assert seen.clean() == []
    seen.picture("next-token-cut")
    page.get_by_role("button", name="As the model says").click()
    agrees(told(seen, "window.told.top_p === 1 && window.told.temperature === 1"), gpt, tokenizer)
    assert page.locator(".bars .cut").count() == 0


@browser_test
def test_it_writes_as_torch_does_and_again_with_the_same_seed(
    play: Any, gpt: GPT, tokenizer: CharacterTokenizer
) -> None:
    seen = play()
    page = seen.page
    page.locator("#temperature").fill("0")
    page.get_by_role("button", name="Go on").click()
    state = told(seen, f"window.told.text.length >= {len(TEXT) + 12}")
    page.get_by_role("button", name="Stop", exact=True).click()
    more = len(state["text"]) - len(TEXT)
    wanted = gpt.generate(torch.tensor([tokenizer.encode(TEXT)]), more, temperature=0)[0].tolist()
    assert state["text"] == tokenizer.decode(wanted)
    page.get_by_role("button", name="Undo").click()
    told(seen, f"window.told.text === {json.dumps(TEXT)}")
    page.locator("#temperature").fill("1")
    told(seen, "window.told.temperature === 1")
    found = []
    for _ in range(2):
        for count in range(1, 5):
            page.get_by_role("button", name="Write one").click()
            state = told(seen, f"window.told.text.length === {len(TEXT) + count}")
        found.append(state["text"])
        for count in range(3, -1, -1):
            page.get_by_role("button", name="Undo").click()
            told(seen, f"window.told.text.length === {len(TEXT) + count}")
    assert found[0] == found[1]


@browser_test
def test_what_is_too_long_is_forgotten_visibly(play: Any, gpt: GPT, tokenizer: CharacterTokenizer) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    page = seen.page
    text = ("Now is the winter of our discontent\n" * 9)[:300]
    state = write(seen, text)
    seen.until("$('.said').textContent.includes('forgotten the first 129')")
    assert page.locator(".mirror .gone").count() == 129
    agrees({**state, "text": text[129:]}, gpt, tokenizer)
    page.locator("#text").evaluate("one => { one.setSelectionRange(200, 200); }")
    page.locator("#text").dispatch_event("keyup")
    seen.until("$('.mirror span:nth-child(200)').classList.contains('looking')")
    page.locator(".head").nth(8).tap()
    seen.until("$('.head[aria-pressed=true]').getAttribute('aria-label') === 'layer 2, head 3'")
    assert seen.clean() == []
    seen.picture("next-token-phone")
    write(seen, "")
    seen.until("$('.rest').textContent.includes('Type a character')")
    page.get_by_role("button", name="Write one").tap()
    seen.until("$('.said').textContent.includes('something to go on with')")


@browser_test
def test_by_keyboard_alone(play: Any) -> None:
    seen = play()
    page = seen.page
    page.locator(".head[aria-pressed=true]").focus()
    before = page.locator(".head[aria-pressed=true]").get_attribute("aria-label")
    page.keyboard.press("ArrowLeft" if before.endswith("6") else "ArrowRight")
    assert page.locator(".head[aria-pressed=true]").get_attribute("aria-label") != before
    page.locator(".bars button[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    second = page.locator(".bars button").nth(1).get_attribute("data-character")
    page.keyboard.press("Enter")
    state = told(seen)
    assert state["text"] == TEXT + second


@browser_test
def test_a_damaged_model_leaves_the_still_figure_and_says_why(play: Any) -> None:
    seen = play(damaged=True)
    seen.page.get_by_role("button", name="Write one").click()
    seen.until("$('.said').textContent.includes('could not start')")
    assert seen.page.locator("tf-lab figure svg").is_visible()
