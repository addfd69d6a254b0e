"""Training picture classifiers: the batches, their augmentation, the losses, and the recipes from end to end."""

import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.attention import DotProduct
from tfedu.data import cifar10
from tfedu.data.pictures import LabelledPictures, normalised
from tfedu.models.deit import DeiT
from tfedu.models.resnet import ResNet, ResNetConfig
from tfedu.models.swin import Swin
from tfedu.models.vit import ViT, ViTConfig
from tfedu.train.__main__ import main
from tfedu.train.augment import Augment
from tfedu.train.recipes import ALL, vision
from tfedu.train.vision import ClassificationLoss, PictureBatches, TaughtLoss, predict, scores, shifted

SMALL = ViTConfig(classes=10, image_size=32, patch_size=8, width=8, layers=1, heads=2, eps=1e-6)


def some(count: int = 24, seed: int = 0) -> LabelledPictures:
    dice = torch.Generator().manual_seed(seed)
    pictures = torch.randint(256, (count, 3, 32, 32), generator=dice, dtype=torch.uint8)
    return LabelledPictures(pictures, torch.arange(count) % 10, cifar10.CLASSES, "made for a test")


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 24), seed=st.integers(0, 99))
def test_an_epoch_has_each_picture_once_and_a_step_always_the_same_batch(rows: int, seed: int) -> None:
    data = some()
    batches = PictureBatches(data, rows, seed, shift=3, mirror=True)
    steps = [batches.batch(step) for step in range(len(batches))]
    again = PictureBatches(data, rows, seed, shift=3, mirror=True).batch(len(batches) - 1)
    assert torch.equal(again.pictures, steps[-1].pictures)
    assert torch.equal(again.labels, steps[-1].labels)
    plain = PictureBatches(data, rows, seed)
    seen = torch.cat([plain.batch(step).pictures for step in range(len(plain))])
    known = {tuple(one.flatten()[:9].tolist()) for one in normalised(data.pictures)}
    met = [tuple(one.flatten()[:9].tolist()) for one in seen]
    assert len(set(met)) == len(met) == rows * len(plain)
    assert set(met) <= known


def test_epochs_differ_and_so_do_seeds() -> None:
    first, other = PictureBatches(some(), 24), PictureBatches(some(), 24, seed=1)
    assert not torch.equal(first.batch(0).labels, first.batch(1).labels)
    assert not torch.equal(first.batch(0).labels, other.batch(0).labels)
    with pytest.raises(ValueError, match="give rows from 1"):
        PictureBatches(some(), 25)


@settings(max_examples=30, deadline=None)
@given(most=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_shift_moves_whole_pictures_and_mirrors_what_comes_into_view(most: int, seed: int) -> None:
    pictures = torch.rand(5, 3, 9, 12)
    moved = shifted(pictures, most, torch.Generator().manual_seed(seed))
    wide = F.pad(pictures, [most] * 4, mode="reflect")
    for before, after in zip(wide, moved, strict=True):
        windows = [before[:, y : y + 9, x : x + 12] for y in range(2 * most + 1) for x in range(2 * most + 1)]
        assert any(torch.equal(after, one) for one in windows)


def test_half_of_the_pictures_are_mirrored() -> None:
    data = some(1000)
    plain, turned = (PictureBatches(data, 1000, mirror=mirror).batch(0).pictures for mirror in (False, True))
    same = (plain == turned).flatten(1).all(1)
    assert ((plain.flip(-1) == turned).flatten(1).all(1) ^ same).all()
    assert 0.44 < same.float().mean() < 0.56


def test_the_losses_by_hand() -> None:
    torch.manual_seed(0)
    batch = PictureBatches(some(), 12).batch(0)
    model, teacher = DeiT(SMALL), ResNet(ResNetConfig(widths=(4, 8), blocks=(1, 1)))
    own, heard = model(batch.pictures)
    both = (F.cross_entropy(own, batch.labels) + F.cross_entropy(heard, batch.labels)) / 2
    found = ClassificationLoss()(model, batch)
    torch.testing.assert_close(found.total / found.count, both)
    said = teacher.eval()(batch.pictures).argmax(-1)
    smooth = F.cross_entropy(own, batch.labels, label_smoothing=0.1)
    taught = TaughtLoss(teacher, 0.1)(model, batch)
    torch.testing.assert_close(taught.total / 12, (smooth + F.cross_entropy(heard, said)) / 2)
    taught.total.backward()
    assert all(p.grad is None for p in teacher.parameters())


def test_the_teacher_stays_as_it_is() -> None:
    teacher = ResNet(ResNetConfig(widths=(4, 8), blocks=(1, 1))).train()
    loss, before = TaughtLoss(teacher), {k: v.clone() for k, v in teacher.state_dict().items()}
    loss(DeiT(SMALL), PictureBatches(some(), 12).batch(0))
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())  # running means too


def test_scores_are_of_the_mean_of_two_heads() -> None:
    torch.manual_seed(0)
    model, data = DeiT(SMALL).eval(), some()
    logits = model(normalised(data.pictures)).logits
    torch.testing.assert_close(predict(model, data, rows=7), logits.detach(), atol=1e-5, rtol=1e-5)
    assert scores(model, data)["accuracy"] == (logits.argmax(-1) == data.labels).float().mean().item()


def test_bf16_attention_on_a_cpu_trains_by_plain_products() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 9, 8, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    mask = torch.rand(9, 9) < 0.7
    mask[4] = False
    kernel, plain = DotProduct(), DotProduct()
    for allowed in (None, mask):
        with torch.no_grad():
            wanted = kernel(q, k, v, allowed)
        found = plain(q, k, v, allowed)
        torch.testing.assert_close(found, wanted, atol=2e-2, rtol=2e-2)
        assert found.dtype is torch.bfloat16
        assert "Flash" not in type(found.grad_fn).__name__
        found.float().sum().backward()
    assert q.grad.isfinite().all()


@pytest.fixture
def made_cifar(monkeypatch):
    monkeypatch.setattr(cifar10, "load", lambda split: some(300, seed=len(split)))
    monkeypatch.setattr(vision, "HELD_OUT", 100)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("resnet-cifar10", ResNet), ("vit-cifar10", ViT), ("deit-cifar10", DeiT), ("swin-cifar10", Swin)],
)
def test_a_few_steps_ship_a_file_with_its_card(tmp_path, name, kind, made_cifar, monkeypatch) -> None:
    monkeypatch.setattr(
        ResNet, "from_pretrained", classmethod(lambda cls, given: cls(ResNetConfig(widths=(4,), blocks=(1,))))
    )
    given = ["--steps", "2", "--seed", "3", "--out", str(tmp_path), "--quiet", "--set", "rows=8"]
    assert main([name, *given, "--set", "epochs=1"]) == 0
    monkeypatch.undo()
    model = kind.from_pretrained(tmp_path / f"{name}-seed3.safetensors")
    assert not model.training
    card = json.loads((tmp_path / f"{name}-seed3.json").read_text())
    assert card["teacher"] == ("resnet-cifar10-seed0" if kind is DeiT else None)
    assert card["epochs"] == 1
    assert "made for a test" in card["data"]
    assert card["scores"].keys() >= {"loss", "accuracy", "training_loss", "training_accuracy"}


def test_all_four_have_the_same_size_and_budget(made_cifar, monkeypatch) -> None:
    from tfedu.train.run import Options

    monkeypatch.setattr(
        ResNet, "from_pretrained", classmethod(lambda cls, given: cls(ResNetConfig(widths=(4,), blocks=(1,))))
    )
    runs = {name: ALL[name](Options(folder=None)) for name in vision.RECIPES}  # type: ignore[arg-type]
    sizes = {name: sum(p.numel() for p in run.model.parameters()) for name, run in runs.items()}
    assert max(sizes.values()) < 1.1 * min(sizes.values()), sizes
    assert len({(run.config.steps, run.batches.rows) for run in runs.values()}) == 1


def test_augmented_batches_carry_mixed_labels_and_nothing_changes_without() -> None:
    data = some(40)
    plain = PictureBatches(data, 8, shift=2, mirror=True).batch(3)
    nothing = Augment(operations=0, erasing=0.0, mixup=0.0, cutmix=0.0, smoothing=0.0)
    same = PictureBatches(data, 8, shift=2, mirror=True, augment=nothing).batch(3)
    torch.testing.assert_close(same.pictures, plain.pictures, atol=1e-6, rtol=0)
    assert torch.equal(same.targets.argmax(-1), plain.labels)
    mixed = PictureBatches(data, 8, augment=Augment()).batch(3)
    assert len(mixed) == 8
    torch.testing.assert_close(mixed.targets.sum(-1), torch.ones(8))
    assert (mixed.targets > 0.11).sum(-1).max() == 2
    model, teacher = DeiT(SMALL), ResNet(ResNetConfig(widths=(4, 8), blocks=(1, 1)))
    for loss in (ClassificationLoss(0.1), TaughtLoss(teacher, 0.1)):
        found = loss(model, mixed)
        assert found.total.isfinite()
        assert found.count == 8


def test_a_recipe_takes_sizes_and_augmentation_and_its_card_says_which(tmp_path, made_cifar) -> None:
    asked = [
        "width=32",
        "layers=1",
        "heads=2",
        "cutmix=1.0",
        "operations=1",
        "drop_path=0.1",
        "rows=8",
        "epochs=1",
    ]
    settings_ = [word for one in asked for word in ("--set", one)]
    assert main(["vit-cifar10", "--steps", "2", "--out", str(tmp_path), "--quiet", *settings_]) == 0
    model = ViT.from_pretrained(tmp_path / "vit-cifar10-seed0.safetensors")
    assert (model.config.width, len(model.layers), model.config.drop_path) == (32, 1, 0.1)
    card = json.loads((tmp_path / "vit-cifar10-seed0.json").read_text())
    assert card["settings"] == dict(one.split("=") for one in asked)
