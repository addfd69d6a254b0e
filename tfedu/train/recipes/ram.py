"""Recipes for chapter 3: digits in clutter, by a learned gaze, by a random one, and by a network that sees all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tfedu.data.digits import SceneBatches, Scenes, digits, scatter
from tfedu.models.ram import RAM, FullyConnected, FullyConnectedConfig, Gaze, RAMConfig
from tfedu.train.loop import Loss, TrainConfig
from tfedu.train.progress import History
from tfedu.train.ram import accuracy, dense_loss, ram_loss
from tfedu.train.run import Options, Run
from tfedu.train.ship import ship

#: Seeds of the pictures that are not trained on; their digits are others, too.
TEST_SEED, VALIDATION_SEED = 10_001, 10_002
#: Pictures on which a card's scores are taken.
TESTED = 4000
#: The pictures: side, that of the digit, how many pieces lie about, and their side.
PICTURE: dict[str, int] = {"size": 60, "digit": 10, "pieces": 4, "piece": 5}
STEPS = 7000
#: Pictures a step. The models that look get fewer, each several times, to compare gazes at the same picture.
BATCH, COPIES = 128, 4


def reach(step: int, steps: int) -> float:
    """How far the digit may lie from the middle: it begins close to it, and wanders off over 40 % of the training.

    A classifier that never sees a digit well gives the gaze no reason to move, and without a gaze it never sees one
    well. So the digits start where the first glimpse is.
    """
    return min(1.0, 0.15 + 0.85 * step / (0.4 * steps))


def held_out(count: int, seed: int = TEST_SEED, **changes: int) -> Scenes:
    """Test pictures as the cards have them; `changes` of `PICTURE` make others."""
    return scatter(digits("test"), count, seed=seed, **{**PICTURE, **changes})


def gaze_recipe(name: str, gaze: Gaze) -> Callable[[Options], Run]:
    """A recipe that trains the recurrent attention model with one kind of gaze."""

    def recipe(options: Options) -> Run:
        settings: dict[str, Any] = {"glimpses": 4, "hidden": 128, "std": 0.15}
        chosen = {key: options.setting(key, default) for key, default in settings.items()}
        config = RAMConfig(gaze=gaze, **chosen)
        weight = options.setting("reinforce", 0.7) if gaze == "learned" else 0.0
        loss = partial(ram_loss, std=config.std, reinforce_weight=weight, copies=COPIES)
        return _run(name, options, RAM(config), config, loss, BATCH // COPIES)

    recipe.__doc__ = f"Digits in clutter, {gaze} gaze."
    return recipe


def dense_recipe(name: str) -> Callable[[Options], Run]:
    """A recipe that trains the fully connected network, with no fewer weights than the model that looks."""

    def recipe(options: Options) -> Run:
        side = PICTURE["size"]
        config = FullyConnectedConfig(side, side, options.setting("hidden", 28))
        return _run(name, options, FullyConnected(config), config, dense_loss, BATCH)

    recipe.__doc__ = "Digits in clutter, every pixel at once: the fully connected rival."
    return recipe


def _run(
    name: str,
    options: Options,
    model: nn.Module,
    config: Any,
    loss: Callable[[nn.Module, Any], Loss],
    batch: int,
) -> Run:
    """What the rivals share: the pictures, the schedule, the scores."""
    training = options.config(
        TrainConfig(
            STEPS, lr=1e-3, warmup=100, schedule="cosine", clip=5.0, validate_every=500, save_every=500
        )
    )
    batches = SceneBatches(
        digits("train"),
        options.setting("batch", batch),
        seed=options.seed,
        reach=partial(reach, steps=training.steps),
        picture=PICTURE["size"],
        **{key: PICTURE[key] for key in ("digit", "pieces", "piece")},
    )
    validation = scatter(digits("val"), 1000, seed=VALIDATION_SEED, **PICTURE)

    def validate(model: nn.Module) -> dict[str, float]:
        right = accuracy(model, validation).tolist()
        return {"loss": 1 - right[-1], **{f"right_after_{t}": share for t, share in enumerate(right, 1)}}

    def finish(model: nn.Module, history: History, folder: Path) -> None:
        torch.manual_seed(TEST_SEED)  # for a random gaze
        right = accuracy(model, held_out(TESTED)).tolist()
        scores = {f"right_after_{t}": share for t, share in enumerate(right, 1)}
        ship(
            name,
            model,
            config,
            history,
            folder,
            options,
            data="scikit-learn's digits (1,297 for training), scattered by tfedu.data.digits: "
            + ", ".join(f"{key} {value}" for key, value in PICTURE.items()),
            licence="MIT; the digits are UCI's Optical Recognition of Handwritten Digits, CC BY 4.0",
            scores=scores if isinstance(model, RAM) else {"right": right[-1]},
            how=f"{TESTED:,} generated pictures of 350 other digits; share of right classes",
        )

    return Run(model, batches, loss, training, validate, finish)
