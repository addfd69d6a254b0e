"""Textures, made by code: pictures whose class needs both what lies in the patches and where they lie.

A picture has two halves, each filled by a grating with a period of four pixels. In half of the classes these are
rows and columns, in the other half checks and diagonals. The first of the two fills the left, right, top or bottom
half: eight classes. Phase, colours and noise are drawn anew for each picture, and both halves have the same
mean colour and the same contrast, so that

- no single pixel and no mean colour tells anything;
- the patches without their places tell the two textures, not how they are arranged: four classes remain;
- the border without the textures tells how the halves lie, not what is in them: four classes remain, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.data.pictures import LabelledPictures

PERIOD = 4  #: pixels: a patch of 4 by 4 holds one whole period
PAIRS = (("rows", "columns"), ("checks", "diagonals"))
SIDES = ("left", "right", "top", "bottom")
CLASSES = tuple(
    f"{first} {place} {second}"
    for first, second in PAIRS
    for place in ("left of", "right of", "above", "below")
)
CONTRAST = 0.45  #: how far a channel goes from its mean, at most


@dataclass(frozen=True, kw_only=True)
class Textures(LabelledPictures):
    """Pictures of two textures, with what is true of each.

    Attributes:
        pairs: which of `PAIRS`.
        sides: which of `SIDES` the first of the pair fills; a label is ``4 * pair + side``.
        first: where the first of the pair lies.
    """

    pairs: Int[Tensor, " N"]
    sides: Int[Tensor, " N"]
    first: Bool[Tensor, "N H W"]


def textures(count: int, *, seed: int = 0, noise: float = 0.1, shift: int = 0, size: int = 32) -> Textures:
    """Pictures of two textures, all classes equally often (within one), in a mixed order.

    Args:
        count: how many.
        seed: decides everything.
        noise: standard deviation of what is added to each channel of each pixel, before colours are cut to 0..1.
        shift: how many pixels the border may lie from the middle. With 0 it lies between patches.
        size: height and width.

    Raises:
        ValueError: if `count`, `noise`, `shift` or `size` cannot be; the message says why.
    """
    if count < 1 or noise < 0:
        raise ValueError(f"at least one picture, and no negative noise; got {count} and {noise}.")
    if not 0 <= shift < size // 2:
        raise ValueError(
            f"the border stays inside the picture: shift from 0 to {size // 2 - 1}, not {shift}."
        )
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    labels = (torch.arange(count) % len(CLASSES))[torch.randperm(count, generator=generator)]
    pairs, sides = labels // len(SIDES), labels % len(SIDES)
    border = size // 2 + torch.randint(-shift, shift + 1, (count,), generator=generator)
    first = _filled(sides, border, size)
    phases = uniform(0.0, 2 * math.pi, 2, 2)  # two textures, of two waves each
    kind = 2 * pairs[:, None] + torch.arange(2)
    gratings = torch.stack([_grating(kind[:, i], phases[:, i], size) for i in range(2)])
    pattern = torch.where(first, gratings[0], gratings[1])

    mean = uniform(0.35, 0.65, 3, 1, 1)
    colour = CONTRAST * uniform(0.4, 1.0, 3, 1, 1)  # the sign is in the phase
    pictures = mean + colour * rearrange(pattern, "n h w -> n 1 h w")
    pictures += noise * torch.randn(pictures.shape, generator=generator)
    return Textures(
        pictures.clamp_(0, 1),
        labels,
        CLASSES,
        "textures, made by code",
        pairs=pairs,
        sides=sides,
        first=first,
    )


def _filled(sides: Int[Tensor, " N"], border: Int[Tensor, " N"], size: int) -> Bool[Tensor, "N size size"]:
    """True on the side of the border that the first texture fills."""
    before = torch.arange(size) < border[:, None]  # along the axis that the border cuts
    across = (sides < 2)[:, None, None]
    halves = torch.where(across, before[:, None, :], before[:, :, None])
    return halves ^ (sides % 2 == 1)[:, None, None]


def _grating(
    kind: Int[Tensor, " N"], phases: Float[Tensor, "N 2"], size: int
) -> Float[Tensor, "N size size"]:
    """Rows, columns, checks or diagonals, with a mean of 0 and a variance of 1/2 in each patch."""
    turn = 2 * math.pi / PERIOD * torch.arange(size)
    one, other = rearrange(phases, "n two -> two n 1 1")
    y, x = turn[:, None], turn[None, :]
    waves = [
        torch.sin(y + one).expand(-1, size, size),
        torch.sin(x + one).expand(-1, size, size),
        torch.sin(y + one) * torch.sin(x + other) * math.sqrt(2),
        torch.sin(y + x + one),
    ]
    return torch.stack(waves)[kind, torch.arange(len(kind))]
