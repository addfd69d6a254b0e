"""Recipes for the language models: tiny Shakespeare and Python's help topics, character by character."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from tfedu.data import shakespeare, topics
from tfedu.data.text import CharacterTokenizer
from tfedu.models.gpt import GPT, GPTConfig
from tfedu.train.language import TextBatches, language_loss, nats_per_token
from tfedu.train.loop import TrainConfig
from tfedu.train.progress import History
from tfedu.train.run import Options, Run
from tfedu.train.ship import ship

SIZE: dict[str, Any] = {"context": 256, "width": 192, "layers": 5, "heads": 6, "dropout": 0.1}
TRAINING = TrainConfig(
    4200,
    lr=2e-3,
    warmup=100,
    schedule="cosine",
    weight_decay=0.1,
    betas=(0.9, 0.99),
    precision="bf16",
    validate_every=600,
    save_every=100,
)


#: The help topics need no file; a small model that reads them is trained in a few minutes.
SMALL: dict[str, Any] = {"context": 128, "width": 96, "layers": 3, "heads": 6, "dropout": 0.0, "initial": 0.1}


def character_recipe(
    name: str,
    load: Callable[..., str],
    characters: str | None,
    *,
    size: dict[str, Any],
    data: str,
    licence: str,
) -> Callable[[Options], Run]:
    """A recipe that trains a GPT on the characters of a text.

    Args:
        name: of the recipe.
        load: gives the text of a split.
        characters: of the vocabulary; those of the training text unless given.
        size: of the model, which ``--set`` can change.
        data, licence: what the text is, for the card.
    """

    def recipe(options: Options) -> Run:
        learned, held_out = load("train"), load("val")
        tokenizer = CharacterTokenizer("".join(sorted(set(learned))) if characters is None else characters)
        chosen = {setting: options.setting(setting, default) for setting, default in size.items()}
        config = GPTConfig(len(tokenizer), **chosen)
        check = tokenizer.encode(held_out)

        def validate(model: nn.Module) -> dict[str, float]:
            return {"loss": nats_per_token(model, check, config.context)}

        def finish(model: nn.Module, history: History, folder: Path) -> None:
            loss = nats_per_token(model, check, config.context)
            ship(
                name,
                model,
                config,
                history,
                folder,
                options,
                extras={"tokenizer": tokenizer.to_json()},
                data=f"{data}, {len(learned):,} characters to train",
                licence=licence,
                scores={"loss": loss, "bits_per_character": loss / math.log(2)},
                how=f"{len(held_out):,} characters held out, windows of {config.context} that do not overlap; "
                "they also chose the best step",
            )

        batches = TextBatches(
            tokenizer.encode(learned), options.setting("rows", 12), config.context, options.seed
        )
        return Run(GPT(config), batches, language_loss, options.config(TRAINING), validate, finish)

    recipe.__doc__ = f"{data}, character by character."
    return recipe


RECIPES: dict[str, Callable[[Options], Run]] = {
    "gpt-shakespeare": character_recipe(
        "gpt-shakespeare",
        shakespeare.load,
        None,
        size=SIZE,
        data="Tiny Shakespeare (Karpathy 2015), the last tenth held out",
        licence="public domain",
    ),
    "gpt-topics": character_recipe(
        "gpt-topics",
        topics.load,
        topics.CHARACTERS,
        size=SMALL,
        data=f"Python {platform.python_version()}'s help topics (pydoc_data), every tenth held out",
        licence="PSF License Agreement; examples in it also Zero-Clause BSD",
    ),
}
