"""End-to-end memory networks (Sukhbaatar, Szlam, Weston and Fergus 2015).

A story is a memory with one slot for each sentence. A question looks at it several times, a *hop* each: it
gathers what fits (equations 1 and 2), is changed by what it found, and looks again (equation 4). The last state
is read as an answer (equation 3).

Where we deviate: a sentence that is not there gets no weight at all, where the paper pads the memory with null
sentences; the random empty memories of training (section 4.1) take up a place in time, and no slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tfedu.attention import LuongDot

PAD = 0  # as in tfedu.data.text, which models do not import


@dataclass(frozen=True)
class MemN2NConfig:
    """The size and kind of a memory network.

    Attributes:
        vocabulary: V, word types, padding included.
        memory: how many sentences it can tell apart by their age; a story keeps its last `memory` ones.
        width: D, of every embedding.
        hops: L, how often it looks (the paper's K).
        tying: which embeddings are one (section 2.2): "adjacent", a hop's values are the next one's keys, or
            "layer-wise", all hops share theirs and the state passes through a matrix in between.
        position: whether words are weighted by their place in the sentence (section 4.1), or all alike.
        temporal: whether each slot knows how old its sentence is.
    """

    vocabulary: int
    memory: int = 50
    width: int = 20
    hops: int = 3
    tying: Literal["adjacent", "layer-wise"] = "adjacent"
    position: bool = True
    temporal: bool = True

    def __post_init__(self) -> None:
        if self.tying not in ("adjacent", "layer-wise"):
            raise ValueError(f"tying is {self.tying!r}; choose 'adjacent' or 'layer-wise'.")
        if min(self.vocabulary, self.memory, self.width, self.hops) < 1:
            raise ValueError("vocabulary, memory, width and hops count things: at least 1 each.")


class SentenceEmbedding(nn.Module):
    """A sentence as one vector: the sum of its words' vectors, each weighted by its place.

    In the paper's letters ``m_i = sum_j l_j * A x_ij``. A memory adds ``T_A(i)``, the vector of its age.

    Args:
        vocabulary: V.
        width: D.
        ages: how many ages it has vectors for; none for a question.
    """

    def __init__(self, vocabulary: int, width: int, ages: int = 0) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        self.ages = nn.Embedding(ages, width) if ages else None

    def forward(
        self, sentences: Int[Tensor, "*batch J"], places: Float[Tensor, "*batch J D"] | None = None
    ) -> Float[Tensor, "*batch D"]:
        """One vector for each sentence; padding adds nothing. No `places` means that all words weigh the same."""
        words = self.words(sentences)
        return words.sum(dim=-2) if places is None else (words * places).sum(dim=-2)


def position_encoding(
    real: Bool[Tensor, "*batch J"], width: int, dtype: torch.dtype | None = None
) -> Float[Tensor, "*batch J D"]:
    """The weight of each place (section 4.1): ``l_kj = (1 - j/J) - (k/D) (1 - 2 j/J)``, j and k from 1.

    J is the number of real words of each sentence; padding stands to their right.
    """
    words = real.sum(dim=-1, keepdim=True).clamp_min(1).unsqueeze(-1)
    j = torch.arange(1, real.shape[-1] + 1, dtype=dtype, device=real.device).unsqueeze(-1) / words
    k = torch.arange(1, width + 1, dtype=dtype, device=real.device) / width
    return (1 - j) - k * (1 - 2 * j)


class MemN2N(nn.Module):
    """Answers a question about a story, in one word.

    Args:
        config: size and kind.
    """

    def __init__(self, config: MemN2NConfig) -> None:
        super().__init__()
        self.config = config
        V, D, L = config.vocabulary, config.width, config.hops
        ages = config.memory if config.temporal else 0
        if config.tying == "adjacent":
            # Embedding k holds the keys of hop k and the values of hop k - 1: A_(k+1) = C_k. The first one also
            # embeds the question, B = A_1, and the last one's words are the answers, W^T = C_L.
            self.embedding = nn.ModuleList(SentenceEmbedding(V, D, ages) for _ in range(L + 1))
        else:
            self.question = SentenceEmbedding(V, D)
            self.embedding = nn.ModuleList(SentenceEmbedding(V, D, ages) for _ in range(2))
            self.between = nn.Linear(D, D, bias=False)  # the paper's H
            self.answer = nn.Linear(D, V, bias=False)
        self.hop = nn.ModuleList(LuongDot() for _ in range(L))
        with torch.no_grad():  # as the paper: a Gaussian with standard deviation .1, and nulls at zero
            for parameter in self.parameters():
                parameter.normal_(std=0.1)
            for module in self.modules():
                if isinstance(module, SentenceEmbedding):
                    module.words.weight[PAD] = 0

    @classmethod
    def from_pretrained(cls, name: str | Path) -> MemN2N:
        """A trained network: the name of a shipped checkpoint, or the path of a safetensors file.

        Raises:
            tfedu.weights.CheckpointError: if the file is missing, damaged, or holds another model.
        """
        from tfedu import weights

        checkpoint = weights.load(name, kind="MemN2N")
        model = cls(MemN2NConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def forward(
        self,
        story: Int[Tensor, "B S J"] | Int[Tensor, "B S"],
        question: Int[Tensor, "B Q"],
        ages: Int[Tensor, "B S"] | None = None,
        *,
        sentences: Int[Tensor, "U J"] | None = None,
        linear: bool = False,
    ) -> Float[Tensor, "B V"]:
        """Logits of the answer.

        Args:
            story: the words of each sentence, oldest first, padded on the right with zeros.
            question: its words.
            ages: how old each sentence is, 0 for the newest, below 0 for none; no ages means that every row of
                the story is a sentence, one step younger than the one before.
            sentences: all different sentences of many stories. Then `story` holds their row numbers, (B, S), and
                each is embedded once: the same answer, in a fraction of the time.
            linear: leave out the softmax, and look with the bare scores, as training does at its start
                (section 4.1). A trace sees no map then, since there is none.

        Raises:
            ValueError: if an age is not below the memory's size.
        """
        S = story.shape[1]
        oldest = S - 1 if ages is None else int(ages.max()) if ages.numel() else -1
        if oldest >= self.config.memory:
            raise ValueError(
                f"a sentence of age {oldest}, but a memory of {self.config.memory}: keep the last ones."
            )
        mask = None if ages is None else rearrange(ages >= 0, "b s -> b 1 s")
        age = torch.arange(S - 1, -1, -1, device=story.device) if ages is None else ages.clamp_min(0)

        adjacent = self.config.tying == "adjacent"
        embeddings: list[SentenceEmbedding] = list(self.embedding)  # type: ignore[arg-type]
        u = (embeddings[0] if adjacent else self.question)(question, self._places(question))
        u = rearrange(u, "b d -> b 1 d")
        table = story if sentences is None else sentences
        places = self._places(table)
        memories = []
        for embed in embeddings:
            vectors = embed(table, places)
            vectors = vectors if sentences is None else F.embedding(story, vectors)
            memories.append(vectors if embed.ages is None else vectors + embed.ages(age))
        for k, attend in enumerate(self.hop):
            keys, values = memories[k : k + 2] if adjacent else memories
            if linear:
                scores = u @ keys.mT
                found = (scores if mask is None else scores.masked_fill(~mask, 0.0)) @ values
            else:
                found = attend(u, keys, values, mask)  # p = softmax(u . m), o = sum p c: equations 1 and 2
            u = (u if adjacent else self.between(u)) + found  # equation 4
        u = rearrange(u, "b 1 d -> b d")
        # Equation 3, before its softmax.
        return F.linear(u, embeddings[-1].words.weight) if adjacent else self.answer(u)

    def _places(self, sentences: Int[Tensor, "*batch J"]) -> Float[Tensor, "*batch J D"] | None:
        if not self.config.position:
            return None
        return position_encoding(sentences != PAD, self.config.width, next(self.parameters()).dtype)
