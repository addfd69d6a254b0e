"""Attention over a picture: where the weight of a query lies, drawn on what it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from tfedu.viz.palette import LINE, QUERY, WEIGHTS, rgb
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from tfedu.trace import AttentionMap

#: Which query: its number, its (row, column) on the keys' grid, several numbers, or all of them.
Query = int | tuple[int, int] | slice | Sequence[int] | None


def on_image(
    weights: AttentionMap | Tensor | np.ndarray,
    picture: Tensor | np.ndarray,
    *,
    query: Query = None,
    grid: tuple[int, int] | None = None,
    item: int = 0,
    head: int | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draw weights over the picture whose parts are the keys: the fuller the purple, the larger the weight.

    A colour picture is drawn pale and grey, or its colours would be taken for weights.

    Args:
        weights: an `AttentionMap` or an array of shape (T, S), (H, T, S) or (B, H, T, S).
        picture: grey (h, w), ink 1 on ground 0, or colour (h, w, 3), from 0 to 1.
        query: see `Query`; of several the mean is drawn. A query on the grid is outlined.
        grid: rows and columns of the keys; by default the pixels themselves, or else a square. Keys that come
            before the grid, such as a class token, are left out.
        item: which of the batch.
        head: which head; their mean if not given.
        title: the finding, in a sentence.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: if picture, grid and map do not fit each other.
        IndexError: if there is no such query.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    shown = as_picture(picture)
    found, cell = over_grid(weights, shown.shape[:2], query, grid, item, head)
    height, width = shown.shape[:2]
    with context():
        alone = ax is None
        if ax is None:
            fig, ax = plt.subplots(figsize=(0.7 * WIDTH, 0.7 * WIDTH * height / width))
        else:
            fig = ax.figure  # type: ignore[assignment]
        draw_picture(ax, shown if shown.shape[-1] == 1 else _pale(shown))
        purple = np.zeros((*found.shape, 4))
        purple[..., :3] = np.array(rgb(WEIGHTS.light)) / 255
        purple[..., 3] = 0.85 * found / max(float(found.max()), 1e-12)
        ax.imshow(purple, extent=(0, width, height, 0), interpolation="none", zorder=2)
        if cell is not None:
            high, wide = height / found.shape[0], width / found.shape[1]
            corner = (cell[1] * wide, cell[0] * high)
            ax.add_patch(Rectangle(corner, wide, high, fill=False, ec=QUERY.light, lw=2.2, zorder=3))
        headline(ax, title, alone=alone)
    return fig


def as_picture(picture: Tensor | np.ndarray) -> Float[np.ndarray, "h w c"]:
    """A picture as (h, w, 1) or (h, w, 3), from 0 to 1.

    Raises:
        ValueError: if its shape or its numbers are not a picture's.
    """
    values: Any = picture.detach().float().cpu().numpy() if hasattr(picture, "detach") else picture
    values = np.asarray(values, dtype=float)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3):
        raise ValueError(
            f"a picture is (h, w) or (h, w, 3); got {values.shape}. From (3, h, w): permute(1, 2, 0)."
        )
    if values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise ValueError(
            f"a picture goes from 0 to 1; this one from {values.min():.3g} to {values.max():.3g}: "
            "undo its normalisation."
        )
    return values.clip(0, 1)


def draw_picture(ax: Axes, picture: Float[np.ndarray, "h w c"]) -> None:
    """Draw a picture in pixel coordinates, (0, 0) at its top left corner, with a thin frame; grey as ink on white."""
    height, width = picture.shape[:2]
    seen = np.repeat(1 - 0.9 * picture, 3, axis=2) if picture.shape[-1] == 1 else picture
    ax.imshow(seen, extent=(0, width, height, 0), interpolation="none", vmin=0, vmax=1)
    ax.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=LINE.light, linewidth=0.8)


def _pale(picture: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """The picture's lightness (Rec. 601), half as strong, on white."""
    grey = picture @ np.array([0.299, 0.587, 0.114])
    return np.repeat(0.5 + 0.5 * grey[..., None], 3, axis=-1)


def over_grid(
    weights: AttentionMap | Tensor | np.ndarray,
    size: tuple[int, int],
    query: Query = None,
    grid: tuple[int, int] | None = None,
    item: int = 0,
    head: int | None = None,
) -> tuple[Float[np.ndarray, "rows columns"], tuple[int, int] | None]:
    """The weights of a query on the grid of keys, and the query's own cell if it has one; see `on_image`."""
    from tfedu.viz.maps import matrix

    values, _, _ = matrix(weights, None, None, item=item, head=head)
    T, S = values.shape
    rows, columns = _grid(S, size) if grid is None else grid
    before = S - rows * columns
    if before < 0:
        raise ValueError(f"a grid of {rows} by {columns} needs {rows * columns} keys; the map has {S}.")
    cell: tuple[int, int] | None = None
    if isinstance(query, tuple):
        row, column = query
        if not (0 <= row < rows and 0 <= column < columns):
            raise IndexError(f"query {query} lies outside the grid of {rows} by {columns}.")
        if T != S:
            raise ValueError(
                f"a query has a place on the grid where queries and keys are the same; here are {T} and {S}: "
                "give its number."
            )
        cell, chosen = query, [before + row * columns + column]
    elif query is None:
        chosen = list(range(T))
    elif isinstance(query, slice):
        chosen = list(range(T))[query]
    else:
        chosen = [query] if isinstance(query, int) else list(query)
    if not chosen or not all(-T <= one < T for one in chosen):
        raise IndexError(f"query {query} is not one of the map's {T}, counted from 0.")
    return values[chosen].mean(axis=0)[before:].reshape(rows, columns), cell


def _grid(S: int, size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] == S:
        return size
    side = int(np.sqrt(S))
    if side * side != S:
        raise ValueError(
            f"{S} keys are neither the pixels of a picture of {size[0]} by {size[1]} nor a square: give "
            "grid=(rows, columns)."
        )
    return side, side
