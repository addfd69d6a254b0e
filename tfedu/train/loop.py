"""The training loop: one file, read from top to bottom, for a CPU, a GPU, or many (`accelerate launch`).

What it promises:

* **One loss for any number of processes.** The loss is the mean over all tokens of the whole batch, however
  the batch is dealt out. Averaging each process's own mean would weigh the tokens of a short share too much.
* **A kill costs nothing but time.** A resumed training ends with the weights, to the bit, of one that was
  never stopped (on a CPU; on a GPU as far as its kernels are deterministic).
* **Looking changes nothing.** Validation, logging and saving do not touch the random numbers of the training.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from torch import Tensor, nn
from torch.optim import SGD, AdamW
from tqdm import tqdm

from tfedu.train import checkpoint
from tfedu.train.progress import History, Progress, restore, save
from tfedu.train.schedules import Schedule, factor


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training, besides the model and the data.

    Attributes:
        steps: optimizer steps in all.
        lr: peak learning rate.
        warmup, schedule: see `tfedu.train.schedules.factor`.
        optimizer: "adamw", or "sgd" without momentum.
        weight_decay: for matrices only: biases and gains stay free.
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
    optimizer: Literal["adamw", "sgd"] = "adamw"
    validate_every: int = 0
    patience: int = 0
    save_every: int = 0
    log_every: int = 10

    def __post_init__(self) -> None:
        if self.precision not in ("no", "bf16"):
            raise ValueError(f"precision is {self.precision!r}; choose 'no' (float32) or 'bf16'.")
        if self.optimizer not in ("adamw", "sgd"):
            raise ValueError(f"optimizer is {self.optimizer!r}; choose 'adamw' or 'sgd'.")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip is {self.clip}; give a length above 0, or None for no clipping.")
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
        folder: where ``checkpoint.safetensors`` and ``history.jsonl`` are kept; None writes nothing.
        resume: continue from the checkpoint in ``folder`` if there is one. If not, it is set aside.
        quiet: no progress bar.

    Raises:
        CheckpointError: if the checkpoint is damaged, or belongs to another model or configuration.
        FloatingPointError: if loss or gradient stops being a finite number; the last good checkpoint stays.
    """
    if config.validate_every and validate is None:
        raise ValueError(
            "validate_every is set, but there is no validate function: give one, or set it to 0."
        )

    # 1. The device and the processes. Without `cpu`, Accelerate takes each CPU process for the only one.
    accelerator = Accelerator(cpu=not torch.accelerator.is_available(), mixed_precision="no")  # see step 3
    rank, world, device = accelerator.process_index, accelerator.num_processes, accelerator.device
    set_seed(config.seed, device_specific=True)
    model.to(device)
    groups = parameter_groups(model, config.weight_decay)
    optimizer: torch.optim.Optimizer = (  # fused is one kernel: 6x on a CPU
        AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
        if config.optimizer == "adamw"
        else SGD(groups, lr=config.lr, fused=True)
    )
    runner, optimizer = accelerator.prepare(torch.compile(model) if config.compile else model, optimizer)

    # 2. Where we are: at the start, or where the checkpoint stopped.
    at = Progress()
    path = Path(folder) / "checkpoint.safetensors" if folder is not None else None
    if path is not None and not resume and accelerator.is_main_process:
        checkpoint.set_aside(path)
    accelerator.wait_for_everyone()
    if path is not None and path.exists():
        at = restore(path, model, optimizer, config, rank, world)

    # 3. The loop.
    bar = tqdm(
        total=config.steps,
        initial=at.step,
        unit="step",
        disable=quiet or not accelerator.is_main_process,
        mininterval=0.5 if sys.stderr.isatty() else 20,  # a log file wants fewer lines than a screen
    )
    summed, tokens = torch.zeros((), device=device), torch.zeros((), device=device, dtype=torch.long)
    clock = time.perf_counter()
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
        length = accelerator.clip_grad_norm_(runner.parameters(), config.clip or math.inf)
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
        mean, gradient = accelerator.reduce(summed, "sum").item() / int(tokens), float(length)
        if not math.isfinite(mean) or not math.isfinite(gradient):
            raise FloatingPointError(
                f"loss {mean} and gradient {gradient} at step {at.step}: lower lr, add warmup, or clip more."
            )
        rate = int(tokens) / (time.perf_counter() - clock)
        bar.set_postfix_str(f"loss {mean:.3f}, {rate:,.0f} tokens/s", refresh=False)
        at.tokens += int(tokens)
        at.seconds = time.perf_counter() - started
        row = {"step": at.step, "loss": mean, "lr": lr, "gradient": gradient}
        row |= {"tokens": at.tokens, "seconds": round(at.seconds, 3)}
        at.rows.append(row)
        if validate is not None and validating:
            row["validation"] = _scores(validate, model, accelerator)
            at.compare(row["validation"]["loss"], model)
            runner.train()
        if path is not None and (saving or at.out_of_patience(config)):
            save(path, model, optimizer, config, at, accelerator)
        summed, tokens, clock = torch.zeros_like(summed), torch.zeros_like(tokens), time.perf_counter()

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
    if "loss" not in scores[0]:
        raise ValueError(f"validate must return a 'loss', which picks the best step, beside {[*scores[0]]}.")
    return scores[0]
