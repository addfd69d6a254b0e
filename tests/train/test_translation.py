import math

import pytest
import torch

from tfedu.data.text import PAD, collate
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.train.translation import bleu, nats_per_token, perplexities, translate_all, translation_loss

PAIRS = [([4, 5, 6], [7, 8]), ([5], [4, 9, 10, 6]), ([8, 7, 6, 5], [5])]


@pytest.fixture
def model() -> Seq2Seq:
    torch.manual_seed(0)
    return Seq2Seq(Seq2SeqConfig(12, 12, 6, 8, attention="additive")).eval()


def test_loss_counts_real_words_and_their_end(model: Seq2Seq) -> None:
    together = translation_loss(model, collate(PAIRS))
    alone = [translation_loss(model, collate([pair])) for pair in PAIRS]
    assert together.count == sum(one.count for one in alone) == 3 + 5 + 2
    torch.testing.assert_close(together.total, sum(one.total for one in alone), atol=1e-4, rtol=1e-5)


def test_loss_does_not_see_what_padding_holds(model: Seq2Seq) -> None:
    batch = collate(PAIRS)
    before = translation_loss(model, batch).total
    batch.source[~batch.source_mask] = 11
    batch.target_in[~batch.target_mask] = 11
    assert (batch.target_out[~batch.target_mask] == PAD).all()
    torch.testing.assert_close(translation_loss(model, batch).total, before)


def test_smoothing_spreads_a_share_of_what_is_wanted(model: Seq2Seq) -> None:
    batch = collate(PAIRS)
    log_p = model(batch.source, batch.target_in, batch.source_mask).log_softmax(-1)
    wanted = 0.9 * torch.nn.functional.one_hot(batch.target_out, 12) + 0.1 / 12
    expected = -(wanted * log_p).sum(-1)[batch.target_mask].sum()
    torch.testing.assert_close(translation_loss(model, batch, smoothing=0.1).total, expected)
    assert translation_loss(model, batch, smoothing=0.0).total == translation_loss(model, batch).total


def test_a_model_that_knows_nothing_has_the_vocabulary_as_perplexity(model: Seq2Seq) -> None:
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    assert math.exp(nats_per_token(model, [collate(PAIRS), collate(PAIRS[:1])])) == pytest.approx(12)


def test_perplexity_per_word_spreads_the_same_nats() -> None:
    # 3 tokens and an end for 1 word and an end: twice the tokens, so the square.
    found = perplexities(math.log(3), [[5, 6, 7]], ["playground"])
    assert found == {"perplexity_per_token": pytest.approx(3), "perplexity_per_word": pytest.approx(9)}


def test_translations_come_back_in_their_order(model: Seq2Seq) -> None:
    sources = [pair[0] for pair in PAIRS] * 3  # their lengths are out of order
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    each = [model.translate(torch.tensor([source]), max_length=6)[0] for source in sources]
    assert len({tuple(one) for one in each}) > 1  # else any order would pass
    for rows in (1, 2, 100):
        found = translate_all(model, sources, rows=rows)
        assert [one[:5] for one in found] == [one[:5] for one in each]


def test_bleu_is_sacrebleus() -> None:
    score, signature = bleu(["a man reads a book"], ["a man reads a book"])
    assert score == pytest.approx(100)
    assert "tok:13a" in signature
    assert "version:" in signature
