"""Each operation against Pillow's own; what mixing, erasing and repeating promise; what a generator decides."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from tfedu.train.augment import (
    OPERATIONS,
    Augment,
    Box,
    Mixed,
    RandAugment,
    blend,
    cutmix,
    erase,
    mixup,
    paste,
    repeated,
    smooth,
)

H, W = 24, 32


def pictures(count: int = 6, height: int = H, width: int = W, seed: int = 0) -> Tensor:
    """Of whole bytes, smooth enough that half a pixel is no matter of luck, and of unequal contrast."""
    rough = torch.rand(count, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(seed))
    made = torch.nn.functional.interpolate(rough, (height, width), mode="bilinear")
    return (made * torch.linspace(0.3, 1, count)[:, None, None, None] * 255).round() / 255


def pillow(picture: Tensor) -> Image.Image:
    return Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy())


def tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) / 255


def affine(image: Image.Image, matrix: list[list[float]], shift: tuple[float, float] = (0, 0)) -> Image.Image:
    """What Pillow makes of a map about the middle: it counts from the corner."""
    (a, b), (d, e) = matrix
    x, y = W / 2, H / 2
    found = (a, b, x - a * x - b * y + shift[0], d, e, y - d * x - e * y + shift[1])
    return image.transform(
        image.size, Image.Transform.AFFINE, found, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128)
    )


PILLOW = {
    "identity": lambda image, s: image,
    "autocontrast": lambda image, s: ImageOps.autocontrast(image),
    "equalize": lambda image, s: ImageOps.equalize(image),
    "rotate": lambda image, s: image.rotate(s, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128)),
    "solarize": lambda image, s: ImageOps.solarize(image, math.ceil(s * 255)),
    "color": lambda image, s: ImageEnhance.Color(image).enhance(s),
    "posterize": lambda image, s: ImageOps.posterize(image, round(s)),
    "contrast": lambda image, s: ImageEnhance.Contrast(image).enhance(s),
    "brightness": lambda image, s: ImageEnhance.Brightness(image).enhance(s),
    "sharpness": lambda image, s: ImageEnhance.Sharpness(image).enhance(s),
    "shear_x": lambda image, s: affine(image, [[1, s], [0, 1]]),
    "shear_y": lambda image, s: affine(image, [[1, 0], [s, 1]]),
    "translate_x": lambda image, s: affine(image, [[1, 0], [0, 1]], (s * W, 0)),
    "translate_y": lambda image, s: affine(image, [[1, 0], [0, 1]], (0, s * H)),
}
#: Pillow rounds to bytes, some operations twice.
BYTES = dict.fromkeys(("identity", "equalize", "posterize", "solarize"), 0.01)


def test_pillow_has_a_namesake_of_each() -> None:
    assert PILLOW.keys() == OPERATIONS.keys()
    assert len(OPERATIONS) == 14


@pytest.mark.parametrize("name", PILLOW)
def test_it_does_what_pillow_does(name: str) -> None:
    one, batch = OPERATIONS[name], pictures()
    strengths = one.rest + one.reach * torch.tensor([0.0, 0.2, 0.45, 0.6, 0.83, 1.0])
    signs = torch.tensor([1, -1, 1, 1, -1, 1]) if one.signed else torch.ones(6)
    strengths = one.rest + signs * (strengths - one.rest)
    found = one.run(batch, strengths)
    expected = torch.stack(
        [tensor(PILLOW[name](pillow(p), float(s))) for p, s in zip(batch, strengths, strict=True)]
    )
    off = (found - expected).abs() * 255
    assert off.quantile(0.995) <= BYTES.get(name, 2.01), (
        off.max()
    )  # a pixel on the very edge may be grey or not
    assert off.mean() < 0.75


@pytest.mark.parametrize("name", OPERATIONS)
def test_at_rest_it_changes_nothing_and_at_its_reach_it_stays_a_picture(name: str) -> None:
    one, batch = OPERATIONS[name], pictures()
    if one.reach:
        torch.testing.assert_close(one.run(batch, torch.full((6,), one.rest)), batch, atol=1e-5, rtol=0)
    for sign in (1, -1) if one.signed else (1,):
        far = one.run(batch, torch.full((6,), one.rest + sign * one.reach))
        assert far.shape == batch.shape
        assert far.min() >= 0
        assert far.max() <= 1 + 1e-6
        assert name == "identity" or not torch.equal(far, batch)


def test_rows_do_not_mix() -> None:
    """Each picture's own strength, and nothing of its neighbours."""
    batch = pictures()
    for one in OPERATIONS.values():
        strengths = one.rest + one.reach * torch.linspace(0, 1, 6)
        whole = one.run(batch, strengths)
        for row in range(6):
            torch.testing.assert_close(
                one.run(batch[row : row + 1], strengths[row : row + 1])[0], whole[row], atol=1e-6, rtol=0
            )


def test_no_operations_are_the_identity_and_the_same_generator_gives_the_same() -> None:
    batch = pictures(64)
    assert torch.equal(RandAugment(0)(batch), batch)
    policy = RandAugment(2, 9.0)
    one, same, other = (policy(batch, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(batch, pictures(64))  # untouched
    changed = (one != batch).flatten(1).any(1).float().mean()
    assert changed > 0.8  # both operations are the identity for one in 196
    with pytest.raises(ValueError, match="magnitude is from 0 to 10"):
        RandAugment(2, 11)


def test_magnitude_nothing_leaves_only_what_has_no_strength() -> None:
    batch = pictures(200)
    found = RandAugment(1, 0.0, spread=0.0)(batch, torch.Generator().manual_seed(0))
    same = ((found - batch).abs() < 1e-5).flatten(1).all(1).float().mean()
    assert same == pytest.approx(12 / 14, abs=0.08)  # all but autocontrast and equalize


# --- Mixing ------------------------------------------------------------------------------------------------


def one_hot(count: int) -> Mixed:
    """Pictures of one value each, which is their class's number: a mixture can be read off them."""
    value = torch.arange(count) / (count - 1)
    return Mixed(value[:, None, None, None].expand(-1, 3, H, W).clone(), torch.eye(count))


def test_smoothed_labels() -> None:
    targets = smooth(torch.tensor([2, 0]), 4, 0.1)
    torch.testing.assert_close(
        targets, torch.tensor([[0.025, 0.025, 0.925, 0.025], [0.925, 0.025, 0.025, 0.025]])
    )
    assert torch.equal(smooth(torch.tensor([1]), 3, 0.0), torch.tensor([[0.0, 1.0, 0.0]]))
    with pytest.raises(ValueError, match="from 0 to 1"):
        smooth(torch.tensor([1]), 3, 10)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), alpha=st.floats(0.1, 4), way=st.sampled_from([mixup, cutmix]))
def test_labels_mix_as_pictures_do(seed: int, alpha: float, way) -> None:
    """The mean over a picture is its targets' mean, with either way and any share."""
    batch = one_hot(5)
    found = way(batch, alpha, torch.Generator().manual_seed(seed))
    value = torch.arange(5) / 4
    torch.testing.assert_close(found.pictures.mean((1, 2, 3)), found.targets @ value, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.targets.sum(1), torch.ones(5))
    again = way(batch, alpha, torch.Generator().manual_seed(seed))
    assert torch.equal(again.pictures, found.pictures)
    assert torch.equal(batch.pictures, one_hot(5).pictures)


def test_blend_and_paste_by_hand() -> None:
    batch, partner = one_hot(3), torch.tensor([2, 0, 1])
    found = blend(batch, partner, 0.25)
    assert found.targets[0].tolist() == [0.25, 0, 0.75]
    assert found.pictures[0].unique().tolist() == [0.75]
    box = Box(2, 8, 4, 20)
    found = paste(batch, partner, box)
    inside = found.pictures[0] == batch.pictures[2]
    assert int(inside[0].sum()) == box.area == 96
    assert inside[:, 2:8, 4:20].all()
    assert found.targets[0].tolist() == pytest.approx([1 - 96 / (H * W), 0, 96 / (H * W)])


def test_a_box_is_shaped_like_the_picture_unless_it_sticks_out() -> None:
    """Yun et al.: both sides are the picture's times the root of 1 - share."""
    whole = 0
    for seed in range(100):
        batch = Mixed(torch.arange(2.0)[:, None, None, None].expand(2, 3, H, W), torch.eye(2))
        changed = cutmix(batch, 1.0, torch.Generator().manual_seed(seed)).pictures[0, 0] != 0
        rows, columns = changed.any(1), changed.any(0)
        assert torch.equal(changed, rows[:, None] & columns)
        if changed.any() and not (rows[0] | rows[-1] | columns[0] | columns[-1]):
            assert abs(rows.sum() / H - columns.sum() / W) <= 1 / H
            whole += 1
    assert whole > 5


def test_erased_boxes() -> None:
    batch = pictures(200)
    found = erase(batch, 0.25, torch.Generator().manual_seed(0))
    changed = (found != batch).any(1)
    hit = changed.flatten(1).any(1)
    assert hit.float().mean() == pytest.approx(0.25, abs=0.08)
    for row in hit.nonzero()[:, 0]:
        rows, columns = changed[row].any(1), changed[row].any(0)
        assert torch.equal(changed[row], rows[:, None] & columns)  # one box
        assert changed[row].float().mean() <= 1 / 3
    noise = found[changed[:, None].expand_as(found)]
    assert noise.mean() == pytest.approx(0.5, abs=0.02)
    assert noise.std() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(erase(batch, 0.0), batch)
    assert torch.equal(erase(batch, 0.25, torch.Generator().manual_seed(0)), found)


def test_repeated_augmentation() -> None:
    order = repeated(100, 3, torch.Generator().manual_seed(0))
    assert len(order) == 100
    assert torch.equal(order[:99].view(33, 3), order[:99:3, None].expand(-1, 3))
    assert len(order.unique()) == 34
    assert torch.equal(repeated(7, 1).sort().values, torch.arange(7))
    with pytest.raises(ValueError, match="at least once"):
        repeated(7, 0)


def test_all_of_it() -> None:
    batch, labels = pictures(16), torch.arange(16) % 5
    plain = Augment(0, 0.0, 0.0, 0.0, 0.0, 0.0)(batch, labels, 5)
    assert torch.equal(plain.pictures, batch)
    assert torch.equal(plain.targets.argmax(1), labels)
    one, same = (Augment()(batch, labels, 5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.pictures, same.pictures)
    torch.testing.assert_close(one.targets.sum(1), torch.ones(16))
    assert one.targets.min() == pytest.approx(0.1 / 5)
    assert not torch.equal(one.pictures, batch)
