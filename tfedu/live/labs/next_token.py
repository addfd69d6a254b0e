"""The lab "Next token": type, and a language model of characters guesses what follows; it can write, too."""

from __future__ import annotations

import html
import json
import math
from typing import Any

MODEL = "gpt-shakespeare-seed0"
EXAMPLES = (
    "ROMEO:\nBut soft, what light through yonder window b",
    "KING RICHARD",
    "To be, or not to be, that is the qu",
    "the king the king the king the k",
    "First Citizen:\nWe are accounted poor citizens, the patricians good.\n\n",
    "xqzvk",
)
#: How many of the likeliest characters the recording holds.
SHOWN = 8
_STEP, _LINE, _PEAK = 9.3, 44, 8


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: one text, read by the PyTorch model itself.

    Raises:
        ValueError: the text holds a character that the model does not know, is empty, or is longer than it reads.
    """
    import torch

    from tfedu import weights
    from tfedu.data.text import SPECIALS, CharacterTokenizer
    from tfedu.models.gpt import GPT
    from tfedu.trace import trace

    text = EXAMPLES[0] if text is None else text
    gpt = GPT.from_pretrained(model)
    written = weights.load(model).extras["tokenizer"]
    if "characters" not in json.loads(written):
        raise ValueError(f"{model} does not read characters, so the lab has nothing to type for it.")
    tokenizer = CharacterTokenizer.from_json(written)
    if foreign := sorted(set(text) - set(tokenizer.characters)):
        raise ValueError(f"{' '.join(map(repr, foreign))}: the model does not know it; leave it out.")
    if not 1 <= len(text) <= gpt.config.context:
        raise ValueError(f"the lab opens with 1 to {gpt.config.context} characters; got {len(text)}.")
    ids = tokenizer.encode(text)
    with torch.no_grad(), trace(gpt) as maps:
        logits = gpt(torch.tensor([ids]))[0]
    logits[:, : len(SPECIALS)] = -torch.inf  # never written
    odds = logits.softmax(dim=-1)
    best = odds[-1].topk(SHOWN)
    rows = {name: one.weights[0, :, -1] for name, one in maps.items()}
    return {
        "text": text,
        "bits": [round(-math.log2(float(row[next])), 2) for row, next in zip(odds, ids[1:], strict=False)],
        "next": [
            [tokenizer.characters[int(i) - len(SPECIALS)], round(float(share), 4)]
            for share, i in zip(best.values, best.indices, strict=True)
        ],
        "maps": {name: (100 * row).round().int().tolist() for name, row in rows.items()},
        "head": _telling(rows, text),
        "examples": list(EXAMPLES),
        "characters": tokenizer.characters,
        "longest": gpt.config.context,
    }


def still(recording: dict[str, Any]) -> str:
    """The recording as one still figure: the text with its surprises, and the likeliest next characters."""
    name, head = recording["head"]
    weights = recording["maps"][name][head]
    lines, drawn, place = recording["text"].split("\n"), "", 0
    costs = [None, *recording["bits"]]
    for number, line in enumerate(lines):
        y = _LINE * number + 24
        for column, character in enumerate(line):
            x, cost = 4 + _STEP * column, costs[place]
            if weights[place] >= 5:
                drawn += (
                    f'<rect x="{x:.1f}" y="{y - 16}" width="{_STEP}" height="20" opacity="{weights[place] / 160:.2f}" '
                    'style="fill:var(--tf-weights,#6A3D9A)"/>'
                )
            if cost:
                tall = 12 * min(1, cost / _PEAK)
                drawn += (
                    f'<rect x="{x:.1f}" y="{y + 6 + 12 - tall:.1f}" width="{_STEP - 1}" height="{tall:.1f}" '
                    'style="fill:var(--tf-series-1,#A87400)"/>'
                )
            drawn += f'<text x="{x:.1f}" y="{y}">{html.escape(character)}</text>'
            place += 1
        place += 1  # the end of the line
    top = _LINE * len(lines) + 10
    for number, (character, share) in enumerate(recording["next"]):
        y = top + 22 * number
        drawn += (
            f'<text x="4" y="{y + 14}">{html.escape(_name(character))}</text>'
            f'<rect x="24" y="{y + 2}" width="{max(1, 260 * share):.1f}" height="14" '
            'style="fill:var(--tf-weights,#6A3D9A)"/>'
            f'<text x="{32 + 260 * share:.1f}" y="{y + 14}">{share:.0%}</text>'
        )
    width = 12 + _STEP * max(40, *(len(line) for line in lines))
    height = top + 22 * len(recording["next"])
    likeliest = " and ".join(
        f"“{_name(character)}” with {share:.0%}" for character, share in recording["next"][:2]
    )
    mean = sum(recording["bits"]) / max(1, len(recording["bits"]))
    spoken = html.escape(
        f"A text, with a bar under each character for its surprise: {mean:.1f} bits in the mean. "
        f"The likeliest next characters are {likeliest}."
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {width:.0f} {height}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:36rem;font:15px var(--tf-mono,monospace);'
        f'fill:var(--tf-ink,#1F2933)">{drawn}</svg>'
        f"<figcaption>What comes next? {html.escape(likeliest)}.</figcaption></figure>"
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the text, the likeliest next characters, the mean bits, and the knobs."""
    bits = recording["bits"]
    return {
        "text": recording["text"],
        "next": recording["next"],
        "bits": sum(bits) / max(1, len(bits)),
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "seed": 1,
    }


def _telling(rows: dict[str, Any], text: str) -> list[Any]:
    """The head that looks most at one visible character, four or more before the last: [map, head]."""
    seen = [place for place in range(len(text) - 4) if text[place].strip()] or [0]
    found = {
        (name, head): float(row[head][seen].max()) for name, row in rows.items() for head in range(len(row))
    }
    best: tuple[str, int] = max(found, key=lambda one: found[one])
    return list(best)


def _name(character: str) -> str:
    return {" ": "␣", "\n": "↵"}.get(character, character)
