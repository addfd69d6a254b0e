"""Figures of grids: pictures in rows, every head from one patch, how far heads look, and which places are alike."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from tfedu.viz.curves import _above
from tfedu.viz.maps import matrix
from tfedu.viz.on_image import Query, as_picture, draw_picture, on_image
from tfedu.viz.palette import INK, LINE, MIDDLE, QUERY, SOFT, rgb, series
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from tfedu.trace import AttentionMap


def pictures(
    shown: Sequence[Tensor | np.ndarray] | Tensor,
    captions: Sequence[str] = (),
    *,
    columns: int = 4,
    title: str = "",
) -> Figure:
    """Draw pictures side by side, each with a caption under it.

    Args:
        shown: each (h, w) or (h, w, 3), from 0 to 1.
        captions: one for each picture, or none; long ones are broken into lines.
        columns: pictures in a row.
        title: the finding, in a sentence.

    Raises:
        ValueError: if captions and pictures are not equally many, or a picture is not what `on_image` takes.
    """
    import matplotlib.pyplot as plt

    if captions and len(captions) != len(shown):
        raise ValueError(f"{len(shown)} pictures want as many captions; got {len(captions)}.")
    columns = min(columns, len(shown))
    rows = math.ceil(len(shown) / columns)
    side = WIDTH / columns
    captions = [textwrap.fill(caption, max(8, 64 // columns)) for caption in captions]
    lines = max((1 + caption.count("\n") for caption in captions), default=0)
    with context():
        fig, axes = plt.subplots(
            rows, columns, figsize=(WIDTH, rows * (side + 0.06 + 0.18 * lines)), squeeze=False
        )
        for ax in axes.flat[len(shown) :]:
            ax.set_visible(False)
        for number, (ax, picture) in enumerate(zip(axes.flat, shown, strict=False)):
            draw_picture(ax, as_picture(picture))
            if captions:
                ax.set_xlabel(captions[number], fontsize=10, labelpad=3)
        headline(axes[0, 0], title)
    return fig


def sentence(
    picture: Tensor | np.ndarray, size: int, *, words: int = 12, query: int | None = None, title: str = ""
) -> Figure:
    """Draw a picture cut into patches, and under it the beginning of the sentence that they make.

    Args:
        picture: (h, w) or (h, w, 3), from 0 to 1.
        size: side of a patch, in pixels; patches tile the picture.
        words: how many patches of the sentence are shown.
        query: the number of one patch, from 1, framed in both.
        title: the finding, in a sentence.

    Raises:
        ValueError: if the patches do not tile the picture.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    shown = as_picture(picture)
    rows, columns = (side // size for side in shown.shape[:2])
    if (rows * size, columns * size) != shown.shape[:2]:
        raise ValueError(f"patches of {size} pixels do not tile a picture of {shown.shape[:2]}.")
    colours = np.repeat(shown, 3, axis=2) if shown.shape[-1] == 1 else shown
    gap = 0.25
    step = (columns * (1 + gap) - gap) / words  # of the sentence, in patches
    side = step / (1 + gap)
    below = rows * (1 + gap) + 0.9

    with context():
        fig, ax = plt.subplots(
            figsize=(0.86 * WIDTH, 0.86 * WIDTH * (below + side + 0.5) / (columns * (1 + gap)))
        )
        for number in range(rows * columns):
            row, column = divmod(number, columns)
            cut = colours[row * size : (row + 1) * size, column * size : (column + 1) * size]
            places = [(column * (1 + gap), row * (1 + gap), 1.0)]
            places += [(number * step, below, side)] if number < words else []
            for x, y, wide in places:
                ax.imshow(cut, extent=(x, x + wide, y + wide, y), interpolation="none", vmin=0, vmax=1)
                if number + 1 == query:
                    ax.add_patch(Rectangle((x, y), wide, wide, fill=False, ec=QUERY.light, lw=2.2, zorder=3))
            if number < words:
                ax.text(
                    number * step + side / 2, below - 0.12, str(number + 1), ha="center", va="bottom",
                    fontsize=9.5, color=SOFT.light,
                )  # fmt: skip
        right = columns * (1 + gap) - gap
        if words < rows * columns:
            ax.text(right + 0.1, below + side / 2, "…", va="center", fontsize=13, color=SOFT.light)
        ax.set(xlim=(-0.05, right + 0.05), ylim=(below + side + 0.05, -0.05), xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        headline(ax, title)
    return fig


def heads_on_image(
    layers: Mapping[str, AttentionMap | Tensor | np.ndarray],
    picture: Tensor | np.ndarray,
    query: Query = None,
    *,
    grid: tuple[int, int] | None = None,
    item: int = 0,
    title: str = "",
) -> Figure:
    """Draw what every head sees from one query: a row for each layer, a column for each head.

    Args:
        layers: for each name its map, with as many heads in all.
        picture, query, grid, item: as `on_image` has them.
        title: the finding, in a sentence.

    Raises:
        ValueError: if the layers have not equally many heads, or a map does not fit the picture.
    """
    import matplotlib.pyplot as plt

    counts = {name: _heads(weights) for name, weights in layers.items()}
    if len({*counts.values()}) != 1:
        raise ValueError(f"a grid of figures wants equally many heads in each layer; got {counts}.")
    (heads,) = {*counts.values()}
    shown = as_picture(picture)
    side = (WIDTH - 0.35) / heads
    with context():
        fig, axes = plt.subplots(
            len(layers), heads,
            figsize=(WIDTH, 0.25 + len(layers) * (side * shown.shape[0] / shown.shape[1] + 0.06)), squeeze=False,
        )  # fmt: skip
        for row, (name, weights) in zip(axes, layers.items(), strict=True):
            for head, ax in enumerate(row):
                on_image(weights, picture, query=query, grid=grid, item=item, head=head, ax=ax)
            row[0].set_ylabel(name, fontsize=10.5, color=INK.light)
        for head, ax in enumerate(axes[0]):
            ax.set_title(f"head {head}", fontsize=10.5, fontweight=400, color=SOFT.light, pad=4, loc="center")
        headline(axes[0, 0], title)
    return fig


def _heads(weights: Any) -> int:
    values = getattr(weights, "weights", weights)
    return 1 if values.ndim == 2 else int(values.shape[-3])


def distances(
    values: Mapping[str, Float[np.ndarray, "layers heads"] | Tensor],
    *,
    uniform: float | None = None,
    title: str = "",
    ylabel: str = "mean attention distance",
) -> Figure:
    """Draw how far each head looks, by depth: a dot a head, and for each series the mean of its heads.

    Args:
        values: for each series (a seed, a model) its distances; at most five.
        uniform: the distance of a head that looks everywhere alike; drawn as a line.
        title: the finding, in a sentence.
        ylabel: what is measured, written above the axis.

    Raises:
        ValueError: if there are more than five series.
    """
    import matplotlib.pyplot as plt

    with context():
        fig, ax = plt.subplots(figsize=(WIDTH, WIDTH * 0.62))
        deepest = 1
        for index, (name, found) in enumerate(values.items()):
            look = series(index)
            table = np.asarray(found, dtype=float)
            layer = np.arange(1, len(table) + 1)
            deepest = max(deepest, len(table))
            place = layer + 0.14 * (index - (len(values) - 1) / 2)  # beside each other
            ax.plot(
                np.repeat(place, table.shape[1]), table.ravel(), ls="", marker=look.marker, ms=5, alpha=0.6,
                color=look.light, mew=0, zorder=3,
            )  # fmt: skip
            ax.plot(place, np.nanmean(table, axis=1), color=look.light, lw=1.4, label=name, zorder=2)
        if uniform is not None:
            ax.axhline(uniform, color=SOFT.light, lw=1, ls=(0, (4, 3)), zorder=1)
            ax.annotate(
                "looking everywhere alike", (1, uniform), xycoords=("axes fraction", "data"), xytext=(0, 4),
                textcoords="offset points", ha="right", fontsize=9.5, color=SOFT.light,
            )  # fmt: skip
        ax.set_xticks(range(1, deepest + 1))
        ax.set_xlim(0.6, deepest + 0.4)
        ax.set_ylim(bottom=0)
        ax.grid(True, axis="y")
        ax.set_xlabel("layer; a dot is a head, a line the mean of a model's heads")
        _above(ax, ylabel)
        if len(values) > 1:
            ax.legend(fontsize=10, loc="lower right")
        headline(ax, title)
    return fig


def position_similarity(
    table: Float[np.ndarray, "N D"] | Tensor,
    grid: tuple[int, int],
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draw how alike each place's vector is to all others: a grid of small grids (Dosovitskiy et al. 2021, figure 7).

    The small grid in row r and column c is the place (r, c): its cells are dark where the cosine to its vector is
    high, and its own cell is framed. White is the lowest cosine of the whole table, full colour is 1.

    Args:
        table: one vector for each cell, row by row; leave a class token's out.
        grid: rows and columns, h and w.
        title: the finding, in a sentence.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: if the table has not one vector for each cell.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    alike = cosines(table)
    rows, columns = grid
    if len(alike) != rows * columns:
        raise ValueError(
            f"a grid of {rows} by {columns} has {rows * columns} places; the table {len(alike)}."
        )
    gap = 1
    with context():
        alone = ax is None
        if ax is None:
            fig, ax = plt.subplots(figsize=(0.8 * WIDTH, 0.8 * WIDTH * rows / columns))
        else:
            fig = ax.figure  # type: ignore[assignment]
        high, wide = rows * (rows + gap) - gap, columns * (columns + gap) - gap
        purple = np.zeros((high, wide, 4))
        purple[..., :3] = np.array(rgb(MIDDLE["weights"])) / 255
        shade = (alike - alike.min()) / max(1 - alike.min(), 1e-12)
        for place, values in enumerate(shade):
            top, left = (place // columns) * (rows + gap), (place % columns) * (columns + gap)
            purple[top : top + rows, left : left + columns, 3] = values.reshape(rows, columns).clip(0, 1)
            ax.add_patch(Rectangle((left, top), columns, rows, fill=False, ec=LINE.light, lw=0.5, zorder=2))
            own = (left + place % columns, top + place // columns)
            ax.add_patch(Rectangle(own, 1, 1, fill=False, ec=QUERY.light, lw=0.9, zorder=3))
        ax.imshow(purple, extent=(0, wide, high, 0), interpolation="none")
        ax.set(xlim=(-0.3, wide + 0.3), ylim=(high + 0.3, -0.3))
        for axis, side in ((ax.xaxis, columns), (ax.yaxis, rows)):
            middles = [n * (side + gap) + side / 2 for n in range(side)]
            axis.set_ticks(middles, [str(n + 1) for n in range(side)])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("column of the patch")
        ax.set_ylabel("row of the patch")
        headline(ax, title, alone=alone)
    return fig


def cosines(table: Float[np.ndarray, "N D"] | Tensor) -> Float[np.ndarray, "N N"]:
    """The cosine between each two rows of a table."""
    values, _, _ = matrix(table)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-12)
    return unit @ unit.T
