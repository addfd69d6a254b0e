"""Published weights: a folder, here or on the Hugging Face hub, as the `transformers` library writes it.

It holds ``config.json`` (which model, how large), ``model.safetensors`` (or several parts and their index) and
often ``tokenizer.json``. A model's file says, in one table, what its weights are called there; the table is
read in both directions, so what loads can be written back:

    {"encoder.layer.0.attention.self.query.weight": "layers.0.self_attention.query.weight", ...}

Where one of their tensors holds several of ours (a fused query, key and value), the table gives a tuple of names,
in the order in which they lie in it. Where one of ours is several of theirs, a second table, `joined`, says so.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tfedu.weights import CheckpointError, data_dir

if TYPE_CHECKING:
    import tokenizers

#: Their name of a weight, and ours; several of ours if theirs is cut into equal parts.
Names = Mapping[str, str | tuple[str, ...]]

_FILES = ("config.json", "*.safetensors", "model.safetensors.index.json", "tokenizer.json", "vocab.txt")


@dataclass(frozen=True)
class Published:
    """What such a folder holds.

    Attributes:
        folder: where it lies on this machine.
        config: ``config.json``.
        tensors: the weights by their names in the file; half precision is widened to float32.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]

    def require(self, *kinds: str) -> None:
        """Complain unless the folder's ``model_type`` is one of `kinds`.

        Raises:
            CheckpointError: if it is another model's.
        """
        found = self.config.get("model_type")
        if found not in kinds:
            raise CheckpointError(
                f"{self.folder} holds a {found or 'model of no stated type'}, not a {' or '.join(kinds)}: "
                "load it with the class of its own name."
            )

    def fill(
        self,
        model: nn.Module,
        names: Names,
        *,
        prefix: str = "",
        transposed: Collection[str] = (),
        unused: Callable[[str], bool] = lambda name: False,
        joined: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Copy the weights into `model`.

        Args:
            model: every one of whose parameters and buffers is in `names` or `joined`.
            names: theirs to ours, without `prefix`.
            prefix: what stands before the body's names in files of models with a head, such as ``"bert."``.
            transposed: their names of matrices that lie the other way round in the file.
            unused: which of the file's names, without `prefix`, are left out on purpose.
            joined: ours to several of theirs, which lie in it one after the other.

        Raises:
            CheckpointError: if weights are missing, unknown, or of another shape; nothing is copied then.
        """
        tensors = {name.removeprefix(prefix): tensor for name, tensor in self.tensors.items()}
        ours: dict[str, Tensor] = {}
        for theirs, targets in names.items():
            if theirs not in tensors:
                continue
            tensor = tensors[theirs].T if theirs in transposed else tensors[theirs]
            parts = (targets,) if isinstance(targets, str) else targets
            ours |= dict(zip(parts, tensor.chunk(len(parts)), strict=False))
        for target, sources in joined.items():
            if all(name in tensors for name in sources):
                ours[target] = torch.cat([tensors[name] for name in sources])
        wanted_here = [*names, *(name for sources in joined.values() for name in sources)]
        problems = [f"missing {name}" for name in wanted_here if name not in tensors]
        problems += [f"unknown {name}" for name in tensors if name not in wanted_here and not unused(name)]
        wanted = model.state_dict()
        problems += [
            f"{name} is {tuple(ours[name].shape)}, not {tuple(wanted[name].shape)}"
            for name in ours.keys() & wanted.keys()
            if ours[name].shape != wanted[name].shape
        ]
        if problems:
            raise CheckpointError(
                f"{self.folder} does not fit a {type(model).__name__}: {'; '.join(problems[:6])}"
                f"{f' and {len(problems) - 6} more' if len(problems) > 6 else ''}. Is it another model's, or was "
                "its download cut short? Load it with the class of its own name, or get it again."
            )
        model.load_state_dict(ours)

    def tokenizer(self) -> tokenizers.Tokenizer:
        """The tokenizer that belongs to the weights.

        Raises:
            CheckpointError: if the folder has no ``tokenizer.json``, or a damaged one.
        """
        import tokenizers

        path = self.folder / "tokenizer.json"
        if not path.is_file():
            raise CheckpointError(
                f"{self.folder} has no tokenizer.json: copy it from where the weights were published."
            )
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more special
            raise CheckpointError(f"{path} is damaged ({error}): get it again.") from error


def published(name: str | Path) -> Published:
    """Read a published model: a folder, or a repository on the hub, which is fetched once and kept.

    Args:
        name: the folder's path, or the repository's id, such as ``"google-bert/bert-base-uncased"``.

    Raises:
        CheckpointError: if there is no such folder or repository, it cannot be reached, or it is damaged.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _fetched(str(name))
    return Published(folder, _json(folder / "config.json"), _tensors(folder))


def publish(
    folder: str | Path,
    model: nn.Module,
    names: Names,
    config: Mapping[str, Any],
    *,
    prefix: str = "",
    bare: Callable[[str], bool] = lambda name: False,
    transposed: Collection[str] = (),
    tokenizer: str | None = None,
    joined: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> None:
    """Write `model` as a folder that `published` and `transformers` read.

    Args:
        folder: made if need be.
        model: whose every parameter is in `names` or `joined`.
        names: theirs to ours, without `prefix`.
        config: ``config.json``; its ``model_type`` says which class reads it.
        prefix: put before the names, except those for which `bare` is true (the heads').
        bare: see `prefix`.
        transposed: their names of matrices that lie the other way round in the file.
        tokenizer: the text of ``tokenizer.json``, if there is one.
        joined: ours to several of theirs, into which it is cut.
    """
    state = model.state_dict()
    tensors: dict[str, Tensor] = {}
    for theirs, targets in names.items():
        parts = [state[one].detach().cpu() for one in ((targets,) if isinstance(targets, str) else targets)]
        tensor = torch.cat(parts) if len(parts) > 1 else parts[0].clone()
        whole = theirs if bare(theirs) else prefix + theirs
        tensors[whole] = (tensor.T if theirs in transposed else tensor).contiguous()
    for ours, sources in joined.items():
        for theirs, part in zip(sources, state[ours].detach().cpu().chunk(len(sources)), strict=True):
            tensors[theirs if bare(theirs) else prefix + theirs] = part.clone()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "model.safetensors.part"
    save_file(tensors, temporary, metadata={"format": "pt"})  # `transformers` asks for this word
    temporary.chmod(0o644)
    os.replace(temporary, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dict(config), indent=2) + "\n")
    if tokenizer is not None:
        (folder / "tokenizer.json").write_text(tokenizer, "utf-8")


def _fetched(name: str) -> Path:
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"there is no folder {name!r}, and huggingface_hub, which could look for it on the hub, is not "
            "installed: pip install huggingface_hub, or give the path of a folder."
        ) from error
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(_FILES)))
    except HFValidationError as error:
        raise CheckpointError(
            f"there is no folder {name!r}, and it cannot be a repository's id, which is owner/name.{_meant(name)}"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"there is no folder {name!r}, and the hub did not give a repository of that name "
            f"({type(error).__name__}). Go online, check the spelling, or give the path of a folder with "
            f"config.json and model.safetensors.{_meant(name)}"
        ) from error


def _meant(name: str) -> str:
    """Shipped checkpoints whose names are almost this one."""
    shipped = [path.stem for path in (data_dir() / "checkpoints").glob("*.safetensors")]
    close = difflib.get_close_matches(name, shipped)
    return f" Or did you mean {' or '.join(close)}, which comes with the package?" if close else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is missing: a published model has config.json beside its weights."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): get it again.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no settings: get it again.")
    return found


def _tensors(folder: Path) -> dict[str, Tensor]:
    index = folder / "model.safetensors.index.json"
    files = sorted(set(_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
    tensors: dict[str, Tensor] = {}
    for file in files:
        path = folder / file
        if not path.is_file():
            pickled = (folder / "pytorch_model.bin").is_file()
            raise CheckpointError(
                f"{path} is missing."
                + (
                    " pytorch_model.bin beside it is a pickle, which can run code when opened: load it with "
                    "transformers, and save_pretrained writes model.safetensors."
                    if pickled
                    else " A published model has its weights there: get the folder again."
                )
            )
        try:
            tensors |= load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is damaged or cut short ({error}): get it again.") from error
    return {_modern(name): _wide(tensor) for name, tensor in tensors.items()}


def _modern(name: str) -> str:
    """Files of 2018 call a norm's gain and bias gamma and beta."""
    return re.sub(r"(?<=LayerNorm\.)(gamma|beta)$", lambda m: {"gamma": "weight", "beta": "bias"}[m[0]], name)


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
