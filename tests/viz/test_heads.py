"""Figures about many heads: every part and every point is there, with a cue besides its colour."""

import numpy as np
import pytest

from tfedu import viz


def test_parts_stand_beside_each_other() -> None:
    sizes = {"one": [0.2, 0.5], "two": [0.3, 0.1], "three": [0.5, 0.4]}
    fig = viz.stacked(["a", "b"], sizes, title="A finding", xlabel="share")
    bars = fig.axes[0].patches
    assert [round(bar.get_width(), 6) for bar in bars] == [0.2, 0.5, 0.3, 0.1, 0.5, 0.4]
    assert [round(bar.get_x(), 6) for bar in bars] == [0, 0, 0.2, 0.5, 0.5, 0.6]
    assert len({bar.get_hatch() for bar in bars}) == 3
    with pytest.raises(ValueError, match="'two'"):
        viz.stacked(["a", "b"], {"one": [1, 2], "two": [1]})


def test_points_keep_their_places() -> None:
    points = {"seed 0": ([1, 2], [3, 4]), "seed 1": (np.array([5.0]), np.array([6.0]))}
    lines = viz.scatter(points, title="A finding", xlabel="x", ylabel="y").axes[0].lines
    assert [line.get_xydata().tolist() for line in lines] == [[[1, 3], [2, 4]], [[5, 6]]]
    assert lines[0].get_marker() != lines[1].get_marker()
