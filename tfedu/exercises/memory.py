"""The exercises of chapter 4, "Memory": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function, check_open

#: The shipped network that `fool` plays against, and the longest story that it may be told there.
OPPONENT, LONGEST = "memn2n-stories-seed0", 12


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. One hop --------------------------------------------------------------------------------------------


def hop(
    answer: Callable[
        [Float[Tensor, "B D"], Float[Tensor, "B S D"], Float[Tensor, "B S D"]], Float[Tensor, "B D"]
    ],
) -> Verdict:
    """Judge ``hop(u, m, c)``: the state after one look, for keys m and values c."""
    cases = [_draw((b, d), (b, s, d), (b, s, d)) for b, s, d in ((4, 4, 4), (2, 5, 3), (1, 3, 6))]

    def look(u: Tensor, m: Tensor, c: Tensor, axis: int = 1, scale: float = 1.0) -> Tensor:
        p = (torch.einsum("bd,bsd->bs", u, m) * scale).softmax(dim=axis)
        return torch.einsum("bs,bsd->bd", p, c)

    return check_function(
        answer,
        reference=lambda u, m, c: u + look(u, m, c),
        cases=cases,
        mistakes=[
            Mistake(
                look,
                "That is what the hop found, o. The state after it is u + o: without u, the next hop has "
                "forgotten the question.",
            ),
            Mistake(
                lambda u, m, c: u + look(u, m, c, axis=0),
                "The softmax runs over the batch, so stories compete with each other. Which axis holds the "
                "sentences of one story?",
            ),
            Mistake(
                lambda u, m, c: u + torch.einsum("bs,bsd->bd", torch.einsum("bd,bsd->bs", u, m), c),
                "The softmax is missing. Bare scores are what training uses at its linear start; a hop's weights "
                "are positive and sum to one.",
            ),
            Mistake(
                lambda u, m, c: u + look(u, m, c, scale=u.shape[-1] ** -0.5),
                "You divide the scores by √D. That came two years later, with the Transformer; here the dot "
                "product stands as it is.",
            ),
            Mistake(
                lambda u, m, c: u + look(u, m, m),
                "What is gathered comes from m, the keys. A sentence is found by one vector and told by another: "
                "gather from c.",
            ),
            Mistake(
                lambda u, m, c: u + look(u, c, c),
                "You score the question against c, the values. A sentence is found by its key, m.",
            ),
        ],
        praise="Ask, gather, and add what was found to the question: now it can ask for more.",
    )


# --- 2. Position encoding ----------------------------------------------------------------------------------


def position_encoding(answer: Callable[[int, int], Float[Tensor, "J D"]]) -> Verdict:
    """Judge ``position_encoding(J, D)``: the weight of word j in feature k, both counted from 1."""

    def table(J: int, D: int, first: int = 1) -> tuple[Tensor, Tensor]:
        j = torch.arange(first, J + first).unsqueeze(1) / J
        k = torch.arange(first, D + first).unsqueeze(0) / D
        return j, k

    def reference(J: int, D: int) -> Tensor:
        j, k = table(J, D)
        return (1 - j) - k * (1 - 2 * j)

    def from_zero(J: int, D: int) -> Tensor:
        j, k = table(J, D, first=0)
        return (1 - j) - k * (1 - 2 * j)

    def added(J: int, D: int) -> Tensor:
        j, k = table(J, D)
        return (1 - j) + k * (1 - 2 * j)

    return check_function(
        answer,
        reference=reference,
        cases=[(5, 8), (3, 20), (1, 4), (6, 6)],
        mistakes=[
            Mistake(
                from_zero,
                "You count j and k from 0, as Python does; the paper counts from 1. torch.arange(1, J + 1).",
            ),
            Mistake(
                lambda J, D: (1 - table(J, D)[0]).expand(J, D),
                "Only the first part is there, 1 - j/J: it is the same in every feature. The second part, with k/D, "
                "lets the last features prefer the last words.",
            ),
            Mistake(
                lambda J, D: reference(J, D).T,
                "The table is turned round: rows are the words, columns the features.",
            ),
            Mistake(
                lambda J, D: torch.ones(J, D),
                "All words weigh the same: that is the bag of words, which this is meant to improve on.",
            ),
            Mistake(added, "A sign: the second part is subtracted."),
        ],
        praise="Early words lean on the first features, late words on the last: the sum now knows the order.",
    )


# --- 3. Several hops ---------------------------------------------------------------------------------------


def hops(
    answer: Callable[[Float[Tensor, "B D"], list[Float[Tensor, "B S D"]]], Float[Tensor, "B D"]],
) -> Verdict:
    """Judge ``hops(u, memories)``: the state after all hops, with adjacent tying."""
    cases = []
    for b, s, d, k in ((2, 4, 3, 3), (1, 5, 4, 1), (3, 3, 2, 2)):
        u, *memories = _draw((b, d), *[(b, s, d)] * (k + 1))
        cases.append((u, memories))

    def look(u: Tensor, m: Tensor, c: Tensor) -> Tensor:
        return torch.einsum("bs,bsd->bd", torch.einsum("bd,bsd->bs", u, m).softmax(dim=1), c)

    def run(u: Tensor, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        for m, c in pairs:
            u = u + look(u, m, c)
        return u

    def never_adds(u: Tensor, E: list[Tensor]) -> Tensor:
        for m, c in pairwise(E):
            u = look(u, m, c)
        return u

    def asks_the_same(u: Tensor, E: list[Tensor]) -> Tensor:
        return u + torch.stack([look(u, m, c) for m, c in pairwise(E)]).sum(dim=0)

    return check_function(
        answer,
        reference=lambda u, E: run(u, list(pairwise(E))),
        cases=cases,
        mistakes=[
            Mistake(
                lambda u, E: run(u, [(E[0], c) for c in E[1:]]),
                "Every hop uses the first memory as its keys. With adjacent tying the keys of hop k + 1 are the "
                "values of hop k.",
            ),
            Mistake(
                lambda u, E: run(u, [(m, m) for m in E[:-1]]),
                "Keys and values of a hop are the same tensor; the values are the next one in the list.",
            ),
            Mistake(
                lambda u, E: run(u, list(zip(E[::2], E[1::2], strict=False))),
                "You take the memories two by two. K + 1 of them make K hops: each inner one serves twice.",
            ),
            Mistake(
                lambda u, E: run(u, [(E[0], E[1])]),
                "Only one hop was made. A list of K + 1 memories asks for K.",
            ),
            Mistake(never_adds, "u is replaced by what was found; it should be added to."),
            Mistake(
                asks_the_same,
                "Every hop asks the first question again. The second hop's question is u + o, or it could not "
                "use what the first has found.",
            ),
        ],
        praise="K hops from K + 1 memories, each asking with what is known so far.",
    )


# --- 4. How old is a sentence? -----------------------------------------------------------------------------


def ages(answer: Callable[[Bool[Tensor, "B S"]], Int[Tensor, "B S"]]) -> Verdict:
    """Judge ``ages(real)``: 0 for the newest sentence of each story, -1 where there is none."""
    cases = [
        (torch.arange(n) < torch.tensor(lengths).unsqueeze(1),)
        for n, lengths in ((4, [4, 2, 3]), (6, [1, 6]), (3, [0, 2]))
    ]

    def reference(real: Tensor) -> Tensor:
        old = real.sum(dim=1, keepdim=True) - 1 - torch.arange(real.shape[1])
        return old.masked_fill(~real, -1)

    def from_the_edge(real: Tensor) -> Tensor:
        return (real.shape[1] - 1 - torch.arange(real.shape[1])).expand(real.shape).masked_fill(~real, -1)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda real: torch.arange(real.shape[1]).expand(real.shape).masked_fill(~real, -1),
                "You count from the oldest. In stories of different lengths the newest sentence then has a "
                "different number in each, and “the last time” cannot be learned.",
            ),
            Mistake(
                from_the_edge,
                "You count from the edge of the tensor, so padding ages a short story. Count from its own last "
                "sentence.",
            ),
            Mistake(
                lambda real: real.sum(dim=1, keepdim=True) - 1 - torch.arange(real.shape[1]),
                "Places after the story have ages below -1 that differ. Mark all of them with -1.",
            ),
            Mistake(
                lambda real: reference(real).clamp_min(0),
                "Padding has age 0, like the newest sentence: nobody could tell them apart. Mark it with -1.",
            ),
            Mistake(
                lambda real: reference(real) + real,
                "The newest sentence has age 1; ages begin at 0.",
            ),
        ],
        praise="The newest sentence is 0 in every story, so one learned vector can mean “most recent”.",
    )


# --- 5. Where it looked ------------------------------------------------------------------------------------


def hits(
    answer: Callable[[Float[Tensor, "B S"], Int[Tensor, " B"], Bool[Tensor, " B"]], float],
) -> Verdict:
    """Judge ``hits(weights, fact, right)``: of the rightly answered, the share whose peak is on the fact."""
    generator = torch.Generator().manual_seed(0)
    cases = []
    for B, S in ((8, 5), (12, 3), (9, 9)):
        weights = (3 * torch.randn(B, S, generator=generator)).softmax(dim=1)
        fact = torch.where(
            torch.rand(B, generator=generator) < 0.6,
            weights.argmax(dim=1),
            torch.randint(S, (B,), generator=generator),
        )
        cases.append((weights, fact, torch.rand(B, generator=generator) < 0.6))

    def on(weights: Tensor, fact: Tensor) -> Tensor:
        return weights.argmax(dim=1) == fact

    return check_function(
        answer,
        reference=lambda weights, fact, right: on(weights, fact)[right].float().mean().item(),
        cases=cases,
        mistakes=[
            Mistake(
                lambda weights, fact, right: on(weights, fact).float().mean().item(),
                "You count the wrongly answered questions too. The claim speaks of the right ones.",
            ),
            Mistake(
                lambda weights, fact, right: (on(weights, fact) & right).float().mean().item(),
                "You divide by all questions. Divide by those that were answered rightly.",
            ),
            Mistake(
                lambda weights, fact, right: (
                    (on(weights, fact) & right).sum() / on(weights, fact).sum()
                ).item(),
                "That is the share of right answers among the hits: the question the other way round.",
            ),
            Mistake(
                lambda weights, fact, right: (
                    weights.gather(1, fact.unsqueeze(1)).squeeze(1)[right].mean().item()
                ),
                "You average the weight on the fact. Ask instead whether the largest weight is there: a yes or "
                "no for each question.",
            ),
        ],
        praise="Peaks on the fact, among the right answers only.",
    )


# --- 6. Fool it --------------------------------------------------------------------------------------------


def fool(sentences: Any, question: Any) -> Verdict:
    """Judge a story and a question that the shipped network should answer wrongly, though the story tells."""
    return check_open(_judge_fool, sentences, question)


def _judge_fool(sentences: Any, question: Any) -> Verdict:
    from tfedu.data.stories import ask, replay
    from tfedu.reader import Reader

    if sentences is ... or question is ... or not sentences:
        return Verdict("not started", "not started yet")
    if isinstance(sentences, str) or not all(isinstance(one, str) for one in (*sentences, question)):
        return Verdict(
            "wrong", 'Give a list of sentences and a question: ["anna went to the hall"], "where …".'
        )
    if len(sentences) > LONGEST:
        return Verdict(
            "wrong", f"{len(sentences)} sentences; use at most {LONGEST}, or length alone would do it."
        )
    told = [tuple(one.lower().rstrip(" .").split()) for one in sentences]
    asked = tuple(question.lower().rstrip(" ?").split())
    try:
        world = replay(told)
    except ValueError as error:
        return Verdict("wrong", f"This cannot happen: {error}")
    try:
        truth, facts = ask(world, asked)
    except ValueError:
        return Verdict(
            "wrong",
            "The story does not tell, so no answer would be wrong. Ask “where is PERSON”, “where is the THING”, or "
            "“where was the THING before the ROOM”.",
        )
    reading = Reader.from_pretrained(OPPONENT)(told, asked)
    if reading.answer == truth:
        sure = reading.odds[truth]
        return Verdict(
            "wrong",
            f"It says “{truth}” ({sure:.0%}), and that is right. What has it seldom seen in training?",
        )
    needed = ", ".join(f"“{sentences[fact]}”" for fact in facts)
    seen = ", ".join(f"“{sentences[int(k)]}”" for k in reading.looks.argmax(dim=-1))
    return Verdict(
        "right",
        f"It says “{reading.answer}”; it is “{truth}”, by {needed}. Its hops looked at {seen}.",
    )
