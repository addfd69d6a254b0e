"""A task small enough to train in a blink, and a script that trains it: `python toy.py FOLDER [options]`."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tfedu.train import History, Loss, TrainConfig, checkpoint, train


@dataclass
class Tokens:
    """Rows of ids and which of them count: rows differ in length, so shares differ in tokens."""

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Tokens":
        return Tokens(self.ids.to(device), self.mask.to(device))

    def shard(self, rank: int, world: int) -> "Tokens":
        return Tokens(self.ids[rank::world], self.mask[rank::world])


class Cycle:
    """The next id is the last one plus 3, modulo 20: learnable, and endless."""

    def __init__(self, pause: float = 0.0):
        self.pause = pause

    def batch(self, step: int) -> Tokens:
        time.sleep(self.pause)
        generator = torch.Generator().manual_seed(step)
        first = torch.randint(20, (6, 1), generator=generator)
        lengths = torch.randint(2, 12, (6, 1), generator=generator)
        return Tokens((first + 3 * torch.arange(12)) % 20, torch.arange(12) < lengths)


class Toy(nn.Module):
    """An embedding, a dropout and a linear map: enough to have random numbers and two kinds of parameter."""

    def __init__(self, dropout: float = 0.2, width: int = 16):
        super().__init__()
        self.embed = nn.Embedding(20, width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, 20)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.dropout(self.embed(ids)))


def loss(model: nn.Module, batch: Tokens) -> Loss:
    logits, wanted, counts = model(batch.ids[:, :-1]), batch.ids[:, 1:], batch.mask[:, 1:]
    return Loss(cross_entropy(logits[counts], wanted[counts], reduction="sum"), int(counts.sum()))


def validate(model: nn.Module) -> dict[str, float]:
    torch.rand(7)  # a validation that spends random numbers, as sampling would
    found = loss(model, Cycle().batch(10**6))
    return {"loss": found.total.item() / found.count}


def toy(dropout: float = 0.2, width: int = 16) -> Toy:
    torch.manual_seed(1)
    return Toy(dropout, width)


def run(model: nn.Module, folder: Path | None = None, **settings) -> History:
    """Train quietly, with the settings split between `train` and its configuration."""
    settings = {"steps": 20, "lr": 0.01} | settings
    own = {k: settings.pop(k) for k in ("validate", "resume") if k in settings}
    return train(model, Cycle(), loss, config=TrainConfig(**settings), folder=folder, quiet=True, **own)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--save-every", type=int, default=4)
    given = parser.parse_args()
    model = toy(given.dropout).double()
    config = TrainConfig(
        given.steps, lr=0.01, warmup=2, schedule="cosine", validate_every=10, save_every=given.save_every
    )
    train(model, Cycle(given.pause), loss, config=config, validate=validate, folder=given.folder, quiet=True)
    if torch.distributed.is_initialized():
        if torch.distributed.get_world_size() != 2:
            raise SystemExit("expected two processes")
        rank = torch.distributed.get_rank()
        torch.distributed.destroy_process_group()
    else:
        rank = 0
    gradients = {f"gradient of {name}": p.grad for name, p in model.named_parameters()}
    checkpoint.write(given.folder / f"result-{rank}.safetensors", gradients | model.state_dict(), {})
