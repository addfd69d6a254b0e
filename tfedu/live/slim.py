"""Shipped live files without what their checkpoint holds already.

The weights of a live file are its checkpoint's: as they are, transposed, or put together from runs of them (ONNX has
an order of its own for a recurrence's gates, and one tensor for both directions). So a file in `data/live` borrows
them: it says where the numbers stand, and `join` puts them back, to the bit, before anything reads the file.

The format is that of `export`, with "tfedu-live-slim" for "format" and one text more, "borrowed", as JSON:

    {"checkpoint": "NAME",               that is ../checkpoints/NAME.safetensors
     "sha256": "…",                      of the whole file
     "texts": ["extra.tokenizer"],       the same in the checkpoint's header; empty here
     "tensors": {"TENSOR": {"shape": [2, 96], "pieces": [["SOURCE", "C", 0, 96], ["OTHER", "F", 96, 192]]}}}

A piece is a run of the numbers of a tensor of the checkpoint, which stand in rows ("C") or in columns ("F").
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load

from tfedu.live.export import ExportError, archive, to_json
from tfedu.weights import CheckpointError

WHOLE, SLIM = "tfedu-live", "tfedu-live-slim"
#: The least numbers that are looked for: to say where fewer are takes as much room as they do.
LEAST = 32
AGAIN = "Get it again: `git checkout` or reinstall"

Source = tuple[str, str]  # a tensor of the checkpoint, and the order in which it is read


def read(whole: bytes) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The metadata and the tensors of the bytes of a live file.

    Raises:
        SafetensorError: they are none.
    """
    tensors = load(whole)
    size = int.from_bytes(whole[:8], "little")
    return json.loads(whole[8 : 8 + size]).get("__metadata__", {}), tensors


def join(path: str | Path) -> bytes:
    """The bytes of a live file as a page runs it, whether the file is slim or whole.

    Raises:
        FileNotFoundError: it is not there.
        ExportError: it is damaged.
        CheckpointError: its checkpoint is missing, damaged, or another one.
    """
    path = Path(path)
    whole = path.read_bytes()
    try:
        metadata, tensors = read(whole)
    except SafetensorError as error:
        raise ExportError(f"{path} is damaged ({error}): export it anew.") from error
    if metadata.get("format") != SLIM:
        return whole
    borrowed = json.loads(metadata.pop("borrowed"))
    checkpoint = path.absolute().parents[1] / "checkpoints" / f"{borrowed['checkpoint']}.safetensors"
    if not checkpoint.is_file():
        raise CheckpointError(f"{path.name} borrows from {checkpoint}, which is not there. {AGAIN}.")
    try:
        with safe_open(checkpoint, framework="np") as file:
            texts = file.metadata() or {}
            for name, one in borrowed["tensors"].items():
                pieces = [file.get_tensor(source).ravel(order)[a:b] for source, order, a, b in one["pieces"]]
                tensors[name] = np.concatenate(pieces).reshape(one["shape"])
        metadata |= {"format": WHOLE} | {key: texts[key] for key in borrowed["texts"]}
        whole = archive(tensors, metadata)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path.name} does not fit {checkpoint} ({error}). {AGAIN}.") from error
    if hashlib.sha256(whole).hexdigest() != borrowed["sha256"]:
        raise CheckpointError(
            f"{path.name} was made from another {checkpoint.name} than {checkpoint}, or one of them is damaged. "
            f"{AGAIN}, or write it anew with `python -m tfedu.live {borrowed['checkpoint']}`."
        )
    return whole


def slim(whole: bytes, checkpoint: Path) -> bytes:
    """A live file without what `checkpoint` holds: what `join` makes whole again, to the bit.

    Args:
        whole: the file's bytes, as `export` writes them.
        checkpoint: the file from which they were made; `join` looks for it by its name.
    """
    metadata, tensors = read(whole)
    with safe_open(checkpoint, framework="np") as file:
        held = {name: file.get_tensor(name) for name in sorted(file.keys())}
        texts = file.metadata() or {}
    sources = {(name, order): x.ravel(order) for name, x in held.items() for order in "CF"[: x.ndim]}
    same = [key for key, text in metadata.items() if key.startswith("extra.") and texts.get(key) == text]
    found = {name: _pieces(name, x, sources) for name, x in tensors.items()}
    borrowed = {
        "checkpoint": checkpoint.stem,
        "sha256": hashlib.sha256(whole).hexdigest(),
        "texts": same,
        "tensors": {
            name: {"shape": list(tensors[name].shape), "pieces": pieces}
            for name, pieces in sorted(found.items())
            if pieces
        },
    }
    metadata |= {"format": SLIM, "borrowed": to_json(borrowed)} | dict.fromkeys(same, "")
    return archive({name: x for name, x in tensors.items() if not found[name]}, metadata)


def slim_file(path: Path, checkpoint: Path) -> None:
    """Make a whole file slim where it is; it is one or the other at any time."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(slim(path.read_bytes(), checkpoint))
    os.replace(temporary, path)


def _pieces(name: str, value: np.ndarray, sources: Mapping[Source, np.ndarray]) -> list[list[Any]]:
    """All of `value` as runs of the sources, each the longest that there is; empty if some of it is nowhere."""
    wanted, at, pieces = value.ravel(), 0, []
    alike = [source for source, x in sources.items() if x.dtype == value.dtype]
    alike.sort(key=lambda source: source[0] != name)  # of equals, the tensor's namesake
    while at < wanted.size and wanted.size >= LEAST:
        runs = [(*source, *_run(wanted[at:], sources[source])) for source in alike]
        source, order, begin, length = max(runs, key=lambda run: run[3], default=("", "", 0, 0))
        if not length:
            return []
        pieces.append([source, order, begin, begin + length])
        at += length
    return pieces


def _run(wanted: np.ndarray, source: np.ndarray) -> tuple[int, int]:
    """Where the first numbers of `wanted` stand in `source`, and how many of them: bits are compared, not values."""
    seed, text, step = wanted[:LEAST].tobytes(), source.tobytes(), source.itemsize
    at = text.find(seed)
    while at > 0 and at % step:
        at = text.find(seed, at + 1)
    if at < 0:
        return 0, 0
    begin, bits = at // step, f"u{step}"
    length = min(wanted.size, source.size - begin)
    differ = np.flatnonzero(wanted[:length].view(bits) != source[begin : begin + length].view(bits))
    return begin, int(differ[0]) if differ.size else length
