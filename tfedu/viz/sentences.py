"""Sentences and their translations: which word gives which, and which words are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfedu.data.matching import common
from tfedu.viz.palette import INK, SERIES
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfedu.data.grammar import Pair


def unmatched(words: Sequence[str], wanted: Sequence[str]) -> set[int]:
    """Positions in `words` that are not in a longest common subsequence with `wanted`."""
    return set(range(len(words))) - {i for i, _ in common(words, wanted)}


def links_diagram(pair: Pair, *, title: str = "") -> Figure:
    """Draw a sentence over its translation, a line for each gold link.

    Args:
        pair: at most about ten words on either side, or the letters overlap.
        title: the finding, in a sentence.
    """
    import matplotlib.pyplot as plt

    with context():
        fig, ax = plt.subplots(figsize=(WIDTH, 2.3))
        places = []
        for words, y, up in ((pair.source, 1.0, True), (pair.target, 0.0, False)):
            # Words as wide as their letters, spread over the whole line.
            wide = [len(word) + 2 for word in words]
            at = [(sum(wide[:n]) + wide[n] / 2) / sum(wide) for n in range(len(words))]
            places.append(at)
            for x, word in zip(at, words, strict=True):
                ax.text(x, y, word, ha="center", va="bottom" if up else "top", fontsize=11.5, color=INK.light)
        for s, t in sorted(pair.links):
            ends = (places[0][s], places[1][t])
            ax.plot(ends, (0.98, 0.02), color=SERIES[1].light, lw=1.8)
        ax.set(xlim=(0, 1), ylim=(-0.25, 1.25))
        ax.axis("off")
        headline(ax, title)
    return fig
