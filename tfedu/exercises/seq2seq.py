"""The exercises of chapter 1, "Sequence to sequence": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.data.matching import common
from tfedu.exercises import Diagnosis, Mistake, Verdict, check_function, check_value

BOS, EOS = 1, 2  # as in tfedu.data.text


# --- 1. What passes ----------------------------------------------------------------------------------------


def numbers_passed(answer: int) -> Verdict:
    """How many numbers the decoder gets of a 12-word source, from one LSTM layer of width 128."""
    return check_value(
        answer,
        right=256,
        mistakes=[
            Mistake(128, "That is h alone. An LSTM carries two vectors from step to step, not one."),
            Mistake(
                128 * 12,
                "That is one state for each word. The decoder of this chapter gets the last one only. "
                "(Giving it all of them is the next chapter.)",
            ),
            Mistake(256 * 12, "Right for one step, but only the last step's state passes on."),
            Mistake(64, "That is the width of a word's vector. What does the recurrence hand on?"),
            Mistake(64 * 12, "Those are the word vectors that go in. What comes out?"),
            Mistake(512, "The four gates live inside a step. Which vectors leave it?"),
        ],
        praise="256: h and c, 128 numbers each, for 12 words as for 4.",
    )


# --- 2. One step of an LSTM --------------------------------------------------------------------------------


def lstm_step(
    answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Verdict:
    """Judge ``lstm_step(x, h, c, w_x, w_h, b) -> (h, c)``; x is (B, E), w_x is (4H, E): gates i, f, g, o."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    cases = [
        (draw(b, e), draw(b, h), draw(b, h), draw(4 * h, e), draw(4 * h, h), draw(4 * h))
        for b, e, h in ((1, 3, 4), (5, 2, 3))
    ]
    sigmoid, tanh = torch.sigmoid, torch.tanh

    def step(order: str, make: Callable[..., tuple[Tensor, Tensor]], bias: bool = True) -> Callable[..., Any]:
        """A cell whose quarters have the names in `order`; `make` gets the raw quarters and the old c."""

        def cell(x: Tensor, h: Tensor, c: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor) -> Any:
            raw = dict(zip(order, (x @ w_x.T + h @ w_h.T + b * bias).chunk(4, dim=1), strict=True))
            return make(raw["i"], raw["f"], raw["g"], raw["o"], c)

        return cell

    def right(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        new = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(new), new

    def squashed(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        new = sigmoid(f) * c + sigmoid(i) * sigmoid(g)
        return sigmoid(o) * tanh(new), new

    def bare(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        new = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * new, new

    def unforgetting(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        new = c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(new), new

    def late(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        return sigmoid(o) * tanh(c), sigmoid(f) * c + sigmoid(i) * tanh(g)

    def reference(
        x: Tensor, h: Tensor, c: Tensor, w_x: Tensor, w_h: Tensor, b: Tensor
    ) -> tuple[Tensor, Tensor]:
        return step("ifgo", right)(x, h, c, w_x, w_h, b)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                step("figo", right),
                "The gates i and f have changed places: the first quarter of the rows lets in, the second keeps.",
            ),
            Mistake(
                step("ifog", right),
                "The third quarter is g, the fourth o: torch's order is i, f, g, o. Yours reads i, f, o, g.",
            ),
            Mistake(
                step("ifgo", squashed),
                "Your candidate g lies between 0 and 1, so the cell can never be written a negative number. "
                "Which function reaches from -1 to 1?",
            ),
            Mistake(
                step("ifgo", bare),
                "c is right, h is not: the cell's content is squashed before the gate o lets it out.",
            ),
            Mistake(
                step("ifgo", unforgetting),
                "Nothing is ever forgotten: the old c must pass the gate f. "
                "(The LSTM of 1997 was so; the gate f came later.)",
            ),
            Mistake(step("ifgo", late), "c is right, but your h lets out the old cell. Use the new one."),
            Mistake(
                lambda *arguments: reference(*arguments)[::-1],
                "Both numbers are right, but in the other order: return (h, c).",
            ),
            Mistake(step("ifgo", right, bias=False), "The bias b is missing."),
        ],
        praise="One step of an LSTM, equal to torch's own.",
    )


# --- 3. Backwards, but not the padding ---------------------------------------------------------------------


def reverse_source(answer: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """Judge ``reverse_source(source, mask) -> (B, S)``: each row backwards, padding (0) left at its end."""
    rows = [[5, 6, 7, 8, 9], [4, 7, 9], [8], [9, 9, 4, 6]]

    def batch(rows: Sequence[Sequence[int]], width: int) -> tuple[Tensor, Tensor]:
        source = torch.zeros(len(rows), width, dtype=torch.long)
        for row, ids in enumerate(rows):
            source[row, : len(ids)] = torch.tensor(ids)
        return source, source != 0

    def reference(source: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"]) -> Int[Tensor, "B S"]:
        return _gather_back(source, mask.sum(dim=1), shift=1)

    def by_longest(source: Tensor, mask: Tensor) -> Tensor:
        longest = int(mask.sum(dim=1).max())
        return torch.cat([source[:, :longest].flip(1), source[:, longest:]], dim=1)

    return check_function(
        answer,
        reference=reference,
        cases=[batch(rows, 5), batch(rows[1:], 6)],
        mistakes=[
            Mistake(
                lambda source, mask: source.flip(1),
                "The padding turned round too: short rows now begin with zeros, so the encoder would read "
                "padding first, and a mask made for padding at the end would hide real words.",
            ),
            Mistake(
                lambda source, mask: source.flip(0),
                "You reversed the order of the sentences. Axis 0 is the batch; the words are on axis 1.",
            ),
            Mistake(
                by_longest,
                "Every row turned round within the longest row's length. Each row has a length of its own.",
            ),
            Mistake(
                lambda source, mask: _gather_back(source, mask.sum(dim=1), shift=0),
                "Off by one: the last real word of a row of n words is at n - 1, not at n.",
            ),
            Mistake(
                lambda source, mask: _gather_back(source, mask.sum(dim=1), shift=2),
                "Off by one: each row starts with the last word but one.",
            ),
            Mistake(lambda source, mask: source, "Nothing is reversed: the rows came back as they were."),
        ],
        praise="Each row is reversed within its own length, and padding stays at the end.",
    )


def _gather_back(source: Tensor, lengths: Tensor, shift: int) -> Tensor:
    position = torch.arange(source.shape[1]).expand_as(source)
    index = torch.where(position < lengths[:, None], lengths[:, None] - shift - position, position)
    return source.gather(1, index % source.shape[1])


# --- 4. The loss, without padding --------------------------------------------------------------------------


def masked_loss(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """Judge ``masked_loss(logits, target, mask)``: mean nats per real target word."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([7, 2, 4])
    mask = torch.arange(7) < lengths[:, None]
    logits = 2 * torch.randn(3, 7, 9, generator=generator)
    target = torch.randint(3, 9, (3, 7), generator=generator) * mask

    def nats(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target)

    def reference(
        logits: Float[Tensor, "B T V"], target: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, ""]:
        return nats(logits, target)[mask].mean()

    def unnormalised(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return -logits.gather(2, target[..., None])[..., 0][mask].mean()

    def probability(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return (1 - (-nats(logits, target)).exp())[mask].mean()

    def by_sentence(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        return ((nats(logits, target) * mask).sum(1) / mask.sum(1)).mean()

    def over_time(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        picked = logits.log_softmax(dim=1).gather(2, target[..., None])[..., 0]
        return -picked[mask].mean()

    return check_function(
        answer,
        reference=reference,
        cases=[(logits, target, mask), (logits[:2, :4], target[:2, :4], mask[:2, :4])],
        mistakes=[
            Mistake(
                lambda logits, target, mask: nats(logits, target).mean(),
                "Padding is counted as words to predict. The model would be paid for learning to write padding.",
            ),
            Mistake(
                lambda logits, target, mask: (nats(logits, target) * mask).mean(),
                "Padding costs nothing now, but you still divide by B x T: a batch with more padding "
                "looks better. Divide by the number of real words.",
            ),
            Mistake(
                by_sentence,
                "You averaged inside each sentence first: a word of a short sentence now weighs more than one "
                "of a long sentence. Sum over all words, then divide once.",
            ),
            Mistake(
                lambda logits, target, mask: nats(logits, target)[mask].sum(),
                "That is the sum. It grows with the batch, and so would the steps of the optimiser. Take the mean.",
            ),
            Mistake(
                lambda logits, target, mask: -nats(logits, target)[mask].mean(),
                "The sign is wrong: log-probabilities are negative, and a loss is what one wants to be small.",
            ),
            Mistake(
                unnormalised, "Logits are no log-probabilities yet: something must make each row sum to one."
            ),
            Mistake(
                over_time, "Your softmax runs over the time steps. It must run over the vocabulary, axis 2."
            ),
            Mistake(probability, "That is one minus a probability. The loss is minus its logarithm."),
        ],
        praise="Nats per real word: a batch of any shape and any padding is judged alike.",
    )


# --- 5. Greedy decoding ------------------------------------------------------------------------------------


class _Toy:
    """A decoder as a table: the scores of the next word, by the last word and the number of the step."""

    def __init__(self, seed: int, ends: int | None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.randn(8, 32, 8, generator=generator)
        self.table[:, :, BOS] = -9.0
        self.table[:, :, EOS] = -8.0
        if ends is not None:
            self.table[:, ends, EOS] = 9.0
        self.calls = 0

    def __call__(self, token: int, state: int) -> tuple[Tensor, int]:
        self.calls += 1
        if self.calls > 100:
            raise Diagnosis(
                "Your loop asked for more than 100 words where the limit was 12. It must end at EOS, "
                "and also at the limit."
            )
        return self.table[int(token), state % 32], state + 1


def greedy(answer: Callable[[Callable[..., Any], Any, int, int, int], list[int]]) -> Verdict:
    """Judge ``greedy(step, state, bos, eos, limit) -> ids``, without BOS and EOS, at most `limit` of them.

    ``step(token, state)`` gives the scores (V,) of the next word and the next state.
    """

    def decode(
        *,
        carry: bool = True,
        feed: bool = True,
        end: bool = True,
        keep_eos: bool = False,
        keep_bos: bool = False,
        best: bool = True,
        more: int = 0,
    ) -> Callable[..., list[int]]:
        def run(step: Callable[..., Any], state: Any, bos: int, eos: int, limit: int) -> list[int]:
            token, ids = bos, [bos] * keep_bos
            for _ in range(limit + more):
                scores, new = step(token, state)
                state = new if carry else state
                word = int(scores.argmax() if best else scores.argmin())
                token = word if feed else bos
                if end and word == eos:
                    return [*ids, eos] if keep_eos else ids
                ids.append(word)
            return ids

        return run

    def reference(step: Callable[..., Any], state: Any, bos: int, eos: int, limit: int) -> list[int]:
        return decode()(step, state, bos, eos, limit)

    return check_function(
        answer,
        reference=reference,
        cases=[(_Toy(seed, ends), 0, BOS, EOS, 12) for seed, ends in ((0, 5), (1, 8), (2, 0), (3, None))],
        mistakes=[
            Mistake(
                decode(keep_eos=True), "EOS is a sign to stop, not a word: leave it out of the translation."
            ),
            Mistake(decode(keep_bos=True), "BOS is what the decoder reads first, not a word it wrote."),
            Mistake(
                decode(keep_bos=True, keep_eos=True),
                "BOS and EOS are signs for the decoder, not words of the translation: leave both out.",
            ),
            Mistake(
                decode(feed=False),
                "The decoder reads BOS at every step. It must read the word that it wrote last.",
            ),
            Mistake(
                decode(carry=False),
                "Every step starts from the first state. Hand on the state that step returned.",
            ),
            Mistake(
                decode(end=False), "Your loop goes on after EOS, up to the limit. What follows EOS is noise."
            ),
            Mistake(decode(best=False), "That takes the least likely word of each step."),
            Mistake(decode(more=1), "One word too many: at most `limit` words may be written."),
            Mistake(decode(more=-1), "One word too few: `limit` words may be written, not limit - 1."),
        ],
        praise="It reads its own words, hands on its state, and knows when to stop.",
    )


# --- 6. What is forgotten first ----------------------------------------------------------------------------


def kept(answer: Callable[[Sequence[Sequence[str]], Sequence[Sequence[str]], int], list[float]]) -> Verdict:
    """Judge ``kept(found, wanted, parts)``: by part of the wanted sentence, the share of its words found.

    Word j of n belongs to part ``j * parts // n``. It is found if it stands in a longest common subsequence
    (`tfedu.data.matching.common`). All sentences are counted together.
    """

    def matched(found: Sequence[str], wanted: Sequence[str]) -> set[int]:
        return {j for j, _ in common(wanted, found)}

    def in_place(found: Sequence[str], wanted: Sequence[str]) -> set[int]:
        return {j for j, (a, b) in enumerate(zip(wanted, found, strict=False)) if a == b}

    def anywhere(found: Sequence[str], wanted: Sequence[str]) -> set[int]:
        return {j for j, word in enumerate(wanted) if word in found}

    def pooled(
        found: Sequence[Sequence[str]],
        wanted: Sequence[Sequence[str]],
        parts: int,
        hits: Callable[[Sequence[str], Sequence[str]], set[int]] = matched,
    ) -> list[float]:
        right, total = [0] * parts, [0] * parts
        for f, w in zip(found, wanted, strict=True):
            good = hits(f, w)
            for j in range(len(w)):
                total[j * parts // len(w)] += 1
                right[j * parts // len(w)] += j in good
        return [r / t for r, t in zip(right, total, strict=True)]

    def by_sentence(
        found: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]], parts: int
    ) -> list[float]:
        each = [pooled([f], [w], parts) for f, w in zip(found, wanted, strict=True)]
        return [sum(column) / len(each) for column in zip(*each, strict=True)]

    def reference(found: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]], parts: int) -> list[float]:
        return pooled(found, wanted, parts)

    wanted = _sentences(
        """the old man sees the dog because the woman sleeps .
        my sister reads a book .
        they gave the king the letters before the teacher arrived in the city .
        today we wait ."""
    )
    found = _sentences(
        """the man sees the dog because the man reads .
        my sister reads the the a book .
        they gave the letters the queen before we
        we sleep today ."""
    )
    return check_function(
        answer,
        reference=reference,
        cases=[(found, wanted, 3), (found, wanted, 2)],
        mistakes=[
            Mistake(
                lambda found, wanted, parts: pooled(found, wanted, parts, in_place),
                "You compare word j with word j. One word left out shifts all that follow, and they all count "
                "as lost. Match the sequences first.",
            ),
            Mistake(
                lambda found, wanted, parts: pooled(found, wanted, parts, anywhere),
                'You ask whether the word stands anywhere: "the" nearly always does. Match in order, each '
                "word once.",
            ),
            Mistake(
                lambda found, wanted, parts: pooled(wanted, found, parts),
                "The parts are those of the translation, so what it left out is never missed. Go through the "
                "wanted words.",
            ),
            Mistake(
                by_sentence,
                "You averaged each sentence's shares: a short sentence's few words then weigh more. Count all "
                "words together, then divide once.",
            ),
            Mistake(
                lambda found, wanted, parts: [1 - share for share in pooled(found, wanted, parts)],
                "That is the share that was lost. The share that was kept is asked for.",
            ),
            Mistake(
                lambda found, wanted, parts: pooled(found, wanted, parts)[::-1],
                "The parts come out last first. The first number is for the beginning of the sentence.",
            ),
        ],
        praise="Now you can ask where a model loses words.",
    )


def _sentences(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]
