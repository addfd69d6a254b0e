"""The exercises of chapter 6: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from tfedu.exercises import Verdict
from tfedu.exercises import transformer as exercise
from tfedu.weights import CheckpointError, find


def norm(x):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()


# --- 2. residual -----------------------------------------------------------------------------------------


def residual(x, sublayer, pre):
    if pre:
        return x + sublayer(norm(x))
    return norm(x + sublayer(x))


RESIDUAL = {
    "changed places": lambda x, f, pre: norm(x + f(x)) if pre else x + f(norm(x)),
    "*normed* x": lambda x, f, pre: norm(x) + f(norm(x)) if pre else norm(x + f(x)),
    "output alone": lambda x, f, pre: x + f(norm(x)) if pre else x + norm(f(x)),
    "residual is missing": lambda x, f, pre: f(norm(x)) if pre else norm(f(x)),
    "no norm at all": lambda x, f, pre: x + f(x),
    "norm twice": lambda x, f, pre: x + f(norm(x)) if pre else norm(x + f(norm(x))),
}


# --- 3. learning rate --------------------------------------------------------------------------------------


def learning_rate(step, width, warmup):
    peak = 1 / math.sqrt(width * warmup)
    return peak * step / warmup if step < warmup else peak * math.sqrt(warmup / step)


RATE = {
    "larger of the two": lambda n, d, w: d**-0.5 * max(n**-0.5, n * w**-1.5),
    "width is missing": lambda n, d, w: min(n**-0.5, n * w**-1.5),
    "*smaller* rate": lambda n, d, w: d**0.5 * min(n**-0.5, n * w**-1.5),
    "no warm-up": lambda n, d, w: (d * n) ** -0.5,
    "do not meet": lambda n, d, w: d**-0.5 * min(n**-0.5, n / w),
}


# --- 4. label smoothing ------------------------------------------------------------------------------------


def smoothed_loss(logits, right, share):
    return F.cross_entropy(logits, right, label_smoothing=share)


def wanted(logits, right, at_right, elsewhere):
    target = torch.full_like(logits, elsewhere)
    target[torch.arange(len(right)), right] = at_right
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


def mixed(logits, right, share):
    p = logits.softmax(-1)[torch.arange(len(right)), right]
    return -((1 - share) * p + share / logits.shape[-1]).log().mean()


SMOOTHED = {
    "*other* words": lambda x, y, e: wanted(x, y, 1 - e, e / (x.shape[-1] - 1)),
    "1 + share": lambda x, y, e: wanted(x, y, 1 + e / x.shape[-1], e / x.shape[-1]),
    "whole share": lambda x, y, e: wanted(x, y, 1.0, e),
    "smooths the prediction": mixed,
    "two masses": lambda x, y, e: wanted(x, y, e + (1 - e) / x.shape[-1], (1 - e) / x.shape[-1]),
    "plain cross-entropy": lambda x, y, e: F.cross_entropy(x, y),
    "sign is turned": lambda x, y, e: -F.cross_entropy(x, y, label_smoothing=e),
    "add the words up": lambda x, y, e: F.cross_entropy(x, y, label_smoothing=e, reduction="sum"),
}


# --- 5. cached step ----------------------------------------------------------------------------------------


def cached_step(q, k, v, cache):
    keys, values = (torch.cat(pair, dim=1) for pair in zip(cache, (k, v), strict=True))
    return F.scaled_dot_product_attention(q, keys, values), (keys, values)


def front(q, k, v, cache):
    keys, values = torch.cat([k, cache[0]], 1), torch.cat([v, cache[1]], 1)
    return F.scaled_dot_product_attention(q, keys, values), (keys, values)


def unscaled(q, k, v, cache):
    keys, values = torch.cat([cache[0], k], 1), torch.cat([cache[1], v], 1)
    return F.scaled_dot_product_attention(q, keys, values, scale=1.0), (keys, values)


CACHED = {
    "cannot see itself": lambda q, k, v, c: (
        F.scaled_dot_product_attention(q, *c),
        cached_step(q, k, v, c)[1],
    ),
    "old cache": lambda q, k, v, c: (cached_step(q, k, v, c)[0], c),
    "newest word alone": lambda q, k, v, c: (cached_step(q, k, v, c)[0], (k, v)),
    "itself alone": lambda q, k, v, c: (v, cached_step(q, k, v, c)[1]),
    "in front": front,
    "root of K": unscaled,
    "changed places in the cache": lambda q, k, v, c: (
        cached_step(q, k, v, c)[0],
        cached_step(q, k, v, c)[1][::-1],
    ),
}


#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "residual": (exercise.residual, residual, RESIDUAL),
    "learning_rate": (exercise.learning_rate, learning_rate, RATE),
    "smoothed_loss": (exercise.smoothed_loss, smoothed_loss, SMOOTHED),
    "cached_step": (exercise.cached_step, cached_step, CACHED),
}


def test_an_exception_is_told_with_its_line():
    def broken(logits, right, share):
        return logits.oops(right)

    verdict = exercise.smoothed_loss(broken)
    assert "return logits.oops(right)" in verdict.message


# --- 1. maps -----------------------------------------------------------------------------------------------


def test_the_number_of_maps():
    assert exercise.maps(144)
    assert exercise.maps(...).state == "not started"
    said = {exercise.maps(n).message for n in (96, 48, 18, 24, 12, 192)}
    assert len(said) == 6
    assert all(str(n) in exercise.maps(n).message for n in (96, 48, 18, 12, 192))


# --- 6. silence --------------------------------------------------------------------------------------------


def shipped():
    try:
        return find(exercise.TRANSLATOR).is_file()
    except CheckpointError:
        return False


needs_checkpoint = pytest.mark.skipif(not shipped(), reason=f"{exercise.TRANSLATOR} is not in data/")


def everything():
    return [
        (f"{side}.{layer}.{kind}_attention", head)
        for layer in (0, 1)
        for side, kind in (("encoder", "self"), ("decoder", "self"), ("decoder", "cross"))
        for head in range(4)
    ]


@needs_checkpoint
def test_the_chapter_s_solution_passes():
    verdict = exercise.silence(SOLUTION)
    assert verdict, verdict.message


#: As in the chapter's folded solution.
SOLUTION = [("encoder.0.self_attention", h) for h in range(4)] + [
    ("encoder.1.self_attention", h) for h in (2, 3)
]


@needs_checkpoint
@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("at least 6 are wanted", everything()[:2]),
        ("listed twice", everything()[:5] * 2),
        ("No map is named", [("encoder.7.self_attention", 0)]),
        ("has the heads 0 to 3", [("encoder.0.self_attention", 4)]),
        ("no pair", [3]),
        ("Give a list of pairs", "encoder"),
        ("nothing passes there", everything()),
        ("rank them by what each costs", [one for one in everything() if one[1] != 0]),
    ],
)
def test_each_known_mistake_of_silence_gets_its_own_diagnosis(words, wrong):
    verdict = exercise.silence(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_silence_not_started(capsys):
    assert exercise.silence(...) == Verdict("not started", "not started yet")
    assert capsys.readouterr().out == "not started yet\n"
