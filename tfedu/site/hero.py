"""The moving sentence of the landing page: a recorded translation, drawn as SVG, and its recorder.

python -m tfedu.site.hero CHECKPOINT "ein deutscher satz ." > book/site/hero.json
"""

import html
import json
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recording:
    """A translation and its attention: ``weights[t][s]`` from target word ``t`` to source word ``s``."""

    source: list[str]
    target: list[str]
    weights: list[list[float]]
    model: str = ""


def read(path: Path) -> Recording:
    """Read and check a recording.

    Raises:
        ValueError: if the weights are not one row per target word and one column per source word.
    """
    found = json.loads(path.read_text("utf-8"))
    recording = Recording(found["source"], found["target"], found["weights"], found.get("model", ""))
    shape = {len(row) for row in recording.weights}
    if len(recording.weights) != len(recording.target) or shape != {len(recording.source)}:
        raise ValueError(
            f"{path.name}: weights must be a {len(recording.target)} by {len(recording.source)} table."
        )
    return recording


def places(words: list[str], gap: float = 22.0, letter: float = 11.2) -> tuple[list[float], float]:
    """The middle of each word in a row of words, and the row's width, in the SVG's units."""
    middles, x = [], 0.0
    for word in words:
        width = letter * len(word)
        middles.append(x + width / 2)
        x += width + gap
    return middles, x - gap


def drawing(recording: Recording, kind: str, spoken: str) -> str:
    """One still SVG. ``wide``: source words in a row, target words below. ``tall``: two columns, for phones.

    Each line is as thick as its weight.
    """
    if kind == "wide":
        above, wide_above = places(recording.source)
        below, wide_below = places(recording.target)
        width, height = max(wide_above, wide_below) + 40, 230.0
        source = [(x + (width - wide_above) / 2, 34.0) for x in above]
        target = [(x + (width - wide_below) / 2, 200.0) for x in below]
    else:
        rows = max(len(recording.source), len(recording.target))
        width, height = 350.0, rows * 36.0
        source = [
            (118.0, 24 + 36 * (s + (rows - len(recording.source)) / 2)) for s in range(len(recording.source))
        ]
        target = [
            (232.0, 24 + 36 * (t + (rows - len(recording.target)) / 2)) for t in range(len(recording.target))
        ]

    def line(t: int, s: int) -> str:
        (x, y), (to_x, to_y) = target[t], source[s]
        if kind == "wide":
            y, to_y = y - 22, to_y + 10
            middle = (y + to_y) / 2
            return f"M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"
        x, to_x, y, to_y = x - 8, to_x + 8, y - 6, to_y - 6
        middle = (x + to_x) / 2
        return f"M{x:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"

    lines = "".join(
        f'<path d="{line(t, s)}" data-t="{t}" data-s="{s}" data-w="{weight:.3f}" '
        f'style="stroke-width:{max(weight * 9, 0.5):.2f};opacity:{0.25 + 0.7 * weight:.2f}"/>'
        for t, row in enumerate(recording.weights)
        for s, weight in enumerate(row)
        if weight >= 0.02  # thinner than a quarter of a pixel there is nothing to see
    )

    def words(names: list[str], where: list[tuple[float, float]], axis: str) -> str:
        return "".join(
            f'<text x="{x:.1f}" y="{y:.1f}" data-{axis}="{i}">{html.escape(name)}</text>'
            for i, ((x, y), name) in enumerate(zip(where, names, strict=True))
        )

    return (
        f'<svg class="tf-hero-{kind}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{spoken}">'
        f'<g class="tf-hero-lines">{lines}</g>'
        f'<g class="tf-hero-source">{words(recording.source, source, "s")}</g>'
        f'<g class="tf-hero-target">{words(recording.target, target, "t")}</g></svg>'
    )


def to_html(recording: Recording) -> str:
    """The whole translation, still: once for wide screens, once for phones. ``page.js`` plays it.

    Without JavaScript, or where the reader asked for reduced motion, the still picture is what is shown.
    """
    spoken = html.escape(
        f"A German sentence, {' '.join(recording.source)}, becomes {' '.join(recording.target)}. "
        "Lines join each English word to the German words it was made from.",
        quote=True,
    )
    drawings = drawing(recording, "wide", spoken) + drawing(recording, "tall", spoken)
    return (
        f'<figure class="tf-hero">{drawings}<figcaption><button type="button" class="tf-hero-play" hidden>'
        f"Pause</button><span>{html.escape(recording.model)}</span></figcaption></figure>"
    )


def record(checkpoint: str, sentence: str) -> Recording:
    """Translate one sentence with a shipped checkpoint and keep its attention.

    Args:
        checkpoint: a name or a path that ``Translator.from_pretrained`` takes, of a model with attention.
        sentence: the German source.

    Raises:
        ValueError: if the model has no attention.
    """
    from tfedu.translator import Translator

    found = Translator.from_pretrained(checkpoint)(sentence)
    if found.attention is None:
        raise ValueError(f"{checkpoint} has no attention to record; name a model that has.")
    target = found.target_tokens[:-1]  # the last row decides to stop; no word belongs to it
    table = found.attention.weights[0, 0, : len(target)].tolist()
    rows = [[round(weight, 3) for weight in row] for row in table]
    return Recording(found.source_tokens, target, rows, f"Attention recorded from {checkpoint}.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    print(json.dumps(record(sys.argv[1], sys.argv[2]).__dict__, ensure_ascii=False, indent=1))
