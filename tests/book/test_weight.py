"""What a reader's browser fetches: at most one megabyte, gzipped, for any page or deck of the book.

Counted is every file that a page asks for when it is opened and read to its end, before a lab is touched: once
each, gzipped as a web host sends it. To see the sums, and the heaviest files of each page::

    python -m pytest -s tests/book/test_weight.py
"""

import gzip
from typing import Any, NamedTuple

import pytest

from .conftest import SITE, decks, pages

pytestmark = pytest.mark.browser
LIMIT = 1_000_000  # bytes, gzipped
EVERY = [*pages(), *decks()] if (SITE / "book").exists() else ["book/index.html"]


class Weight(NamedTuple):
    """One file: what it weighs on the disk and on the line, in bytes."""

    raw: int
    line: int


def read_to_the_end(page: Any) -> None:
    """Scroll through a page, or step through a deck, as a reader does; what is lazy then loads."""
    if page.evaluate("'Reveal' in window"):
        page.wait_for_selector("body[data-ready=true]")
        while not page.evaluate("Reveal.isLastSlide() && !Reveal.availableFragments().next"):
            page.evaluate("Reveal.next()")
            page.wait_for_timeout(60)
    else:
        page.evaluate(
            """async () => {
              for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
                scrollTo({ top: y, behavior: "instant" });
                await new Promise((done) => setTimeout(done, 60));
              }
            }"""
        )
    page.wait_for_load_state("networkidle")


def weigh(browser: Any, url: str) -> dict[str, Weight]:
    """The files that one page fetches when it is read to its end, by address.

    Args:
        browser: a Playwright browser.
        url: the page's address.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(120_000)  # a busy machine is not a heavy page
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    read_to_the_end(page)
    found: dict[str, Weight] = {}
    for answer in answers:
        if answer.url.startswith("http") and answer.url not in found:
            body = answer.body()
            found[answer.url] = Weight(len(body), min(len(body), len(gzip.compress(body, 9))))
    context.close()
    return found


def total(files: dict[str, Weight]) -> Weight:
    """The sum over files."""
    return Weight(sum(one.raw for one in files.values()), sum(one.line for one in files.values()))


@pytest.mark.parametrize("path", EVERY)
def test_a_page_weighs_at_most_a_megabyte(path: str, browser: Any, address: str) -> None:
    files = weigh(browser, address + path)
    found = total(files)
    heaviest = sorted(files.items(), key=lambda item: -item[1].line)[:8]
    most = ", ".join(f"{name.split('/')[-1].split('?')[0]} {one.line:,}" for name, one in heaviest)
    print(f"\n{path}: {found.line:,} bytes gzipped, {found.raw:,} not, {len(files)} files. Most: {most}")
    assert not [name for name in files if ".live." in name], "a model came without a touch"
    assert found.line <= LIMIT, most
