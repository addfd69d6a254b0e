"""The moving sentence of the landing page: a recorded translation, drawn as SVG, and its recorder.

    python -m tfedu.site.hero CHECKPOINT "ein deutscher satz ." > book/site/hero.json
"""

import html
import json
import sys
from dataclasses import dataclass
from pathlib import Path

# One row of source words above, one of target words below, in the SVG's own units.
GAP, LETTER, TOP, BOTTOM, HEIGHT = 22.0, 11.2, 34.0, 196.0, 230.0


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
        raise ValueError(f"{path.name}: weights must be a {len(recording.target)} by {len(recording.source)} table.")
    return recording


def places(words: list[str]) -> tuple[list[float], float]:
    """The middle of each word in a row of words, and the row's width."""
    middles, x = [], 0.0
    for word in words:
        width = LETTER * len(word)
        middles.append(x + width / 2)
        x += width + GAP
    return middles, x - GAP


def to_html(recording: Recording) -> str:
    """The whole translation as a still SVG; ``page.js`` hides it and plays it word by word.

    Every line from target word t to source word s is there, as thick as its weight. Without JavaScript, or
    where the reader asked for reduced motion, the still picture is what is shown.
    """
    above, wide_above = places(recording.source)
    below, wide_below = places(recording.target)
    width = max(wide_above, wide_below) + 40
    above = [x + (width - wide_above) / 2 for x in above]
    below = [x + (width - wide_below) / 2 for x in below]
    lines = []
    for t, row in enumerate(recording.weights):
        for s, weight in enumerate(row):
            if weight < 0.02:  # thinner than a quarter of a pixel: nothing to see
                continue
            middle = (TOP + BOTTOM) / 2
            path = (
                f"M{below[t]:.1f} {BOTTOM - 20:.1f} C{below[t]:.1f} {middle:.1f} {above[s]:.1f} {middle:.1f} "
                f"{above[s]:.1f} {TOP + 10:.1f}"
            )
            lines.append(
                f'<path d="{path}" data-t="{t}" data-s="{s}" data-w="{weight:.3f}" '
                f'style="stroke-width:{max(weight * 9, 0.5):.2f};opacity:{0.25 + 0.7 * weight:.2f}"/>'
            )
    top = [
        f'<text x="{x:.1f}" y="{TOP:.1f}" data-s="{s}">{html.escape(word)}</text>'
        for s, (x, word) in enumerate(zip(above, recording.source, strict=True))
    ]
    bottom = [
        f'<text x="{x:.1f}" y="{BOTTOM:.1f}" data-t="{t}" tabindex="-1">{html.escape(word)}</text>'
        for t, (x, word) in enumerate(zip(below, recording.target, strict=True))
    ]
    spoken = html.escape(
        f"A German sentence, {' '.join(recording.source)}, becomes {' '.join(recording.target)}. "
        "Lines join each English word to the German words it was made from.",
        quote=True,
    )
    caption = html.escape(recording.model)
    return (
        f'<figure class="tf-hero"><svg viewBox="0 0 {width:.0f} {HEIGHT:.0f}" role="img" aria-label="{spoken}">'
        f'<g class="tf-hero-lines">{"".join(lines)}</g>'
        f'<g class="tf-hero-source">{"".join(top)}</g><g class="tf-hero-target">{"".join(bottom)}</g></svg>'
        f'<figcaption><button type="button" class="tf-hero-play" hidden>Pause</button> {caption}</figcaption></figure>'
    )


def record(checkpoint: str, sentence: str) -> Recording:
    """Translate one sentence with a shipped checkpoint and keep its cross-attention.

    Args:
        checkpoint: a name or a path that ``Seq2Seq.from_pretrained`` takes.
        sentence: the German source, words separated by spaces.
    """
    import torch

    from tfedu.models.seq2seq import Seq2Seq
    from tfedu.trace import trace

    model = Seq2Seq.from_pretrained(checkpoint).eval()
    words = sentence.split()
    source = torch.tensor([model.source_tokenizer.encode(sentence)])
    mask = torch.ones_like(source, dtype=torch.bool)
    with torch.no_grad(), trace(model) as maps:
        translated = model.translate(source, mask)
    target = model.target_tokenizer.tokens(translated[0])
    weights = maps["decoder.attention"].weights[0, 0, : len(target), : len(words)]
    rows = [[round(float(value), 3) for value in row] for row in weights]
    return Recording(words, target, rows, f"Attention of the checkpoint {checkpoint}, recorded.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    print(json.dumps(record(sys.argv[1], sys.argv[2]).__dict__, ensure_ascii=False, indent=1))
