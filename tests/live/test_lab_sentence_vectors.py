"""The lab of the bottleneck: its plane in Python, and the lab in a real Chromium."""

import html
import json
import re
from typing import Any

import pytest
import torch

from tfedu.data import grammar
from tfedu.data.text import BOS, EOS, PAD, UNK
from tfedu.live import Lab
from tfedu.live.labs import sentence_vectors as lab
from tfedu.train.recipes.translate import TEST_SEED
from tfedu.translator import Translator

NAME = "sentence-vectors"
SENTENCE = "heute kauft der Lehrer einen Hut ."
browser = pytest.mark.browser


@pytest.fixture(scope="module")
def shipped(make_lab: Any) -> Lab:
    return make_lab(NAME)


@pytest.fixture(scope="module")
def readers() -> dict[str, Translator]:
    return {how: Translator.from_pretrained(name) for how, name in lab.READERS.items()}


# -- in Python --------------------------------------------------------------------------------------------------


def test_the_first_axis_counts_words_and_each_word_read_moves_right(shipped: Lab) -> None:
    """The finding that the lab's title states."""
    for reader in shipped.recording["readers"]:
        assert reader["correlation"] > 0.97, reader["how"]
        across = [x for x, _ in reader["trail"]]
        assert across == sorted(across), reader["how"]
        axes = torch.tensor(reader["axes"])
        assert torch.allclose(axes @ axes.T, torch.eye(2), atol=1e-3)


def test_the_recorded_places_are_the_vectors_on_the_axes(
    shipped: Lab, readers: dict[str, Translator]
) -> None:
    sentences = [german for german, _ in shipped.recording["sentences"]]
    for one in shipped.recording["readers"]:
        reader, axes = readers[one["how"]], torch.tensor(one["axes"])
        u = torch.stack([kept(reader, german) for german in sentences])  # one by one: no padding
        at = u @ axes.T - torch.tensor(one["origin"])
        assert (at - torch.tensor(one["at"])).abs().max() < 0.06  # recorded with one decimal
        assert (torch.tensor(one["vector"]) - kept(reader, shipped.recording["text"])).abs().max() < 1e-3


def test_the_recorded_sentences_were_held_out_and_their_translations_are_right(shipped: Lab) -> None:
    held_out = {
        " ".join(pair.source): " ".join(pair.target)
        for pair in grammar.corpus(1000, lengths=lab.WORDS, seed=TEST_SEED)
    }
    sentences = shipped.recording["sentences"]
    assert len(sentences) == lab.SHOWN
    assert all(held_out[german] == english for german, english in sentences)


def test_every_word_of_the_lab_is_in_the_vocabulary(shipped: Lab, readers: dict[str, Translator]) -> None:
    german, english = readers["forwards"].source, readers["forwards"].target
    for one, other in [*lab.EXAMPLES.items(), *lab.TAILS.items()]:
        assert UNK not in german.encode(one), one
        assert UNK not in english.encode(other), other
    for word, following in shipped.recording["followers"].items():
        assert UNK not in german.encode(f"{word} {following}"), word


def test_a_text_or_a_model_that_it_cannot_show_is_refused() -> None:
    with pytest.raises(ValueError, match="words that its readers know"):
        Lab(NAME, text="der Papagei schläft .")
    with pytest.raises(ValueError, match="not translate-multi30k"):
        Lab(NAME, "translate-multi30k-additive-seed0")


def test_the_still_figure_says_what_is_seen(shipped: Lab) -> None:
    still = html.unescape(shipped.still())
    assert still.count("<path") == lab.SHOWN
    assert shipped.recording["readers"][0]["translation"] in still
    assert 'role="img"' in still
    assert len(shipped.to_html()) < 70_000


# -- in the page --------------------------------------------------------------------------------------------------


@torch.no_grad()
def kept(reader: Translator, text: str) -> torch.Tensor:
    """The vector of one sentence, by torch."""
    state, _ = reader.model.encode(torch.tensor([reader.source.encode(text)]))
    return torch.cat([part.flatten() for part in state])


@torch.no_grad()
def written(reader: Translator, vector: torch.Tensor, limit: int) -> str:
    """What the decoder writes from a vector, by torch."""
    h, m = vector.view(2, 1, 1, -1)
    state, words = (h, m), [BOS]
    while len(words) <= limit:
        logits, state = reader.model.decoder(torch.tensor([[words[-1]]]), state, None)
        scores = logits[0, 0].clone()
        scores[[PAD, BOS]] = -torch.inf
        words.append(int(scores.argmax()))
        if words[-1] == EOS:
            break
    return reader.target.decode(words[1:])


def result(seen: Any) -> str:
    return str(seen.page.locator(".result").inner_text())


def told(seen: Any) -> dict[str, Any]:
    """What the lab last told whoever listens."""
    return dict(seen.page.evaluate("window.told"))


def read(seen: Any, text: str, words: int) -> None:
    """Type a sentence, wait until it is read to its end."""
    seen.page.locator("#text").fill(text)
    seen.until(f"$('.count').textContent.endsWith('{words} of {words}')")


def place(seen: Any) -> tuple[float, float]:
    spoken = seen.page.locator(".point").get_attribute("aria-label")
    x, y = re.findall(r"-?\d+\.\d", spoken)
    return float(x), float(y)


@browser
def test_before_it_is_touched_it_shows_the_recording_and_fetches_no_model(play: Any, shipped: Lab) -> None:
    seen = play()
    reader = shipped.recording["readers"][0]
    assert result(seen) == reader["translation"]
    assert place(seen) == pytest.approx(reader["trail"][-1], abs=0.06)
    assert seen.page.locator(".plane path").count() == lab.SHOWN
    assert seen.page.locator(".step").count() == len(shipped.recording["text"].split())
    assert "8 of 10 words" in seen.page.locator(".wanted").inner_text()
    seen.page.wait_for_timeout(200)
    assert seen.models() == 0
    assert seen.clean() == []


@browser
def test_typing_moves_the_point_to_where_torch_has_it(
    play: Any, shipped: Lab, readers: dict[str, Translator]
) -> None:
    seen = play()
    texts = ["Heute kauft der Lehrer einen Hut.", "der König sieht den Arzt .", "sie schläft"]
    for how, one in zip(("backwards", "forwards"), shipped.recording["readers"], strict=True):
        axes = torch.tensor(one["axes"])
        for text in texts:
            tidy = text.replace("Heute", "heute").replace("Hut.", "Hut .")
            read(seen, text, len(tidy.split()))
            state, wanted = told(seen), kept(readers[how], tidy)
            assert (state["text"], state["reader"]) == (tidy, how)
            assert (torch.tensor(state["vector"]) - wanted).abs().max() < 1e-3
            expected = wanted @ axes.T - torch.tensor(one["origin"])
            assert state["point"] == pytest.approx(expected.tolist(), abs=0.01)
            assert state["translation"] == result(seen) == readers[how](tidy).text
        if how == "backwards":
            seen.page.get_by_role("button", name="Read it forwards").click()
            seen.until("$('.count').textContent.includes('forwards')")
    assert seen.models() == 2
    assert seen.clean() == []


@browser
def test_reading_on_moves_the_point_word_by_word(play: Any, readers: dict[str, Translator]) -> None:
    seen = play()
    read(seen, SENTENCE, 7)
    slider, found = seen.page.locator("#reading"), []
    slider.focus()
    slider.press("Home")
    seen.until("$('.count').textContent.includes('0 of 7')")
    for n in range(1, 8):
        slider.press("ArrowRight")
        seen.until(f"$('.count').textContent.includes('{n} of 7')")
        seen.page.wait_for_function(
            f"window.told.point && document.querySelector('tf-lab').shadowRoot.querySelectorAll('.step').length === {n}"
        )
        part = " ".join(SENTENCE.split()[-n:])  # it reads backwards
        assert (torch.tensor(told(seen)["vector"]) - kept(readers["backwards"], part)).abs().max() < 1e-3
        assert result(seen) == readers["backwards"](part).text
        found.append(place(seen)[0])
    assert found == sorted(found)
    slider.press("ArrowLeft")
    seen.until("$('.count').textContent.includes('6 of 7')")
    assert seen.page.locator(".unread").all_inner_texts() == ["heute"]
    assert "“kauft”" in slider.get_attribute("aria-valuetext")


@browser
def test_the_button_reads_it_word_by_word(play: Any) -> None:
    seen = play(reduced_motion="no-preference")
    read(seen, "meine Schwester schläft .", 4)
    seen.page.get_by_role("button", name="Read it word by word").click()
    for n in range(5):
        seen.until(f"$('.count').textContent.includes('{n} of 4')")
    still = play()  # who wants no motion goes one word at a press
    for n in (0, 1, 2):
        still.page.get_by_role("button", name="Read one more word").click()
        still.until(f"$('.count').textContent.includes('{n} of 10')")


@browser
def test_lengthening_loses_words_and_undo_brings_them_back(play: Any, shipped: Lab) -> None:
    seen = play()
    read(seen, "meine Schwester schläft .", 4)
    assert seen.page.locator(".wanted").inner_text() == "All 4 words are right."
    first, more = place(seen), seen.page.get_by_role("button", name="Lengthen it")
    shares, n = [], 4
    for german in [german for german, _ in shipped.recording["tails"]]:
        n += len(german.split())
        more.click()
        seen.until(f"$('.count').textContent.includes('{n} of {n}')")
        assert german in seen.page.locator("#text").input_value()
        right, wanted = re.search(r"\((\d+) of (\d+)", seen.page.locator(".wanted").inner_text()).groups()
        shares.append(int(right) / int(wanted))
        assert seen.page.locator("mark").count() > 0
    assert shares[-1] < 0.75, "with the length the translation decays"
    assert place(seen)[0] > first[0] + 20
    for _ in shipped.recording["tails"]:
        seen.page.get_by_role("button", name="Undo").click()
    seen.until("$('.count').textContent.includes('4 of 4')")
    assert place(seen) == first
    assert result(seen) == "my sister sleeps ."


@browser
def test_two_words_that_are_pressed_change_places(play: Any) -> None:
    seen = play()
    read(seen, "der König sieht den Arzt .", 6)
    before, first = result(seen), place(seen)
    words = seen.page.locator(".words button")
    words.nth(1).press("Enter")
    assert words.nth(1).get_attribute("aria-pressed") == "true"
    words.nth(4).press("Enter")
    seen.until("$('#text').value === 'der Arzt sieht den König .'")
    seen.until("$('.words [aria-pressed=true]') === null")
    assert place(seen) != first
    assert seen.page.evaluate("document.activeElement.shadowRoot.activeElement.textContent") == "König"
    seen.page.get_by_role("button", name="Undo").click()
    seen.until("$('#text').value === 'der König sieht den Arzt .'")
    assert (result(seen), place(seen)) == (before, first)


@browser
def test_words_can_be_added_by_a_press(play: Any) -> None:
    seen = play()
    read(seen, "der Mann", 2)
    assert "full stop" in seen.said()
    seen.page.locator(".next button").first.click()
    seen.until("$('.count').textContent.includes('3 of 3')")
    chip = seen.page.locator(".next button").first
    word = chip.get_attribute("data-word")
    chip.press("Enter")
    seen.until("$('.count').textContent.includes('4 of 4')")
    assert seen.page.locator("#text").input_value().split()[-1] == word


@browser
def test_a_pointer_finds_the_recorded_sentences(play: Any, shipped: Lab) -> None:
    seen = play()
    box = seen.page.locator(".plane path").nth(40).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    seen.page.mouse.move(x, y)
    seen.until("$('.label')")
    text = seen.page.locator(".label").text_content()  # of SVG
    assert text in [german for german, _ in shipped.recording["sentences"]]
    seen.page.mouse.click(x, y)
    seen.until(f"$('#text').value === {json.dumps(text)}")
    seen.page.wait_for_function(f"window.told?.text === {json.dumps(text)}")
    assert "No right translation" not in seen.page.locator(".wanted").inner_text()


@browser
def test_dragging_the_point_changes_what_is_written_as_torch_would(
    play: Any, shipped: Lab, readers: dict[str, Translator]
) -> None:
    seen = play()
    first, before = place(seen), result(seen)
    x, y = seen.centre(".point")
    seen.drag(x, y, x - 220, y + 30)  # the model comes while it is dragged
    seen.until("$('.wanted').textContent.startsWith('Where reading put it')")
    seen.page.wait_for_timeout(100)
    state, now = told(seen), place(seen)
    assert now[0] < first[0] - 5
    axes = torch.tensor(shipped.recording["readers"][0]["axes"])
    start = kept(readers["backwards"], shipped.recording["text"])
    origin = torch.tensor(shipped.recording["readers"][0]["origin"])
    hand = torch.tensor(state["point"]) - (start @ axes.T - origin)
    assert (torch.tensor(state["vector"]) - (start + hand @ axes)).abs().max() < 2e-3
    assert (
        state["translation"]
        == result(seen)
        == written(readers["backwards"], torch.tensor(state["vector"]), 30)
    )
    assert len(result(seen).split()) < len(before.split()), "to the left the writer says less"
    assert seen.page.locator(".wanted").inner_text().endswith(before)
    assert seen.clean() == []
    seen.page.get_by_role("button", name="Undo").click()
    seen.until("$('.wanted').textContent.startsWith('Right')")
    assert (result(seen), place(seen)) == (before, first)


@browser
def test_a_finger_drags_the_point(play: Any) -> None:
    seen = play(width=390, has_touch=True, is_mobile=True)
    first, before = place(seen), result(seen)
    x, y = seen.centre(".point")
    scrolled = seen.page.evaluate("scrollY")
    seen.swipe(x, y, x - 140, y + 10)
    seen.until("$('.wanted').textContent.startsWith('Where reading put it')")
    assert place(seen)[0] < first[0] - 5
    assert seen.page.evaluate("scrollY") == scrolled
    seen.until(f"$('.result').textContent !== {json.dumps(before)}")
    seen.page.get_by_role("button", name="Lengthen it").tap()
    seen.until("$('.count').textContent.includes('15 of 15')")


@browser
def test_the_keyboard_alone_moves_the_point(play: Any) -> None:
    seen = play()
    first, before = place(seen), result(seen)
    seen.page.locator("#text").focus()
    for _ in range(40):
        seen.page.keyboard.press("Tab")
        focused = "document.activeElement.shadowRoot?.activeElement"
        if seen.page.evaluate(f"{focused}?.className") == "point":
            break
    assert seen.page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
    for _ in range(3):
        seen.page.keyboard.press("Shift+ArrowLeft")
    seen.page.keyboard.press("ArrowDown")
    seen.until(f"$('.result').textContent !== {json.dumps(before)}")
    assert place(seen) == pytest.approx((first[0] - 12, first[1] - 1), abs=0.11)
    seen.page.get_by_role("button", name="Undo").press("Enter")
    seen.until("$('.wanted').textContent.startsWith('Right')")
    assert (result(seen), place(seen)) == (before, first)


@browser
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one word"),
        ("Hund " * 100, "at most 300 letters"),
        ("der " * 70, "at most 60"),
        ("😀😀", "none of these"),
        ("שלום עולם", "none of these"),
        ("der Papagei 😀 schläft .", "“Papagei”, “😀”"),
        (" , ", "no word in this"),
    ],
)
def test_a_text_that_it_cannot_read_gets_a_friendly_word(play: Any, text: str, said: str) -> None:
    seen = play()
    seen.page.locator("#text").fill(text)
    seen.until(f"$('.said').textContent.includes({json.dumps(said)})")
    read(seen, SENTENCE, 7)
    assert seen.said() == ""
    assert seen.clean() == []


@browser
def test_a_damaged_model_says_so_and_leaves_the_still_figure(play: Any) -> None:
    seen = play(damaged=True)
    seen.page.locator("#text").fill(SENTENCE)
    seen.until("$('.said').textContent.includes('could not start')")
    assert seen.page.locator("figure.tf-lab-still svg").is_visible()
    assert not seen.page.locator("#text").is_visible()
    assert seen.clean() == []


@browser
def test_a_second_model_that_did_not_come_can_be_asked_for_again(play: Any) -> None:
    seen = play()
    read(seen, SENTENCE, 7)
    seen.page.route("**/*.safetensors", lambda route: route.fulfill(status=503))
    seen.page.get_by_role("button", name="Read it forwards").click()
    seen.until("$('.said').textContent.includes('503')")
    seen.page.unroute("**/*.safetensors")
    seen.page.get_by_role("button", name="Try again").click()
    seen.until("$('.count').textContent.includes('forwards: 7 of 7')")
    assert seen.errors == []


@browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_axe_finds_nothing(play: Any, width: int, theme: str) -> None:
    seen = play(width=width, theme=theme)
    read(seen, "der Mann", 2)
    assert seen.clean() == []
    read(seen, SENTENCE, 7)
    assert seen.clean() == []
    seen.picture(f"sentence-vectors-{width}-{theme}")


@browser
def test_python_asks_and_the_page_follows(play: Any) -> None:
    """What a notebook's widget does through `receive`."""
    seen = play()
    seen.page.evaluate(
        f"document.querySelector('tf-lab').receive({{text: {json.dumps(SENTENCE)}, reader: 'forwards'}})"
    )
    seen.until("$('.count').textContent.includes('forwards: 7 of 7')")
    assert seen.page.locator("#text").input_value() == SENTENCE
    assert len(told(seen)["vector"]) == 256


def test_the_widget_sends_the_model_that_is_asked_for(shipped: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    widget, sent = shipped.widget, []
    monkeypatch.setattr(type(widget), "send", lambda self, what, buffers=None: sent.append((what, buffers)))
    for name in (*lab.READERS.values(), "../checkpoints/secret"):
        widget._handle_custom_msg({"kind": "model", "name": name}, [])
    assert [what["name"] for what, _ in sent[:2]] == list(lab.READERS.values())
    assert sent[0][1] != sent[1][1]
    assert "problem" in sent[2][0]
    assert len(shipped.vector) == 256
    assert shipped.translation == shipped.recording["readers"][0]["translation"]
