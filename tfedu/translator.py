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
from tfedu.models.seq2seq import Seq2Seq
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
        attention: rows are the target tokens, columns the source tokens, of the last layer where there are
            several; None for a model without attention.
    """

    text: str
    source_tokens: list[str]
    target_tokens: list[str]
    attention: AttentionMap | None


class Translator:
    """A translation model and the tokenizers of its two languages.

    Args:
        model: the translator.
        source, target: its tokenizers.
    """

    def __init__(self, model: TranslationModel, source: Tokenizer, target: Tokenizer) -> None:
        self.model, self.source, self.target = model.eval(), source, target

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Translator:
        """A shipped translator by name (see `tfedu.weights.find`), or one by its path."""
        checkpoint = weights.load(name)
        known: dict[str, type[TranslationModel]] = {"Seq2Seq": Seq2Seq, "Transformer": Transformer}
        if checkpoint.kind not in known:
            raise weights.CheckpointError(
                f"{checkpoint.path.name} holds a {checkpoint.kind}, which does not translate; "
                f"{' and '.join(known)} do."
            )
        model = known[checkpoint.kind].from_pretrained(checkpoint.path)
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
        if self.model.cross_attentions:
            rows = self.heads([(source, target)])[0]
            found = AttentionMap(rows[None], self.model.cross_attentions[-1]).tokens(
                tokens, self.source.tokens(source)
            )
        return Translation(self.target.decode(target), self.source.tokens(source), tokens, found)

    def maps(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, layer: int = -1, rows: int = 128
    ) -> list[Float[Tensor, "T S"]]:
        """The map of each (source ids, target ids), averaged over the heads of one layer; see `heads`."""
        return [one.mean(dim=0) for one in self.heads(pairs, layer=layer, rows=rows)]

    @torch.no_grad()
    def heads(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], *, layer: int = -1, rows: int = 128
    ) -> list[Float[Tensor, "H T S"]]:
        """What each head of a decoder layer saw of the source, the target given; on the CPU.

        Args:
            pairs: (source ids, target ids).
            layer: of the decoder, by default the last; a recurrent decoder has one, of one head.
            rows: pairs that run side by side.

        A map's last row (T counts it) is the one that predicts the end of the sentence.

        Raises:
            ValueError: if the model has no attention.
        """
        if not self.model.cross_attentions:
            raise ValueError("this translator has no attention, so it has no maps.")
        name = self.model.cross_attentions[layer]
        device = next(self.model.parameters()).device
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
        found: dict[int, Tensor] = {}
        for start in range(0, len(order), rows):
            chunk = order[start : start + rows]
            # An empty translation still has the row that ended it; collate wants at least one target.
            batch = collate([(pairs[i][0], [*pairs[i][1], EOS]) for i in chunk], device)
            with trace(self.model) as caught:
                self.model(batch.source, batch.target_in, batch.source_mask)
            stacked = caught[name].weights.cpu()
            for row, i in enumerate(chunk):
                found[i] = stacked[row, :, : len(pairs[i][1]) + 1, : len(pairs[i][0])]
        return [found[i] for i in range(len(pairs))]
