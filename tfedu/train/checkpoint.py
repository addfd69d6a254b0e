"""One file that holds a whole training: written in one move, checked when read, free of pickle.

A checkpoint is a safetensors archive. Its tensors are the weights, the optimizer's moments and the best
weights so far; its header carries, as JSON, all else that decides the next step: the step, the history and
the state of every random number generator. One file means one rename, so a kill at any moment leaves either
the old checkpoint or the new one, never half of one.
"""

import json
import os
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

Tensors = dict[str, Tensor]


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used: damaged, or made by another model or another configuration."""


def write(path: Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``state`` to ``path``, replacing an older file only when whole."""
    # A copy of each tensor: safetensors refuses shared memory, which tied weights have.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(state)
    header = {"state": text, "checksum": _checksum(tensors, text)}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    save_file(tensors, draft, metadata=header)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())  # on the disk before the rename, or a power cut could undo their order
    os.replace(draft, path)


def read(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and the state in ``path``, on the CPU.

    Raises:
        CheckpointError: if the file is cut short, altered, or no checkpoint of this kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        state = json.loads(header["state"])
        whole = header["checksum"] == _checksum(tensors, header["state"])
        fault = "its checksum does not match"
    except (SafetensorError, KeyError, ValueError) as error:
        whole, fault = False, f"{type(error).__name__}: {error}"
    if not whole:
        raise CheckpointError(
            f"{path} is damaged or no training checkpoint ({fault}). It was left as it is. Put a good copy "
            f"in its place, or start again with resume=False (--no-resume), which sets the file aside."
        )
    return tensors, state


def set_aside(path: Path) -> Path | None:
    """Rename ``path``, if it is there, to the first free ``name.old-1``, ``name.old-2``, …; return that."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return path.rename(kept)


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """The same tensors, each name led by ``prefix/``."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names are led by ``prefix/``, without it: the inverse of `prefixed`."""
    return {
        name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")
    }


def rng_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's random generators (and CUDA's), as JSON can hold them."""
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, cached],
        "torch": _to_hex(torch.get_rng_state()),
        "cuda": _to_hex(torch.cuda.get_rng_state()) if torch.cuda.is_available() else None,
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Put back what `rng_state` returned. A CUDA state is passed over where there is no CUDA."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(_from_hex(state["torch"]))
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(_from_hex(state["cuda"]))


def _to_hex(state: Tensor) -> str:
    return state.numpy().tobytes().hex()


def _from_hex(text: str) -> Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)


def _checksum(tensors: Tensors, text: str) -> str:
    """CRC-32 over all that was stored: safetensors alone notices a short file, not a changed byte."""
    total = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        total = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), total)
        total = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, total)
    return f"{total:08x}"
