"""Training on patterns: the loss by hand, what is scored, what a hand-made head scores, and that it learns."""

import pytest
import torch
from torch import nn

from tfedu.data.patterns import few_shot, repeats, successors
from tfedu.models.attention_only import AttentionOnly, AttentionOnlyConfig
from tfedu.trace import cut, trace
from tfedu.train import TrainConfig, train
from tfedu.train.in_context import (
    PatternBatches,
    accuracy_after,
    by_counting,
    induction_scores,
    judge,
    pattern_loss,
    previous_token_scores,
    scores,
)


class Oracle(nn.Module):
    """Says what stood after the last occurrence of the token; and nothing at all if there was none."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def forward(self, tokens):
        edges = successors(tokens)
        T = tokens.shape[1]
        last = (edges * torch.arange(1, T + 1)).amax(dim=-1)  # 1 + the place of the latest successor
        guess = tokens.gather(1, (last - 1).clamp_min(0))
        logits = torch.zeros(*tokens.shape, self.vocabulary)
        return logits.scatter(2, guess[..., None], (20.0 * (last > 0))[..., None])


def test_loss_by_hand():
    torch.manual_seed(0)
    model = AttentionOnly(AttentionOnlyConfig(12))
    data = few_shot(3, 0, shots=4)
    log_p = model(data.tokens).log_softmax(-1)
    wanted = -sum(log_p[b, t, data.tokens[b, t + 1]] for b in range(3) for t in (0, 2, 4, 6))
    lost = pattern_loss(model, data)
    assert lost.count == 12
    torch.testing.assert_close(lost.total, wanted)


def test_the_rule_of_induction_solves_what_is_told():
    data = repeats(400, 7)
    found = judge(Oracle(64), data)
    assert 0.7 < found["accuracy"] < 0.9  # a token that stands twice in its block misleads it
    examples = few_shot(2000, 7)
    assert judge(Oracle(12), examples)["accuracy"] == 1.0
    unseen = judge(Oracle(12), examples, examples.counted & ~examples.told)
    assert unseen["accuracy"] == 0.0  # no guess: token 0 is no output
    after = accuracy_after(Oracle(12), examples, 16)
    k = torch.arange(16)
    torch.testing.assert_close(after, 1 - (7 / 8) ** k, atol=0.05, rtol=0)
    torch.testing.assert_close(by_counting(16), 1 - (7 / 8) ** k * 0.75)


def test_scores_count_the_weight_on_the_edges():
    torch.manual_seed(0)
    model = AttentionOnly(AttentionOnlyConfig(64, width=16, heads=2, layers=1))
    data = repeats(20, 0)
    with trace(model) as maps:
        model(data.tokens)
    A = maps["layer.0.attention"].weights
    before, after, count = torch.zeros(2), torch.zeros(2), 0
    for b, t in data.told.nonzero().tolist():
        count += 1
        before += A[b, :, t, t - 1]
        for s in range(1, t + 1):
            if data.tokens[b, s - 1] == data.tokens[b, t]:
                after += A[b, :, t, s]
    torch.testing.assert_close(previous_token_scores(model, data), before[None] / count)
    torch.testing.assert_close(induction_scores(model, data), after[None] / count)
    everything = scores(model, data, torch.ones(1, 48, 48, dtype=torch.bool))
    torch.testing.assert_close(everything, torch.ones(1, 2))


def test_batches_are_reached_by_their_step():
    batches = PatternBatches(lambda count, seed: repeats(count, seed), rows=5, seed=3)
    assert torch.equal(batches.batch(7).tokens, batches.batch(7).tokens)
    assert not torch.equal(batches.batch(7).tokens, batches.batch(8).tokens)
    other = PatternBatches(lambda count, seed: repeats(count, seed), rows=5, seed=4)
    assert not torch.equal(batches.batch(7).tokens, other.batch(7).tokens)


def test_it_learns_in_a_blink():
    """First of all that outputs are outputs: from the log of 12, and more, to little above the log of 4."""
    torch.manual_seed(0)
    model = AttentionOnly(AttentionOnlyConfig(12, width=16, heads=2, layers=1))
    batches = PatternBatches(lambda count, seed: few_shot(count, seed, shots=4), 32)
    data = few_shot(200, 10_001, split="test", shots=4)
    before = judge(model, data, data.counted)["loss"]
    train(model, batches, pattern_loss, config=TrainConfig(60, lr=1e-2), quiet=True)
    assert before > 2.2
    assert judge(model, data, data.counted)["loss"] < 1.6


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_shipped_circuit_dies_with_its_edges(seed):
    data = repeats(100, 5)
    two = AttentionOnly.from_pretrained(f"induction-2layer-seed{seed}")
    one = AttentionOnly.from_pretrained(f"induction-1layer-seed{seed}")
    assert judge(two, data)["accuracy"] > 0.9
    assert judge(one, data)["accuracy"] < 0.3
    whole = judge(two, data)["loss"]
    edges = successors(data.tokens)[:, None]
    assert judge(two, data, edit={"layer.0.attention": cut(1)})["loss"] > whole + 4
    assert judge(two, data, edit={"layer.1.attention": cut(edges)})["loss"] > whole + 4
    assert judge(two, data, edit={"layer.0.attention": cut(4)})["loss"] < whole + 0.4


@pytest.mark.parametrize("name", ["induction-2layer", "few-shot-1layer"])
def test_a_recipe_in_miniature(name, tmp_path):
    from tfedu import weights
    from tfedu.train.recipes import ALL
    from tfedu.train.run import Options

    options = Options(tmp_path, steps=21)
    run = ALL[name](options)
    history = train(
        run.model,
        run.batches,
        run.loss,
        config=run.config,
        validate=run.validate,
        folder=tmp_path,
        quiet=True,
    )
    assert run.finish is not None
    run.finish(run.model, history, tmp_path)
    card = weights.card(tmp_path / f"{name}-seed0.safetensors")
    extra = "induction" if name.startswith("induction") else "unseen_accuracy"
    assert len(card["curve"][f"validation_{extra}"]) == len(card["curve"]["validation_step"]) == 2
    assert AttentionOnly.from_pretrained(tmp_path / f"{name}-seed0.safetensors").config == run.model.config
