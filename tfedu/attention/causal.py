"""Scaled dot-product attention that looks back only (Vaswani et al. 2017, section 3.2.3; Radford et al. 2018)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.attention.dot_product import DotProduct
from tfedu.attention.mechanism import Prepared, check_mask


class Causal(DotProduct):
    """`DotProduct` in which each query sees its own place and all before it, whatever else a mask forbids.

    The last query stands at the last key: with more keys than queries, the first keys are those of a cache. The
    triangle need not be stored, so torch's kernel skips the half of the work that it would only throw away.
    """

    def weights(
        self,
        q: Float[Tensor, "*batch T K"],
        k: Float[Tensor, "*batch S K"] | Prepared,
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T S"]:
        """The softmax of the scores over the keys at and before each query's place."""
        keys = k.keys if isinstance(k, Prepared) else k
        return super().weights(q, k, _triangle(q, keys, mask))

    def forward(
        self,
        q: Float[Tensor, "*batch T K"],
        k: Float[Tensor, "*batch S K"] | Prepared,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each query gathers, by torch's fused kernel."""
        keys = k.keys if isinstance(k, Prepared) else k
        # The kernel's own triangle puts the first query at the first key, so it is ours only in a square.
        if mask is None and q.shape == keys.shape and q.shape[-2] > 1:
            return F.scaled_dot_product_attention(q, keys, v, is_causal=True, scale=self.scale)
        if q.shape[-1] != keys.shape[-1] or keys.shape[-2] == 0:
            return self.weights(q, k, mask) @ v
        return super().forward(q, k, v, _triangle(q, keys, mask))


def _triangle(q: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor | None:
    """What may be attended to; None, where that is everything."""
    T, S = q.shape[-2], keys.shape[-2]
    if mask is not None:
        check_mask(mask, (*q.shape[:-1], S))
    if T == 1:
        return mask
    seen = torch.ones(T, S, dtype=torch.bool, device=q.device).tril(S - T)
    return seen if mask is None else seen & mask
