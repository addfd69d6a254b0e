"""Recipes for the picture classifiers: CIFAR-10, four networks of about 1.2 million parameters, one budget.

The budget is how many pictures are seen, ``--set epochs=8`` times the set. All four see the same ones, moved and
mirrored alike. Who has a GPU and an hour sets more: epochs, sizes (``--set width=192``), stochastic depth
(``drop_path=0.1``) and DeiT's augmentation (``cutmix=1.0``, ``mixup=0.8``, ``operations=2``, ``erasing=0.25``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tfedu.data import cifar10
from tfedu.models.deit import DeiT
from tfedu.models.resnet import ResNet, ResNetConfig
from tfedu.models.swin import Swin, SwinConfig
from tfedu.models.vit import ViT, ViTConfig
from tfedu.train.augment import Augment
from tfedu.train.loop import Loss, TrainConfig
from tfedu.train.progress import History
from tfedu.train.run import Options, Run
from tfedu.train.ship import ship
from tfedu.train.vision import ClassificationLoss, PictureBatches, TaughtLoss, scores

EPOCHS, ROWS, HELD_OUT = 8, 128, 2000
#: The ViT and the DeiT; the ResNet and the Swin have as many parameters, within a few per cent.
TRANSFORMER: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 4,
    "width": 160,
    "layers": 6,
    "heads": 5,
    "feed_forward": 320,
    "drop_path": 0.0,
    "initial": 0.02,
    "eps": 1e-6,
}
WINDOWED: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 2,
    "width": 48,
    "depths": (2, 2, 2),
    "heads": (3, 6, 12),
    "window": 4,
    "drop_path": 0.0,
    "initial": 0.1,  # narrow stages begin more quickly with more than the paper's 0.02
}
CONVOLUTIONAL: dict[str, Any] = {"widths": (64, 128, 256), "blocks": (1, 1, 1), "stride": 2}
TRAINING = TrainConfig(
    EPOCHS * 375,  # of 128 pictures
    lr=1.5e-3,
    warmup=200,
    schedule="cosine",
    weight_decay=0.05,
    precision="bf16",
    save_every=100,
    log_every=20,
)
SMOOTHING = 0.1


def cifar_recipe(
    name: str,
    build: Callable[[Options], tuple[nn.Module, Any]],
    *,
    lr: float = TRAINING.lr,
    teacher: str | None = None,
) -> Callable[[Options], Run]:
    """A recipe that trains a network on CIFAR-10.

    Args:
        name: of the recipe.
        build: makes the network and its configuration, of the sizes that the options ask for.
        lr: peak learning rate.
        teacher: a shipped ResNet, whose first choice the network's second head learns.
    """

    def recipe(options: Options) -> Run:
        data, test = cifar10.load("train"), cifar10.load("test")
        learned, held_out = data[:-HELD_OUT], data[-HELD_OUT:]
        rows = options.setting("rows", ROWS)
        changes = {key: options.setting(key, 0.0) for key in ("erasing", "mixup", "cutmix")}
        augment = Augment(options.setting("operations", 0), smoothing=SMOOTHING, **changes)
        more = augment.operations > 0 or any(changes.values())
        batches = PictureBatches(
            learned, rows, options.seed, shift=4, mirror=True, augment=augment if more else None
        )
        epochs = options.setting("epochs", EPOCHS)
        steps = epochs * len(batches)
        torch.manual_seed(options.seed)
        model, config = build(options)
        taught = options.setting("teacher", teacher or "")
        loss: Callable[[nn.Module, Any], Loss] = (
            TaughtLoss(ResNet.from_pretrained(taught), SMOOTHING) if taught else ClassificationLoss(SMOOTHING)
        )

        def validate(model: nn.Module) -> dict[str, float]:
            return scores(model, held_out)

        def finish(model: nn.Module, history: History, folder: Path) -> None:
            ship(
                name,
                model,
                config,
                history,
                folder,
                options,
                data=f"{data.source}; {len(learned):,} pictures to train, {len(held_out):,} for the curve",
                licence="none is stated for CIFAR-10; free for research, cite Krizhevsky 2009",
                scores=scores(model, test)
                | {"training_" + k: v for k, v in scores(model, learned[:2000]).items()},
                how=f"the {len(test):,} test pictures; training_ is of the first 2,000 training pictures, not moved",
                curves=["accuracy"],
                notes={"epochs": epochs, "pictures_seen": steps * rows, "teacher": taught or None}
                | ({"settings": options.settings} if options.settings else {}),
            )

        training = replace(
            TRAINING,
            steps=steps,
            lr=lr,
            warmup=min(TRAINING.warmup, steps // 10),
            validate_every=max(1, steps // 12),
        )
        return Run(model, batches, loss, options.config(training), validate, finish)

    recipe.__doc__ = f"CIFAR-10, {EPOCHS} epochs: {name.split('-')[0]}."
    return recipe


def _sizes(options: Options, defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: options.setting(name, default) for name, default in defaults.items()}


def _transformer(kind: type[ViT]) -> Callable[[Options], tuple[nn.Module, Any]]:
    def build(options: Options) -> tuple[nn.Module, Any]:
        config = ViTConfig(len(cifar10.CLASSES), **_sizes(options, TRANSFORMER))
        return kind(config), config

    return build


def _resnet(options: Options) -> tuple[nn.Module, Any]:
    config = ResNetConfig(len(cifar10.CLASSES), **_sizes(options, CONVOLUTIONAL))
    model = ResNet(config)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster
    return model, config


def _swin(options: Options) -> tuple[nn.Module, Any]:
    config = SwinConfig(len(cifar10.CLASSES), **_sizes(options, WINDOWED))
    return Swin(config), config


RECIPES: dict[str, Callable[[Options], Run]] = {
    "resnet-cifar10": cifar_recipe("resnet-cifar10", _resnet, lr=4e-3),
    "vit-cifar10": cifar_recipe("vit-cifar10", _transformer(ViT)),
    "deit-cifar10": cifar_recipe("deit-cifar10", _transformer(DeiT), teacher="resnet-cifar10-seed0"),
    "swin-cifar10": cifar_recipe("swin-cifar10", _swin),
}
