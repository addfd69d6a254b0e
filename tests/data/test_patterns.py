"""Repeats and few-shot mappings: what is told, and that nothing else is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.data import patterns
from tfedu.data.patterns import decode, encode, few_shot, mapping_numbers, repeats, successors


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    low=st.integers(1, 10),
    more=st.integers(0, 10),
    length=st.integers(12, 50),
    vocabulary=st.integers(2, 64),
)
def test_blocks_come_again(seed, low, more, length, vocabulary):
    drawn = repeats(6, seed, period=(low, low + more), length=length, vocabulary=vocabulary)
    assert drawn.tokens.shape == (6, length)
    assert 0 <= drawn.tokens.min() <= drawn.tokens.max() < vocabulary
    for row, told, period in zip(
        drawn.tokens.tolist(), drawn.told.tolist(), drawn.period.tolist(), strict=True
    ):
        assert low <= period <= low + more
        assert all(row[t] == row[t - period] for t in range(period, length))
        # Told are just the second occurrence's tokens but its first, each named by the one before it.
        second = [t + 1 for t in range(length) if told[t]]
        assert second == list(range(period + 1, min(2 * period, length)))
    assert drawn.counted[:, :-1].all()
    assert not drawn.counted[:, -1].any()


def test_the_length_of_a_block_is_drawn_for_each_sequence():
    drawn = repeats(400, 0)
    assert sorted(set(drawn.period.tolist())) == list(range(8, 25))
    assert torch.equal(drawn.tokens, repeats(400, 0).tokens)
    assert not torch.equal(drawn.tokens, repeats(400, 1).tokens)
    doubled = [
        len(set(row[:n])) < n for row, n in zip(drawn.tokens.tolist(), drawn.period.tolist(), strict=True)
    ]
    assert 0.5 < np.mean(doubled) < 1  # with replacement


def test_examples_follow_one_mapping_and_chance_decides_it():
    drawn = few_shot(500, 3)
    x, y = drawn.tokens[:, 0::2], drawn.tokens[:, 1::2]
    assert x.shape == (500, 16)
    assert set(x.flatten().tolist()) == set(range(8))
    assert set(y.flatten().tolist()) == set(range(8, 12))
    for i in range(500):
        shown: dict[int, int] = {}
        for k in range(16):
            assert drawn.told[i, 2 * k].item() == (x[i, k].item() in shown)
            assert shown.setdefault(x[i, k].item(), y[i, k].item()) == y[i, k].item()
    assert not drawn.told[:, 1::2].any()
    assert drawn.counted[:, 0::2].all()
    assert not drawn.counted[:, 1::2].any()


def test_no_mapping_of_the_test_is_ever_drawn_in_training():
    train, test = set(mapping_numbers("train").tolist()), set(mapping_numbers("test").tolist())
    assert not train & test
    assert len(train | test) == patterns.MAPPINGS

    def number(split):
        drawn = few_shot(300, 5, split=split, shots=60)  # enough to see all inputs of most sequences
        for row in drawn.tokens.tolist():
            pairs = dict(zip(row[0::2], row[1::2], strict=True))
            if len(pairs) == 8:
                yield sum((y - 8) * 4**x for x, y in pairs.items())

    assert set(number("train")) <= train
    assert set(number("test")) <= test


@settings(max_examples=40, deadline=None)
@given(tokens=st.lists(st.integers(0, 4), min_size=1, max_size=14))
def test_the_edges_of_induction(tokens):
    edges = successors(torch.tensor([tokens]))[0]
    for t in range(len(tokens)):
        for s in range(len(tokens)):
            assert edges[t, s].item() == (1 <= s <= t and tokens[s - 1] == tokens[t])


def test_a_text_is_a_sequence():
    text = "Never odd or even. 42"
    assert decode(encode(text)[0]) == text
    assert len(set(patterns.SYMBOLS)) == len(patterns.SYMBOLS) == 64
    with pytest.raises(ValueError, match="'!' 'é'"):
        encode("née!")


def test_a_share_of_the_sequences():
    drawn = repeats(5, 0)
    shares = [drawn.shard(rank, 2) for rank in range(2)]
    assert [len(share) for share in shares] == [3, 2]
    assert torch.equal(shares[1].tokens, drawn.tokens[1::2])
    assert torch.equal(drawn.to("cpu").told, drawn.told)


def test_clear_errors():
    with pytest.raises(ValueError, match="shortest and the longest"):
        repeats(1, period=(5, 4))
    with pytest.raises(ValueError, match="make it longer"):
        repeats(1, period=(47, 47))
