"""A learned bias for each distance, added to the score (Shaw et al. 2018, as Raffel et al. 2020 simplified it)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tfedu.attention.dot_product import DotProduct
from tfedu.attention.mechanism import Prepared, check_mask


class RelativeBias(DotProduct):
    """``softmax(q k^T * scale + bias[h, s - t]) v``: what a head thinks of a distance, whatever the words are.

    Shaw et al. add a vector for the distance to each key; here, as in T5, it is one number for each head and
    distance. Distances beyond `reach` share the bias of the farthest.

    Args:
        heads: H; each has biases of its own. With 1, all heads share them.
        reach: the largest distance with a bias of its own.
        scale: of the dot product; ``1 / sqrt(K)`` unless given.
    """

    def __init__(self, heads: int, reach: int = 32, scale: float | None = None) -> None:
        super().__init__(scale)
        self.reach = reach
        self.table = nn.Parameter(torch.zeros(heads, 2 * reach + 1))

    def bias(self, T: int, S: int) -> Float[Tensor, "H T S"]:
        """The bias of each head between each query and each key.

        Keys stand at 0 to S - 1 and queries at the last T of these places, as in `Rotary`.
        """
        device = self.table.device
        query, key = torch.arange(S - T, S, device=device), torch.arange(S, device=device)
        distance = (key[None, :] - query[:, None]).clamp(-self.reach, self.reach)
        return self.table[:, distance + self.reach]

    def score(self, q: Float[Tensor, "*batch H T K"], k: Prepared) -> Float[Tensor, "*batch H T S"]:
        """The scaled dot product, and the bias of the distance."""
        scores = super().score(q, k)
        return scores + self._bias_of(scores.shape)

    def forward(
        self,
        q: Float[Tensor, "*batch H T K"],
        k: Float[Tensor, "*batch H S K"] | Prepared,
        v: Float[Tensor, "*batch H S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch H T Dv"]:
        """What each query gathers, by torch's fused kernel, which adds the bias to the scores."""
        keys = k.keys if isinstance(k, Prepared) else k
        if q.shape[-1] != keys.shape[-1] or keys.shape[-2] == 0:
            return self.weights(q, k, mask) @ v
        shape = (*q.shape[:-1], keys.shape[-2])
        bias = self._bias_of(shape)
        if mask is None:
            return F.scaled_dot_product_attention(q, keys, v, attn_mask=bias.expand(shape), scale=self.scale)
        check_mask(mask, shape)
        open_rows = mask.any(dim=-1, keepdim=True)  # see DotProduct.forward
        bias = torch.where(mask | ~open_rows, bias, float("-inf")).expand(shape)
        gathered = F.scaled_dot_product_attention(q, keys, v, attn_mask=bias, scale=self.scale)
        return gathered.masked_fill(~open_rows, 0.0)

    def _bias_of(self, shape: tuple[int, ...]) -> Tensor:
        """The bias for scores of `shape`, once it is clear that the heads fit."""
        bias = self.bias(*shape[-2:])
        if len(bias) == 1:
            return bias[0]
        if len(shape) < 3 or shape[-3] != len(bias):
            got = f"{shape[-3]} of them" if len(shape) >= 3 else "scores without an axis of heads"
            raise ValueError(
                f"RelativeBias was made for {len(bias)} heads; got {got}. "
                "Give it as many heads as the MultiHeadAttention around it, or 1 for all alike."
            )
        return bias
