"""The exercises of chapter 5: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import math

import pytest
import torch

from tfedu.blocks.positions import sinusoids
from tfedu.exercises import Verdict
from tfedu.exercises import self_attention as exercise


def softmax(e, axis):
    return e.exp() / e.exp().sum(axis, keepdim=True)


def scores(q, k):
    return torch.einsum("btk,bsk->bts", q, k)


def attention(q, k, v):
    return torch.einsum("bts,bsk->btk", softmax(scores(q, k) / math.sqrt(q.size(-1)), 2), v)


ATTENTION = {
    "Each column sums to 1": lambda q, k, v: softmax(scores(q, k) / math.sqrt(q.size(-1)), 1) @ v,
    "runs over the batch": lambda q, k, v: softmax(scores(q, k) / math.sqrt(q.size(-1)), 0) @ v,
    "not scaled": lambda q, k, v: scores(q, k).softmax(-1) @ v,
    "You divide by K": lambda q, k, v: (scores(q, k) / q.size(-1)).softmax(-1) @ v,
    "multiply by the square root": lambda q, k, v: (scores(q, k) * math.sqrt(q.size(-1))).softmax(-1) @ v,
    "number of tokens": lambda q, k, v: (scores(q, k) / math.sqrt(k.size(1))).softmax(-1) @ v,
    "scale what comes out": lambda q, k, v: scores(q, k).softmax(-1) @ v / math.sqrt(q.size(-1)),
    "changed places": lambda q, k, v: (scores(k, q) / math.sqrt(q.size(-1))).softmax(-1) @ v,
    "You gather the keys": lambda q, k, v: (scores(q, k) / math.sqrt(q.size(-1))).softmax(-1) @ k,
    "These are the weights": lambda q, k, v: (scores(q, k) / math.sqrt(q.size(-1))).softmax(-1),
}


def mask(words):
    B, S = words.shape
    open_ = torch.zeros(B, S, S, dtype=torch.bool)
    for b in range(B):
        for t in range(S):
            for s in range(t + 1):
                open_[b, t, s] = words[b, s]
    return open_


def tri(words, d=0):
    S = words.size(1)
    t = torch.arange(S)
    return (t[None, :] <= t[:, None] + d).expand(len(words), S, S)


MASK = {
    "inverted": lambda words: ~mask(words),
    "*future*": lambda words: tri(words).transpose(1, 2) & words.unsqueeze(1),
    "may not see itself": lambda words: tri(words, -1) & words.unsqueeze(1),
    "padding is open": lambda words: tri(words),
    "future is open": lambda words: words.unsqueeze(1).repeat(1, words.size(1), 1),
    "You close the *rows*": lambda words: tri(words) & words.unsqueeze(2),
    "*either* mask": lambda words: tri(words) | words.unsqueeze(1),
    "numbers to add": lambda words: torch.where(mask(words), 0.0, float("-inf")),
}


def split(x, heads):
    B, N, D = x.shape
    return x.view(B, N, heads, D // heads).transpose(1, 2)


SPLIT = {
    "cuts the tokens": lambda x, h: x.view(x.size(0), h, x.size(1), x.size(2) // h),
    "every H-th coordinate": lambda x, h: x.view(*x.shape[:2], x.size(2) // h, h).permute(0, 3, 1, 2),
    "stand behind the tokens": lambda x, h: x.view(*x.shape[:2], h, x.size(2) // h),
    "Tokens and coordinates": lambda x, h: split(x, h).transpose(2, 3),
}


def positions(N, D, start=0, power=lambda d, D: 2 * (d // 2) / D, even=math.sin, odd=math.cos):
    return torch.tensor(
        [
            [(odd if d % 2 else even)(n / 10_000 ** power(d, D)) for d in range(D)]
            for n in range(start, start + N)
        ]
    )


POSITIONS = {
    "All sines first": lambda N, D: torch.cat([positions(N, D)[:, ::2], positions(N, D)[:, 1::2]], 1),
    "swapped": lambda N, D: positions(N, D, even=math.cos, odd=math.sin),
    "first position is 1": lambda N, D: positions(N, D, start=1),
    "too slowly": lambda N, D: positions(N, D, power=lambda d, D: (d // 2) / D),
    "different wavelengths": lambda N, D: positions(N, D, power=lambda d, D: d / D),
    "on its side": lambda N, D: positions(N, D).T,
}


def turn(x, sign=1.0, start=0):
    out = torch.empty_like(x)
    N, K = x.shape
    for n in range(N):
        for i in range(K // 2):
            angle = sign * (n + start) * 10_000 ** (-2 * i / K)
            a, b = x[n, 2 * i], x[n, 2 * i + 1]
            out[n, 2 * i] = a * math.cos(angle) - b * math.sin(angle)
            out[n, 2 * i + 1] = a * math.sin(angle) + b * math.cos(angle)
    return out


def turn_halves(x):
    apart = torch.stack(x.chunk(2, -1), -1).flatten(1)
    return torch.stack(turn(apart).reshape(len(x), -1, 2).unbind(-1), 1).flatten(1)


def reflect(x):
    out = turn(x, sign=-1.0)
    out[:, 1::2] *= -1
    return out


TURN = {
    "add the sinusoids": lambda x: x + positions(*x.shape),
    "run backwards": lambda x: turn(x.flip(0)).flip(0),
    "Row 0 should stay": lambda x: turn(x, start=1),
    "i + K/2": turn_halves,
    "a reflection": reflect,
    "the other way": lambda x: turn(x, sign=-1.0),
}


def steps_back(sign=-1.0, size=30.0):
    """W_q turns each hand by one step, W_k leaves the keys; together they compare t - 1 with s."""

    def make(where):
        D = where.shape[1]
        W = torch.zeros(D, D)
        for i in range(0, D, 2):
            angle = sign * 10_000 ** (-i / D)
            c, s = math.cos(angle), math.sin(angle)
            # (sin a, cos a) @ W = (sin(a + angle), cos(a + angle))
            W[i, i], W[i + 1, i], W[i, i + 1], W[i + 1, i + 1] = c, s, -s, c
        return size * W, torch.eye(D)

    return make


KNOWN = [
    (exercise.scaled_dot_product, attention, ATTENTION),
    (exercise.decoder_mask, mask, MASK),
    (exercise.split_heads, split, SPLIT),
    (exercise.sinusoidal_positions, positions, POSITIONS),
    (exercise.rotary, turn, TURN),
]


@pytest.mark.parametrize(("check", "right", "wrong"), KNOWN, ids=lambda x: getattr(x, "__name__", ""))
def test_the_right_answer_passes(check, right, wrong):
    verdict = check(right)
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("check", "words", "wrong"),
    [(check, words, wrong) for check, _, mistakes in KNOWN for words, wrong in mistakes.items()],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_each_known_mistake_gets_its_own_diagnosis(check, words, wrong):
    verdict = check(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def stub(*given):
    raise NotImplementedError


@pytest.mark.parametrize("check", [*(check for check, _, _ in KNOWN), exercise.previous_token])
def test_a_stub_is_not_started(check, capsys):
    arguments = {"scaled_dot_product": 3, "split_heads": 2, "sinusoidal_positions": 2}
    n = arguments.get(check.__name__, 1)
    empty = {1: lambda a: stub(), 2: lambda a, b: stub(), 3: lambda a, b, c: stub()}[n]
    assert check(empty) == Verdict("not started", "not started yet")
    assert capsys.readouterr().out == "not started yet\n"


def test_the_head_made_by_hand_passes():
    verdict = exercise.previous_token(steps_back())
    assert verdict, verdict.message
    also = exercise.previous_token(lambda where: (torch.eye(64), steps_back(sign=1.0)(where)[0]))
    assert also, also.message  # the keys turned on instead of the queries turned back


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("looks at itself", lambda where: (30 * torch.eye(64), torch.eye(64))),
        ("*after* it", steps_back(sign=1.0)),
        ("need to be larger", steps_back(size=1.0)),
        ("overflow", lambda where: (1e30 * torch.eye(64), 1e30 * torch.eye(64))),
        ("(D, K), with D = 64", lambda where: (torch.eye(12), torch.eye(12))),
        ("two matrices", lambda where: torch.zeros(())),
        ("returned nothing", lambda where: None),
        ("ZeroDivisionError", lambda where: where / (0 // 0)),
    ],
)
def test_each_known_mistake_of_the_head_gets_its_own_diagnosis(words, wrong):
    verdict = exercise.previous_token(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_the_students_positions_are_the_papers():
    torch.testing.assert_close(positions(5, 6), sinusoids(5, 6))
