"""Students of one teacher, one thing changed at a time: `python -m tfedu.train.students`.

On the grammar's English, with a teacher of four layers. First the *words*: students of half the depth learn to fill
in blanks, as DistilBERT did, with all its losses or without one of them, or with no teacher at all. Then the
*sentences*: which are right and which are not (`tfedu.data.agreement`), with few labels and many texts that only the
teacher has judged; half as deep as the teacher, or also half as wide, taught by TinyBERT's losses.

The results go to one JSON file, which the chapter draws; each training is kept as soon as it is done, and is not
done again. `shipped()` reads the file that comes with the package.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from tfedu import weights
from tfedu.data import agreement, grammar
from tfedu.data.text import pad
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTForMaskedLM, BERTForSequenceClassification
from tfedu.models.distilbert import DistilBERTForMaskedLM
from tfedu.trace import trace
from tfedu.train.distillation import (
    DistilBERTLoss,
    Fitted,
    TinyBERTLoss,
    distilled_from,
    shallow,
    soft_targets,
)
from tfedu.train.loop import Loss, TrainConfig, train
from tfedu.train.masked import TextBatches, Texts, whole_words

SEEDS = (0, 1, 2)
TEACHER = "bert-grammar-seed0"
#: Seeds of the sentences that no model here is trained on, and of those that the teacher judges.
TEST_SEED, TRANSFER_SEED = 10_001, 20_000
#: Labelled sentences; sentences of "few" words; those that the teacher judges.
LABELS, FEW, TRANSFER = 1000, 300, 10_000
LENGTHS = (4, 12)


class Teacher(NamedTuple):
    """A BERT that fills in blanks, and its tokenizer."""

    model: BERTForMaskedLM
    words: WordPiece


@dataclass(frozen=True)
class Words:
    """One way to teach a student of half the depth to fill in blanks.

    Attributes:
        soft, hard, angle: weights of DistilBERT's losses.
        layers: whether it begins as every second layer of its teacher; from nothing if not.
        few: whether it has only `FEW` sentences.
    """

    soft: float = 5.0
    hard: float = 2.0
    angle: float = 1.0
    layers: bool = True
    few: bool = False
    temperature: float = 2.0


ALONE = Words(soft=0.0, hard=1.0, angle=0.0)
WORDS: dict[str, Words] = {
    "all": Words(),
    "no soft targets": Words(soft=0.0),
    "no words": Words(hard=0.0),
    "no cosine": Words(angle=0.0),
    "no layers": Words(layers=False),
    "layers only": ALONE,
    "nothing": replace(ALONE, layers=False),
    "few: all": Words(few=True),
    "few: layers only": replace(ALONE, few=True),
}


@dataclass(frozen=True)
class Sentences:
    """One way to teach a student to tell right sentences from wrong ones.

    Attributes:
        losses: weights of TinyBERT's losses; empty for a student that learns from the few labels alone.
        layers: whether it begins as every second layer of a model of its width: of the fine-tuned teacher if it has
            one to learn from, of the pre-trained one if not.
        narrow: half the teacher's width.
    """

    losses: dict[str, Any] | None = None
    layers: bool = False
    narrow: bool = False


_SAYS = {"prediction": 1.0, "attention": 0.0, "hidden": 0.0, "embeddings": 0.0}
SENTENCES: dict[str, Sentences] = {
    "nothing": Sentences(),
    "layers only": Sentences(layers=True),
    "layers and teacher": Sentences(_SAYS, layers=True),
    "teacher alone": Sentences(_SAYS),
    "narrow: nothing": Sentences(narrow=True),
    "narrow: prediction": Sentences(_SAYS, narrow=True),
    "narrow: + embeddings": Sentences(_SAYS | {"embeddings": 1.0}, narrow=True),
    "narrow: + hidden": Sentences(_SAYS | {"embeddings": 1.0, "hidden": 1.0}, narrow=True),
    "narrow: + attention": Sentences(
        _SAYS | {"embeddings": 1.0, "hidden": 1.0, "attention": 1.0}, narrow=True
    ),
}


# --- Words -------------------------------------------------------------------------------------------------


@cache
def english(count: int, seed: int) -> list[tuple[str, ...]]:
    """The English of `count` sentences of the grammar, without those that are tested with.

    These are of the test that the teacher's recipe holds back, cut to the lengths that are learned here.
    """
    if seed == TEST_SEED:
        made = [pair.target for pair in grammar.corpus(count, lengths=(4, 25), seed=seed)]
        return [one for one in made if len(one) <= LENGTHS[1]]
    made = [pair.target for pair in grammar.corpus(count, lengths=LENGTHS, seed=seed)]
    known = set(english(1000, TEST_SEED))
    return [one for one in made if one not in known]


def ids(words: WordPiece, sentences: Iterable[Sequence[str]]) -> list[list[int]]:
    """Sentences as the models read them, [CLS] and [SEP] included."""
    return [words.pair(words.encode(one))[0] for one in sentences]


@torch.no_grad()
def blanks(
    model: nn.Module, texts: Sequence[Sequence[int]], words: WordPiece, every: int = 1
) -> tuple[Float[Tensor, "N V"], Tensor]:
    """What `model` says at each (or each `every`-th) word of the texts when that word is hidden, and the words.

    Returns:
        logits (N, V), and the N right ids.
    """
    asked = [(text, place) for text in texts for place in whole_words(text, words)][::every]
    logits = []
    for start in range(0, len(asked), 256):
        part = asked[start : start + 256]
        tokens, mask = pad([text for text, _ in part])
        chosen = F.one_hot(torch.tensor([place for _, place in part]), tokens.shape[1]).bool()
        logits.append(model(tokens.masked_fill(chosen, words.mask), mask, None, chosen))
    return torch.cat(logits), torch.tensor([text[place] for text, place in asked])


def compare(student: Float[Tensor, "N V"], teacher: Float[Tensor, "N V"], right: Tensor) -> dict[str, float]:
    """How a student's answers stand to the truth and to the teacher's.

    Returns:
        "accuracy" and "nats" against the truth; "agreement", the share of places where both models' first choice
        is one; "divergence" from the teacher, KL(teacher || student) in nats.
    """
    found = {
        "accuracy": (student.argmax(-1) == right).float().mean(),
        "nats": F.cross_entropy(student, right),
        "agreement": (student.argmax(-1) == teacher.argmax(-1)).float().mean(),
        "divergence": soft_targets(student, teacher),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def words_student(
    trial: Words, teacher: Teacher, seed: int, steps: int, count: int = 20_000
) -> tuple[DistilBERTForMaskedLM, dict[str, Any]]:
    """A trained student, and how it was trained: its curve and the processor time."""
    student, batches, loss = words_training(trial, teacher, seed, count)
    checks = ids(teacher.words, english(1000, TEST_SEED)[-60:])

    def validate(model: nn.Module) -> dict[str, float]:
        logits, right = blanks(model, checks, teacher.words, every=2)
        return {"loss": float(F.cross_entropy(logits, right))}

    return student, _train(student, batches, loss, seed, steps, validate)


def words_training(
    trial: Words, teacher: Teacher, seed: int, count: int = 20_000
) -> tuple[DistilBERTForMaskedLM, TextBatches, DistilBERTLoss]:
    """A student as it begins, what it reads, and its loss."""
    torch.manual_seed(seed)
    student = distilled_from(teacher.model)
    if not trial.layers:
        student = DistilBERTForMaskedLM(student.config)
    student = _without_dropout(student)
    texts = ids(teacher.words, english(count, seed + 1000)[: FEW if trial.few else None])
    loss = DistilBERTLoss(
        teacher.model,
        teacher.words,
        soft=trial.soft,
        hard=trial.hard,
        angle=trial.angle,
        temperature=trial.temperature,
    )

    return student, TextBatches(texts, 1024, seed), loss


# --- Sentences ---------------------------------------------------------------------------------------------


class Judgements(NamedTuple):
    """Sentences as ids, and whether each is wrong."""

    texts: list[list[int]]
    wrong: list[int]

    @classmethod
    def made(cls, words: WordPiece, count: int, seed: int) -> Judgements:
        """Sentences of the grammar that are not tested with, unless `seed` is that of the test."""
        return cls(*_judged(words.to_json(), count, seed))

    def batches(self, seed: int, rows: int = 32) -> TextBatches:
        """For training: about `rows` sentences a batch."""
        return TextBatches(self.texts, rows * 12, seed, self.wrong)


@cache
def _judged(words: str, count: int, seed: int) -> tuple[list[list[int]], list[int]]:
    tokenizer = WordPiece.from_json(words)
    made = agreement.corpus(count, lengths=LENGTHS, seed=seed)
    if seed != TEST_SEED:
        known = {one.words for one in agreement.corpus(1000, lengths=LENGTHS, seed=TEST_SEED)}
        made = [one for one in made if one.words not in known]
    return ids(tokenizer, (one.words for one in made)), [one.wrong for one in made]


def label_loss(model: nn.Module, batch: Texts) -> Loss:
    """Cross-entropy of the right class, in nats, summed."""
    logits = model(batch.tokens, batch.mask).float()
    return Loss(F.cross_entropy(logits, batch.labels, reduction="sum"), len(batch.tokens))


@torch.no_grad()
def judge(model: nn.Module, test: Judgements) -> Float[Tensor, "N 2"]:
    """What `model` says of each sentence."""
    return torch.cat([model(*pad(test.texts[n : n + 250])) for n in range(0, len(test.texts), 250)])


def fine_tuned(teacher: Teacher, seed: int, steps: int) -> BERTForSequenceClassification:
    """The teacher of `SENTENCES`: the pre-trained one, fine-tuned on the few labels."""
    torch.manual_seed(seed)
    model = classifier(teacher.model)
    data = Judgements.made(teacher.words, LABELS, seed)
    _train(model, data.batches(seed), label_loss, seed, steps, lr=1e-3)
    return model


def sentences_student(
    trial: Sentences,
    teacher: Teacher,
    tuned: BERTForSequenceClassification,
    seed: int,
    steps: int,
    transfer: int = TRANSFER,
) -> tuple[BERTForSequenceClassification, dict[str, Any]]:
    """A trained student, and how it was trained."""
    student = sentences_start(trial, teacher, tuned, seed)
    if trial.losses is None:
        data = Judgements.made(teacher.words, LABELS, seed)
        return student, _train(student, data.batches(seed), label_loss, seed, steps)
    texts = unlabelled(teacher.words, seed, transfer).batches(seed)
    fitted = Fitted(student, tuned.config.width)
    return student, _train(fitted, texts, TinyBERTLoss(tuned, **trial.losses), seed, steps)


def sentences_start(
    trial: Sentences, teacher: Teacher, tuned: BERTForSequenceClassification, seed: int
) -> BERTForSequenceClassification:
    """A student before it has learned anything of its own."""
    torch.manual_seed(seed + 50)
    config = replace(tuned.config, layers=(tuned.config.layers + 1) // 2, dropout=0.0)
    if trial.narrow:
        config = replace(config, width=config.width // 2, feed_forward=config.feed_forward // 2)
    student = BERTForSequenceClassification(config)
    if trial.layers:
        start = tuned if trial.losses is not None else classifier(teacher.model)
        student.load_state_dict(shallow(start).state_dict())
    return student


def unlabelled(words: WordPiece, seed: int, count: int = TRANSFER) -> Judgements:
    """Sentences for the teacher to judge; their labels are taken away."""
    texts = Judgements.made(words, count, TRANSFER_SEED + seed).texts
    return Judgements(texts, [0] * len(texts))


def classifier(model: BERTForMaskedLM) -> BERTForSequenceClassification:
    """Two classes on top of a pre-trained body."""
    new = BERTForSequenceClassification(replace(model.config, pooler=True, classes=2, dropout=0.0))
    new.bert.load_state_dict(model.bert.state_dict(), strict=False)  # all but the pooler
    return new


# --- What both share ---------------------------------------------------------------------------------------


def _without_dropout(model: DistilBERTForMaskedLM) -> DistilBERTForMaskedLM:
    new = type(model)(replace(model.config, dropout=0.0))
    new.load_state_dict(model.state_dict())
    return new


def _train(
    model: nn.Module,
    batches: TextBatches,
    loss: Callable[[nn.Module, Any], Loss],
    seed: int,
    steps: int,
    validate: Callable[[nn.Module], dict[str, float]] | None = None,
    lr: float = 2e-3,
) -> dict[str, Any]:
    started = time.process_time()
    config = TrainConfig(
        steps,
        lr=lr,
        warmup=min(50, steps),
        schedule="linear",
        weight_decay=0.01,
        seed=seed,
        validate_every=max(1, steps // 8) if validate else 0,
    )
    history = train(model, batches, loss, config=config, validate=validate, quiet=True)
    row: dict[str, Any] = {"seconds": round(time.process_time() - started, 1)}
    if validate:
        at, nats = history.curve("loss", validation=True)
        row["curve"] = {"step": list(at), "nats": [round(value, 4) for value in nats]}
    return row


@torch.no_grad()
def map_similarity(
    student: nn.Module, teacher: nn.Module, texts: Sequence[Sequence[int]]
) -> Float[Tensor, "M L H G"]:
    """How alike the heads' maps are: the mean correlation over real pairs, for student layer m and head h, and teacher
    layer l and head g."""
    tokens, mask = pad(texts)
    flat = []
    for model in (student, teacher):
        with trace(model) as maps:
            model(tokens, mask)
        flat.append(torch.stack([one.weights for one in maps.values()]))  # L B H T T
    total = torch.zeros(len(flat[0]), len(flat[1]), flat[0].shape[2], flat[1].shape[2])
    for row, length in enumerate(mask.sum(1).tolist()):
        s, t = (f[:, row, :, :length, :length].flatten(2) for f in flat)
        s, t = (F.normalize(one - one.mean(-1, keepdim=True), dim=-1) for one in (s, t))
        total += torch.einsum("m h n, l g n -> m l h g", s, t)
    return total / len(texts)


def run(
    seeds: Iterable[int] = SEEDS,
    *,
    teacher: Teacher,
    steps: int = 300,
    tried: int = 150,
    count: int = 20_000,
    transfer: int = TRANSFER,
    groups: Collection[str] = ("words", "sentences"),
    keep: Callable[[dict[str, Any]], None] = lambda results: None,
    results: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All trainings, each with each seed, that `results` does not hold yet.

    Args:
        seeds: of weights and data.
        teacher: pre-trained, of all students; on sentences it is fine-tuned with each seed's own labels.
        steps: of each training; on sentences half as many again.
        tried: test sentences whose every word is hidden in turn.
        count: sentences to learn words from.
        transfer: sentences that the teacher judges.
        groups: which of them.
        keep: called with the results after each training.
        results: of an earlier run.

    Returns:
        for each group and name a list, one dict a seed, with what `compare` says, "parameters", "seconds" of
        processor time, "curve" (words) and "maps" (sentences): how alike each layer's heads are to those of the
        teacher's layer that TinyBERT compares them with. Under "teacher" the teachers themselves.
    """
    results = {} if results is None else results
    for seed, group in itertools.product(seeds, groups):
        names: Collection[str] = WORDS if group == "words" else SENTENCES
        rows = results.setdefault(group, {name: [] for name in ("teacher", *names)})
        todo = [name for name in ("teacher", *names) if not any(r["seed"] == seed for r in rows[name])]
        if not todo:
            continue
        if group == "words":
            _words(todo, rows, teacher, seed, steps, tried, count, lambda: keep(results))
        else:
            _sentences(todo, rows, teacher, seed, steps * 3 // 2, transfer, lambda: keep(results))
    return results


def _words(
    todo: Sequence[str],
    rows: Any,
    teacher: Teacher,
    seed: int,
    steps: int,
    tried: int,
    count: int,
    done: Callable[[], None],
) -> None:
    test = ids(teacher.words, english(1000, TEST_SEED)[:tried])
    said, right = blanks(teacher.model, test, teacher.words)
    for name in todo:
        student, row = (
            (teacher.model, {})
            if name == "teacher"
            else words_student(WORDS[name], teacher, seed, steps, count)
        )
        found = said if name == "teacher" else blanks(student, test, teacher.words)[0]
        rows[name].append({"seed": seed, **compare(found, said, right), **_size(student), **row})
        done()


def _sentences(
    todo: Sequence[str],
    rows: Any,
    teacher: Teacher,
    seed: int,
    steps: int,
    transfer: int,
    done: Callable[[], None],
) -> None:
    test = Judgements.made(teacher.words, 1000, TEST_SEED)
    tuned = fine_tuned(teacher, seed, steps + steps // 3)
    said, right = judge(tuned, test), torch.tensor(test.wrong)
    for name in todo:
        student, row = (
            (tuned, {})
            if name == "teacher"
            else sentences_student(SENTENCES[name], teacher, tuned, seed, steps, transfer)
        )
        alike = map_similarity(student, tuned, test.texts[:100])
        groups = alike.shape[1] // alike.shape[0]
        same = [alike[m, (m + 1) * groups - 1].diagonal().mean().item() for m in range(len(alike))]
        row["maps"] = [round(value, 4) for value in same]
        rows[name].append(
            {"seed": seed, **compare(judge(student, test), said, right), **_size(student), **row}
        )
        done()


def _size(model: nn.Module) -> dict[str, int]:
    return {"parameters": sum(p.numel() for p in model.parameters())}


def shipped() -> dict[str, Any]:
    """The results that come with the package, with "about": how they were made."""
    return json.loads((weights.data_dir() / "ablations" / "distillation.json").read_text())


def trained_teacher(name: str | Path = TEACHER) -> Teacher:
    """A shipped BERT that fills in blanks, or one in a file."""
    return Teacher(BERTForMaskedLM.from_pretrained(name), WordPiece.from_pretrained(name))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what the file does not hold yet."""
    p = argparse.ArgumentParser(
        prog="python -m tfedu.train.students", description=(__doc__ or "").split("\n")[0]
    )
    p.add_argument("--out", type=Path, default=Path("runs/ablations-distillation.json"), help="the JSON file")
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    p.add_argument("--groups", nargs="+", default=["words", "sentences"])
    p.add_argument("--steps", type=int, default=300, help="of each training on words (default: 300)")
    p.add_argument("--teacher", default=TEACHER, help="a shipped BERT's name, or a file")
    given = p.parse_args(arguments)
    results: dict[str, Any] = json.loads(given.out.read_text()) if given.out.exists() else {}
    about = {"steps": given.steps, "torch": torch.__version__.split("+")[0], "processor": platform.machine()}
    about |= {"threads": torch.get_num_threads(), "date": time.strftime("%Y-%m-%d")}
    results.pop("about", None)

    def keep(results: dict[str, Any]) -> None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(results | {"about": about}) + "\n")

    run(
        given.seeds,
        teacher=trained_teacher(given.teacher),
        steps=given.steps,
        groups=given.groups,
        keep=keep,
        results=results,
    )
    for group, names in results.items():
        print(group)
        for name, rows in names.items():
            print(f"  {name:28s}", *(f"{row['accuracy']:.3f}" for row in rows))


if __name__ == "__main__":
    main()
