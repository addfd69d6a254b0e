"""Three ways to read a sentence, side by side: by recurrence, by convolution, by attention."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tfedu.viz.diagrams import _arrow, _canvas, _write
from tfedu.viz.palette import LINE, PANEL, SERIES, SOFT, WEIGHTS, Role
from tfedu.viz.style import context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORDS = ("the", "keys", "of", "the", "car", "were")
REACH = 2  # words to either side that a convolution of five words reads
STEP, GAP = 0.62, 1.05


def layers_diagram(*, title: str = "From first word to last: many steps, many layers, or one look") -> Figure:
    """Draw what the last word's vector is made from; the way from the first word is drawn strong."""
    n = len(WORDS)
    width = STEP * (n - 1)
    with context():
        fig, ax = _canvas((-0.42, 3 * width + 2 * GAP + 0.42), (-0.8, 3.0))
        for panel, (name, role, note) in enumerate(
            (
                ("recurrence", SERIES[0], f"{n - 1} steps, each waits"),
                ("convolution", SERIES[1], "3 layers of 5 words"),
                ("self-attention", WEIGHTS, "1 layer"),
            )
        ):
            left = panel * (width + GAP)
            at = [left + STEP * i for i in range(n)]
            _write(ax, left + width / 2, 2.82, name, colour=role.text, weight=600, size=15)
            _write(ax, left + width / 2, 2.46, note, colour=SOFT.light, size=13)
            for x, word in zip(at, WORDS, strict=True):
                _write(ax, x, -0.62, word, size=12)
                _dot(ax, x, -0.2, role)
            if panel == 0:
                _line(ax, (at[0], -0.2), (at[0], 1.0), role)
                for before, x in pairwise(at):
                    _line(ax, (x, -0.2), (x, 1.0))
                    _arrow(ax, (before + 0.13, 1.0), (x - 0.13, 1.0), colour=role.light)
                tops = [1.0]
            elif panel == 1:
                tops = [0.5, 1.2, 1.9]
                way = [0, REACH, 2 * REACH, n - 1]
                for level, (low, high) in enumerate(pairwise([-0.2, *tops])):
                    for i in range(n):
                        for j in range(max(0, i - REACH), min(n, i + REACH + 1)):
                            strong = (j, i) == (way[level], way[level + 1])
                            _line(ax, (at[j], low), (at[i], high), role if strong else None)
            else:
                tops = [1.3]
                for i in range(n):
                    for j in range(n):
                        _line(ax, (at[j], -0.2), (at[i], 1.3), role if (j, i) == (0, n - 1) else None)
            for top in tops:
                for x in at:
                    _dot(ax, x, top, role)
        headline(ax, title)
    return fig


def _dot(ax: Axes, x: float, y: float, role: Role) -> None:
    ax.plot(x, y, "o", ms=9, mfc=PANEL.light, mec=role.light, mew=1.4, zorder=4)


def _line(ax: Axes, start: tuple[float, float], end: tuple[float, float], role: Role | None = None) -> None:
    """A connection; strong if it has a colour of its own."""
    colour, width, order = (LINE.light, 0.8, 1) if role is None else (role.light, 2.6, 3)
    ax.plot([start[0], end[0]], [start[1], end[1]], color=colour, lw=width, zorder=order)
