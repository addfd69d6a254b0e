"""The built site, served on this machine only, and a browser that can reach nothing else."""

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("TFEDU_SITE", ROOT / "_build" / "html"))
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


def absent(what: str) -> Any:
    """Skip with a reason; where CI=true, fail: there nothing may be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def pages() -> list[str]:
    """Every page of the book, from the site's root."""
    return [*sorted(p.relative_to(SITE).as_posix() for p in (SITE / "book").rglob("*.html")), "search.html"]


def decks() -> list[str]:
    """Every slide deck."""
    return sorted(p.relative_to(SITE).as_posix() for p in (SITE / "slides").glob("*.html"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The site over http, below a path, as it would be published."""
    if not (SITE / "book" / "index.html").exists():
        absent(f"The book is not built in {SITE}: run `make book`.")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=SITE.parent)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{SITE.name}/"
    server.shutdown()


@dataclass
class Visit:
    """An open page and all that went wrong on it."""

    page: Any
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Visits:
    """Opens pages, keeps the last one, since many tests in a row ask about the same."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser, self.address = browser, address
        self.key: tuple[Any, ...] | None = None
        self.visit: Visit | None = None
        self.context: Any = None

    def __call__(self, path: str, width: int = 1280, theme: str = "light") -> Visit:
        if self.key == (path, width, theme) and self.visit is not None:
            return self.visit
        if self.context is not None:
            self.context.close()
        self.context = self.browser.new_context(
            viewport={"width": width, "height": 900}, reduced_motion="reduce"
        )
        self.context.add_init_script(
            f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
        )
        visit = Visit(self.context.new_page())
        host = self.address.split("/", 3)[2]

        def route(request: Any) -> None:
            url = request.request.url
            if url.startswith(("data:", "blob:", f"http://{host}/")):
                request.continue_()
            else:
                visit.outside.append(url)
                request.abort()

        visit.page.route("**/*", route)
        visit.page.on("pageerror", lambda error: visit.errors.append(f"page error: {error}"))
        visit.page.on(
            "console",
            lambda said: visit.errors.append(f"console: {said.text}") if said.type == "error" else None,
        )
        visit.page.on(
            "response",
            lambda got: visit.errors.append(f"{got.status} {got.url}") if got.status >= 400 else None,
        )
        visit.page.goto(self.address + path)
        visit.page.wait_for_load_state("networkidle")
        self.key, self.visit = (path, width, theme), visit
        return visit


@pytest.fixture(scope="session")
def visits(browser: Any, address: str) -> Iterator[Visits]:
    found = Visits(browser, address)
    yield found
    if found.context is not None:
        found.context.close()
