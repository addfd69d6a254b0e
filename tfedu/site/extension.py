"""The book's Sphinx extension; it knows myst-nb and the theme, and nothing of jupyter-book.

It adds the roles ``{q} {k} {v} {w}`` (text in the colours of queries, keys, values and weights, which the
macros ``\\q \\k \\v \\w`` give to formulas), the directives ``timeline``, ``speed`` and ``hero``, a chapter's buttons,
one progress line a chapter, and makes BertViz use the vendored scripts.
"""

import json
import os
import posixpath
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import roles
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from tfedu import weights
from tfedu.live import lab
from tfedu.live.slim import join
from tfedu.site import formulas, hero, light, slides, speed, timeline

# BertViz asks cdnjs for these; what it needs of them is vendored, in one file.
REQUIRE = re.compile(r'<script src="https://cdnjs\.cloudflare\.com/ajax/libs/require\.js/[^"]+"></script>')
LIBRARY = re.compile(r"https://cdnjs\.cloudflare\.com/ajax/libs/(d3|jquery)/[\d.]+/(d3|jquery)\.min")


# --- colours in text and in formulas -------------------------------------------------------------------


def colour_role(meaning: str) -> Any:
    """A docutils role that marks its text as a query, a key, a value or a weight."""

    def role(
        name: str,
        rawtext: str,
        text: str,
        lineno: int,
        inliner: Any,
        options: Any = None,
        content: Any = None,
    ) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.inline(rawtext, text, classes=["tf-role", f"tf-{meaning}"])], []

    return role


# --- directives ----------------------------------------------------------------------------------------


class LinkedHTML(nodes.General, nodes.Element):
    """HTML in which ``doc:NAME`` stands for the address of a page, known only when a page is written."""


def visit_linked_html(self: Any, node: LinkedHTML) -> None:
    """Put the addresses in, seen from the page that is being written."""
    builder = self.builder
    here = builder.current_docname

    def address(match: re.Match[str]) -> str:
        return 'href="' + builder.get_relative_uri(here, match.group(1)) + '"'

    self.body.append(re.sub(r'href="doc:([^"]+)"', address, node["html"]))
    raise nodes.SkipNode


def skip(self: Any, node: nodes.Node) -> None:
    """Other builders show nothing."""
    raise nodes.SkipNode


class Timeline(SphinxDirective):
    """``{timeline}``: the story as a list; its argument is the YAML file, from the root."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file; each stop is linked if its chapter is written."""
        path = Path(self.env.srcdir, self.arguments[0])
        self.env.note_dependency(str(path))
        return [LinkedHTML(html=timeline.to_html(timeline.read(path), self.env.found_docs))]


class Speed(SphinxDirective):
    """``{speed}``: a kept benchmark as a table; its argument is the JSON file, from the root."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file, and read it again when it changes."""
        path = Path(self.env.srcdir, self.arguments[0])
        self.env.note_dependency(str(path))
        return [nodes.raw("", speed.to_html(speed.read(path)), format="html")]


class Hero(SphinxDirective):
    """``{hero}``: a sentence being translated, from a recording; its argument is the JSON file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Draw the last step as SVG; the page's script plays the others."""
        path = Path(self.env.srcdir, self.arguments[0])
        self.env.note_dependency(str(path))
        return [LinkedHTML(html=hero.to_html(hero.read(path)))]


class SlideMark(nodes.General, nodes.Element):
    """Where a Markdown cell begins and what it is on a slide: a comment, read by ``tfedu.site.slides``."""


class SlideMarkDirective(SphinxDirective):
    """``{tfedu-cell}``: put at the head of every Markdown cell by :func:`mark_cells`; nobody writes it."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Keep the words as they are."""
        return [SlideMark(text=" ".join(self.content))]


def visit_slide_mark(self: Any, node: SlideMark) -> None:
    """An HTML comment."""
    self.body.append(f"<!--tfedu-cell {node['text']}-->")
    raise nodes.SkipNode


# --- notebooks -----------------------------------------------------------------------------------------


def mark_cells(app: Sphinx, docname: str, source: list[str]) -> None:
    """Before a notebook is parsed: mark its cells for the slides, empty those tagged ``notebook-only``.

    The file stays as it is. A code cell's tag becomes a class of its box. A Markdown cell leaves no trace in a
    page, so it gets a directive of its own. The cells keep their numbers, for messages name them.
    """
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        kind = slides.slide_type(cell) or "-"
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code":
            cell["metadata"]["tags"] = [*tags, slides.TAG + kind]
        elif cell["cell_type"] == "markdown":
            text = "" if "notebook-only" in tags else "".join(cell["source"])
            cell["source"] = f"```{{tfedu-cell}}\n{kind}\n```\n\n{text}"
    source[0] = json.dumps(notebook)


class Progress:
    """One line a chapter: what is being done, then how long it took. Quiet for other pages."""

    started: ClassVar[dict[str, float]] = {}
    todo: ClassVar[list[str]] = []

    @classmethod
    def before(cls, app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
        """Learn which chapters will be read."""
        chapters = [d for d in sorted(env.found_docs) if env.doc2path(d).endswith(".ipynb")]
        cls.todo = [name for name in chapters if name in docnames]
        for name in chapters:
            if name not in docnames:
                print(f"        {name}: unchanged", flush=True)

    @classmethod
    def start(cls, app: Sphinx, docname: str, source: list[str]) -> None:
        """A chapter is about to be executed, or taken from the cache."""
        if docname in cls.todo:
            cls.started[docname] = time.monotonic()
            count = f"[{cls.todo.index(docname) + 1}/{len(cls.todo)}]"
            end = "\r" if sys.stdout.isatty() else "\n"
            print(f"  {count} {docname}: executing", end=end, flush=True)

    @classmethod
    def stop(cls, app: Sphinx, doctree: nodes.document) -> None:
        """It is done."""
        docname = app.env.docname
        if docname in cls.started:
            taken = time.monotonic() - cls.started.pop(docname)
            data = getattr(app.env, "nb_metadata", {}).get(docname, {}).get("exec_data") or {}
            runtime = data.get("runtime") or 0.0
            how = "from the cache" if taken < runtime else "executed"
            count = f"[{cls.todo.index(docname) + 1}/{len(cls.todo)}]"
            print(f"  {count} {docname}: {how}, {taken:.1f} s   ", flush=True)


# --- pages ---------------------------------------------------------------------------------------------


def local_bertviz(body: str, static: str) -> str:
    """Make BertViz's HTML ask this site, not a CDN.

    Args:
        body: the HTML of a page.
        static: the relative address of ``_static/`` from that page, ending in a slash.
    """
    vendor = f"{static}vendor/"
    if "application/vnd.jupyter.widget-view" in body:  # the widgets' manager needs the real require.js
        ours = f'<script src="{vendor}require.js"></script><script src="{static}require-config.js"></script>'
    else:
        ours = f'<script src="{vendor}bertviz.min.js"></script>'
    return LIBRARY.sub(lambda match: f"{vendor}{match.group(1)}.min", REQUIRE.sub(ours, body))


def chapter_buttons(app: Sphinx, pagename: str, static: str) -> str:
    """The row under a chapter's title: Colab, the notebook itself, the slides."""
    root = static.removesuffix("_static/")
    options = app.config.html_theme_options
    repository = str(options.get("repository_url", "")).removeprefix("https://github.com/").rstrip("/")
    branch = options.get("repository_branch") or "main"
    name = posixpath.basename(pagename)
    links = []
    if repository:
        colab = f"https://colab.research.google.com/github/{repository}/blob/{branch}/{pagename}.ipynb"
        links.append(f'<a class="tf-button" href="{colab}">Open in Colab</a>')
    links.append(
        f'<a class="tf-button" href="{root}_sources/{pagename}.ipynb" download>Download notebook</a>'
    )
    links.append(f'<a class="tf-button" href="{root}slides/{name}.html">Slides</a>')
    return f'<nav class="tf-chapter-buttons" aria-label="This chapter elsewhere">{"".join(links)}</nav>'


def finish_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Last changes to a page: BertViz's addresses, the chapter's buttons."""
    if "body" not in context or doctree is None:
        return
    static = posixpath.dirname(context["pathto"]("_static/x", 1)) + "/"
    body = local_bertviz(context["body"], static)
    # docutils calls a bibliography a list whose children are no list items, which ARIA forbids.
    body = body.replace('role="list" class="citation-list"', 'class="citation-list"')
    body = body.replace(' role="doc-biblioentry"', "")
    # A fold's name is the words on it ("Show code cell source"), not another text.
    context["body"] = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    context["body"] = light.share_glyphs(context["body"])
    for name in sorted(set(re.findall(r'<tf-lab name="([\w-]+)"', body))):
        app.add_js_file(f"live/lab-{name}.js", loading_method="defer", priority=900)
    if app.env.doc2path(pagename).endswith(".ipynb"):
        buttons = chapter_buttons(app, pagename, static)
        context["body"] = context["body"].replace("</h1>", "</h1>" + buttons, 1)


def copy_labs(app: Sphinx, exception: Exception | None) -> None:
    """Put the labs' scripts and the models they run beside each other; a page asks for them when it needs them."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_static", "live")
    folder.mkdir(parents=True, exist_ok=True)
    models = sorted((weights.data_dir() / "live").glob("*.live.safetensors"))
    for path in (*lab.STATIC.glob("lab-*.js"), *models):
        copy = folder / path.name
        if not copy.exists() or copy.stat().st_mtime_ns != path.stat().st_mtime_ns:
            if path in models:
                whole, name = join(path), path.name.removesuffix(".live.safetensors")
                copy.with_suffix(".js").write_text(lab.model_script(name, whole), "ascii")
                copy.write_bytes(whole)
            else:
                shutil.copyfile(path, copy)
            times = path.stat().st_atime_ns, path.stat().st_mtime_ns
            os.utime(copy, ns=times)  # last: all is there if this is


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Leave out what the theme brings and no page uses."""
    if exception is None and app.builder.format == "html":
        light.scripts(Path(app.outdir))
        light.icons(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    for letter, meaning in formulas.ROLES.items():
        roles.register_local_role(letter, colour_role(meaning))
    app.add_node(LinkedHTML, html=(visit_linked_html, None), latex=(skip, None), text=(skip, None))
    app.add_node(SlideMark, html=(visit_slide_mark, None), latex=(skip, None), text=(skip, None))
    app.add_directive("timeline", Timeline)
    app.add_directive("speed", Speed)
    app.add_directive("hero", Hero)
    app.add_directive("tfedu-cell", SlideMarkDirective)
    app.connect("env-before-read-docs", Progress.before)
    app.connect("source-read", Progress.start)
    app.connect("source-read", mark_cells)
    app.connect("doctree-read", Progress.stop)
    app.connect("html-page-context", finish_page, priority=900)
    app.connect("build-finished", copy_labs)
    app.connect("build-finished", lighten)
    formulas.setup(app)
    os.environ[lab.BOOK] = "1"  # the chapters' kernels inherit it: a lab leaves its tag alone
    # Formulas stand in navigation titles too, so their style sheet must be on pages that have none in their text.
    app.set_html_assets_policy("always")
    # palette.css first: the others use its variables.
    for number, sheet in enumerate(("palette.css", "fonts.css", "page.css")):
        app.add_css_file(sheet, priority=900 + number)
    app.add_js_file("page.js", priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
