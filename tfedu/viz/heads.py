"""Figures about many heads at once: what each looks at, and what one measure of them says about another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfedu.viz.palette import INK, PANEL, series
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stacked(
    groups: Sequence[str],
    parts: Mapping[str, Sequence[float] | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "",
) -> Figure:
    """Draw one horizontal bar a group, cut into its parts; every part has a colour and a hatch.

    Args:
        groups: the n names on the vertical axis, top first.
        parts: for each part, at most five, its n sizes.
        title: the finding, in a sentence.
        xlabel: what the parts are shares of.

    Raises:
        ValueError: if a part has not one size for each group.
    """
    import matplotlib.pyplot as plt

    with context():
        fig, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.27 * len(groups)))
        start = np.zeros(len(groups))
        for index, (name, sizes) in enumerate(parts.items()):
            sizes = np.asarray(sizes, dtype=float)
            if sizes.shape != start.shape:
                raise ValueError(f"{name!r} has {sizes.shape} sizes for {len(groups)} groups: give one each.")
            look = series(index)
            ax.barh(
                range(len(groups)), sizes, 0.8, left=start, color=look.light, hatch=look.hatch, edgecolor=PANEL.light,
                lw=0, alpha=0.85, label=name,
            )  # fmt: skip
            start = start + sizes
        ax.set_yticks(range(len(groups)), groups, color=INK.light)
        ax.set_ylim(len(groups) - 0.45, -0.55)
        ax.set_xlim(0, start.max())
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(length=0)
        ax.set_xlabel(xlabel)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=10, borderaxespad=0.2, handlelength=1.4,
            columnspacing=1.4, borderpad=0.1,
        )  # fmt: skip
        headline(ax, title)
    return fig


def scatter(
    points: Mapping[str, tuple[Sequence[float] | np.ndarray, Sequence[float] | np.ndarray]],
    *,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
) -> Figure:
    """Draw points, a colour and a marker for each series.

    Args:
        points: for each series, at most five, its places across and up.
        title: the finding, in a sentence.
        xlabel, ylabel: what is measured.
    """
    import matplotlib.pyplot as plt

    with context():
        fig, ax = plt.subplots(figsize=(WIDTH, 0.6 * WIDTH))
        for index, (name, (across, up)) in enumerate(points.items()):
            look = series(index)
            ax.plot(across, up, ls="", marker=look.marker, ms=7, color=look.light, alpha=0.85, label=name)
        ax.grid(True)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        if len(points) > 1:
            ax.legend(fontsize=10)
        headline(ax, title)
    return fig
