"""Rotary positions and relative biases: what they promise about distances, and their formulas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfedu.attention import DotProduct, MultiHeadAttention, RelativeBias, Rotary, rotate


@given(seed=st.integers(0, 999), m=st.integers(0, 400), n=st.integers(0, 400), shift=st.integers(0, 400))
def test_turned_scores_depend_on_the_distance_alone(seed: int, m: int, n: int, shift: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, 1, 8, generator=generator, dtype=torch.float64)
    here = rotate(q, m) @ rotate(k, n).T
    there = rotate(q, m + shift) @ rotate(k, n + shift).T
    torch.testing.assert_close(here, there, atol=1e-10, rtol=1e-10)


def test_a_rotation_is_a_product_of_complex_numbers() -> None:
    """Equation 34, in the complex form of the paper's equation 16."""
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    angle = torch.arange(2, 7, dtype=torch.float64)[:, None] * 10_000.0 ** (-torch.arange(4).double() / 4)
    turned = torch.view_as_complex(x.reshape(3, 5, 4, 2)) * torch.polar(torch.ones(()).double(), angle)
    torch.testing.assert_close(rotate(x, 2), torch.view_as_real(turned).flatten(-2), atol=1e-12, rtol=0)
    torch.testing.assert_close(rotate(x, 2).norm(dim=-1), x.norm(dim=-1))


def test_rotations_equal_those_of_transformers() -> None:
    gptj = pytest.importorskip("transformers.models.gptj.modeling_gptj")
    x = torch.randn(2, 5, 3, 8, dtype=torch.float64)  # its axes: batch, positions, heads, width
    table = gptj.create_sinusoidal_positions(5, 8).double()
    sin, cos = table.expand(2, 5, 8).chunk(2, dim=-1)
    theirs = gptj.apply_rotary_pos_emb(x, sin, cos)
    # Its table is made in float32, which is all the difference there is.
    torch.testing.assert_close(rotate(x.transpose(1, 2)).transpose(1, 2), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "mechanism", [Rotary(), RelativeBias(heads=2, reach=4)], ids=lambda m: type(m).__name__
)
def test_one_new_query_stands_where_it_would_among_all(mechanism: DotProduct) -> None:
    """As a decoder asks that keeps its keys: the last query alone gives the last row."""
    for parameter in mechanism.parameters():
        torch.nn.init.normal_(parameter)
    q, k = torch.randn(2, 1, 2, 9, 6)
    torch.testing.assert_close(mechanism.weights(q[:, :, -1:], k), mechanism.weights(q, k)[:, :, -1:])


def test_each_head_has_its_own_bias_of_each_distance() -> None:
    mechanism = RelativeBias(heads=2, reach=3).double()
    torch.nn.init.normal_(mechanism.table)
    q, k, v = torch.randn(3, 1, 2, 7, 4, dtype=torch.float64)
    scores = q @ k.mT / 2
    for h in range(2):
        for t in range(7):
            for s in range(7):
                scores[0, h, t, s] += mechanism.table[h, max(-3, min(3, s - t)) + 3]
    torch.testing.assert_close(mechanism.weights(q, k), scores.softmax(-1), atol=1e-12, rtol=0)
    torch.testing.assert_close(mechanism(q, k, v), scores.softmax(-1) @ v, atol=1e-12, rtol=0)


def test_both_fit_the_multi_head_wrapper_and_tell_the_order() -> None:
    x = torch.randn(1, 6, 8)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    for mechanism, sees_order in ((DotProduct(), False), (Rotary(), True), (RelativeBias(2), True)):
        for parameter in mechanism.parameters():
            torch.nn.init.normal_(parameter)
        attention = MultiHeadAttention(8, 2, mechanism)
        same = torch.allclose(attention(x)[:, order], attention(x[:, order]), atol=1e-6)
        assert same is not sees_order


def test_bad_widths_and_heads_are_named() -> None:
    with pytest.raises(ValueError, match="pairs of coordinates"):
        rotate(torch.randn(4, 5))
    with pytest.raises(ValueError, match="made for 4 heads; got 2 of them"):
        RelativeBias(4)(*torch.randn(3, 1, 2, 5, 6))
