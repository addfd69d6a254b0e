"""The file that ships, back as ONNX, so that onnxruntime can say whether it is right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfedu.live.export import OPSET, ExportError
from tfedu.live.slim import join, read

if TYPE_CHECKING:
    import onnx


def header(path: str | Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The graphs of a live file, and its texts.

    Raises:
        ExportError: if it is not one.
    """
    return _read(path)[:2]


def to_onnx(path: str | Path, graph: str = "model", given: Sequence[str] = ()) -> onnx.ModelProto:
    """One graph of a live file as an ONNX model.

    Args:
        path: the file.
        graph: which of its graphs.
        given: values inside it (a map, say) that become inputs: what a reader sets by hand in the page. Each
            remains an output too, if it was one.

    Raises:
        ExportError: if the file is no live file, or lacks the graph or a value.
    """
    from onnx import TensorProto, helper, numpy_helper

    graphs, _, tensors = _read(path)
    if graph not in graphs:
        raise ExportError(f"{Path(path).name} has no graph {graph!r}; it has {', '.join(graphs)}.")
    found = graphs[graph]
    made = {value for node in found["nodes"] for value in node["outputs"]}
    if unknown := set(given) - made:
        raise ExportError(f"graph {graph!r} makes no value {', '.join(sorted(unknown))}.")
    types = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}

    def port(one: dict[str, Any]) -> onnx.ValueInfoProto:
        shape = [None if isinstance(n, str) and "(" in n else n for n in one["shape"]]
        return helper.make_tensor_value_info(one["name"], types[one["dtype"]], shape)

    nodes = []
    for node in found["nodes"]:
        # A given value is no longer made here; ONNX wants each name made once.
        outputs = [f"{value}.unused" if value in given else value for value in node["outputs"]]
        nodes.append(helper.make_node(node["op"], node["inputs"], outputs, **node.get("attributes", {})))
    constants = dict(tensors)
    for name, one in found["constants"].items():
        constants[name] = np.array(one["data"], one["dtype"]).reshape(one["shape"])
    used = {value for node in found["nodes"] for value in node["inputs"]}
    return helper.make_model(
        helper.make_graph(
            nodes,
            graph,
            [port(one) for one in found["inputs"]]
            + [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in given],
            [port(one) for one in found["outputs"] if one["name"] not in given],
            [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,  # what the oldest supported onnxruntime reads
    )


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, str], dict[str, np.ndarray]]:
    try:
        metadata, stored = read(join(path))
    except FileNotFoundError as error:
        raise ExportError(f"{path} is missing: export it anew.") from error
    if metadata.get("format") != "tfedu-live" or metadata.get("version") != "1":
        raise ExportError(f"{path} is no live file of version 1: write it with tfedu.live.export.")
    texts = {key.removeprefix("extra."): text for key, text in metadata.items() if key.startswith("extra.")}
    return json.loads(metadata["graphs"]), texts, {name: _widened(value) for name, value in stored.items()}


def _widened(value: np.ndarray) -> np.ndarray:
    wide = {np.dtype(np.float16): np.float32, np.dtype(np.int32): np.int64}
    return value.astype(wide.get(value.dtype, value.dtype))
