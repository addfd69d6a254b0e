"""Masks, boolean, True = may attend."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor


def causal_mask(
    queries: int, keys: int | None = None, device: torch.device | None = None
) -> Bool[Tensor, "T S"]:
    """Each query may attend to its own place and to all before it.

    The last query stands at the last key: with more keys than queries, the first keys are what a cache holds.
    (`is_causal` of torch's kernel puts the first query at the first key instead, which is wrong then.)

    Raises:
        ValueError: if there are fewer keys than queries.
    """
    keys = queries if keys is None else keys
    if keys < queries:
        raise ValueError(f"each of {queries} queries is a key too, but there are only {keys} keys.")
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
