"""The lab "Position explorer": four ways to tell attention where a token stands, side by side.

It runs no model. `maps` computes what the page shows with the package's own blocks; the page has the same closed
forms in `web/src/lab/positions.ts`, and the tests compare the two.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

MODEL = None

#: Positions 0 to 39, and the widest code.
POSITIONS, WIDEST = 40, 32
#: What a step costs in the bias that stands for a learned one.
SLOPE = -0.25
#: How the lab opens: two positions, and what `maps` takes.
FIRST, SECOND = 8, 14
SETTINGS: dict[str, Any] = {"width": 32, "base": 10_000, "reach": 16, "words": False}
NAMES = {
    "sinusoidal": "sinusoidal", "learned": "learned", "bias": "relative bias", "rotary": "rotary",
}  # fmt: skip

_WIDE, _HIGH, _GAP = 150, 110, 16


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    """What is drawn at random, once: a table (N, D) as before its training, and the vectors (D) of two words."""
    import torch

    generator = torch.Generator().manual_seed(3)
    table = torch.randn(POSITIONS, WIDEST, generator=generator, dtype=torch.float64) * 0.5**0.5
    first, second = 0.7 * torch.randn(2, WIDEST, generator=generator, dtype=torch.float64)
    return table.round(decimals=2), first.round(decimals=2), second.round(decimals=2)


def maps(*, width: int, base: float, reach: int, words: bool) -> dict[str, Tensor]:
    """For each way of telling positions a table (N, N), the row being the first position, the column the second.

    Without words: how alike the positions are. With words: the score of the first word's query, at the row's
    position, with the second word's key, at the column's; no matrix stands between a word and its query.

    Args:
        width: of a code; even.
        base: of the waves and of the rotations.
        reach: the largest distance with a bias of its own.
        words: whether two words stand at the two positions.
    """
    import torch

    from tfedu.attention import DotProduct, Prepared, RelativeBias, Rotary, rotate
    from tfedu.blocks.positions import sinusoids

    table, *both = drawn()
    q, k = (word[:width].expand(POSITIONS, width) for word in both)
    waves, table = sinusoids(POSITIONS, width, base=base).double(), table[:, :width]
    relative = RelativeBias(heads=1, reach=reach).double().requires_grad_(False)
    relative.table.copy_(SLOPE * torch.arange(-reach, reach + 1).abs())
    if words:
        dot, rotary = DotProduct(), Rotary(base=base)
        return {
            "sinusoidal": dot.score(q + waves, Prepared(k + waves)),
            "learned": dot.score(q + table, Prepared(k + table)),
            "bias": relative.score(q[None], Prepared(k[None]))[0],
            "rotary": rotary.score(q, rotary.prepare(k)),
        }

    def cosine(places: Tensor) -> Tensor:
        return torch.nn.functional.cosine_similarity(places[:, None], places, dim=-1)

    turned = rotate(torch.ones(POSITIONS, width, dtype=torch.float64), base=base)
    return {
        "sinusoidal": cosine(waves),
        "learned": cosine(table),
        "bias": relative.bias(POSITIONS, POSITIONS)[0].exp(),
        "rotary": cosine(turned),
    }


def measured(tables: dict[str, Tensor], first: int, second: int) -> dict[str, dict[str, float]]:
    """Of each table the value at the two positions, and by how much it changes as both move together."""
    along = {name: table.diagonal(second - first) for name, table in tables.items()}
    return {
        "values": {name: float(table[first, second]) for name, table in tables.items()},
        "moved": {name: float(line.max() - line.min()) for name, line in along.items()},
    }


def record(model: str | None = None, text: str | None = None) -> dict[str, Any]:
    """Where the lab opens, and what it needs that is not a formula.

    Raises:
        ValueError: a model or a text was given; this lab has neither.
    """
    if model is not None or text is not None:
        raise ValueError('this lab runs no model and reads no text: Lab("position-explorer").')
    table, *words = drawn()
    tables = maps(**SETTINGS)
    return {
        "first": FIRST,
        "second": SECOND,
        **SETTINGS,
        "slope": SLOPE,
        "learned": table.tolist(),
        "vectors": [word.tolist() for word in words],
        **measured(tables, FIRST, SECOND),
        "rows": {name: [round(x, 3) for x in t[FIRST].tolist()] for name, t in tables.items()},
    }


def still(recording: dict[str, Any]) -> str:
    """Four curves: how alike one position is to each other."""
    first, inner = recording["first"], ""
    for column, (scheme, name) in enumerate(NAMES.items()):
        left = column * (_WIDE + _GAP)
        row = recording["rows"][scheme]
        points = [
            (left + _WIDE * (n + 0.5) / POSITIONS, 24 + (_HIGH - 24) * (1 - max(-0.2, y)) / 1.2)
            for n, y in enumerate(row)
        ]
        zero = 24 + (_HIGH - 24) / 1.2
        inner += (
            f'<text x="{left}" y="14" style="fill:var(--tf-ink)">{name}</text>'
            f'<path d="M{left} {zero:.1f}h{_WIDE}" style="stroke:var(--tf-line)"/>'
            f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}" '
            'style="fill:none;stroke:var(--tf-weights);stroke-width:2"/>'
            f'<circle cx="{points[first][0]:.1f}" cy="{points[first][1]:.1f}" r="4" '
            'style="fill:var(--tf-query)"/>'
        )
    finding = (
        f"Position {first} beside all others. Sinusoids and rotations see the same: near is alike. A relative "
        "bias falls with the distance; a learned table knows nothing before it is trained."
    )
    wide = 4 * _WIDE + 3 * _GAP
    spoken = html.escape(f"Four curves over positions 0 to {POSITIONS - 1}. {finding}")
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {wide} {_HIGH + 4}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:44rem;font:600 14px var(--tf-sans,sans-serif)">'
        f"{inner}</svg><figcaption>{html.escape(finding)}</figcaption></figure>"
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the two positions, the settings, and what follows from them."""
    return {name: recording[name] for name in ("first", "second", *SETTINGS, "values", "moved")}
