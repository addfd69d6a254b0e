"""A story with what each hop of a memory network looked at: one row a sentence, one column a hop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from tfedu.viz.palette import INK, KEY, PANEL, QUERY, SOFT, WEIGHTS
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW, _COLUMN, _GAP = 0.25, 0.78, 0.12  # inches


def story(
    sentences: Sequence[Sequence[str] | str],
    looks: Float[np.ndarray, "L S"] | Sequence[Sequence[float]],
    *,
    question: str = "",
    facts: Sequence[int] = (),
    title: str = "",
) -> Figure:
    """Draw a story, oldest sentence first; a bar is the weight that a hop gives to a sentence.

    Args:
        sentences: each a text, or its words.
        looks: the weights of each hop, one row a hop.
        question: written below, with its answer if there is one.
        facts: places of the supporting facts, in the order in which one needs them; each gets its number.
        title: the finding, in a sentence.

    Raises:
        ValueError: if there is not one weight for each sentence, or a fact is no sentence.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    weights = np.asarray(looks, dtype=float)
    S = len(sentences)
    if weights.ndim != 2 or weights.shape[1] != S:
        raise ValueError(f"looks has shape {weights.shape}, but there are {S} sentences: give (hops, {S}).")
    if not all(0 <= fact < S for fact in facts):
        raise ValueError(f"facts {tuple(facts)} point outside the {S} sentences, counted from 0.")
    texts = [one if isinstance(one, str) else " ".join(one) for one in sentences]
    left = WIDTH - len(weights) * (_COLUMN + _GAP)
    with context():
        fig, ax = plt.subplots(figsize=(WIDTH, _ROW * (S + 2 + bool(question)) + 0.35))
        ax.set(xlim=(0, WIDTH), ylim=(S + 0.2 + 1.2 * bool(question), -1.1))
        ax.axis("off")
        for hop in range(len(weights)):
            ax.text(left + hop * (_COLUMN + _GAP), -0.35, f"hop {hop + 1}", color=SOFT.light, fontsize=10)
        for row, text in enumerate(texts):
            number = f"{list(facts).index(row) + 1}" if row in facts else ""
            ax.text(0, row + 0.5, number, va="center", fontweight=600, color=INK.light, fontsize=11)
            ax.text(0.18, row + 0.5, text, va="center", color=KEY.text, fontsize=11,
                    fontweight=600 if number else 400)  # fmt: skip
            for hop, weight in enumerate(weights[:, row]):
                x = left + hop * (_COLUMN + _GAP)
                ax.add_patch(Rectangle((x, row + 0.16), _COLUMN, 0.68, color=PANEL.light, lw=0))
                if weight >= 0.01:
                    ax.add_patch(
                        Rectangle((x, row + 0.16), _COLUMN * weight, 0.68, color=WEIGHTS.light, lw=0)
                    )
        if question:
            ax.text(0.18, S + 0.7, question, va="center", color=QUERY.text, fontsize=11, fontweight=600)
        headline(ax, title)
    return fig
