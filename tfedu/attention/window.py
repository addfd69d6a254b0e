"""Attention inside windows that shift from layer to layer (Liu et al. 2021, section 3.2).

The tokens stand on a grid. Windows of a fixed side tile it, and each token sees its own window only; in every
second layer the borders lie elsewhere, `shift` tokens further down and to the right, so that what a border parted
comes together. Added to each score is a learned bias of the offset between query and key (equation 4).

In the grid's own coordinates a shift changes one thing: where the borders are. Two tokens see each other if

    (y - shift) // window and (x - shift) // window

are the same for both. So `weights` is a map over the whole grid, exactly zero outside the windows. The fast way
never makes it. It rolls the grid until the shifted windows are whole ones, which brings tokens of opposite edges
into one window, and closes the way between them (the paper's figure 4).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tfedu.attention.dot_product import DotProduct
from tfedu.attention.mechanism import Prepared, check_mask, masked_softmax


class OnGrid(NamedTuple):
    """Keys on a grid, in rows from the top left; given to `Windowed` they say where each token stands."""

    keys: Float[Tensor, "*batch N K"]
    rows: int
    columns: int


class Windowed(DotProduct):
    """``softmax(q k^T * scale + bias[h, offset]) v`` over the keys of the query's window.

    Queries and keys are the tokens of one grid, in rows. Without a grid (plain keys) they stand in one row, the
    keys at 0 to S - 1 and the queries at the last T of these places, as in `Rotary`.

    Args:
        window: side of a window, in tokens.
        shift: how far the windows' borders lie from where the grid begins.
        heads: H; each has biases of its own. With 1, all heads share them.
        position_bias: whether there are biases at all.
        scale: of the dot product; ``1 / sqrt(K)`` unless given.

    Raises:
        ValueError: unless ``0 <= shift < window``.
    """

    index: Tensor

    def __init__(
        self,
        window: int,
        shift: int = 0,
        heads: int = 1,
        *,
        position_bias: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__(scale)
        if not 0 <= shift < window:
            raise ValueError(f"a window of side {window} can shift by 0 to {window - 1} tokens; got {shift}.")
        self.window, self.shift = window, shift
        self.table = nn.Parameter(torch.zeros(heads, (2 * window - 1) ** 2)) if position_bias else None
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        index = self._index_of(places[:, None] - places[None, :])
        self.register_buffer("index", index.view([window] * 4), persistent=False)  # [y, x] to [y, x]

    def fitted(self, rows: int, columns: int) -> tuple[int, int]:
        """Side and shift of the windows on a grid: no wider than the grid, and at rest where one covers a side."""
        side = min(rows, columns)
        return (side, 0) if side <= self.window else (self.window, self.shift)

    def bias(self, side: int) -> Float[Tensor, "H n n"] | None:
        """The bias of each head between the n = side² tokens of a window, in rows; None without biases.

        A smaller window than this was made for has the same offsets, only fewer.
        """
        if self.table is None:
            return None
        return self.table[:, self.index[:side, :side, :side, :side].reshape(side**2, side**2)]

    def seen(self, T: int, k: Tensor | Prepared | OnGrid) -> Bool[Tensor, "T S"]:
        """Which keys stand in the window of which of the T queries."""
        queries, keys, side, shift = self._places(T, k)
        query_window, key_window = ((p + (side - shift)) // side for p in (queries, keys))
        return (query_window[:, None] == key_window[None, :]).all(dim=-1)

    def score(self, q: Float[Tensor, "*batch T K"], k: Prepared | OnGrid) -> Float[Tensor, "*batch T S"]:
        """The scaled dot product, and the bias of the offset; of pairs in different windows it means nothing."""
        scores = super().score(q, Prepared(k.keys))
        if self.table is None:
            return scores
        queries, keys, *_ = self._places(q.shape[-2], k)
        bias = self.table[:, self._index_of(queries[:, None] - keys[None, :])]
        return scores + self._for_heads(bias, scores)

    def weights(
        self,
        q: Float[Tensor, "*batch T K"],
        k: Float[Tensor, "*batch S K"] | Prepared | OnGrid,
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T S"]:
        """The map over the whole grid."""
        k = Prepared(k) if isinstance(k, Tensor) else k
        scores, seen = self.score(q, k), self.seen(q.shape[-2], k)
        if mask is not None:
            check_mask(mask, scores.shape)
            seen = seen & mask
        return masked_softmax(scores, seen)

    def forward(
        self,
        q: Float[Tensor, "*batch T K"],
        k: Float[Tensor, "*batch S K"] | Prepared | OnGrid,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each query gathers: window by window, where windows tile a grid and no mask closes more."""
        if mask is not None or not isinstance(k, OnGrid) or q.dim() < 3 or q.shape != k.keys.shape:
            return self.weights(q, k, mask) @ v
        _, rows, columns = k
        side, shift = self.fitted(rows, columns)
        if rows % side or columns % side:
            return self.weights(q, k) @ v
        self._check_grid(q.shape[-2], k)
        H = q.shape[-3]
        # Windows count as more pictures; shifted ones, of which the seams differ, as more heads.
        windows = "b (r c h) (i j) k" if shift else "(b r c) h (i j) k"
        sizes = {"r": rows // side, "c": columns // side, "h": H, "i": side, "j": side}

        def cut(x: Tensor) -> Tensor:
            x = x.reshape(-1, H, rows, columns, x.shape[-1])
            x = x.roll((-shift, -shift), (2, 3)) if shift else x
            return rearrange(x, f"b h (r i) (c j) k -> {windows}", i=side, j=side)

        queries, keys, values = cut(q), cut(k.keys), cut(v)
        extra = self.bias(side)
        extra = None if extra is None else self._for_heads(extra, q)
        if shift:
            joined = _joined(rows, columns, side, shift, q.device)  # (r c, 1, n, n)
            extra = torch.where(joined, q.new_zeros(()) if extra is None else extra, float("-inf"))
            extra = extra.expand(-1, H, -1, -1).flatten(0, 1)
        if q.is_cpu and torch.is_grad_enabled() and any(x.requires_grad for x in (q, extra) if x is not None):
            # To train on a CPU plain products are a tenth to a half faster than torch's kernel with learned biases.
            scores = super().score(queries, Prepared(keys))
            scores = scores if extra is None else scores + extra
            gathered = scores.softmax(dim=-1).to(values.dtype) @ values
        else:
            if extra is not None:
                extra = extra.to(q.dtype).expand(*queries.shape[:2], -1, -1)
            gathered = F.scaled_dot_product_attention(
                queries, keys, values, attn_mask=extra, scale=self.scale
            )
        gathered = rearrange(gathered, f"{windows} -> b h (r i) (c j) k", **sizes)
        gathered = gathered.roll((shift, shift), (2, 3)) if shift else gathered
        return gathered.reshape(v.shape)

    def flex(
        self, q: Float[Tensor, "*batch N K"], k: OnGrid, v: Float[Tensor, "*batch N Dv"]
    ) -> Float[Tensor, "*batch N Dv"]:
        """The same by FlexAttention (Dong et al. 2024), which compiles the rule itself into the kernel.

        Tokens are brought into the order of their windows, so that these are blocks on the diagonal and the kernel
        skips the rest. The windows at the edge stay smaller ones: nothing is padded, rolled or masked by adding.
        Compile it (`torch.compile`), or torch makes the whole map.
        """
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        self._check_grid(q.shape[-2], k)
        order, window_of = _by_window(k.rows, k.columns, *self.fitted(k.rows, k.columns), q.device)
        y, x = order // k.columns, order % k.columns
        table, W = self.table, self.window

        def same_window(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
            return window_of[t] == window_of[s]

        def with_bias(score: Tensor, b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
            if table is None:
                return score
            dy = (y[t] - y[s]).clamp(1 - W, W - 1) + W - 1
            dx = (x[t] - x[s]).clamp(1 - W, W - 1) + W - 1
            return score + table[h if len(table) > 1 else 0, dy * (2 * W - 1) + dx]

        N = len(order)
        blocks = create_block_mask(same_window, None, None, N, N, device=q.device)
        queries, keys, values = (
            rearrange(x, "... h n k -> (...) h n k")[:, :, order] for x in (q, k.keys, v)
        )
        gathered = flex_attention(
            queries, keys, values, score_mod=with_bias, block_mask=blocks, scale=self.scale
        )
        return gathered[:, :, order.argsort()].reshape(v.shape)

    def _index_of(self, offset: Tensor) -> Tensor:
        """Where in the table the biases of offsets (..., 2) stand: rows first, each from most negative."""
        y, x = (offset.clamp(1 - self.window, self.window - 1) + self.window - 1).unbind(-1)
        return y * (2 * self.window - 1) + x

    def _places(self, T: int, k: Tensor | Prepared | OnGrid) -> tuple[Tensor, Tensor, int, int]:
        """Row and column of each query and each key, and the windows' side and shift."""
        device = self.index.device
        if isinstance(k, OnGrid):
            self._check_grid(T, k)
            places = torch.arange(T, device=device)
            places = torch.stack([places // k.columns, places % k.columns], dim=-1)
            return places, places, *self.fitted(k.rows, k.columns)
        S = (k if isinstance(k, Tensor) else k.keys).shape[-2]
        query, key = torch.arange(S - T, S, device=device), torch.arange(S, device=device)
        queries, keys = (torch.stack([torch.zeros_like(x), x], dim=-1) for x in (query, key))
        return queries, keys, self.window, self.shift

    def _check_grid(self, T: int, k: OnGrid) -> None:
        if not T == k.keys.shape[-2] == k.rows * k.columns:
            raise ValueError(
                f"a grid of {k.rows} by {k.columns} has {k.rows * k.columns} tokens; got {T} queries and "
                f"{k.keys.shape[-2]} keys."
            )

    def _for_heads(self, bias: Float[Tensor, "H T S"], like: Tensor) -> Tensor:
        """The bias, once it is clear that its heads are those of `like`, (..., H, T, ...)."""
        if len(bias) == 1:
            return bias[0] if like.dim() == 2 else bias
        if like.dim() < 3 or like.shape[-3] != len(bias):
            got = f"{like.shape[-3]} of them" if like.dim() >= 3 else "scores without an axis of heads"
            raise ValueError(
                f"Windowed was made for {len(bias)} heads; got {got}. "
                "Give it as many heads as there are, or 1 for all alike."
            )
        return bias


def _joined(
    rows: int, columns: int, side: int, shift: int, device: torch.device
) -> Bool[Tensor, "windows 1 n n"]:
    """In the rolled grid: which tokens of a window were neighbours, and not brought together from opposite edges."""
    # While torch compiles, a tensor may be a stand-in, which must not be kept.
    made = _make_joined.__wrapped__ if torch.compiler.is_compiling() else _make_joined
    return made(rows, columns, side, shift, device)


@lru_cache(maxsize=64)
def _make_joined(rows: int, columns: int, side: int, shift: int, device: torch.device) -> Tensor:
    with torch.inference_mode(
        False
    ):  # a tensor that was made for inference alone could not be kept for training
        down, right = (torch.arange(n, device=device) >= n - shift for n in (rows, columns))
        part = 2 * down.long()[:, None] + right.long()[None, :]
        part = rearrange(part, "(r i) (c j) -> (r c) 1 (i j)", i=side, j=side)
        return part.unsqueeze(-1) == part.unsqueeze(-2)


def _by_window(rows: int, columns: int, side: int, shift: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The tokens in the order of their windows, and the window of each in that order."""
    y, x = ((torch.arange(n, device=device) + side - shift) // side for n in (rows, columns))
    window = (y[:, None] * (x[-1] + 1) + x[None, :]).flatten()
    order = window.argsort(stable=True)
    return order, window[order]
