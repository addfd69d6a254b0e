"""Read one (T, S) map and its words out of whatever a figure is given."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from torch import Tensor

    from tfedu.trace import AttentionMap


def matrix(
    weights: AttentionMap | Tensor | np.ndarray,
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    *,
    item: int = 0,
    head: int | None = None,
) -> tuple[Float[np.ndarray, "T S"], list[str], list[str]]:
    """Give the weights as a (T, S) array with one word per row and per column.

    Args:
        weights: an `AttentionMap`, or a tensor or array of shape (T, S), (H, T, S) or (B, H, T, S).
        query_tokens: the words of the rows; those of the map if not given, else numbers.
        key_tokens: the words of the columns, likewise.
        item: which sentence of the batch.
        head: which head; their mean if not given.

    Raises:
        ValueError: a shape or a number of words does not fit.
    """
    values: Any = getattr(weights, "weights", weights)
    if query_tokens is None:
        query_tokens = getattr(weights, "query_tokens", None)
    if key_tokens is None:
        key_tokens = getattr(weights, "key_tokens", None)
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    values = np.asarray(values, dtype=float)
    if values.ndim == 4:
        values = values[item]
    if values.ndim == 3:
        values = values.mean(0) if head is None else values[head]
    if values.ndim != 2:
        raise ValueError(f"a map has shape (T, S), (H, T, S) or (B, H, T, S), not {np.shape(values)}")
    rows, columns = values.shape
    queries = [str(t + 1) for t in range(rows)] if query_tokens is None else [str(t) for t in query_tokens]
    keys = [str(s + 1) for s in range(columns)] if key_tokens is None else [str(s) for s in key_tokens]
    for side, count, words in (("rows (queries)", rows, queries), ("columns (keys)", columns, keys)):
        if count != len(words):
            raise ValueError(
                f"the map has {count} {side} but {len(words)} words are given: {' '.join(words[:8])} … "
                "Rows are the words that were predicted, columns the words attended to; cut off the padding."
            )
    return values, queries, keys


def markup(word: str) -> str:
    """Write a word so that Plotly, which reads a little HTML, shows it as it is (think of `<s>`)."""
    return html.escape(word, quote=False)
