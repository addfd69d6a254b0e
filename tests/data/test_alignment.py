"""Alignment scores and baselines against closed forms."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfedu.data.alignment import (
    IBMModel1,
    alignment_error_rate,
    diagonal_links,
    links_from_map,
    parse_links,
)

links = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1)
toy = [("das Haus", "the house"), ("das Buch", "the book"), ("ein Buch", "a book")]
toy_pairs = [(source.split(), target.split()) for source, target in toy]


def test_error_rate_by_hand():
    predicted = [{(0, 0), (1, 1), (2, 2)}]
    sure, possible = [{(0, 0), (1, 2)}], [{(0, 0), (1, 2), (1, 1)}]
    # |A ∩ S| = 1, |A ∩ P| = 2, |A| + |S| = 5
    assert alignment_error_rate(predicted, sure, possible) == pytest.approx(1 - 3 / 5)
    assert alignment_error_rate(predicted, sure) == pytest.approx(1 - 2 / 5)


def test_error_rate_is_of_the_corpus_not_a_mean_of_sentences():
    predicted = [{(0, 0)}, {(0, 0), (1, 1), (2, 2)}]
    sure = [{(0, 1)}, {(0, 0), (1, 1), (2, 2)}]
    assert alignment_error_rate(predicted, sure) == pytest.approx(1 - 6 / 8)


@given(links, links, links)
def test_error_rate_laws(predicted, sure, extra):
    assert alignment_error_rate([sure], [sure]) == 0
    rate = alignment_error_rate([predicted], [sure])
    assert 0 <= rate <= 1
    # Without possible links it is 1 - F, so the two sides can be exchanged; possible links only forgive.
    assert rate == pytest.approx(alignment_error_rate([sure], [predicted]))
    assert alignment_error_rate([predicted], [sure], [sure | extra]) <= rate
    assert alignment_error_rate([predicted], [sure], [extra]) == pytest.approx(
        alignment_error_rate([predicted], [sure], [sure | extra])
    )


def test_error_rate_refuses_what_it_cannot_score():
    with pytest.raises(ValueError, match="one set of links a sentence"):
        alignment_error_rate([set()], [set(), set()])
    with pytest.raises(ValueError, match="no link to score"):
        alignment_error_rate([set()], [set()])


def test_links_from_map():
    weights = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.1, 0.4], [0.2, 0.3, 0.5]])
    assert links_from_map(weights) == {(2, 0), (0, 1), (2, 2)}
    assert links_from_map(weights, skip_rows=[-1]) == {(2, 0), (0, 1)}
    assert links_from_map(weights.numpy(), skip_columns=[-1]) == {(1, 0), (0, 1), (1, 2)}
    assert links_from_map(weights.bfloat16()) == {(2, 0), (0, 1), (2, 2)}
    assert weights[0, 2] == pytest.approx(0.7)  # the map itself is not touched
    assert links_from_map(torch.zeros(2, 3)) == set()
    assert links_from_map(torch.zeros(2, 0)) == set()
    with pytest.raises(ValueError, match="one map of shape"):
        links_from_map(torch.zeros(1, 2, 3))


@given(st.integers(1, 30), st.integers(1, 30))
def test_diagonal(source, target):
    diagonal = diagonal_links(source, target)
    assert sorted(j for _, j in diagonal) == list(range(target))
    assert all(0 <= i < source for i, _ in diagonal)
    assert diagonal_links(source, source) == {(n, n) for n in range(source)}
    mirrored = {(source - 1 - i, target - 1 - j) for i, j in diagonal}
    assert all(abs(dict((j, i) for i, j in diagonal)[j] - i) <= 1 for i, j in mirrored)


def test_parse_links():
    assert parse_links("0-0 10p2") == ({(0, 0)}, {(0, 0), (10, 2)})
    assert parse_links("0-1 2p3", swap=True) == ({(1, 0)}, {(1, 0), (3, 2)})
    with pytest.raises(ValueError, match="is not a link"):
        parse_links("0-0 1:2")


def test_first_round_by_hand():
    """After one round from a uniform start, t(e|f) is f's share of the expected counts."""
    model = IBMModel1().fit(toy_pairs, rounds=1)
    # "das" and NULL and one more word share each target word in three: 1/3 for the, 1/3 for house, ...
    assert model.probability("the", "das") == pytest.approx(1 / 2)
    assert model.probability("house", "das") == pytest.approx(1 / 4)
    assert model.probability("the", "Haus") == pytest.approx(1 / 2)
    assert model.probability("book") == pytest.approx(1 / 3)
    assert model.probability("a", "das") == 0
    assert model.log_likelihood == [pytest.approx(6 * np.log(3 / 4))]


def test_counting_finds_the_translations():
    model = IBMModel1(null=False).fit(toy_pairs, rounds=100)
    for source, target in [("das", "the"), ("Buch", "book"), ("Haus", "house"), ("ein", "a")]:
        assert model.probability(target, source) > 0.9
    assert model.align(["das", "Haus"], ["the", "house"]) == {(0, 0), (1, 1)}
    assert model.align(["ein", "Haus"], ["a", "house"]) == {(0, 0), (1, 1)}
    assert model.align(["ein", "Haus"], ["house", "a"]) == {(0, 1), (1, 0)}  # order plays no part


def test_the_empty_word_takes_what_has_no_origin():
    pairs = [("Haus", "a house"), ("Buch", "a book"), ("Hund", "a dog")]
    model = IBMModel1().fit([(source.split(), target.split()) for source, target in pairs], rounds=20)
    assert model.probability("a") > 0.9
    assert model.align(["Haus"], ["a", "house"]) == {(0, 1)}


@given(
    st.lists(st.tuples(*(st.lists(st.sampled_from("abc"), min_size=1, max_size=4),) * 2), min_size=1),
    st.booleans(),
)
def test_expectation_maximisation_laws(pairs, null):
    model = IBMModel1(null=null).fit(pairs, rounds=6)
    assert (np.diff(model.log_likelihood) >= -1e-9).all()
    for f in {word for source, _ in pairs for word in source} | ({""} if null else set()):
        assert sum(model.probability(e, f) for e in "abc") == pytest.approx(1)


def test_model_says_what_is_wrong():
    with pytest.raises(ValueError, match="call fit"):
        IBMModel1().align(["das"], ["the"])
    with pytest.raises(ValueError, match="at least one pair"):
        IBMModel1().fit([])
    model = IBMModel1().fit(toy_pairs)
    assert model.align(["Katze"], ["cat", "the"]) == set()
    assert model.probability("cat", "Katze") == 0


@pytest.mark.real_data
def test_the_real_gold_sample():
    """Five Europarl sentences aligned by hand: every index lies in its sentence, and the rate is sane."""
    folder = Path(os.environ.get("TFEDU_DATA", "nowhere")) / "alignment_sample"
    if not folder.is_dir():
        pytest.skip("set TFEDU_DATA to a folder that holds alignment_sample")
    rows = [
        [line.split("\t")[1].split() for line in (folder / name).read_text().splitlines()]
        for name in ("sample_deu.txt", "sample_eng.txt")
    ]
    gold_lines = (folder / "sample_eng_deu.gold").read_text().splitlines()
    gold = [parse_links(line.split("\t")[1], swap=True) for line in gold_lines]
    assert len(gold) == 5
    for german, english, (sure, possible) in zip(*rows, gold, strict=True):
        assert sure <= possible
        assert all(i < len(german) and j < len(english) for i, j in possible)
    diagonal = [diagonal_links(len(german), len(english)) for german, english in zip(*rows, strict=True)]
    rate = alignment_error_rate(diagonal, [sure for sure, _ in gold], [possible for _, possible in gold])
    assert 0.3 < rate < 0.95
