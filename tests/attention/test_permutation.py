"""Attention does not know the order: shuffle the tokens and the outputs are shuffled, otherwise the same."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tfedu.attention import DotProduct, MultiHeadAttention, RelativeBias, Rotary
from tfedu.blocks.positions import sinusoids

seeds, lengths = st.integers(0, 2**31 - 1), st.integers(1, 12)
sizes = st.sampled_from([(2, 1), (4, 2), (12, 3), (16, 16)])  # (D, H)


def setting(
    seed: int, N: int, D: int, H: int, mechanism: DotProduct | None = None
) -> tuple[MultiHeadAttention, Tensor, Tensor]:
    """A layer with random weights (biases too), tokens for it, and an order."""
    torch.manual_seed(seed)
    layer = MultiHeadAttention(D, H, mechanism).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer, torch.randn(2, N, D, dtype=torch.float64), torch.randperm(N)


@settings(deadline=None)
@given(seed=seeds, N=lengths, size=sizes, masked=st.booleans())
def test_shuffled_tokens_give_shuffled_outputs(
    seed: int, N: int, size: tuple[int, int], masked: bool
) -> None:
    """With a mask, who may see whom is shuffled along: queries and keys alike."""
    layer, x, order = setting(seed, N, *size)
    mask = torch.rand(2, N, N) < 0.6 if masked else None
    shuffled_mask = None if mask is None else mask[:, order][:, :, order]
    torch.testing.assert_close(
        layer(x[:, order], mask=shuffled_mask), layer(x, mask=mask)[:, order], atol=1e-10, rtol=1e-10
    )


@settings(deadline=None)
@given(seed=seeds, T=lengths, S=lengths, size=sizes)
def test_a_query_sees_a_set_of_keys(seed: int, T: int, S: int, size: tuple[int, int]) -> None:
    """The order of what is looked at changes nothing at all: queries from outside stay as they are."""
    layer, y, order = setting(seed, S, *size)
    x = torch.randn(2, T, size[0], dtype=torch.float64)
    torch.testing.assert_close(layer(x, y[:, order]), layer(x, y), atol=1e-10, rtol=1e-10)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, N=st.integers(3, 12), way=st.sampled_from(["added", "rotary", "relative bias", "causal"]))
def test_positions_and_a_causal_mask_tell_the_order(seed: int, N: int, way: str) -> None:
    mechanism = {"rotary": Rotary(), "relative bias": RelativeBias(2, reach=12)}.get(way)
    layer, x, _ = setting(seed, N, 8, 2, mechanism)
    order = torch.arange(N).flip(0)
    places = sinusoids(N, 8).double() if way == "added" else 0.0
    mask = torch.ones(1, N, N, dtype=torch.bool).tril() if way == "causal" else None
    here, there = layer(x + places, mask=mask)[:, order], layer(x[:, order] + places, mask=mask)
    assert (here - there).abs().max() > 1e-3
