"""Where a token stands, as a vector that is added to it. Attention alone does not know the order of its keys."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
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


def sinusoids_2d(
    rows: int, columns: int, width: int, device: torch.device | None = None, base: float = 10_000.0
) -> Float[Tensor, "N D"]:
    """Sines and cosines of the place on a grid, in rows from the top left: half of the width tells the row, half the
    column (as in Carion et al. 2020 and Chen et al. 2021). To move by rows and columns is again a linear map.

    Raises:
        ValueError: if `width` is no multiple of 4.
    """
    if width % 4:
        raise ValueError(
            f"rows and columns each need pairs of a sine and a cosine: width {width} is no multiple of 4."
        )
    row = sinusoids(rows, width // 2, device=device, base=base)
    column = sinusoids(columns, width // 2, device=device, base=base)
    grid = torch.cat(
        [row[:, None].expand(-1, columns, -1), column[None].expand(rows, -1, -1)], dim=-1
    )  # (rows, columns, D)
    return grid.flatten(0, 1)


def resize_positions(
    table: Float[Tensor, "N D"], old: tuple[int, int], new: tuple[int, int]
) -> Float[Tensor, "M D"]:
    """Learned positions of a grid of `old` rows and columns, for a grid of `new` ones: bicubic interpolation
    (Dosovitskiy et al. 2021, section 3.2). Prefix tokens have no place on the grid: leave their rows out.

    Raises:
        ValueError: if the table is not that of the old grid.
    """
    if len(table) != old[0] * old[1]:
        raise ValueError(
            f"a grid of {old[0]} by {old[1]} has {old[0] * old[1]} positions; the table has {len(table)}. "
            "Leave the class token's out."
        )
    if old == new:
        return table
    grid = rearrange(table, "(h w) d -> 1 d h w", h=old[0])
    wide = grid.float() if grid.dtype in (torch.float16, torch.bfloat16) else grid
    resized = F.interpolate(wide, size=new, mode="bicubic", align_corners=False)
    return rearrange(resized.to(table.dtype), "1 d h w -> (h w) d")
