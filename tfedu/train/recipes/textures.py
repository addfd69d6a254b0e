"""The recipe of chapter 11's own ViT: four layers that learn `tfedu.data.textures`, new pictures at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tfedu.data.pictures import normalised
from tfedu.data.textures import CLASSES, Textures, textures
from tfedu.models.vit import ViT, ViTConfig
from tfedu.train.loop import TrainConfig
from tfedu.train.progress import History
from tfedu.train.run import Options, Run
from tfedu.train.ship import ship
from tfedu.train.vision import ClassificationLoss, scores

#: Seeds of the pictures that are not trained on.
TEST_SEED, VALIDATION_SEED = 10_001, 10_002
TESTED, STEPS, ROWS = 2000, 500, 64


def held_out(count: int) -> Textures:
    """Test pictures as the cards have them."""
    return textures(count, seed=TEST_SEED)


@dataclass(frozen=True)
class TextureBatches:
    """Endless training pictures: those of one step are always the same, so that a resume can begin anywhere.

    Attributes:
        rows: pictures a batch.
        seed: of all of them.
    """

    rows: int
    seed: int = 0

    def batch(self, step: int) -> Textures:
        """The pictures of a step, as a network reads them."""
        made = textures(self.rows, seed=int(np.random.SeedSequence((self.seed, step)).generate_state(1)[0]))
        return replace(made, pictures=normalised(made.pictures))


def vit_textures(options: Options) -> Run:
    """Generated pictures whose class is two textures and how they lie: a ViT of four layers."""
    width = options.setting("width", 48)
    config = ViTConfig(
        len(CLASSES),
        image_size=32,
        patch_size=4,
        width=width,
        layers=options.setting("layers", 4),
        heads=options.setting("heads", 4),
        feed_forward=2 * width,
        eps=1e-6,
        initial=width**-0.5,
    )
    training = options.config(
        TrainConfig(
            STEPS,
            lr=2e-3,
            warmup=50,
            schedule="cosine",
            weight_decay=0.05,
            precision="bf16",
            validate_every=250,
            save_every=100,
        )
    )
    validation = textures(500, seed=VALIDATION_SEED)
    torch.manual_seed(options.seed)
    model = ViT(config)

    def validate(model: nn.Module) -> dict[str, float]:
        return scores(model, validation)

    def finish(model: nn.Module, history: History, folder: Path) -> None:
        rows = options.setting("rows", ROWS)
        ship(
            "vit-textures",
            model,
            config,
            history,
            folder,
            options,
            data=f"tfedu.data.textures, {rows} new pictures at each step",
            licence="MIT; the pictures are made by this package's code",
            scores=scores(model, held_out(TESTED)),
            how=f"{TESTED:,} generated pictures that no step had",
            curves=["accuracy"],
        )

    batches = TextureBatches(options.setting("rows", ROWS), options.seed)
    return Run(model, batches, ClassificationLoss(), training, validate, finish)


RECIPES: dict[str, Callable[[Options], Run]] = {"vit-textures": vit_textures}
