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
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.attention.mechanism import Mechanism, Prepared, check_mask, check_widths


class Pixels(NamedTuple):
    """Keys on a grid, in rows from the top left: pixel (y, x) has its centre at (y + 1/2, x + 1/2).

    Given as keys they say where a pixel is without a search.
    """

    height: int
    width: int

    def points(self, like: Tensor) -> Float[Tensor, "S 2"]:
        """The centres as keys (y, x), with the type and device of `like`."""
        return torch.cartesian_prod(*self.axes(like))

    def axes(self, like: Tensor) -> tuple[Float[Tensor, " h"], Float[Tensor, " w"]]:
        """The centres of the rows, and of the columns."""
        y, x = (torch.arange(n, dtype=like.dtype, device=like.device) + 0.5 for n in self)
        return y, x


class Cells(NamedTuple):
    """Queries on a grid, in rows from the top left: the cells of a retina, each with its centre at (y, x).

    On pixels their areas are products, so all is made axis by axis, and only the pixels around them are read.
    """

    y: Float[Tensor, "*batch g"]
    x: Float[Tensor, "*batch f"]

    def points(self) -> Float[Tensor, "*batch T 2"]:
        """The centres as queries, T = g f."""
        y, x = self.y.unsqueeze(-1), self.x.unsqueeze(-2)
        return torch.stack(torch.broadcast_tensors(y, x), dim=-1).flatten(-3, -2)


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
        q: Float[Tensor, "*batch T Dk"] | Cells,
        k: Float[Tensor, "*batch S Dk"] | Prepared | Pixels,
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T S"]:
        """The sampling kernel of each cell over all pixels."""
        if isinstance(q, Cells) and isinstance(k, Pixels):
            rows, columns = (
                self.covered(c.unsqueeze(-1) - pixels) for c, pixels in zip(q, k.axes(q.y), strict=True)
            )
            found = rows[..., :, None, :, None] * columns[..., None, :, None, :]  # (..., g, f, h, w)
            found = found.flatten(-2).flatten(-3, -2)  # (..., T, h w)
        else:
            queries = q.points() if isinstance(q, Cells) else q
            keys = k.points(queries) if isinstance(k, Pixels) else k.keys if isinstance(k, Prepared) else k
            check_widths(queries, keys, queries.shape[-1], queries.shape[-1], type(self).__name__)
            found = self.covered(queries.unsqueeze(-2) - keys.unsqueeze(-3)).prod(dim=-1)
        if mask is None:
            return found
        check_mask(mask, found.shape)
        return found.masked_fill(~mask, 0.0)

    def forward(
        self,
        q: Float[Tensor, "*batch T Dk"] | Cells,
        k: Float[Tensor, "*batch S Dk"] | Prepared | Pixels,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each cell sees. Of cells and pixels on grids only the window around the cells is read, however
        large the picture."""
        if not (isinstance(q, Cells) and isinstance(k, Pixels)) or mask is not None:
            return self.weights(q, k, mask) @ v
        if v.shape[-2] != k.height * k.width:
            raise ValueError(
                f"a picture of {k.height} by {k.width} has {k.height * k.width} values; got {v.shape[-2]}."
            )
        lead = q.y.shape[:-1]
        v = v.reshape(-1, k.height, k.width, v.shape[-1])
        (y, rows), (x, columns) = (
            self._window(c.reshape(-1, c.shape[-1]), n) for c, n in zip(q, k, strict=True)
        )
        windows = v.unfold(1, rows.shape[-1], 1).unfold(2, columns.shape[-1], 1)  # a view of v, no copy
        read = windows[torch.arange(len(v), device=v.device), y, x]  # (B, C, n, m)
        seen = rows.unsqueeze(1) @ read @ columns.mT.unsqueeze(1)
        return rearrange(seen, "b c g f -> b (g f) c").reshape(*lead, -1, v.shape[-1])

    def _window(self, centres: Float[Tensor, "B g"], length: int) -> tuple[Tensor, Tensor]:
        """Along one axis of `length`: the first of the n pixels that the cells can touch (B), and how much of each
        cell each of them covers (B, g, n). At the edge the n are shifted inside; what no cell touches gets 0."""
        low, high = centres.detach().aminmax(dim=1)
        n = min(math.ceil(float((high - low).max()) + self.side) + 1, length)
        first = (low - self.side / 2).floor().clamp(0, length - n)
        pixels = first.unsqueeze(-1) + torch.arange(n, device=centres.device) + 0.5
        return first.long(), self.covered(centres.unsqueeze(-1) - pixels.unsqueeze(-2))
