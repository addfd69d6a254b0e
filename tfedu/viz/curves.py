"""Lines and bars that keep their seeds: the mean is drawn strong, each seed stays visible beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from tfedu.viz.palette import INK, LINE, MIDDLE, PANEL, SOFT, rgb, series
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def length_curves(
    lengths: Sequence[float],
    curves: Mapping[str, Sequence[Sequence[float]] | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "words in the source sentence",
    ylabel: str = "BLEU",
    trained: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    log_lengths: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw quality against length, one line per model, its name at the line's end.

    Args:
        lengths: the n places on the horizontal axis.
        curves: for each model its values, shape (seeds, n) or (n,). At most five models. The order gives
            colour, marker and dash.
        title: the finding, in a sentence.
        xlabel: what the horizontal axis counts.
        ylabel: what the vertical axis measures, written above it.
        trained: shortest and longest length seen in training; that range is shaded.
        ylim: the ends of the vertical axis; from 0 to a little above the largest value if not given.
        log_lengths: whether the horizontal axis is logarithmic, with each of the places written.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: a curve has not one value per length, or there are more than five.
    """
    import matplotlib.pyplot as plt

    runs = {name: _runs(name, values, len(lengths)) for name, values in curves.items()}
    styles = [series(index) for index in range(len(runs))]
    where = np.asarray(lengths, dtype=float)
    with context():
        alone = ax is None
        if ax is None:
            fig, ax = plt.subplots(figsize=(WIDTH, WIDTH * 0.66))
        else:
            fig = ax.figure  # type: ignore[assignment]
        highest = max((float(np.nanmax(run)) for run in runs.values()), default=1.0)
        low, high = ylim or (0.0, highest * 1.06)
        ax.set(ylim=(low, high), xlim=(where.min(), where.max()))
        if trained is not None:
            ax.axvspan(max(trained[0], where.min()), trained[1], color=PANEL.light, lw=0, zorder=0)
            # Over the plot, where no line runs; beside the range if the range is narrow.
            narrow = trained[1] - where.min() < 0.35 * np.ptp(where)
            ax.annotate(
                "← seen in training" if narrow else "seen in training", (trained[1], 1), xytext=(0, 7),
                xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=9.5,
                ha="left" if narrow else "right", va="bottom", color=SOFT.light,
            )  # fmt: skip
        for (name, run), style in zip(runs.items(), styles, strict=True):
            if len(run) > 1:
                ax.plot(where, run.T, color=style.light, lw=0.9, alpha=0.45, zorder=2)
            ax.plot(
                where, np.nanmean(run, 0), color=style.light, marker=style.marker, zorder=3,
                dashes=_DASHES[style.dash], label=name, clip_on=False,
            )  # fmt: skip
        ends = {name: float(np.nanmean(run, 0)[-1]) for name, run in runs.items()}
        places = _apart(list(ends.values()), 0.062 * (high - low), low, high)
        for (name, style), place in zip(zip(runs, styles, strict=True), places, strict=True):
            ax.annotate(
                name, (where.max(), place), xytext=(8, 0), textcoords="offset points", color=style.text,
                va="center", fontsize=10.5, fontweight=600, annotation_clip=False,
            )  # fmt: skip
        if log_lengths:
            ax.set_xscale("log", base=2)
            ax.set_xticks(where, [f"{place:,.0f}" for place in where])
            ax.minorticks_off()
        ax.set_xlabel(xlabel)
        _above(ax, ylabel)
        ax.grid(True, axis="y")
        headline(ax, title, alone=alone)
    return fig


def bars(
    groups: Sequence[str],
    values: Mapping[str, Sequence[Sequence[float]] | Sequence[float] | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "",
    numbers: str = "{:.1f}",
    ax: Axes | None = None,
) -> Figure:
    """Draw grouped horizontal bars: the bar is the mean, each dot a seed. Long names stay readable.

    Args:
        groups: the n names on the vertical axis, top first.
        values: for each series its values, shape (seeds, n) or (n,). At most five; one series needs no name.
        title: the finding, in a sentence.
        xlabel: what the bars measure.
        numbers: how the mean is written at the bar's end; empty for none.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: a series has not one value per group, or there are more than five.
    """
    import matplotlib.pyplot as plt

    runs = {name: _runs(name, values_, len(groups)) for name, values_ in values.items()}
    styles = [series(index) for index in range(len(runs))]
    thick = 0.78 / max(len(runs), 1)
    with context():
        alone = ax is None
        if ax is None:
            tall = 0.9 + len(groups) * (0.16 + 0.25 * len(runs)) + (0.25 if len(runs) > 1 else 0)
            fig, ax = plt.subplots(figsize=(WIDTH, tall))
        else:
            fig = ax.figure  # type: ignore[assignment]
        for index, ((name, run), style) in enumerate(zip(runs.items(), styles, strict=True)):
            rows = np.arange(len(groups)) + (index - (len(runs) - 1) / 2) * thick
            means = np.nanmean(run, 0)
            ax.barh(
                rows, means, thick * 0.9, color=style.light, alpha=0.85, label=name, hatch=style.hatch,
                edgecolor=PANEL.light, lw=0,
            )  # fmt: skip
            if len(run) > 1:
                for one in run:
                    ax.plot(one, rows, ls="", marker="o", ms=4, mfc=PANEL.light, mec=INK.light, mew=0.9)
            for row, mean, top in zip(rows, means, np.nanmax(run, 0), strict=True):
                if numbers:
                    ax.annotate(
                        numbers.format(mean), (max(top, 0), row), xytext=(7, 0), textcoords="offset points",
                        va="center", fontsize=10, color=style.text, fontweight=600,
                    )  # fmt: skip
        ax.set_yticks(range(len(groups)), groups, color=INK.light)
        ax.set_ylim(len(groups) - 0.45, -0.55)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(length=0)
        ax.grid(True, axis="x")
        ax.margins(x=0.1)
        ax.set_xlabel(xlabel)
        if len(runs) > 1:
            ax.legend(
                loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=10, borderaxespad=0.2,
                handlelength=1.4, columnspacing=1.4, borderpad=0.1,
            )  # fmt: skip
        headline(ax, title, alone=alone)
    return fig


def plotly_length_curves(
    lengths: Sequence[float],
    curves: Mapping[str, Sequence[Sequence[float]] | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "words in the source sentence",
    ylabel: str = "BLEU",
    trained: tuple[float, float] | None = None,
) -> go.Figure:
    """Draw quality against length to touch: the band spans the seeds. Arguments as for `length_curves`."""
    import plotly.graph_objects as go

    from tfedu.viz.style import plotly_headline, plotly_template

    runs = {name: _runs(name, values, len(lengths)) for name, values in curves.items()}
    where = [float(length) for length in lengths]
    fig = go.Figure()
    for index, (name, run) in enumerate(runs.items()):
        style = series(index)
        if len(run) > 1:
            band = [*run.max(0).round(3).tolist(), *run.min(0)[::-1].round(3).tolist()]
            red, green, blue = rgb(style.light)
            fig.add_scatter(
                x=[*where, *where[::-1]], y=band, fill="toself", mode="none", hoverinfo="skip",
                fillcolor=f"rgb({red}, {green}, {blue})", opacity=0.15, showlegend=False,
            )  # fmt: skip
        fig.add_scatter(
            x=where, y=run.mean(0).round(3).tolist(), name=name, mode="lines+markers",
            line={"color": style.light, "width": 2.5, "dash": style.dash},
            marker={"symbol": style.symbol, "size": 8},
            hovertemplate=f"{name}: %{{y:.1f}} at %{{x}}<extra></extra>",
        )  # fmt: skip
    if trained is not None:
        fig.add_vrect(x0=max(trained[0], min(where)), x1=trained[1], fillcolor=MIDDLE["line"], opacity=0.16,
                      line_width=0, layer="below")  # fmt: skip
        fig.add_annotation(
            x=trained[1], y=1, yref="paper", text="seen in training", showarrow=False, xanchor="right",
            yanchor="bottom", yshift=4, font={"size": 12, "color": MIDDLE["ink"]},
        )  # fmt: skip
    heading, top = plotly_headline(title)
    fig.update_layout(
        template=plotly_template(),
        title=heading,
        height=top + 400,
        margin={"t": top + 26, "l": 8, "r": 12, "b": 8},
        xaxis={"title": {"text": xlabel}, "fixedrange": True},
        yaxis={"rangemode": "tozero", "fixedrange": True},
        legend={"orientation": "h", "x": 0, "y": -0.24, "yanchor": "top"},
    )
    fig.add_annotation(
        x=0, y=1, xref="paper", yref="paper", text=ylabel, showarrow=False, xanchor="left", yanchor="bottom",
        yshift=4, font={"size": 13, "color": MIDDLE["ink"]},
    )  # fmt: skip
    return fig


_DASHES: dict[str, tuple[float, float] | tuple[float, float, float, float] | tuple[None, None]] = {
    "solid": (None, None),
    "dash": (4, 1.6),
    "dot": (1.2, 1.4),
    "dashdot": (5, 1.5, 1.2, 1.5),
    "longdash": (8, 2),
}


def _runs(name: str, values: Any, count: int) -> Float[np.ndarray, "seeds n"]:
    run = np.atleast_2d(np.asarray(values, dtype=float))
    if run.ndim != 2 or run.shape[1] != count or len(run) == 0:
        raise ValueError(
            f"{name!r} has shape {np.shape(values)}, but there are {count} places: "
            f"give (seeds, {count}) or ({count},)"
        )
    return run


def _above(ax: Axes, text: str) -> None:
    """Write the vertical axis's meaning level above it, where it is read without turning the head."""
    ax.annotate(
        text, (0, 1), xytext=(0, 7), xycoords="axes fraction", textcoords="offset points", ha="left",
        va="bottom", fontsize=10.5, color=SOFT.light,
    )  # fmt: skip
    ax.spines["left"].set_color(LINE.light)


def _apart(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Push labels apart so that neighbours keep `gap`, moving each as little as a simple rule can."""
    order = np.argsort(places)
    out = np.array(places, dtype=float)
    for lower, upper in pairwise(order):
        out[upper] = max(out[upper], out[lower] + gap)
    if len(out) and out[order[-1]] > high:
        out[order[-1]] = max(high, low)
        for lower, upper in zip(order[-2::-1], order[:0:-1], strict=True):
            out[lower] = min(out[lower], out[upper] - gap)
    return [float(place) for place in out]
