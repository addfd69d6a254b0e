"""The drawings: pictures in range that follow from their seed, the same at every size."""

import pytest
import torch
import torch.nn.functional as F

from tfedu.data.drawings import THINGS, drawing, drawings
from tfedu.data.pictures import normalised
from tfedu.models.resnet import ResNet


@pytest.fixture(scope="module")
def some() -> torch.Tensor:
    return torch.stack([drawings(seed=seed) for seed in (0, 1)])


def test_one_of_each_of_the_ten_classes(some) -> None:
    assert some.shape == (2, 10, 3, 32, 32)
    assert some.dtype == torch.float32
    assert some.min() >= 0
    assert some.max() <= 1
    assert (some.flatten(2).std(2) > 0.08).all(), "there is something to see in each"
    assert THINGS == (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )


def test_the_seed_decides_everything_and_varies_each(some) -> None:
    for i, thing in enumerate(THINGS):
        assert torch.equal(drawing(thing, seed=1), some[1, i])
    assert ((some[0] - some[1]).abs().mean((1, 2, 3)) > 0.02).all()


def test_a_larger_one_is_the_same_picture(some) -> None:
    for thing in ("cat", "ship"):
        reduced = F.avg_pool2d(drawing(thing, seed=1, size=64), 2)
        assert (reduced - some[1, THINGS.index(thing)]).abs().mean() < 0.03


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"no drawing of 'unicorn'; there is airplane, .*truck"):
        drawing("unicorn")
    with pytest.raises(ValueError, match="at least 1 pixel"):
        drawing("cat", size=0)


def test_a_network_that_saw_only_photographs_knows_most_of_them(some) -> None:
    """Eight of ten in each set: they are good enough to show what a model of CIFAR-10 does."""
    model = ResNet.from_pretrained("resnet-cifar10-seed0")
    with torch.no_grad():
        named = model(normalised(some.flatten(0, 1))).argmax(-1).view(2, 10)
    assert ((named == torch.arange(10)).sum(1) >= 8).all(), named
