"""The recurrent attention model as a file that a page runs glimpse by glimpse: one graph, "glimpse".

    picture (1, h, w), location (1, 2), state (1, H)
      -> logits (1, classes), next_location (1, 2), next_state (1, H), seen (1, n, g, g), and a map for each scale

The page begins at location (0, 0) with a state of zeros, and feeds back what it gets, or another location.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from tfedu import weights
from tfedu.live.export import Graph, export_graphs
from tfedu.models.ram import RAM
from tfedu.trace import trace


class GlimpseStep(nn.Module):
    """What is done for each glimpse."""

    def __init__(self, model: RAM) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor, location: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        """See the head of this file."""
        with trace(self.model) as maps:
            seen = self.model.sensor(picture, location)
        state = self.model.core(seen, location, state)
        found = (self.model.action(state), self.model.look(state, location), state, seen)
        return (*found, *(one.weights for one in maps.values()))


def gaze_graphs(model: RAM, size: int) -> dict[str, Graph]:
    """The graph of a model that looks at pictures of `size` by `size` pixels, for `tfedu.live.export_graphs`."""
    scales = [f"sensor.scales.{i}" for i in range(model.config.scales)]
    picture = torch.rand(1, size, size)
    step = Graph(
        GlimpseStep(model),
        (picture, *model.start(picture)),
        outputs=["logits", "next_location", "next_state", "seen", *(f"map_{i}" for i in range(len(scales)))],
        maps={name: f"map_{i}" for i, name in enumerate(scales)},
        inside="model",
    )
    return {"glimpse": step}


def export_gaze(name: str, path: str | Path, *, half: bool = True, size: int = 60) -> Path:
    """Write a shipped model to a file for the page, with its card and, as "gaze", its configuration.

    Args:
        name: of the checkpoint.
        path, half: see `tfedu.live.export`.
        size: of the pictures, in pixels.
    """
    model = RAM.from_pretrained(name)
    config = model.config
    driver = {"size": size, "cells": config.cells, "scales": config.scales, "glimpses": config.glimpses}
    extras = {"gaze": json.dumps(driver), "card": json.dumps(weights.card(name), ensure_ascii=False)}
    return export_graphs(gaze_graphs(model, size), path, half=half, extras=extras)
