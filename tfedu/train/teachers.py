"""ViTs with a teacher and without, one thing changed at a time: `python -m tfedu.train.teachers`.

Two hundred small textures (`tfedu.data.textures`), which a ResNet learns and a ViT only knows by heart. The ResNet has
learned *these* pictures and no others; then it teaches. Students see other views of the pictures: mixed by CutMix, or
mirrored, which makes half of them pictures of another class. The label does not know that; the teacher answers what
is shown. Beside the taught students stand those that had the same views and no teacher; one whose teacher is a ViT;
and one whose two heads both learn the labels. Taught students are slow to learn even their own pictures, so the first
comparisons are made twice, after few steps and after three times as many. Last, each regulariser of DeiT's list alone.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfedu import weights
from tfedu.data.pictures import normalised
from tfedu.data.textures import CLASSES, Textures, textures
from tfedu.models.deit import DeiT, DeiTOutput
from tfedu.models.resnet import ResNet, ResNetConfig
from tfedu.models.vit import ViT, ViTConfig
from tfedu.train.augment import Augment, Mixed, cutmix, repeated, smooth
from tfedu.train.distillation import distillation_loss
from tfedu.train.loop import Loss, TrainConfig, train
from tfedu.train.vision import Views, predict, shifted

SEEDS = (0, 1, 2)
#: Pictures to learn from, and to test with; their side, and their noise.
PICTURES, TEST, SIDE, NOISE = 200, 1000, 16, 0.08
TEST_SEED, LEARNED_SEED = 10_001, 500
#: Steps of the teachers, of "short" and "regularisers"; "long" has `LONGER` times as many.
ROWS, STEPS, LONGER = 32, 600, 3

NONE = Augment(operations=0, erasing=0.0, mixup=0.0, cutmix=0.0, smoothing=0.0)
STUDENT = ViTConfig(
    len(CLASSES), SIDE, 4, width=64, layers=2, heads=4, feed_forward=128, positions="sinusoidal", eps=1e-6
)
CONVOLUTIONAL = ResNetConfig(len(CLASSES), widths=(16, 32, 64), blocks=(1, 1, 1))


@dataclass(frozen=True)
class Trial:
    """One way to train a student.

    Attributes:
        teacher: whose answers it learns beside the labels; "" for nobody's.
        kind: of the answers; see `tfedu.train.distillation.distillation_loss`.
        tokens: 2 for a DeiT, 1 for a ViT whose only head learns all there is to learn.
        mirrored: whether pictures are mirrored, left to right and upside down, each in half of the cases.
        augment: what else happens to them, or to the labels.
        shift: by how many pixels they are moved, at most; the ResNet's 2.
        drop_path, repeats: stochastic depth, and how often a picture comes in a batch.
    """

    teacher: Literal["", "resnet", "vit"] = ""
    kind: Literal["hard", "soft"] = "hard"
    tokens: Literal[1, 2] = 1
    mirrored: bool = False
    augment: Augment = NONE
    shift: int = 0
    drop_path: float = 0.0
    repeats: int = 1


_CUTMIX = replace(NONE, cutmix=1.0)
#: How teachers have learned: with mixed pictures, as the paper's have, but with none mirrored: its label lies.
SCHOOL = Trial(augment=_CUTMIX, shift=2)
VIT_TEACHER = Trial(augment=_CUTMIX)
_MIXED = Trial("resnet", tokens=2, augment=_CUTMIX)
_MIRRORED = Trial("resnet", tokens=2, mirrored=True)
_CUTMIXED: dict[str, Trial] = {
    "alone, CutMix": VIT_TEACHER,
    "hard, CutMix": _MIXED,
    "two class tokens, CutMix": replace(_MIXED, teacher=""),
}
TRIALS: dict[str, dict[str, Trial]] = {
    "short": {
        "alone": Trial(),
        **_CUTMIXED,
        "soft, CutMix": replace(_MIXED, kind="soft"),
        "ViT teacher, CutMix": replace(_MIXED, teacher="vit"),
    },
    "long": {
        **_CUTMIXED,
        "alone, mirrored": Trial(mirrored=True),
        "hard, mirrored": _MIRRORED,
    },
    "regularisers": {
        "none": Trial(),
        "RandAugment": Trial(augment=replace(NONE, operations=2)),
        "random erasing": Trial(augment=replace(NONE, erasing=0.25)),
        "mixup": Trial(augment=replace(NONE, mixup=0.8)),
        "CutMix": VIT_TEACHER,
        "label smoothing": Trial(augment=replace(NONE, smoothing=0.1)),
        "stochastic depth": Trial(drop_path=0.1),
        "RandAugment, repeated": Trial(augment=replace(NONE, operations=2), repeats=3),
        "all": Trial(augment=Augment(), drop_path=0.1, repeats=3),
    },
}


# --- What is learned from ----------------------------------------------------------------------------------


class ViewBatches:
    """All batches of a trial, in an order and with changes fixed by (seed, step).

    Args:
        data: pictures from 0 to 1, and their labels.
        trial: how they are changed.
        seed: of all that is drawn.
        rows: pictures in a batch.
    """

    def __init__(self, data: Textures, trial: Trial, seed: int, rows: int = ROWS) -> None:
        self.data, self.trial, self.seed, self.rows = data, trial, seed, rows

    def order(self, epoch: int) -> Int[Tensor, " N"]:
        """Which pictures come in an epoch."""
        return repeated(len(self.data), self.trial.repeats, self._generator(0, epoch))

    def batch(self, step: int) -> Views:
        """The batch of global step `step`."""
        epoch, place = divmod(step, len(self.data) // self.rows)
        which = self.order(epoch)[place * self.rows : (place + 1) * self.rows]
        generator = self._generator(1, step)
        pictures = self.data.pictures[which]
        if self.trial.mirrored:
            pictures = mirrored(pictures, generator)
        if self.trial.shift:
            pictures = shifted(pictures, self.trial.shift, generator)
        made = self.trial.augment(pictures, self.data.labels[which], len(CLASSES), generator)
        return Views(normalised(made.pictures), made.targets)

    def _generator(self, what: int, number: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.seed * 2 + what) * 1_000_003 + number)


def mirrored(
    pictures: Float[Tensor, "B C H W"], generator: torch.Generator | None = None
) -> Float[Tensor, "B C H W"]:
    """Each picture as it is, left to right, upside down, or both, with equal chances."""
    across, down = torch.rand(2, len(pictures), 1, 1, 1, generator=generator) < 0.5
    pictures = torch.where(across, pictures.flip(-1), pictures)
    return torch.where(down, pictures.flip(-2), pictures)


class Lesson:
    """The loss of a trial.

    Args:
        trial: how the student is taught.
        teacher: gives logits; only asked, never changed.
    """

    def __init__(self, trial: Trial, teacher: nn.Module | None) -> None:
        self.trial, self.teacher = trial, teacher

    def __call__(self, model: nn.Module, batch: Views) -> Loss:
        """For `tfedu.train.train`. With one token the labels and the teacher weigh the same, in one head."""
        output = model(batch.pictures)
        heads = output if isinstance(output, DeiTOutput) else DeiTOutput(output, output)
        if self.teacher is None:
            mean = (F.cross_entropy(heads[0], batch.targets) + F.cross_entropy(heads[1], batch.targets)) / 2
        else:
            with torch.no_grad():
                said = self.teacher(batch.pictures)
            mean = distillation_loss(heads, batch.targets, said, self.trial.kind)
        return Loss(mean * len(batch), len(batch))


# --- Trained and measured ----------------------------------------------------------------------------------


@cache
def learned_from(seed: int, pictures: int = PICTURES) -> Textures:
    """The pictures that a seed's teacher and students learn."""
    return textures(pictures, seed=LEARNED_SEED + seed, noise=NOISE, size=SIDE)


@cache
def held_out(count: int = TEST) -> Textures:
    """Pictures that nobody learned."""
    return textures(count, seed=TEST_SEED, noise=NOISE, size=SIDE)


def student(trial: Trial, seed: int) -> ViT:
    """As it begins."""
    torch.manual_seed(seed + 50)
    config = replace(STUDENT, drop_path=trial.drop_path)
    return DeiT(config) if trial.tokens == 2 else ViT(config)


def convolutional(seed: int) -> ResNet:
    """The teacher, as it begins."""
    torch.manual_seed(seed)
    return ResNet(CONVOLUTIONAL)


def training(model: nn.Module, steps: int) -> TrainConfig:
    """Equal for all, but for the learning rate of the ResNet."""
    lr = 4e-3 if isinstance(model, ResNet) else 2e-3
    return TrainConfig(
        steps,
        lr=lr,
        warmup=min(50, steps),
        schedule="cosine",
        weight_decay=0.05,
        log_every=max(1, steps // 25),
    )


def taught(
    trial: Trial, teacher: nn.Module | None, seed: int, steps: int, pictures: int = PICTURES
) -> tuple[ViT, dict[str, Any]]:
    """A trained student, and what is to be told of it."""
    model = student(trial, seed)
    return model, _trained(model, trial, teacher, seed, steps, pictures)


def schooled(seed: int, steps: int, pictures: int = PICTURES) -> tuple[ResNet, dict[str, Any]]:
    """A trained ResNet, and the same."""
    model = convolutional(seed)
    return model, _trained(model, SCHOOL, None, seed, steps, pictures)


def _trained(
    model: nn.Module, trial: Trial, teacher: nn.Module | None, seed: int, steps: int, pictures: int
) -> dict[str, Any]:
    data, test = learned_from(seed, pictures), held_out()
    started = time.process_time()
    history = train(
        model,
        ViewBatches(data, trial, seed, min(ROWS, pictures)),
        Lesson(trial, teacher),
        config=replace(training(model, steps), seed=seed),
        quiet=True,
    )
    took = time.process_time() - started
    at, losses = history.curve("loss")
    row = {
        "accuracy": accuracy(model, test),
        "accuracy_learned": accuracy(model, data),
        "loss": losses[-1],
        "curve": {"step": list(at), "loss": [round(value, 4) for value in losses]},
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(took, 1),
    }
    if teacher is not None:
        row["agreement"] = agreement(model, teacher, test)
        row["agreement_mixed"] = agreement(model, teacher, mixed_up(test))
    if isinstance(model, DeiT):
        row["cosines"] = [round(one, 4) for one in token_cosines(model, normalised(test.pictures[:200]))]
        row["heads"] = [round(one, 4) for one in head_accuracies(model, test)]
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def accuracy(model: nn.Module, data: Textures) -> float:
    """The share of right first choices; of a model with two heads their mean chooses."""
    return float((predict(model, data).argmax(-1) == data.labels).float().mean())


def agreement(model: nn.Module, teacher: nn.Module, data: Textures) -> float:
    """The share of pictures for which both choose the same, rightly or not."""
    return float((predict(model, data).argmax(-1) == predict(teacher, data).argmax(-1)).float().mean())


@torch.no_grad()
def head_accuracies(model: DeiT, data: Textures) -> tuple[float, float]:
    """Of the class head by itself, and of the distillation head."""
    output = model(normalised(data.pictures))
    own, heard = ((one.argmax(-1) == data.labels).float().mean() for one in output)
    return float(own), float(heard)


@torch.no_grad()
def token_cosines(model: DeiT, pictures: Float[Tensor, "B 3 H W"]) -> list[float]:
    """The cosine of class and distillation token before the first layer and after each, the mean over pictures."""
    x = model.embed(pictures)
    found = [x[:, :2]]
    for layer in model.layers:
        x = layer(x)
        found.append(x[:, :2])
    return [float(F.cosine_similarity(one[:, 0], one[:, 1], dim=-1).mean()) for one in found]


def mixed_up(data: Textures) -> Textures:
    """The same pictures, each with a box of another pasted in: what a label cannot name, and a teacher must."""
    generator = torch.Generator().manual_seed(0)
    pasted = cutmix(Mixed(data.pictures, smooth(data.labels, len(CLASSES), 0.0)), 1.0, generator)
    return replace(data, pictures=pasted.pictures)


# --- All of it ---------------------------------------------------------------------------------------------


def run(
    seeds: Iterable[int] = SEEDS,
    *,
    steps: int = STEPS,
    pictures: int = PICTURES,
    groups: Collection[str] = tuple(TRIALS),
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings, each with each seed, that `results` does not hold yet.

    Args:
        seeds: of weights and data.
        steps: of each training; `LONGER` times as many in "long".
        pictures: to learn from.
        groups: which of `TRIALS`.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each group and name a list, one dict a seed: "accuracy" on the test pictures and "accuracy_learned" on
        those that were learned from, "loss" at the end of training and its "curve", "parameters", "seconds" of
        processor time; with a teacher, "agreement" with it on the test pictures, and on the same with boxes pasted
        in ("agreement_mixed"); with two tokens, their "cosines" before the first layer and after each, and the
        accuracies of both "heads". Under "resnet" and "vit" the teachers.
    """
    results = {} if results is None else results
    for seed in seeds:
        teachers: dict[str, nn.Module] = {}
        same: dict[tuple[Trial, int], dict[str, Any]] = {}  # "none" is "alone", after as many steps
        for group in groups:
            length = steps * LONGER if group == "long" else steps
            for name, trial in TRIALS[group].items():
                rows = results.setdefault(group, {}).setdefault(name, [])
                if any(row["seed"] == seed for row in rows):
                    continue
                if trial.teacher and trial.teacher not in teachers:
                    teachers[trial.teacher] = _teacher(trial.teacher, seed, steps, pictures, results)
                if (trial, length) not in same:
                    teacher = teachers.get(trial.teacher)
                    row = taught(trial, teacher, seed, length, pictures)[1]
                    same[trial, length] = {"seed": seed, **row}
                rows.append(same[trial, length])
                keep(results)
    return results


def _teacher(name: str, seed: int, steps: int, pictures: int, results: dict[str, Any]) -> nn.Module:
    model: nn.Module
    if name == "resnet":
        model, row = schooled(seed, steps, pictures)
    else:
        model, row = taught(VIT_TEACHER, None, seed + 1000, steps, pictures)
    rows = results.setdefault("teachers", {}).setdefault(name, [])
    if not any(one["seed"] == seed for one in rows):
        rows.append({"seed": seed, **row})
    return model.eval()


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "deit.json").read_text())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.teachers", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/ablations-deit.json"), help="the JSON file")
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    p.add_argument("--groups", nargs="+", default=[*TRIALS], help=", ".join(TRIALS))
    p.add_argument("--steps", type=int, default=STEPS, help=f"of a short training (default: {STEPS})")
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    results.pop("about", None)
    about = {"steps": given.steps, "pictures": PICTURES, "torch": torch.__version__.split("+")[0]}
    about |= {"processor": platform.machine(), "threads": torch.get_num_threads()}
    about |= {"date": time.strftime("%Y-%m-%d")}

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results | {"about": about}) + "\n")

    run(given.seeds, steps=given.steps, groups=given.groups, keep=keep, results=results)
    for group, names in results.items():
        print(group)
        for name, rows in names.items():
            print(f"  {name:28s}", *(f"{row['accuracy']:.3f}" for row in rows))


if __name__ == "__main__":
    main()
