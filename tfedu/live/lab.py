"""A lab in a notebook and in the book: the chapter's own model, run by the reader's browser.

Lab("translate")

In a notebook the cell shows a widget: what the reader makes of it is in `lab.state` (and so `lab.text`, or
`lab.weights`), and setting `lab.text` types for the reader. In a book build the cell leaves the tag ``<tf-lab>``
alone, with a still figure for readers without JavaScript; the weights stay in their file.

Each lab has one file in `tfedu/live/labs` and one in `web/src/labs`, both named as the lab.
"""

from __future__ import annotations

import base64
import html
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from typing import Any, Protocol, cast

from tfedu import weights
from tfedu.live import labs
from tfedu.live.slim import join

STATIC = Path(__file__).parent / "static"
#: A lab in a notebook that is dark: JupyterLab, Colab, VS Code.
_DARK = '[data-jp-theme-light="false"] tf-lab, html[theme="dark"] tf-lab, .vscode-dark tf-lab'
#: Set to 1 by the book's build: what a cell shows must then need no kernel.
BOOK = "TFEDU_BOOK"


class Content(Protocol):
    """What a file of `tfedu/live/labs` holds."""

    #: The shipped model that the lab runs, or None if it runs none.
    MODEL: str | None

    def record(self, model: Any, text: str | None = None) -> dict[str, Any]:
        """What the page shows before a model is there, computed here; as JSON."""

    def still(self, recording: dict[str, Any]) -> str:
        """The recording as one still figure, in HTML."""

    def state(self, recording: dict[str, Any]) -> dict[str, Any]:
        """What a notebook can read of the lab, as the recording has it."""


def names() -> list[str]:
    """The labs there are."""
    return sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(labs.__path__))


def content(name: str) -> Content:
    """The Python side of a lab.

    Raises:
        ValueError: there is no such lab.
    """
    if name not in names():
        raise ValueError(f"there is no lab {name!r}; there is {', '.join(map(repr, names()))}.")
    return cast(Content, importlib.import_module(f"tfedu.live.labs.{name.replace('-', '_')}"))


class Lab:
    """A lab, ready to be shown as the last value of a cell.

    Args:
        name: which lab; `tfedu.live.lab.names()` lists them.
        model: the shipped model that it runs; the lab's own if not given.
        text: what it opens with, where a lab has a text; its own example if not given.

    Raises:
        ValueError: there is no such lab, or its model cannot show what the lab shows.
        FileNotFoundError: the model has no file for the page.
    """

    def __init__(self, name: str, model: str | None = None, *, text: str | None = None) -> None:
        self.name, self._content = name, content(name)
        self.model = model or self._content.MODEL
        self.path = None if self.model is None else model_file(self.model)
        self.recording = self._content.record(self.model, text)
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
    def state(self) -> dict[str, Any]:
        """What the page shows now, edits included: as the reader left it."""
        return self._content.state(self.recording) | self.widget.state

    def ask(self, wanted: dict[str, Any]) -> None:
        """Show something else on the page, as if the reader had done it.

        What follows from it in the state comes when the page has answered, which is after the running cell.
        """
        self.widget.state = {**self.widget.state, **wanted}
        turn = self.widget.asked.get("turn", 0) + 1  # so that the same, asked again, is news
        self.widget.asked = {**wanted, "turn": turn}

    @property
    def text(self) -> str:
        """The text that the page shows; set it to show another.

        What follows from it, such as the translation, is computed here as well, so the next line can read it.

        Raises:
            AttributeError: this lab has no text.
        """
        if "text" not in self.state:
            raise AttributeError(f"the lab {self.name!r} has no text; it has {', '.join(self.state)}.")
        return str(self.state["text"])

    @text.setter
    def text(self, text: str) -> None:
        _ = self.text  # or there is none to set
        self.ask(self._content.state(self._content.record(self.model, text)))

    def __getattr__(self, name: str) -> Any:
        """The rest of the state by its names, such as `lab.translation` and `lab.weights`."""
        if not name.startswith("_") and name in self._content.state(self.recording):
            return self.state[name]
        raise AttributeError(f"the lab {self.name!r} has no {name!r}")

    def still(self) -> str:
        """The figure that stands where the lab does not run."""
        return self._content.still(self.recording)

    def to_html(self) -> str:
        """The tag for a page, holding the still figure and its recording."""
        data = json.dumps(self.recording, ensure_ascii=False).replace("<", "\\u003c")
        model = "" if self.model is None else f' model="{html.escape(self.model)}"'
        return (
            f'<tf-lab name="{html.escape(self.name)}"{model}>{self.still()}'
            f'<script type="application/json">{data}</script></tf-lab>'
        )

    def _repr_mimebundle_(self, **given: Any) -> Any:
        if os.environ.get(BOOK) == "1":
            return {"text/html": self.to_html()}
        if "google.colab" in sys.modules:  # Colab shows widgets of others only when told to
            importlib.import_module("google.colab.output").enable_custom_widget_manager()
        return self.widget._repr_mimebundle_(**given)


def model_file(name: str) -> Path:
    """The file of a shipped model that a page runs; `slim.join` reads it.

    Raises:
        FileNotFoundError: with the command that makes it.
    """
    path = weights.data_dir() / "live" / f"{name}.live.safetensors"
    if Path(name).name != name or not path.exists():
        raise FileNotFoundError(f"{path} is not there: write it with `python -m tfedu.live {name}`.")
    return path


def model_script(name: str, whole: bytes) -> str:
    """A model's file as a script, for pages opened from the disk, which may not fetch. See `web/src/lab/disk.ts`."""
    return f'tfeduModel("{name}","{base64.b64encode(whole).decode()}");\n'


def _widget(lab: Lab) -> Any:
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError("a lab in a notebook needs anywidget: pip install anywidget") from error
    from tfedu.viz import palette

    class LabWidget(anywidget.AnyWidget):
        """The page's side is `web/src/lab/widget.ts`."""

        _css = palette.scoped("tf-lab", _DARK)
        _esm = (STATIC / f"lab-{lab.name}.mjs").read_text("utf-8")
        name = traitlets.Unicode().tag(sync=True)
        recording = traitlets.Dict().tag(sync=True)
        still = traitlets.Unicode().tag(sync=True)
        state: Any = traitlets.Dict().tag(sync=True)
        asked: Any = traitlets.Dict().tag(sync=True)

    widget: Any = LabWidget(name=lab.name, recording=lab.recording, still=lab.still())

    def answer(asked: Any, content: Any, buffers: Any) -> None:
        """The page asks for the model when it is touched; the bytes do not travel before."""
        if content.get("kind") == "model":
            try:
                path = model_file(content["name"]) if content.get("name") else lab.path
                if path is None:
                    raise FileNotFoundError(f"the lab {lab.name!r} runs no model.")
                widget.send(content, [join(path)])
            except (OSError, ValueError) as error:
                widget.send({**content, "problem": str(error)})

    widget.on_msg(answer)
    return widget
