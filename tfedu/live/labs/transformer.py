"""The Transformer lab: type German, see all 24 heads at work, and silence any of them."""

from __future__ import annotations

import html
from typing import Any

MODEL = "translate-grammar-transformer-seed0"
EXAMPLES = (
    "heute sagt die Frau dass der Mann das Buch nicht kauft .",
    "er ruft sie an .",
    "das Kind glaubt dass der Lehrer den Hund sucht .",
    "die Mutter wird den Brief lesen .",
    "der Mann der das Haus sieht schläft im Garten .",
)
_CELL, _GAP = 60, 8
#: What the maps show, by their place in the model.
KINDS = {"encoder self": "German looks at German", "decoder self": "English looks back at English"}
KINDS["decoder cross"] = "English looks across at German"


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: one greedy translation by the PyTorch model, and all its maps.

    Raises:
        ValueError: the model is no Transformer.
    """
    import torch

    from tfedu.data.text import BOS
    from tfedu.models.transformer import Transformer
    from tfedu.trace import trace
    from tfedu.translator import Translator

    text = EXAMPLES[0] if text is None else text
    translator = Translator.from_pretrained(model)
    if not isinstance(translator.model, Transformer):
        raise ValueError(f"{model} is no Transformer, so the lab has no heads to show.")
    seen = translator(text)
    source, target = translator.source.encode(text), translator.target.encode(seen.text)
    with torch.no_grad(), trace(translator.model) as maps:
        translator.model(torch.tensor([source]), torch.tensor([[BOS, *target]]))
    return {
        "text": text,
        "translation": seen.text,
        "source": seen.source_tokens,
        "target": seen.target_tokens,
        # In hundredths: the page holds all 24.
        "maps": {name: (100 * one.weights[0]).round().int().tolist() for name, one in sorted(maps.items())},
        "examples": list(EXAMPLES),
    }


def still(recording: dict[str, Any]) -> str:
    """The recording as one still figure: a row of small maps for each layer and kind."""
    drawn, y = "", 0
    rows = sorted(recording["maps"], key=lambda name: (_order(name), name))
    for name in rows:
        layer = int(name.split(".")[1]) + 1
        kind = KINDS[_kind(name)] if layer == 1 else ""
        if kind:
            y += 24
            drawn += f'<text x="0" y="{y - 8}">{html.escape(kind)}</text>'
        for head, table in enumerate(recording["maps"][name]):
            drawn += _map(table, head * (_CELL + _GAP), y)
        y += _CELL + _GAP
    heads = len(recording["maps"][rows[0]])
    spoken = html.escape(
        f"“{recording['text']}” becomes “{recording['translation']}”. {len(rows) * heads} small maps, {heads} heads in "
        f"each of {len(rows)} attentions: German at German, English back at English, English across at German."
    )
    width = heads * (_CELL + _GAP)
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {width} {y}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:24rem;font:13px var(--tf-sans,sans-serif);'
        f'fill:var(--tf-ink,#1F2933)">{drawn}</svg>'
        f"<figcaption>{html.escape(recording['text'])} → {html.escape(recording['translation'])}</figcaption></figure>"
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the sentence, its translation, their tokens, and the silent heads."""
    return {
        "text": recording["text"],
        "translation": recording["translation"],
        "source_tokens": recording["source"],
        "target_tokens": recording["target"],
        "silent": [],
    }


def _kind(name: str) -> str:
    side, _, kind = name.removesuffix("_attention").split(".")
    return f"{side} {kind}"


def _order(name: str) -> int:
    return list(KINDS).index(_kind(name))


def _map(table: list[list[int]], x: float, y: float) -> str:
    """One map as a square, four shades of the weights' colour."""
    wide, tall = _CELL / len(table[0]), _CELL / len(table)
    shades: dict[int, str] = {}
    for t, row in enumerate(table):
        for s, weight in enumerate(row):
            if shade := min(4, round(weight / 25)):
                place = f"M{x + s * wide:.1f} {y + t * tall:.1f}h{wide:.1f}v{tall:.1f}h-{wide:.1f}z"
                shades[shade] = shades.get(shade, "") + place
    cells = "".join(f'<path d="{d}" opacity="{shade / 4}"/>' for shade, d in sorted(shades.items()))
    frame = f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill="none" stroke="var(--tf-line,#C4CBD2)"/>'
    return f'<g style="fill:var(--tf-weights,#6A3D9A)">{frame}{cells}</g>'
