"""The lab "Memory": write a story by clicking, ask, see each hop look at the sentences, and move what it looks at."""

from __future__ import annotations

import html
from typing import Any

MODEL = "memn2n-stories-seed0"
#: Stories and questions; the first is the one that the lab opens with.
EXAMPLES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "anna went to the kitchen",
            "ben went to the garden",
            "anna took the lamp",
            "carla went to the attic",
            "ben took the apple",
            "anna went to the library",
            "ben went to the hall",
        ),
        "where is the lamp",
    ),
    (
        (
            "david went to the cellar",
            "david took the book",
            "carla went to the garden",
            "david went to the hall",
            "david dropped the book",
            "carla went to the kitchen",
            "david went to the attic",
        ),
        "where is the book",
    ),
    (
        (
            "carla went to the library",
            "ben went to the attic",
            "carla took the apple",
            "carla went to the garden",
            "ben went to the kitchen",
            "carla went to the cellar",
            "carla dropped the apple",
        ),
        "where was the apple before the cellar",
    ),
    (
        (
            "anna went to the hall",
            "david went to the garden",
            "anna went to the cellar",
            "david went to the hall",
            "anna went to the garden",
        ),
        "where is anna",
    ),
)
#: The most words of a sentence and of a question.
WORDS = (5, 7)
_ROW, _BAR, _GAP = 24, 64, 10


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its model is there: one story, read by the PyTorch model itself.

    Raises:
        ValueError: a text was given; a story is written by clicking.
    """
    from tfedu.data.stories import PEOPLE, ROOMS, THINGS
    from tfedu.reader import Reader

    if text is not None:
        raise ValueError(
            'this lab reads no text; in a notebook, lab.ask({"story": [...], "question": "..."}).'
        )
    reader = Reader.from_pretrained(model)
    story, question = EXAMPLES[0]
    reading = reader(story, question)
    return {
        "people": list(PEOPLE),
        "rooms": list(ROOMS),
        "things": list(THINGS),
        "story": list(story),
        "question": question,
        "odds": [[word, round(odds, 4)] for word, odds in list(reading.odds.items())[:3]],
        "weights": [[round(w, 4) for w in row] for row in reading.looks.tolist()],
        "examples": [[list(one), asked] for one, asked in (*EXAMPLES[1:], EXAMPLES[0])],
        "memory": min(14, reader.model.config.memory),
        "words": list(WORDS),
    }


def still(recording: dict[str, Any]) -> str:
    """The recording as one still figure: the sentences, each with a bar for each hop; the question, the answer."""
    story, weights = recording["story"], recording["weights"]
    answer, odds = recording["odds"][0]
    left = 190
    width, height = left + len(weights) * (_BAR + _GAP), _ROW * (len(story) + 1)
    drawn = ""
    for hop in range(len(weights)):
        x = left + hop * (_BAR + _GAP)
        drawn += f'<text x="{x}" y="15" style="fill:var(--tf-ink,#1F2933)">hop {hop + 1}</text>'
    for i, sentence in enumerate(story):
        y = _ROW * (i + 1)
        drawn += (
            f'<text x="0" y="{y + 16}" style="fill:var(--tf-key-text,#B34F00)">{html.escape(sentence)}</text>'
        )
        for hop, row in enumerate(weights):
            x = left + hop * (_BAR + _GAP)
            drawn += (
                f'<rect x="{x}" y="{y + 4}" width="{_BAR}" height="15" style="fill:var(--tf-panel,#EEF1F4)"/>'
                f'<rect x="{x}" y="{y + 4}" width="{_BAR * row[i]:.1f}" height="15" '
                'style="fill:var(--tf-weights,#6A3D9A)"/>'
            )
    looked = [story[row.index(max(row))] for row in weights]
    spoken = html.escape(
        f"A story of {len(story)} sentences and the question “{recording['question']}?”. "
        + " ".join(f"Hop {hop + 1} looks at “{sentence}”." for hop, sentence in enumerate(looked))
        + f" The answer is “{answer}” ({odds:.0%})."
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:36rem;font:13px var(--tf-sans,sans-serif)">'
        f"{drawn}</svg><figcaption>{html.escape(recording['question'])}? {html.escape(answer)}</figcaption></figure>"
    )


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab: the story, the question, the answer and its odds, the hops' weights."""
    answer, odds = recording["odds"][0]
    kept = {name: recording[name] for name in ("story", "question", "weights")}
    return kept | {"answer": answer, "odds": odds}
