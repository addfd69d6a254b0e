"""Long texts for language models: tiny Shakespeare, Python's help topics, and characters as tokens."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfedu.data import shakespeare, topics
from tfedu.data.download import DataError
from tfedu.data.text import BOS, EOS, UNK, CharacterTokenizer, tokenizer_from_json

real = pytest.mark.skipif(not os.environ.get("TFEDU_DATA"), reason="TFEDU_DATA names no data folder")


@real
@pytest.mark.real_data
def test_shakespeare_is_split_as_is_usual() -> None:
    train, val = shakespeare.load("train"), shakespeare.load("val")
    assert len(train) + len(val) == shakespeare.CHARACTERS
    assert len(train) == int(0.9 * shakespeare.CHARACTERS)
    assert train.startswith("First Citizen:\nBefore we proceed")
    assert len(set(train)) == 65
    assert set(val) <= set(train)
    assert shakespeare.PASSAGE in val  # so no model has learned it


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare" / "input.txt").write_text("First Citizen:\n")
    with pytest.raises(DataError, match="damaged"):
        shakespeare.load("train", tmp_path)
    with pytest.raises(ValueError, match="no split 'test'; there is train and val"):
        shakespeare.load("test")  # type: ignore[arg-type]


def test_topics_are_english_and_ascii() -> None:
    """By properties: the text differs from one version of Python to the next."""
    train, val = topics.load("train"), topics.load("val")
    assert len(train) > 300_000
    assert 0.02 < len(val) / len(train) < 0.4
    for text in (train, val):
        assert set(text) <= set(topics.CHARACTERS)
        assert 0.1 < text.count(" ") / len(text) < 0.4
        assert text.lower().count(" the ") > 50
    assert train == topics.load("train")
    assert val[:500] not in train
    with pytest.raises(ValueError, match="no split 'test'"):
        topics.load("test")  # type: ignore[arg-type]


def test_what_is_not_ascii_becomes_its_nearest() -> None:
    assert topics.plain("“a” – it’s\u00a0b…→\tü") == '"a" - it\'s b...-> '


def test_characters_are_tokens() -> None:
    tokenizer = CharacterTokenizer("\n ab")
    assert len(tokenizer) == 8
    assert tokenizer.encode("a b\nc") == [6, 5, 7, 4, UNK]
    assert tokenizer.encode(["a", " b"]) == [6, 5, 7]
    assert tokenizer.tokens([4, 5, 6, UNK]) == ["↵", "␣", "a", "<unk>"]
    assert tokenizer.decode([BOS, 6, 5, EOS, 7]) == "a "
    with pytest.raises(ValueError, match="characters listed twice"):
        CharacterTokenizer("aba")
    with pytest.raises(ValueError, match="outside this vocabulary"):
        tokenizer.decode([8])


@given(text=st.text(alphabet="\n abcXYZ'-.␣↵"))
def test_nothing_is_lost(text: str) -> None:
    tokenizer = CharacterTokenizer("\n abcXYZ'-.␣↵")
    again = tokenizer_from_json(tokenizer.to_json())
    assert isinstance(again, CharacterTokenizer)
    assert again.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(text)) == len(text)
