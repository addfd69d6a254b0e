"""WordPiece: what it keeps, how it cuts, and that transformers' own tokenizer for BERT cuts the same."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu import weights
from tfedu.data import grammar
from tfedu.data.wordpiece import SPECIALS, WordPiece
from tfedu.weights import CheckpointError

LINES = ["the dog runs", "a dog ran and ran", "running dogs are unable to run", "unable, able: un able."] * 5


@pytest.fixture(scope="module")
def pieces() -> WordPiece:
    return WordPiece.train(LINES, 90)


def test_specials_come_first(pieces: WordPiece) -> None:
    assert pieces.tokens(range(5)) == list(SPECIALS)
    assert (pieces.pad, pieces.cls, pieces.sep, pieces.unk, pieces.mask) == (0, 1, 2, 3, 4)
    assert len(pieces) <= 90


def test_words_whole_in_pieces_and_unknown() -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {t: i for i, t in enumerate([*SPECIALS, "un", "##able", "##a", "able", "dog"])}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = WordPiece(inner)
    assert words.tokens(words.encode("Unable dog")) == [
        "un",
        "##able",
        "dog",
    ]  # the longest piece, ##able, wins
    assert words.tokens(words.encode("unably")) == [
        "[UNK]"
    ]  # no cut of all of it: not even its beginning stays
    assert words.decode(words.encode("Unable DOG able")) == "unable dog able"


def test_marks_stand_alone_and_accents_fall(pieces: WordPiece) -> None:
    assert pieces.decode(pieces.encode("The dög, runs.")) == "the dog , runs ."
    assert pieces.encode("the [MASK] runs")[1] == pieces.mask
    assert pieces.encode(["the", "dog"]) == pieces.encode("the dog")


@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.text("abdeglnortu", min_size=1, max_size=8), min_size=1, max_size=8))
def test_known_letters_come_back(words: list[str]) -> None:
    pieces = WordPiece.train(LINES, 90)
    text = " ".join(words)
    ids = pieces.encode(text)
    if pieces.unk not in ids:
        assert pieces.decode(ids) == text
    assert WordPiece.from_json(pieces.to_json()).encode(text) == ids


def test_a_closed_vocabulary() -> None:
    words = WordPiece.from_words(grammar.vocabulary("en"))
    assert len(words) == len(SPECIALS) + len(grammar.vocabulary("en"))
    pair = grammar.corpus(20, seed=0)[7]
    ids = words.encode(pair.target)
    assert words.unk not in ids
    assert words.decode(ids) == " ".join(pair.target).lower()
    assert words.encode("zebra") == [words.unk]


def test_a_pair_and_its_segments(pieces: WordPiece) -> None:
    assert pieces.pair([7, 8]) == ([1, 7, 8, 2], [0, 0, 0, 0])
    assert pieces.pair([7], [8, 9]) == ([1, 7, 2, 8, 9, 2], [0, 0, 0, 1, 1, 1])


def test_transformers_reads_it_and_cuts_the_same(pieces: WordPiece, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(pieces.to_json())
    theirs = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text, second = "Running unable, [MASK] dogs.", "the dog"
    found = theirs(text, second, return_token_type_ids=True)
    ids, types = pieces.pair(pieces.encode(text), pieces.encode(second))
    assert found["input_ids"] == ids
    assert found["token_type_ids"] == types


def test_it_comes_with_the_weights(pieces: WordPiece, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    weights.save(path, torch.nn.Linear(2, 2), {}, extras={"tokenizer": pieces.to_json()})
    assert WordPiece.from_pretrained(path).to_json() == pieces.to_json()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError):
        WordPiece.from_pretrained(tmp_path)  # no weights, no tokenizer.json


def test_another_vocabulary_is_refused() -> None:
    from tokenizers import Tokenizer, models

    with pytest.raises(ValueError, match="MASK"):
        WordPiece(Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")))
