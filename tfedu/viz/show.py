"""Show a figure with its description. Every figure of the book goes through here.

A matplotlib figure leaves as inline SVG whose colours are the page's CSS variables: so it turns with the
theme, stays sharp, and a screen reader hears its description. A Plotly figure carries the description in
`layout.meta["alt"]`, where the book's renderer finds it.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from typing import TYPE_CHECKING, Any

from tfedu.viz.palette import variables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# How other pages say that they are dark: JupyterLab, VS Code, Colab. The book's own have the variables.
_DARK = 'body[data-jp-theme-light="false"] .{0}, body.vscode-dark .{0}, html[theme="dark"] .{0}'


def described(alt: str) -> str:
    """Check a description.

    Raises:
        ValueError: it is empty.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("a figure needs alt text: show(fig, alt='what it shows, for one who cannot see it')")
    return " ".join(alt.split())


def svg(fig: Figure, alt: str) -> str:
    """Turn a matplotlib figure into an HTML `<figure>` with inline SVG that follows the page's theme.

    Raises:
        ValueError: `alt` is empty.
    """
    from tfedu.viz.style import context

    alt = described(alt)
    buffer = io.StringIO()
    with context():
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\n\s*", "\n", text).strip()

    # Names that nothing refers to, and digits that no eye sees, make half of matplotlib's file.
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in wanted else "", text)
    text = re.sub(
        r' d="[^"]+"', lambda match: re.sub(r"\s+", " ", re.sub(r"(\.\d\d)\d+", r"\1", match[0])), text
    )

    # Many figures share one page: each gets names of its own, else one figure's clip would cut another.
    mark = "tf" + hashlib.sha1(text.encode()).hexdigest()[:8]
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}-", text)

    names: dict[str, str] = {}
    for name, (light, _) in variables().items():
        names.setdefault(light.lower(), name)
    used: dict[str, str] = {}

    def themed(match: re.Match[str]) -> str:
        name = names.get(match[2].lower())
        if name is None:
            return match[0]
        used[name] = variables()[name][1]
        return f"{match[1]}: var({name}, {match[2]})"

    text = re.sub(r"\b(fill|stroke): (#[0-9a-fA-F]{6})\b", themed, text)

    opening, rest = text.split(">", 1)
    width, height = (float(side) for side in re.search(r'viewBox="0 0 (\S+) (\S+)"', opening).groups())  # type: ignore[union-attr]
    natural = width * 4 / 3  # points to CSS pixels
    dark = "; ".join(f"{name}: {colour}" for name, colour in used.items())
    return (
        f'<figure class="tf-figure {mark}" style="max-width: {1.2 * natural:.0f}px">'
        f"<style>{_DARK.format(mark)} {{ {dark} }}</style>"
        f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {width:g} {height:g}" '
        'style="width: 100%; height: auto" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{rest}</figure>'
    )


def show(fig: Any, alt: str) -> None:
    """Show a matplotlib or Plotly figure with the description `alt`.

    Outside a notebook nothing is drawn, but the description is checked and, for Plotly, kept in the figure.

    Args:
        fig: a matplotlib or Plotly figure. A matplotlib one is closed, or the cell would draw it twice.
        alt: what the figure shows, in a sentence or two, for a reader who cannot see it. Say the finding, not
            "a plot of".

    Raises:
        ValueError: `alt` is empty.
        TypeError: `fig` is neither kind of figure.
    """
    alt = described(alt)
    if hasattr(fig, "savefig"):
        page = svg(fig, alt)
        import matplotlib.pyplot as plt

        plt.close(fig)
        _display({"text/html": page, "text/plain": f"Figure: {alt}"})
    elif hasattr(fig, "to_plotly_json"):
        meta: Any = fig.layout.meta
        fig.update_layout(meta={**(meta if isinstance(meta, dict) else {}), "alt": alt})
        if _in_notebook():
            fig.show(config={"displayModeBar": False, "responsive": True})
    else:
        raise TypeError(f"show takes a matplotlib or a Plotly figure, not {type(fig).__name__}")


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None


def _display(bundle: dict[str, str]) -> None:
    if _in_notebook():
        from IPython.display import display

        display(bundle, raw=True)
