"""Positions that are added, and the causal mask: the paper's equations, and what makes them useful."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfedu.blocks.masks import causal_mask
from tfedu.blocks.positions import Learned, Sinusoidal, sinusoids


def test_sinusoids_are_the_papers() -> None:
    table = sinusoids(40, 10)
    for position in (0, 1, 17, 39):
        for i in range(5):
            angle = position / 10000 ** (2 * i / 10)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)
    torch.testing.assert_close(sinusoids(7, 10, start=33), table[33:])
    torch.testing.assert_close(
        Sinusoidal(10)(torch.ones(2, 7, 10), start=5), 1 + table[5:12].expand(2, -1, -1)
    )


def test_the_likeness_of_two_sinusoids_depends_on_their_distance_alone() -> None:
    table = sinusoids(60, 32).double()
    likeness = table @ table.T
    for distance in (0, 1, 9):
        torch.testing.assert_close(
            likeness.diagonal(distance), likeness[0, distance].expand(60 - distance), atol=1e-4, rtol=0
        )


def test_learned_positions_start_where_told_and_end() -> None:
    learned = Learned(8, 4)
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(learned(x, start=5) - x, learned.table[5:8].expand(2, -1, -1))
    with pytest.raises(ValueError, match="position 8 was never learned"):
        learned(x, start=6)


@given(T=st.integers(1, 6), extra=st.integers(0, 4))
def test_a_causal_mask_ends_at_the_last_key(T: int, extra: int) -> None:
    mask = causal_mask(T, T + extra)
    assert mask.sum(1).tolist() == list(range(extra + 1, T + extra + 1))
    assert torch.equal(mask, causal_mask(T + extra)[extra:])
    with pytest.raises(ValueError, match="only"):
        causal_mask(T, T - 1)
