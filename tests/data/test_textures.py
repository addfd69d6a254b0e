"""The textures: true as they say, balanced, and neither patches without places nor places without patches tell."""

import pytest
import torch
from einops import rearrange
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tfedu.data.pictures import LabelledPictures
from tfedu.data.textures import CLASSES, PAIRS, SIDES, Textures, textures


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 40), seed=st.integers(0, 2**31), shift=st.integers(0, 15), noise=st.floats(0, 1))
def test_what_a_picture_is_said_to_be_it_is(count: int, seed: int, shift: int, noise: float) -> None:
    made = textures(count, seed=seed, shift=shift, noise=noise)
    assert made.pictures.shape == (count, 3, 32, 32)
    assert made.pictures.min() >= 0
    assert made.pictures.max() <= 1
    assert torch.equal(made.labels, 4 * made.pairs + made.sides)
    frequency = torch.bincount(made.labels, minlength=8)
    assert frequency.max() - frequency.min() <= 1
    for first, side in zip(made.first, made.sides, strict=True):
        upright = torch.rot90(first, {"left": 0, "right": 2, "top": 1, "bottom": 3}[SIDES[side]])
        border = upright[0].sum()  # all on the left now, the same in each row
        assert torch.equal(upright, (torch.arange(32) < border).expand(32, 32))
        assert abs(border - 16) <= shift


def kinds(patches: Tensor) -> Tensor:
    """Which texture each patch (..., 4, 4) is, from its spectrum: where the energy of a period of four pixels lies."""
    power = torch.fft.fft2(patches).abs() ** 2
    rows, columns = power[..., 1, 0], power[..., 0, 1]
    falling, rising = power[..., 1, 1], power[..., 1, 3]
    return torch.stack([rows, columns, 2 * torch.minimum(rising, falling), falling - rising], -1).argmax(-1)


def test_each_half_holds_its_texture() -> None:
    made = textures(400, noise=0.02)
    patches = rearrange(made.pictures.mean(1), "n (h p) (w q) -> n h w p q", p=4, q=4)
    where = made.first[:, ::4, ::4]
    pairs = made.pairs[:, None, None]
    expected = torch.where(where, 2 * pairs, 2 * pairs + 1)
    assert (kinds(patches) == expected).float().mean() > 0.999
    assert PAIRS[made.pairs[0]][0] in CLASSES[made.labels[0]]


def learned(features: Tensor, labels: Tensor) -> float:
    """How often a forest that learned on half of the features is right on the others."""
    from sklearn.ensemble import RandomForestClassifier

    half = len(features) // 2
    forest = RandomForestClassifier(60, random_state=0).fit(features[:half].numpy(), labels[:half].numpy())
    return float(forest.score(features[half:].numpy(), labels[half:].numpy()))


def test_neither_patches_nor_places_alone_tell_the_class() -> None:
    made = textures(1600, noise=0.02)
    patches = rearrange(made.pictures, "n c (h p) (w q) -> n h w c p q", p=4, q=4)
    kind = torch.nn.functional.one_hot(kinds(patches.mean(3)), 4).float()
    places = kind.flatten(1)
    bag = torch.cat([kind.mean((1, 2)), patches.mean((1, 2, 4, 5)), patches.std((1, 2, 4, 5))], 1)
    assert learned(places, made.labels) > 0.99
    assert learned(bag, made.pairs) > 0.99
    assert abs(learned(bag, made.labels) - 1 / 4) < 0.06
    # Where the border runs, but not which textures it parts: that leaves two sides, and either pair.
    parted = (places.view(-1, 8, 8, 4) == kind[:, :1, :1]).all(-1).float().flatten(1)
    assert abs(learned(parted, made.labels) - 1 / 4) < 0.06
    assert abs(learned(made.sides[:, None].float(), made.labels) - 1 / 2) < 0.06
    # Colours and grey levels, patch by patch, tell nothing at all: only the structure inside a patch does.
    assert abs(learned(patches.mean((4, 5)).flatten(1), made.labels) - 1 / 8) < 0.06
    assert abs(learned(made.pictures[:, :, ::4, ::4].flatten(1), made.pairs) - 1 / 2) < 0.1


def test_the_seed_decides_everything_and_the_size_is_free() -> None:
    one, same, other = textures(20, seed=3), textures(20, seed=3), textures(20, seed=4)
    assert torch.equal(one.pictures, same.pictures)
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.labels, other.labels)
    large = textures(8, size=48)
    assert large.pictures.shape == (8, 3, 48, 48)
    assert large.first.sum((1, 2)).tolist() == [48 * 24] * 8


def test_a_part_is_a_set_of_the_same_kind() -> None:
    made = textures(20)
    part = made[made.labels == 3]
    assert isinstance(part, Textures)
    assert isinstance(part, LabelledPictures)
    assert (part.sides == 3).all()
    assert part.first.shape == (len(part), 32, 32)
    shares = [made.shard(rank, 3) for rank in range(3)]
    assert sum(map(len, shares)) == 20
    assert sorted(torch.cat([share.labels for share in shares]).tolist()) == sorted(made.labels.tolist())


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"count": 0}, "at least one"),
        ({"count": 1, "noise": -1.0}, "no negative noise"),
        ({"count": 1, "shift": 16}, "from 0 to 15"),
        ({"count": 1, "shift": -1}, "from 0 to 15"),
    ],
)
def test_bad_sizes_are_named(bad: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        textures(**bad)
