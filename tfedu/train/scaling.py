"""Small trainings that ask what more parameters, more text and other tokens are worth: `python -m tfedu.train.scaling`.

Kaplan et al. (2020), "Scaling Laws for Neural Language Models": the loss falls with the number of parameters as a
power law, ``L(N) = (N_c / N)^alpha`` (equation 1.1), straight in a picture whose axes are both logarithmic. Here four
widths of a two-layer GPT read tiny Shakespeare, with two budgets of text; N counts what is inside the layers, as the
paper does. A second group keeps the model's inside and changes its tokens: characters, or byte pairs.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tfedu import weights
from tfedu.data import shakespeare
from tfedu.data.text import CharacterTokenizer, SubwordTokenizer
from tfedu.models.gpt import GPT, GPTConfig
from tfedu.train.language import TextBatches, bits_per_character, language_loss, nats_per_token
from tfedu.train.loop import TrainConfig, train

SEEDS = (0, 1, 2)
WIDTHS = (32, 48, 64, 96)
#: Training steps of the two budgets; a step reads `ROWS` windows.
BUDGETS = {"short": 400, "long": 1200}
ROWS, LAYERS, HEAD = 16, 2, 16
#: How many characters a window spans, whatever the tokens; and how many a byte-pair vocabulary may hold.
SPAN, VOCABULARIES = 64, (256, 1024)
TRAINING: dict[str, Any] = {"lr": 4e-3, "warmup": 50, "schedule": "cosine", "weight_decay": 0.1}
#: How a line's end is written for a tokenizer that takes every white space for a space.
LINE_END = "¶"

Texts = tuple[str, str]


def run(
    texts: Texts,
    seeds: Sequence[int] = SEEDS,
    *,
    budgets: dict[str, int] | None = None,
    widths: Collection[int] = WIDTHS,
    vocabularies: Collection[int] = VOCABULARIES,
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings, each with each seed, that `results` does not hold yet.

    Args:
        texts: to train on, and to validate.
        seeds: of weights and the places of windows.
        budgets: steps, by name.
        widths: of the sizes.
        vocabularies: of the byte-pair models, which have the middle width and the last budget.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each group ("short", "long", "tokens") and name (the width, or the tokens) a list, one dict a seed:
        "loss", nats a token on the validation text; "bits", bits a character; "parameters", inside the layers;
        "all_parameters"; "characters" per token; "training_characters" that were read; "seconds" of processor time.
    """
    results = {} if results is None else results
    budgets = BUDGETS if budgets is None else budgets
    middle = sorted(widths)[len(widths) // 2]
    sizes = [(group, str(width), width, 0, steps) for group, steps in budgets.items() for width in widths]
    tokens = [
        ("tokens", f"{size} byte pairs", middle, size, [*budgets.values()][-1]) for size in vocabularies
    ]
    plan = [(seed, *one) for part in (sizes, tokens) for seed in seeds for one in part]
    for seed, group, name, width, vocabulary, steps in plan:
        rows = results.setdefault(group, {}).setdefault(name, [])
        if not any(row["seed"] == seed for row in rows):
            rows.append({"seed": seed, **_trained(texts, width, vocabulary, steps, seed)})
            keep(results)
    return results


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "scaling.json").read_text())


def power_law(sizes: Sequence[float], losses: Sequence[float]) -> tuple[float, float]:
    """The line through the points on logarithmic axes: (c, alpha) of ``loss = c * size ** -alpha``.

    Raises:
        ValueError: if there are fewer than two sizes.
    """
    if len(set(sizes)) < 2:
        raise ValueError("a line needs at least two different sizes.")
    slope, start = np.polyfit(np.log(sizes), np.log(losses), 1)
    return float(np.exp(start)), float(-slope)


def one_line(text: str) -> str:
    """`text` with each line's end as a sign, so that byte pairs keep it; see `LINE_END`."""
    return text.replace("\n", f" {LINE_END} ")


def _trained(texts: Texts, width: int, vocabulary: int, steps: int, seed: int) -> dict[str, Any]:
    learned, held_out = texts
    tokenizer: CharacterTokenizer | SubwordTokenizer
    if vocabulary:
        tokenizer = SubwordTokenizer.train([one_line(learned)], vocabulary)
        ids, check = (tokenizer.encode(one_line(text)) for text in texts)
    else:
        tokenizer = CharacterTokenizer("".join(sorted(set(learned))))
        ids, check = (tokenizer.encode(text) for text in texts)
    per_token = len(learned) / len(ids)
    context = max(2, round(SPAN / per_token))
    torch.manual_seed(seed)
    config = GPTConfig(
        len(tokenizer), context, width, LAYERS, width // HEAD, dropout=0.0, initial=width**-0.5
    )
    model = GPT(config)
    started = time.process_time()
    train(
        model,
        TextBatches(ids, ROWS, context, seed),
        language_loss,
        config=TrainConfig(steps, seed=seed, **(TRAINING | {"warmup": min(TRAINING["warmup"], steps)})),
        quiet=True,
    )
    loss = nats_per_token(model, check, context, rows=64)
    parts = [sum(p.numel() for p in part.parameters()) for part in (model.layers, model)]
    return {
        "loss": round(loss, 4),
        "bits": round(bits_per_character(loss, len(check), len(held_out)), 4),
        "parameters": parts[0],
        "all_parameters": parts[1],
        "characters": round(per_token, 3),
        "training_characters": round(steps * ROWS * context * per_token),
        "seconds": round(time.process_time() - started, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.scaling", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/scaling.json"), help="the JSON file")
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"steps": BUDGETS, "torch": torch.__version__.split("+")[0], "processor": platform.machine()}
    results["about"] = about | {"threads": torch.get_num_threads(), "date": time.strftime("%Y-%m-%d")}

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results) + "\n")

    run((shakespeare.load("train"), shakespeare.load("val")), given.seeds, keep=keep, results=results)
    for group, names in results.items():
        if group != "about":
            print(group)
            for name, rows in names.items():
                print(f"  {name:16s}", *(f"{row['bits']:.3f}" for row in rows), "bits a character")


if __name__ == "__main__":
    main()
