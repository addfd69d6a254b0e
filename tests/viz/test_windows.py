"""Windows drawn on a grid: what is shaded is what the mechanism sees."""

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from tfedu.attention import OnGrid, Windowed
from tfedu.viz import seen_by_layer, shifting_windows, svg
from tfedu.viz.palette import WEIGHTS


def shaded(ax: Axes, rows: int, columns: int) -> np.ndarray:
    found = np.zeros((rows, columns), dtype=bool)
    for patch in ax.patches:
        if to_hex(patch.get_facecolor()).upper() == WEIGHTS.light:
            found[int(patch.get_y()), int(patch.get_x())] = True
    return found


def test_the_panels_show_what_windowed_attention_sees() -> None:
    fig = shifting_windows(8, 12, 4, 2, query=(3, 5), title="The next layer joins what was parted")
    keys = OnGrid(torch.zeros(96, 1), 8, 12)
    for ax, shift in zip(fig.axes, (0, 2, 2), strict=True):
        seen = Windowed(4, shift).seen(96, keys)[3 * 12 + 5].view(8, 12).numpy()
        wanted = seen if ax is not fig.axes[2] else np.roll(seen, (-2, -2), (0, 1))
        assert (shaded(ax, 8, 12) == wanted).all()
    for ax in fig.axes[1:]:  # what comes out at the other side: a corner, a column, a row
        letters = [text.get_text() for text in ax.texts]
        assert {c: letters.count(c) for c in "ABC"} == {"A": 4, "B": 12, "C": 20}
    assert "<svg" in svg(fig, alt="windows")


def test_a_panel_for_each_layer() -> None:
    one, two = np.eye(4, dtype=bool), torch.ones(4, 4) > 0
    fig = seen_by_layer({"after 1": one, "after 2": two}, 2, [0, 1], (1, 1), title="More")
    assert (shaded(fig.axes[0], 4, 4) == one).all()
    assert shaded(fig.axes[1], 4, 4).all()
    with pytest.raises(ValueError, match="2 panels want as many shifts"):
        seen_by_layer({"a": one, "b": two}, 2, [0], (1, 1))
