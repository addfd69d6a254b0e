"""The lab "Induction": random letters come again; see which edges foretell them the second time, and cut them."""

from __future__ import annotations

import html
import math
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from tfedu.models.attention_only import AttentionOnly

MODEL, SMALL = "induction-2layer-seed0", "induction-1layer-seed0"
#: What the lab opens with: a block, and the block again; foretold about as well as the mean of others is.
EXAMPLE = "vujaqnrkzelb" * 2
LETTERS = string.ascii_lowercase
#: How long a block may be.
BLOCK = (4, 14)
#: Of how many other sequences a way to run is judged.
MANY = 32
WAYS = ("whole", "previous", "successor", "others", "one")
_CELL, _TALL, _GAP = 34, 44, 40


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its models are there: one text run in all ways, by the PyTorch models.

    Raises:
        ValueError: the text is not made of two rows of 4 to 14 symbols each.
    """
    from tfedu.data.patterns import SYMBOLS
    from tfedu.models.attention_only import AttentionOnly

    text = EXAMPLE if text is None else text
    low, high = BLOCK
    if len(text) % 2 or not 2 * low <= len(text) <= 2 * high or set(text) - set(SYMBOLS):
        raise ValueError(f"a text here is two rows of {low} to {high} letters or digits each; got {text!r}.")
    models = {way: AttentionOnly.from_pretrained(SMALL if way == "one" else model) for way in WAYS}
    many = [random_block(len(text) // 2, 10_000 + seed) * 2 for seed in range(MANY)]
    heads = {"two": _heads(models["whole"], many), "one": _heads(models["one"], many)}
    return {
        "text": text,
        "results": {
            way: results(models[way], way, [text], heads["one" if way == "one" else "two"])[0] for way in WAYS
        },
        "many": {
            way: _mean(
                [score(found, one) for found, one in zip(results(models[way], way, many), many, strict=True)]
            )
            for way in WAYS
        },
        "heads": heads,
        "symbols": SYMBOLS,
        "letters": LETTERS,
        "small": SMALL,
    }


def results(
    model: AttentionOnly, way: str, texts: Sequence[str], heads: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Of each text, for each character but the first: the likeliest one, and how likely the true one was.

    Args:
        model: which.
        way: one of `WAYS`.
        texts: of one length.
        heads: of which head of each layer the map is kept.
    """
    import torch

    from tfedu.data.patterns import decode, encode
    from tfedu.trace import cut, trace

    tokens = torch.cat([encode(text) for text in texts])
    edges = [to_cut(model, way, text) for text in texts]
    edit = {name: cut(torch.stack([one[name] for one in edges])[:, None]) for name in edges[0]}
    with torch.no_grad(), trace(model, edit=edit) as maps:
        odds = model(tokens)[:, :-1].softmax(dim=-1)
    guess = odds.argmax(dim=-1)
    true = odds.gather(-1, tokens[:, 1:, None])[..., 0]
    kept = [one.weights[:, head] for one, head in zip(maps.values(), heads, strict=False)]
    return [
        {
            "guess": list(decode(guess[i])),
            "odds": [float(f"{p:.4g}") for p in true[i].tolist()],
            "maps": [[[round(w, 3) for w in row] for row in one[i].tolist()] for one in kept],
        }
        for i in range(len(texts))
    ]


def to_cut(model: AttentionOnly, way: str, text: str) -> dict[str, Tensor]:
    """Which edges a way cuts, by the name of the map: boolean, (T, T)."""
    import torch

    from tfedu.data.patterns import encode, successors

    T = len(text)
    before = [(t, t - 1) for t in range(1, T)]
    after = [(int(t), int(s)) for t, s in successors(encode(text))[0].nonzero()]
    first, second = model.attentions[0], model.attentions[-1]
    chosen = {
        "previous": {first: before},
        "successor": {second: after},
        "others": {first: others(before, 1), second: others(after, 2)},
    }.get(way, {})
    made = {}
    for name, edges in chosen.items():
        made[name] = torch.zeros(T, T, dtype=torch.bool)
        for t, s in edges:
            made[name][t, s] = True
    return made


def score(found: dict[str, Any], text: str) -> dict[str, float]:
    """Share of right guesses and loss in nats in the second row, from its second character: the first is unknowable."""
    places = range(len(text) // 2, len(text) - 1)
    right = [found["guess"][t] == text[t + 1] for t in places]
    loss = [-math.log(max(found["odds"][t], 1e-12)) for t in places]
    return {"accuracy": sum(right) / len(right), "loss": sum(loss) / len(loss)}


def still(recording: dict[str, Any]) -> str:
    """The recording as one still figure: both rows, what was foretold, and the two edges for one letter."""
    text, found = recording["text"], recording["results"]["whole"]
    block = len(text) // 2
    chosen = block + 1
    second = _most(found["maps"][1][chosen])
    first = _most(found["maps"][0][second])
    drawn = ""
    for place, letter in enumerate(text):
        x, y = _place(place, block)
        share = found["odds"][place - 1] if place else 0
        right = place > 0 and found["guess"][place - 1] == letter
        mark = "" if place == 0 else "✓" if right else f"✗{found['guess'][place - 1]}"
        edge = "var(--tf-query,#0072B2)" if place == chosen else "var(--tf-line,#C4CBD2)"
        middle = f'x="{x + _CELL / 2}" text-anchor="middle"'
        drawn += (
            f'<rect x="{x + 1}" y="{y}" width="{_CELL - 2}" height="{_TALL}" rx="5" fill="none" '
            f'style="stroke:{edge};stroke-width:{3 if place == chosen else 1}"/>'
            f'<rect x="{x + 1}" y="{y}" width="{_CELL - 2}" height="{_TALL}" rx="5" opacity="{0.45 * share:.2f}" '
            'style="fill:var(--tf-series-1,#A87400)"/>'
            f'<text {middle} y="{y + 20}" font-weight="600">{html.escape(letter)}</text>'
            f'<text {middle} y="{y + 37}" font-size="12">{html.escape(mark)}</text>'
        )
    (x, y), (u, v), (w, _) = (
        (a + _CELL / 2, b) for a, b in (_place(p, block) for p in (chosen, second, first))
    )
    drawn += (
        '<g fill="none" style="stroke:var(--tf-weights,#6A3D9A);stroke-width:4">'
        f'<path d="M{x} {y}C{x} {y - 20} {u} {v + _TALL + 20} {u} {v + _TALL}"/>'
        f'<path d="M{u} {v}C{u} {v - 22} {w} {v - 22} {w} {v}" stroke-dasharray="2 6"/></g>'
    )
    scores = {way: score(recording["results"][way], text) for way in WAYS}
    told = block - 1
    rights = {way: round(scores[way]["accuracy"] * told) for way in WAYS}
    caption = (
        f"The second time {rights['whole']} of {told} letters are foretold; "
        f"{rights['previous']} with the first layer's edges to the letter before cut, "
        f"{rights['successor']} with the second layer's edges to the successor cut, "
        f"{rights['others']} with as many others cut; one layer: {rights['one']}."
    )
    spoken = html.escape(
        f"A block of {block} random letters and the same again. From “{text[chosen]}” the second layer looks at "
        f"“{text[second]}”, which had looked in the first layer at “{text[first]}”. {caption}"
    )
    width, height = block * _CELL, 28 + 2 * _TALL + _GAP
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:32rem;font:16px var(--tf-mono,monospace);'
        f'fill:var(--tf-ink,#1F2933)">{drawn}</svg><figcaption>{html.escape(caption)}</figcaption></figure>'
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the text, which way it runs, and how the second row is foretold."""
    found = recording["results"]["whole"]
    guess = "".join(found["guess"])
    return {"text": recording["text"], "way": "whole", "guess": guess, **score(found, recording["text"])}


def random_block(count: int, seed: int) -> str:
    """`count` letters by chance, none of them twice, so that each has one successor; as the page draws them."""
    left = list(LETTERS)
    return "".join(left.pop(int(chance(seed, place) * len(left))) for place in range(count))


def others(edges: list[tuple[int, int]], seed: int) -> list[tuple[int, int]]:
    """For each edge another of its query, to an earlier key that no edge reaches, where there is one; by chance."""
    taken, found = set(edges), []
    for number, (t, _) in enumerate(edges):
        free = [(t, s) for s in range(t) if (t, s) not in taken]
        if free:
            found.append(free[int(chance(seed, number) * len(free))])
            taken.add(found[-1])
    return found


def chance(seed: int, place: int) -> float:
    """A number from 0 to 1 that depends on the seed and the place alone; the page's own, in `web/src/sampling.ts`."""
    whole = 2**32 - 1
    h = (seed * 0x9E3779B1 + (place + 1) * 0x85EBCA6B) & whole
    for _ in range(2):
        h = (h ^ h >> 16) * 0x7FEB352D & whole
        h = (h ^ h >> 15) * 0x846CA68B & whole
        h ^= h >> 16
    return h / 2**32


def _heads(model: AttentionOnly, texts: Sequence[str]) -> list[int]:
    """In the first layer the head that looks most at the letter before, in the second at the successor."""
    import torch

    from tfedu.data.patterns import encode, successors
    from tfedu.trace import trace

    tokens = torch.cat([encode(text) for text in texts])
    with torch.no_grad(), trace(model) as maps:
        model(tokens)
    T = tokens.shape[1]
    before = torch.ones(T, T, dtype=torch.bool).tril(-1).triu(-1)
    wanted = [before[None, None], successors(tokens)[:, None]]
    return [
        int((one.weights * edges).sum(dim=(0, 2, 3)).argmax())
        for one, edges in zip(maps.values(), wanted, strict=False)
    ]


def _mean(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(one[name] for one in scores) / len(scores), 6) for name in scores[0]}


def _most(row: list[float]) -> int:
    return row.index(max(row))


def _place(place: int, block: int) -> tuple[float, float]:
    row, column = divmod(place, block)
    return column * _CELL, 24 + row * (_TALL + _GAP)
