"""Dominoes, made by code: pictures on a grid of tiles that ask one thing of a network with windows.

A domino is two tiles beside each other, each light or dark, on grey. There are two questions:

- "alike": every domino lies across a border between two windows, one half in each. Are its halves alike, or does one
  differ from the other? All dominoes of a picture give the same answer. What one window holds says nothing: its
  halves are light or dark by the toss of a coin, whatever the answer.
- "order": every window holds one domino, a light and a dark half. Does the light half lie left or right? All answer
  alike, too. What a window holds is the same for both answers; only its order is not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tfedu.data.pictures import LabelledPictures

QUESTIONS = {"alike": ("different", "alike"), "order": ("light right", "light left")}


def dominoes(
    count: int,
    question: str,
    *,
    seed: int = 0,
    window: int = 4,
    grid: int = 8,
    tile: int = 2,
    noise: float = 0.05,
) -> LabelledPictures:
    """Grey pictures (N, 1, H, W) from 0 to 1, and their answers.

    Args:
        count: how many.
        question: "alike" or "order"; see above.
        seed: decides everything.
        window: side of the windows, in tiles; "alike" puts a domino across each upright border in each row, "order"
            one into each window.
        grid: rows and columns of tiles.
        tile: side of a tile, in pixels.
        noise: standard deviation of what is added to each pixel, before it is cut to 0..1.

    Raises:
        ValueError: for another question, windows that do not tile the grid, or a grid without a border.
    """
    if question not in QUESTIONS:
        raise ValueError(f"question is {question!r}; choose one of {', '.join(QUESTIONS)}.")
    if window < 2 or grid % window or grid < 2 * window:
        raise ValueError(
            f"windows of {window} tiles must tile a grid of {grid}, with a border between at least two of them."
        )
    dice = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=dice)
    make = _across if question == "alike" else _inside
    tiles = make(labels, window, grid, dice)
    pictures = tiles.repeat_interleave(tile, 1).repeat_interleave(tile, 2).unsqueeze(1)
    pictures = (pictures + noise * torch.randn(pictures.shape, generator=dice)).clamp(0, 1)
    return LabelledPictures(pictures, labels, QUESTIONS[question], "dominoes, made by code")


def _across(labels: Tensor, window: int, grid: int, dice: torch.Generator) -> Tensor:
    """One domino in each row across each upright border."""
    tiles = torch.full((len(labels), grid, grid), 0.5)
    for border in range(window, grid, window):
        left = torch.randint(2, (len(labels), grid), generator=dice)
        tiles[:, :, border - 1] = left.float()
        tiles[:, :, border] = torch.where(labels[:, None] == 1, left, 1 - left).float()
    return tiles


def _inside(labels: Tensor, window: int, grid: int, dice: torch.Generator) -> Tensor:
    """One domino in each window, anywhere in it."""
    tiles = torch.full((len(labels), grid, grid), 0.5)
    which, light = torch.arange(len(labels)), labels.float()
    for top in range(0, grid, window):
        for left in range(0, grid, window):
            y = top + torch.randint(window, (len(labels),), generator=dice)
            x = left + torch.randint(window - 1, (len(labels),), generator=dice)
            tiles[which, y, x], tiles[which, y, x + 1] = light, 1 - light
    return tiles
