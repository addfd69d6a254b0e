"""How something grows: logarithmic axes, on which a power is a straight line and its exponent the slope."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfedu.viz.curves import _above, _apart, _runs
from tfedu.viz.palette import series
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def slope(sizes: Sequence[float], values: Sequence[float] | np.ndarray, last: int | None = None) -> float:
    """The exponent p of ``values ~ sizes ** p``, by least squares on the logarithms.

    Args:
        sizes: n positive numbers.
        values: n positive numbers, or (seeds, n), whose median over the seeds counts.
        last: fit only so many of the largest sizes; all if not given.
    """
    where = np.log(np.asarray(sizes, dtype=float))
    high = np.log(np.median(np.atleast_2d(np.asarray(values, dtype=float)), axis=0))
    start = 0 if last is None else -last
    return float(np.polyfit(where[start:], high[start:], 1)[0])


def growth(
    sizes: Sequence[float],
    curves: Mapping[str, Sequence[Sequence[float]] | Sequence[float] | np.ndarray],
    *,
    title: str = "",
    xlabel: str = "tokens",
    ylabel: str = "",
    log_sizes: bool = True,
    slopes: int | None = None,
) -> Figure:
    """Draw growth on a logarithmic vertical axis, each line named at its end.

    Args:
        sizes: the n places on the horizontal axis.
        curves: for each name its values, shape (seeds, n) or (n,); the median is drawn strong. At most five.
            Values that are not positive are left out, for they have no logarithm.
        title: the finding, in a sentence.
        xlabel: what grows.
        ylabel: what is measured, written above the axis.
        log_sizes: whether the horizontal axis is logarithmic too.
        slopes: write beside each name the exponent fitted to so many of the largest sizes.

    Raises:
        ValueError: a curve has not one value per size, or there are more than five.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    runs = {name: _runs(name, values, len(sizes)) for name, values in curves.items()}
    where = np.asarray(sizes, dtype=float)
    with context():
        fig, ax = plt.subplots(figsize=(WIDTH, WIDTH * 0.66))
        ends: dict[str, tuple[float, float]] = {}
        for index, (name, run) in enumerate(runs.items()):
            style = series(index)
            middle = np.median(run, axis=0)
            shown = middle > 0
            if len(run) > 1:
                ax.plot(where[shown], run[:, shown].T, color=style.light, lw=0.8, alpha=0.4, zorder=2)
            ax.plot(
                where[shown], middle[shown], color=style.light, marker=style.marker, zorder=3, clip_on=False
            )
            ends[name] = float(where[shown][-1]), float(np.log10(middle[shown][-1]))
        ax.set_yscale("log")
        if log_sizes:
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_locator(FixedLocator([float(size) for size in sizes]))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticklabels([f"{size:g}" for size in sizes])
        ax.set_xlim(where.min(), where.max())
        low, high = np.log10(ax.get_ylim())
        ax.yaxis.set_minor_formatter(FuncFormatter(_two_and_five if high - low < 2 else lambda y, _: ""))
        places = _apart([end for _, end in ends.values()], 0.08 * (high - low), low, high)
        for index, ((name, (x, _)), place) in enumerate(zip(ends.items(), places, strict=True)):
            fitted = (
                rf" $\mathregular{{\propto n^{{{slope(sizes, runs[name], slopes):.1f}}}}}$" if slopes else ""
            )
            inside = x < where.max()  # the line ended before the others: its name goes above, clear of them
            ax.annotate(
                name + fitted, (x, 10 ** (ends[name][1] if inside else place)),
                xytext=(4, 11) if inside else (8, 0), textcoords="offset points",
                color=series(index).text, va="center", fontsize=10.5, fontweight=600, annotation_clip=False,
            )  # fmt: skip
        ax.set_xlabel(xlabel)
        _above(ax, ylabel)
        ax.grid(True, axis="y")
        ax.tick_params(axis="y", which="minor", length=0)
        headline(ax, title)
    return fig


def _two_and_five(y: float, _: int | None = None) -> str:
    """What is written between the powers of ten: at 2 and 5 of them, or the places would crowd."""
    power = math.floor(math.log10(y) + 1e-9)
    digit = round(y / 10**power)
    return rf"$\mathregular{{{digit}\times10^{{{power}}}}}$" if digit in (2, 5) else ""
