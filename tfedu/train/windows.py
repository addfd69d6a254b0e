"""Small trainings that take one part out of Swin at a time: `python -m tfedu.train.windows`.

Liu et al. (2021) ablate shift and position bias on ImageNet (table 4), where each is worth about one point. Here two
questions about dominoes (`tfedu.data.dominoes`) need just one of them each, so that the rest can be told from chance.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from tfedu import weights
from tfedu.data.dominoes import dominoes
from tfedu.models.swin import Swin, SwinConfig
from tfedu.train.loop import TrainConfig, train
from tfedu.train.vision import ClassificationLoss, PictureBatches, scores

SEEDS = (0, 1, 2)
TEST_SEED = 10_000
BASE: dict[str, Any] = {
    "image_size": 16,
    "patch_size": 2,
    "channels": 1,
    "width": 32,
    "depths": (2,),
    "heads": (2,),
    "window": 4,
    "mlp_ratio": 2.0,
    "initial": 0.15,
}
STEPS, ROWS = 400, 64
TRAINING: dict[str, Any] = {"lr": 3e-3, "warmup": 40, "schedule": "cosine", "weight_decay": 0.01}

#: By question, what is unlike `BASE`.
TRIALS: dict[str, dict[str, dict[str, Any]]] = {
    "alike": {
        "shifted": {},
        "never shifted": {"shift": False},
        "never shifted, four layers": {"shift": False, "depths": (4,)},
    },
    "order": {
        "with biases": {"shift": False},
        "without biases": {"shift": False, "position_bias": False},
    },
}


def run(
    seeds: Iterable[int] = SEEDS,
    *,
    steps: int = STEPS,
    tested: int = 2000,
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings, each with each seed, that `results` does not hold yet.

    Args:
        seeds: of weights and data.
        steps: of each training; no picture is seen twice.
        tested: new pictures in the end.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each question and name a list, one dict a seed: "accuracy" on new pictures; "loss", the training loss in
        nats over the last tenth of the steps; "curve", the same on the way; "parameters"; "seconds" of processor time.
    """
    results = {} if results is None else results
    for question, trials in TRIALS.items():
        for name, unlike in trials.items():
            rows = results.setdefault(question, {}).setdefault(name, [])
            for seed in seeds:
                if not any(row["seed"] == seed for row in rows):
                    rows.append({"seed": seed, **trained(question, unlike, seed, steps, tested)[1]})
                    keep(results)
    return results


def trained(
    question: str, unlike: dict[str, Any], seed: int, steps: int = STEPS, tested: int = 2000
) -> tuple[Swin, dict[str, Any]]:
    """One training, and its row of the results."""
    torch.manual_seed(seed)
    model = Swin(SwinConfig(2, **(BASE | unlike)))
    data = dominoes(steps * ROWS, question, seed=seed)
    started, every = time.process_time(), max(1, steps // 40)
    training = TRAINING | {"warmup": min(TRAINING["warmup"], steps)}
    history = train(
        model,
        PictureBatches(data, ROWS, seed),
        ClassificationLoss(),
        config=TrainConfig(steps, seed=seed, log_every=every, **training),
        quiet=True,
    )
    seconds = time.process_time() - started
    at, losses = history.curve("loss")
    last = max(1, len(losses) // 10)
    return model, {
        "accuracy": round(scores(model, dominoes(tested, question, seed=TEST_SEED + seed))["accuracy"], 4),
        "loss": round(sum(losses[-last:]) / last, 4),
        "curve": {"step": at, "loss": [round(loss, 4) for loss in losses]},
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds, 1),
    }


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "swin.json").read_text())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.windows", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/ablations-swin.json"), help="the JSON file")
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    p.add_argument("--steps", type=int, default=STEPS, help=f"of each training (default: {STEPS})")
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"steps": given.steps, "torch": torch.__version__.split("+")[0], "processor": platform.machine()}
    about = {"about": about | {"threads": torch.get_num_threads(), "date": time.strftime("%Y-%m-%d")}}

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results | about) + "\n")

    results.pop("about", None)
    for question, names in run(given.seeds, steps=given.steps, keep=keep, results=results).items():
        print(question)
        for name, rows in names.items():
            print(f"  {name:28s}", *(f"{row['accuracy']:.3f} ({row['loss']:.3f})" for row in rows))


if __name__ == "__main__":
    main()
