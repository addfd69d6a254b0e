"""Every page and every deck of the built book, opened in Chromium with nothing else to reach."""

from typing import Any

import pytest

from .conftest import AXE, SITE, Visits, decks, pages

pytestmark = pytest.mark.browser
PAGES, DECKS = (pages(), decks()) if (SITE / "book").exists() else (["book/index.html"], [])
# Module scope: pytest then runs all tests of a page in a row, and each page is opened once.
everywhere = pytest.mark.parametrize("path", PAGES + DECKS, scope="module")
each_page = pytest.mark.parametrize("path", PAGES, scope="module")
each_deck = pytest.mark.parametrize("path", DECKS, scope="module")


def serious(visit: Any) -> list[str]:
    """What axe-core calls serious or critical, one line a finding."""
    if not visit.page.evaluate("'axe' in window"):
        visit.page.evaluate(AXE.read_text("utf-8"))
    found = visit.page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
        ".filter(v => ['serious', 'critical'].includes(v.impact))"
        ".map(v => v.id + ': ' + v.nodes.slice(0, 4)"
        ".map(n => n.target.join(' ') + ' ' + n.html.slice(0, 140)).join(' | '))"
    )
    return list(found)


# --- all pages and decks ---------------------------------------------------------------------------------


@everywhere
def test_asks_no_other_host_and_has_no_error(path: str, visits: Visits) -> None:
    visit = visits(path)
    assert visit.outside == []
    assert visit.errors == []


@everywhere
def test_every_plotly_figure_is_drawn(path: str, visits: Visits) -> None:
    visit = visits(path)
    for box in visit.page.locator(".tf-plotly").all():
        if path in DECKS and not box.is_visible():
            continue  # drawn when its slide comes: see below
        box.scroll_into_view_if_needed()
        visit.page.wait_for_function("box => box.dataset.drawn", arg=box.element_handle())
        assert box.locator("svg.main-svg").count() >= 1
        assert (box.get_attribute("aria-label") or "").strip()
        if box.is_visible():
            assert box.locator("svg.main-svg").first.bounding_box()["width"] > 100


@everywhere
def test_bertviz_is_interactive(path: str, visits: Visits) -> None:
    visit = visits(path)
    for view in visit.page.locator('[id^="bertviz"]').all():
        drawn = view.locator("svg")
        drawn.first.wait_for(state="attached", timeout=5000)
        assert view.locator("svg line, svg path, svg text").count() > 0
        if path in PAGES:
            # A click on a head's square, or on a cell of the overview, changes the picture.
            target = view.locator("svg rect[fill], svg g.headTiles rect, svg rect").first
            before = drawn.first.inner_html()
            target.scroll_into_view_if_needed()
            target.dispatch_event("click")
            target.hover(force=True)
            visit.page.wait_for_timeout(300)
            assert view.locator("svg").first.inner_html() != before


@everywhere
def test_math_is_typeset(path: str, visits: Visits) -> None:
    raw = visits(path).page.evaluate(
        "[...document.querySelectorAll('.math')]"
        ".filter(e => !e.querySelector('.katex-html :is(.mord, .mop, .mopen)') || !e.querySelector('math')"
        " || e.querySelector('.katex-error'))"
        ".map(e => e.textContent)"
    )
    assert raw == []
    assert visits(path).page.locator("mjx-container, script[src*=mathjax i]").count() == 0


@everywhere
def test_axe_finds_nothing_serious(path: str, visits: Visits) -> None:
    assert serious(visits(path)) == []


@everywhere
def test_every_picture_is_described(path: str, visits: Visits) -> None:
    visit = visits(path)
    silent = visit.page.evaluate(
        "[...document.querySelectorAll('article img, main img')].filter(i => !i.hasAttribute('alt'))"
        ".map(i => i.src.slice(0, 80))"
    )
    assert silent == []
    unnamed = visit.page.evaluate(
        "[...document.querySelectorAll('.cell_output svg[role=img], .tf-hero svg')]"
        ".filter(s => !(s.getAttribute('aria-label') || '').trim()).length"
    )
    assert unnamed == 0


# --- pages -----------------------------------------------------------------------------------------------


@each_page
def test_fits_a_phone(path: str, visits: Visits) -> None:
    visit = visits(path, width=390)
    assert visit.errors == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = visit.page.evaluate(
        "[...document.querySelectorAll('article .tf-plotly, article figure, article .admonition')]"
        ".filter(e => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > 391)"
        ".map(e => e.className)"
    )
    assert wide == []


@each_page
def test_dark_theme(path: str, visits: Visits) -> None:
    visit = visits(path, theme="dark")
    assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert visit.errors == []
    assert serious(visit) == []


def test_theme_button_recolours_page_and_figures(visits: Visits) -> None:
    visit = visits("book/index.html", theme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = visit.page.evaluate(ground)
    seen = {before}
    for _ in range(3):  # the theme's button goes through light, dark and automatic
        visit.page.locator("button.theme-switch-button").first.click()
        seen.add(visit.page.evaluate(ground))
    visits.key = None
    assert len(seen) == 2


@each_page
def test_keyboard_reaches_search_theme_and_navigation(path: str, visits: Visits) -> None:
    visits.key = None
    page = visits(path).page
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.keyboard.press("Tab")
    first = page.evaluate(
        "document.activeElement.textContent + (document.activeElement.getAttribute('href') || '')"
    )
    assert "#main-content" in first, f"the first stop should be the skip link, not {first!r}"
    found = set()
    for _ in range(60):
        found.add(
            page.evaluate(
                "(e => e.matches('.theme-switch-button') ? 'theme'"
                " : e.matches('.search-button__button, input[type=search]') ? 'search'"
                " : e.closest('.bd-sidebar-primary nav') ? 'navigation' : '')(document.activeElement)"
            )
        )
        if {"theme", "search", "navigation"} <= found:
            break
        page.keyboard.press("Tab")
    assert {"theme", "search", "navigation"} <= found


def test_search_finds(visits: Visits) -> None:
    page = visits("search.html?q=query").page
    page.locator("#search-results li").first.wait_for(timeout=10000)


@each_page
def test_inside_links_lead_somewhere(path: str, visits: Visits) -> None:
    page = visits(path).page
    links = page.evaluate(
        "[...document.querySelectorAll('a[href]')].map(a => a.href)"
        ".filter(h => h.startsWith(location.origin))"
    )
    for link in {link.split("#")[0].split("?")[0] for link in links}:
        inside = link.split(f"/{SITE.name}/", 1)[-1]
        assert (SITE / inside).exists() or inside == "", link


# --- the landing page ------------------------------------------------------------------------------------


def test_landing_page_moves_and_tells_the_story(visits: Visits) -> None:
    page = visits("book/index.html").page
    assert page.locator(".tf-stop").count() >= 12
    assert page.locator(".tf-stop.tf-written a").count() >= 2
    page.locator(".tf-hero-play").click()
    page.wait_for_timeout(300)
    lit = page.locator(".tf-hero-wide path.on").count()
    hidden = page.locator(".tf-hero-wide text.unwritten").count()
    page.locator(".tf-hero-play").click()
    assert lit >= 1
    assert hidden >= 1


# --- decks -----------------------------------------------------------------------------------------------


@each_deck
def test_a_deck_runs_and_prints_nothing_raw(path: str, visits: Visits) -> None:
    visits.key = None
    page = visits(path).page
    page.wait_for_selector("body[data-ready=true]")
    assert page.evaluate("Reveal.getTotalSlides()") >= 4
    text = page.evaluate("document.querySelector('.slides').textContent")
    for raw in ("{cite", "{ref}", ":::", "```", "{q}`", "{k}`", "{v}`", "{w}`"):
        assert raw not in text
    first = page.evaluate("JSON.stringify(Reveal.getIndices())")
    page.keyboard.press("Space")
    assert page.evaluate("JSON.stringify(Reveal.getIndices())") != first
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") != theme


@each_deck
def test_figures_of_a_deck_have_size_when_reached(path: str, visits: Visits) -> None:
    visits.key = None
    page = visits(path).page
    page.wait_for_selector("body[data-ready=true]")
    for _ in range(page.evaluate("Reveal.getTotalSlides()") + 30):
        page.wait_for_function(
            "[...Reveal.getCurrentSlide().querySelectorAll('.tf-plotly')].every(box => box.dataset.drawn)"
        )
        here = page.evaluate(
            "[...Reveal.getCurrentSlide().querySelectorAll('.tf-plotly svg.main-svg')]"
            ".map(s => s.getBoundingClientRect().width)"
        )
        assert all(width > 100 for width in here)
        if page.evaluate("Reveal.isLastSlide()"):
            break
        page.evaluate("Reveal.next()")
        page.wait_for_timeout(50)
