"""The Translate lab: type German, see the English and where each word looked; pull a weight and see it change."""

from __future__ import annotations

import html
from typing import Any

MODEL = "translate-multi30k-additive-seed0"
EXAMPLES = (
    "Auf der Bank sitzt eine alte Frau.",
    "Ein Mann liest ein Buch im Park.",
    "Ein kleiner schwarzer Hund springt über einen Zaun.",
    "Eine Frau mit einem roten Hut steht vor einem Haus.",
    "Drei Kinder sitzen auf einer Bank und essen Eis.",
)
_ROW, _THICK, _LEAST = 30, 0.78, 0.02


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: one greedy translation by the PyTorch model itself.

    Raises:
        ValueError: the model has no attention, or the text is empty.
    """
    from tfedu.translator import Translator

    text = EXAMPLES[0] if text is None else text
    seen = Translator.from_pretrained(model)(text)
    if seen.attention is None:
        raise ValueError(f"{model} has no attention, so the lab has nothing to show.")
    return {
        "text": text,
        "translation": seen.text,
        "source": seen.source_tokens,
        "target": seen.target_tokens,
        "weights": [[round(w, 3) for w in row] for row in seen.attention.matrix().tolist()],
        "examples": list(EXAMPLES),
    }


def still(recording: dict[str, Any]) -> str:
    """The recording as one still figure: words read on the left, words written on the right, ribbons between."""
    source, target, table = recording["source"], recording["target"][:-1], recording["weights"][:-1]
    lit = max(range(len(table)), key=lambda t: max(table[t]))
    height = _ROW * max(len(source), len(target))
    paths = "".join(
        f'<path d="{_ribbon(s, t, sum(row[:s]), w)}" opacity="{0.92 if t == lit else 0.13}"/>'
        for t, row in enumerate(table)
        for s, w in enumerate(row)
        if w >= _LEAST
    )

    def column(words: list[str], x: int, anchor: str, role: str, fallback: str, bold: int) -> str:
        drawn = ""
        for i, word in enumerate(words):
            weight = 700 if i == bold else 400
            short = html.escape(word if len(word) < 14 else word[:13] + "…")
            drawn += f'<text x="{x}" y="{_ROW * (i + 0.5) + 5:.0f}" font-weight="{weight}">{short}</text>'
        return f'<g text-anchor="{anchor}" style="fill:var(--tf-{role}-text,{fallback})">{drawn}</g>'

    best = max(range(len(source)), key=lambda s: table[lit][s])
    spoken = html.escape(
        f"“{recording['text']}” becomes “{recording['translation']}”. Ribbons join each English word to the German "
        f"words it was made from: “{target[lit]}” takes {table[lit][best]:.2f} of its weight from “{source[best]}”."
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 360 {height}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:36rem;font:15px var(--tf-sans,sans-serif)">'
        f'<g style="fill:var(--tf-weights,#6A3D9A)">{paths}</g>'
        f"{column(source, 112, 'end', 'key', '#B34F00', best)}"
        f"{column(target, 248, 'start', 'query', '#0072B2', lit)}</svg>"
        f"<figcaption>{html.escape(recording['text'])} → {html.escape(recording['translation'])}</figcaption>"
        "</figure>"
    )


def _ribbon(source: int, target: int, before: float, weight: float) -> str:
    """A band as thick as its weight, from a word read to its place in the band of the word written."""
    thick = _ROW * _THICK * weight
    leaves = _ROW * (source + 0.5) - thick / 2
    arrives = _ROW * (target + 0.5 + _THICK * (before - 0.5))
    a, b, c, d = (f"{y:.1f}" for y in (leaves, arrives, arrives + thick, leaves + thick))
    return f"M120 {a}C175 {a} 185 {b} 240 {b}V{c}C185 {c} 175 {d} 120 {d}Z"


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the sentence, its translation, their tokens, and the map's rows."""
    names = {"source": "source_tokens", "target": "target_tokens"}
    return {names.get(name, name): given for name, given in recording.items() if name != "examples"}
