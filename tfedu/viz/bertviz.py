"""BertViz's head view and model view, in the book's frame and colours (Vig 2019, arXiv:1906.05714).

BertViz writes a page fragment that fetches its scripts from a CDN. That stays, for Jupyter and Colab; the
book's build puts local copies in their place. What is mended here: colours follow the theme, the controls
have names, the model view fits a phone, and scripts wait for each other.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from tfedu.viz.palette import GROUND, INK, KEY, LINE, PANEL, QUERY
from tfedu.viz.show import described
from tfedu.viz.style import FONT

if TYPE_CHECKING:
    from IPython.display import HTML
    from torch import Tensor

    from tfedu.trace import AttentionMap

# One colour a head: purple first, for most maps of the early chapters have one head; then hues far from it.
HEADS = (
    "#8C58CE",
    "#B9820A",
    "#C2418F",
    "#2388C6",
    "#7A8793",
    "#6E8B1F",
    "#B8655A",
    "#2E9C9C",
    "#9A7B4F",
    "#5B6FC4",
)


def head_view(
    maps: AttentionMap | Mapping[str, AttentionMap] | Iterable[AttentionMap],
    alt: str | None = None,
    *,
    item: int = 0,
) -> HTML:
    """Draw every weight as a line from the word written (left) to the word read (right). Touch a word.

    Args:
        maps: one `AttentionMap`, or several: the layers of one model, in order. Maps whose queries and keys
            are different words are cross-attention; the others belong to the decoder if their name says so,
            else to the encoder. A list lets the reader switch between the three.
        alt: what it shows, for one who cannot see it; a plain description if not given.
        item: which sentence of the batch.

    Raises:
        ValueError: there is no map, maps of one kind differ in words or heads, or the kinds in depth.
    """
    return _view("head", maps, alt, item)


def model_view(
    maps: AttentionMap | Mapping[str, AttentionMap] | Iterable[AttentionMap],
    alt: str | None = None,
    *,
    item: int = 0,
) -> HTML:
    """Draw all layers (rows) and heads (columns) as small pictures; touch one to open it. See `head_view`."""
    return _view("model", maps, alt, item)


def _view(kind: Literal["head", "model"], maps: Any, alt: str | None, item: int) -> HTML:
    import bertviz
    from IPython.display import HTML

    if hasattr(maps, "weights"):
        maps = [maps]
    elif isinstance(maps, Mapping):
        maps = list(maps.values())
    groups = _sorted_by_kind(list(maps), item)
    depths = {name: len(layers) for name, (layers, _, _) in groups.items()}
    layers = max(depths.values())
    if min(depths.values()) < layers:
        raise ValueError(f"BertViz draws stacks of equal depth together, not {depths}; draw each alone")
    arguments: dict[str, Any] = {"html_action": "return", "prettify_tokens": False}
    if len(groups) == 1 and "cross" not in groups:
        ((attention, tokens, _),) = groups.values()
        arguments |= {"attention": attention, "tokens": tokens}
    else:
        for name, (attention, queries, keys) in groups.items():
            arguments[f"{name}_attention"] = attention
            arguments["encoder_tokens" if name == "encoder" else "decoder_tokens"] = queries
            if name == "cross":
                arguments["encoder_tokens"] = keys
    view = bertviz.head_view if kind == "head" else bertviz.model_view
    written, read = next(iter(groups.values()))[1:]
    alt = described(
        alt
        if alt is not None
        else f"Interactive {kind} view of {layers} attention layer{'s' * (layers > 1)}: lines join each of "
        f"“{' '.join(written)}” to the words of “{' '.join(read)}” that it attends to."
    )
    return HTML(_mended(view(**arguments).data, alt, quiet=layers == 1 and len(groups) == 1))


def _sorted_by_kind(
    maps: list[AttentionMap], item: int
) -> dict[str, tuple[list[Tensor], list[str], list[str]]]:
    """Put the maps into BertViz's three drawers: layers (1, H, T, S), queries and keys of each."""
    groups: dict[str, tuple[list[Tensor], list[str], list[str]]] = {}
    for one in maps:
        weights = one.weights[item : item + 1].detach().float().cpu()
        _, heads, rows, columns = weights.shape
        queries = [str(t + 1) for t in range(rows)] if one.query_tokens is None else list(one.query_tokens)
        keys = [str(s + 1) for s in range(columns)] if one.key_tokens is None else list(one.key_tokens)
        if (len(queries), len(keys)) != (rows, columns):
            raise ValueError(
                f"{one.name!r} is a map of {rows} by {columns} but has {len(queries)} and {len(keys)} words; "
                "cut the padding off, for instance with map.tokens(queries, keys)"
            )
        kind = "cross" if queries != keys else "decoder" if "decoder" in one.name else "encoder"
        layers, first_queries, first_keys = groups.setdefault(kind, ([], queries, keys))
        if (first_queries, first_keys) != (queries, keys) or (layers and layers[0].shape[1] != heads):
            raise ValueError(
                f"{one.name!r} has other words or heads than the {kind} map before it; draw it alone"
            )
        layers.append(weights)
    if not groups:
        raise ValueError("there is no map to draw: give an AttentionMap, or a trace's maps with their tokens")
    return groups


def _mended(page: str, alt: str, quiet: bool) -> str:
    """Give BertViz's fragment our frame, colours and names. Where a change finds no hold, all still runs."""
    page = page.replace('<select id="layer">', '<select id="layer" aria-label="Layer">')
    page = page.replace('<select id="filter">', '<select id="filter" aria-label="Which attention">')
    page = page.replace("d3.schemeCategory10", json.dumps(HEADS))
    page = page.replace("font-family:'Helvetica Neue', Helvetica, Arial, sans-serif;", "")
    width = "Math.max(320, Math.min(700, document.getElementById(params['root_div_id']).clientWidth || 700))"
    page = page.replace("DIV_WIDTH = 970", f"DIV_WIDTH = {width}")
    page = page.replace("7 * (12 / config.totalHeads)", "Math.min(16, 7 * (12 / config.totalHeads))")
    # A single head would fill the page, and its detail would open off the left edge.
    share = "(DIV_WIDTH - axisSize) / config.totalHeads"
    page = page.replace(share, f"Math.min(240, {share})")
    inside = "x = Math.max(0, Math.min(x, maxX - DETAIL_WIDTH));"
    page = page.replace("var posLeftText = x;", f"{inside}\nvar posLeftText = x;")
    if quiet:
        page = page.replace("user-select:none", "display:none", 1)  # one layer: nothing to choose

    # A page may add require.js late (JupyterLab does): the script waits for it.
    head, script = page.split('<script type="text/javascript">', 1)
    body, tail = script.rsplit("</script>", 1)
    body = body.replace("</script", "<\\/script")
    waiting = (
        "(function start() {\nif (!window.requirejs) { setTimeout(start, 50); return; }\n" + body + "\n})();"
    )
    page = f'{head}<script type="text/javascript">\n{waiting}\n</script>{tail}'
    legend = (
        '<p class="tf-bertviz-key"><span class="tf-bertviz-q">● queries: the words written</span> '
        '<span class="tf-bertviz-k">■ keys: the words read</span></p>'
    )
    return (
        f'<div class="tf-bertviz" role="group" aria-label="{html.escape(alt)}"><style>{_style()}</style>'
        f"{legend}{page}</div>"
    )


def _style() -> str:
    colours = {
        "ink": INK, "ground": GROUND, "panel": PANEL, "line": LINE, "query-text": QUERY, "key-text": KEY,
    }  # fmt: skip
    light = {name: role.text if name.endswith("-text") else role.light for name, role in colours.items()}
    v = {name: f"var(--tf-{name}, {colour})" for name, colour in light.items()}
    dark = " ".join(f"--tf-{name}: {role.dark};" for name, role in colours.items())
    elsewhere = (
        'body[data-jp-theme-light="false"] .tf-bertviz, body.vscode-dark .tf-bertviz, '
        f'html[theme="dark"] .tf-bertviz {{ {dark} }}'
    )
    return f"""
.tf-bertviz {{ border: 1px solid {v["line"]}; border-radius: 8px; padding: 0.6rem 0.8rem; margin: 1.6rem 0;
  color: {v["ink"]}; font-family: var(--tf-sans, "{FONT}", sans-serif); max-width: 740px; overflow-x: auto; }}
.tf-bertviz-key {{ display: flex; flex-wrap: wrap; gap: 0 1.4rem; margin: 0 0 0.6rem; font-size: 0.88em; }}
.tf-bertviz-q {{ color: {v["query-text"]}; }} .tf-bertviz-k {{ color: {v["key-text"]}; }}
.tf-bertviz svg {{ fill: {v["ground"]}; max-width: none; }}
.tf-bertviz svg text {{ fill: {v["ink"]}; }}
.tf-bertviz #left text {{ fill: {v["query-text"]}; }} .tf-bertviz #right text {{ fill: {v["key-text"]}; }}
.tf-bertviz .background {{ fill: {v["panel"]}; }} .tf-bertviz .attn_background {{ fill: {v["ground"]}; }}
.tf-bertviz .highlight {{ fill: {v["panel"]}; }}
.tf-bertviz select {{ font: inherit; color: inherit; background: {v["ground"]}; border: 1px solid {v["line"]};
  border-radius: 6px; padding: 0.1rem 0.4rem; }}
{elsewhere}
"""
