"""Language models in training: windows, losses, bits; the scaling runs in miniature; the recipes."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.data import topics
from tfedu.models.gpt import GPT, GPTConfig
from tfedu.train import scaling
from tfedu.train.language import (
    TextBatches,
    Windows,
    bits_per_character,
    language_loss,
    nats_per_token,
    surprise,
)
from tfedu.train.run import Options
from tfedu.weights import data_dir

SHIPPED = data_dir() / "ablations" / "scaling.json"


def model(seed: int = 0, context: int = 6) -> GPT:
    torch.manual_seed(seed)
    return GPT(GPTConfig(11, context, 8, 1, 2, dropout=0.0, initial=0.5)).eval()


@given(
    length=st.integers(1, 9),
    rows=st.integers(1, 5),
    step=st.integers(0, 10**6),
    seed=st.integers(0, 99),
    extra=st.integers(1, 30),
)
def test_windows_are_pieces_of_the_text_shifted_by_one(
    length: int, rows: int, step: int, seed: int, extra: int
) -> None:
    ids = torch.arange(100, 100 + length + extra)
    batches = TextBatches(ids.tolist(), rows, length, seed)
    one = batches.batch(step)
    assert one.inputs.shape == one.targets.shape == (rows, length)
    assert torch.equal(one.inputs + 1, one.targets)  # as the text counts up
    assert torch.equal(one.inputs.diff(dim=1), torch.ones(rows, length - 1, dtype=torch.long))
    assert one.inputs.min() >= 100
    assert one.targets.max() <= ids[-1]
    assert torch.equal(one.inputs, TextBatches(ids, rows, length, seed).batch(step).inputs)


def test_every_place_is_reached_and_seeds_differ() -> None:
    batches = TextBatches(range(12), 4, 5, seed=1)
    starts = {int(start) for step in range(60) for start in batches.batch(step).inputs[:, 0]}
    assert starts == set(range(7))
    assert not torch.equal(
        TextBatches(range(99), 8, 5, 0).batch(3).inputs, TextBatches(range(99), 8, 5, 1).batch(3).inputs
    )
    with pytest.raises(ValueError, match="a text of 5 tokens has no window of 5"):
        TextBatches(range(5), 1, 5)


def test_shards_hold_each_row_once() -> None:
    batch = TextBatches(range(50), 5, 4).batch(0)
    parts = [batch.shard(rank, 2) for rank in range(2)]
    assert sorted(int(row[0]) for part in parts for row in part.inputs) == sorted(batch.inputs[:, 0].tolist())
    with pytest.raises(ValueError, match="do not give each of 6 processes one"):
        batch.shard(0, 6)


@settings(max_examples=20, deadline=None)
@given(tokens=st.integers(2, 40), rows=st.integers(1, 4), seed=st.integers(0, 99))
def test_surprise_is_each_window_on_its_own(tokens: int, rows: int, seed: int) -> None:
    one = model()
    ids = torch.randint(0, 11, (tokens,), generator=torch.Generator().manual_seed(seed))
    found = surprise(one, ids, 6, rows)
    wanted = []
    for start in range(0, tokens - 1, 6):
        inputs, targets = ids[start : start + 6], ids[start + 1 : start + 7]
        logits = one(inputs[None, : len(targets)])[0]
        wanted.append(F.cross_entropy(logits, targets, reduction="none").detach())
    torch.testing.assert_close(found, torch.cat(wanted), atol=1e-5, rtol=1e-5)
    assert nats_per_token(one, ids, 6, rows) == pytest.approx(found.mean().item(), abs=1e-5)


def test_the_loss_is_that_of_the_windows() -> None:
    one, ids = model(), torch.randint(0, 11, (25,))
    lost = language_loss(one, Windows(ids[:24].view(4, 6), ids[1:].view(4, 6)))
    assert lost.count == 24
    assert lost.total.item() / 24 == pytest.approx(nats_per_token(one, ids, 6), abs=1e-5)


def test_bits_do_not_depend_on_the_tokens() -> None:
    """The same odds of a text, told in tokens of one character or of two."""
    assert bits_per_character(math.log(4), 100, 100) == pytest.approx(2)
    assert bits_per_character(2 * math.log(4), 50, 100) == pytest.approx(2)


def test_a_power_law_is_found() -> None:
    sizes = [10, 40, 90, 200]
    c, alpha = scaling.power_law(sizes, [5 * n**-0.07 for n in sizes])
    assert (c, alpha) == pytest.approx((5, 0.07))
    with pytest.raises(ValueError, match="two different sizes"):
        scaling.power_law([3, 3], [1, 2])


def test_scaling_runs_with_three_seeds_in_miniature() -> None:
    texts = (topics.load("train")[:20_000], topics.load("val")[:1000])
    kept: list[int] = []
    small = {"budgets": {"short": 1, "long": 2}, "widths": (16, 32), "vocabularies": (300,)}
    results = scaling.run(texts, **small, keep=lambda found: kept.append(len(found)))  # type: ignore[arg-type]
    assert {group: list(names) for group, names in results.items()} == {
        "short": ["16", "32"],
        "long": ["16", "32"],
        "tokens": ["300 byte pairs"],
    }
    for group, names in results.items():
        for rows in names.values():
            assert [row["seed"] for row in rows] == [0, 1, 2]
            for row in rows:
                assert 0 < row["loss"] < 10
                assert row["parameters"] < row["all_parameters"]
                assert (row["characters"] > 1.2) == (group == "tokens")
    assert results["short"]["16"][0]["parameters"] == 2 * (12 * 16**2 + 13 * 16)
    assert len(kept) == 15
    json.dumps(results)
    again = scaling.run(texts, **small, results=results, keep=pytest.fail)  # type: ignore[arg-type]
    assert again is results


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_size() -> None:
    results = scaling.shipped()
    assert results.pop("about")["steps"] == scaling.BUDGETS
    for budget in scaling.BUDGETS:
        assert results[budget].keys() == {str(width) for width in scaling.WIDTHS}
    assert results["tokens"].keys() == {f"{size} byte pairs" for size in scaling.VOCABULARIES}
    for names in results.values():
        for rows in names.values():
            assert sorted(row["seed"] for row in rows) == [0, 1, 2]


def test_the_recipe_of_the_topics_runs(tmp_path) -> None:
    from tfedu.train.recipes import ALL

    options = Options(tmp_path, steps=1, settings={"width": "12", "layers": "1", "heads": "2", "rows": "1"})
    run = ALL["gpt-topics"](options)
    assert not options.unknown()
    assert isinstance(run.model, GPT)
    assert run.config.steps == 1
    batch = run.batches.batch(0)
    assert batch.inputs.shape == (1, 128)
    assert math.isfinite(run.loss(run.model, batch).total.item())
