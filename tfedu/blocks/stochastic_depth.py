"""Stochastic depth (Huang et al. 2016): while training, a residual branch is skipped for some of the pictures."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """What a branch adds is zero for a random share `p` of the batch, and ``1 / (1 - p)`` as large for the rest.

    In evaluation every branch adds what it says; the enlargement makes that the mean of what it added in training.

    Raises:
        ValueError: unless ``0 <= p < 1``.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"a branch is dropped with a probability from 0 to below 1; got {p}.")
        self.p = p

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """What the branch adds."""
        if not self.training or self.p == 0:
            return x
        kept = torch.empty(len(x), *[1] * (x.dim() - 1), dtype=x.dtype, device=x.device)
        return x * kept.bernoulli_(1 - self.p).div_(1 - self.p)

    def extra_repr(self) -> str:
        """For `print`."""
        return f"p={self.p}"


def depth_rates(p: float, layers: int) -> list[float]:
    """A rate for each layer, rising linearly from 0 to `p` at the last (Huang et al., section 3)."""
    return [p * number / max(1, layers - 1) for number in range(layers)]
