"""Scaled dot-product attention (Vaswani et al. 2017, equation 1)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.attention.mechanism import Prepared, Scored, check_mask


class DotProduct(Scored):
    """``softmax(q k^T * scale) v``; the scale is ``1 / sqrt(K)`` unless given.

    The fast way is torch's `scaled_dot_product_attention`, which never stores the map.
    """

    def __init__(self, scale: float | None = None) -> None:
        super().__init__()
        self.scale = scale

    def score(self, q: Float[Tensor, "*batch T K"], k: Prepared) -> Float[Tensor, "*batch T S"]:
        """The dot product of each query with each key, scaled so that its variance does not grow with K."""
        if q.shape[-1] != k.keys.shape[-1]:
            raise ValueError(
                f"a dot product needs queries and keys of one width; got {q.shape[-1]} and {k.keys.shape[-1]}. "
                "Project one of them (LuongGeneral does), or use Additive."
            )
        scale = 1 / math.sqrt(q.shape[-1]) if self.scale is None else self.scale
        return (q * scale) @ k.keys.mT

    def forward(
        self,
        q: Float[Tensor, "*batch T K"],
        k: Float[Tensor, "*batch S K"] | Prepared,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each query gathers, by torch's fused kernel."""
        keys = k.keys if isinstance(k, Prepared) else k
        if q.shape[-1] != keys.shape[-1] or keys.shape[-2] == 0:
            return self.weights(q, k, mask) @ v  # the clear error, or the zeros, of the explicit way
        if mask is None:
            return fused(q, keys, v, None, self.scale)
        check_mask(mask, (*q.shape[:-1], keys.shape[-2]))
        # The kernels disagree about a query that may attend to nothing (some average every value), so such
        # rows are opened for the kernel and their output made zero.
        open_rows = mask.any(dim=-1, keepdim=True)
        gathered = fused(q, keys, v, mask | ~open_rows, self.scale)
        return gathered.masked_fill(~open_rows, 0.0)


def fused(
    q: Float[Tensor, "*batch T K"],
    k: Float[Tensor, "*batch S K"],
    v: Float[Tensor, "*batch S Dv"],
    extra: Float[Tensor, "*#batch T S"] | Bool[Tensor, "*#batch #T #S"] | None = None,
    scale: float | None = None,
) -> Float[Tensor, "*batch T Dv"]:
    """``softmax(q k^T * scale + extra) v`` by torch's fused kernel, where that is the fastest way.

    In bf16 on a CPU the kernel's gradient takes two to six times as long as plain products (65 to 512 tokens, torch
    2.13), so there, in training, the map is made.

    Args:
        q, k, v: queries, keys and values.
        extra: added to the scores, or, if boolean, where a query may attend; each may attend to something.
        scale: ``1 / sqrt(K)`` unless given.
    """
    trained = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    if not (trained and q.dtype is torch.bfloat16 and q.device.type == "cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=extra, scale=scale)
    scores = (q * (q.shape[-1] ** -0.5 if scale is None else scale)) @ k.mT
    if extra is not None:
        scores = scores.masked_fill(~extra, float("-inf")) if extra.dtype is torch.bool else scores + extra
    return scores.softmax(dim=-1).to(v.dtype) @ v
