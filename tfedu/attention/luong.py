"""The three scores of Luong, Pham and Manning (2015), section 3.1, equation 8."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from tfedu.attention.additive import Additive
from tfedu.attention.dot_product import DotProduct
from tfedu.attention.mechanism import Prepared, Scored, check_widths


class LuongDot(DotProduct):
    """``score(q, k) = q . k``: the dot product, without a scale."""

    def __init__(self) -> None:
        super().__init__(scale=1.0)


class LuongGeneral(Scored):
    """``score(q, k) = q . W_a k``: a dot product after a learned change of basis, so the widths may differ.

    Args:
        query_width: of the queries.
        key_width: of the keys.
    """

    def __init__(self, query_width: int, key_width: int) -> None:
        super().__init__()
        self.key = nn.Linear(key_width, query_width, bias=False)

    def prepare(self, k: Float[Tensor, "*batch S Dk"]) -> Prepared:
        """``W_a k``, once for all queries."""
        if k.shape[-1] != self.key.in_features:
            check_widths(k, k, k.shape[-1], self.key.in_features, type(self).__name__)
        return Prepared(self.key(k))

    def score(self, q: Float[Tensor, "*batch T Dq"], k: Prepared) -> Float[Tensor, "*batch T S"]:
        """The dot product of each query with each changed key."""
        check_widths(q, k.keys, self.key.out_features, self.key.out_features, type(self).__name__)
        return q @ k.keys.mT


class LuongConcat(Additive):
    """``score(q, k) = v_a . tanh(W_a [q; k])``: the paper's *concat*.

    A matrix times two stacked vectors is the sum of its two halves times one vector each,
    ``W_a [q; k] = W_q q + W_k k``. So this is Bahdanau's additive score, to the letter; what differs in the
    two papers is where in the decoder it is used.
    """
