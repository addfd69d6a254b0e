"""What a recipe is: a function that gets `Options` from the command line and returns a `Run`."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from torch import nn

from tfedu.train.loop import Batches, Loss, TrainConfig
from tfedu.train.progress import History

Value = TypeVar("Value", bool, int, float, str)


class OptionError(ValueError):
    """The command line asks for something that cannot be; the message says what to write instead."""


@dataclass
class Options:
    """The command line of `python -m tfedu.train`; None means: as the recipe has it.

    A recipe asks for its own knobs with `setting`, and passes its `TrainConfig` through `config`. What was
    given with ``--set`` but asked for by nobody is reported, so a typing mistake never trains for hours.
    """

    folder: Path
    steps: int | None = None
    seed: int = 0
    precision: Literal["no", "bf16"] | None = None
    compile: bool = False
    resume: bool = True
    settings: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def setting(self, name: str, default: Value) -> Value:
        """The value of ``--set name=value``, read as the type of ``default``, or ``default`` itself.

        Raises:
            OptionError: if the text does not read as that type.
        """
        self.asked.add(name)
        if name not in self.settings:
            return default
        return _read(name, self.settings[name], default)

    def config(self, default: TrainConfig) -> TrainConfig:
        """``default`` with what the command line changes: its own options, and ``--set`` for any field.

        Raises:
            OptionError: if a value cannot be read, or the configuration refuses it.
        """
        changes: dict[str, Any] = {"seed": self.seed, "compile": self.compile or default.compile}
        if self.steps is not None:
            changes |= {"steps": self.steps, "warmup": min(default.warmup, self.steps)}
        if self.precision is not None:
            changes["precision"] = self.precision
        for one in fields(TrainConfig):
            if one.name not in ("steps", "seed", "precision", "compile"):  # these have options of their own
                self.asked.add(one.name)
                if one.name in self.settings:
                    changes[one.name] = _read(one.name, self.settings[one.name], getattr(default, one.name))
        try:
            return replace(default, **changes)
        except ValueError as error:
            raise OptionError(str(error)) from error

    def unknown(self) -> set[str]:
        """Settings given but never asked for."""
        return set(self.settings) - self.asked


@dataclass
class Run:
    """All that `train` needs, and what to do with the result.

    ``finish(model, history, folder)`` runs once, on the first process: it tests the trained model, and writes
    the shipped checkpoint and its card.
    """

    model: nn.Module
    batches: Batches
    loss: Callable[[nn.Module, Any], Loss]
    config: TrainConfig
    validate: Callable[[nn.Module], dict[str, float]] | None = None
    finish: Callable[[nn.Module, History, Path], None] | None = None


def _read(name: str, text: str, default: Any) -> Any:
    """``text`` as a value of ``default``'s type; betas are written ``--set betas=[0.9,0.98]``."""
    if isinstance(default, str):
        return text
    try:
        value = json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except json.JSONDecodeError:
        value = text  # of no type that is wanted here
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    nullable = name == "clip"
    if type(value) is not type(default) and not (nullable and isinstance(value, float | int | None)):
        raise OptionError(
            f"--set {name}={text}: wants {type(default).__name__}, as in --set {name}={default}."
        )
    return value
