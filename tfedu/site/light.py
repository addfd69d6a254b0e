"""Less to fetch: of what the theme and matplotlib bring, the part that the book uses.

The theme carries 1,900 icons three times (a script, a font, a style sheet); the book uses about thirty. Every
figure carries the outlines of its letters; a page needs each letter once. And the theme puts the index of the
whole book on every page, for a search that is made on one.
"""

import re
from collections.abc import Iterable
from pathlib import Path

# --- figures: each letter once a page --------------------------------------------------------------------

GLYPH = re.compile(
    r'<path id="(tf[0-9a-f]+-(\w+-\w+-[0-9a-f]+))"( d="[^"]*" transform="scale\(0\.015625\)")/>\s*'
)


def share_glyphs(body: str) -> str:
    """Move the outlines of letters that matplotlib wrote into each figure to one place before the text.

    Args:
        body: the HTML of a page whose figures were written by :func:`tfedu.viz.svg`.
    """
    outlines: dict[str, str] = {}  # what is drawn -> its new name
    names: dict[str, str] = {}  # the old name -> the new one
    for old, letter, outline in GLYPH.findall(body):
        if outline not in outlines:
            again = sum(name.startswith(f"tf-{letter}") for name in outlines.values())
            outlines[outline] = f"tf-{letter}" + (f"-{again}" if again else "")
        names[old] = outlines[outline]
    if not names:
        return body
    body = GLYPH.sub("", body)
    body = re.sub(
        r'href="#(tf[0-9a-f]+-\w+-\w+-[0-9a-f]+)"', lambda m: f'href="#{names.get(m[1], m[1])}"', body
    )
    kept = "".join(f'<path id="{name}"{outline}/>' for outline, name in outlines.items())
    return (
        '<svg class="tf-glyphs" width="0" height="0" style="position: absolute" aria-hidden="true">'
        f"<defs>{kept}</defs></svg>{body}"
    )


# --- icons: those that a page, a script or a style sheet names -------------------------------------------

FONTS = ("fa-solid-900", "fa-regular-400", "fa-brands-400")
RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"([^"]*)"\}')
CODE = re.compile(r"[\ue000-\uf8ff]|\\([ef][0-9a-f]{3})\b")


def trim_icons(css: str, used: Iterable[str]) -> str:
    """The theme's style sheet without the rules of icons that are not used, its fonts as made here.

    Args:
        css: the sheet as it comes with the theme.
        used: names of icons, such as ``fa-moon``.
    """
    wanted = set(used)

    def keep(rule: re.Match[str]) -> str:
        return rule[0] if wanted & set(re.findall(r"fa-[a-z0-9-]+", rule[1])) else ""

    fonts = r"src:url\(([^)]*?)\.woff2\) format\(\"woff2\"\),url\([^)]*\) format\(\"truetype\"\)"
    return re.sub(fonts, r'src:url(\1.woff) format("woff")', RULE.sub(keep, css))


def icon_codes(css: str) -> set[int]:
    """The private-use characters that a style sheet writes, as code points."""
    return {int(found[1], 16) if found[1] else ord(found[0]) for found in CODE.finditer(css)}


def subset(source: Path, target: Path, codes: set[int]) -> None:
    """Write a font that has only some of another's characters."""
    from fontTools import subset as tools
    from fontTools.ttLib import TTFont

    font = TTFont(source)
    options = tools.Options(layout_features=[], name_IDs=[0, 1, 2, 13, 14], notdef_outline=True)
    maker = tools.Subsetter(options)
    maker.populate(unicodes=codes)
    maker.subset(font)
    font.flavor = "woff"
    font.save(target)


def icons(out: Path) -> None:
    """Of the theme's icons leave those in use: discovered, so that a new one appears by itself.

    Args:
        out: the built site, with the theme's files as they come.
    """
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    static = out / "_static"
    sheet = Path("styles", "pydata-sphinx-theme.css")
    texts = [*out.rglob("*.html"), *static.glob("*.js"), *(theme / "scripts").glob("*theme.js")]
    named = {name for path in texts for name in re.findall(r"\bfa-[a-z0-9-]+", path.read_text("utf-8"))}
    css = trim_icons((theme / sheet).read_text("utf-8"), named)
    (static / sheet).write_text(css, "utf-8")
    sheets = [path.read_text("utf-8") for path in static.rglob("*.css") if "vendor" not in path.parts]
    codes = set().union(*map(icon_codes, sheets))
    folder = static / "vendor" / "fontawesome" / "webfonts"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FONTS:
        subset(theme / "vendor/fontawesome/webfonts" / f"{name}.ttf", folder / f"{name}.woff", codes)
        for kind in ("ttf", "woff2"):
            (folder / f"{name}.{kind}").unlink(missing_ok=True)
    for path in (static / "scripts").glob("fontawesome.js*"):
        path.unlink()


# --- scripts ---------------------------------------------------------------------------------------------

SCRIPT = r'[ \t]*<script[^>]*src="[^"]*{}[^"]*"></script>\n?'
ICONS = re.compile(SCRIPT.format(r"/scripts/fontawesome\.js"))
SEARCH = re.compile(SCRIPT.format(r"(?:/searchtools|/language_data|\bsearchindex)\.js"))


def scripts(out: Path) -> None:
    """Take from the pages the icons' script, and the search's from all but the search page."""
    for path in out.rglob("*.html"):
        text = before = path.read_text("utf-8")
        text = ICONS.sub("", text)
        if path.name != "search.html":
            text = SEARCH.sub("", text)
        if text != before:
            path.write_text(text, "utf-8")
