"""A gaze over pictures: the dots lie where the locations say."""

import numpy as np
import pytest
import torch

from tfedu.viz import svg
from tfedu.viz.gaze import gaze, retina


def test_the_path_lies_where_the_locations_say() -> None:
    locations = torch.tensor([[[0.0, 0.0], [-1.0, 1.0], [0.5, -0.5]]])
    fig = gaze(torch.rand(1, 40, 60), locations, ["a 7"], cells=8, scales=2, title="It goes about")
    (ax,) = fig.axes
    path = ax.lines[0].get_xydata()
    np.testing.assert_allclose(path, [[30, 20], [60, 0], [15, 30]])
    squares = [patch.get_bbox().bounds for patch in ax.patches]
    np.testing.assert_allclose(squares, [(11, 26, 8, 8), (7, 22, 16, 16)])
    assert [text.get_text() for text in ax.texts] == ["1", "2", "3"]
    assert "<svg" in svg(fig, alt="a path")


def test_a_gallery_wants_a_path_for_each_picture() -> None:
    fig = gaze(torch.rand(5, 20, 20), torch.zeros(5, 1, 2), columns=3)
    assert sum(ax.get_visible() for ax in fig.axes) == 5
    with pytest.raises(ValueError, match="5 pictures want as many paths"):
        gaze(torch.rand(5, 20, 20), torch.zeros(4, 1, 2))
    with pytest.raises(ValueError, match="captions"):
        gaze(torch.rand(2, 20, 20), torch.zeros(2, 1, 2), ["one"])


def test_a_retina_has_a_view_for_each_scale() -> None:
    fig = retina(torch.rand(30, 30), (0.0, 0.2), torch.rand(3, 4, 4), title="Sharp in the middle")
    assert len(fig.axes) == 4
    assert [ax.get_xlabel() for ax in fig.axes[1:]] == ["4 × 4 pixels", "8 × 8 pixels", "16 × 16 pixels"]
