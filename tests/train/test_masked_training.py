"""The masked-word objective: its rule, its twin, its batches, and the cloze test."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tfedu.data import grammar
from tfedu.data.text import pad
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTConfig, BERTForMaskedLM
from tfedu.train import TrainConfig, train
from tfedu.train.masked import (
    TextBatches,
    Texts,
    cloze,
    hide,
    left_only,
    masked_loss,
    next_word_loss,
    whole_words,
)

WORDS = WordPiece.from_words(grammar.vocabulary("en"))
TEXTS = [WORDS.pair(WORDS.encode(pair.target))[0] for pair in grammar.corpus(60, lengths=(4, 12), seed=3)]


def small() -> BERTForMaskedLM:
    torch.manual_seed(0)
    return BERTForMaskedLM(BERTConfig(len(WORDS), 16, 2, 2, 32, dropout=0.0, longest=32))


def test_the_rule_of_80_10_10() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens, mask = pad([TEXTS[0]] * 4000)
    hidden, chosen = hide(tokens, mask, WORDS, generator=generator)
    special = (tokens == WORDS.cls) | (tokens == WORDS.sep)
    assert not chosen[special].any()
    assert torch.equal(hidden[~chosen], tokens[~chosen])
    assert chosen[~special].float().mean() == pytest.approx(0.15, abs=0.005)
    now = hidden[chosen]
    assert (now == WORDS.mask).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (now == tokens[chosen]).float().mean() == pytest.approx(0.1, abs=0.01)
    other = now[(now != WORDS.mask) & (now != tokens[chosen])]
    assert len(other.unique()) > 0.75 * len(WORDS)  # any token


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_never_padding_and_never_nothing(lengths: list[int], seed: int) -> None:
    tokens, mask = pad([WORDS.pair(TEXTS[0][1 : 1 + n])[0] for n in lengths])
    hidden, chosen = hide(tokens, mask, WORDS, 0.05, torch.Generator().manual_seed(seed))
    assert chosen.any()
    assert not chosen[~mask].any()
    assert (hidden[~mask] == 0).all()


def test_the_loss_is_that_of_the_chosen_places() -> None:
    model = small()
    tokens, mask = pad(TEXTS[:5])
    batch = Texts(tokens, mask, torch.zeros(5, dtype=torch.long))
    found = masked_loss(model, batch, WORDS, generator=torch.Generator().manual_seed(1))
    hidden, chosen = hide(tokens, mask, WORDS, generator=torch.Generator().manual_seed(1))
    log_p = model(hidden, mask).log_softmax(-1)
    by_hand = -sum(log_p[b, t, tokens[b, t]] for b, t in chosen.nonzero().tolist())
    assert found.count == int(chosen.sum())
    torch.testing.assert_close(found.total, by_hand)


def test_the_twin_sees_nothing_to_the_right() -> None:
    model = small()
    tokens, mask = pad(TEXTS[:4])
    batch = Texts(tokens, mask, torch.zeros(4, dtype=torch.long))
    by_hand = 0.0
    for ids in TEXTS[:4]:
        for t in range(1, len(ids)):  # each prefix on its own: no mask needed
            log_p = model(torch.tensor([ids[:t]]), left_only(torch.ones(1, t, dtype=torch.bool)))[
                0, -1
            ].log_softmax(-1)
            by_hand -= log_p[ids[t]].item()
    found = next_word_loss(model, batch)
    assert found.count == sum(len(ids) - 1 for ids in TEXTS[:4])
    assert found.total.item() == pytest.approx(by_hand, rel=1e-5)
    shorter = torch.ones(1, 5, dtype=torch.bool)
    torch.testing.assert_close(
        model(tokens[:1, :5], left_only(shorter)),
        model(tokens[:1], left_only(mask[:1]))[:, :5],
        atol=1e-5,
        rtol=1e-5,
    )


def test_every_text_once_an_epoch_and_the_same_batch_for_a_step() -> None:
    batches = TextBatches(TEXTS, 128, seed=4, labels=range(len(TEXTS)))
    for epoch in range(2):
        seen = [
            i
            for step in range(len(batches))
            for i in batches.batch(epoch * len(batches) + step).labels.tolist()
        ]
        assert sorted(seen) == list(range(len(TEXTS)))
    again = TextBatches(TEXTS, 128, seed=4, labels=range(len(TEXTS)))
    step = len(batches) + 1
    assert torch.equal(again.batch(step).tokens, batches.batch(step).tokens)
    one = batches.batch(0)
    assert one.tokens.numel() <= 128
    for row, label in enumerate(one.labels.tolist()):
        assert one.tokens[row][one.mask[row]].tolist() == TEXTS[label]
    with pytest.raises(ValueError, match="tokens_per_batch"):
        TextBatches(TEXTS, 5)


@pytest.mark.parametrize("world", [2, 3, 200])
def test_shards_hold_each_row_once(world: int) -> None:
    batch = TextBatches(TEXTS, 128, labels=range(1, 61)).batch(0)
    shards = [batch.shard(rank, world) for rank in range(world)]
    real = [
        label
        for shard in shards
        for label, row in zip(shard.labels.tolist(), shard.mask, strict=True)
        if row.any()
    ]
    assert sorted(real) == sorted(batch.labels.tolist())


class Counting(nn.Module):
    """Says, at each place, the number of tokens that it was shown; and notes what it saw."""

    def forward(self, tokens: Tensor, mask: Tensor, types: Tensor | None, at: Tensor) -> Tensor:
        self.tokens, self.mask, self.at = tokens, mask, at
        return nn.functional.one_hot(tokens, len(WORDS)).float()[at] * 20


@pytest.mark.parametrize("left", [False, True])
def test_a_cloze_hides_one_word_at_a_time(left: bool) -> None:
    model = Counting()
    ids = TEXTS[0]
    found = cloze(model, [ids], WORDS, left=left)
    assert found.blanks == len(ids) - 2
    assert found.accuracy == 0.0 or left  # what it echoes is [MASK], or the word before
    if left:
        assert (model.tokens == torch.tensor(ids)).all()
        assert model.at.nonzero().tolist() == [[i, i] for i in range(len(ids) - 2)]
    else:
        assert (model.tokens == WORDS.mask).nonzero().tolist() == [[i, i + 1] for i in range(len(ids) - 2)]


def test_pieces_are_no_whole_words() -> None:
    lines = ["able unable running runs"] * 9
    pieces = WordPiece.train(lines, 20)
    ids, _ = pieces.pair(pieces.encode("able running"))
    names = pieces.tokens(ids)
    whole = [names[i] for i in whole_words(ids, pieces)]
    assert not any(name.startswith("##") or name.startswith("[") for name in whole)
    assert len(whole) < len(names) - 2


def test_it_learns() -> None:
    """A few steps on a few sentences: the loss falls well below that of word frequencies."""
    from functools import partial

    model = small()
    before = cloze(model, TEXTS[:10], WORDS).nats
    config = TrainConfig(60, lr=1e-2, warmup=5)
    train(model, TextBatches(TEXTS, 512), partial(masked_loss, words=WORDS), config=config, quiet=True)
    assert cloze(model, TEXTS[:10], WORDS).nats < before - 1.5
