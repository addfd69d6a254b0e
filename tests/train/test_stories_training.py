"""Batches of stories: cut, padded, reachable by step; noise and the linear start; learning."""

import numpy as np
import pytest
import torch

from tfedu.data import stories
from tfedu.data.stories import Story
from tfedu.models.memn2n import MemN2N, MemN2NConfig
from tfedu.train import TrainConfig, train
from tfedu.train.stories import StoryBatches, answers, encode, error, story_loss

TOKENS = stories.tokenizer()


def test_encoding_keeps_the_last_sentences():
    told = tuple(("anna", "went", "to", "the", room) for room in ("hall", "attic", "garden"))
    short = Story((("ben", "took", "the", "lamp"),), ("where", "is", "ben"), "hall", (0,))
    batch = encode([Story(told, ("where", "is", "anna"), "garden", (2,)), short], TOKENS, memory=2)
    assert batch.words().shape == (2, 2, 5)
    assert batch.ages.tolist() == [[1, 0], [0, -1]]
    assert TOKENS.decode(batch.words()[0, 0].tolist()) == "anna went to the attic"
    assert batch.words()[1, 0].tolist() == [*TOKENS.encode("ben took the lamp"), 0]
    assert (batch.words()[1, 1] == 0).all()
    assert TOKENS.tokens(batch.answer.tolist()) == ["garden", "hall"]
    with pytest.raises(ValueError, match="no stories"):
        encode([], TOKENS)


def test_every_question_once_an_epoch_in_a_new_order():
    data = encode(stories.corpus(50, "one"), TOKENS)
    batches = StoryBatches(data, rows=16, seed=3)
    assert len(batches) == 4
    epochs = [
        torch.cat([batches.batch(step).answer for step in range(4 * e, 4 * e + 4)]).tolist() for e in (0, 1)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(data.answer.tolist())
    assert epochs[0] != epochs[1]
    again = StoryBatches(data, rows=16, seed=3).batch(5)
    assert torch.equal(again.story, batches.batch(5).story)
    shares = [batches.batch(0).shard(rank, 3) for rank in range(3)]
    assert sorted(torch.cat([share.answer for share in shares]).tolist()) == sorted(
        batches.batch(0).answer.tolist()
    )


def test_empty_memories_only_make_sentences_older():
    data = encode(stories.corpus(200, "two"), TOKENS)
    noisy = StoryBatches(data, rows=200, noise=0.5, memory=16)
    plain = StoryBatches(data, rows=200)
    gaps = 0
    for step in range(5):
        aged, calm = noisy.batch(step), plain.batch(step)
        assert torch.equal(aged.story, calm.story)
        assert torch.equal(aged.ages >= 0, calm.ages >= 0)
        for new, old in zip(aged.ages.tolist(), calm.ages.tolist(), strict=True):
            new, old = ([age for age in ages if age >= 0] for ages in (new, old))
            assert new == sorted(set(new), reverse=True)
            assert max(new) < 16
            assert all(n >= o for n, o in zip(new, old, strict=True))
            assert max(new) <= len(old) - 1 + int(np.ceil(0.5 * len(old)))
            gaps += max(new) - (len(old) - 1)
    assert gaps > 500


def test_the_linear_start_ends():
    batches = StoryBatches(encode(stories.corpus(40, "one"), TOKENS), rows=10, linear=6)
    assert [batches.batch(step).linear for step in range(8)] == [True] * 6 + [False] * 2


def test_loss_and_error_by_hand():
    data = encode(stories.corpus(30, "one"), TOKENS)
    torch.manual_seed(0)
    model = MemN2N(MemN2NConfig(len(TOKENS)))
    logits = model(data.words(), data.question, data.ages)
    lost = story_loss(model, data)
    wanted = -logits.log_softmax(-1)[torch.arange(30), data.answer].sum()
    torch.testing.assert_close(lost.total, wanted)
    assert lost.count == 30
    torch.testing.assert_close(answers(model, data, rows=7), logits)  # each part is cut to its longest story
    wrong = (logits.argmax(-1) != data.answer).float().mean().item()
    assert error(model, data) == pytest.approx(wrong)


def test_it_learns_in_a_blink():
    """One fact, one hop: soon far better than chance, which is wrong 5 times in 6."""
    torch.manual_seed(0)
    model = MemN2N(MemN2NConfig(len(TOKENS), hops=1))
    data = encode(stories.corpus(2000, "one"), TOKENS)
    config = TrainConfig(500, lr=0.32, clip=1.25, schedule="halving", optimizer="sgd", log_every=100)
    train(model, StoryBatches(data), story_loss, config=config, quiet=True)
    assert error(model, encode(stories.corpus(500, "one", seed=1), TOKENS)) < 0.5
