"""The Transformer's two stacks: figure 1 of Vaswani et al. (2017), with the roles in the book's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfedu.viz.diagrams import _arrow, _box, _canvas, _write
from tfedu.viz.palette import KEY, LINE, PANEL, QUERY, SERIES, SOFT, VALUE, WEIGHTS, Role
from tfedu.viz.style import context, headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, HALF = 2.05, 0.2  # of a box
LEFT, RIGHT = 0.0, 3.55  # the middles of the two stacks


def transformer_diagram(
    *, layers: str = "N ×", title: str = "Three kinds of attention, and what lies between them"
) -> Figure:
    """Draw encoder and decoder; attention is purple, with its queries, keys and values in their colours.

    Args:
        layers: how often a layer is repeated, as written beside it.
        title: the finding, in a sentence.
    """
    with context():
        fig, ax = _canvas((-1.75, RIGHT + 1.75), (-1.15, 6.1))
        low, step = 0.75, 0.62
        encoder = [low + step * n for n in range(4)]
        decoder = [low + step * n for n in range(6)]
        for x, rows, name in ((LEFT, encoder, "encoder"), (RIGHT, decoder, "decoder")):
            _frame(ax, x, rows[0] - 0.48, rows[-1] + 0.34, layers)
            _write(ax, x, -0.98, "German words" if x == LEFT else "English words so far", size=12)
            _arrow(ax, (x, -0.84), (x, -0.48))
            _named(ax, x, -0.28, "vectors + positions", SERIES[3])
            _arrow(ax, (x, -0.08), (x, rows[0] - HALF))
            _write(
                ax, x + (-1 if x == LEFT else 1) * 0.62, rows[-1] + 0.52, name, colour=SOFT.light, weight=600
            )
        self_attention, cross, feed, norm = "self-attention", "cross-attention", "feed-forward", "add & norm"
        for x, rows, parts in (
            (LEFT, encoder, [self_attention, norm, feed, norm]),
            (RIGHT, decoder, ["causal " + self_attention, norm, cross, norm, feed, norm]),
        ):  # fmt: skip
            for n, (y, part) in enumerate(zip(rows, parts, strict=True)):
                attends = part.endswith("attention")
                _named(ax, x, y, part, WEIGHTS if attends else SERIES[0] if part == feed else SERIES[3])
                if n:
                    _arrow(ax, (x, rows[n - 1] + HALF), (x, y - HALF))
                if part == norm:  # the residual, around the sublayer below
                    _around(ax, x + (-1 if x == LEFT else 1) * WIDE / 2, rows[n - 1] - 0.31, y)
                if part.endswith(self_attention):
                    _fan(ax, x, y)
        # Across: keys and values from the top of the encoder, the query from below.
        top, y = encoder[-1] + HALF, decoder[2]
        bend = (LEFT + RIGHT) / 2
        for shift, role, letter in ((0.1, VALUE, "values"), (-0.1, KEY, "keys")):
            ax.plot(
                [LEFT, LEFT, bend - shift, bend - shift],
                [top, top + 0.36 + shift, top + 0.36 + shift, y + shift],
                color=role.light, lw=1.8, zorder=1,
            )  # fmt: skip
            _arrow(ax, (bend - shift, y + shift), (RIGHT - WIDE / 2, y + shift), colour=role.light)
            _write(ax, bend + 0.36, y + 2.4 * shift, letter, colour=role.text, weight=600, size=11)
        _arrow(ax, (RIGHT, decoder[1] + HALF), (RIGHT, y - HALF), colour=QUERY.light)
        _write(ax, RIGHT - 0.1, y - 0.31, "queries", colour=QUERY.text, weight=600, size=11, ha="right")
        last = decoder[-1]
        _arrow(ax, (RIGHT, last + HALF), (RIGHT, last + 0.72))
        _named(ax, RIGHT, last + 0.92, "linear, softmax", SERIES[3])
        _arrow(ax, (RIGHT, last + 1.12), (RIGHT, last + 1.46))
        _write(ax, RIGHT, last + 1.62, "the next word", size=12)
        headline(ax, title)
    return fig


def _named(ax: Axes, x: float, y: float, text: str, role: Role) -> None:
    _box(ax, x, y, WIDE, role)
    _write(ax, x, y, text, colour=role.text, weight=600, size=12)


def _frame(ax: Axes, x: float, low: float, high: float, layers: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch(
        (x - WIDE / 2 - 0.3, low), WIDE + 0.6, high - low, boxstyle="round,pad=0,rounding_size=0.12",
        fc=PANEL.light, ec=LINE.light, lw=1, zorder=0,
    )  # fmt: skip
    ax.add_patch(box)
    side = -1 if x == LEFT else 1
    _write(ax, x + side * (WIDE / 2 + 0.48), (low + high) / 2, layers, colour=SOFT.light, weight=600)


def _around(ax: Axes, edge: float, low: float, high: float) -> None:
    """The way past a sublayer, on the outer side of its stack."""
    side = -1 if edge < (LEFT + RIGHT) / 2 else 1
    out, middle = edge + side * 0.16, edge - side * WIDE / 2
    ax.plot([middle, out, out], [low, low, high], color=SOFT.light, lw=1.2, zorder=1)
    _arrow(ax, (out, high), (edge, high))


def _fan(ax: Axes, x: float, y: float) -> None:
    """Query, key and value of self-attention all come from the same words."""
    for shift, role in ((-0.42, VALUE), (0.0, KEY), (0.42, QUERY)):
        start = y - HALF - 0.22
        ax.plot([x, x + shift], [start, start], color=SOFT.light, lw=1.2, zorder=1)
        _arrow(ax, (x + shift, start), (x + shift, y - HALF), colour=role.light)
