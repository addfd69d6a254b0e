"""Small trainings that change one thing about the Transformer at a time: `python -m tfedu.train.ablations`.

What Vaswani et al. (2017) vary in table 3, and what they only assert, on the book's grammar with a model of one
minute: heads, positions, the scale of the scores, warm-up and where the norm stands. And copying, where a sequence
as long as those seen in training, or longer, must be carried whole from one end to the other.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tfedu import weights
from tfedu.attention import DotProduct
from tfedu.data import grammar
from tfedu.data.text import IdPair, TranslationBatches, WordTokenizer
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.models.transformer import Transformer, TransformerConfig
from tfedu.train.loop import TrainConfig, train
from tfedu.train.recipes.translate import TEST_SEED, VALIDATION_SEED
from tfedu.train.translation import nats_per_token, translate_all, translation_loss

SEEDS = (0, 1, 2)
#: Copying: symbols, and how long sequences are in training and in each test.
SYMBOLS, COPIED, LENGTHS = 32, (4, 20), (10, 20, 25, 30, 40)


@dataclass(frozen=True)
class Trial:
    """One way to build and train a model.

    Attributes:
        model: what is unlike `BASE`, of the model's configuration.
        training: what is unlike `TRAINING`.
        scaled: whether scores are divided by the root of their width.
        recurrent: the additive-attention network instead; `model` is then its whole size.
    """

    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    scaled: bool = True
    recurrent: bool = False


BASE: dict[str, Any] = {
    "width": 64,
    "layers": 2,
    "heads": 4,
    "feed_forward": 128,
    "dropout": 0.0,
    "norm": "pre",
}
TRAINING: dict[str, Any] = {"lr": 3e-3, "warmup": 50, "betas": (0.9, 0.98), "clip": None}
DEEP: dict[str, Any] = {"layers": 4, "width": 48, "feed_forward": 96}
AT_ONCE: dict[str, Any] = {"warmup": 0}

#: On the grammar, by group. "4 heads", "sinusoidal" and "scaled, 4 heads" are the same training.
TRIALS: dict[str, dict[str, Trial]] = {
    "heads": {"1 head": Trial({"heads": 1}), "4 heads": Trial(), "8 heads": Trial({"heads": 8})},
    "positions": {
        "none": Trial({"positions": "none"}),
        "learned": Trial({"positions": "learned"}),
        "sinusoidal": Trial(),
    },
    "scale": {
        "unscaled, 1 head": Trial({"heads": 1}, scaled=False),
        "scaled, 1 head": Trial({"heads": 1}),
        "unscaled, 4 heads": Trial(scaled=False),
        "scaled, 4 heads": Trial(),
    },
    "warm-up": {
        f"{norm}-norm, {how}": Trial(DEEP | {"norm": norm}, training)
        for norm in ("post", "pre")
        for how, training in (("no warm-up", AT_ONCE), ("warm-up", {}))
    },
}
#: Copying, at about equal parameters.
COPIERS: dict[str, Trial] = {
    "additive RNN": Trial(
        {"embedding": 48, "hidden": 108, "attention": "additive", "dropout": 0.0}, recurrent=True
    ),
    "Transformer": Trial(),
}


def run(
    seeds: Iterable[int] = SEEDS,
    *,
    steps: int = 300,
    pairs: int = 10_000,
    tried: int = 200,
    groups: Collection[str] = (*TRIALS, "copying"),
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings, each with each seed, that `results` does not hold yet.

    Args:
        seeds: of weights and data.
        steps, pairs: of each training; copying takes twice the steps.
        tried: sentences of the grammar that are translated in the end; a quarter as many rows are copied.
        groups: which of them.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each group and name a list, one dict a seed: "loss", the validation loss in nats a word at the end;
        "curve", the same on the way; "exact" (grammar), the share of test sentences translated to the letter;
        "right" (copying), the share of symbols that are right, for each of `LENGTHS`; "parameters"; "seconds" of
        processor time.
    """
    results = {} if results is None else results
    seen: dict[tuple[str, int], Any] = {}
    for group, seed in itertools.product(groups, seeds):
        one, trials = (_copying, COPIERS) if group == "copying" else (_translating, TRIALS[group])
        for name, trial in trials.items():
            rows = results.setdefault(group, {}).setdefault(name, [])
            if any(row["seed"] == seed for row in rows):
                continue
            same = (f"{one.__name__}{trial}", seed)
            if same not in seen:
                seen[same] = {"seed": seed, **one(trial, seed, steps, pairs, tried)}
            rows.append(seen[same])
            keep(results)
    return results


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "transformer.json").read_text())


def _translating(trial: Trial, seed: int, steps: int, pairs: int, tried: int) -> dict[str, Any]:
    validation, test = _sentences(min(300, pairs), VALIDATION_SEED), _sentences(tried, TEST_SEED)
    known = {tuple(source) for source, _ in (*validation, *test)}
    learned = [pair for pair in _sentences(pairs, seed) if tuple(pair[0]) not in known]
    sizes = (4 + len(grammar.vocabulary("de")), 4 + len(grammar.vocabulary("en")))
    model, row = _trained(trial, sizes, learned, validation, seed, steps)
    found = translate_all(model, [source for source, _ in test])  # type: ignore[arg-type]
    return row | {"exact": sum(a == b for a, (_, b) in zip(found, test, strict=True)) / len(test)}


@cache
def _sentences(count: int, seed: int) -> list[IdPair]:
    german, english = (WordTokenizer(grammar.vocabulary(language)) for language in ("de", "en"))
    made = grammar.corpus(count, lengths=(4, 12), seed=seed)
    return [(german.encode(pair.source), english.encode(pair.target)) for pair in made]


def _copying(trial: Trial, seed: int, steps: int, pairs: int, tried: int) -> dict[str, Any]:
    def part(count: int, lengths: tuple[int, int], seed: int) -> list[IdPair]:
        dice = random.Random(seed)
        made = [[4 + dice.randrange(SYMBOLS) for _ in range(dice.randint(*lengths))] for _ in range(count)]
        return [(symbols, symbols) for symbols in made]

    validation = part(min(200, pairs), COPIED, VALIDATION_SEED)
    learned = part(pairs, COPIED, seed)
    model, row = _trained(trial, (4 + SYMBOLS, 4 + SYMBOLS), learned, validation, seed, 2 * steps)
    right = []
    for length in LENGTHS:
        sources = [source for source, _ in part(tried // 4, (length, length), TEST_SEED + length)]
        found = translate_all(model, sources)  # type: ignore[arg-type]
        hits = [sum(a == b for a, b in zip(f, s, strict=False)) for f, s in zip(found, sources, strict=True)]
        right.append(sum(hits) / (length * len(sources)))
    return row | {"right": right}


def _trained(
    trial: Trial,
    sizes: tuple[int, int],
    learned: Sequence[IdPair],
    validation: Sequence[IdPair],
    seed: int,
    steps: int,
) -> tuple[nn.Module, dict[str, Any]]:
    torch.manual_seed(seed)
    model: Seq2Seq | Transformer
    if trial.recurrent:
        model = Seq2Seq(Seq2SeqConfig(*sizes, **trial.model))
    else:
        config = TransformerConfig(*sizes, **(BASE | trial.model))
        model = Transformer(config, DotProduct if trial.scaled else partial(DotProduct, 1.0))
    training = TRAINING | trial.training
    training["warmup"] = min(training["warmup"], steps)
    checks = list(TranslationBatches(validation, 4096))
    started = time.process_time()
    history = train(
        model,
        TranslationBatches(learned, 1024, seed=seed),
        translation_loss,
        config=TrainConfig(steps, seed=seed, validate_every=min(50, steps), **training),
        validate=lambda m: {"loss": nats_per_token(m, checks)},
        quiet=True,
    )
    at, losses = history.curve("loss", validation=True)
    return model, {
        "loss": round(losses[-1], 4),
        "curve": {"step": at, "loss": [round(loss, 4) for loss in losses]},
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(time.process_time() - started, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.ablations", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/ablations-transformer.json"), help="the JSON file")
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    p.add_argument("--groups", nargs="+", default=[*TRIALS, "copying"], help="heads, positions, ...")
    p.add_argument("--steps", type=int, default=300, help="of each training (default: 300)")
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"steps": given.steps, "torch": torch.__version__.split("+")[0], "processor": platform.machine()}
    results["about"] = about | {"threads": torch.get_num_threads(), "date": time.strftime("%Y-%m-%d")}

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results) + "\n")

    run(given.seeds, steps=given.steps, groups=given.groups, keep=keep, results=results)
    for group, names in results.items():
        if group != "about":
            print(group)
            for name, rows in names.items():
                print(f"  {name:28s}", *(f"{row['loss']:.3f}" for row in rows))


if __name__ == "__main__":
    main()
