"""The book's look for matplotlib and Plotly: one call, `use()`, at the top of a notebook.

Figures are drawn on nothing (a transparent ground) in the palette's light colours; `show` then hands every
colour to the page's theme. They are narrow by nature, 5.6 inches, because letters shrink with a figure: so on
a 390-pixel phone an 11-point label is still about 10 pixels high.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfedu.viz.palette import INK, LINE, MIDDLE, PANEL, SERIES, SOFT

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT = "Source Sans 3"
FALLBACK = "DejaVu Sans"
SANS = f'"{FONT} Variable", "{FONT}", "Helvetica Neue", Arial, sans-serif'
WIDTH = 5.6  # inches


def _load_fonts() -> None:
    """Make the book's letters known to matplotlib, once: the same two files on every machine."""
    import matplotlib as mpl
    from matplotlib import font_manager

    ours = Path(__file__).parent / "fonts"
    theirs = Path(mpl.get_data_path()) / "fonts" / "ttf"  # matplotlib's own, for arrows and shapes
    # Entered by hand: one file calls itself another family, and a missing weight 600 would warn on stderr.
    for entry in (
        font_manager.FontEntry(
            fname=str(ours / "source-sans-3-400.ttf"), name=FONT, weight=400, size="scalable"
        ),
        font_manager.FontEntry(
            fname=str(ours / "source-sans-3-600.ttf"), name=FONT, weight=600, size="scalable"
        ),
        font_manager.FontEntry(
            fname=str(theirs / "DejaVuSans-Bold.ttf"), name=FALLBACK, weight=600, size="scalable"
        ),
    ):
        if entry not in font_manager.fontManager.ttflist:
            font_manager.fontManager.ttflist.append(entry)


def rc() -> Any:
    """Give matplotlib's settings for the book, as `rcParams` takes them."""
    from cycler import cycler

    _load_fonts()
    return {
        "figure.figsize": (WIDTH, WIDTH * 0.62),
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "none",
        "savefig.bbox": "tight",
        "savefig.pad_inches": 0.04,
        "savefig.dpi": 160,
        "axes.facecolor": "none",
        "font.family": [FONT, FALLBACK],
        "font.size": 11,
        "svg.fonttype": "path",  # the same letters everywhere, no font to fetch
        "svg.hashsalt": "tfedu",  # the same file from the same figure
        "text.color": INK.light,
        "axes.titlelocation": "left",
        "axes.titlesize": 12.5,
        "axes.titleweight": 600,
        "axes.titlecolor": INK.light,
        "axes.titlepad": 12,
        "axes.labelcolor": SOFT.light,
        "axes.labelsize": 11,
        "axes.edgecolor": LINE.light,
        "axes.linewidth": 0.9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "grid.color": PANEL.light,
        "grid.linewidth": 0.9,
        "xtick.color": LINE.light,
        "ytick.color": LINE.light,
        "xtick.labelcolor": SOFT.light,
        "ytick.labelcolor": SOFT.light,
        "xtick.labelsize": 10.5,
        "ytick.labelsize": 10.5,
        "lines.linewidth": 2.2,
        "lines.solid_capstyle": "round",
        "lines.markersize": 5.5,
        "hatch.linewidth": 0.7,
        "legend.frameon": False,
        "axes.prop_cycle": cycler(color=[role.light for role in SERIES]),
    }


def context() -> AbstractContextManager[None]:
    """Apply the book's matplotlib settings inside a `with` block only."""
    import matplotlib as mpl

    return mpl.rc_context(rc())


def figure(*, width: float = WIDTH, aspect: float = 0.62) -> tuple[Figure, Axes]:
    """Make an empty figure with one axes in the book's style.

    Args:
        width: inches; more than the default makes letters small on a phone.
        aspect: height over width.
    """
    import matplotlib.pyplot as plt

    with context():
        fig, ax = plt.subplots(figsize=(width, width * aspect))
    return fig, ax


def headline(ax: Axes, title: str, *, alone: bool = True) -> None:
    """Write the finding over a figure, broken into lines that fit it.

    Args:
        ax: the axes the title belongs to.
        title: a sentence; empty for none.
        alone: the axes are the whole figure, so the title starts at the figure's left edge.
    """
    if not title:
        return
    import textwrap

    fig = ax.get_figure(root=True)
    assert fig is not None
    wide = fig.get_figwidth() if alone else ax.get_position().width * fig.get_figwidth()
    lines = textwrap.fill(title, max(16, int(wide * 12.5)))
    if alone:
        fig.suptitle(lines, x=0, ha="left", fontsize=12.5, fontweight=600, color=INK.light)
    else:
        ax.set_title(lines)


def legend_line(ax: Axes, parts: Sequence[tuple[str, str]]) -> None:
    """Write coloured words side by side under the axes: a legend that needs no box.

    Args:
        ax: the axes.
        parts: each a text and its colour.
    """
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea
    from matplotlib.transforms import ScaledTranslation

    fig = ax.get_figure(root=True)
    assert fig is not None

    children: list[Any] = [
        TextArea(text, textprops={"color": colour, "fontsize": 9.5}) for text, colour in parts
    ]
    row = HPacker(children=children, pad=0, sep=11, align="baseline")
    below = ax.transAxes + ScaledTranslation(0, -7 / 72, fig.dpi_scale_trans)
    box = AnchoredOffsetbox(
        "upper left", child=row, frameon=False, pad=0, borderpad=0,
        bbox_to_anchor=(0, 0), bbox_transform=below,
    )  # fmt: skip
    ax.add_artist(box)


def plotly_template() -> go.layout.Template:
    """Give the book's Plotly template: transparent, left-aligned titles, narrow margins, no fixed width.

    Its inks read on a light and on a dark ground alike; in the book, `palette.css` sharpens them per theme.
    """
    import plotly.graph_objects as go

    axis = {
        "gridcolor": "rgba(0,0,0,0)",
        "linecolor": MIDDLE["line"],
        "tickcolor": MIDDLE["line"],
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8},
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": SANS, "size": 14, "color": MIDDLE["ink"]},
            "title": {"font": {"size": 17, "weight": 600}},
            "margin": {"l": 8, "r": 8, "t": 52, "b": 8},
            "colorway": [role.light for role in SERIES],
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": {"font": {"family": SANS, "size": 14}},
            "autosize": True,
            "dragmode": False,  # a finger on the figure scrolls the page
        }
    )


def plotly_headline(title: str) -> tuple[dict[str, Any], int]:
    """Break the finding over a Plotly figure into lines that fit a phone.

    Returns:
        the layout's `title`, and the pixels to leave for it at the top.
    """
    import html
    import textwrap

    lines = textwrap.wrap(title, 42)
    text = "<br>".join(html.escape(line, quote=False) for line in lines)
    # Plotly sets the last line, not the first, at the top: push the block down by the lines above it.
    down = 6 + 23 * (len(lines) - 1)
    place: dict[str, Any] = {"x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 8, "t": down}}
    place |= {"y": 1, "yref": "container", "yanchor": "top"}
    return {"text": text, **place}, 12 + 23 * len(lines)


def use() -> None:
    """Set the book's style for this notebook: matplotlib, inline SVG, Plotly's template and renderer.

    In the book and in Jupyter, Plotly figures leave as `application/vnd.plotly.v1+json`; Colab keeps its own
    way, for it knows no such output.
    """
    import sys

    import matplotlib as mpl

    mpl.rcParams.update(rc())
    try:
        from IPython import get_ipython
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")
    try:
        import plotly.io as pio
    except ImportError:  # matplotlib alone is enough for a figure in print
        return
    pio.templates["tfedu"] = plotly_template()
    pio.templates.default = "tfedu"
    if "google.colab" not in sys.modules:
        pio.renderers.default = "plotly_mimetype"
