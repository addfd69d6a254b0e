"""A translation written word by word: watch where each word looks.

The picture is the law drawn to scale. Each word that is written is a band one word high, made of ribbons from
the words read, each as thick as its weight. The weights of a query sum to one, so the ribbons always fill the
band exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfedu.viz.maps import markup, matrix
from tfedu.viz.palette import KEY, MIDDLE, QUERY, rgb

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from torch import Tensor

    from tfedu.trace import AttentionMap

_ROW = 25  # pixels a word
_THICK = 0.78  # of a row, the rest is air
_LEAST = 0.03  # thinner ribbons are not drawn


def plotly_steps(
    weights: AttentionMap | Tensor | np.ndarray,
    query_tokens: Sequence[str] | None = None,
    key_tokens: Sequence[str] | None = None,
    *,
    title: str = "",
    start: int | None = None,
    item: int = 0,
    head: int | None = None,
) -> go.Figure:
    """Draw the words read on the left, the words written on the right, and a slider that writes them.

    It needs no kernel: the steps are Plotly frames, which live in the page.

    Args:
        weights: an `AttentionMap` or an array of shape (T, S), (H, T, S) or (B, H, T, S).
        query_tokens: the words written; the map's own if not given.
        key_tokens: the words read; the map's own if not given.
        title: the finding, in a sentence.
        start: the word at which the figure opens; the middle one if not given, so that there is
            something to see at once.
        item: which sentence of the batch.
        head: which head; their mean if not given.

    Raises:
        ValueError: words and map do not fit, or the map is empty.
    """
    import plotly.graph_objects as go

    from tfedu.viz.style import plotly_headline, plotly_template

    values, queries, keys = matrix(weights, query_tokens, key_tokens, item=item, head=head)
    rows, columns = values.shape
    if rows == 0 or columns == 0:
        raise ValueError(f"nothing to draw: the map has {rows} queries and {columns} keys")
    start = rows // 2 if start is None else start
    if not 0 <= start < rows:
        raise ValueError(f"start is {start}, but the words written are numbered 0 to {rows - 1}")

    red, green, blue = rgb(MIDDLE["weights"])
    ribbons = [
        go.Scatter(
            x=xs, y=ys, mode="none", fill="toself", fillcolor=f"rgb({red}, {green}, {blue})",
            hoverinfo="skip", showlegend=False, opacity=_opacity(t, start),
        )
        for t in range(rows)
        for xs, ys in [_ribbons(values[t], t)]
    ]  # fmt: skip
    fig = go.Figure([*ribbons, *_words(values, queries, keys, start)])
    changing = list(range(rows + 2))
    fig.frames = [
        go.Frame(
            name=str(t),
            traces=changing,
            data=[
                *({"type": "scatter", "opacity": _opacity(other, t)} for other in range(rows)),
                *_words(values, queries, keys, t),
            ],
        )
        for t in range(rows)
    ]

    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    going = {
        "fromcurrent": True,
        "mode": "immediate",
        "frame": {"duration": 900, "redraw": True},
        "transition": {"duration": 0},
    }
    height = max(rows, columns)
    heading, top = plotly_headline(title)
    top += 30
    letters = _letters(queries, keys)
    left, right = _margin(keys, letters) + 32, _margin(queries, letters)
    fig.update_layout(
        template=plotly_template(),
        title=heading,
        height=top + _ROW * height + 118,
        margin={"l": left, "r": right, "t": top, "b": 118, "autoexpand": False},
        xaxis={"visible": False, "range": [0, 1], "fixedrange": True},
        yaxis={"visible": False, "range": [height - 0.5, -0.5], "fixedrange": True},
        hovermode="closest",
        annotations=[
            _heading("■ read (keys)", 0, "right", KEY.text),
            _heading(
                "● written (queries)", 1, "left" if _margin(queries, 14) > 130 else "center", QUERY.text
            ),
        ],
        sliders=[
            {
                "active": start,
                "x": 0.5,
                "xanchor": "center",
                "lenmode": "pixels",  # the words take the sides, so a share of the middle is too little
                "len": 240,
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 8, "b": 4},
                "tickwidth": 0,
                "ticklen": 0,
                "minorticklen": 0,
                "font": {"color": "rgba(0,0,0,0)", "size": 1},  # the words stand above; no room for them here
                "currentvalue": {
                    "prefix": "writing ",
                    "xanchor": "center",
                    "font": {"size": 15, "color": QUERY.text},
                    "offset": 10,
                },
                "bordercolor": MIDDLE["line"],
                "bgcolor": MIDDLE["weights"],
                "activebgcolor": MIDDLE["weights"],
                "steps": [
                    {"label": f"“{markup(word)}”", "method": "animate", "args": [[str(t)], still]}
                    for t, word in enumerate(queries)
                ],
            }
        ],
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "x": 0.5,
                "xanchor": "center",
                "y": 0,
                "yanchor": "top",
                "pad": {"t": 72},
                "bgcolor": "rgba(0,0,0,0)",
                "bordercolor": MIDDLE["line"],
                "font": {"size": 13, "color": MIDDLE["ink"]},
                "buttons": [
                    {"label": "▶ play", "method": "animate", "args": [None, going]},
                    {"label": "❚❚ pause", "method": "animate", "args": [[None], still]},
                ],
            }
        ],
    )
    return fig


def _opacity(word: int, now: int) -> float:
    """The word being written is bright, those before it are a memory, those to come are not there."""
    return 0.95 if word == now else 0.13 if word < now else 0.0


def _ribbons(row: np.ndarray, target: int) -> tuple[list[float | None], list[float | None]]:
    """Outline the ribbons of one query: each key gives one as thick as its weight, stacked at the query."""
    along = np.linspace(0, 1, 13)
    ease = along**2 * (3 - 2 * along)  # leaves and arrives level
    xs: list[float | None] = []
    ys: list[float | None] = []
    filled = 0.0
    total = float(row.sum()) or 1.0
    for source, weight in enumerate(row):
        thick = _THICK * float(weight)
        arrival = target + _THICK * (filled / total - 0.5) * total + thick / 2
        filled += float(weight)
        if weight < _LEAST:
            continue
        middle = source + (arrival - source) * ease
        xs += [*along.round(3).tolist(), *along[::-1].round(3).tolist(), None]
        ys += [*(middle - thick / 2).round(3).tolist(), *(middle + thick / 2)[::-1].round(3).tolist(), None]
    return xs, ys


def _words(values: np.ndarray, queries: list[str], keys: list[str], now: int) -> list[go.Scatter]:
    """Write both columns of words as they stand when word `now` is being written."""
    import plotly.graph_objects as go

    row = values[now]
    letters = _letters(queries, keys)
    best = int(row.argmax())
    read = []
    for s, word in enumerate(keys):
        share = f"{row[s]:.2f}"[1:] if row[s] < 0.995 else "1"
        shown = f"<b>{_short(word)}</b>" if s == best else _short(word)
        read.append(f"{shown}  <b>{share}</b>" if row[s] >= 0.05 else shown)
    written = [f"<b>{_short(w)}</b>" if t == now else _short(w) for t, w in enumerate(queries)]
    return [
        go.Scatter(
            x=[0] * len(keys), y=list(range(len(keys))), mode="markers+text", text=read,
            textposition="middle left", textfont={"size": letters, "color": KEY.text},
            marker={"symbol": "square", "size": 7, "color": KEY.light, "opacity": 1},
            customdata=[f"“{markup(queries[now])}” ← “{markup(word)}” {row[s]:.2f}" for s, word in enumerate(keys)],
            hovertemplate="%{customdata}<extra></extra>", cliponaxis=False, showlegend=False,
        ),
        go.Scatter(
            x=[1] * (now + 1), y=list(range(now + 1)), mode="markers+text", text=written[: now + 1],
            textposition="middle right", textfont={"size": letters, "color": QUERY.text},
            marker={"symbol": "circle", "size": 7, "color": QUERY.light, "opacity": 1},
            customdata=[
                f"“{markup(word)}” looks most at “{markup(keys[int(values[t].argmax())])}” {values[t].max():.2f}"
                for t, word in enumerate(queries[: now + 1])
            ],
            hovertemplate="%{customdata}<extra></extra>", cliponaxis=False, showlegend=False,
        ),
    ]  # fmt: skip


def _short(word: str) -> str:
    return markup(word if len(word) <= 15 else word[:14] + "…")


def _letters(queries: list[str], keys: list[str]) -> int:
    """Give the size of letters at which both columns and the ribbons share a phone's 358 pixels."""
    longest = max(len(_short(word)) for word in queries) + max(len(_short(word)) for word in keys)
    return 14 if longest <= 22 else 12


def _margin(words: list[str], letters: int) -> int:
    """Give the pixels that a column of words needs, at least those of its heading's half."""
    return max(64, round(max(len(_short(word)) for word in words) * 0.52 * letters + 18))


def _heading(text: str, x: float, anchor: str, colour: str) -> dict[str, object]:
    return {
        "text": text, "x": x, "y": 1, "xref": "paper", "yref": "paper",
        "xanchor": anchor, "yanchor": "bottom", "yshift": 4, "showarrow": False,
        "font": {"size": 13, "color": colour},
    }  # fmt: skip
