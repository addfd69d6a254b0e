"""Windows on a grid: where their borders lie, how a shift moves them, and what one token sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from tfedu.viz.palette import GROUND, INK, PANEL, QUERY, SOFT, WEIGHTS
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    Seen = Tensor | Bool[np.ndarray, "h w"]


def shifting_windows(
    rows: int = 8,
    columns: int = 8,
    window: int = 4,
    shift: int = 2,
    *,
    query: tuple[int, int] = (3, 3),
    title: str = "",
) -> Figure:
    """Draw the windows of two layers, and how the second layer's are made whole by rolling the grid.

    Args:
        rows, columns: of the grid; windows tile it.
        window: side of a window.
        shift: of the second layer.
        query: a token whose window is shaded in each panel.
        title: the finding, in a sentence.
    """
    import matplotlib.pyplot as plt

    y, x = np.mgrid[:rows, :columns]

    def seen(shift: int) -> np.ndarray:
        own = tuple((q - shift) // window for q in query)
        return ((y - shift) // window == own[0]) & ((x - shift) // window == own[1])

    with context():
        fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 0.42 * WIDTH * rows / columns))
        moved = ((query[0] - shift) % rows, (query[1] - shift) % columns)
        _board(axes[0], seen(0), window, 0, query, "one layer")
        _board(axes[1], seen(shift), window, shift, query, f"the next, shifted by {shift}")
        rolled = np.roll(seen(shift), (-shift, -shift), (0, 1))
        _board(axes[2], rolled, window, 0, moved, "the same, rolled")
        from_above, from_left = y < shift, x < shift  # these come out at the other side
        letters = np.where(
            from_above & from_left, "A", np.where(from_left, "B", np.where(from_above, "C", ""))
        )
        for ax, places in ((axes[1], letters), (axes[2], np.roll(letters, (-shift, -shift), (0, 1)))):
            for row, column in np.argwhere(places != ""):
                ax.text(
                    column + 0.5, row + 0.52, places[row, column], ha="center", va="center", fontsize=9,
                    color=SOFT.light, zorder=4,
                )  # fmt: skip
        seam = {"color": INK.light, "lw": 1.4, "ls": (0, (2, 2)), "zorder": 5}
        axes[2].plot((0, columns), (rows - shift, rows - shift), **seam)
        axes[2].plot((columns - shift, columns - shift), (0, rows), **seam)
        headline(axes[0], title)
    return fig


def seen_by_layer(
    seen: Mapping[str, Seen],
    window: int,
    shifts: Sequence[int],
    query: tuple[int, int],
    *,
    title: str = "",
) -> Figure:
    """Draw what one token depends on, a panel for each name, over the windows of the last layer before it.

    Args:
        seen: for each name what is seen on the grid, (h, w).
        window: side of the windows.
        shifts: for each panel.
        query: the token.
        title: the finding, in a sentence.

    Raises:
        ValueError: if there is not one shift for each panel.
    """
    import matplotlib.pyplot as plt

    if len(shifts) != len(seen):
        raise ValueError(f"{len(seen)} panels want as many shifts; got {len(shifts)}.")
    with context():
        fig, axes = plt.subplots(1, len(seen), figsize=(WIDTH, WIDTH / len(seen) + 0.85), squeeze=False)
        for ax, (name, one), shift in zip(axes[0], seen.items(), shifts, strict=True):
            _board(ax, np.asarray(one, dtype=bool), window, shift, query, name)
        headline(axes[0, 0], title)
    return fig


def _board(ax: Axes, seen: np.ndarray, window: int, shift: int, query: tuple[int, int], caption: str) -> None:
    """A grid of tokens, those seen in purple, the query in blue, and the borders of the windows."""
    from matplotlib.patches import Rectangle

    rows, columns = seen.shape
    ax.add_patch(Rectangle((0, 0), columns, rows, fc=PANEL.light, lw=0, zorder=0))
    for row, column in np.argwhere(seen):
        ax.add_patch(Rectangle((column, row), 1, 1, fc=WEIGHTS.light, alpha=0.55, lw=0, zorder=1))
    ax.add_patch(Rectangle((query[1], query[0]), 1, 1, fc=QUERY.light, lw=0, zorder=3))
    for n in range(rows + 1):
        strong = n in (0, rows) or (n - shift) % window == 0
        _rule(ax, (0, columns), (n, n), strong)
    for n in range(columns + 1):
        strong = n in (0, columns) or (n - shift) % window == 0
        _rule(ax, (n, n), (0, rows), strong)
    ax.set(xlim=(-0.15, columns + 0.15), ylim=(rows + 0.15, -0.15), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_xlabel(caption, fontsize=10.5, labelpad=4)


def _rule(ax: Axes, x: tuple[float, float], y: tuple[float, float], strong: bool) -> None:
    colour, width = (INK.light, 1.5) if strong else (GROUND.light, 0.9)
    ax.plot(x, y, color=colour, lw=width, solid_capstyle="butt", zorder=4 if strong else 2)
