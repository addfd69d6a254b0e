"""Text in, answer and attention out: a trained memory network with its words.

reader = Reader.from_pretrained("memn2n-stories-seed0")
reading = reader(["anna went to the hall", "anna took the lamp"], "where is the lamp")
reading.answer, reading.looks
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from tfedu import weights
from tfedu.data.stories import Sentence, Story
from tfedu.data.text import UNK, WordTokenizer, pad
from tfedu.models.memn2n import MemN2N, MemN2NConfig
from tfedu.trace import Edit, trace


@dataclass(frozen=True)
class Reading:
    """One answered question.

    Attributes:
        answer: the likeliest word.
        odds: every word of the vocabulary with its probability, the likeliest first.
        looks: the weights of each hop over the sentences, oldest first.
    """

    answer: str
    odds: dict[str, float]
    looks: Float[Tensor, "L S"]


class Reader:
    """A `MemN2N` and its words.

    Args:
        model: the network.
        words: its vocabulary.
    """

    def __init__(self, model: MemN2N, words: WordTokenizer) -> None:
        self.model, self.words = model.eval(), words

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Reader:
        """A shipped network by name (see `tfedu.weights.find`), or one by its path."""
        checkpoint = weights.load(name, kind="MemN2N")
        model = MemN2N(MemN2NConfig(**checkpoint.config))
        checkpoint.fill(model)
        return cls(model, WordTokenizer.from_json(checkpoint.extras["tokenizer"]))

    @torch.no_grad()
    def __call__(
        self,
        sentences: Sequence[str | Sentence],
        question: str | Sentence,
        *,
        edit: Mapping[str, Edit] | None = None,
    ) -> Reading:
        """Answer one question about a story, oldest sentence first; a mark at the end of a text is passed over.

        Args:
            sentences: at least one, each a text or its words.
            question: likewise.
            edit: changes of the maps "hop.0", "hop.1", ..., as `tfedu.trace.trace` takes them.

        Raises:
            ValueError: if there is no sentence or no question, or a word is not in the vocabulary.
        """
        told, asked = [self._ids(sentence) for sentence in sentences], self._ids(question)
        if not told:
            raise ValueError("there is no story: give at least one sentence.")
        story, _ = pad(told)
        with trace(self.model, edit=edit) as maps:
            logits = self.model(story.unsqueeze(0), torch.tensor([asked]))[0]
        odds = logits.softmax(dim=-1)
        order = odds.argsort(descending=True).tolist()
        names = self.words.tokens(order)
        looks = torch.stack([one.weights[0, 0, 0] for one in maps.values()])
        return Reading(names[0], {name: float(odds[i]) for name, i in zip(names, order, strict=True)}, looks)

    def read(self, story: Story, *, edit: Mapping[str, Edit] | None = None) -> Reading:
        """Answer the question of a `Story`, from its last sentences if it is longer than the memory."""
        return self(story.sentences[-self.model.config.memory :], story.question, edit=edit)

    def _ids(self, text: str | Sentence) -> list[int]:
        words = text.lower().rstrip(" .?").split() if isinstance(text, str) else list(text)
        ids = self.words.encode(words)
        if not ids:
            raise ValueError("a sentence or the question is empty: it needs at least one word.")
        if UNK in ids:
            unknown = [word for word, i in zip(words, ids, strict=True) if i == UNK]
            raise ValueError(
                f"{', '.join(unknown)}: not among the words of this network, {', '.join(self.words.words)}."
            )
        return ids
