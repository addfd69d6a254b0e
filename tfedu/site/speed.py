"""A kept benchmark as HTML: from ``benchmarks/results/NAME.json`` to a table in which each ratio is also a mark."""

import html
import json
import math
from pathlib import Path
from typing import Any

WIDTH, REACH = 110, 4.0  # px of a mark's scale, which goes from 1/REACH to REACH times the peer


def read(path: Path) -> dict[str, Any]:
    """A result, as `benchmarks.result.Result.write` keeps it.

    Raises:
        ValueError: if the file is another thing.
    """
    kept = json.loads(path.read_text("utf-8"))
    if not isinstance(kept, dict) or not kept.get("rows") or "hardware" not in kept:
        raise ValueError(f"{path} holds no benchmark; `python -m benchmarks` writes them.")
    return kept


def to_html(kept: dict[str, Any]) -> str:
    """A table of cases, a row each; numbers without a peer stand without a mark."""
    peer = html.escape(kept["peer"])
    head = "".join(f'<th scope="col">{name}</th>' for name in ("case", "ours", peer, "ours / peer", ""))
    body, before = [], None
    for row in kept["rows"]:
        if row["case"] != before:
            body.append(
                f'<tr class="tf-case"><th scope="rowgroup" colspan="5">{html.escape(row["case"])}</th></tr>'
            )
            before = row["case"]
        unit = "" if row["unit"] == "1" else f" {row['unit']}"
        theirs = "" if row["theirs"] is None else _number(row["theirs"]) + unit
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        body.append(
            f'<tr><th scope="row">{html.escape(row["measure"])}</th><td>{_number(row["ours"])}{unit}</td>'
            f"<td>{theirs}</td><td>{ratio}{_verdict(row)}</td><td>{_mark(row)}</td></tr>"
        )
    return (
        f'<figure class="tf-speed"><div class="tf-scroll" tabindex="0" role="region" aria-label="{_plain(kept)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        f"<figcaption>{html.escape(_where(kept))}</figcaption></figure>"
    )


def _plain(kept: dict[str, Any]) -> str:
    return html.escape(f"Benchmark {kept['benchmark']}, a table")


def _number(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def _verdict(row: dict[str, Any]) -> str:
    """Whether a promise is kept, in words."""
    if row["holds"] is None:
        return ""
    said = "kept" if row["holds"] else "missed"
    return f'<span class="tf-{said}">limit {_number(row["limit"])}, {said}</span>'


def _mark(row: dict[str, Any]) -> str:
    """The ratio on a logarithmic scale: the line is the peer, the bar ours from quartile to quartile."""
    if row["ratio"] is None:
        return ""
    low, high = row["spread"][0] if row["spread"] else (row["ours"], row["ours"])
    left, right, middle = (_place(x / row["theirs"]) for x in (low, high, row["ours"]))
    peer = _place(1.0)
    limit = ""
    if row["limit"] is not None:
        x = _place(row["limit"])
        limit = f'<path class="tf-limit" d="M{x:.1f} 3V21"/>'
    return (
        f'<svg viewBox="0 0 {WIDTH} 24" width="{WIDTH}" height="24" aria-hidden="true">'
        f'<path class="tf-peer" d="M{peer:.1f} 0V24"/>{limit}'
        f'<path class="tf-spread" d="M{left:.1f} 12H{right:.1f}"/><circle cx="{middle:.1f}" cy="12" r="4.5"/></svg>'
    )


def _place(ratio: float) -> float:
    share = (math.log(ratio) / math.log(REACH) + 1) / 2
    return 6 + (WIDTH - 12) * min(1.0, max(0.0, share))


def _where(kept: dict[str, Any]) -> str:
    """Machine, versions, date, and how it was measured."""
    machine = kept["hardware"]
    card = f", {machine['gpu']}" if machine["gpu"] else ", no graphics card"
    cores = f"{machine['cores']} core{'' if machine['cores'] == 1 else 's'}"
    versions = ", ".join(f"{name} {version}" for name, version in kept["versions"].items())
    setup = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in kept["setup"].items())
    return (
        f"Measured {kept['date']} on {machine['cpu']}, {cores}{card}. Medians, and in the marks the "
        f"quartiles; left of the line is faster or smaller than the peer. {setup}. {versions}."
    )
