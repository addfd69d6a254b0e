"""Where a token stands, as a vector that is added to it. Attention alone does not know the order of its keys."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def sinusoids(
    length: int, width: int, start: int = 0, device: torch.device | None = None, base: float = 10_000.0
) -> Float[Tensor, "T D"]:
    """Sines and cosines of the positions ``start`` to ``start + length - 1`` (Vaswani et al. 2017, section 3.5).

    ``PE(pos, 2i) = sin(pos / 10000^(2i / D))`` and ``PE(pos, 2i + 1) = cos(pos / 10000^(2i / D))``: clock hands,
    one for each pair of coordinates, the wavelengths from 2 pi to 10000 * 2 pi. To move on by k positions is to
    turn each hand by a fixed angle, which is a linear map. Another `base` than the paper's 10000 makes the slow
    hands faster or slower.

    Raises:
        ValueError: if `width` is odd.
    """
    if width % 2:
        raise ValueError(f"sinusoids come in pairs of a sine and a cosine: width {width} is odd.")
    position = torch.arange(start, start + length, device=device).float()
    speed = torch.exp(torch.arange(0, width, 2, device=device).float() * (-math.log(base) / width))
    angle = position[:, None] * speed  # (T, D/2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


class Sinusoidal(nn.Module):
    """`sinusoids` as a module; there is nothing to learn, and no longest length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Float[Tensor, "B T D"], start: int = 0) -> Float[Tensor, "B T D"]:
        """The tokens with their positions, the first of which is `start`, added."""
        return x + sinusoids(x.shape[1], self.width, start, x.device).to(x.dtype)


class Learned(nn.Module):
    """A learned vector for each position (Gehring et al. 2017; Vaswani et al., table 3, row E).

    Args:
        longest: how many positions there are.
        width: D.
    """

    def __init__(self, longest: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(longest, width) * width**-0.5)

    def forward(self, x: Float[Tensor, "B T D"], start: int = 0) -> Float[Tensor, "B T D"]:
        """The tokens with their positions, the first of which is `start`, added.

        Raises:
            ValueError: beyond the last learned position.
        """
        end, longest = start + x.shape[1], len(self.table)
        if end > longest:
            raise ValueError(
                f"position {end - 1} was never learned: this table ends at {longest - 1}. "
                "Make it longer, cut the text, or use Sinusoidal."
            )
        return x + self.table[start:end]
