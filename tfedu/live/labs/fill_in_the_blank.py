"""The lab "fill-in-the-blank": take a word out of a sentence, see the guesses, and which heads they hang on."""

from __future__ import annotations

import html
from typing import Any

MODEL = "bert-english-seed0"
#: Sentences to pick: as captions of photographs have them, and of the grammar's English, by the model's training.
EXAMPLES = {
    "english": (
        "a _ of people are standing on the street .",
        "a young boy _ a red shirt is running .",
        "three men are standing in _ of a store .",
        "a group of people _ sitting at a table .",
        "a man in a red _ and blue jeans is walking down the street .",
        "a man and a _ are walking on the beach .",
    ),
    "grammar": (
        "the young teacher _ she will find sleeps .",
        "I do not _ the door because they sleep .",
        "two _ thank the old mother .",
        "the queen reads the _ in the garden .",
        "they gave two girls an _ today .",
        "he says _ the bird will not sing .",
    ),
}
GUESSES = 6
_ROW, _WIDE = 24, 360


def examples(model: str) -> tuple[str, ...]:
    """Sentences in the words of a model."""
    return EXAMPLES["grammar" if "grammar" in model else "english"]


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: the guesses, and all maps; and the head that they hang on most.

    Raises:
        ValueError: the text has no blank, or is empty or too long.
    """
    from tfedu.live.masked import BlankFiller
    from tfedu.trace import ablate

    text = examples(model)[0] if text is None else text
    filler = BlankFiller(model)
    pieces = filler.pieces(text)
    if not pieces.blanks:
        raise ValueError(f'there is no blank in {text!r}: write "_" for one.')
    found, maps = filler.read(pieces.ids)
    place = pieces.blanks[0]

    def moved(name: str, head: int) -> float:
        """The share of the guess that moves if the head is silent."""
        now, _ = filler.read(pieces.ids, edit={name: ablate(head)})
        return round(float((now[place] - found[place]).abs().sum()) / 2, 3)

    moves = [[moved(name, head) for head in range(len(heads))] for name, heads in maps.items()]
    most = max(max(layer) for layer in moves)
    return {
        "text": text,
        "labels": pieces.labels,
        "of": pieces.of,
        "guesses": [
            [[piece, round(p, 4)] for piece, p in filler.guesses(found[one], GUESSES)]
            for one in pieces.blanks
        ],
        # In hundredths: the page holds them all.
        "maps": [(100 * heads).round().int().tolist() for heads in maps.values()],
        "moves": moves,
        "head": next([i, row.index(most)] for i, row in enumerate(moves) if most in row),
        "examples": list(examples(model)),
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the text, its pieces, the guesses, the silent heads, and whether the
    words after the blank are hidden."""
    return {
        "text": recording["text"],
        "pieces": recording["labels"],
        "guesses": recording["guesses"],
        "silent": [],
        "hidden": False,
    }


def still(recording: dict[str, Any]) -> str:
    """The sentence, and the guesses for its first blank as bars."""
    guesses = recording["guesses"][0]
    bars = ""
    for row, (piece, p) in enumerate(guesses):
        y = row * _ROW
        bars += (
            f'<text x="92" y="{y + 16}" text-anchor="end">{html.escape(piece)}</text>'
            f'<rect x="100" y="{y + 4}" width="{max(1, 200 * p):.1f}" height="15" rx="3" '
            'style="fill:var(--tf-series-4,#2388C6)"/>'
            f'<text x="{106 + 200 * p:.1f}" y="{y + 16}">{100 * p:.0f} %</text>'
        )
    best, p = guesses[0]
    spoken = html.escape(
        f"A sentence with a blank: “{recording['text']}”. The model's first guess is “{best}”, "
        f"with probability {p:.2f}; bars show it and {len(guesses) - 1} others."
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {_WIDE} {_ROW * len(guesses)}" role="img" '
        f'aria-label="{spoken}" style="display:block;width:100%;max-width:28rem;font:15px var(--tf-sans,sans-serif);'
        f'fill:var(--tf-ink,#1F2933)">{bars}</svg>'
        f"<figcaption>What fills the blank? {html.escape(recording['text'])}</figcaption></figure>"
    )
