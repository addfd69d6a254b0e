"""Additive attention (Bahdanau, Cho and Bengio 2015, section 3.1 and appendix A.1.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.attention.mechanism import Prepared, Scored, check_widths


class Additive(Scored):
    """``score(q, k) = energy . tanh(query(q) + key(k))``: a small network judges each pair.

    In the paper's letters: ``e_ij = v_a^T tanh(W_a s_{i-1} + U_a h_j)``, so ``query`` is W_a, ``key`` is
    U_a, ``energy`` is v_a. ``key(k)`` does not depend on the query: `prepare` computes it once.

    Args:
        query_width: of the queries (the decoder's states s).
        key_width: of the keys (the encoder's annotations h).
        hidden: width of the small network.
    """

    def __init__(self, query_width: int, key_width: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_width, hidden, bias=False)
        self.key = nn.Linear(key_width, hidden, bias=False)
        self.energy = nn.Linear(hidden, 1, bias=False)

    def prepare(self, k: Float[Tensor, "*batch S Dk"]) -> Prepared:
        """``key(k)``, the half of the score that only the keys decide."""
        if k.shape[-1] != self.key.in_features:
            check_widths(k, k, k.shape[-1], self.key.in_features, type(self).__name__)
        return Prepared(self.key(k))

    def score(self, q: Float[Tensor, "*batch T Dq"], k: Prepared) -> Float[Tensor, "*batch T S"]:
        """The energy of each pair."""
        check_widths(q, k.keys, self.query.in_features, self.key.out_features, type(self).__name__)
        both = self.query(q).unsqueeze(-2) + k.keys.unsqueeze(-3)  # (..., T, 1, A) + (..., 1, S, A)
        return self.energy(torch.tanh(both)).squeeze(-1)
