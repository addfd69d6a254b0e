"""How alike each two positions are: small square pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from tfedu.viz.palette import INK, LINE, MIDDLE, SOFT, rgb
from tfedu.viz.style import WIDTH, context, headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def similarity(
    panels: Mapping[str, Float[np.ndarray, "N N"]],
    *,
    title: str = "",
    label: str = "position",
    largest: float = 1.0,
) -> Figure:
    """Draw one square a scheme: row m and column n are dark where m and n are alike.

    What is below zero is drawn as zero: unlike is unlike. The dark is the weights' purple at an opacity of
    the similarity, so that the picture lies on any ground.

    Args:
        panels: for each name its table (N, N); at most four.
        title: the finding, in a sentence.
        label: what rows and columns are.
        largest: the similarity shown in full colour.
    """
    import matplotlib.pyplot as plt

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with context():
        fig, axes = plt.subplots(
            rows, columns, figsize=(0.8 * WIDTH, rows * 0.4 * WIDTH + 0.3), squeeze=False
        )
        for ax in axes.flat[len(panels) :]:
            ax.axis("off")
        for ax, (name, table) in zip(axes.flat, panels.items(), strict=False):
            picture = np.empty((*table.shape, 4))
            picture[..., :3] = np.array(rgb(MIDDLE["weights"])) / 255
            picture[..., 3] = np.clip(table / largest, 0, 1)
            ax.imshow(picture, interpolation="nearest", extent=(0, len(table), len(table), 0))
            ax.set_title(name, fontsize=11, color=INK.light)
            ax.set_xticks([0, len(table) - 1], ["0", str(len(table) - 1)])
            ax.set_yticks([0, len(table) - 1], ["0", str(len(table) - 1)])
            ax.tick_params(length=0)
            for spine in ax.spines.values():
                spine.set(visible=True, color=LINE.light, linewidth=0.8)
        axes[-1, 0].set_xlabel(label, color=SOFT.light)
        axes[0, 0].set_ylabel(label, color=SOFT.light)
        headline(axes[0, 0], title)
    return fig
