r"""Formulas, set by KaTeX while the book is built: a page carries their HTML and MathML and no script for them.

So a formula is there as soon as its page is, in the page and on a slide, without JavaScript too; what TeX cannot
read is an error of the build; and screen readers get the MathML. ``\q \k \v \w`` colour their argument as the
roles of the same names colour text.
"""

import functools
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number, wrap_displaymath

KATEX = Path(__file__).parent / "katex" / "katex.min.js"
ROLES = {"q": "query", "k": "key", "v": "value", "w": "weights"}
MACROS = {rf"\{letter}": rf"\htmlClass{{tf-{meaning}}}{{#1}}" for letter, meaning in ROLES.items()}
RENDER = """
function render(tex, display) {
  return katex.renderToString(tex, {
    displayMode: display,
    macros: Object.assign({}, MACROS),
    trust: (asked) => asked.command === "\\\\htmlClass",
    strict: (what) => what === "htmlExtension" || what === "unicodeTextInMathMode" ? "ignore" : "error",
  });
}
"""


@functools.cache
def katex() -> Any:
    """KaTeX's ``render(tex, display)``, in a JavaScript engine that lives in this process."""
    import quickjs

    context = quickjs.Context()
    context.eval(KATEX.read_text("utf-8"))
    context.eval(RENDER.replace("MACROS", json.dumps(MACROS)))
    return context.get("render")


@functools.cache
def render(tex: str, display: bool) -> str:
    """One formula as HTML with its MathML.

    Args:
        tex: TeX without dollar signs.
        display: on a line of its own.

    Raises:
        ValueError: if KaTeX cannot read it; the message says where.
    """
    import quickjs

    try:
        return str(katex()(tex, display))
    except quickjs.JSException as error:
        raise ValueError(str(error).split("\n")[0].removeprefix("ParseError: ")) from None


def html(node: nodes.Node, tex: str, display: bool) -> str:
    """:func:`render`; a formula that cannot be read is a warning of the build, which makes it fail."""
    try:
        return render(tex, display)
    except ValueError as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
        return f"<code>{nodes.literal('', tex).astext()}</code>"


def visit_inline(self: Any, node: nodes.math) -> None:
    """A formula in a line of text."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(html(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """A formula on a line of its own, numbered if it has a label."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    tex = node.astext() if node["nowrap"] else wrap_displaymath(node.astext(), None, False)
    self.body.append(html(node, without_fence(tex), display=True) + "</div>\n")
    raise nodes.SkipNode


def without_fence(tex: str) -> str:
    r"""TeX without the ``\[ \]`` or ``equation`` around it, which say "display" to LaTeX; KaTeX is told so."""
    for start, end in ((r"\begin{equation*}", r"\end{equation*}"), (r"\[", r"\]")):
        tex = tex.strip().removeprefix(start).removesuffix(end)
    return tex


def setup(app: Sphinx) -> None:
    """Make this the book's way with formulas."""
    app.add_html_math_renderer("tfedu", (visit_inline, None), (visit_block, None))
    app.add_css_file("vendor/katex/katex.min.css", priority=890)
