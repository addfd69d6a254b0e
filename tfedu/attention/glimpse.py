"""A glimpse as attention: each cell of a retina gathers the pixels that it covers (Mnih et al. 2014, section 3.1).

Queries and keys are points; around each query lies a square cell, around each key a pixel of side one. The weight
is the share of the cell that the pixel covers. With cells of side one that is bilinear interpolation, with larger
ones the mean over an area, both exact at any position between the pixels. There is no score and no softmax: the
weight follows from geometry alone.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.attention.mechanism import Mechanism, Prepared, check_mask, check_widths


class Pixels(NamedTuple):
    """Keys on a grid, in rows from the top left: pixel (y, x) has its centre at (y + 1/2, x + 1/2).

    Given as keys they say where a pixel is without a search: the fast way reads just those under a cell.
    """

    height: int
    width: int

    def points(self, like: Tensor) -> Float[Tensor, "S 2"]:
        """The centres as keys (y, x), with the type and device of `like`."""
        y, x = (
            torch.arange(n, dtype=like.dtype, device=like.device) + 0.5 for n in (self.height, self.width)
        )
        return torch.cartesian_prod(y, x)


class Glimpse(Mechanism):
    """``weight = area(cell around q and pixel around k) / area(cell)``, in any number of dimensions.

    Outside the picture there is nothing to gather, as if it were black. So the rows of a cell that reaches over the
    edge sum to less than one: to the share of the cell that lies inside.

    Args:
        side: of the cell, in pixels.

    Raises:
        ValueError: if `side` is not above zero.
    """

    rows_sum_to_one: ClassVar[bool] = False

    def __init__(self, side: float = 1.0) -> None:
        super().__init__()
        if not side > 0:
            raise ValueError(f"a cell has a side above 0 pixels; got {side}.")
        self.side = side

    def covered(self, distance: Tensor) -> Tensor:
        """Along one axis: the share of a cell that a pixel covers whose centre is so far from the cell's."""
        both = (self.side + 1) / 2 - distance.abs()  # where the two intervals overlap, or their gap
        return both.clamp(0.0, min(self.side, 1.0)) / self.side

    def weights(
        self,
        q: Float[Tensor, "*batch T Dk"],
        k: Float[Tensor, "*batch S Dk"] | Prepared | Pixels,
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T S"]:
        """The sampling kernel of each cell over all pixels; areas are products, so it is made axis by axis."""
        if isinstance(k, Pixels):
            self._check_grid(q)
            y, x = (torch.arange(n, dtype=q.dtype, device=q.device) + 0.5 for n in k)
            rows = self.covered(q[..., 0:1] - y)  # (..., T, h)
            columns = self.covered(q[..., 1:2] - x)  # (..., T, w)
            found = (rows.unsqueeze(-1) * columns.unsqueeze(-2)).flatten(-2)  # (..., T, h w)
        else:
            keys = k.keys if isinstance(k, Prepared) else k
            check_widths(q, keys, q.shape[-1], q.shape[-1], type(self).__name__)
            found = self.covered(q.unsqueeze(-2) - keys.unsqueeze(-3)).prod(dim=-1)
        if mask is None:
            return found
        check_mask(mask, found.shape)
        return found.masked_fill(~mask, 0.0)

    def forward(
        self,
        q: Float[Tensor, "*batch T Dk"],
        k: Float[Tensor, "*batch S Dk"] | Prepared | Pixels,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each cell sees. On a grid only the pixels under the cells are read, however large the picture."""
        if not isinstance(k, Pixels) or mask is not None:
            return self.weights(q, k, mask) @ v
        self._check_grid(q)
        if v.shape[-2] != k.height * k.width:
            raise ValueError(
                f"a picture of {k.height} by {k.width} has {k.height * k.width} values; got {v.shape[-2]}."
            )
        *lead, T, _ = q.shape
        q, v = q.reshape(-1, T, 2), v.reshape(-1, k.height, k.width, v.shape[-1])
        (y, rows), (x, columns) = (self._under(q[..., axis], n) for axis, n in enumerate(k))
        windows = v.unfold(1, rows.shape[-1], 1).unfold(2, columns.shape[-1], 1)  # a view of v, no copy
        read = windows[torch.arange(len(v), device=v.device).unsqueeze(-1), y, x]  # (B, T, C, n, n)
        read = (read * rows[:, :, None, :, None]).sum(dim=-2)
        return (read * columns[:, :, None]).sum(dim=-1).reshape(*lead, T, -1)

    def _under(self, centre: Float[Tensor, "B T"], length: int) -> tuple[Tensor, Tensor]:
        """Along one axis of `length`: the first of the n pixels that a cell can touch, and how much of it each
        covers (B, T, n). At the edge the n are shifted inside; those that the cell does not touch get 0."""
        n = min(math.ceil(self.side) + 1, length)
        first = (centre.detach() - self.side / 2).floor().clamp(0, length - n)
        pixel = first.unsqueeze(-1) + torch.arange(n, device=centre.device)
        return first.long(), self.covered(centre.unsqueeze(-1) - pixel - 0.5)

    def _check_grid(self, q: Tensor) -> None:
        if q.shape[-1] != 2:
            raise ValueError(
                f"the pixels of a picture lie in 2 dimensions; queries of width {q.shape[-1]} do not: give (y, x)."
            )
