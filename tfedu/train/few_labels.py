"""Is pre-training worth it when labels are few? `python -m tfedu.train.few_labels`

A classifier on a pre-trained BERT against the same one from random weights, each fine-tuned whole on 50, 200, ... or
all labelled texts, with the same steps and the same search: every learning rate of `RATES` is tried, and the one that
is best on the validation part is tested. Three tasks: questions by the kind of answer (TREC), reviews by their
favour (SST-2), and, embedded, the grammar's English with two neighbouring words exchanged in half of the sentences.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package: TREC's.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from tfedu import weights
from tfedu.data import grammar, reviews
from tfedu.data.reviews import Labelled
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTForSequenceClassification
from tfedu.train.loop import Loss, TrainConfig, train
from tfedu.train.masked import TextBatches, Texts

SEEDS, RATES = (0, 1, 2), (3e-4, 1e-3)
ARMS = ("pre-trained", "from scratch")
#: Labels (0: all there are), and the steps of each training.
STEPS = {50: 60, 200: 100, 1000: 200, 0: 400}


@dataclass(frozen=True)
class Task:
    """Labelled texts in three parts, and the body that is fine-tuned: its name, ending in the seed's number if
    there is one for each seed."""

    train: list[Labelled]
    validation: list[Labelled]
    test: list[Labelled]
    body: str
    one_for_each_seed: bool = False

    def start(self, seed: int) -> str:
        """The checkpoint that a seed's training starts from."""
        return f"{self.body}-seed{seed if self.one_for_each_seed else 0}"


@cache
def task(name: str) -> Task:
    """One of `TASKS` by its name."""
    return TASKS[name]()


def _trec() -> Task:
    known = reviews.trec("train")
    random.Random(0).shuffle(known)
    return Task(known[500:], known[:500], reviews.trec("test"), "bert-english")


def _sst2() -> Task:
    return Task(reviews.sst2("train"), reviews.sst2("dev"), reviews.sst2("test"), "bert-english")


def _exchanged() -> Task:
    dice = random.Random(0)
    sentences = [list(pair.target) for pair in grammar.corpus(6500, lengths=(6, 14), seed=77)]
    texts = []
    for words in sentences:
        label = dice.randrange(2)
        if label:
            place = dice.choice([i for i in range(len(words) - 2) if words[i] != words[i + 1]])
            words[place], words[place + 1] = words[place + 1], words[place]
        texts.append((" ".join(words), label))
    return Task(texts[1500:], texts[:500], texts[500:1500], "bert-grammar", one_for_each_seed=True)


TASKS: dict[str, Callable[[], Task]] = {"TREC": _trec, "SST-2": _sst2, "exchanged": _exchanged}


def class_loss(model: nn.Module, batch: Texts) -> Loss:
    """Cross-entropy of the right classes, in nats, summed."""
    logits = model(batch.tokens, batch.mask)
    return Loss(F.cross_entropy(logits.float(), batch.labels, reduction="sum"), len(batch.labels))


@torch.no_grad()
def accuracy(model: nn.Module, batches: Iterable[Texts]) -> float:
    """The share of texts whose likeliest class is the right one."""
    right = total = 0
    for batch in batches:
        right += int((model(batch.tokens, batch.mask).argmax(-1) == batch.labels).sum())
        total += len(batch.labels)
    return right / total


def batches(texts: Sequence[Labelled], words: WordPiece, tokens: int, seed: int = 0) -> TextBatches:
    """Labelled texts as a classifier reads them, cut to the 64 positions that our models know."""
    ids = [words.pair(words.encode(text)[:62])[0] for text, _ in texts]
    return TextBatches(ids, tokens, seed, [label for _, label in texts])


def fine_tune(
    start: str | Path,
    texts: Sequence[Labelled],
    *,
    classes: int,
    steps: int,
    lr: float,
    seed: int,
    pretrained: bool = True,
    tokens: int = 512,
) -> BERTForSequenceClassification:
    """A classifier trained on `texts`, from the body `start` or, unless `pretrained`, from random weights."""
    torch.manual_seed(seed)
    model = BERTForSequenceClassification.from_pretrained(start, classes=classes)
    if not pretrained:
        model = BERTForSequenceClassification(model.config)
    words = WordPiece.from_pretrained(start)
    config = TrainConfig(
        steps, lr=lr, warmup=steps // 10, schedule="linear", weight_decay=0.01, seed=seed, log_every=steps
    )
    train(model, batches(texts, words, tokens, seed), class_loss, config=config, quiet=True)
    return model.eval()


def run(
    names: Iterable[str] = tuple(TASKS),
    seeds: Iterable[int] = SEEDS,
    *,
    steps: dict[int, int] = STEPS,
    rates: Sequence[float] = RATES,
    start: Callable[[str], str | Path] = str,
    tested: int | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings that `results` does not hold yet.

    Args:
        names: of the tasks.
        seeds: of the choice of labelled texts, of their order, and of what starts anew.
        steps: of a training, for each number of labels; 0 is all of them.
        rates: the learning rates that are tried.
        start: where the checkpoint of a name lies.
        tested: texts of the validation and test parts that are judged; all unless given.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each task and arm a list, one dict for each number of labels and seed: "labels", "seed", "accuracy" on
        the test part, "validation", "lr", "seconds" of processor time.
    """
    results = {} if results is None else results
    for name in names:
        for labels in steps:
            for seed in seeds:
                for arm in ARMS:
                    rows = results.setdefault(name, {}).setdefault(arm, [])
                    given = task(name)
                    count = labels or len(given.train)
                    if any((row["labels"], row["seed"]) == (count, seed) for row in rows):
                        continue
                    began = time.process_time()
                    chosen = random.Random(seed).sample(given.train, count)
                    body = start(given.start(seed))
                    words = WordPiece.from_pretrained(body)
                    parts = [batches(part[:tested], words, 4096) for part in (given.validation, given.test)]
                    tries = []
                    for lr in rates:
                        model = fine_tune(
                            body,
                            chosen,
                            classes=1 + max(label for _, label in given.train),
                            steps=steps[labels],
                            lr=lr,
                            seed=seed,
                            pretrained=arm == "pre-trained",
                        )
                        tries.append((accuracy(model, parts[0]), lr, accuracy(model, parts[1])))
                    validation, lr, right = max(tries)
                    row = {"labels": count, "seed": seed, "accuracy": round(right, 4)}
                    row |= {"validation": round(validation, 4), "lr": lr}
                    rows.append(row | {"seconds": round(time.process_time() - began, 1)})
                    keep(results)
    return results


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "few_labels.json").read_text())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.few_labels", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/few_labels.json"), help="the JSON file")
    p.add_argument("--tasks", nargs="+", default=list(TASKS))
    p.add_argument("--bodies", default="{}", help="where checkpoints lie, with {} for the name")
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"torch": torch.__version__.split("+")[0], "processor": platform.machine()}
    results["about"] = about | {"rates": RATES, "date": time.strftime("%Y-%m-%d")}

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results) + "\n")
        for name in given.tasks:
            for arm, rows in results.get(name, {}).items():
                print(name, arm, *((r["labels"], r["seed"], r["accuracy"]) for r in rows[-1:]), flush=True)

    run(given.tasks, keep=keep, start=given.bodies.format, results=results)


if __name__ == "__main__":
    main()
