"""Taught ViTs: what a batch is, what mirrors show, the loss of each trial, and all trainings in miniature."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from tfedu.data.pictures import normalised
from tfedu.data.textures import CLASSES
from tfedu.models.deit import DeiT
from tfedu.train import teachers
from tfedu.train.distillation import distillation_loss
from tfedu.train.teachers import NONE, TRIALS, Lesson, Trial, ViewBatches, learned_from, mirrored, student
from tfedu.weights import data_dir

SHIPPED = data_dir() / "ablations" / "deit.json"


def test_a_mirror_makes_a_picture_of_another_class() -> None:
    data = learned_from(0, 64)
    left = torch.tensor([name.split()[1] == "left" for name in CLASSES])[data.labels]
    turned = data.pictures[left].flip(-1)
    assert left.any()
    seen = mirrored(data.pictures, torch.Generator().manual_seed(0))
    same = [(seen == one).flatten(1).all(1) for one in _all_views(data.pictures)]
    assert torch.stack(same).sum(0).min() == 1  # each view is one of the four
    assert all(0.1 < one.float().mean() < 0.45 for one in same)
    assert turned.shape == data.pictures[left].shape


def _all_views(pictures: torch.Tensor) -> list[torch.Tensor]:
    return [pictures, pictures.flip(-1), pictures.flip(-2), pictures.flip(-1, -2)]


def test_a_batch_is_decided_by_seed_and_step() -> None:
    data, trial = learned_from(0, 64), TRIALS["regularisers"]["all"]
    one, same = (ViewBatches(data, trial, 3, 16).batch(9) for _ in range(2))
    assert torch.equal(one.pictures, same.pictures)
    assert torch.equal(one.targets, same.targets)
    assert not torch.equal(one.pictures, ViewBatches(data, trial, 4, 16).batch(9).pictures)
    assert not torch.equal(one.pictures, ViewBatches(data, trial, 3, 16).batch(10).pictures)
    assert torch.cat([one.shard(r, 2).targets for r in range(2)]).sum() == pytest.approx(16, abs=1e-4)


def test_a_plain_epoch_shows_every_picture_once() -> None:
    data = learned_from(0, 64)
    batches = ViewBatches(data, Trial(), 0, 16)
    seen = torch.cat([batches.batch(step).pictures for step in range(4)])
    places = torch.cdist(seen.flatten(1), normalised(data.pictures).flatten(1)).argmin(1)
    assert torch.equal(places.sort().values, torch.arange(64))
    targets = torch.cat([batches.batch(step).targets for step in range(4)])
    assert torch.equal(targets.argmax(1), data.labels[places])
    assert len(ViewBatches(data, Trial(repeats=3), 0, 16).order(0).unique()) == 22


def test_what_each_trial_learns() -> None:
    batch = ViewBatches(learned_from(0, 64), Trial(), 0, 8).batch(0)
    teacher = teachers.convolutional(0).eval()
    said = teacher(batch.pictures)
    own = F.cross_entropy
    vit, deit = (student(Trial(tokens=n), 0).eval() for n in (1, 2))
    assert isinstance(deit, DeiT)
    alone = Lesson(Trial(), None)(vit, batch)
    assert float(alone.total) == pytest.approx(float(own(vit(batch.pictures), batch.targets)) * 8, rel=1e-5)
    two = Lesson(Trial(tokens=2), None)(deit, batch)
    heads = deit(batch.pictures)
    both = own(heads[0], batch.targets) + own(heads[1], batch.targets)
    assert float(two.total) == pytest.approx(float(both) * 4, rel=1e-5)
    for kind in ("hard", "soft"):
        taught = Lesson(Trial("resnet", kind=kind, tokens=2), teacher)(deit, batch)
        expected = distillation_loss(heads, batch.targets, said, kind)
        assert float(taught.total) == pytest.approx(float(expected) * 8, rel=1e-5)
    one = Lesson(Trial("resnet"), teacher)(vit, batch)
    logits = vit(batch.pictures)
    mean = (own(logits, batch.targets) + own(logits, said.argmax(-1))) / 2
    assert float(one.total) == pytest.approx(float(mean) * 8, rel=1e-5)


def test_tokens_that_are_the_same_have_a_cosine_of_one() -> None:
    model = student(Trial(tokens=2), 0)
    assert isinstance(model, DeiT)
    pictures = normalised(learned_from(0, 64).pictures)
    apart = teachers.token_cosines(model.eval(), pictures)
    assert len(apart) == 1 + len(model.layers)
    assert apart[0] < 0.9
    with torch.no_grad():
        model.distillation_token.copy_(model.class_token)
    assert teachers.token_cosines(model, pictures) == pytest.approx([1.0] * 3, abs=1e-5)


def test_all_trainings_in_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "held_out", lambda: learned_from(9, 40))
    kept = []
    results = teachers.run((0,), steps=2, pictures=40, keep=lambda found: kept.append(1))
    assert {*results} == {"short", "long", "teachers", "regularisers"}
    assert [*results["teachers"]] == ["resnet", "vit"]
    for group, trials in TRIALS.items():
        assert [*results[group]] == [*trials]
        for name, trial in trials.items():
            (row,) = results[group][name]
            assert {
                "seed",
                "accuracy",
                "accuracy_learned",
                "loss",
                "curve",
                "parameters",
                "seconds",
            } <= row.keys()
            assert ("agreement" in row) == bool(trial.teacher)
            assert ("cosines" in row) == (trial.tokens == 2)
    assert len(kept) == sum(map(len, TRIALS.values()))
    assert results["regularisers"]["none"] == results["short"]["alone"]
    json.dumps(results)
    teachers.run((0,), steps=2, pictures=40, results=results, keep=pytest.fail)


def test_no_two_names_of_a_group_are_the_same_training() -> None:
    for trials in TRIALS.values():
        assert len(set(trials.values())) == len(trials)
    assert replace(NONE, cutmix=1.0) == TRIALS["long"]["hard, CutMix"].augment


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_student() -> None:
    results = teachers.shipped()
    assert results["about"]["steps"] >= 300
    for group, trials in TRIALS.items():
        assert [*results[group]] == [*trials]
        for rows in results[group].values():
            assert sorted(row["seed"] for row in rows) == [0, 1, 2]
