"""Figures of grids: what is given stands where it belongs."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from tfedu import viz
from tfedu.viz.grids import cosines


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_pictures_stand_in_rows_with_their_captions():
    shown = [torch.rand(4, 6, 3) for _ in range(5)]
    fig = viz.pictures(shown, list("abcde"), columns=3, title="A finding")
    visible = [ax for ax in fig.axes if ax.get_visible()]
    assert [ax.get_xlabel() for ax in visible] == list("abcde")
    assert np.allclose(visible[1].images[0].get_array(), shown[1].numpy())
    assert len(fig.axes) == 6
    assert "pixelated" in viz.svg(fig, alt="pictures")
    with pytest.raises(ValueError, match="5 pictures want as many captions; got 2"):
        viz.pictures(shown, ["a", "b"])


def test_a_sentence_holds_the_patches_in_order():
    picture = torch.rand(4, 6, 3)
    fig = viz.sentence(picture, 2, words=4, query=3, title="A finding")
    drawn = fig.axes[0].images
    assert len(drawn) == 6 + 4
    numbers = [text.get_text() for text in fig.axes[0].texts]
    assert numbers == ["1", "2", "3", "4", "…"]
    assert np.allclose(drawn[0].get_array(), picture[:2, :2])
    assert np.allclose(drawn[-1].get_array(), picture[2:, 4:])
    assert len(fig.axes[0].patches) == 2
    with pytest.raises(ValueError, match="do not tile"):
        viz.sentence(picture, 3)


def test_every_head_has_its_place():
    torch.manual_seed(0)
    layers = {name: torch.rand(2, 3, 13, 13).softmax(-1) for name in ("first", "last")}
    fig = viz.heads_on_image(layers, torch.rand(30, 40, 3), (2, 1), grid=(3, 4), item=1, title="A finding")
    assert len(fig.axes) == 6
    alpha = fig.axes[5].images[1].get_array()[..., 3]
    expected = layers["last"][1, 2, 1 + 2 * 4 + 1, 1:].reshape(3, 4).numpy()
    assert np.allclose(alpha, 0.85 * expected / expected.max())
    assert [fig.axes[at].get_ylabel() for at in (0, 3)] == ["first", "last"]
    layers["last"] = layers["last"][:, :2]
    with pytest.raises(ValueError, match="equally many heads"):
        viz.heads_on_image(layers, torch.rand(30, 40), grid=(3, 4))


def test_distances_lie_beside_their_layer():
    seeds = {f"seed {n}": torch.rand(3, 4, dtype=torch.float64) for n in range(3)}
    fig = viz.distances(seeds, uniform=0.7, title="A finding")
    dots = [line for line in fig.axes[0].lines if line.get_linestyle() == "None"]
    assert len(dots) == 3
    for line, table in zip(dots, seeds.values(), strict=True):
        assert np.allclose(line.get_ydata(), table.numpy().ravel())
        assert (np.round(line.get_xdata()) == np.repeat([1, 2, 3], 4)).all()
    assert any(np.allclose(line.get_ydata(), 0.7) for line in fig.axes[0].lines if len(line.get_xdata()) == 2)
    assert len({line.get_marker() for line in dots}) == 3


def test_alike_places_are_dark():
    table = np.array([[1.0, 0], [2, 0], [0, 1], [-1, 0], [1, 1], [0, 3]])
    assert cosines(table)[0] == pytest.approx([1, 1, 0, -1, 2**-0.5, 0])
    fig = viz.position_similarity(table, (2, 3), title="A finding")
    alpha = np.asarray(fig.axes[0].images[0].get_array())[..., 3]
    assert alpha.shape == (2 * 3 - 1, 3 * 4 - 1)
    shade = (1 + np.array([1, 1, 0, -1, 2**-0.5, 0])) / 2  # the lowest cosine is -1
    assert alpha[0:2, 0:3].ravel() == pytest.approx(shade)  # place (0, 0)
    assert alpha[3:5, 8:11].ravel() == pytest.approx((1 + np.array([0, 0, 1, 0, 2**-0.5, 1])) / 2)  # (1, 2)
    assert alpha[2].max() == 0  # the gap
    with pytest.raises(ValueError, match="has 8 places; the table 6"):
        viz.position_similarity(table, (2, 4))
