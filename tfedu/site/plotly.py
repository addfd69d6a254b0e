"""A Plotly figure on a static page: its JSON in a ``div``, drawn by the page's own script.

Plotly's renderers either load plotly.js from another host or put all of it into every page. This one writes
data only. ``book/site/page.js`` loads one vendored plotly.js, once, and only where such a ``div`` is.
"""

import html
import json
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from docutils import nodes

MIME = "application/vnd.plotly.v1+json"
NO_ALT = "Interactive figure"
KINDS = ("scatter", "bar", "heatmap")  # what book/bundles/plotly.js puts into the page's script


def figure_html(figure: dict[str, Any]) -> str:
    """One figure as HTML: a labelled ``div`` that holds its JSON and, without JavaScript, its description.

    Args:
        figure: the content of a ``application/vnd.plotly.v1+json`` output (data, layout, frames, config).
            Its ``layout.meta.alt`` becomes the accessible name and the text shown without JavaScript.

    Raises:
        ValueError: if a trace is of a kind that the page's script cannot draw.
    """
    parts = (figure, *(figure.get("frames") or ()))
    kinds = {trace.get("type", "scatter") for part in parts for trace in part.get("data") or ()}
    if missing := sorted(kinds - set(KINDS)):
        raise ValueError(
            f"The page's Plotly draws {', '.join(KINDS)}, not {', '.join(missing)}. Draw it with one of those, or "
            "add the kind to book/bundles/plotly.js and to KINDS here, then run `python book/vendor.py`."
        )
    layout = figure.get("layout") or {}
    meta = layout.get("meta")
    alt = html.escape(str(meta.get("alt") or NO_ALT) if isinstance(meta, dict) else NO_ALT, quote=True)
    height = int(layout.get("height") or 420)
    kept = {key: figure[key] for key in ("data", "layout", "frames", "config") if figure.get(key)}
    # "</script>" inside a string would end the script element, and "<!--" would confuse the parser.
    payload = json.dumps(kept, separators=(",", ":")).replace("<", "\\u003c")
    return (
        # A figure with sliders and buttons is a group of things, so not role="img", which hides its parts.
        f'<div class="tf-plotly" role="group" aria-label="{alt}" style="min-height:{height}px">'
        f'<script type="application/json">{payload}</script>'
        f'<noscript><p class="tf-noscript">{alt} (The figure is drawn with JavaScript.)</p></noscript>'
        "</div>"
    )


class PlotlyRenderer:
    """myst-nb's way in: the entry point ``myst_nb.mime_renderers`` names this class."""

    mime_priority_overrides: ClassVar[list[tuple[str, str, int | None]]] = [("html", MIME, 1)]

    @staticmethod
    def handle_mime(renderer: Any, data: Any, inline: bool) -> "list[nodes.Element] | None":
        """Render a Plotly output as a raw HTML node; leave every other kind to myst-nb."""
        if inline or data.mime_type != MIME:
            return None
        from docutils import nodes

        content = data.content if isinstance(data.content, dict) else json.loads(data.content)
        return [nodes.raw(text=figure_html(content), format="html", classes=["output", "plotly"])]
