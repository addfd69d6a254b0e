"""Figures: matplotlib for print, Plotly for the page, BertViz for tokens.

Call `use()` once at the top of a notebook, and `show(fig, alt=...)` for each figure.
"""

from tfedu.viz.architecture import transformer_diagram
from tfedu.viz.arcs import arcs
from tfedu.viz.bertviz import head_view, model_view
from tfedu.viz.curves import bars, length_curves, plotly_length_curves
from tfedu.viz.diagrams import attention_diagram, bottleneck_diagram
from tfedu.viz.grids import distances, heads_on_image, pictures, position_similarity, sentence
from tfedu.viz.growth import growth, slope
from tfedu.viz.heads import scatter, stacked
from tfedu.viz.heatmap import heatmap, plotly_heatmap
from tfedu.viz.layers import layers_diagram
from tfedu.viz.on_image import on_image
from tfedu.viz.show import show, svg
from tfedu.viz.similarity import similarity
from tfedu.viz.steps import plotly_steps
from tfedu.viz.stories import story
from tfedu.viz.style import figure, plotly_template, use
from tfedu.viz.windows import seen_by_layer, shifting_windows

__all__ = [
    "arcs",
    "attention_diagram",
    "bars",
    "bottleneck_diagram",
    "distances",
    "figure",
    "growth",
    "head_view",
    "heads_on_image",
    "heatmap",
    "layers_diagram",
    "length_curves",
    "model_view",
    "on_image",
    "pictures",
    "plotly_heatmap",
    "plotly_length_curves",
    "plotly_steps",
    "plotly_template",
    "position_similarity",
    "scatter",
    "seen_by_layer",
    "sentence",
    "shifting_windows",
    "show",
    "similarity",
    "slope",
    "stacked",
    "story",
    "svg",
    "transformer_diagram",
    "use",
]
