"""How far a training is, kept so that it can go on: the history, the checkpoint, and back."""

import json
import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from tfedu.train import checkpoint
from tfedu.train.checkpoint import CheckpointError

if TYPE_CHECKING:
    from tfedu.train.loop import TrainConfig


@dataclass
class History:
    """A training as data.

    Attributes:
        rows: one dict each: ``step`` (steps done), ``loss`` (mean a token since the last row), ``lr``
            and ``gradient`` (its length before clipping) of that step, ``tokens`` and ``seconds`` so far, and
            ``validation``, what `validate` returned, where it ran.
        best_step: the step whose weights the model ends with: the best validation's, else the last.
        seconds: wall time, over all resumes, without what a kill threw away.
        stopped_early: whether patience ran out.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    best_step: int | None = None
    seconds: float = 0.0
    stopped_early: bool = False

    def curve(self, name: str = "loss", *, validation: bool = False) -> tuple[list[int], list[float]]:
        """Steps and values of one column, ready to plot, over the rows that have it."""
        tables = [(row["step"], row.get("validation", {}) if validation else row) for row in self.rows]
        found = [(step, table[name]) for step, table in tables if name in table]
        return [step for step, _ in found], [value for _, value in found]

    def save(self, path: Path | str) -> None:
        """Write JSON Lines: the summary first, then a line a row."""
        summary = {"best_step": self.best_step, "seconds": self.seconds, "stopped_early": self.stopped_early}
        Path(path).write_text("".join(json.dumps(line) + "\n" for line in [summary, *self.rows]))

    @classmethod
    def load(cls, path: Path | str) -> "History":
        """Read what `save` wrote."""
        summary, *rows = map(json.loads, Path(path).read_text().splitlines())
        return cls(rows=rows, **summary)


@dataclass
class Progress:
    """How far a training is: with the weights and the optimizer's moments, all that the next step needs."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_loss: float = math.inf
    best_step: int | None = None
    worse: int = 0  # validations since the best one
    best: dict[str, Tensor] = field(default_factory=dict)  # the best weights, on the CPU

    def compare(self, loss: float, model: nn.Module) -> None:
        """Keep the weights if ``loss`` is a new best."""
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.worse = loss, self.step, 0
            self.best = {name: t.detach().cpu().clone() for name, t in model.state_dict().items()}
        else:
            self.worse += 1

    def out_of_patience(self, config: "TrainConfig") -> bool:
        """Whether the last ``config.patience`` validations all failed to improve."""
        return 0 < config.patience <= self.worse

    def history(self, config: "TrainConfig") -> History:
        """The part a reader wants."""
        return History(self.rows, self.best_step or self.step, self.seconds, self.out_of_patience(config))


def save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: "TrainConfig",
    at: Progress,
    accelerator: Accelerator,
) -> None:
    """Write the checkpoint, and the history beside it. All processes call it; the first one writes."""
    moments = optimizer.state_dict()["state"]
    tensors = {
        **checkpoint.prefixed("model", model.state_dict()),
        **checkpoint.prefixed("best", at.best),
        **{f"optimizer/{i}/{name}": t for i, moment in moments.items() for name, t in moment.items()},
    }
    progress = {f.name: getattr(at, f.name) for f in fields(at) if f.name != "best"}
    generators = gather_object([checkpoint.rng_state()])  # one per process
    if accelerator.is_main_process:
        state = {"progress": progress, "config": asdict(config), "generators": generators}
        checkpoint.write(path, tensors, state)
        at.history(config).save(path.with_name("history.jsonl"))


def restore(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: "TrainConfig",
    rank: int,
    world: int,
) -> Progress:
    """Put a checkpoint back; look first, so that a refusal leaves model and optimizer as they were."""
    tensors, state = checkpoint.read(path)
    weights = checkpoint.under("model", tensors)
    at = Progress(**state["progress"], best=checkpoint.under("best", tensors))
    faults = _differences(model.state_dict(), weights) + _changes(state["config"], config, at.step)
    if len(state["generators"]) != world:
        faults.append(f"it was written by {len(state['generators'])} processes, and now there are {world}")
    if faults:
        raise CheckpointError(
            f"{path} does not continue this training: {'; '.join(faults)}. Use the same settings as then, "
            f"or another folder (--out), or start again with resume=False (--no-resume), which sets it aside."
        )
    model.load_state_dict(weights)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in checkpoint.under("optimizer", tensors).items():
        index, moment = name.split("/")
        moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    checkpoint.set_rng_state(state["generators"][rank])
    return at


def _differences(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[str]:
    """The first few weights whose name, shape or type differs between the model and the checkpoint."""

    def kind(weights: dict[str, Tensor], name: str) -> str:
        return f"{weights[name].dtype} {tuple(weights[name].shape)}" if name in weights else "absent"

    names = [name for name in {**ours, **theirs} if kind(ours, name) != kind(theirs, name)]
    return [f"{name} was {kind(theirs, name)} and is {kind(ours, name)}" for name in names[:3]]


def _changes(then: dict[str, Any], config: "TrainConfig", step: int) -> list[str]:
    """The settings that differ and would change the result. How often we look may always differ."""
    free = {"validate_every", "patience", "save_every", "log_every"}
    now = json.loads(json.dumps(asdict(config)))  # as JSON has it: tuples become lists
    then = {
        f.name: f.default for f in fields(config) if f.default is not MISSING
    } | then  # older than a field
    if config.schedule == "constant" and config.steps >= step:
        free.add("steps")  # a longer training begins with the shorter one
    return [
        f"{name} was {then.get(name)} and is {value}"
        for name, value in now.items()
        if name not in free and then.get(name) != value
    ]
