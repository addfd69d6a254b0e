"""Text in, text and attention out: a trained translator with its two tokenizers.

translator = Translator.from_pretrained("translate-multi30k-additive-seed0")
translation = translator("Ein Mann liest ein Buch.")
translation.text, translation.attention
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from tfedu import weights
from tfedu.data.text import EOS, Tokenizer, collate, tokenizer_from_json
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.models.transformer import Transformer
from tfedu.trace import AttentionMap, trace

#: What a `Translator` can work with.
TranslationModel = Seq2Seq | Transformer

#: The row of a map at which the translator decided to stop, as labelled in figures.
END = "(end)"


@dataclass(frozen=True)
class Translation:
    """One translated sentence.

    Attributes:
        text: the translation.
        source_tokens, target_tokens: both sentences in the model's pieces; the target's last is `END`.
        attention: rows are the target tokens, columns the source tokens; None for a model without attention.
    """

    text: str
    source_tokens: list[str]
    target_tokens: list[str]
    attention: AttentionMap | None


class Translator:
    """A `Seq2Seq` and the tokenizers of its two languages.

    Args:
        model: the translator.
        source, target: its tokenizers.
    """

    def __init__(self, model: Seq2Seq, source: Tokenizer, target: Tokenizer) -> None:
        self.model, self.source, self.target = model.eval(), source, target

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Translator:
        """A shipped translator by name (see `tfedu.weights.find`), or one by its path."""
        checkpoint = weights.load(name, kind="Seq2Seq")
        model = Seq2Seq(Seq2SeqConfig(**checkpoint.config))
        checkpoint.fill(model)
        source, target = (
            tokenizer_from_json(checkpoint.extras[f"{side}_tokenizer"]) for side in ("source", "target")
        )
        return cls(model, source, target)

    def __call__(
        self, text: str | Sequence[str], *, beam: int = 1, length_penalty: float = 1.0
    ) -> Translation:
        """Translate one sentence.

        The map is made by running the found translation through the decoder once more, so it is the map of
        that translation also after a beam search, which drops and reorders beginnings on the way.

        Raises:
            ValueError: if the text holds no token.
        """
        source = self.source.encode(text)
        if not source:
            raise ValueError("nothing to translate: the text is empty.")
        device = next(self.model.parameters()).device
        ids = torch.tensor([source], device=device)
        target = self.model.translate(ids, beam=beam, length_penalty=length_penalty)[0]
        tokens = [*self.target.tokens(target), END]
        found = None
        if self.model.config.attention != "none":
            found = AttentionMap(self.maps([(source, target)])[0][None, None], "decoder.attention").tokens(
                tokens, self.source.tokens(source)
            )
        return Translation(self.target.decode(target), self.source.tokens(source), tokens, found)

    @torch.no_grad()
    def maps(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], rows: int = 128
    ) -> list[Float[Tensor, "T S"]]:
        """The map of each (source ids, target ids), the target given; on the CPU.

        A map's last row (T counts it) is the one that predicts the end of the sentence.

        Raises:
            ValueError: if the model has no attention.
        """
        if self.model.config.attention == "none":
            raise ValueError("this translator has no attention, so it has no maps.")
        device = next(self.model.parameters()).device
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
        found: dict[int, Tensor] = {}
        for start in range(0, len(order), rows):
            chunk = order[start : start + rows]
            # An empty translation still has the row that ended it; collate wants at least one target.
            batch = collate([(pairs[i][0], [*pairs[i][1], EOS]) for i in chunk], device)
            with trace(self.model) as caught:
                self.model(batch.source, batch.target_in, batch.source_mask)
            stacked = caught["decoder.attention"].weights.cpu()
            for row, i in enumerate(chunk):
                found[i] = stacked[row, 0, : len(pairs[i][1]) + 1, : len(pairs[i][0])]
        return [found[i] for i in range(len(pairs))]
