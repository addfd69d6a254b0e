"""The exercises of chapter 2: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import numpy as np
import pytest
import torch

from tfedu.data import alignment
from tfedu.exercises import Verdict
from tfedu.exercises import learning_to_align as exercise
from tfedu.weights import CheckpointError, find

# --- 1. context ----------------------------------------------------------------------------------------


def context(weights, values):
    return torch.einsum("bts,bsd->btd", weights, values)


CONTEXT = {
    "second division": lambda w, v: torch.bmm(w, v) / v.size(1),
    "weights are not used": lambda w, v: v.mean(1, keepdim=True).repeat(1, w.size(1), 1),
    "hard choice": lambda w, v: torch.stack([v[b, w[b].argmax(-1)] for b in range(len(v))]),
    "keep T": lambda w, v: torch.einsum("bts,bsd->bd", w, v),
    "not added them up": lambda w, v: torch.einsum("bts,bsd->btsd", w, v),
}


# --- 2. the additive score -----------------------------------------------------------------------------


def additive_score(q, k, W, U, v):
    rows = []
    for one in q:
        rows.append([torch.dot(v, torch.tanh(W @ one + U @ other)) for other in k])
    return torch.tensor(rows)


def score_apart(q, k, W, U, v):
    return torch.tensor([[v @ torch.tanh(W @ a) + v @ torch.tanh(U @ b) for b in k] for a in q])


SCORE = {
    "tanh is missing": lambda q, k, W, U, v: torch.tensor([[v @ (W @ a + U @ b) for b in k] for a in q]),
    "squash query and key apart": score_apart,
    "turned round": lambda q, k, W, U, v: torch.tensor(
        [[v @ torch.tanh(W @ a + U @ b) for a in q] for b in k]
    ),
    "v is not used": lambda q, k, W, U, v: torch.tensor(
        [[torch.tanh(W @ a + U @ b).sum() for b in k] for a in q]
    ),
    "before the softmax": lambda q, k, W, U, v: additive_score(q, k, W, U, v).softmax(-1),
    "dot product": lambda q, k, W, U, v: torch.tensor([[(W @ a) @ (U @ b) for b in k] for a in q]),
}


# --- 3. weights ----------------------------------------------------------------------------------------


def attention_weights(scores, mask):
    powers = scores.exp() * mask
    total = powers.sum(-1, keepdim=True)
    return powers / total.clamp_min(1e-30)


WEIGHTS = {
    "Each column sums to 1, but each row should: ": lambda s, m: torch.where(m, s, -torch.inf).softmax(1),
    "Each column sums to 1, but each row should, and the mask": lambda s, m: s.softmax(1),
    "mask is not used: padding": lambda s, m: torch.softmax(s, -1),
    "after the softmax": lambda s, m: torch.where(m, s.softmax(-1), 0.0),
    "exp(0) = 1": lambda s, m: torch.where(m, s, 0.0).softmax(-1),
    "wrong way round": lambda s, m: s.masked_fill(m, float("-inf")).softmax(-1),
    "row is NaN": lambda s, m: s.masked_fill(~m, float("-inf")).softmax(-1),
    "over the padding": lambda s, m: s.masked_fill(~m, torch.finfo(s.dtype).min).softmax(-1),
}


# --- 4. links ------------------------------------------------------------------------------------------


def links(weights):
    return sorted((int(weights[j].argmax()), j) for j in range(len(weights) - 1))


LINKS = {
    "last row got a link": lambda w: sorted((int(w[j].argmax()), j) for j in range(len(w))),
    "Nothing is to be dropped": lambda w: sorted((int(w[j].argmax()), j - 1) for j in range(1, len(w))),
    "belonged to the start mark": lambda w: sorted((int(w[j - 1].argmax()), j) for j in range(1, len(w))),
    "changed places": lambda w: sorted((j, int(w[j].argmax())) for j in range(len(w) - 1)),
    "ask of each target word": lambda w: sorted((i, int(w[:-1, i].argmax())) for i in range(w.shape[1])),
}


# --- 5. the error rate ---------------------------------------------------------------------------------


def alignment_error_rate(predicted, gold):
    return alignment.alignment_error_rate(predicted, gold)


def shared(predicted, gold):
    return sum(len(a.intersection(g)) for a, g in zip(predicted, gold, strict=True))


def size(corpus):
    return sum(len(links) for links in corpus)


RATE = {
    "F-score": lambda p, g: 2 * shared(p, g) / (size(p) + size(g)),
    "average the rates": lambda p, g: float(
        np.mean([1 - 2 * len(a & b) / (len(a) + len(b)) for a, b in zip(p, g, strict=True)])
    ),
    "1 − precision": lambda p, g: 1 - shared(p, g) / size(p),
    "1 − recall": lambda p, g: 1 - shared(p, g) / size(g),
    "Jaccard": lambda p, g: 1 - shared(p, g) / sum(len(a | b) for a, b in zip(p, g, strict=True)),
    "counts twice above": lambda p, g: 1 - shared(p, g) / (size(p) + size(g)),
}


#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "context": (exercise.context, context, CONTEXT),
    "additive_score": (exercise.additive_score, additive_score, SCORE),
    "attention_weights": (exercise.attention_weights, attention_weights, WEIGHTS),
    "links": (exercise.links, links, LINKS),
    "alignment_error_rate": (exercise.alignment_error_rate, alignment_error_rate, RATE),
}


def stub(*arguments):
    raise NotImplementedError


def test_an_exception_is_told_with_its_line():
    def broken(weights, values):
        return values @ weights.mT.oops

    verdict = exercise.context(broken)
    assert "return values @ weights.mT.oops" in verdict.message
    assert "oops" in verdict.message


# --- 6. confidence -------------------------------------------------------------------------------------


def shipped():
    try:
        return find("translate-grammar-additive-seed0").is_file()
    except CheckpointError:
        return False


needs_checkpoint = pytest.mark.skipif(
    not shipped(), reason="translate-grammar-additive-seed0 is not in data/"
)


@needs_checkpoint
@pytest.mark.parametrize(
    "right",
    [
        lambda w: w.max(dim=-1).values,
        lambda w: (w * w.clamp_min(1e-9).log()).sum(-1),
        lambda w: w.topk(2).values[:, 0].numpy() - w.topk(2).values[:, 1].numpy(),
    ],
    ids=["largest weight", "entropy", "lead over the second, as an array"],
)
def test_sureness_passes(right):
    verdict = exercise.confidence(right)
    assert verdict, verdict.message


@needs_checkpoint
@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("turned round", lambda w: -(w * w.clamp_min(1e-9).log()).sum(-1)),
        ("same number", lambda w: w.sum(-1)),
        ("ran over the queries", lambda w: w.max(dim=0).values),
        ("one number for the whole map", lambda w: w.max()),
        ("not finite", lambda w: (w.where(w > 0.01, 0.0).log() * 0.5).sum(-1)),
        ("a coin has", lambda w: torch.arange(len(w)).sin()),
        ("returned nothing", lambda w: None),
        ("without calling it", torch.ones(3)),
        ("one for each row; got a str", lambda w: "sure"),
        ("ZeroDivisionError", lambda w: w / (0 // 0)),
    ],
)
def test_each_known_mistake_of_confidence_gets_its_own_diagnosis(words, wrong):
    verdict = exercise.confidence(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


@needs_checkpoint
def test_confidence_not_started(capsys):
    assert exercise.confidence(stub) == Verdict("not started", "not started yet")
    assert capsys.readouterr().out == "not started yet\n"


def test_the_area_is_that_of_the_curve():
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(0)
    numbers, right = draw.integers(0, 5, 200), draw.random(200) < 0.6
    assert exercise._area(numbers, right) == pytest.approx(roc_auc_score(right, numbers))
