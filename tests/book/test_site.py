"""The site's own parts: renderer, directives, slides, build, vendored files, the repository's address."""

import importlib.util
import json
import re
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from tfedu.site import build, formulas, hero, light, slides, timeline
from tfedu.site.extension import local_bertviz
from tfedu.site.plotly import KINDS, MIME, PlotlyRenderer, figure_html

from .conftest import ROOT, SITE


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode or not done.stdout:
        pytest.skip("Not a git checkout: there is no list of tracked files.")
    return done.stdout.split("\n")[:-1]


# --- Plotly ----------------------------------------------------------------------------------------------


def test_a_figure_cannot_end_its_script_and_keeps_its_data() -> None:
    figure = {
        "data": [{"name": "</script><b>"}],
        "layout": {"meta": {"alt": 'says "so"'}},
        "frames": [{"name": "1"}],
    }
    text = figure_html(figure)
    inside = text.split('<script type="application/json">')[1]
    payload, rest = inside.split("</script>", 1)
    assert json.loads(payload) == figure
    assert "<b>" not in rest
    assert 'aria-label="says &quot;so&quot;"' in text
    assert "says &quot;so&quot;" in rest  # also for readers without JavaScript


def test_the_renderer_takes_plotly_and_nothing_else() -> None:
    figure = SimpleNamespace(mime_type=MIME, content={"data": []})
    rendered = PlotlyRenderer.handle_mime(None, figure, False)
    assert rendered is not None
    assert "tf-plotly" in rendered[0].astext()
    assert PlotlyRenderer.handle_mime(None, figure, True) is None
    assert PlotlyRenderer.handle_mime(None, SimpleNamespace(mime_type="text/html", content=""), False) is None


def test_a_kind_of_trace_that_the_page_cannot_draw_is_refused() -> None:
    assert "tf-plotly" in figure_html({"data": [{"type": kind} for kind in KINDS]})
    with pytest.raises(ValueError, match=r"not surface\..*bundles/plotly\.js"):
        figure_html({"data": [{}], "frames": [{"data": [{"type": "surface"}]}]})
    bundle = (ROOT / "book/bundles/plotly.js").read_text("utf-8")
    assert {"scatter", *re.findall(r"lib/(\w+)\"\)[],]", bundle)} == set(KINDS)


# --- formulas --------------------------------------------------------------------------------------------


def test_a_formula_carries_its_mathml_its_source_and_its_colours() -> None:
    found = formulas.render(r"\w{w} = \operatorname{softmax}(\q{q}^\top \k{K})\,\v{V}", display=True)
    for meaning in ("query", "key", "value", "weights"):
        assert f"tf-{meaning}" in found
    assert "<math" in found
    assert r"\operatorname{softmax}" in found  # as an annotation, for whoever copies it
    assert "katex-display" in found
    assert "katex-display" not in formulas.render("x", display=False)


def test_tex_that_cannot_be_read_says_where() -> None:
    with pytest.raises(ValueError, match=r"nosuch at position 5"):
        formulas.render(r"a + \nosuch", display=False)


# --- less to fetch ---------------------------------------------------------------------------------------


def test_letters_of_figures_are_drawn_once_a_page() -> None:
    def figure(prefix: str, outline: str = "M 0 0 L 1 1") -> str:
        letter = f'<path id="{prefix}-SourceSans3-Regular-85" d="{outline}" transform="scale(0.015625)"/>'
        mark = f'<path id="{prefix}-m1" d="M 0 0"/>'
        uses = f'<use xlink:href="#{prefix}-SourceSans3-Regular-85"/><use xlink:href="#{prefix}-m1"/>'
        return f"<svg><defs>{letter}{mark}</defs>{uses}</svg>"

    page = light.share_glyphs(figure("tf01") + figure("tf02") + figure("tf03", "M 5 5"))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 5  # two outlines, three marks
    assert set(re.findall(r'href="#([^"]+)"', page)) == set(ids)
    assert page.count("M 0 0 L 1 1") == 1
    assert light.share_glyphs("<p>no figure</p>") == "<p>no figure</p>"


def test_the_icons_of_the_site_are_in_its_fonts() -> None:
    if not (SITE / "book").exists():
        pytest.skip("The book is not built: run `make book`.")
    from fontTools.ttLib import TTFont

    fonts = SITE / "_static/vendor/fontawesome/webfonts"
    inside = {code for path in fonts.glob("*.woff") for code in TTFont(path).getBestCmap()}
    css = (SITE / "_static/styles/pydata-sphinx-theme.css").read_text("utf-8")
    used = {
        name for page in SITE.rglob("*.html") for name in re.findall(r"\bfa-[a-z0-9-]+", page.read_text())
    }
    drawn = {name for name in used if f".{name}:before" in css}
    assert {"fa-moon", "fa-sun", "fa-magnifying-glass", "fa-github"} <= drawn
    assert light.icon_codes(css) <= inside
    assert "fa-poo" not in css
    assert sum(path.stat().st_size for path in fonts.iterdir()) < 20_000


# --- BertViz ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["head_view", "model_view"])
def test_bertviz_asks_only_this_site(view: str) -> None:
    bertviz = pytest.importorskip("bertviz")
    import torch

    made = getattr(bertviz, view)(
        cross_attention=[torch.full((1, 1, 2, 3), 1 / 3)],
        encoder_tokens=["a", "b", "c"],
        decoder_tokens=["d", "e"],
        html_action="return",
    ).data
    assert "cdnjs" in made, "BertViz no longer asks a CDN: drop the rewriting"
    ours = local_bertviz(made, "../_static/")
    assert "cdnjs" not in ours
    assert ours.count("../_static/vendor/bertviz.min.js") == 1
    assert "require.js" not in ours
    widgets = local_bertviz(made + "application/vnd.jupyter.widget-view+json", "../_static/")
    assert "cdnjs" not in widgets
    assert widgets.count("../_static/require-config.js") == 1
    assert "../_static/vendor/d3.min" in widgets


# --- timeline and hero -----------------------------------------------------------------------------------


def test_timeline_links_what_is_written() -> None:
    stops = timeline.read(ROOT / "book" / "timeline.yml")
    page = stops[1].pages[0][0]
    text = timeline.to_html(stops, {page})
    assert text.count("tf-written") == 1
    assert f'href="doc:{page}"' in text
    assert len(stops) >= 12


def test_timeline_says_what_an_entry_lacks(tmp_path: Any) -> None:
    (tmp_path / "t.yml").write_text("- {year: 2014, title: Short}\n")
    with pytest.raises(ValueError, match="says"):
        timeline.read(tmp_path / "t.yml")


def test_hero_draws_each_weight_that_can_be_seen() -> None:
    recording = hero.read(ROOT / "book" / "site" / "hero.json")
    for row in recording.weights:
        assert 0.95 <= sum(row) <= 1.01
    seen = sum(weight >= 0.02 for row in recording.weights for weight in row)
    assert hero.to_html(recording).count("<path") == 2 * seen  # once wide, once tall


def test_hero_refuses_a_table_of_the_wrong_shape(tmp_path: Any) -> None:
    (tmp_path / "h.json").write_text(json.dumps({"source": ["a"], "target": ["b"], "weights": [[1.0, 0.0]]}))
    with pytest.raises(ValueError, match="1 by 1"):
        hero.read(tmp_path / "h.json")


# --- slides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"slideshow": {"slide_type": "slide"}}, "slide"),
        ({"tags": ["hide-input", "subslide"]}, "subslide"),
        ({"slideshow": {"slide_type": "-"}, "tags": ["skip"]}, "skip"),
        ({}, None),
    ],
)
def test_slide_type(metadata: dict[str, Any], expected: str | None) -> None:
    assert slides.slide_type({"metadata": metadata}) == expected


def article(html: str) -> Any:
    from bs4 import BeautifulSoup

    return BeautifulSoup(f"<article>{html}</article>", "html.parser").article


def test_marked_cells_become_the_deck_and_others_do_not() -> None:
    found = slides.cells(
        article(
            "<section><!--tfedu-cell slide--><h1>A</h1>"
            "<section><!--tfedu-cell - --><p>prose</p>"
            "<div class='cell tag_tfedu-slide-subslide'>B</div>"
            "<!--tfedu-cell fragment--><p>C</p>"
            "<!--tfedu-cell notes--><p>said</p></section></section>"
        )
    )
    deck = slides.by_marks(found)
    assert [slide.below for slide in deck] == [False, True]
    assert "prose" not in str(deck)
    assert deck[1].parts[1].startswith('<div class="fragment">')
    assert deck[1].notes == ["<p>said</p>"]


def test_an_unmarked_chapter_gets_headings_figures_and_short_code() -> None:
    long = "x\n" * 40
    found = slides.cells(
        article(
            "<!--tfedu-cell - --><h1>A</h1><p>one</p><p>two</p>"
            "<!--tfedu-cell - --><h2>B</h2><p>three</p>"
            "<div class='cell tag_tfedu-slide--'><div class='cell_input'><pre>x</pre></div>"
            "<div class='cell_output'><img alt='y' src='i.png'></div></div>"
            "<div class='cell tag_tfedu-slide--'>"
            f"<div class='cell_input'><pre>{long}</pre></div></div>"
        )
    )
    deck = slides.by_rule(found)
    assert len(deck) == 2
    assert "two" not in str(deck)
    assert "<pre>" not in str(deck)  # a figure's code is hidden, long code left out
    assert "i.png" in "".join(deck[1].parts)


def test_rebase_moves_addresses_to_the_slides_folder() -> None:
    moved = slides.rebase(
        '<a href="02.html#x"></a><img src="../../_images/p.png"><a href="#y">', "../../", "book/1"
    )
    assert 'href="../book/1/02.html#x"' in moved
    assert 'src="../_images/p.png"' in moved
    assert 'href="#y"' in moved


# --- the build -------------------------------------------------------------------------------------------


def small_book(root: Any) -> None:
    for name in ("tfedu/site", "data", "book"):
        (root / name).mkdir(parents=True)
    for name in (
        "requirements.txt",
        "_config.yml",
        "_toc.yml",
        "tfedu/a.py",
        "tfedu/site/b.py",
        "data/c.txt",
    ):
        (root / name).write_text(name)
    (root / "book/n.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": "1"}]})
    )


@pytest.mark.parametrize(
    ("changed", "cache", "pages"),
    [
        ("tfedu/a.py", False, False),
        ("data/c.txt", False, False),
        ("tfedu/site/b.py", True, False),
        (None, True, True),
    ],
)
def test_what_changed_decides_what_is_done_again(
    tmp_path: Any, changed: str | None, cache: bool, pages: bool
) -> None:
    small_book(tmp_path)
    (tmp_path / "_build").mkdir()
    build.refresh(tmp_path, build.inputs(tmp_path))
    kept = {name: tmp_path / "_build" / name / "x" for name in (".jupyter_cache", ".doctrees")}
    for path in kept.values():
        path.parent.mkdir()
        path.touch()
    if changed:
        (tmp_path / changed).write_text("other")
    build.refresh(tmp_path, build.inputs(tmp_path))
    assert kept[".jupyter_cache"].exists() == cache
    assert kept[".doctrees"].exists() == pages


# --- the repository --------------------------------------------------------------------------------------


def test_vendored_files_are_as_fetched() -> None:
    spec = importlib.util.spec_from_file_location("vendor", ROOT / "book" / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    vendor = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(vendor)
    assert vendor.check() == []


def test_the_address_of_the_repository_stands_in_one_place() -> None:
    import yaml

    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    needle = address.removeprefix("https://").encode()
    holders = [name for name in tracked() if (ROOT / name).is_file() and needle in (ROOT / name).read_bytes()]
    assert holders == ["_config.yml"]


def test_requirements_are_pinned_and_name_no_place() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all("==" in line and "@" not in line and "+" not in line for line in lines)
    assert "torch==2.13.0" in lines
    assert not any(line.startswith("tfedu") for line in lines)


def test_chapters_have_their_buttons() -> None:
    if not (SITE / "book").exists():
        pytest.skip("The book is not built: run `make book`.")
    for page in slides.chapters(SITE):
        text = page.read_text("utf-8")
        row = text.split('class="tf-chapter-buttons"')[1].split("</nav>")[0]
        assert "colab.research.google.com/github/" in row
        assert f"slides/{page.stem}.html" in row
        assert f"{page.stem}.ipynb" in row
