"""A map over a picture: the right weights in the right cells."""

import numpy as np
import pytest
import torch

from tfedu.trace import AttentionMap
from tfedu.viz import on_image, svg
from tfedu.viz.on_image import over_grid


@pytest.fixture
def patches() -> AttentionMap:
    """Self-attention among 3 by 4 patches with a class token before them, two heads."""
    torch.manual_seed(0)
    return AttentionMap(torch.rand(2, 2, 13, 13).softmax(-1), "layer")


def test_weights_land_in_their_cells(patches: AttentionMap) -> None:
    found, cell = over_grid(patches, (30, 40), (2, 1), (3, 4), item=1, head=0)
    assert cell == (2, 1)
    row = patches.weights[1, 0, 1 + 2 * 4 + 1].numpy()
    for r in range(3):
        for c in range(4):
            assert found[r, c] == pytest.approx(row[1 + 4 * r + c])
    by_number, _ = over_grid(patches, (30, 40), 10, (3, 4), item=1, head=0)
    np.testing.assert_allclose(by_number, found)
    several, _ = over_grid(patches, (30, 40), slice(0, 2), (3, 4))
    expected = patches.weights[0, :, :2, 1:].mean((0, 1)).reshape(3, 4)
    np.testing.assert_allclose(several, expected, atol=1e-6)
    every, _ = over_grid(patches, (30, 40), None, (3, 4))
    np.testing.assert_allclose(every, patches.weights[0, :, :, 1:].mean((0, 1)).reshape(3, 4), atol=1e-6)


def test_the_grid_is_guessed_where_it_is_certain() -> None:
    assert over_grid(np.ones((2, 12)), (3, 4))[0].shape == (3, 4)
    assert over_grid(np.ones((2, 9)), (30, 40))[0].shape == (3, 3)
    with pytest.raises(ValueError, match=r"grid=\(rows, columns\)"):
        over_grid(np.ones((2, 13)), (30, 40))


def test_it_is_drawn_and_shown(patches: AttentionMap) -> None:
    fig = patches.on_image(torch.rand(30, 40, 3), (0, 3), grid=(3, 4), title="It looks there")
    drawn = fig.axes[0].images
    assert len(drawn) == 2  # the picture, and the weights over it
    assert drawn[1].get_array().shape == (3, 4, 4)
    alpha = drawn[1].get_array()[..., 3]
    mean = patches.weights[0].mean(0)[4, 1:].reshape(3, 4).numpy()
    assert alpha.argmax() == mean.argmax()
    assert alpha.max() == pytest.approx(0.85)
    assert "pixelated" in svg(fig, alt="weights over a picture")


def test_bad_input_is_named(patches: AttentionMap) -> None:
    picture = torch.rand(30, 40)
    for given, error, words in (
        ({"query": (3, 0), "grid": (3, 4)}, IndexError, "outside the grid"),
        ({"query": 13, "grid": (3, 4)}, IndexError, "not one of the map's 13"),
        ({"query": slice(5, 5), "grid": (3, 4)}, IndexError, "not one of"),
        ({"grid": (4, 4)}, ValueError, "needs 16 keys"),
    ):
        with pytest.raises(error, match=words):
            on_image(patches, picture, **given)
    with pytest.raises(ValueError, match="give its number"):
        on_image(np.ones((2, 12)) / 12, picture, query=(0, 0), grid=(3, 4))
    with pytest.raises(ValueError, match=r"permute\(1, 2, 0\)"):
        on_image(patches, torch.rand(3, 30, 40), grid=(3, 4))
    with pytest.raises(ValueError, match="undo its normalisation"):
        on_image(patches, torch.rand(30, 40) * 3, grid=(3, 4))
