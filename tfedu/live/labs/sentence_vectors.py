"""The lab of the bottleneck: a sentence is one point; read on, and it moves; move it, and another sentence is written.

The two translators of the chapter keep of a sentence one vector ``u = (h, m)``, the encoder's last state and cell.
The two largest principal axes of such vectors make a plane. The page gets the axes, so that it can place any
sentence in it, and move a vector along them.
"""

from __future__ import annotations

import html
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from tfedu.data import grammar
from tfedu.data.text import UNK, pad
from tfedu.train.recipes.translate import TEST_SEED
from tfedu.translator import Translator
from tfedu.viz.palette import SERIES
from tfedu.viz.sentences import unmatched

#: The readers, by their order of reading.
READERS = {
    "backwards": "translate-grammar-reversed-seed0",
    "forwards": "translate-grammar-forward-seed0",
}
MODEL = READERS["backwards"]
#: Sentences to pick, with their right translations.
EXAMPLES = {
    "meine Schwester liest ein Buch weil der Mann schläft .": "my sister reads a book because the man sleeps .",
    "meine Schwester schläft .": "my sister sleeps .",
    "meine Schwester liest ein Buch .": "my sister reads a book .",
    "der König sieht den Arzt .": "the king sees the doctor .",
    "der Arzt sieht den König .": "the doctor sees the king .",
    "den Arzt sieht der König .": "the king sees the doctor .",
    "heute kauft der Lehrer einen Hut .": "today the teacher buys a hat .",
}
#: What can stand before the full stop of any statement, and what it adds to the translation.
TAILS = {
    "und ich schreibe einen Brief": "and I write a letter",
    "weil der alte Mann schläft": "because the old man sleeps",
    "obwohl die Kinder im Garten spielen": "although the children play in the garden",
}
WORDS = (4, 12)  # of the sentences in the plane, as in training
GROUPS = ((4, 6), (7, 9), (10, 12))  # of lengths: one mark and colour each
SHOWN, FOLLOWERS = 117, 6
_WIDE, _HIGH = 360, 240


class Plane(NamedTuple):
    """The two principal axes of a reader's vectors.

    Attributes:
        axes: of length 1; the first grows with the number of words, the second with "the" as first word written.
        mean: what is taken from a vector before it is put on the axes.
        at: where the sentences lie that made the plane.
        explained: share of the variance that the two axes hold.
        correlation: of the place on the first axis with the number of words.
    """

    axes: Float[Tensor, "2 U"]
    mean: Float[Tensor, " U"]
    at: Float[Tensor, "N 2"]
    explained: float
    correlation: float


@torch.no_grad()
def vectors(reader: Translator, sentences: Sequence[Sequence[str]]) -> Float[Tensor, "N U"]:
    """What is kept of each sentence: state and cell, one after the other."""
    state, _ = reader.model.encode(*pad([reader.source.encode(words) for words in sentences]))
    return torch.cat([part[-1] for part in state], dim=1)


def plane(reader: Translator, pairs: Sequence[grammar.Pair]) -> Plane:
    """The principal axes over the sources of `pairs`, turned so that they point the same way for each reader."""
    u = vectors(reader, [pair.source for pair in pairs])
    mean = u.mean(0)
    _, size, axes = torch.linalg.svd(u - mean, full_matrices=False)
    length = torch.tensor([float(len(pair.source)) for pair in pairs])
    the = torch.tensor([float(pair.target[0] == "the") for pair in pairs])
    along = [
        torch.corrcoef(torch.stack([(u - mean) @ axis, wanted]))[0, 1]
        for axis, wanted in zip(axes[:2], (length, the), strict=True)
    ]
    turned = axes[:2] * torch.stack(along).sign()[:, None]
    share = (size[:2].square().sum() / size.square().sum()).item()
    return Plane(turned, mean, (u - mean) @ turned.T, share, along[0].abs().item())


def trail(reader: Translator, how: str, found: Plane, words: Sequence[str]) -> Float[Tensor, "S+1 2"]:
    """Where the vector is before the first word, and after each word in the order of reading."""
    S = len(words)
    first = [S - n for n in range(1, S + 1)] if how == "backwards" else [0] * S
    u = vectors(reader, [words[start : start + n] for n, start in enumerate(first, 1)])
    u = torch.cat([torch.zeros_like(u[:1]), u])  # an LSTM begins with zeros
    return (u - found.mean) @ found.axes.T


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there, and the planes; `model` is the reader that it opens with.

    Raises:
        ValueError: `model` is none of the two readers, or there is a word in the text that they do not know.
    """
    if model not in READERS.values():
        raise ValueError(f"this lab runs {' or '.join(READERS.values())}, not {model}.")
    text = next(iter(EXAMPLES)) if text is None else text
    pairs = grammar.corpus(1000, lengths=WORDS, seed=TEST_SEED)  # no reader was trained on these
    shown = _sample(pairs)
    readers: list[dict[str, Any]] = []
    for how, name in READERS.items():
        reader = Translator.from_pretrained(name)
        if not text.split() or UNK in reader.source.encode(text):
            raise ValueError(
                f"the lab opens with words that its readers know, set apart by spaces; not with {text!r}."
            )
        found = plane(reader, pairs)
        readers.append(
            {
                "how": how,
                "model": name,
                "axes": _rounded(found.axes, 5),
                "origin": _rounded(found.axes @ found.mean, 3),
                "at": _rounded(found.at[shown], 1),
                "explained": round(found.explained, 3),
                "correlation": round(found.correlation, 3),
                "trail": _rounded(trail(reader, how, found, text.split()), 2),
                "translation": reader(text).text,
                "vector": _rounded(vectors(reader, [text.split()])[0], 4),
            }
        )
    readers.sort(key=lambda one: one["model"] != model)
    return {
        "text": text,
        "readers": readers,
        "sentences": [[" ".join(pairs[i].source), " ".join(pairs[i].target)] for i in shown],
        "of": len(pairs),
        "groups": [list(group) for group in GROUPS],
        "examples": [list(pair) for pair in EXAMPLES.items()],
        "tails": [list(pair) for pair in TAILS.items()],
        "followers": followers(),
    }


def followers() -> dict[str, str]:
    """For each word the few that follow it most often; the empty word stands for the beginning."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in grammar.corpus(4000, lengths=(4, 16), seed=1):
        for word, follower in zip(("", *pair.source), pair.source, strict=False):
            seen[word][follower] += 1
    return {
        word: " ".join(each for each, _ in found.most_common(FOLLOWERS))
        for word, found in sorted(seen.items())
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: text, reader, the point, and the vector and translation that it means."""
    reader = recording["readers"][0]
    return {
        "text": recording["text"],
        "reader": reader["how"],
        "point": reader["trail"][-1],
        "vector": reader["vector"],
        "translation": reader["translation"],
    }


def still(recording: dict[str, Any]) -> str:
    """The plane with its sentences, the way of one sentence through it, and what is written from where it ends."""
    reader = recording["readers"][0]
    way = [tuple(place) for place in reader["trail"]]
    all_x, all_y = zip(*reader["at"], *way, strict=True)
    low, high = (min(all_x), min(all_y)), (max(all_x), max(all_y))

    def put(place: Sequence[float]) -> tuple[float, float]:
        x, y = ((place[axis] - low[axis]) / (high[axis] - low[axis]) for axis in (0, 1))
        return 14 + x * (_WIDE - 28), _HIGH - 14 - y * (_HIGH - 28)

    marks = ""
    for place, (source, _) in zip(reader["at"], recording["sentences"], strict=True):
        length = len(source.split())
        group = next(i for i, (least, most) in enumerate(recording["groups"]) if least <= length <= most)
        marks += f'<path d="{_mark(group, *put(place))}" style="fill:var(--tf-series-{group},{SERIES[group].light})"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(put, way))
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in map(put, way[:-1]))
    x, y = put(way[-1])
    wrong = len(unmatched(reader["translation"].split(), EXAMPLES.get(recording["text"], "").split()))
    spoken = html.escape(
        f"Sentences as points; those with more words lie further right (correlation {reader['correlation']}). "
        f"A line follows one vector while it reads “{recording['text']}” {reader['how']}, word by word, to the right."
    )
    says = f"“{recording['text']}”, read {reader['how']}: the point moves right with each word. "
    says += f"From that point alone is written “{reader['translation']}”"
    if recording["text"] in EXAMPLES and wrong:
        says += f"; right is “{EXAMPLES[recording['text']]}”"
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:40rem">'
        f'<g opacity="0.6">{marks}</g><g style="fill:var(--tf-weights,#6A3D9A);stroke:var(--tf-weights,#6A3D9A)">'
        f'<polyline points="{points}" style="fill:none;stroke-width:2"/>{dots}'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7"/></g></svg><figcaption>'
        f"{html.escape(says)}.</figcaption></figure>"
    )


def _mark(group: int, x: float, y: float) -> str:
    """A disc, a triangle or a square, as a path."""
    if group == 0:
        return f"M{x - 2.8:.1f} {y:.1f}a2.8 2.8 0 1 0 5.6 0a2.8 2.8 0 1 0 -5.6 0"
    if group == 1:
        return f"M{x:.1f} {y - 3.6:.1f}l3.4 6h-6.8z"
    return f"M{x - 2.5:.1f} {y - 2.5:.1f}h5v5h-5z"


def _sample(pairs: Sequence[grammar.Pair]) -> list[int]:
    """The numbers of `SHOWN` pairs, as many of each length."""
    lengths = range(WORDS[0], WORDS[1] + 1)
    chance = random.Random(0)
    chosen: list[int] = []
    for length in lengths:
        there = [i for i, pair in enumerate(pairs) if len(pair.source) == length]
        chosen += chance.sample(there, SHOWN // len(lengths))
    return chosen


def _rounded(x: Tensor, digits: int) -> Any:
    return [_rounded(row, digits) if row.dim() else round(row.item(), digits) for row in x]
