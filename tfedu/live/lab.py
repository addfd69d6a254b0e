"""A lab in a notebook and in the book: the chapter's own model, run by the reader's browser.

Lab("translate")

In a notebook the cell shows a widget: what is typed there, and the map that comes out, are here as `lab.text`,
`lab.translation` and `lab.weights`, and setting `lab.text` types for the reader. In a book build the cell leaves
the tag ``<tf-lab>`` alone, with a still figure for readers without JavaScript; the weights stay in their file.
"""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

from tfedu import weights

STATIC = Path(__file__).parent / "static"
#: Set to 1 by the book's build: what a cell shows must then need no kernel.
BOOK = "TFEDU_BOOK"

MODELS = {"translate": "translate-multi30k-additive-seed0"}
EXAMPLES = (
    "Auf der Bank sitzt eine alte Frau.",
    "Ein Mann liest ein Buch im Park.",
    "Ein kleiner schwarzer Hund springt über einen Zaun.",
    "Eine Frau mit einem roten Hut steht vor einem Haus.",
    "Drei Kinder sitzen auf einer Bank und essen Eis.",
)
_ROW, _THICK, _LEAST = 30, 0.78, 0.02


class Lab:
    """A lab, ready to be shown as the last value of a cell.

    Args:
        name: which lab; so far there is "translate".
        model: the shipped translator that it runs; the lab's own if not given.
        text: the sentence it opens with.

    Raises:
        ValueError: there is no such lab, or the model has no attention to show.
        FileNotFoundError: the model has no file for the page.
    """

    def __init__(self, name: str, model: str | None = None, *, text: str = EXAMPLES[0]) -> None:
        if name not in MODELS:
            raise ValueError(f"there is no lab {name!r}; there is {', '.join(map(repr, MODELS))}.")
        self.name, self.model = name, model or MODELS[name]
        self.path = model_file(self.model)
        self.recording = record(self.model, text)
        self._widget: Any = None

    @property
    def widget(self) -> Any:
        """The anywidget, made when first asked for.

        Raises:
            ImportError: anywidget is not installed.
        """
        if self._widget is None:
            self._widget = _widget(self)
        return self._widget

    @property
    def text(self) -> str:
        """The German sentence, as it was last translated; set it to translate another."""
        return str(self.widget.text)

    @text.setter
    def text(self, text: str) -> None:
        self.widget.text = text

    @property
    def translation(self) -> str:
        """The English sentence that the page shows."""
        return str(self.widget.translation)

    @property
    def weights(self) -> list[list[float]]:
        """The attention map that the page shows, pulled weights included: a row for each English word."""
        return list(self.widget.weights)

    def to_html(self) -> str:
        """The tag for a page, holding the still figure and its recording."""
        data = json.dumps(self.recording, ensure_ascii=False).replace("<", "\\u003c")
        return (
            f'<tf-lab name="{html.escape(self.name)}" model="{html.escape(self.model)}">{still(self.recording)}'
            f'<script type="application/json">{data}</script></tf-lab>'
        )

    def _repr_mimebundle_(self, **given: Any) -> Any:
        if os.environ.get(BOOK) == "1":
            return {"text/html": self.to_html()}
        return self.widget._repr_mimebundle_(**given)


def model_file(name: str) -> Path:
    """The file of a shipped model that a page runs.

    Raises:
        FileNotFoundError: with the command that makes it.
    """
    path = weights.data_dir() / "live" / f"{name}.live.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: write it with `python -m tfedu.live {name}`.")
    return path


def record(name: str, text: str) -> dict[str, Any]:
    """What the lab shows until its model is there: one greedy translation by the PyTorch model itself.

    Raises:
        ValueError: the model has no attention, or the text is empty.
    """
    from tfedu.translator import Translator

    seen = Translator.from_pretrained(name)(text)
    if seen.attention is None:
        raise ValueError(f"{name} has no attention, so the lab has nothing to show.")
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


def _widget(lab: Lab) -> Any:
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError("a lab in a notebook needs anywidget: pip install anywidget") from error

    class LabWidget(anywidget.AnyWidget):
        """The page's side is `web/src/labs.ts`."""

        _esm = (STATIC / "tfedu-labs.mjs").read_text("utf-8")
        name = traitlets.Unicode().tag(sync=True)
        recording = traitlets.Dict().tag(sync=True)
        still = traitlets.Unicode().tag(sync=True)
        text = traitlets.Unicode().tag(sync=True)
        translation = traitlets.Unicode().tag(sync=True)
        source_tokens: Any = traitlets.List().tag(sync=True)
        target_tokens: Any = traitlets.List().tag(sync=True)
        weights: Any = traitlets.List().tag(sync=True)

    recorded = lab.recording
    widget: Any = LabWidget(
        name=lab.name,
        recording=recorded,
        still=still(recorded),
        text=recorded["text"],
        translation=recorded["translation"],
        source_tokens=recorded["source"],
        target_tokens=recorded["target"],
        weights=recorded["weights"],
    )

    def answer(asked: Any, content: Any, buffers: Any) -> None:
        """The page asks for the model when it is touched; the bytes do not travel before."""
        if content.get("kind") == "model":
            try:
                widget.send({"kind": "model"}, [lab.path.read_bytes()])
            except OSError as error:
                widget.send({"kind": "model", "problem": str(error)})

    widget.on_msg(answer)
    return widget
