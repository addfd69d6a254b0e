"""The training loop: one file, read from top to bottom, for a CPU, a GPU, or many (`accelerate launch`).

What it promises:

* **One loss for any number of processes.** The loss is the mean over all tokens of the whole batch, however
  the batch is dealt out. Averaging each process's own mean would weigh the tokens of a short share too much.
* **A kill costs nothing but time.** A resumed training ends with the weights, to the bit, of one that was
  never stopped (on a CPU; on a GPU as far as its kernels are deterministic).
* **Looking changes nothing.** Validation, logging and saving do not touch the random numbers of the training.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object, set_seed
from torch import Tensor, nn
from torch.optim import AdamW
from tqdm import tqdm

from tfedu.train import checkpoint
from tfedu.train.checkpoint import CheckpointError
from tfedu.train.schedules import Schedule, factor


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training, besides the model and the data.

    Attributes:
        steps: optimizer steps in all.
        lr: peak learning rate.
        warmup, schedule: see `tfedu.train.schedules.factor`.
        weight_decay: AdamW's, for matrices only: biases and gains stay free.
        betas: AdamW's two decay rates.
        clip: longest gradient allowed (2-norm over all parameters), or None.
        seed: of dropout and the like; process ``r`` uses ``seed + r``. Seed the model before building it.
        precision: "no" for float32, "bf16" for autocast in the forward pass; weights stay float32.
        compile: run the model through `torch.compile`.
        validate_every: steps between validations; 0 for none.
        patience: stop after this many validations in a row without a new best loss; 0 for never.
        save_every: steps between checkpoints; 0 saves only at the end.
        log_every: steps that one row of the history averages over.
    """

    steps: int
    lr: float = 1e-3
    warmup: int = 0
    schedule: Schedule = "constant"
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = 1.0
    seed: int = 0
    precision: Literal["no", "bf16"] = "no"
    compile: bool = False
    validate_every: int = 0
    patience: int = 0
    save_every: int = 0
    log_every: int = 10

    def __post_init__(self) -> None:
        if self.precision not in ("no", "bf16"):
            raise ValueError(f"precision is {self.precision!r}; choose 'no' (float32) or 'bf16'.")
        if self.log_every < 1 or min(self.steps, self.validate_every, self.patience, self.save_every) < 0:
            raise ValueError(
                "steps and the *_every fields count steps: at least 0, and log_every at least 1."
            )
        if self.patience and not self.validate_every:
            raise ValueError("patience counts validations: set validate_every too.")
        factor(self.schedule, 0, steps=self.steps, warmup=self.warmup)  # complains now rather than later


@dataclass(frozen=True)
class Loss:
    """A loss before the division: the sum over ``count`` tokens (or whatever the loss is a mean of)."""

    total: Tensor
    count: int


class Share(Protocol):
    """A batch, or one process's share of it."""

    def to(self, device: torch.device) -> Any:
        """The same batch on ``device``."""

    def shard(self, rank: int, world: int) -> Any:
        """The rows of process ``rank`` of ``world``: together all rows, each once, no share empty."""


class Batches(Protocol):
    """The data: the same batch for the same step, at any time, so that a resume can begin anywhere."""

    def batch(self, step: int) -> Any:
        """The batch (see `Share`) of global step ``step``, counted from 0."""


@dataclass
class History:
    """A training as data.

    Attributes:
        rows: one dict each: ``step`` (steps done), ``loss`` (mean a token since the last row), ``lr``,
            ``tokens`` and ``seconds`` so far, and ``validation``, what `validate` returned, where it ran.
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


def train(
    model: nn.Module,
    batches: Batches,
    loss: Callable[[nn.Module, Any], Loss],
    *,
    config: TrainConfig,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    folder: Path | str | None = None,
    resume: bool = True,
    quiet: bool = False,
) -> History:
    """Train ``model`` in place and return the history.

    Args:
        model: any module; moved to the device there is. It ends with the best weights that validation saw,
            or the last ones where there is no validation, and in evaluation mode.
        batches: the batch of every step.
        loss: runs the model on a batch and sums its loss. With several processes it must call the model
            itself, not a method of it, since that call is where the gradients are joined.
        config: how to train.
        validate: scores the model, without gradients and in float32; lower ``"loss"`` is better. One process
            runs it, on all the data; the others wait.
        folder: where ``checkpoint.safetensors`` and ``history.jsonl`` are kept; nothing is written without it.
        resume: continue from the checkpoint in ``folder`` if there is one. If not, it is set aside.
        quiet: no progress bar.

    Raises:
        CheckpointError: if the checkpoint is damaged, or belongs to another model or configuration.
        FloatingPointError: if the loss stops being a finite number; the last good checkpoint stays.
    """
    if config.validate_every and validate is None:
        raise ValueError(
            "validate_every is set, but there is no validate function: give one, or set it to 0."
        )

    # 1. The device and the processes. Without `cpu`, Accelerate would not see that CPU processes belong together.
    accelerator = Accelerator(cpu=not torch.accelerator.is_available())
    rank, world, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    set_seed(config.seed, device_specific=True)
    model.to(device)
    optimizer = AdamW(parameter_groups(model, config.weight_decay), lr=config.lr, betas=config.betas)
    runner, optimizer = accelerator.prepare(torch.compile(model) if config.compile else model, optimizer)

    # 2. Where we are: at the start, or where the checkpoint stopped.
    at = Progress()
    path = Path(folder) / "checkpoint.safetensors" if folder is not None else None
    if path is not None and not resume and accelerator.is_main_process:
        checkpoint.set_aside(path)
    accelerator.wait_for_everyone()
    if path is not None and path.exists():
        at = _restore(path, model, optimizer, config, rank, world)

    # 3. The loop.
    bar = tqdm(
        total=config.steps,
        initial=at.step,
        unit="step",
        disable=quiet or not accelerator.is_main_process,
        mininterval=0.5 if sys.stderr.isatty() else 20,  # a log file wants fewer lines than a screen
    )
    summed, tokens = torch.zeros((), device=device), torch.zeros((), device=device, dtype=torch.long)
    clock, seen = time.perf_counter(), at.tokens
    started = clock - at.seconds
    runner.train()
    while at.step < config.steps and not at.out_of_patience(config):
        batch = batches.batch(at.step)
        batch = (batch.shard(rank, world) if world > 1 else batch).to(device)
        lr = config.lr * factor(config.schedule, at.step, steps=config.steps, warmup=config.warmup)
        for group in optimizer.param_groups:
            group["lr"] = lr

        # Entered anew each step: autocast keeps its bf16 copies of the weights until it is left.
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            lost = loss(runner, batch)
        count = accelerator.reduce(torch.tensor(lost.count, device=device), "sum")  # tokens of all processes
        optimizer.zero_grad()
        accelerator.backward(lost.total * world / count)  # times world: processes average their gradients
        if config.clip is not None:
            accelerator.clip_grad_norm_(runner.parameters(), config.clip)
        optimizer.step()
        at.step += 1
        summed, tokens = summed + lost.total.detach(), tokens + count
        bar.update()

        # 4. Every so often: a row of history, a validation, a checkpoint. Reading the loss waits for the GPU.
        last = at.step == config.steps
        validating = validate is not None and (last or _due(at.step, config.validate_every))
        saving = path is not None and (last or _due(at.step, config.save_every))
        if not (last or validating or saving or _due(at.step, config.log_every)):
            continue
        mean = accelerator.reduce(summed, "sum").item() / max(1, int(tokens.item()))
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the loss is {mean} at step {at.step}: lower lr, add warmup, or clip the gradient."
            )
        at.tokens += int(tokens.item())
        at.seconds = time.perf_counter() - started
        row = {"step": at.step, "loss": mean, "lr": lr, "tokens": at.tokens, "seconds": round(at.seconds, 3)}
        at.rows.append(row)
        summed, tokens = torch.zeros_like(summed), torch.zeros_like(tokens)
        rate = (at.tokens - seen) / (time.perf_counter() - clock)
        clock, seen = time.perf_counter(), at.tokens
        bar.set_postfix_str(f"loss {mean:.3f}, {rate:,.0f} tokens/s", refresh=False)
        if validate is not None and validating:
            row["validation"] = _scores(validate, model, accelerator)
            at.compare(row["validation"]["loss"], model)
            runner.train()
        if path is not None and (saving or at.out_of_patience(config)):
            _save(path, model, optimizer, config, at, accelerator)

    # 5. The best weights, where there was something to choose by.
    bar.close()
    accelerator.wait_for_everyone()
    if at.best:
        model.load_state_dict(at.best)
    model.eval()
    history = at.history(config)
    if path is not None and path.exists() and accelerator.is_main_process:
        history.save(path.with_name("history.jsonl"))
    return history


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for AdamW: matrices, which decay, and vectors (biases, gains), which do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


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

    def out_of_patience(self, config: TrainConfig) -> bool:
        """Whether the last ``config.patience`` validations all failed to improve."""
        return 0 < config.patience <= self.worse

    def history(self, config: TrainConfig) -> History:
        """The part a reader wants."""
        return History(self.rows, self.best_step or self.step, self.seconds, self.out_of_patience(config))


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _scores(
    validate: Callable[[nn.Module], dict[str, float]], model: nn.Module, accelerator: Accelerator
) -> dict[str, float]:
    """What ``validate`` says, computed by the first process and told to all, with no random number spent."""
    scores: list[Any] = [None]
    if accelerator.is_main_process:
        before = checkpoint.rng_state()
        model.eval()
        with torch.no_grad():
            scores[0] = {name: float(value) for name, value in validate(model).items()}
        checkpoint.set_rng_state(before)
    broadcast_object_list(scores)
    return scores[0]


def _save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    at: Progress,
    accelerator: Accelerator,
) -> None:
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


def _restore(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
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
            f"{path} does not continue this training: {'; '.join(faults)}. Use the same settings as then, give "
            f"another folder (--out), or start again with resume=False (--no-resume), which sets the file aside."
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


def _changes(then: dict[str, Any], config: TrainConfig, step: int) -> list[str]:
    """The settings that differ and would change the result. How often we look may always differ."""
    free = {"validate_every", "patience", "save_every", "log_every"}
    now = json.loads(json.dumps(asdict(config)))  # as JSON has it: tuples become lists
    if config.schedule == "constant" and config.steps >= step:
        free.add("steps")  # a longer training begins with the shorter one
    return [
        f"{name} was {then.get(name)} and is {value}"
        for name, value in now.items()
        if name not in free and then.get(name) != value
    ]
