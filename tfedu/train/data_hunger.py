"""How many pictures does a Vision Transformer need? `python -m tfedu.train.data_hunger`

Dosovitskiy et al. (2021) find that ViTs "do not generalize well when trained on insufficient amounts of data"
(section 1): a convolutional network is ahead after nine million pictures, and behind after ninety (section 4.3). Here
a ViT and a ResNet of equal size learn `tfedu.data.textures` from few and from many pictures, each with the same number
of steps: enough to learn all training pictures by heart, so that what is compared is how they generalise.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tfedu import weights
from tfedu.data.textures import CLASSES, Textures, textures
from tfedu.models.resnet import ResNet, ResNetConfig
from tfedu.models.vit import ViT, ViTConfig
from tfedu.train.loop import TrainConfig, train
from tfedu.train.vision import ClassificationLoss, PictureBatches, scores

SEEDS = (0, 1, 2)
COUNTS = (250, 500, 1000, 4000)  #: training pictures
STEPS, ROWS = 400, 64
#: Pictures that no network here is trained on.
TEST_SEED, TESTED = 10_001, 2000
TRAINING: dict[str, Any] = {"warmup": 50, "schedule": "cosine", "weight_decay": 0.05}


def vit() -> ViT:
    """A ViT of about 43,000 parameters, for pictures of 32 by 32 in patches of 4."""
    return ViT(
        ViTConfig(
            len(CLASSES), 32, 4, width=48, layers=2, heads=4, feed_forward=96, initial=48**-0.5, eps=1e-6
        )
    )


def resnet() -> ResNet:
    """A ResNet of as many parameters, within 5 %."""
    return ResNet(ResNetConfig(len(CLASSES), widths=(16, 28, 40), blocks=(1, 1, 1), stride=2))


#: The rivals, and the learning rate of each, which learned 250 pictures by heart with another seed.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], float]] = {"ViT": (vit, 2e-3), "ResNet": (resnet, 2e-3)}


def run(
    seeds: Sequence[int] = SEEDS,
    *,
    counts: Collection[int] = COUNTS,
    steps: int = STEPS,
    tested: int = TESTED,
    networks: Mapping[str, tuple[Callable[[], nn.Module], float]] = NETWORKS,
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings, each with each seed, that `results` does not hold yet.

    Args:
        seeds: of weights, pictures and their order.
        counts: of training pictures.
        steps: of each training.
        tested: pictures on which each network is tested.
        networks: the rivals, by name: how each is built, and its learning rate.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each network a list, one dict a training: "seed"; "pictures"; "accuracy" and "loss" on the test pictures;
        the same with "training_" on those it learned (at most as many); "parameters"; "seconds" of processor time.
    """
    results = {} if results is None else results
    test = textures(tested, seed=TEST_SEED)
    for seed in seeds:
        for count in counts:
            for name, (build, lr) in networks.items():
                rows = results.setdefault(name, [])
                if not any((row["seed"], row["pictures"]) == (seed, count) for row in rows):
                    rows.append(
                        {"seed": seed, "pictures": count, **_trained(build, lr, count, steps, seed, test)}
                    )
                    keep(results)
    return results


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "data_hunger.json").read_text())


def _trained(
    build: Callable[[], nn.Module], lr: float, count: int, steps: int, seed: int, test: Textures
) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = build()
    learned = textures(count, seed=seed)
    started = time.process_time()
    options = TRAINING | {"warmup": min(TRAINING["warmup"], steps)}
    train(
        model,
        PictureBatches(learned, min(ROWS, count), seed),
        ClassificationLoss(),
        config=TrainConfig(steps, lr=lr, seed=seed, precision="bf16", **options),
        quiet=True,
    )
    seconds = time.process_time() - started
    known, new = scores(model, learned[: len(test)]), scores(model, test)
    return {
        **{key: round(value, 4) for key, value in new.items()},
        **{f"training_{key}": round(value, 4) for key, value in known.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(seconds, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.data_hunger", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/data_hunger.json"), help="the JSON file")
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    p.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), help="training pictures")
    p.add_argument("--steps", type=int, default=STEPS, help=f"of each training (default: {STEPS})")
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"steps": given.steps, "rows": ROWS, "torch": torch.__version__.split("+")[0]}
    about |= {"processor": platform.machine(), "threads": torch.get_num_threads()}
    results["about"] = about | {"date": time.strftime("%Y-%m-%d")}

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results) + "\n")

    run(given.seeds, counts=given.counts, steps=given.steps, keep=keep, results=results)
    for name, rows in results.items():
        if name != "about":
            for row in rows:
                print(f"{name:8s} {row['pictures']:6d} {row['training_loss']:.3f} {row['accuracy']:.3f}")


if __name__ == "__main__":
    main()
