"""Sentences and their translations: which word gives which, and what models make of a sentence that grows."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfedu.data.matching import common
from tfedu.viz.palette import INK, MIDDLE, SERIES, rgb, series
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

    from tfedu.data.grammar import Pair

_LINE = 22  # pixels a line
_WIDE = 46  # letters a line, which fit a phone at 14 pixels


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


def plotly_grow(
    sources: Sequence[str],
    wanted: Sequence[str],
    found: Mapping[str, Sequence[str]],
    *,
    title: str = "",
    start: int = 0,
) -> go.Figure:
    """Draw, for each of several sentences, the source, the right translation and what each model wrote.

    A slider goes from sentence to sentence. It needs no kernel: the sentences are Plotly frames. Words that
    are not in a longest common subsequence with the right translation are bold, underlined and coloured.

    Args:
        sources: sentences, words set apart by spaces; growing, so that the slider counts their words.
        wanted: the right translation of each.
        found: for each model its translations; at most five models.
        title: the finding, in a sentence.
        start: the sentence at which the figure opens.

    Raises:
        ValueError: the lists differ in length, or are empty.
    """
    import plotly.graph_objects as go

    from tfedu.viz.style import plotly_headline, plotly_template

    lengths = {len(sources), len(wanted), *map(len, found.values())}
    if lengths != {len(sources)} or not sources:
        raise ValueError(f"give one translation for each of the {len(sources)} sentences, and at least one.")
    texts = []
    for n, (source, right) in enumerate(zip(sources, wanted, strict=True)):
        lines = _wrap("German:", MIDDLE["ink"], source.split())
        lines += _wrap("Right:", MIDDLE["ink"], right.split())
        for index, (name, translations) in enumerate(found.items()):
            words = translations[n].split() or ["(nothing)"]
            lines += _wrap(f"{name}:", series(index).light, words, unmatched(words, right.split()))
        texts.append(lines)
    rows = max(map(len, texts))

    def trace(lines: Sequence[str]) -> go.Scatter:
        return go.Scatter(
            x=[0] * len(lines), y=list(range(len(lines))), mode="text", text=list(lines), hoverinfo="skip",
            textposition="middle right", textfont={"size": 14, "color": MIDDLE["ink"]}, cliponaxis=False,
            showlegend=False,
        )  # fmt: skip

    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    heading, top = plotly_headline(title)
    slider: dict[str, Any] = {
        "active": start,
        "x": 0,
        "xanchor": "left",
        "len": 1,
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 8, "b": 4, "l": 12, "r": 12},
        "tickwidth": 0,
        "ticklen": 0,
        "minorticklen": 0,
        "currentvalue": {"prefix": "words to translate: ", "font": {"size": 15, "color": MIDDLE["ink"]}},
        "bordercolor": MIDDLE["line"],
        "bgcolor": MIDDLE["weights"],
        "activebgcolor": MIDDLE["weights"],
        "steps": [
            {"label": str(len(source.split())), "method": "animate", "args": [[str(n)], still]}
            for n, source in enumerate(sources)
        ],
    }
    fig = go.Figure(trace(texts[start]))
    fig.frames = [go.Frame(name=str(n), data=[trace(lines)]) for n, lines in enumerate(texts)]
    fig.update_layout(
        template=plotly_template(),
        title=heading,
        height=top + _LINE * rows + 110,
        margin={"l": 4, "r": 4, "t": top + 4, "b": 106, "autoexpand": False},
        xaxis={"visible": False, "range": [0, 1], "fixedrange": True},
        yaxis={"visible": False, "range": [rows - 0.5, -0.5], "fixedrange": True},
        sliders=[slider],
    )
    return fig


def _coloured(text: str, colour: str) -> str:
    # Plotly writes this into a style attribute as it stands: so must it look, for the page's theme to find it.
    return f'<span style="color: rgb{rgb(colour)}">{html.escape(text, quote=False)}</span>'


def _wrap(name: str, colour: str, words: Sequence[str], wrong: Collection[int] = ()) -> list[str]:
    """Lines of a paragraph that begins with a name; the words at the places in `wrong` are marked."""
    lines = [f"<b>{_coloured(name, colour)}</b>"]
    room = _WIDE - len(name)
    for n, word in enumerate(words):
        shown = f"<b><u>{_coloured(word, SERIES[2].light)}</u></b>" if n in wrong else html.escape(word)
        if len(word) + 1 <= room:
            lines[-1] += " " + shown
            room -= len(word) + 1
        else:
            lines.append(shown)
            room = _WIDE - len(word)
    return lines
