"""What every lab owes its page, whichever lab it is."""

from typing import Any

import pytest

from tfedu.live import lab

pytestmark = pytest.mark.browser
each = pytest.mark.parametrize("name", lab.names())


@each
def test_it_starts_and_asks_for_nothing_before_it_is_touched(name: str, visit: Any) -> None:
    seen = visit(name)
    seen.ready()
    assert seen.models() == 0
    assert seen.outside() == []
    assert seen.errors == []
    assert seen.page.locator("tf-lab .lab").is_visible()


@each
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_its_page_and_axe_finds_nothing(name: str, width: int, theme: str, visit: Any) -> None:
    seen = visit(name, width=width, theme=theme)
    seen.ready()
    assert seen.clean() == []
    seen.picture(f"{name}-{width}-{theme}")


@each
def test_without_javascript_its_still_figure_says_what_it_shows(name: str, visit: Any) -> None:
    seen = visit(name, java_script_enabled=False)
    figure = seen.page.locator("tf-lab figure")
    assert figure.is_visible()
    drawn = figure.locator("svg[role=img]")
    assert drawn.bounding_box()["width"] > 200
    assert len(drawn.get_attribute("aria-label")) > 40


@each
def test_every_control_has_a_name_and_shows_that_it_is_focused(name: str, visit: Any) -> None:
    seen = visit(name)
    seen.ready()
    page = seen.page
    controls = page.locator("tf-lab").evaluate(
        "lab => [...lab.shadowRoot.querySelectorAll('button, input, select, textarea, summary, [tabindex=\"0\"]')]"
        ".filter(one => one.checkVisibility() && !one.disabled && one.tabIndex >= 0).length"
    )
    assert controls >= 2
    page.locator("tf-lab").evaluate(
        "lab => { lab.tabIndex = -1; lab.focus(); lab.removeAttribute('tabindex'); }"
    )
    reached = 0
    for _ in range(controls + 1):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(one => one && getComputedStyle(one).outlineStyle)"
            "(document.querySelector('tf-lab').shadowRoot.activeElement)"
        )
        if outline is None:
            break
        assert outline != "none"
        reached += 1
    assert reached == controls, "Tab must reach each control once, then leave the lab"


@each
def test_it_lives_on_a_slide_above_the_footer_and_keeps_its_keys(name: str, visit: Any) -> None:
    seen = visit(name, deck=True, height=720)
    page = seen.page
    page.wait_for_selector("body[data-ready]")
    seen.ready()
    page.wait_for_function(
        "document.querySelector('tf-lab').getBoundingClientRect().bottom"
        " <= document.querySelector('.tf-deck-nav').getBoundingClientRect().top"
    )
    seen.picture(f"{name}-slide")
    deck = (
        "JSON.stringify([Reveal.getIndices(), Reveal.isOverview(), document.documentElement.dataset.theme])"
    )
    before = page.evaluate(deck)
    # Space, "t", "n", "?" and the arrows are a deck's keys, but not where the lab uses them.
    for text in page.locator("tf-lab input[type=text], tf-lab textarea").all():
        text.fill("")
        text.press_sequentially("t n?")
        text.press("ArrowRight")
        assert text.input_value() == "t n?"
    for slider in page.locator("tf-lab input[type=range]:enabled").all()[:2]:
        for key in ("ArrowRight", "ArrowDown", "End"):
            slider.press(key)
    assert page.evaluate(deck) == before
    assert page.locator(".r-overlay").count() == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(deck) != before, "elsewhere they are the deck's"
    assert seen.errors == []
    assert seen.outside() == []
