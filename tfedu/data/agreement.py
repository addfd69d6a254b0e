"""Right or wrong English: sentences of the grammar, half of them with one verb in the wrong form.

"the cat of the children sleeps" is right, "the cat of the children sleep" is not: to tell, one must find the verb's
subject, which need not be the nearest noun; and after "will" or "does not" no ending may stand at all. The grammar
makes as many such sentences as one likes, so labels can be few and texts many.
"""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

from tfedu.data import grammar
from tfedu.data.lexicon import VERBS


class Judged(NamedTuple):
    """A sentence, and whether it is wrong (1) or right (0)."""

    words: tuple[str, ...]
    wrong: int


@cache
def other_form() -> dict[str, str]:
    """For each present form of a verb the one that agrees with other subjects: sleep, sleeps; have, has; ...

    Where the bare form is also a past, as of "read", either may be right, so the verb is left out.
    """
    pairs = {
        (verb.english[0].split()[0], verb.english[1].split()[0])
        for verb in VERBS
        if verb.english[0] != verb.english[2]
    }
    pairs |= {("have", "has"), ("do", "does")}
    return {a: b for one, two in sorted(pairs) for a, b in ((one, two), (two, one))}


def corpus(count: int, *, lengths: tuple[int, int] = (4, 12), seed: int = 0) -> list[Judged]:
    """`count` different sentences, about half of them wrong by one verb.

    Args:
        count: how many.
        lengths: shortest and longest, in words of the German side.
        seed: the same seed gives the same sentences.
    """
    dice, forms = random.Random(f"agreement {seed}"), other_form()
    made: dict[tuple[str, ...], int] = {}
    rounds = 0
    while len(made) < count:
        for pair in grammar.corpus(2 * count, lengths=lengths, seed=1_000_003 * rounds + seed):
            places = [n for n, word in enumerate(pair.target) if word in forms]
            if not places or pair.target in made:
                continue
            words, wrong = list(pair.target), dice.random() < 0.5
            if wrong:
                place = dice.choice(places)
                words[place] = forms[words[place]]
            made.setdefault(tuple(words), int(wrong))
            if len(made) == count:
                break
        rounds += 1
    return [Judged(words, wrong) for words, wrong in made.items()]
