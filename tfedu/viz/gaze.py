"""A gaze over a picture: where each glimpse looked, and all that one glimpse saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfedu.viz.on_image import as_picture, draw_picture
from tfedu.viz.palette import GROUND, QUERY, WEIGHTS
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor


def gaze(
    pictures: Sequence[Tensor | np.ndarray] | Tensor,
    locations: Sequence[Tensor | np.ndarray] | Tensor,
    captions: Sequence[str] = (),
    *,
    cells: int = 8,
    scales: int = 3,
    columns: int = 4,
    title: str = "",
) -> Figure:
    """Draw each picture with the path of its gaze: numbered glimpses, and the squares of the last one.

    Args:
        pictures: each (h, w) or (h, w, 3), from 0 to 1.
        locations: for each picture its glimpses (T, 2), as (y, x) from -1 to 1.
        captions: what stands under each picture.
        cells, scales: of the sensor; 0 scales draw no squares.
        columns: pictures in a row.
        title: the finding, in a sentence.

    Raises:
        ValueError: if there is not one path, and one caption or none, for each picture.
    """
    import matplotlib.pyplot as plt

    if len(locations) != len(pictures) or (captions and len(captions) != len(pictures)):
        raise ValueError(
            f"{len(pictures)} pictures want as many paths and captions; got {len(locations)} and {len(captions)}."
        )
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    side = WIDTH / columns
    with context():
        fig, axes = plt.subplots(
            rows, columns, figsize=(WIDTH, rows * (side + (0.24 if captions else 0.05))), squeeze=False
        )
        for number, ax in enumerate(axes.flat):
            if number >= len(pictures):
                ax.set_visible(False)
                continue
            draw_gaze(ax, pictures[number], locations[number], cells=cells, scales=scales)
            if captions:
                ax.set_xlabel(captions[number], fontsize=10, labelpad=3)
        headline(axes[0, 0], title)
    return fig


def draw_gaze(ax: Axes, picture: Any, path: Any, *, cells: int = 8, scales: int = 3) -> None:
    """Draw one picture with the path (T, 2) of a gaze into `ax`; see `gaze`."""
    shown = as_picture(picture)
    height, width = shown.shape[:2]
    draw_picture(ax, shown)
    places = (np.asarray(path, dtype=float) + 1) / 2 * [height, width]
    if scales:
        _squares(ax, places[-1], cells, scales)
    ax.plot(places[:, 1], places[:, 0], color=QUERY.light, lw=1.4, zorder=4)
    inch = ax.get_window_extent().width / ax.figure.dpi
    large = float(np.clip(7.5 * inch, 8, 15))
    for t, (y, x) in enumerate(places, 1):
        last = t == len(places)
        ax.plot(
            x, y, marker=QUERY.marker, ms=large, mfc=QUERY.light if last else GROUND.light, mec=QUERY.light, mew=1.2,
            zorder=5, clip_on=False,
        )  # fmt: skip
        ax.text(
            x, y, str(t), ha="center", va="center_baseline", fontsize=0.72 * large, zorder=6,
            color=GROUND.light if last else QUERY.text,
        )  # fmt: skip


def retina(picture: Any, location: Any, seen: Any, *, title: str = "") -> Figure:
    """Draw a picture with the squares of one glimpse, and beside it what the glimpse saw at each scale.

    Args:
        picture: (h, w), from 0 to 1.
        location: (y, x) from -1 to 1.
        seen: what `GlimpseSensor` gives for it, (n, g, g).
        title: the finding, in a sentence.
    """
    import matplotlib.pyplot as plt

    views = seen.detach().cpu().numpy() if hasattr(seen, "detach") else np.asarray(seen)
    scales, cells = views.shape[0], views.shape[-1]
    columns = math.ceil(scales / 2)
    with context():
        fig = plt.figure(figsize=(WIDTH, WIDTH * 1.06 / (1 + columns / 2)))
        grid = fig.add_gridspec(2, 1 + columns, width_ratios=[2, *[1] * columns])
        whole = fig.add_subplot(grid[:, 0])
        shown = as_picture(picture)
        draw_picture(whole, shown)
        _squares(whole, (np.asarray(location, dtype=float) + 1) / 2 * shown.shape[:2], cells, scales)
        whole.set_xlabel("the picture", fontsize=10)
        for scale, view in enumerate(views):
            ax = fig.add_subplot(grid[scale // columns, 1 + scale % columns])
            draw_picture(ax, as_picture(view.clip(0, 1)))
            wide = cells * 2**scale
            ax.set_xlabel(f"{wide} × {wide} pixels", fontsize=10)
            for spine in ax.spines.values():
                spine.set(color=WEIGHTS.light, linewidth=1.2)
        headline(whole, title)
    return fig


def _squares(ax: Axes, place: Any, cells: int, scales: int) -> None:
    """Outline the squares of a glimpse at `place`, (y, x) in pixels."""
    from matplotlib.patches import Rectangle

    for scale in range(scales):
        wide = cells * 2**scale
        corner = (place[1] - wide / 2, place[0] - wide / 2)
        ax.add_patch(Rectangle(corner, wide, wide, fill=False, ec=WEIGHTS.light, lw=1.2, zorder=3))
