"""Text in, text out: a tiny writer of its own, and the shipped one."""

import math

import pytest
import torch

from tfedu.data.shakespeare import PASSAGE
from tfedu.data.text import CharacterTokenizer
from tfedu.models.gpt import GPT, GPTConfig
from tfedu.trace import ablate
from tfedu.weights import CheckpointError, card, find
from tfedu.writer import Writer, repeated

NAME = "gpt-shakespeare-seed0"


@pytest.fixture(scope="module")
def writer() -> Writer:
    torch.manual_seed(0)
    return Writer(GPT(GPTConfig(12, 16, 8, 2, 2, initial=0.5)), CharacterTokenizer("\n abcdef"))


def test_it_writes_what_it_was_asked_for(writer: Writer) -> None:
    once = writer(["abc", "d f"], 30, seed=1)
    assert [len(text) for text in once] == [30, 30]
    assert set("".join(once)) <= set("\n abcdef")  # no specials
    assert once == writer(["abc", "d f"], 30, seed=1)
    assert once != writer(["abc", "d f"], 30, seed=2)
    assert writer("abc", 8, temperature=0) == writer("abc", 8, top_k=1)


def test_odds_and_surprise_agree(writer: Writer) -> None:
    text = "fade a cab"
    bits = writer.surprise(text)[0]
    names = writer.tokenizer.tokens(writer.ids(text))
    for t in range(1, len(text)):
        odds = writer.odds(text[:t])
        assert sum(odds.values()) == pytest.approx(1, abs=1e-5)
        assert list(odds.values()) == sorted(odds.values(), reverse=True)
        assert -math.log2(odds[names[t]]) == pytest.approx(bits[t - 1].item(), abs=1e-3)
    changed = writer.surprise([text, text], edit={"layers.0.attention": ablate(0)})
    assert changed.shape == (2, len(text) - 1)
    assert not torch.allclose(changed[0], bits)
    assert writer.maps(text)["layers.1.attention"].weights.shape == (1, 2, len(text), len(text))


def test_bad_texts_are_named(writer: Writer) -> None:
    with pytest.raises(ValueError, match="there is no text"):
        writer("", 3)
    with pytest.raises(ValueError, match="'z': not in the vocabulary"):
        writer.odds("abz")
    with pytest.raises(ValueError, match="equally many tokens"):
        writer(["a", "ab"], 3)


def test_what_is_repeated() -> None:
    assert repeated("abcdef", 3) == 0
    assert repeated("abcabc", 3) == 1 / 4
    assert repeated("aaaaaa", 2) == 4 / 5
    assert repeated("a", 3) == 0


def test_the_shipped_model_knows_the_passage_as_its_card_says() -> None:
    try:
        find(NAME)
    except CheckpointError:
        pytest.skip(f"{NAME} is not in data/")
    writer = Writer.from_pretrained(NAME)
    assert card(NAME)["scores"]["loss"] <= 1.60
    pieces = [PASSAGE[start : start + 256] for start in range(0, 1280, 256)]
    assert writer.surprise(pieces).mean() < 2.4
    assert next(iter(writer.odds("My lord, I will n"))) == "o"
