"""What training and judging a memory network takes: batches of stories, the loss, the errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfedu.data.stories import Story
from tfedu.data.text import Tokenizer, pad
from tfedu.trace import trace
from tfedu.train.loop import Loss


@dataclass(frozen=True)
class StoryBatch:
    """Questions, each with its story.

    Attributes:
        sentences: the words of all different sentences, padded at their ends; row 0 is no sentence.
        story: rows of `sentences`, oldest first; a short story is padded at its end.
        question: words.
        ages: of each sentence, 0 the newest, -1 where there is none.
        answer: the right word.
        facts: columns of `story` that hold the supporting facts, in the order in which one needs them; -1 where
            a fact is older than the memory, or a question needs fewer than others.
        linear: whether this batch is one of the linear start.
    """

    sentences: Int[Tensor, "U J"]
    story: Int[Tensor, "B S"]
    question: Int[Tensor, "B Q"]
    ages: Int[Tensor, "B S"]
    answer: Int[Tensor, " B"]
    facts: Int[Tensor, "B F"]
    linear: bool = False

    def __len__(self) -> int:
        """B."""
        return len(self.answer)

    def to(self, device: torch.device | str) -> StoryBatch:
        """The same batch on `device`."""
        sentences, story, question, ages, answer, facts = (
            t.to(device)
            for t in (self.sentences, self.story, self.question, self.ages, self.answer, self.facts)
        )
        return StoryBatch(sentences, story, question, ages, answer, facts, self.linear)

    def words(self) -> Int[Tensor, "B S J"]:
        """The stories spelled out."""
        return self.sentences[self.story]

    def rows(self, which: Tensor | slice) -> StoryBatch:
        """Some of the questions; sentences and places that none of them needs are cut off."""
        story, question, ages, answer, facts = (
            t[which] for t in (self.story, self.question, self.ages, self.answer, self.facts)
        )
        longest = int((ages >= 0).sum(dim=1).max()) if len(answer) else 0
        return StoryBatch(
            self.sentences, story[:, :longest], question, ages[:, :longest], answer, facts, self.linear
        )

    def shard(self, rank: int, world: int) -> StoryBatch:
        """The rows of process `rank` of `world`."""
        return self.rows(slice(rank, None, world))


def encode(stories: Sequence[Story], tokenizer: Tokenizer, memory: int = 50) -> StoryBatch:
    """All stories as one batch, each cut to its last `memory` sentences.

    Raises:
        ValueError: if there are no stories.
    """
    if not stories:
        raise ValueError("there are no stories to encode.")
    kept = [story.sentences[-memory:] for story in stories]
    known = sorted({words for story in kept for words in story})
    number = {words: row for row, words in enumerate(known, start=1)}
    sentences = F.pad(pad([tokenizer.encode(words) for words in known])[0], (0, 0, 1, 0))
    told, real = pad([[number[words] for words in story] for story in kept])
    ages = (real.sum(dim=1, keepdim=True) - 1 - torch.arange(real.shape[1])).masked_fill(~real, -1)
    question, _ = pad([tokenizer.encode(story.question) for story in stories])
    answer = torch.tensor([tokenizer.encode([story.answer])[0] for story in stories])
    facts = torch.full((len(stories), max(len(story.facts) for story in stories)), -1)
    for row, (story, told_of) in enumerate(zip(stories, kept, strict=True)):
        places = [max(-1, fact - len(story.sentences) + len(told_of)) for fact in story.facts]
        facts[row, : len(places)] = torch.tensor(places)
    return StoryBatch(sentences, told, question, ages, answer, facts)


class StoryBatches:
    """Batches in an order fixed by (seed, epoch), reachable by the number of the step, so a resume is exact.

    Args:
        data: all questions.
        rows: questions a batch; the last of an epoch is shorter.
        seed: of order and noise.
        noise: random empty memories, as a share of the story's length (section 4.1): each age grows by the
            empty memories that came after its sentence.
        linear: this many first steps are the linear start.
        memory: no age reaches it.
    """

    def __init__(
        self,
        data: StoryBatch,
        rows: int = 32,
        seed: int = 0,
        *,
        noise: float = 0.0,
        linear: int = 0,
        memory: int = 50,
    ) -> None:
        self.data, self.size, self.seed = data, rows, seed
        self.noise, self.linear, self.memory = noise, linear, memory

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.data) // self.size)

    def batch(self, step: int) -> StoryBatch:
        """The batch of a global step, counted from 0 over all epochs."""
        epoch, place = divmod(step, len(self))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.data))
        which = torch.from_numpy(order[place * self.size : (place + 1) * self.size])
        batch = self.data.rows(which)
        ages = batch.ages
        if self.noise:
            ages = _spread(ages, self.noise, self.memory, np.random.default_rng([self.seed, epoch, place]))
        return replace(batch, ages=ages, linear=step < self.linear)


def _spread(
    ages: Int[Tensor, "B S"], share: float, memory: int, rng: np.random.Generator
) -> Int[Tensor, "B S"]:
    """The ages after up to `share` empty memories were put between the sentences, at random places."""
    spread = torch.full_like(ages, -1)
    for row, sentences in enumerate((ages >= 0).sum(dim=1).tolist()):
        room = min(sentences + int(rng.integers(0, int(np.ceil(share * sentences)) + 1)), memory)
        kept = np.sort(rng.choice(room, size=sentences, replace=False))[::-1].copy()
        spread[row, :sentences] = torch.from_numpy(kept)
    return spread


def story_loss(model: nn.Module, batch: StoryBatch) -> Loss:
    """Cross-entropy of the right answer, in nats, summed over the questions."""
    logits = model(batch.story, batch.question, batch.ages, sentences=batch.sentences, linear=batch.linear)
    return Loss(F.cross_entropy(logits.float(), batch.answer, reduction="sum"), len(batch))


@torch.no_grad()
def answers(model: nn.Module, data: StoryBatch, rows: int = 500) -> Float[Tensor, "B V"]:
    """Logits for every question."""
    parts = [data.rows(slice(i, i + rows)) for i in range(0, len(data), rows)]
    return torch.cat([model(p.story, p.question, p.ages, sentences=p.sentences) for p in parts])


def error(model: nn.Module, data: StoryBatch) -> float:
    """The share of wrong answers, 0 to 1."""
    return (answers(model, data).argmax(dim=-1) != data.answer).float().mean().item()


def looks(model: nn.Module, data: StoryBatch) -> Float[Tensor, "L B S"]:
    """Where each hop looks: its weights over the story, as the trace has them."""
    with trace(model) as maps:
        answers(model, data, rows=len(data))
    return torch.stack([one.weights[:, 0, 0] for one in maps.values()])


def hits(model: nn.Module, data: StoryBatch, *, right: bool = True) -> Float[Tensor, "L F"]:
    """How often the peak of hop k is on supporting fact f, 0 to 1; NaN for a fact that no question has.

    Args:
        model: a memory network.
        data: questions.
        right: count only the questions that the model answers rightly.
    """
    peaks = looks(model, data).argmax(dim=-1)  # (L, B)
    known = (
        answers(model, data).argmax(dim=-1) == data.answer if right else torch.ones_like(data.answer).bool()
    )
    there = (data.facts >= 0) & known.unsqueeze(1)  # (B, F)
    found = (peaks.unsqueeze(-1) == data.facts) & there
    return found.sum(dim=1) / there.sum(dim=0)
