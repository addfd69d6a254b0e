"""The two drawings of the first chapters: one vector for a whole sentence, and attention in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfedu.viz.palette import GROUND, INK, KEY, LINE, PANEL, QUERY, SERIES, SOFT, VALUE, WEIGHTS, Role
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOURCE = ("er", "ruft", "sie", "an", ".")
TARGET = ("he", "calls", "her", ".")


def bottleneck_diagram(
    source: Sequence[str] = SOURCE,
    target: Sequence[str] = TARGET,
    *,
    title: str = "All that is read must pass through one vector",
) -> Figure:
    """Draw an encoder that reads, the one vector it leaves, and a decoder that writes from it.

    Args:
        source: words read, at most five or so.
        target: words written, at most five or so.
        title: the finding, in a sentence.
    """
    step, gap = 0.94, 0.98  # inches between cells, and between a half and the vector
    vector = step * (len(source) - 1) + gap
    start = vector + gap
    with context():
        fig, ax = _canvas((-0.42, start + step * (len(target) - 1) + 0.42), (-0.78, 1.2))
        for i, word in enumerate(source):
            _cell(ax, i * step, 0, SERIES[0].light)
            _write(ax, i * step, -0.55, word)
            _arrow(ax, (i * step, -0.44), (i * step, -0.25))
            if i:
                _arrow(ax, ((i - 1) * step + 0.28, 0), (i * step - 0.28, 0))
        _arrow(ax, (vector - gap + 0.28, 0), (vector - 0.16, 0))
        _arrow(ax, (vector + 0.16, 0), (start - 0.28, 0))
        _bar(ax, vector, 0, SERIES[1].light)
        for j, word in enumerate(target):
            x = start + j * step
            _cell(ax, x, 0, SERIES[2].light)
            _write(ax, x, 0.55, word)
            _arrow(ax, (x, 0.25), (x, 0.42))
            _write(ax, x, -0.55, target[j - 1] if j else "start", colour=SOFT.light, size=12)
            _arrow(ax, (x, -0.44), (x, -0.25), colour=LINE.light)
            if j:
                _arrow(ax, (x - step + 0.28, 0), (x - 0.28, 0))
        middle = step * (len(source) - 1) / 2
        _write(ax, middle, 0.95, "the encoder reads", colour=SERIES[0].text, weight=600)
        _write(ax, vector, 0.95, "one vector", colour=SERIES[1].text, weight=600)
        _write(ax, start + step * (len(target) - 1) / 2 + 0.1, 0.95, "the decoder writes",
               colour=SERIES[2].text, weight=600)  # fmt: skip
        headline(ax, title)
    return fig


def attention_diagram(
    source: Sequence[str] = SOURCE,
    weights: Sequence[float] = (0.03, 0.52, 0.05, 0.37, 0.03),
    *,
    written: str = "he",
    writing: str = "calls",
    title: str = "A query weighs every key; the weights mix the values",
) -> Figure:
    """Draw one step of attention: query against keys, weights, and the mixture of values they make.

    Args:
        source: words read, about five.
        weights: one a word, summing to one.
        written: the last word written, whose decoder state is the query.
        writing: the word that the mixture helps to write.
        title: the finding, in a sentence.

    Raises:
        ValueError: there is not one weight per word, or they do not sum to one.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if len(weights) != len(source) or abs(sum(weights) - 1) > 1e-6:
        raise ValueError(
            f"{len(source)} words need {len(source)} weights that sum to one, not {list(weights)}"
        )
    step = 0.98
    right = step * (len(source) - 1)
    middle = right / 2
    low, row, top = 0.0, 1.12, 2.62  # the encoder's states, the weights, the mixture
    with context():
        fig, ax = _canvas((-1.42, right + 0.72), (-0.66, top + 0.42))
        # The query meets every key: one blue rail with a drop to each weight.
        ax.plot([-0.72, right], [row, row], color=QUERY.light, lw=1.4, zorder=1)
        ax.plot(-0.98, row, "o", ms=31, color=QUERY.light, zorder=3)
        _write(ax, -0.98, row, "q", colour="white", weight=600, size=15)
        _write(ax, -0.98, row - 0.42, "query", colour=QUERY.text, weight=600)
        _write(ax, -0.98, row - 0.64, f"after “{written}”", colour=SOFT.light, size=11.5)

        width = 0.62  # of the mixture; the ribbons fill it, for the weights sum to one
        filled = middle - width / 2
        for i, (word, weight) in enumerate(zip(source, weights, strict=True)):
            x = i * step
            _write(ax, x, low - 0.47, word)
            for side, letter, role in ((-0.18, "k", KEY), (0.18, "v", VALUE)):
                _box(ax, x + side, low, 0.3, role)
                _write(ax, x + side, low, letter, colour=role.text, weight=600)
                rise = [low + 0.2, row - 0.46, row - 0.22]
                ax.plot([x + side, x + side, x + side / 3], rise, color=role.light, lw=1.4, zorder=1)
            # From the weight up to the mixture: as thick as the weight.
            thick = weight * width
            half = thick / 2
            end = filled + half
            filled += thick
            bend = (row + top) / 2
            corners = [
                (x - half, row), (x - half, bend), (end - half, bend), (end - half, top - 0.2),
                (end + half, top - 0.2), (end + half, bend), (x + half, bend), (x + half, row),
            ]  # fmt: skip
            codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
            ax.add_patch(PathPatch(Path(corners, codes), color=WEIGHTS.light, alpha=0.8, lw=0, zorder=1))
            ax.plot(x, row, "o", ms=29, color=GROUND.light, zorder=3)
            ax.plot(x, row, "o", ms=29, mfc="none", mec=WEIGHTS.light, mew=1.8, zorder=4)
            _write(ax, x, row, f"{weight:.2f}"[1:], colour=WEIGHTS.text, weight=600, size=12)
        _box(ax, middle, top, width, VALUE)
        _write(ax, middle, top, "c", colour=VALUE.text, weight=600, size=14)
        left = middle - width / 2 - 0.1
        _write(ax, left, top, "mixture of values", colour=VALUE.text, weight=600, ha="right")
        _arrow(ax, (middle + width / 2 + 0.06, top), (middle + width / 2 + 0.62, top))
        _write(ax, middle + width / 2 + 0.72, top, f"writes “{writing}”", weight=600, ha="left")
        _write(ax, -1.42, row + 0.74, "weights", colour=WEIGHTS.text, weight=600, ha="left")
        _write(ax, -1.42, row + 0.52, "sum to one", colour=SOFT.light, size=11.5, ha="left")
        _write(ax, -1.42, low - 0.02, "keys", colour=KEY.text, weight=600, ha="left")
        _write(ax, -0.98, low - 0.02, "values", colour=VALUE.text, weight=600, ha="left")
        headline(ax, title)
    return fig


def _canvas(across: tuple[float, float], upward: tuple[float, float]) -> tuple[Figure, Axes]:
    """Open a drawing board of the book's width in which lengths are about inches."""
    import matplotlib.pyplot as plt

    scale = WIDTH / (across[1] - across[0])
    fig, ax = plt.subplots(figsize=(WIDTH, scale * (upward[1] - upward[0]) + 0.4))
    ax.set(xlim=across, ylim=upward, aspect="equal")
    ax.axis("off")
    return fig, ax


def _write(
    ax: Axes,
    x: float,
    y: float,
    text: str,
    *,
    colour: str = INK.light,
    weight: int = 400,
    size: float = 12,
    ha: str = "center",
) -> None:
    if colour == "white":
        colour = GROUND.light  # on a filled mark: the page's colour, in either theme
    ax.text(x, y, text, color=colour, fontweight=weight, fontsize=size * 0.9, ha=ha, va="center", zorder=5)


def _cell(ax: Axes, x: float, y: float, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch(
        (x - 0.2, y - 0.15), 0.4, 0.3, boxstyle="round,pad=0.05,rounding_size=0.1",
        fc=PANEL.light, ec=colour, lw=1.7, zorder=3,
    )  # fmt: skip
    ax.add_patch(box)


def _box(ax: Axes, x: float, y: float, width: float, role: Role) -> None:
    from matplotlib.patches import Rectangle

    corner = (x - width / 2, y - 0.2)
    ax.add_patch(Rectangle(corner, width, 0.4, color=GROUND.light, lw=0, zorder=2))
    ax.add_patch(Rectangle(corner, width, 0.4, color=role.light, alpha=0.1, lw=0, zorder=3))
    ax.add_patch(Rectangle(corner, width, 0.4, fill=False, ec=role.light, lw=1.8, zorder=3))


def _bar(ax: Axes, x: float, y: float, colour: str) -> None:
    """A vector: five numbers one upon another."""
    from matplotlib.patches import Rectangle

    for number, shade in zip(np.linspace(-0.4, 0.24, 5), (0.95, 0.45, 0.7, 0.3, 0.85), strict=True):
        ax.add_patch(Rectangle((x - 0.1, y + number), 0.2, 0.16, fc=colour, alpha=shade, ec="none", zorder=3))
    ax.add_patch(Rectangle((x - 0.1, y - 0.4), 0.2, 0.8, fc="none", ec=colour, lw=1.7, zorder=4))


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = SOFT.light) -> None:
    ax.annotate(
        "", end, start, zorder=2,
        arrowprops={"arrowstyle": "-|>,head_width=0.16,head_length=0.3", "color": colour, "lw": 1.3,
                    "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
