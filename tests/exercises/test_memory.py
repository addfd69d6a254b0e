"""The exercises of the chapter on memory: the right answer passes, each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import json
import random
import re
from pathlib import Path

import pytest
import torch

from tfedu.data import stories
from tfedu.exercises import Verdict
from tfedu.exercises import memory as exercise
from tfedu.weights import CheckpointError, find

# --- 1. one hop ------------------------------------------------------------------------------------------


def weights(u, m, scale=1.0):
    return torch.softmax((u[:, None] * m).sum(-1) * scale, dim=-1)


def gathered(p, c):
    return (p[..., None] * c).sum(1)


def hop(u, m, c):
    return gathered(weights(u, m), c) + u


HOP = {
    "has forgotten the question": lambda u, m, c: gathered(weights(u, m), c),
    "runs over the batch": lambda u, m, c: u + gathered(torch.softmax((m @ u[:, :, None])[..., 0], 0), c),
    "softmax is missing": lambda u, m, c: u + gathered((m @ u[:, :, None])[..., 0], c),
    "divide the scores by √D": lambda u, m, c: u + gathered(weights(u, m, u.shape[1] ** -0.5), c),
    "comes from m, the keys": lambda u, m, c: u + gathered(weights(u, m), m),
    "found by its key, m": lambda u, m, c: u + gathered(weights(u, c), c),
}


# --- 2. position encoding --------------------------------------------------------------------------------


def position_encoding(J, D):
    return torch.tensor(
        [[(1 - j / J) - (k / D) * (1 - 2 * j / J) for k in range(1, D + 1)] for j in range(1, J + 1)]
    )


POSITION = {
    "the paper counts from 1": lambda J, D: torch.tensor(
        [[(1 - j / J) - (k / D) * (1 - 2 * j / J) for k in range(D)] for j in range(J)]
    ),
    "Only the first part": lambda J, D: torch.tensor([[1 - j / J] * D for j in range(1, J + 1)]),
    "rows are the words": lambda J, D: position_encoding(J, D).transpose(0, 1),
    "bag of words": lambda J, D: torch.full((J, D), 1.0),
    "A sign": lambda J, D: torch.tensor(
        [[(1 - j / J) + (k / D) * (1 - 2 * j / J) for k in range(1, D + 1)] for j in range(1, J + 1)]
    ),
}


# --- 3. several hops -------------------------------------------------------------------------------------


def hops(u, memories):
    for k in range(len(memories) - 1):
        u = hop(u, memories[k], memories[k + 1])
    return u


def keys_stay(u, memories):
    for c in memories[1:]:
        u = hop(u, memories[0], c)
    return u


def keys_are_values(u, memories):
    for m in memories[:-1]:
        u = hop(u, m, m)
    return u


def two_by_two(u, memories):
    for k in range(0, len(memories) - 1, 2):
        u = hop(u, memories[k], memories[k + 1])
    return u


def replaced(u, memories):
    for k in range(len(memories) - 1):
        u = gathered(weights(u, memories[k]), memories[k + 1])
    return u


def same_question(u, memories):
    found = [gathered(weights(u, memories[k]), memories[k + 1]) for k in range(len(memories) - 1)]
    return u + sum(found)


HOPS = {
    "first memory as its keys": keys_stay,
    "are the same tensor": keys_are_values,
    "two by two": two_by_two,
    "Only one hop": lambda u, memories: hop(u, memories[0], memories[1]),
    "it should be added to": replaced,
    "asks the first question again": same_question,
}


# --- 4. ages ---------------------------------------------------------------------------------------------


def ages(real):
    return torch.tensor(
        [[sum(row) - 1 - i if is_real else -1 for i, is_real in enumerate(row)] for row in real.tolist()]
    )


AGES = {
    "count from the oldest": lambda real: torch.where(real, real.cumsum(1) - 1, -1),
    "edge of the tensor": lambda real: torch.where(real, torch.arange(real.shape[1]).flip(0), -1),
    "below -1 that differ": lambda real: real.sum(1)[:, None] - 1 - torch.arange(real.shape[1]),
    "Padding has age 0": lambda real: ages(real).clamp(min=0),
    "ages begin at 0": lambda real: torch.where(real, ages(real) + 1, -1),
}


# --- 5. hits ---------------------------------------------------------------------------------------------


def peaks(weights, fact):
    return [int(row.argmax()) == int(f) for row, f in zip(weights, fact, strict=True)]


def hits(weights, fact, right):
    kept = [hit for hit, ok in zip(peaks(weights, fact), right.tolist(), strict=True) if ok]
    return sum(kept) / len(kept)


def both(weights, fact, right):
    return sum(hit and ok for hit, ok in zip(peaks(weights, fact), right.tolist(), strict=True))


HITS = {
    "wrongly answered questions too": lambda w, f, r: sum(peaks(w, f)) / len(w),
    "divide by all questions": lambda w, f, r: both(w, f, r) / len(w),
    "the other way round": lambda w, f, r: both(w, f, r) / sum(peaks(w, f)),
    "average the weight": lambda w, f, r: (
        sum(float(w[i, f[i]]) for i in range(len(w)) if r[i]) / int(r.sum())
    ),
}


#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "hop": (exercise.hop, hop, HOP),
    "position_encoding": (exercise.position_encoding, position_encoding, POSITION),
    "hops": (exercise.hops, hops, HOPS),
    "ages": (exercise.ages, ages, AGES),
    "hits": (exercise.hits, hits, HITS),
}


def test_an_exception_is_told_with_its_line():
    def broken(u, m, c):
        return m @ u.oops

    verdict = exercise.hop(broken)
    assert "return m @ u.oops" in verdict.message


# --- 6. fool ---------------------------------------------------------------------------------------------


def shipped():
    try:
        return find(exercise.OPPONENT).is_file()
    except CheckpointError:
        return False


needs_checkpoint = pytest.mark.skipif(not shipped(), reason=f"{exercise.OPPONENT} is not in data/")


@needs_checkpoint
@pytest.mark.parametrize(
    ("sentences", "question", "words"),
    [
        (["anna took the lamp"], "where is the lamp", "cannot happen: nobody told where anna is"),
        (["anna flew to the hall"], "where is anna", "no sentence of this world"),
        (["anna went to the hall"], "where is ben", "does not tell"),
        (["anna went to the hall"], "why", "does not tell"),
        (["anna went to the hall"] * 13, "where is anna", "at most 12"),
        ("anna went to the hall", "where is anna", "Give a list of sentences"),
    ],
)
def test_what_is_no_proper_story_is_told(sentences, question, words):
    verdict = exercise.fool(sentences, question)
    assert verdict.state == "wrong"
    assert words in verdict.message


@needs_checkpoint
def test_a_right_answer_does_not_pass_and_a_wrong_one_does():
    """Such stories are there, and can be found by chance: the search below is what a patient student does."""
    rng = random.Random(0)
    seen = set()
    for _ in range(4000):
        world = stories.tell(rng, rng.randint(3, exercise.LONGEST), things=True)
        questions = [("where", "is", one) for one in world.room]
        questions += [("where", "is", "the", thing) for thing in world.place]
        question = rng.choice(questions)
        verdict = exercise._judge_fool([" ".join(s) for s in world.sentences], " ".join(question))
        truth, _ = stories.ask(world, question)
        assert f"“{truth}”" in verdict.message
        seen.add(verdict.state)
        if verdict:
            assert "that is right" not in verdict.message
        if len(seen) == 2:
            break
    assert seen == {"right", "wrong"}


def test_fool_not_started(capsys):
    assert exercise.fool(..., ...) == Verdict("not started", "not started yet")
    assert exercise.fool([], "") == Verdict("not started", "not started yet")


# --- the chapter's own solutions -------------------------------------------------------------------------

NOTEBOOK = Path(__file__).parents[2] / "book" / "2_attention_without_recurrence" / "04_memory.ipynb"


@pytest.mark.skipif(not NOTEBOOK.is_file(), reason="the chapter is not there")
def test_the_chapters_solutions_pass_their_checks():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    solutions = re.findall(r"^:::\{solution\}.*?```python\n(.*?)```", prose, flags=re.DOTALL | re.MULTILINE)
    names = {"torch": torch}
    checked = set()
    for solution in solutions:
        if "def " not in solution:
            continue
        exec(solution, names)
        name = re.search(r"def (\w+)", solution)[1]
        assert getattr(exercise, name)(names[name])
        checked.add(name)
    assert checked == set(FAMILIES)
