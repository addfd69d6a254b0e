"""The exercises of chapter 10: answers written as a student would write them, right ones and the known mistakes."""

import pytest
import torch

from tfedu.exercises import Verdict
from tfedu.exercises import in_context_learning as exercise


def guess(tokens):
    seen, guesses = {}, []
    for t, token in enumerate(tokens):
        guesses.append(seen.get(token, -1))
        if t:
            seen[tokens[t - 1]] = token
            if token == tokens[t - 1]:
                guesses[-1] = token
    return guesses


def search(tokens, order, at):
    guesses = []
    for t in range(len(tokens)):
        found = [tokens[s + at] for s in order(t) if tokens[s] == tokens[t] and 0 <= s + at < len(tokens)]
        guesses.append(found[0] if found else -1)
    return guesses


RULE = {
    "*first* occurrence": lambda tokens: search(tokens, range, 1),
    "return the token itself": lambda tokens: search(tokens, lambda t: range(t - 1, -1, -1), 0),
    "at its own place": lambda tokens: [*tokens[1:], -1],
    "what stood *before*": lambda tokens: [
        tokens[max(places) - 1]
        if (places := [s for s in range(t) if tokens[s] == tokens[t]]) and max(places)
        else -1
        for t in range(len(tokens))
    ],
    "at the last place only": lambda tokens: guess(tokens)[-1:],
}


def accuracy(k, inputs, outputs):
    unseen = ((inputs - 1) / inputs) ** k
    return (1 - unseen) + unseen / outputs


ACCURACY = {
    "right by luck": lambda k, inputs, outputs: 1 - ((inputs - 1) / inputs) ** k,
    "changed places": lambda k, inputs, outputs: accuracy(k, outputs, inputs),
    "some come twice": lambda k, inputs, outputs: min(k / inputs, 1) * (1 - 1 / outputs) + 1 / outputs,
    "One example too many": lambda k, inputs, outputs: accuracy(k + 1, inputs, outputs),
    "must be wrong": lambda k, inputs, outputs: 1 - accuracy(k, inputs, outputs),
    "to all": lambda k, inputs, outputs: 1 - ((inputs - 1) / inputs) ** k + 1 / outputs,
}


def edges(tokens):
    T = len(tokens)
    out = torch.zeros(T, T, dtype=torch.bool)
    for t in range(T):
        for s in range(1, t + 1):
            out[t, s] = tokens[s - 1] == tokens[t]
    return out


def every(tokens, test):
    T = len(tokens)
    return torch.tensor([[bool(test(t, s)) for s in range(T)] for t in range(T)])


EDGES = {
    "changed places": lambda tokens: edges(tokens).T,
    "earlier occurrence itself": lambda tokens: every(tokens, lambda t, s: s < t and tokens[s] == tokens[t]),
    "into the future": lambda tokens: every(tokens, lambda t, s: s and tokens[s - 1] == tokens[t]),
    "stood *before*": lambda tokens: every(
        tokens, lambda t, s: s <= t and s + 1 < len(tokens) and tokens[s + 1] == tokens[t]
    ),
    "only the latest": lambda tokens: torch.stack(
        [row & (torch.arange(len(row)) == row.nonzero().max()) if row.any() else row for row in edges(tokens)]
    ),
    "twice in a row": lambda tokens: edges(tokens) & ~torch.eye(len(tokens), dtype=torch.bool),
}


def score(weights, edges):
    rows = [t for t in range(len(edges)) if edges[t].any()]
    return torch.stack([torch.stack([w[t][edges[t]].sum() for t in rows]).mean() for w in weights])


SCORE = {
    "no such edge": lambda weights, edges: (weights * edges).sum((1, 2)) / len(edges),
    "average over edges": lambda weights, edges: (weights * edges).sum((1, 2)) / edges.sum(),
    "one number for all": lambda weights, edges: score(weights, edges).mean(),
    "grows with the text": lambda weights, edges: (weights * edges).sum((1, 2)),
    "the largest edge": lambda weights, edges: (weights * edges).max(2).values.sum(1) / edges.any(1).sum(),
}


def look(T, n):
    return shifted(T, n - 1)


def shifted(T, back):
    out = torch.eye(T)
    out[back:] = 0
    for t in range(back, T):
        out[t, t - back] = 1
    return out


FIXED = {
    "n places back": lambda T, n: shifted(T, n),
    "*before* the earlier": lambda T, n: shifted(T, n + 1),
    "looks ahead": lambda T, n: look(T, n).T,
    "previous-token head": lambda T, n: shifted(T, 1),
    "rows are empty": lambda T, n: torch.diag(torch.ones(T - n + 1), 1 - n),
}

FAMILIES = {
    "rule": (exercise.induction_rule, guess, RULE),
    "accuracy": (exercise.few_shot_accuracy, accuracy, ACCURACY),
    "edges": (exercise.induction_edges, edges, EDGES),
    "score": (exercise.induction_score, score, SCORE),
    "fixed": (exercise.fixed_period, look, FIXED),
}


# --- the head by hand, which has many right answers ---------------------------------------------------------------


def halves(V):
    eye, nothing = torch.eye(V), torch.zeros(V, V)
    return torch.cat([eye, nothing]), torch.cat([nothing, eye])


def head(q=0, k=1, v=0, size=40.0):
    def make(V):
        read = halves(V)
        return size * read[q], read[k], read[v]

    return make


def test_the_head_made_by_hand_passes():
    assert exercise.induction_head(head())

    def turned(V):  # in any other basis too
        W_q, W_k, W_v = head()(V)
        Q = torch.linalg.qr(torch.randn(V, V, generator=torch.Generator().manual_seed(0))).Q
        return W_q @ Q, W_k @ Q, 3 * W_v

    assert exercise.induction_head(turned)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("finds the token itself", head(k=0)),
        ("finds the token itself", head(q=1, k=1)),
        ("changed places", head(q=1, k=0)),
        ("need to be larger", head(size=2.0)),
        ("overflow", head(size=float("inf"))),
        ("wrong half", head(v=1)),
        ("is not the token there", lambda V: (*head()(V)[:2], head()(V)[2].flip(1))),
        ("three matrices", lambda V: torch.zeros(2 * V, V)),
        ("three matrices", lambda V: tuple(W.T for W in head()(V))),
        ("returned nothing", lambda V: None),
        ("the function itself", 3),
        ("ZeroDivisionError", lambda V: V // 0),
        ("Only", lambda V: tuple(0 * W for W in head()(V))),
    ],
)
def test_each_known_mistake_of_the_head_gets_its_own_diagnosis(words, wrong):
    verdict = exercise.induction_head(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_a_stub_of_the_head_is_not_started_yet():
    def make(V):
        raise NotImplementedError

    assert exercise.induction_head(make) == Verdict("not started", "not started yet")
