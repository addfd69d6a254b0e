"""Arcs between tokens: one for each edge, on its layer's side, strong where the weight is large."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import FancyArrowPatch

from tfedu import viz
from tfedu.viz.palette import SERIES, WEIGHTS


def test_each_edge_is_one_arrow_on_its_side() -> None:
    fig = viz.arcs(
        ["a", "b", "c", "a"], {(1, 0): 0.9, (2, 1): 0.2}, {(3, 1): 1.0, (3, 3): 0.1}, asks=3, guess="b"
    )
    arrows = [patch for patch in fig.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 4
    colours = [plt.matplotlib.colors.to_hex(arrow.get_edgecolor()).lower() for arrow in arrows]
    assert colours == [SERIES[1].light.lower()] * 2 + [WEIGHTS.light.lower()] * 2
    assert arrows[0].get_linewidth() > arrows[1].get_linewidth()
    fig.canvas.draw()
    heights = [arrow.get_path().vertices[:, 1].mean() for arrow in arrows]
    assert max(heights[:2]) < 0 < min(heights[2:])
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert texts[:5] == ["a", "b", "c", "a", "→ b"]
    plt.close(fig)


def test_an_edge_to_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(4, 0\) is no edge between 2 tokens"):
        viz.arcs(["a", "b"], {(4, 0): 1.0}, {})
