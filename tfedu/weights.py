"""Checkpoints: one safetensors file holds a model's weights and, in its header, all that rebuilds it.

The header says which class the weights belong to, its configuration, and whatever text must travel with them
(tokenizers). Weights are stored in float16, which halves the file; they are loaded back as float32. A card
beside the file (the same name, `.json`) tells how it was made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged, or another model's; the message names the fix."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        path: the file.
        kind: name of the model's class.
        config: the arguments of its configuration.
        extras: texts that travel with the weights, by name.
        tensors: the weights, float32.
    """

    path: Path
    kind: str
    config: dict[str, Any]
    extras: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def fill(self, model: nn.Module) -> None:
        """Copy the weights into `model`.

        Raises:
            CheckpointError: if names or shapes differ; nothing is copied then.
        """
        wanted = model.state_dict()
        problems = [f"missing {name}" for name in wanted.keys() - self.tensors.keys()]
        problems += [f"unknown {name}" for name in self.tensors.keys() - wanted.keys()]
        problems += [
            f"{name} is {tuple(self.tensors[name].shape)}, not {tuple(wanted[name].shape)}"
            for name in wanted.keys() & self.tensors.keys()
            if self.tensors[name].shape != wanted[name].shape
        ]
        if problems:
            raise CheckpointError(
                f"{self.path.name} does not fit this {type(model).__name__}: "
                f"{'; '.join(sorted(problems)[:5])}{' ...' if len(problems) > 5 else ''}. "
                "Build the model from the checkpoint's own configuration (from_pretrained does)."
            )
        model.load_state_dict(self.tensors)


def data_dir() -> Path:
    """The folder of embedded sets and shipped checkpoints: inside the wheel, or `data/` of the repository."""
    here = Path(__file__).resolve().parent
    packed = here / "_data"
    return packed if packed.is_dir() else here.parent / "data"


def find(name: str | Path) -> Path:
    """The file of a shipped checkpoint's name, or the path itself.

    Raises:
        CheckpointError: if there is no such file; it lists the shipped ones.
    """
    path = Path(name)
    shipped = data_dir() / "checkpoints"
    candidates = [path, shipped / f"{name}.safetensors"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(one.stem for one in shipped.glob("*.safetensors"))) or "none"
    raise CheckpointError(f"no checkpoint {str(name)!r}: give a file's path or a shipped name ({known}).")


def save(
    path: str | Path,
    model: nn.Module,
    config: Any,
    *,
    extras: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a checkpoint; the file appears whole or not at all.

    Args:
        path: where to.
        model: its class's name and its weights are kept.
        config: the dataclass (or dict) from which the model is built.
        extras: texts to keep with it.
        dtype: how floating-point weights are stored.

    Raises:
        ValueError: if a weight is not finite once stored.
    """
    path = Path(path)
    tensors = {
        name: (t.detach().to("cpu", dtype) if t.is_floating_point() else t.detach().cpu()).contiguous()
        for name, t in model.state_dict().items()
    }
    if broken := [n for n, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]:
        raise ValueError(f"{', '.join(broken[:3])}: not finite as {dtype}; store it in float32.")
    settings = asdict(config) if is_dataclass(config) and not isinstance(config, type) else dict(config)
    header = {"format": "tfedu", "kind": type(model).__name__, "config": json.dumps(settings)}
    header |= {f"extra.{name}": text for name, text in (extras or {}).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, metadata=header)
    temporary.chmod(0o644)  # safetensors leaves it readable to its owner alone
    os.replace(temporary, path)


def load(name: str | Path, kind: str | None = None) -> Checkpoint:
    """Read a checkpoint by its shipped name or its path.

    Args:
        name: see `find`.
        kind: the class that it must belong to.

    Raises:
        CheckpointError: if it is missing, damaged, not of this package, or another class's.
    """
    path = find(name)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({error}). Delete it and get it again: "
            "`git checkout` or reinstall for a shipped one, or train it anew."
        ) from error
    if header.get("format") != "tfedu":
        raise CheckpointError(f"{path} was not written by tfedu: its header names no class or configuration.")
    if kind is not None and header["kind"] != kind:
        raise CheckpointError(
            f"{path.name} holds a {header['kind']}, not a {kind}: use {header['kind']}.from_pretrained."
        )
    floats = {n: t.float() if t.is_floating_point() else t for n, t in tensors.items()}
    extras = {key.removeprefix("extra."): text for key, text in header.items() if key.startswith("extra.")}
    return Checkpoint(path, header["kind"], json.loads(header["config"]), extras, floats)


def card(name: str | Path) -> dict[str, Any]:
    """How a shipped checkpoint was made: recipe, data, licence, seed, hardware, curve, scores."""
    path = find(name).with_suffix(".json")
    if not path.is_file():
        raise CheckpointError(f"{path.with_suffix('').name} has no card: {path} is missing.")
    return json.loads(path.read_text())
