"""What training and judging a translator takes: its loss, its perplexity, its translations, their BLEU."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from tfedu.data.text import PAD, Batch, Tokenizer, pad
from tfedu.train.loop import Loss

if TYPE_CHECKING:
    from tfedu.translator import TranslationModel


def translation_loss(model: nn.Module, batch: Batch, smoothing: float = 0.0) -> Loss:
    """Cross-entropy of the right next word, in nats, summed over the real target words (EOS among them).

    With `smoothing` above 0, that share of the wanted probability is spread over the whole vocabulary (label
    smoothing, Szegedy et al. 2016, section 7): a model then gains nothing by being surer than that. The loss is
    no perplexity's logarithm any more, so validate without.
    """
    logits = model(batch.source, batch.target_in, batch.source_mask)
    total = F.cross_entropy(
        logits.float().flatten(0, 1),
        batch.target_out.flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return Loss(total, int(batch.target_mask.sum()))


@torch.no_grad()
def nats_per_token(model: nn.Module, batches: Iterable[Batch]) -> float:
    """The mean loss per real target token over all `batches`; its exponential is the perplexity."""
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for batch in batches:
        lost = translation_loss(model, batch.to(device))
        total, count = total + lost.total.item(), count + lost.count
    return total / count


def perplexities(
    nats: float, targets: Sequence[Sequence[int]], references: Sequence[str]
) -> dict[str, float]:
    """Perplexity by token and by word.

    A vocabulary of longer pieces has fewer and harder tokens, so perplexities per token of two vocabularies
    do not compare. Spread over the words of the reference (split at spaces, the sentence end counted as one)
    they do.

    Args:
        nats: mean loss per token, the end token counted.
        targets: the references as ids, without specials.
        references: the same as text.
    """
    tokens = sum(len(ids) + 1 for ids in targets)
    words = sum(len(line.split()) + 1 for line in references)
    return {"perplexity_per_token": math.exp(nats), "perplexity_per_word": math.exp(nats * tokens / words)}


def translate_all(
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    *,
    beam: int = 1,
    length_penalty: float = 1.0,
    rows: int = 128,
) -> list[list[int]]:
    """Translations of id lists, in their order; sentences of like length share a batch of `rows`."""
    device = next(model.parameters()).device
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    found: list[list[int]] = [[] for _ in sources]
    for start in range(0, len(order), rows):
        chunk = order[start : start + rows]
        ids, mask = pad([sources[i] for i in chunk], device)
        translations = model.translate(ids, mask, beam=beam, length_penalty=length_penalty)
        for i, translation in zip(chunk, translations, strict=True):
            found[i] = translation
    return found


def bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str = "13a", lowercase: bool = False
) -> tuple[float, str]:
    """Corpus BLEU by sacrebleu, 0 to 100, and the signature that says exactly how it was counted."""
    from sacrebleu.metrics.bleu import BLEU

    # `force`: text that is tokenised on purpose ("none") would be warned about at every call.
    metric = BLEU(tokenize=tokenize, lowercase=lowercase, force=tokenize == "none")
    score = metric.corpus_score(list(hypotheses), [list(references)]).score
    return score, str(metric.get_signature())


def decode_all(tokenizer: Tokenizer, sentences: Iterable[Sequence[int]]) -> list[str]:
    """Ids to text, sentence by sentence."""
    return [tokenizer.decode(ids) for ids in sentences]
