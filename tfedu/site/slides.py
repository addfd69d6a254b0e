"""Slides from a built chapter: the page's own HTML, cut at its cells, shown by the vendored reveal.js.

The page already has everything resolved: citations, roles, admonitions, formulas, live figures. So a deck
costs no second execution and prints nothing raw. What is on a slide is decided by the cell's
``slideshow.slide_type`` (or a tag of the same name): ``slide`` starts a slide, ``subslide`` one below it,
``fragment`` comes on a click, ``notes`` are for the speaker, ``skip`` and unmarked cells stay in the chapter.
A chapter without any mark gets a deck by rule: see :func:`by_rule`.

    python -m tfedu.site.slides _build/html
"""

import html
import posixpath
import re
import sys
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SLIDE_TYPES = ("slide", "subslide", "fragment", "notes", "skip")
TAG = "tfedu-slide-"  # put before a code cell's slide type, which is then a class in the page
CODE_LINES = 16  # more do not fit a slide


def slide_type(cell: dict[str, Any]) -> str | None:
    """What a notebook cell says it is on a slide, by metadata or by tag; None if it says nothing."""
    metadata = cell.get("metadata", {})
    said = metadata.get("slideshow", {}).get("slide_type")
    tags = [tag for tag in metadata.get("tags", []) if tag in SLIDE_TYPES]
    found = said if said in SLIDE_TYPES else (tags[0] if tags else None)
    return str(found) if found else None


@dataclass
class Cell:
    """A cell of a built page: its kind, what it says it is, and its HTML."""

    kind: str
    mark: str | None
    parts: list[Any] = field(default_factory=list)

    def find(self, css: str) -> list[Any]:
        """Every element in the cell that a CSS selector finds, and the parts themselves."""
        found = []
        for part in self.parts:
            wrapper = part.parent
            found += [tag for tag in (part.select(css) if hasattr(part, "select") else [])]
            if getattr(part, "name", None) and wrapper is not None and part in wrapper.select(css):
                found.append(part)
        return found


def flatten(section: Any) -> Iterator[Any]:
    """The blocks of a page in reading order, without the nested ``section`` elements."""
    for child in section.children:
        if getattr(child, "name", None) == "section":
            yield from flatten(child)
        else:
            yield child


def cells(article: Any) -> list[Cell]:
    """Cut an article into cells: a comment opens a Markdown cell, a box of class ``cell`` is a code cell.

    Both are left by :func:`tfedu.site.extension.mark_cells`.
    """
    from bs4 import Comment

    found: list[Cell] = [Cell("markdown", None)]
    for block in flatten(article):
        names = block.get("class", []) if getattr(block, "name", None) else []
        if isinstance(block, Comment):
            words = block.split()
            if words[:1] == ["tfedu-cell"]:
                found.append(Cell("markdown", None if words[1] == "-" else words[1]))
        elif "cell" in names:
            said = [name.removeprefix("tag_" + TAG) for name in names if name.startswith("tag_" + TAG)]
            found.append(Cell("code", said[0] if said and said[0] in SLIDE_TYPES else None, [block]))
        elif getattr(block, "name", None) and "tf-chapter-buttons" not in names:
            found[-1].parts.append(block)
    return [cell for cell in found if cell.parts]


@dataclass
class Slide:
    """One slide: HTML parts, and notes. ``below`` puts it under the one before."""

    parts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    below: bool = False


def by_marks(content: list[Cell]) -> list[Slide]:
    """The deck that the author marked, in the sense of Jupyter's slide types; unmarked cells are left out."""
    deck: list[Slide] = []
    for cell in content:
        text = "".join(str(part) for part in cell.parts)
        if cell.mark in ("slide", "subslide") or (cell.mark == "fragment" and not deck):
            deck.append(Slide([text], below=cell.mark == "subslide" and bool(deck)))
        elif cell.mark == "fragment":
            deck[-1].parts.append(f'<div class="fragment">{text}</div>')
        elif cell.mark == "notes" and deck:
            deck[-1].notes.append(text)
    return deck


def has_figure(text: str) -> bool:
    """Whether HTML holds something to look at."""
    return re.search(r"<img|<svg|tf-plotly|bertviz", text) is not None


def told(part: Any, slide: Slide) -> str:
    """What a Markdown block says on a slide: all of it, a part, or nothing."""
    names = part.get("class", [])
    if "exercise" in names:  # its title; the rest is for the reader
        title = part.select_one(".admonition-title")
        return f"<p>{title.decode_contents()}</p>" if title else ""
    if "solution" in names or "dropdown" in names or "margin" in names:
        return ""
    if part.name in ("ul", "ol", "figure", "table") or "math" in names or "admonition" in names:
        return str(part)
    if part.name == "div" and part.select_one("table, div.math"):
        return str(part)
    said = any(piece.startswith("<p") for piece in slide.parts)
    return str(part) if part.name == "p" and not said else ""


def by_rule(content: list[Cell]) -> list[Slide]:
    """The deck of an unmarked chapter.

    A heading starts a slide with the first paragraph and the formulas, lists, tables and boxes that follow.
    The first figure joins them if there is room; each other one gets a slide below, its code hidden. Code is
    shown where it fits. All other prose is for the reader.
    """
    deck: list[Slide] = []
    heading = ""
    for cell in content:
        text = "".join(str(part) for part in cell.parts)
        if cell.mark == "notes" and deck:
            deck[-1].notes.append(text)
        elif cell.mark in ("skip", "notes"):
            continue
        elif cell.kind == "markdown":
            for part in cell.parts:
                if part.name in ("h1", "h2", "h3"):
                    deck.append(Slide([str(part)], below=part.name == "h3" and bool(deck)))
                    heading = " ".join(part.get_text().split())
                elif deck:
                    deck[-1].parts.append(told(part, deck[-1]))
        else:
            outputs = "".join(str(part) for part in cell.find(".cell_output"))
            code = cell.find(".cell_input pre")
            kicker = f'<p class="tf-kicker">{html.escape(heading)}</p>' if heading else ""
            if has_figure(outputs):
                kept = [piece for piece in deck[-1].parts if piece] if deck else []
                if 1 <= len(kept) <= 2 and not any(map(has_figure, kept)) and kept[0].startswith("<h2"):
                    deck[-1].parts.append(outputs)
                else:
                    deck.append(Slide([kicker, outputs], below=bool(deck)))
            elif code and code[0].get_text().strip().count("\n") < CODE_LINES:
                deck.append(Slide([kicker, text], below=bool(deck)))
    return [slide for slide in deck if slide.parts]


def columns(deck: list[Slide]) -> str:
    """Reveal's sections: a slide and those below it share an outer one."""
    stacks: list[list[Slide]] = []
    for slide in deck:
        if slide.below and stacks:
            stacks[-1].append(slide)
        else:
            stacks.append([slide])
    written = []
    for stack in stacks:
        inner = []
        for slide in stack:
            notes = f'<aside class="notes">{"".join(slide.notes)}</aside>' if slide.notes else ""
            inner.append(f'<section><div class="tf-slide">{"".join(slide.parts)}</div>{notes}</section>')
        written.append(inner[0] if len(inner) == 1 else f"<section>{''.join(inner)}</section>")
    return "\n".join(written)


def rebase(text: str, up: str, folder: str) -> str:
    """Addresses relative to the chapter's folder, made relative to ``slides/``.

    Args:
        text: HTML.
        up: how the chapter's page reaches the root, such as ``../../``.
        folder: the chapter's folder from the root, such as ``book/1_before_transformers``.
    """
    text = text.replace(f"{up}_static/", "../_static/").replace(f"{up}_images/", "../_images/")

    def move(match: re.Match[str]) -> str:
        name, address = match.groups()
        if re.match(r"[a-z]+:|\.\./_static/|\.\./_images/|//|#", address):
            return match.group(0)
        return f'{name}="{posixpath.normpath(posixpath.join("..", folder, address))}"'

    return re.sub(r'\b(href|src)="([^"]*)"', move, text)


PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · slides</title>
<link rel="icon" href="../_static/favicon.svg">
<script>
  // The book's choice of theme holds here too; the key "t" changes it.
  (function () {{
    let mode = "light";
    try {{ mode = localStorage.getItem("theme") || mode; }} catch (error) {{ /* file:// may forbid it */ }}
    document.documentElement.dataset.theme = mode === "dark" ? "dark" : "light";
  }})();
</script>
<link rel="stylesheet" href="../_static/vendor/reveal/reset.css">
<link rel="stylesheet" href="../_static/vendor/reveal/reveal.css">
{styles}
<link rel="stylesheet" href="../_static/palette.css">
<link rel="stylesheet" href="../_static/fonts.css">
<link rel="stylesheet" href="../_static/slides.css">
<script src="../_static/page.js"></script>
</head>
<body>
{glyphs}
<main><div class="reveal"><div class="slides">
{sections}
</div></div></main>
{widgets}
<nav class="tf-deck-nav" aria-label="Deck"><a href="{chapter}">Chapter</a>
<button type="button" id="tf-theme" title="Key t">Theme</button></nav>
<script src="../_static/vendor/reveal/reveal.js"></script>
<script src="../_static/vendor/reveal/notes.js"></script>
<script src="../_static/slides.js"></script>
</body>
</html>
"""


def deck_html(page: Path, root: Path) -> str:
    """The deck of one built chapter.

    Args:
        page: the chapter's HTML file.
        root: the site's root, ``_build/html``.

    Raises:
        ValueError: if nothing of the page would be on a slide.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    article = soup.select_one("article")
    if article is None:
        raise ValueError(f"{page} has no article; build the book first.")
    for tag in article.select("a.headerlink, button.copybtn, .tf-chapter-buttons, [hidden]"):
        tag.decompose()
    for tag in article.select("details.hide"):  # an input hidden in the chapter is hidden here too
        tag.decompose()
    letters = article.select_one("svg.tf-glyphs")  # the figures of all cells share them
    glyphs = str(letters.extract()) if letters else ""
    content = cells(article)
    marked = any(cell.mark in ("slide", "subslide", "fragment") for cell in content)
    deck = by_marks(content) if marked else by_rule(content)
    if not deck:
        raise ValueError(f"{page}: nothing for a slide; give the chapter headings or slide marks.")
    relative = page.relative_to(root)
    folder, up = relative.parent.as_posix(), "../" * (len(relative.parts) - 1)
    scripts: list[Any] = [copy(tag) for tag in soup.find_all("script")]
    widgets = [
        tag
        for tag in scripts
        if "widget-state" in tag.get("type", "")
        or re.search(r"require|embed-amd|live/lab-", tag.get("src", ""))
    ]
    inside = {str(tag) for tag in article.find_all("script")}
    links: list[Any] = soup.find_all("link")
    styles = [tag for tag in links if re.search(r"pygments|sphinx-design|mystnb|katex", tag.get("href", ""))]
    heading = article.find("h1")
    title = " ".join(heading.get_text().split()) if heading else relative.stem
    return PAGE.format(
        title=html.escape(title),
        styles="\n".join(rebase(str(tag), up, folder) for tag in styles),
        glyphs=glyphs,
        widgets="\n".join(rebase(str(tag), up, folder) for tag in widgets if str(tag) not in inside),
        sections=rebase(columns(deck), up, folder),
        chapter=f"../{relative.as_posix()}",
    )


def chapters(root: Path) -> list[Path]:
    """The built pages that came from notebooks, in order."""
    sources = sorted((root / "_sources").rglob("*.ipynb"))
    return [root / source.relative_to(root / "_sources").with_suffix(".html") for source in sources]


def build(root: Path) -> list[Path]:
    """Write ``slides/<chapter>.html`` for every chapter of a built book; returns the files."""
    (root / "slides").mkdir(exist_ok=True)
    written = []
    for page in chapters(root):
        path = root / "slides" / page.name
        path.write_text(deck_html(page, root), "utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for deck_path in build(Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")):
        print(deck_path)
