"""The lab "Windows": what a patch of a picture has seen after one layer of attention in windows, after two, after more.

It runs no model. `reach` computes what the page shows as the product of the layers' masks, which are the package's
own; the page has a shorter way to the same in `web/src/lab/windows.ts`, and the tests compare the two.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Bool
    from torch import Tensor

MODEL = None

#: Pixels along a patch, and the numbers in a token's vector, both of Swin's first stage (Liu et al. 2021, section 3.3).
PATCH, WIDTH = 4, 96
#: How far the reader may turn each dial; the side of the picture in pixels.
LEAST = {"side": 16, "window": 2, "shift": 1, "layers": 1}
MOST = {"side": 224, "window": 8, "shift": 7, "layers": 6}
#: How the lab opens: a patch where four windows meet, in the layer after the first shift.
SETTINGS: dict[str, Any] = {"side": 64, "window": 4, "shift": 2, "layers": 4, "merge": False}
SHOWN: dict[str, Any] = {"way": "shift", "layer": 2, "row": 7, "column": 7}
WAYS = {"stay": "windows that stay", "shift": "windows that shift", "all": "all at once, as in ViT"}

_BOARD, _GAP, _HEAD = 120, 14, 22


def stack(
    way: str, *, side: int, window: int, shift: int, layers: int, merge: bool
) -> list[tuple[int, Bool[Tensor, "N N"]]]:
    """The layers of a network, the first first: how many patches lie along a token, and who attends to whom."""
    import torch

    from tfedu.attention.window import OnGrid, Windowed

    made = []
    for number in range(layers):
        scale = 2 ** (number // 2) if merge and way != "all" else 1
        tokens = math.ceil(side / PATCH / scale)
        if way == "all":
            mask = torch.ones(tokens**2, tokens**2, dtype=torch.bool)
        else:
            windows = Windowed(window, shift if way == "shift" and number % 2 else 0, position_bias=False)
            mask = windows.seen(tokens**2, OnGrid(torch.zeros(tokens**2, 1), tokens, tokens))
        made.append((scale, mask))
    return made


def reach(way: str, row: int, column: int, **settings: Any) -> list[Bool[Tensor, "h w"]]:
    """Which patches the patch at (row, column) has seen after one layer, after two, ...: a row of the masks' product.

    Args:
        way: one of `WAYS`.
        row: of the patch, from 0.
        column: the same.
        settings: as in `SETTINGS`.
    """
    layers = stack(way, **settings)
    return [_seen(layers[: last + 1], row, column) for last in range(len(layers))]


def _seen(layers: list[tuple[int, Tensor]], row: int, column: int) -> Tensor:
    """Walk back from the last layer: whom do those see that are seen?"""
    import torch

    scale, tokens = layers[-1][0], math.isqrt(len(layers[-1][1]))
    seen = torch.zeros(tokens, tokens, dtype=torch.bool)
    seen[row // scale, column // scale] = True
    for here, mask in reversed(layers):
        tokens = math.isqrt(len(mask))
        for axis in (0, 1):  # a token is made of so many of the layer before, in each direction
            seen = seen.repeat_interleave(scale // here, axis).narrow(axis, 0, tokens)
        scale = here
        seen = mask[seen.flatten()].any(0).view(tokens, tokens)
    return seen


def multiplications(way: str, *, side: int, window: int, layer: int, merge: bool, **_: Any) -> int:
    """Of one layer of attention, by equations (1) and (2) of Liu et al. 2021; what is padded counts."""
    scale = 2 ** ((layer - 1) // 2) if merge and way != "all" else 1
    tokens = math.ceil(side / PATCH / scale)
    window = tokens if way == "all" else min(window, tokens)
    places = (math.ceil(tokens / window) * window) ** 2
    width = WIDTH * scale
    return 4 * places * width**2 + 2 * window**2 * places * width


def measured(settings: dict[str, Any], shown: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """In each way, how many patches the one that asks has seen after each layer, and what the layer shown costs."""
    row, column = shown["row"], shown["column"]
    return {
        "seen": {way: [int(one.sum()) for one in reach(way, row, column, **settings)] for way in WAYS},
        "cost": {way: multiplications(way, **settings, layer=shown["layer"]) for way in WAYS},
    }


def record(model: str | None = None, text: str | None = None) -> dict[str, Any]:
    """Where the lab opens, and what follows from it.

    Raises:
        ValueError: a model or a text was given; this lab has neither.
    """
    if model is not None or text is not None:
        raise ValueError('this lab runs no model and reads no text: Lab("windows").')
    return {
        **SETTINGS,
        **SHOWN,
        "patch": PATCH,
        "width": WIDTH,
        "least": LEAST,
        "most": MOST,
        **measured(SETTINGS, SHOWN),
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the settings, the patch that asks, what it has seen, what that costs."""
    return {name: recording[name] for name in (*SETTINGS, *SHOWN, "seen", "cost")}


def still(recording: dict[str, Any]) -> str:
    """What the patch has seen after each layer: above with windows that stay, below with windows that shift."""
    settings = {name: recording[name] for name in SETTINGS}
    grid, row, column = recording["side"] // PATCH, recording["row"], recording["column"]
    unit, drawn = _BOARD / grid, ""
    for line, way in enumerate(("stay", "shift")):
        top = line * (_BOARD + 2 * _HEAD) + _HEAD
        drawn += f'<text y="{top - 7}" style="fill:var(--tf-ink)">{WAYS[way]}</text>'
        for number, seen in enumerate(reach(way, row, column, **settings)):
            left = number * (_BOARD + _GAP)
            shift = settings["shift"] if way == "shift" and number % 2 else 0
            cuts = sorted({0, grid, *range(shift, grid, settings["window"])})
            borders = "".join(
                f"M{left} {top + cut * unit:g}h{_BOARD}M{left + cut * unit:g} {top}v{_BOARD}" for cut in cuts
            )
            (y, x), (y_end, x_end) = (
                end.tolist() for end in (seen.nonzero().amin(0), seen.nonzero().amax(0) + 1)
            )
            drawn += (
                f'<rect x="{left + x * unit:g}" y="{top + y * unit:g}" width="{(x_end - x) * unit:g}" '
                f'height="{(y_end - y) * unit:g}" style="fill:var(--tf-key);fill-opacity:0.5"/>'
                f'<path d="{borders}" style="fill:none;stroke:var(--tf-weights)"/>'
                f'<circle cx="{left + (column + 0.5) * unit:g}" cy="{top + (row + 0.5) * unit:g}" r="5" '
                'style="fill:var(--tf-query)"/>'
                f'<text x="{left}" y="{top + _BOARD + 16}" style="fill:var(--tf-ink);font-weight:400">'
                f"layer {number + 1}: {int(seen.sum())}</text>"
            )
    stay, shifted = (recording["seen"][way] for way in ("stay", "shift"))
    finding = (
        f"A patch (the dot) at the corner of its window, and what it has seen (filled) of {grid**2} patches. Where "
        f"windows stay, it sees {stay[-1]} after layer {len(stay)} as after the first; where every second layer "
        f"shifts them, {', '.join(map(str, shifted[:-1]))} and {shifted[-1]}."
    )
    wide = settings["layers"] * (_BOARD + _GAP) - _GAP
    spoken = html.escape(f"Eight small maps of a grid in windows. {finding}")
    return (
        f'<figure class="tf-lab-still"><svg viewBox="-1 0 {wide + 2} {2 * (_BOARD + 2 * _HEAD)}" role="img" '
        f'aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:44rem;font:600 14px var(--tf-sans,sans-serif)">'
        f"{drawn}</svg><figcaption>{html.escape(finding)}</figcaption></figure>"
    )
