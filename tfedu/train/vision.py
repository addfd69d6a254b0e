"""Training a picture classifier: batches with small shifts and mirror images, the loss, and the score.

The two augmentations here are those of He et al. 2016, section 4.2; the stronger ones are in `tfedu.train.augment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.data.pictures import MEAN, STD, LabelledPictures, normalised
from tfedu.models.deit import DeiTOutput
from tfedu.train.augment import Augment, smooth
from tfedu.train.distillation import distillation_loss
from tfedu.train.loop import Loss


@dataclass(frozen=True)
class Views:
    """A batch: pictures as they are shown, and what their labels say of them."""

    pictures: Float[Tensor, "B C H W"]
    targets: Float[Tensor, "B classes"]

    def __len__(self) -> int:
        """B."""
        return len(self.pictures)

    def to(self, device: torch.device | str) -> Views:
        """The same batch on `device`."""
        return Views(self.pictures.to(device), self.targets.to(device))

    def shard(self, rank: int, world: int) -> Views:
        """The rows of process `rank` of `world`."""
        return Views(self.pictures[rank::world], self.targets[rank::world])


class PictureBatches:
    """All batches of a set, in an order fixed by (seed, epoch), reachable by the number of the step.

    Args:
        data: the set; its pictures are brought to what a network reads when a batch is made.
        rows: pictures in a batch.
        seed: of order, shifts and mirror images.
        shift: each picture is moved by up to so many pixels each way; what comes into view is mirrored.
        mirror: whether half of the pictures are mirrored left to right.
        augment: changes each batch further, and its labels with it; nothing unless given.

    Raises:
        ValueError: if the set has fewer pictures than a batch.
    """

    def __init__(
        self,
        data: LabelledPictures,
        rows: int,
        seed: int = 0,
        *,
        shift: int = 0,
        mirror: bool = False,
        augment: Augment | None = None,
    ) -> None:
        if not 0 < rows <= len(data):
            raise ValueError(
                f"a batch of {rows} pictures from a set of {len(data)}: give rows from 1 to that."
            )
        self.data, self.rows, self.seed = data, rows, seed
        self.shift, self.mirror, self.augment = shift, mirror, augment
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        """Batches in an epoch; what is left over waits for the next one."""
        return len(self.data) // self.rows

    def batch(self, step: int) -> LabelledPictures | Views:
        """The batch of global step `step`."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            self._epoch, self._order = (
                epoch,
                torch.randperm(len(self.data), generator=self._dice("order", epoch)),
            )
        taken = self.data[self._order[place * self.rows : (place + 1) * self.rows]]
        pictures = normalised(taken.pictures)
        dice = self._dice("change", step)
        if self.mirror:
            turned = torch.rand(self.rows, generator=dice) < 0.5
            pictures = torch.where(turned[:, None, None, None], pictures.flip(-1), pictures)
        if self.shift:
            pictures = shifted(pictures, self.shift, dice)
        if self.augment is not None:
            made = self.augment(pictures * STD + MEAN, taken.labels, len(taken.classes), dice)
            return Views(normalised(made.pictures), made.targets)
        return LabelledPictures(pictures, taken.labels, taken.classes, taken.source)

    def _dice(self, what: str, number: int) -> torch.Generator:
        return torch.Generator().manual_seed(hash((what == "order", self.seed, number)) % 2**63)


def shifted(
    pictures: Float[Tensor, "B C H W"], most: int, generator: torch.Generator | None = None
) -> Float[Tensor, "B C H W"]:
    """Each picture moved by its own draw of up to `most` pixels each way; what comes into view is its mirror image."""
    B, _, H, W = pictures.shape
    wide = F.pad(pictures, [most] * 4, mode="reflect")
    up, left = torch.randint(2 * most + 1, (2, B), generator=generator)
    rows = (up[:, None] + torch.arange(H))[:, None, :, None]
    columns = (left[:, None] + torch.arange(W))[:, None, None, :]
    which = torch.arange(B)[:, None, None, None]
    channel = torch.arange(pictures.shape[1])[None, :, None, None]
    return wide[which, channel, rows, columns]


class ClassificationLoss:
    """Cross-entropy, summed over a batch; augmented labels are taken as they are.

    Args:
        smoothing: how much of each other label goes to all classes alike (Szegedy et al. 2016).
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def __call__(self, model: nn.Module, batch: LabelledPictures | Views) -> Loss:
        """For `tfedu.train.train`. Of a model with two heads both learn the label."""
        output = model(batch.pictures)
        heads = output if isinstance(output, DeiTOutput) else (output,)
        targets = _targets(batch, self.smoothing)
        lost = [F.cross_entropy(one.float(), targets, reduction="sum") for one in heads]
        return Loss(sum(lost) / len(heads), len(batch))  # type: ignore[arg-type]


class TaughtLoss:
    """DeiT's loss: the label for one head, the teacher's answer to the same augmented pictures for the other.

    Args:
        teacher: gives logits; it is set to evaluate, and never changes.
        smoothing: of the labels.
        kind, temperature, weight: see `tfedu.train.distillation.distillation_loss`.
    """

    def __init__(self, teacher: nn.Module, smoothing: float = 0.0, **how: Any) -> None:
        self.teacher, self.smoothing, self.how = teacher.eval().requires_grad_(False), smoothing, how

    def __call__(self, model: nn.Module, batch: LabelledPictures | Views) -> Loss:
        """For `tfedu.train.train`."""
        self.teacher.to(batch.pictures.device)
        with torch.no_grad():
            said = self.teacher(batch.pictures)
        mean = distillation_loss(model(batch.pictures), _targets(batch, self.smoothing), said, **self.how)
        return Loss(mean * len(batch), len(batch))


def _targets(batch: LabelledPictures | Views, smoothing: float) -> Float[Tensor, "B classes"]:
    return batch.targets if isinstance(batch, Views) else smooth(batch.labels, len(batch.classes), smoothing)


@torch.no_grad()
def predict(model: nn.Module, data: LabelledPictures, rows: int = 500) -> Float[Tensor, "N classes"]:
    """The logits for a set, in float32, on the CPU; of a model with two heads their mean."""
    device = next(model.parameters()).device
    found = []
    for part in data.pictures.split(rows):
        output = model(normalised(part.to(device)))
        found.append((output.logits if isinstance(output, DeiTOutput) else output).float().cpu())
    return torch.cat(found)


def scores(model: nn.Module, data: LabelledPictures) -> dict[str, float]:
    """Mean cross-entropy ("loss") and share of right first choices ("accuracy") on a set."""
    logits = predict(model, data)
    return {
        "loss": F.cross_entropy(logits, data.labels).item(),
        "accuracy": (logits.argmax(-1) == data.labels).float().mean().item(),
    }
