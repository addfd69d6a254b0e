"""Rotary positions: turn queries and keys by their places, and scores see only distances (Su et al. 2021)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.attention.dot_product import DotProduct
from tfedu.attention.mechanism import Prepared


def rotate(
    x: Float[Tensor, "*batch N K"], start: int = 0, base: float = 10_000.0
) -> Float[Tensor, "*batch N K"]:
    """Turn each pair of coordinates ``(2i, 2i + 1)`` of row n by the angle ``(start + n) * base^(-2i / K)``.

    Equation 34 of Su et al. Turning two vectors leaves their dot product a function of the difference of the
    angles: ``rotate(q, m) . rotate(k, n)`` depends on m - n alone.

    Raises:
        ValueError: if K is odd.
    """
    N, K = x.shape[-2:]
    if K % 2:
        raise ValueError(f"a rotation turns pairs of coordinates; a head of width {K} leaves one over.")
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    place = torch.arange(start, start + N, device=x.device, dtype=exact)
    speed = base ** (-torch.arange(0, K, 2, device=x.device, dtype=exact) / K)
    angle = place[:, None] * speed
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Rotary(DotProduct):
    """Scaled dot-product attention between turned queries and turned keys; the values stay as they are.

    Keys stand at positions 0 to S - 1 and queries at the last T of them: the same places in self-attention,
    and the newest ones in a decoder that keeps its keys.
    """

    def __init__(self, scale: float | None = None, base: float = 10_000.0) -> None:
        super().__init__(scale)
        self.base = base

    def prepare(self, k: Float[Tensor, "*batch S K"]) -> Prepared:
        """The keys, turned by their places."""
        return Prepared(rotate(k, base=self.base))

    def score(self, q: Float[Tensor, "*batch T K"], k: Prepared) -> Float[Tensor, "*batch T S"]:
        """The scaled dot product of the turned query with each turned key."""
        return super().score(self._turn(q, k), k)

    def forward(
        self,
        q: Float[Tensor, "*batch T K"],
        k: Float[Tensor, "*batch S K"] | Prepared,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each query gathers, by torch's fused kernel."""
        keys = k if isinstance(k, Prepared) else self.prepare(k)
        if q.shape[-1] != keys.keys.shape[-1] or keys.keys.shape[-2] == 0:
            return self.weights(q, keys, mask) @ v
        return super().forward(self._turn(q, keys), keys, v, mask)

    def _turn(self, q: Tensor, k: Prepared) -> Tensor:
        return rotate(q, k.keys.shape[-2] - q.shape[-2], self.base)
