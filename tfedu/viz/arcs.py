"""A text with arcs from its tokens to those they look at: one layer below the line, the next above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tfedu.viz.palette import INK, QUERY, SERIES, SOFT, WEIGHTS, Role
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Query and key, counted from 0, and the weight between them.
Edges = Mapping[tuple[int, int], float]


def arcs(
    tokens: Sequence[str],
    below: Edges,
    above: Edges,
    *,
    asks: int | None = None,
    guess: str = "",
    names: tuple[str, str] = ("layer 1", "layer 2"),
    title: str = "",
) -> Figure:
    """Draw the edges of two layers; an arc's arrow stands at the token that is looked at, its width is the weight.

    Args:
        tokens: the text.
        below, above: the edges of the first and of the second layer.
        asks: the token that asks; it is marked.
        guess: what is predicted after the last token.
        names: of the layers.
        title: the finding, in a sentence.

    Raises:
        ValueError: if an edge leads from or to a token that is not there.
    """
    import matplotlib.pyplot as plt

    n = len(tokens)
    if beyond := [edge for edge in (*below, *above) if not all(0 <= end < n for end in edge)]:
        raise ValueError(f"{beyond[0]} is no edge between {n} tokens, counted from 0.")
    spans = [[abs(q - k) for q, k in edges] or [1] for edges in (below, above)]
    down, up = (0.35 + 0.42 * min(max(span), 5.2) for span in spans)
    with context():
        right = n + (0.9 if guess else 0)
        scale = WIDTH / (right + 0.4)
        fig, ax = plt.subplots(figsize=(WIDTH, scale * (up + down + 1.1) + 0.5))
        ax.set(xlim=(-0.9, right - 0.5), ylim=(-down - 0.5, up + 0.6), aspect="equal")
        ax.axis("off")
        for place, token in enumerate(tokens):
            role = QUERY if place == asks else INK
            ax.text(place, 0, token, ha="center", va="center", color=role.text, fontsize=13,
                    fontweight=600 if place == asks else 400)  # fmt: skip
        if guess:
            ax.text(
                n, 0, f"→ {guess}", ha="center", va="center", color=WEIGHTS.text, fontsize=13, fontweight=600
            )
        for edges, side, role in ((below, -1, SERIES[1]), (above, 1, WEIGHTS)):
            for (query, key), weight in edges.items():
                _arc(ax, query, key, weight, side, role)
        ax.text(-0.85, up + 0.35, names[1], color=WEIGHTS.text, fontsize=11, fontweight=600, va="center")
        ax.text(-0.85, -down - 0.3, names[0], color=SERIES[1].text, fontsize=11, fontweight=600, va="center")
        ax.text(right - 0.55, -down - 0.3, "an arrow points at what is looked at", color=SOFT.light, fontsize=9.5,
                ha="right", va="center")  # fmt: skip
        headline(ax, title)
    return fig


def _arc(ax: Axes, query: int, key: int, weight: float, side: int, role: Role) -> None:
    from matplotlib.patches import FancyArrowPatch

    start, end = (float(query), side * 0.33), (float(key), side * 0.33)
    if query == key:  # to itself: a small loop
        start, end = (query + 0.18, side * 0.33), (key - 0.18, side * 0.33)
    bend = min(0.9, 4.4 / max(abs(query - key), 1)) if query != key else 1.6
    # Seen from the query, the arc to an earlier key bends up if its curvature is positive.
    turn = side * bend * (1 if query >= key else -1)
    ax.add_patch(
        FancyArrowPatch(
            start, end, connectionstyle=f"arc3,rad={turn}", arrowstyle="-|>,head_width=2.2,head_length=4",
            lw=0.5 + 2.2 * weight, color=role.light, alpha=0.35 + 0.65 * min(weight, 1.0), shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip
