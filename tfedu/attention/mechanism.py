"""The law of the book, and the multi-head wrapper (Vaswani et al. 2017, section 3.2.2).

**Law**: a mechanism turns queries and keys into a map of weights, and its output is that map times the
values, ``forward(q, k, v) == weights(q, k) @ v``. The fast way may never build the map; it must still give
the same numbers. One property test holds every mechanism of the package to this.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Prepared(NamedTuple):
    """What a score needs of the keys, computed once and used for many queries; see `Mechanism.prepare`."""

    keys: Tensor


class Mechanism(nn.Module):
    """How queries gather values. Law: ``forward(q, k, v) == weights(q, k) @ v``.

    Masks are boolean, True = may attend, and broadcast to the map ``(..., T, S)``. A query that may attend
    to nothing gathers zeros. With no keys at all (S = 0) every query is such a query.

    Attributes:
        rows_sum_to_one: whether each row of the map is a distribution over the keys (unless it is masked
            whole). A mechanism that truly breaks this sets it to False, and the law test reads it.
    """

    rows_sum_to_one: ClassVar[bool] = True

    def prepare(self, k: Float[Tensor, "*batch S Dk"]) -> Prepared:
        """The part of the work that depends on the keys alone: a decoder does it once per sentence."""
        return Prepared(k)

    def weights(
        self,
        q: Float[Tensor, "*batch T Dq"],
        k: Float[Tensor, "*batch S Dk"] | Prepared,
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T S"]:
        """The map: row t holds the weight that query t gives to each key."""
        raise NotImplementedError(f"{type(self).__name__} must say what its weights are.")

    def forward(
        self,
        q: Float[Tensor, "*batch T Dq"],
        k: Float[Tensor, "*batch S Dk"] | Prepared,
        v: Float[Tensor, "*batch S Dv"],
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T Dv"]:
        """What each query gathers; `k` may be the keys or what `prepare` made of them."""
        return self.weights(q, k, mask) @ v


class Scored(Mechanism):
    """A mechanism that scores each pair of query and key, and takes the softmax over the keys."""

    def score(self, q: Float[Tensor, "*batch T Dq"], k: Prepared) -> Float[Tensor, "*batch T S"]:
        """How well each query fits each key; any real number."""
        raise NotImplementedError(f"{type(self).__name__} must say how it scores a query against a key.")

    def weights(
        self,
        q: Float[Tensor, "*batch T Dq"],
        k: Float[Tensor, "*batch S Dk"] | Prepared,
        mask: Bool[Tensor, "*#batch #T #S"] | None = None,
    ) -> Float[Tensor, "*batch T S"]:
        """The softmax of the scores over the keys that the mask allows."""
        return masked_softmax(self.score(q, k if isinstance(k, Prepared) else self.prepare(k)), mask)


def masked_softmax(
    scores: Float[Tensor, "*batch T S"], mask: Bool[Tensor, "*#batch #T #S"] | None = None
) -> Float[Tensor, "*batch T S"]:
    """Softmax over the last axis, over the entries where `mask` is True; exactly zero elsewhere.

    A row without any allowed entry is all zeros and passes a zero gradient, where a plain softmax over
    ``-inf`` gives NaN in both directions.

    Raises:
        TypeError: if the mask is not boolean (a mask of numbers means different things in different libraries).
        ValueError: if the mask's shape does not broadcast to the scores'.
    """
    if mask is None:
        return scores.softmax(dim=-1)
    check_mask(mask, scores.shape)
    # The fill is finite, so that a row masked whole is harmless to softmax; the second fill makes it zero.
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0.0)


def check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    """Complain, naming the fix, unless `mask` is boolean and broadcasts to a map of `shape`."""
    if mask.dtype != torch.bool:
        raise TypeError(f"masks are boolean, True = may attend; got {mask.dtype}. Try mask.bool().")
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == torch.Size(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"a mask of shape {tuple(mask.shape)} does not broadcast to the map's {tuple(shape)}: "
            "its last two axes are queries and keys. A padding mask (B, S) is mask[:, None, :]."
        )


def check_widths(q: Tensor, k: Tensor, query_width: int, key_width: int, name: str) -> None:
    """Complain, naming the fix, unless queries and keys have the widths that mechanism `name` was made for."""
    if q.shape[-1] != query_width or k.shape[-1] != key_width:
        raise ValueError(
            f"{name} was made for queries of width {query_width} and keys of width {key_width}; "
            f"got {q.shape[-1]} and {k.shape[-1]}."
        )


class KeysValues(NamedTuple):
    """The keys and values of all heads; see `MultiHeadAttention.keys_values`."""

    keys: Float[Tensor, "B H S K"]
    values: Float[Tensor, "B H S K"]


class MultiHeadAttention(nn.Module):
    """Several heads beside each other, each with its own projections (Vaswani et al. 2017, section 3.2.2).

    ``MultiHead(Q, K, V) = Concat(head_1, ..., head_H) W_O`` with
    ``head_i = mechanism(Q W_Q_i, K W_K_i, V W_V_i)``. The H projections of one kind are one matrix here.

    Args:
        width: D, of inputs and output.
        heads: H; each is ``K = width / heads`` wide.
        mechanism: how a head's queries gather its values; any `Mechanism` that takes queries and keys of
            width K. By default the paper's scaled dot product.
        bias: whether the projections add a bias.

    Raises:
        ValueError: if `heads` does not divide `width`.
    """

    def __init__(
        self, width: int, heads: int, mechanism: Mechanism | None = None, *, bias: bool = True
    ) -> None:
        from tfedu.attention.dot_product import DotProduct

        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(
                f"{heads} heads do not divide a width of {width}; each head is width / heads wide."
            )
        self.heads = heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)
        self.mechanism = DotProduct() if mechanism is None else mechanism

    def forward(
        self,
        queries: Float[Tensor, "B T D"],
        keys: Float[Tensor, "B S D"] | None = None,
        values: Float[Tensor, "B S D"] | None = None,
        mask: Bool[Tensor, "#B #T #S"] | Bool[Tensor, "#B #H #T #S"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Attend from `queries` to `keys`, which default to the queries (self-attention); `values` to the keys.

        `mask` is (B, T, S) for all heads alike, or (B, H, T, S); axes of size 1 broadcast.
        """
        return self.attend(queries, self.keys_values(queries if keys is None else keys, values), mask)

    def keys_values(
        self, keys: Float[Tensor, "B S D"], values: Float[Tensor, "B S D"] | None = None
    ) -> KeysValues:
        """What the heads look at: a decoder makes it once for each word, and keeps it for all later ones."""
        return KeysValues(
            *(
                rearrange(project(x), "b s (h k) -> b h s k", h=self.heads)
                for project, x in ((self.key, keys), (self.value, keys if values is None else values))
            )
        )

    def attend(
        self,
        queries: Float[Tensor, "B T D"],
        seen: KeysValues,
        mask: Bool[Tensor, "#B #T #S"] | Bool[Tensor, "#B #H #T #S"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Attend from `queries` to what `keys_values` made."""
        if mask is not None and mask.dim() == 3:
            mask = rearrange(mask, "b t s -> b 1 t s")
        q = rearrange(self.query(queries), "b t (h k) -> b h t k", h=self.heads)
        return self.output(rearrange(self.mechanism(q, *seen, mask), "b h t k -> b t (h k)"))
