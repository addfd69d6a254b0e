"""The lab "teacher-and-student": one sentence with a blank, read by a model and by the smaller one that it taught."""

from __future__ import annotations

import html
from typing import Any

from tfedu.live.labs.fill_in_the_blank import examples

MODEL = "bert-grammar-seed0"
#: Each teacher's student, and a model that began as the student did and was then trained without the teacher.
STUDENTS = {"bert-grammar-seed0": ("distilbert-grammar-seed0", "distilbert-grammar-alone-seed0")}
GUESSES = 6
_ROW, _WIDE = 24, 400


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its models are there: what both think of the first blank, and all their maps.

    Raises:
        ValueError: the model taught none, or the text has no blank, is empty or too long.
    """
    from tfedu.live.masked import BlankFiller

    if model not in STUDENTS:
        raise ValueError(f"{model} has no student here; {', '.join(STUDENTS)} has.")
    text = examples(model)[0] if text is None else text
    names = (model, STUDENTS[model][0])
    fillers = [BlankFiller(name) for name in names]
    pieces = fillers[0].pieces(text)
    if not pieces.blanks:
        raise ValueError(f'there is no blank in {text!r}: write "_" for one.')
    read = [filler.read(pieces.ids) for filler in fillers]
    teacher, student = (found[pieces.blanks[0]].double() for found, _ in read)
    likely = {piece for one in (teacher, student) for piece, _ in fillers[0].guesses(one, GUESSES)}
    given = dict(fillers[0].guesses(teacher, len(fillers[0].words) - 5))
    learned = dict(fillers[1].guesses(student, len(fillers[1].words) - 5))
    return {
        "text": text,
        "labels": pieces.labels,
        "of": pieces.of,
        "models": list(names),
        "alone": STUDENTS[model][1],
        "parameters": [sum(p.numel() for p in filler.model.parameters()) for filler in fillers],
        "guesses": [
            [piece, round(given[piece], 4), round(learned[piece], 4)]
            for piece in sorted(likely, key=lambda one: -given[one])
        ],
        "entropy": [round(float(-(p * p.clamp_min(1e-30).log2()).sum()), 3) for p in (teacher, student)],
        "divergence": round(float((teacher * (teacher / student).log2()).sum()), 4),
        # In hundredths: the page holds them all.
        "maps": [[(100 * heads).round().int().tolist() for heads in maps.values()] for _, maps in read],
        "examples": list(examples(model)),
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab.

    Text, temperature, whether the student had the teacher, each guess with the probabilities that both give it, how
    undecided they are, and the divergence of the student from the teacher; both in bits.
    """
    return {
        "text": recording["text"],
        "temperature": 1,
        "taught": True,
        "guesses": recording["guesses"],
        "entropy": recording["entropy"],
        "divergence": recording["divergence"],
    }


def still(recording: dict[str, Any]) -> str:
    """The guesses in the middle, the teacher's probabilities as bars to the left, the student's to the right."""
    middle, half = _WIDE / 2, 46
    bars = ""
    for row, (piece, given, learned) in enumerate(recording["guesses"]):
        y = row * _ROW
        left, right = (max(1, 110 * p) for p in (given, learned))
        bars += (
            f'<text x="{middle}" y="{y + 16}" text-anchor="middle">{html.escape(piece)}</text>'
            f'<rect x="{middle - half - left:.1f}" y="{y + 4}" width="{left:.1f}" height="15" '
            'style="fill:var(--tf-series-1,#A87400)"/>'
            f'<rect x="{middle + half}" y="{y + 4}" width="{right:.1f}" height="15" '
            'style="fill:var(--tf-series-4,#2388C6)"/>'
            f'<text x="{middle - half - left - 5:.1f}" y="{y + 16}" text-anchor="end">{100 * given:.0f} %</text>'
            f'<text x="{middle + half + right + 5:.1f}" y="{y + 16}">{100 * learned:.0f} %</text>'
        )
    best = recording["guesses"][0]
    spoken = html.escape(
        f"A sentence with a blank: “{recording['text']}”. The teacher's first guess is “{best[0]}”, with probability "
        f"{best[1]:.2f}; the student gives it {best[2]:.2f}. Bars show both for {len(recording['guesses'])} words."
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {_WIDE} {_ROW * len(recording["guesses"])}" role="img" '
        f'aria-label="{spoken}" style="display:block;width:100%;max-width:32rem;font:15px var(--tf-sans,sans-serif);'
        f'fill:var(--tf-ink,#1F2933)">{bars}</svg>'
        f"<figcaption>What fills the blank? {html.escape(recording['text'])} Left the teacher, right the student."
        "</figcaption></figure>"
    )
