"""The trainings behind the curve over labels: in miniature, and the shipped results."""

import json
from pathlib import Path

import pytest
import torch

from tfedu import weights
from tfedu.data import grammar
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTConfig, BERTForMaskedLM
from tfedu.train import few_labels

SHIPPED = weights.data_dir() / "ablations" / "few_labels.json"


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = WordPiece.from_words(grammar.vocabulary("en"))
    torch.manual_seed(0)
    model = BERTForMaskedLM(BERTConfig(len(words), 8, 1, 2, 8, longest=64))
    path = tmp_path_factory.mktemp("body") / "small.safetensors"
    weights.save(path, model, model.config, extras={"tokenizer": words.to_json()})
    return path


def test_both_arms_run_with_three_seeds_in_miniature(body: Path) -> None:
    kept = []
    options = {"steps": {20: 1, 0: 1}, "rates": (1e-3,), "start": lambda name: body, "tested": 40}
    results = few_labels.run(["exchanged"], keep=lambda found: kept.append(found), **options)
    everything = len(few_labels.task("exchanged").train)
    for arm in few_labels.ARMS:
        rows = results["exchanged"][arm]
        assert [(row["labels"], row["seed"]) for row in rows] == [
            (n, s) for n in (20, everything) for s in range(3)
        ]
        assert all(0 <= row["accuracy"] <= 1 and row["lr"] == 1e-3 for row in rows)
    assert len(kept) == 12
    json.dumps(results)
    assert few_labels.run(["exchanged"], results=results, keep=pytest.fail, **options) is results


def test_an_exchange_is_seen_in_the_text_alone() -> None:
    given = few_labels.task("exchanged")
    texts = [*given.train, *given.validation, *given.test]
    assert 0.45 < sum(label for _, label in texts) / len(texts) < 0.55
    known = {" ".join(pair.target) for pair in grammar.corpus(6500, lengths=(6, 14), seed=77)}
    assert all((text in known) or label for text, label in texts)
    assert sum(text in known for text, label in texts if label) < 0.02 * len(texts)


def test_it_learns_from_labels(body: Path) -> None:
    texts = [("the dog sleeps .", 0), ("a cat helped .", 1)] * 20
    words = WordPiece.from_pretrained(body)
    for pretrained in (True, False):
        model = few_labels.fine_tune(
            body, texts, classes=2, steps=40, lr=1e-2, seed=0, pretrained=pretrained, tokens=256
        )
        assert few_labels.accuracy(model, few_labels.batches(texts, words, 256)) == 1.0


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_point() -> None:
    results = few_labels.shipped()
    results.pop("about")
    assert results
    for arms in results.values():
        assert arms.keys() == set(few_labels.ARMS)
        points = [[(row["labels"], row["seed"]) for row in rows] for rows in arms.values()]
        assert points[0] == points[1]
        assert len(points[0]) % 3 == 0
