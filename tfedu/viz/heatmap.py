"""Attention as a matrix: rows are queries, columns are keys, each row sums to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfedu.viz.maps import markup, matrix
from tfedu.viz.palette import GROUND, INK, KEY, LINE, MIDDLE, QUERY, WEIGHTS, rgb
from tfedu.viz.style import WIDTH, context, headline, legend_line

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from tfedu.trace import AttentionMap


def heatmap(
    weights: AttentionMap | Tensor | np.ndarray,
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    *,
    title: str = "",
    gold: Iterable[tuple[int, int]] | None = None,
    largest: float = 1.0,
    item: int = 0,
    head: int | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a map: the darker the purple, the larger the weight.

    Args:
        weights: an `AttentionMap` or an array of shape (T, S), (H, T, S) or (B, H, T, S).
        query_tokens: words of the rows (what was predicted); the map's own if not given.
        key_tokens: words of the columns (what was attended to); the map's own if not given.
        title: the finding, in a sentence.
        gold: known links to outline, as `Pair.links`: (source i, target j), that is (column, row), from 0.
        largest: the weight shown in full colour. Keep 1 unless the whole map is faint, and then say so.
        item: which sentence of the batch.
        head: which head; their mean if not given.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: words and map do not fit, or a gold link lies outside it.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    values, queries, keys = matrix(weights, query_tokens, key_tokens, item=item, head=head)
    links = _gold_inside(gold, values.shape)
    rows, columns = values.shape
    with context():
        alone = ax is None
        if ax is None:
            # Square cells that neither swell for three words nor force letters below what reads.
            cell = min(0.46, max(0.17, (WIDTH - 1.3) / max(columns, 1)))
            longest = max((len(word) for word in keys), default=0)
            width = max(3.4, 1.3 + cell * columns)
            fig, ax = plt.subplots(figsize=(width, 0.6 + 0.075 * longest + cell * rows))
        else:
            fig = ax.figure  # type: ignore[assignment]
            cell = 0.2
        for row in range(rows):
            for column in range(columns):
                alpha = float(np.clip(values[row, column] / largest, 0, 1))
                if alpha >= 0.01:  # the rest is the page itself; leaving it out keeps the file small
                    ax.add_patch(Rectangle((column, row), 1, 1, color=WEIGHTS.light, alpha=alpha, lw=0))
        if cell >= 0.38 and rows * columns <= 144:
            _write_numbers(ax, values, largest)
        for key, query in links:
            ax.add_patch(Rectangle((key + 0.07, query + 0.07), 0.86, 0.86, fill=False, lw=1.5, ec=INK.light))
        ax.set(xlim=(0, columns), ylim=(rows, 0), aspect="equal")
        size = float(np.clip(cell * 34, 7.5, 11))
        slant = 90 if columns > 14 else 55
        ax.set_xticks(np.arange(columns) + 0.5, keys, rotation=slant, fontsize=size, color=KEY.text)
        ax.set_yticks(np.arange(rows) + 0.5, queries, fontsize=size, color=QUERY.text)
        if slant != 90:
            plt.setp(ax.get_xticklabels(), ha="left", rotation_mode="anchor")
        ax.xaxis.tick_top()
        ax.tick_params(length=0, pad=3)
        for spine in ax.spines.values():
            spine.set(visible=True, color=LINE.light, linewidth=0.8)
        notes = [("● queries (rows)", QUERY.text), ("■ keys (columns)", KEY.text)]
        legend_line(ax, notes + ([("□ true link", INK.light)] if links else []))
        headline(ax, title, alone=alone)
    return fig


def _write_numbers(ax: Axes, values: np.ndarray, largest: float) -> None:
    for (row, column), weight in np.ndenumerate(values):
        if weight >= 0.05:
            # Both are the page's own, so they stay legible when the theme turns.
            colour = GROUND.light if weight / largest > 0.5 else INK.light
            label = "1" if weight > 0.995 else f"{weight:.2f}"[1:]
            ax.text(column + 0.5, row + 0.5, label, ha="center", va="center", fontsize=8.5, color=colour)


def _gold_inside(gold: Iterable[tuple[int, int]] | None, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    links = sorted(gold) if gold is not None else []
    for key, query in links:
        if not (0 <= key < shape[1] and 0 <= query < shape[0]):
            raise ValueError(
                f"gold link (source {key}, target {query}) lies outside a map of {shape[0]} queries and "
                f"{shape[1]} keys; links are (source, target), from 0"
            )
    return links


def plotly_heatmap(
    weights: AttentionMap | Tensor | np.ndarray,
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    *,
    title: str = "",
    gold: Iterable[tuple[int, int]] | None = None,
    largest: float = 1.0,
    item: int = 0,
    head: int | None = None,
) -> go.Figure:
    """Draw a map to touch: each cell names its words and its weight. Arguments as for `heatmap`."""
    import plotly.graph_objects as go

    from tfedu.viz.style import plotly_headline, plotly_template

    values, queries, keys = matrix(weights, query_tokens, key_tokens, item=item, head=head)
    links = _gold_inside(gold, values.shape)
    rows, columns = values.shape
    queries, keys = [markup(word) for word in queries], [markup(word) for word in keys]
    red, green, blue = rgb(MIDDLE["weights"])
    hover = [[f"“{q}” ← “{k}” {values[t, s]:.2f}" for s, k in enumerate(keys)] for t, q in enumerate(queries)]
    fig = go.Figure(
        go.Heatmap(
            z=values.round(4).tolist(),
            zmin=0,
            zmax=largest,
            colorscale=[[0, f"rgba({red},{green},{blue},0)"], [1, f"rgba({red},{green},{blue},1)"]],
            showscale=False,
            text=hover,
            hovertemplate="%{text}<extra></extra>",
            xgap=1,
            ygap=1,
        )
    )
    for key, query in links:
        fig.add_shape(
            type="rect", x0=key - 0.45, x1=key + 0.45, y0=query - 0.45, y1=query + 0.45,
            line={"color": MIDDLE["ink"], "width": 2},
        )  # fmt: skip
    letters = 13 if columns <= 14 else 11
    axis = {"showgrid": False, "showline": False, "ticks": "", "fixedrange": True}
    height = (24 if rows <= 14 else 19) * rows
    tallest = max((len(word) for word in keys), default=0) * 0.5 * letters + 10
    heading, top = plotly_headline(title)
    notes = [("■ keys", KEY.text, 0), ("● queries", QUERY.text, 58)]
    notes += [("□ true link", MIDDLE["ink"], 138)] if links else []
    fig.update_layout(
        template=plotly_template(),
        title=heading,
        height=round(top + tallest + height + 34),
        margin={"t": round(top + tallest), "b": 34, "l": 8, "r": 8},
        xaxis={
            **axis,
            "side": "top",
            "tickvals": list(range(columns)),
            "ticktext": keys,
            "tickangle": -90,
            "tickfont": {"size": letters, "color": KEY.text},
            "range": [-0.5, columns - 0.5],
        },
        yaxis={
            **axis,
            "tickvals": list(range(rows)),
            "ticktext": queries,
            "tickfont": {"size": letters, "color": QUERY.text},
            "range": [rows - 0.5, -0.5],
        },
        annotations=[
            {
                "text": text, "x": 0, "y": 0, "xref": "paper", "yref": "paper", "xshift": shift, "yshift": -8,
                "xanchor": "left", "yanchor": "top", "showarrow": False,
                "font": {"size": 13, "color": colour},
            }
            for text, colour, shift in notes
        ],
    )  # fmt: skip
    return fig
