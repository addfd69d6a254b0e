"""The lab "Attention by hand": one query, three keys and three values as arrows that the reader drags.

It runs no model: the page computes all itself, and starts from the worked example that is recorded here by the
package's own `Additive`. The chapter on alignment prints the same numbers.
"""

from __future__ import annotations

import html
from typing import Any

MODEL = None

#: The example: a decoder is about to write "cat", and asks three words. Vectors are (across, up).
WORDS, WRITING = ("die", "Katze", "schläft"), "cat"
QUERY = (0.6, 1.4)
KEYS = ((1.2, 0.4), (0.2, 1.6), (-1.0, 0.6))
VALUES = ((-0.8, 1.6), (1.6, 0.6), (-0.4, -1.6))
#: The additive score ``a . tanh(W q + U k)``; W swaps the query's two numbers.
W, U, A = ((0.0, 1.0), (1.0, 0.0)), ((1.0, 0.0), (0.0, 1.0)), (4.0, 4.0)

_REACH, _SIZE, _GAP = 2.0, 200, 24


def record(model: str | None = None, text: str | None = None) -> dict[str, Any]:
    """The worked example, and what the additive score makes of it.

    Raises:
        ValueError: a model or a text was given; this lab has neither.
    """
    import torch

    from tfedu.attention import Additive

    if model is not None or text is not None:
        raise ValueError('this lab runs no model and reads no text: Lab("attention-by-hand").')
    q, k, v = (torch.tensor(rows, dtype=torch.float64) for rows in ((QUERY,), KEYS, VALUES))
    additive = Additive(2, 2, len(A)).double()
    additive.load_state_dict(
        {"query.weight": torch.tensor(W), "key.weight": torch.tensor(U), "energy.weight": torch.tensor([A])}
    )
    with torch.no_grad():
        weights = additive.weights(q, k)[0]
        output = additive(q, k, v)[0]
    return {
        "words": list(WORDS),
        "writing": WRITING,
        "q": list(QUERY),
        "k": [list(row) for row in KEYS],
        "v": [list(row) for row in VALUES],
        "network": {"W": [list(row) for row in W], "U": [list(row) for row in U], "a": list(A)},
        "score": "additive",
        "temperature": 1,
        "weights": weights.tolist(),
        "output": output.tolist(),
    }


def still(recording: dict[str, Any]) -> str:
    """Two planes: the query among the keys; the values, shrunk by their weights, laid head to tail."""
    words, weights, output = recording["words"], recording["weights"], recording["output"]
    best = max(range(len(words)), key=lambda s: weights[s])
    finding = f"“{words[best]}” scores highest: {weights[best]:.2f} of the output comes from its value."
    left, right = _axes(0), _axes(_SIZE + _GAP)
    for word, key, weight in zip(words, recording["k"], weights, strict=True):
        left += _arrow(key, "key", f"{word} {weight:.2f}")
    left += _arrow(recording["q"], "query", "query", beside=True)
    start = [0.0, 0.0]
    for word, value, weight in zip(words, recording["v"], weights, strict=True):
        right += _arrow(value, "value", word, _SIZE + _GAP, faint=True)
        end = [a + weight * b for a, b in zip(start, value, strict=True)]
        right += _line(start, end, "var(--tf-value,#009E73)", 5, _SIZE + _GAP)
        start = end
    right += _line([0, 0], output, "var(--tf-ink,#1F2933)", 3, _SIZE + _GAP) + _tip(
        output, "ink", "circle", _SIZE + _GAP
    )
    spoken = html.escape(
        f"Left: a query and the keys of {', '.join(words)}. Right: their values, each shrunk by its weight and laid "
        f"head to tail, end at the output. {finding}"
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {2 * _SIZE + _GAP} {_SIZE}" role="img" '
        f'aria-label="{spoken}" style="display:block;width:100%;max-width:44rem;font:600 9px '
        f'var(--tf-sans,sans-serif)">{left}{right}</svg><figcaption>{html.escape(finding)}</figcaption></figure>'
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the vectors, how they are scored, the weights and the output."""
    names = ("q", "k", "v", "score", "temperature", "weights", "output")
    return {name: recording[name] for name in names} | {"mask": [True] * len(recording["k"])}


def _at(place: Any, shift: float) -> tuple[float, float]:
    unit = _SIZE / 2 / (_REACH + 0.3)
    return round(shift + _SIZE / 2 + unit * place[0], 1), round(_SIZE / 2 - unit * place[1], 1)


def _axes(shift: float) -> str:
    middle, end = _SIZE / 2, shift + _SIZE
    return (
        f'<path d="M{shift} {middle}H{end}M{shift + middle} 0V{_SIZE}M{shift} 0H{end}V{_SIZE}H{shift}Z" '
        'style="fill:none;stroke:var(--tf-line,#C4CBD2)"/>'
    )


def _line(start: Any, end: Any, colour: str, width: float, shift: float, dash: str = "") -> str:
    (x, y), (to_x, to_y) = _at(start, shift), _at(end, shift)
    return f'<path d="M{x} {y}L{to_x} {to_y}" style="stroke:{colour};stroke-width:{width};{dash}"/>'


def _tip(place: Any, role: str, shape: str, shift: float) -> str:
    x, y = _at(place, shift)
    marks = {
        "triangle": f"M{x} {y - 5}l4.5 8h-9z",
        "square": f"M{x - 4} {y - 4}h8v8h-8z",
        "diamond": f"M{x} {y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
        "circle": f"M{x - 4} {y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    }
    return f'<path d="{marks[shape]}" style="fill:var(--tf-{role})"/>'


def _arrow(
    place: Any, role: str, label: str, shift: float = 0, *, faint: bool = False, beside: bool = False
) -> str:
    shape = {"query": "triangle", "key": "square", "value": "diamond"}[role]
    dash = "stroke-dasharray:3 3" if faint else ""
    x, y = _at(place, shift)
    anchor = "start" if beside else "middle"
    x, y = (x + 8, y + 3) if beside else (x, y - 9 if place[1] >= 0 else y + 15)
    return (
        _line([0, 0], place, f"var(--tf-{role})", 1.2 if faint else 2, shift, dash)
        + _tip(place, role, shape, shift)
        + f'<text x="{x}" y="{y:.1f}" text-anchor="{anchor}" style="fill:var(--tf-{role}-text)">'
        + f"{html.escape(label)}</text>"
    )
