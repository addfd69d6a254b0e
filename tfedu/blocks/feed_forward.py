"""The position-wise feed-forward network (Vaswani et al. 2017, section 3.3)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class FeedForward(nn.Module):
    """``W_2 max(0, W_1 x + b_1) + b_2`` (equation 2): each position on its own, all with the same weights.

    Args:
        width: D, of input and output.
        hidden: of the layer between; the paper has 4 D.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """See equation 2."""
        # In place: the sum before it is needed nowhere else, and these are the widest vectors of a model.
        return self.outer(F.relu(self.inner(x), inplace=True))
