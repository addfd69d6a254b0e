"""The lab "gaze": drag a digit through its clutter and watch where the model looks, glimpse by glimpse."""

from __future__ import annotations

import html
from typing import Any

MODEL = "ram-clutter-learned-seed0"
#: Which of the test digits are on offer, one of each class, and where the example's things lie (y, x).
AT = (34, 8)
PIECES_AT = ((6, 10), (10, 44), (44, 42), (50, 28))
_SEED = 4
_SHOWN = 300  # units of the still picture


def scene() -> dict[str, Any]:
    """The things that the reader may move: a digit of each class, and pieces of others; ink from 0 to 255."""
    import torch

    from tfedu.data.digits import digits, enlarged
    from tfedu.train.recipes.ram import PICTURE

    test = digits("test")
    large = enlarged(test.images, PICTURE["digit"])
    generator = torch.Generator().manual_seed(_SEED)
    chosen = [int((test.labels == label).nonzero()[0]) for label in range(10)]
    side, pieces = PICTURE["piece"], []
    for at in PIECES_AT:
        one = int(torch.randint(len(large), (), generator=generator))
        y, x = (int(n) for n in torch.randint(PICTURE["digit"] - side + 1, (2,), generator=generator))
        pieces.append({"ink": _ink(large[one, y : y + side, x : x + side]), "at": list(at)})
    return {
        "size": PICTURE["size"],
        "digits": [{"label": label, "ink": _ink(large[one])} for label, one in enumerate(chosen)],
        "pieces": pieces,
    }


def picture(things: dict[str, Any], digit: int, at: Any) -> Any:
    """The picture (1, h, w) that the things make: where two have ink, the darker stays."""
    import torch

    made = torch.zeros(things["size"], things["size"])
    placed = [(things["digits"][digit]["ink"], at), *((one["ink"], one["at"]) for one in things["pieces"])]
    for ink, (y, x) in placed:
        patch = torch.tensor(ink) / 255
        window = made[y : y + len(patch), x : x + len(patch)]
        window.copy_(torch.maximum(window, patch))
    return made[None]


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: the example, looked at by the PyTorch model itself.

    Raises:
        ValueError: a text was given; the lab has none.
    """
    import torch

    from tfedu.models.ram import RAM

    if text is not None:
        raise ValueError('this lab reads no text: Lab("gaze").')
    network, things = RAM.from_pretrained(model), scene()
    digit = 7
    shown = picture(things, digit, AT)
    with torch.no_grad():
        seen = network(shown)
        glimpses = [
            {
                "location": [round(x, 4) for x in location.tolist()],
                "probabilities": [round(p, 4) for p in logits.softmax(-1).tolist()],
                "seen": [[round(x, 3) for x in scale.flatten().tolist()] for scale in patches],
            }
            for location, logits, patches in zip(
                seen.locations[0],
                seen.logits[0],
                (network.sensor(shown, one[None])[0] for one in seen.locations[0]),
                strict=True,
            )
        ]
    config = network.config
    return {
        **things,
        "digit": digit,
        "at": list(AT),
        "cells": config.cells,
        "scales": config.scales,
        "glimpses": glimpses,
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: which digit, where it lies, where the model looked, what it says."""
    return {
        "digit": recording["digit"],
        "at": recording["at"],
        "locations": [one["location"] for one in recording["glimpses"]],
        "probabilities": [one["probabilities"] for one in recording["glimpses"]],
    }


def still(recording: dict[str, Any]) -> str:
    """The example with the path of the gaze, and the last glimpse's squares."""
    unit = _SHOWN / recording["size"]
    ink = picture(recording, recording["digit"], recording["at"])[0]
    cells = "".join(
        f'<path d="M{x * unit:g} {y * unit:g}h{unit:g}v{unit:g}h-{unit:g}z" opacity="{float(ink[y, x]):.2f}"/>'
        for y, x in ink.ge(0.05).nonzero().tolist()
    )
    places = [_place(one["location"], _SHOWN) for one in recording["glimpses"]]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9"/><text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" '
        f'style="fill:var(--tf-ground,#fff);font:600 13px var(--tf-sans,sans-serif)">{t}</text>'
        for t, (x, y) in enumerate(places, 1)
    )
    x, y = places[-1]
    squares = ""
    for scale in range(recording["scales"]):
        half = recording["cells"] * 2**scale * unit / 2
        squares += f'<rect x="{x - half:.1f}" y="{y - half:.1f}" width="{2 * half:g}" height="{2 * half:g}"/>'
    last = recording["glimpses"][-1]["probabilities"]
    best = max(range(len(last)), key=last.__getitem__)
    finding = (
        f"After {len(places)} glimpses: “{best}”, with probability {last[best]:.2f}. "
        f"The digit is a {recording['digit']}."
    )
    spoken = html.escape(f"A digit among pieces of others, and the path of the gaze. {finding}")
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {_SHOWN} {_SHOWN}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:22rem;border:1px solid var(--tf-line,#C4CBD2)">'
        f'<g style="fill:var(--tf-ink,#1F2933)">{cells}</g>'
        f'<g style="fill:none;stroke:var(--tf-weights,#6A3D9A);stroke-width:2">{squares}</g>'
        f'<path d="{path}" style="fill:none;stroke:var(--tf-query,#0072B2);stroke-width:2.5"/>'
        f'<g style="fill:var(--tf-query,#0072B2)">{dots}</g></svg>'
        f"<figcaption>{html.escape(finding)}</figcaption></figure>"
    )


def _place(location: Any, size: float) -> tuple[float, float]:
    return (location[1] + 1) / 2 * size, (location[0] + 1) / 2 * size


def _ink(patch: Any) -> list[list[int]]:
    return [[round(float(x) * 255) for x in row] for row in patch]
