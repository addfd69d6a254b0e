"""Labs: a chapter's own model, run in the reader's browser.

export(model, example, "model.live.safetensors", dynamic={"tokens": {1: "T"}})

The file holds the weights and the graph of what the model computes, with its attention maps among the named
values. The engine in the page (`web/` of the repository) interprets it.
"""

from tfedu.live.export import (
    ENGINE_OPERATORS,
    ExportError,
    Graph,
    UnsupportedOperatorError,
    export,
    export_graphs,
)
from tfedu.live.lab import Lab

__all__ = [
    "ENGINE_OPERATORS",
    "ExportError",
    "Graph",
    "Lab",
    "UnsupportedOperatorError",
    "export",
    "export_graphs",
]
