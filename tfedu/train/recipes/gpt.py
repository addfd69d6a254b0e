"""Recipes for the language models: tiny Shakespeare, character by character."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from tfedu.data import shakespeare
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


def shakespeare_recipe(name: str) -> Callable[[Options], Run]:
    """A recipe that trains a GPT on the characters of tiny Shakespeare."""

    def recipe(options: Options) -> Run:
        """Tiny Shakespeare, character by character, 2.3 million parameters."""
        learned, held_out = shakespeare.load("train"), shakespeare.load("val")
        tokenizer = CharacterTokenizer("".join(sorted(set(learned))))
        chosen = {setting: options.setting(setting, default) for setting, default in SIZE.items()}
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
                data=f"tiny Shakespeare (Karpathy 2015), the first {len(learned):,} characters",
                licence="public domain",
                scores={"loss": loss, "bits_per_character": loss / math.log(2)},
                how=f"the last {len(held_out):,} characters, windows of {config.context} that do not overlap; "
                "they also chose the best step",
            )

        batches = TextBatches(
            tokenizer.encode(learned), options.setting("rows", 12), config.context, options.seed
        )
        return Run(GPT(config), batches, language_loss, options.config(TRAINING), validate, finish)

    return recipe


RECIPES: dict[str, Callable[[Options], Run]] = {
    "gpt-shakespeare": shakespeare_recipe("gpt-shakespeare"),
}
