"""The lab "patches": a picture is a sentence of patches. Draw on it, erase or shuffle them, ask one where it looks."""

from __future__ import annotations

import html
from typing import Any

MODEL = "vit-cifar10-seed0"
#: The drawing that is shown first. All are those of seed 0, whatever the model makes of them.
EXAMPLE = "ship"
_SIDE, _WIDE = 220, 460


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: the example, read by PyTorch, and where the class token looks.

    Raises:
        ValueError: a text was given (the lab has none), or the model has no class token before its patches.
    """
    from tfedu.data.drawings import THINGS, drawing
    from tfedu.live.pictures import facts, from_base64, load, look, to_base64

    if text is not None:
        raise ValueError('this lab reads no text: Lab("patches").')
    network = load(model)
    given = facts(network, 32)
    if given["prefix"] != 1:
        raise ValueError(f"{model} has {given['prefix']} tokens before its patches; this lab shows one.")
    size = given["size"]
    things = sorted(THINGS, key=lambda one: one != EXAMPLE)
    pixels = [to_base64(drawing(thing, size=size)) for thing in things]
    found = [look(network, from_base64(one, size)) for one in pixels]
    (first, *_), maps = found[0]
    named = [given["classes"][int(answers[0].argmax())] for answers, _ in found]
    return {
        **given,
        "pictures": [{"name": name, "pixels": one} for name, one in zip(things, pixels, strict=True)],
        "right": sum(name == thing for name, thing in zip(named, things, strict=True)),
        "probabilities": [round(p, 4) for p in first.tolist()],
        # Of the class token, in thousandths: for each layer and head, how much it takes from each token.
        "rows": [(1000 * heads[:, 0]).round().int().tolist() for heads in maps.values()],
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab.

    The picture that the model reads (`pixels`: 3 × size × size colours from 0 to 255, channels first) and the drawing
    that it began as, the patches erased from it, and the seed of their order (0: as they were); the probabilities; the
    token that looks (0 is the class token, then the patches, row by row), the layer (None: rolled out through all) and
    the head (None: the mean of all), from 0, and how much that token takes from each.
    """
    from tfedu.live.pictures import as_bytes, from_base64

    first = recording["pictures"][0]
    return {
        "picture": first["name"],
        "pixels": as_bytes(from_base64(first["pixels"], recording["size"])),
        "erased": [],
        "seed": 0,
        "probabilities": recording["probabilities"],
        "query": 0,
        "layer": len(recording["rows"]) - 1,
        "head": None,
        "weights": _mean(recording["rows"][-1]),
    }


def still(recording: dict[str, Any]) -> str:
    """The example under the weights of the class token in the last layer, and what the model says."""
    from tfedu.live.pictures import from_base64, svg_bars, svg_picture, svg_weights

    first = recording["pictures"][0]
    picture = from_base64(first["pixels"], recording["size"])
    columns = recording["size"] // recording["patch"]
    weights = _mean(recording["rows"][-1])[1:]
    p, classes = recording["probabilities"], recording["classes"]
    best = max(range(len(p)), key=p.__getitem__)
    finding = (
        f"The drawing is meant as “{first['name']}”; "
        f"the model says “{classes[best]}”, with probability {p[best]:.2f}."
    )
    spoken = html.escape(
        f"A small picture of {columns} by {columns} patches; purple lies where its class token looks at last. "
        f"Beside it a bar for each of {len(classes)} classes. {finding}"
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {_WIDE} {_SIDE}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:32rem;font:13px var(--tf-sans,sans-serif);'
        'fill:var(--tf-ink,#1F2933)">'
        f"{svg_picture(picture, _SIDE)}{svg_weights(weights, columns, _SIDE)}"
        f"{svg_bars(p, classes, _SIDE + 10, 0, _WIDE - _SIDE - 10, _SIDE)}</svg>"
        f"<figcaption>{html.escape(finding)} Purple: where its class token looks.</figcaption></figure>"
    )


def _mean(heads: list[list[int]]) -> list[float]:
    """The mean of the heads' rows, which are in thousandths."""
    return [round(sum(row) / len(heads) / 1000, 4) for row in zip(*heads, strict=True)]
