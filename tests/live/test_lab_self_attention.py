"""The lab "Self-attention by hand": tokens in the reader's hands, and a map that is torch's."""

from typing import Any

import pytest
import torch

from tfedu.attention import DotProduct
from tfedu.live import Lab
from tfedu.live.labs import self_attention_by_hand as by_hand

NAME = "self-attention-by-hand"
browser_test = pytest.mark.browser


def by_torch(state: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The map and the outputs of what the page shows, by the package's own mechanism."""
    x, to_q, to_k, to_v = (
        torch.tensor(rows, dtype=torch.float64)
        for rows in (state["x"], by_hand.W_Q, by_hand.W_K, by_hand.W_V)
    )
    mask = torch.ones(3, 3, dtype=torch.bool).tril() if state["causal"] else None
    mechanism = DotProduct(scale=2**-0.5 / state["temperature"])
    q, k, v = x @ to_q.T, x @ to_k.T, x @ to_v.T
    return mechanism.weights(q, k, mask), mechanism(q, k, v, mask)


def told(seen: Any) -> dict[str, Any]:
    """The lab's state; it must hold what torch computes, and the map must show it."""
    state: dict[str, Any] = seen.page.evaluate("window.told")
    weights, output = by_torch(state)
    assert (torch.tensor(state["weights"], dtype=torch.float64) - weights).abs().max() < 1e-6
    assert (torch.tensor(state["output"], dtype=torch.float64) - output).abs().max() < 1e-6
    shown = [float(text) for text in seen.page.locator("td").all_inner_texts()]
    assert shown == pytest.approx(weights.flatten().tolist(), abs=0.0051)
    return state


def test_each_token_finds_the_one_before_it() -> None:
    recording = by_hand.record()
    best = torch.tensor(recording["weights"]).argmax(dim=1).tolist()
    assert best == [0, 0, 1]
    assert "“schläft” looks most at “Katze”" in by_hand.still(recording)
    with pytest.raises(ValueError, match="no model"):
        Lab(NAME, text="Ein Hund")


@browser_test
def test_a_moved_token_changes_its_row_its_column_and_no_other_pair(play: Any, make_lab: Any) -> None:
    seen = play()
    shown = [float(text) for text in seen.page.locator("td").all_inner_texts()]
    recorded = make_lab(NAME).recording["weights"]
    assert shown == pytest.approx([weight for row in recorded for weight in row], abs=0.0051)
    x, y = seen.centre('[data-id="x0"] .hit')
    seen.drag(x, y, x - 90, y + 40)
    after = told(seen)
    assert after["x"][0] != list(by_hand.TOKENS[0])
    assert after["x"][1:] == [list(token) for token in by_hand.TOKENS[1:]]
    # Between the other two nothing changed but the normaliser: their odds stay.
    odds = [weights[2][1] / weights[2][2] for weights in (recorded, after["weights"])]
    assert odds[0] == pytest.approx(odds[1], rel=1e-6)
    seen.page.get_by_role("button", name="Undo").click()
    assert told(seen)["x"][0] == list(by_hand.TOKENS[0])


@browser_test
def test_what_the_suggestions_say_is_so(play: Any) -> None:
    seen = play()
    seen.page.get_by_role("button", name="Reset").click()
    first = told(seen)
    seen.page.get_by_role("button", name="swap two tokens").click()
    swapped = told(seen)
    order = [1, 0, 2]
    before, after = torch.tensor(first["weights"]), torch.tensor(swapped["weights"])
    assert torch.allclose(after, before[order][:, order])
    assert swapped["output"][2] == pytest.approx(first["output"][2])
    seen.page.get_by_role("button", name="make two tokens equal").click()
    equal = told(seen)
    assert equal["weights"][0] == equal["weights"][1]
    assert equal["output"][0] == equal["output"][1]
    seen.page.get_by_role("button", name="hide what comes later").click()
    causal = told(seen)
    assert causal["weights"][0] == [1, 0, 0]
    assert causal["output"][0] == pytest.approx(causal["v"][0])
    assert "nothing but itself" in seen.page.locator(".finding").inner_text()


@browser_test
def test_the_keyboard_and_a_finger(play: Any) -> None:
    seen = play(width=390, height=800, has_touch=True, is_mobile=True)
    seen.page.locator("#temperature").focus()
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("ArrowUp")
    assert told(seen)["x"][0] == pytest.approx([1.4, 0.5])
    seen.page.get_by_role("button", name="Katze", exact=True).press("Enter")
    assert seen.page.locator(".finding").inner_text().startswith("“Katze” looks most at “die”")
    x, y = seen.centre('[data-id="x2"] .hit')
    seen.swipe(x, y, x + 50, y + 70, steps=8)
    assert told(seen)["x"][2][1] < 0
    assert seen.clean() == []


@browser_test
@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (1280, "light"), (1280, "dark")])
def test_it_fits_and_axe_finds_nothing(play: Any, width: int, theme: str) -> None:
    seen = play(width=width, theme=theme)
    seen.page.get_by_role("button", name="causal mask").click()
    assert told(seen)["causal"] is True
    assert seen.clean() == []
    seen.page.get_by_role("button", name="causal mask").click()
    assert seen.clean() == []
    seen.picture(f"self-{width}-{theme}")
