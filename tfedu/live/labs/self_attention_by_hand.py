"""The lab "Self-attention by hand": three tokens as arrows; each asks all three, and a 3 × 3 map of weights follows.

It grows out of "Attention by hand": queries, keys and values are now made from the tokens, by three fixed matrices.
It runs no model; the page starts from what is computed here by the package's own `DotProduct`.
"""

from __future__ import annotations

import html
from typing import Any

MODEL = None

WORDS = ("die", "Katze", "schläft")
TOKENS = ((1.4, 0.4), (0.4, 1.6), (-1.5, 0.8))
#: ``q = W_Q x`` turns a token back by a little less than a quarter, so that each finds the one before it.
W_Q = ((0.4, 1.2), (-1.2, 0.4))
W_K = ((1.0, 0.0), (0.0, 1.0))
W_V = ((1.0, 0.0), (0.0, -1.0))

_CELL, _LEFT = 46, 70


def record(model: str | None = None, text: str | None = None) -> dict[str, Any]:
    """The example, and what scaled dot-product attention makes of it.

    Raises:
        ValueError: a model or a text was given; this lab has neither.
    """
    import torch

    from tfedu.attention import DotProduct

    if model is not None or text is not None:
        raise ValueError('this lab runs no model and reads no text: Lab("self-attention-by-hand").')
    x, to_q, to_k, to_v = (torch.tensor(rows, dtype=torch.float64) for rows in (TOKENS, W_Q, W_K, W_V))
    q, k, v = x @ to_q.T, x @ to_k.T, x @ to_v.T
    weights = DotProduct().weights(q, k)
    rows = {"x": TOKENS, "W_q": W_Q, "W_k": W_K, "W_v": W_V}
    return {
        "words": list(WORDS),
        **{name: [list(row) for row in table] for name, table in rows.items()},
        "q": q.tolist(),
        "k": k.tolist(),
        "v": v.tolist(),
        "temperature": 1,
        "causal": False,
        "weights": weights.tolist(),
        "output": (weights @ v).tolist(),
    }


def still(recording: dict[str, Any]) -> str:
    """The map: a row for each token that asks, a column for each that is asked."""
    words, weights = recording["words"], recording["weights"]
    drawn = ""
    for t, (word, row) in enumerate(zip(words, weights, strict=True)):
        middle = _CELL * (t + 1.5) - 16
        name = html.escape(word)
        drawn += (
            f'<text x="{_LEFT + _CELL * (t + 0.5)}" y="20" text-anchor="middle" '
            f'style="fill:var(--tf-key-text)">{name}</text><text x="{_LEFT - 8}" y="{middle + 4}" '
            f'text-anchor="end" style="fill:var(--tf-query-text)">{name}</text>'
        )
        for s, weight in enumerate(row):
            x, y = _LEFT + _CELL * s, _CELL * (t + 1) - 16
            drawn += (
                f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}" '
                f'style="fill:var(--tf-weights);fill-opacity:{0.45 * weight:.2f};stroke:var(--tf-line)"/>'
                f'<text x="{x + _CELL / 2}" y="{middle + 4}" text-anchor="middle" '
                f'style="fill:var(--tf-ink)">{weight:.2f}</text>'
            )
    last = weights[-1]
    best = max(range(len(words)), key=lambda s: last[s])
    finding = f"“{words[-1]}” looks most at “{words[best]}”: {last[best]:.2f} of its output comes from there."
    spoken = html.escape(f"A map of weights, each of {', '.join(words)} asking all three. {finding}")
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 300 {4 * _CELL - 12}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:30rem;font:600 13px var(--tf-sans,sans-serif)">'
        f"{drawn}</svg><figcaption>{html.escape(finding)}</figcaption></figure>"
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the tokens, what was made of them, the map and the outputs."""
    return {
        name: recording[name] for name in ("x", "q", "k", "v", "temperature", "causal", "weights", "output")
    }
