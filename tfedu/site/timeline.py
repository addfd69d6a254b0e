"""The story of attention as a list: from ``book/timeline.yml`` to HTML."""

import html
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stop:
    """One stop of the story: a year, a title, a sentence, the works, and the pages of its chapter."""

    year: str
    title: str
    says: str
    works: tuple[str, ...]
    pages: tuple[tuple[str, str], ...]  # (page, what the link says)


def read(path: Path) -> list[Stop]:
    """Read the stops, in the order of the story.

    Raises:
        ValueError: if an entry lacks one of ``year``, ``title``, ``says``.
    """
    import yaml

    stops = []
    for number, entry in enumerate(yaml.safe_load(path.read_text("utf-8"))):
        missing = {"year", "title", "says"} - set(entry)
        if missing:
            raise ValueError(f"{path.name}, entry {number}: give {', '.join(sorted(missing))}.")
        pages = tuple((page["page"], page["title"]) for page in entry.get("pages", []))
        stops.append(
            Stop(str(entry["year"]), entry["title"], entry["says"], tuple(entry.get("works", [])), pages)
        )
    return stops


def to_html(stops: list[Stop], written: Collection[str]) -> str:
    """An ordered list, one item a stop. ``doc:PAGE`` addresses are left for the page writer to resolve.

    Args:
        stops: what :func:`read` gives.
        written: the pages that exist; a stop without any is marked as coming.
    """
    items = []
    for stop in stops:
        links = [
            f'<li><a href="doc:{html.escape(page)}">{html.escape(title)}</a></li>'
            for page, title in stop.pages
            if page in written
        ]
        state = "written" if links else "coming"
        works = f'<p class="tf-works">{html.escape(" · ".join(stop.works))}</p>' if stop.works else ""
        soon = '<p class="tf-soon">coming</p>' if stop.pages else ""
        below = f'<ul class="tf-links">{"".join(links)}</ul>' if links else soon
        items.append(
            f'<li class="tf-stop tf-{state}"><p class="tf-year">{html.escape(stop.year)}</p>'
            f'<p class="tf-stop-title">{html.escape(stop.title)}</p>'
            f'<p class="tf-says">{html.escape(stop.says)}</p>{works}{below}</li>'
        )
    return f'<ol class="tf-timeline">{"".join(items)}</ol>'
