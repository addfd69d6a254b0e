"""Augmentation: other pictures with the same answer, or mixed pictures with mixed answers.

What DeiT needs to train a ViT without more data (Touvron et al. 2021, section 6 and table 9):

* Cubuk et al. 2020, "RandAugment": some of 14 operations on each picture, all equally strong.
* Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization": `mixup`, two pictures blended.
* Yun et al. 2019, "CutMix": `cutmix`, a box of one picture pasted into another.
* Zhong et al. 2020, "Random Erasing Data Augmentation": `erase`, a box of noise.
* Hoffer et al. 2020, "Augment Your Batch": `repeated`, one picture more than once in a batch.
* Szegedy et al. 2016: `smooth`, labels that leave a little to the other classes.

Pictures are floats from 0 to 1, channels first, red, green, blue. Where an operation has a namesake in Pillow it does
the same; tests compare them. All that is drawn comes from one generator, on the CPU; the same one gives the same batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

Pictures = Float[Tensor, "B 3 H W"]
Strengths = Float[Tensor, " B"]

#: What comes into view from outside a picture.
GREY = 0.5
#: How red, green and blue add up to grey (ITU-R 601-2, as in Pillow).
LUMA = (0.299, 0.587, 0.114)


# --- Operations on colours ---------------------------------------------------------------------------------


def autocontrast(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Each channel is stretched until it reaches from 0 to 1; one of a single value stays. No strength."""
    low, high = pictures.amin((2, 3), keepdim=True), pictures.amax((2, 3), keepdim=True)
    return torch.where(high > low, (pictures - low) / (high - low).clamp_min(1e-6), pictures)


def equalize(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Each channel's 256 levels are spread so that all are about equally frequent. No strength."""
    levels = _levels(pictures).flatten(2)
    count = torch.zeros(*levels.shape[:2], 256, dtype=torch.long, device=pictures.device)
    count.scatter_add_(2, levels, torch.ones_like(levels))
    last = count.gather(2, levels.amax(-1, keepdim=True))  # how many are brightest
    step = (levels.shape[-1] - last) // 255
    below = count.cumsum(-1) - count
    new = ((below + step // 2) // step.clamp_min(1)).clamp_max(255)
    new = torch.where(step > 0, new, torch.arange(256, device=pictures.device))
    return new.gather(2, levels).view(pictures.shape).to(pictures.dtype) / 255


def posterize(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Only the highest `strengths` bits of eight are kept."""
    lost = 2 ** (8 - strengths.round().long())[:, None, None, None]
    return (_levels(pictures) // lost * lost).to(pictures.dtype) / 255


def solarize(pictures: Pictures, strengths: Strengths) -> Pictures:
    """What is brighter than `strengths`, from 0 to 1, is inverted."""
    return torch.where(pictures > strengths[:, None, None, None], 1 - pictures, pictures)


def color(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Grey at 0, the picture at 1, more colourful above."""
    return _from(_grey(pictures), pictures, strengths)


def contrast(pictures: Pictures, strengths: Strengths) -> Pictures:
    """The mean grey at 0, the picture at 1, more contrast above."""
    return _from(_grey(pictures).mean((2, 3), keepdim=True), pictures, strengths)


def brightness(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Black at 0, the picture at 1, brighter above."""
    return _from(torch.zeros_like(pictures), pictures, strengths)


def sharpness(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Smooth at 0, the picture at 1, sharper above; the outermost pixels stay."""
    kernel = pictures.new_ones(3, 1, 3, 3)
    kernel[:, :, 1, 1] = 5
    smooth = pictures.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(pictures, kernel / 13, groups=3)
    return _from(smooth, pictures, strengths)


def _levels(pictures: Tensor) -> Tensor:
    return (pictures * 255).round().long()


def _grey(pictures: Tensor) -> Tensor:
    return (pictures * pictures.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def _from(origin: Tensor, pictures: Tensor, strengths: Tensor) -> Tensor:
    return (origin + strengths[:, None, None, None] * (pictures - origin)).clamp(0, 1)


# --- Operations on places ----------------------------------------------------------------------------------


def rotate(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Counter-clockwise about the middle, by degrees."""
    angle = strengths * (math.pi / 180)
    return _moved(pictures, [[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])


def shear_x(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Each row moves by its distance from the middle row times `strengths`."""
    return _moved(pictures, [[1, strengths], [0, 1]])


def shear_y(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Each column moves by its distance from the middle column times `strengths`."""
    return _moved(pictures, [[1, 0], [strengths, 1]])


def translate_x(pictures: Pictures, strengths: Strengths) -> Pictures:
    """To the left, by a share of the width."""
    return _moved(pictures, [[1, 0], [0, 1]], (strengths * pictures.shape[3], 0))


def translate_y(pictures: Pictures, strengths: Strengths) -> Pictures:
    """Upwards, by a share of the height."""
    return _moved(pictures, [[1, 0], [0, 1]], (0, strengths * pictures.shape[2]))


def _moved(
    pictures: Tensor, matrix: list[list[Tensor | int]], shift: tuple[Tensor | int, ...] = (0, 0)
) -> Tensor:
    """The pixel at p, counted from the middle, is taken from where `matrix` and `shift` send p; between pixels
    linearly, and grey from outside."""
    B, _, H, W = pictures.shape
    half = (W / 2, H / 2)  # `affine_grid` counts in half sides
    theta = pictures.new_zeros(B, 2, 3)
    for i in (0, 1):
        for j in (0, 1):
            theta[:, i, j] = matrix[i][j] * half[j] / half[i]
        theta[:, i, 2] = shift[i] / half[i]
    places = F.affine_grid(theta, [B, 3, H, W], align_corners=False)
    found = F.grid_sample(pictures, places, padding_mode="border", align_corners=False)
    inside = (places.abs() <= 1).all(-1)[:, None]
    return torch.where(inside, found, GREY)


# --- RandAugment -------------------------------------------------------------------------------------------


class Operation(NamedTuple):
    """One of RandAugment's operations.

    Attributes:
        run: takes pictures, and a strength for each.
        rest: the strength at magnitude 0, which changes nothing.
        reach: how far from `rest` magnitude 10 is.
        signed: whether it goes either way.
    """

    run: Callable[[Pictures, Strengths], Pictures]
    rest: float = 0.0
    reach: float = 0.0
    signed: bool = False


#: The paper's 14 operations. It leaves their reach to its code, where some are weaker at higher magnitudes; here, as
#: in what DeiT uses, all grow from nothing.
OPERATIONS: dict[str, Operation] = {
    "identity": Operation(lambda pictures, strengths: pictures),
    "autocontrast": Operation(autocontrast),
    "equalize": Operation(equalize),
    "rotate": Operation(rotate, 0.0, 30.0, signed=True),
    "solarize": Operation(solarize, 1.0, -1.0),
    "color": Operation(color, 1.0, 0.9, signed=True),
    "posterize": Operation(posterize, 8.0, -4.0),
    "contrast": Operation(contrast, 1.0, 0.9, signed=True),
    "brightness": Operation(brightness, 1.0, 0.9, signed=True),
    "sharpness": Operation(sharpness, 1.0, 0.9, signed=True),
    "shear_x": Operation(shear_x, 0.0, 0.3, signed=True),
    "shear_y": Operation(shear_y, 0.0, 0.3, signed=True),
    "translate_x": Operation(translate_x, 0.0, 0.45, signed=True),
    "translate_y": Operation(translate_y, 0.0, 0.45, signed=True),
}


@dataclass(frozen=True)
class RandAugment:
    """`operations` of the 14 on each picture, drawn with replacement, one after the other.

    Attributes:
        operations: the paper's N.
        magnitude: the paper's M, from 0, nothing, to 10.
        spread: standard deviation of the magnitude from picture to picture; DeiT's 0.5.
    """

    operations: int = 2
    magnitude: float = 9.0
    spread: float = 0.5

    def __post_init__(self) -> None:
        if self.operations < 0 or not 0 <= self.magnitude <= 10 or self.spread < 0:
            raise ValueError("operations and spread are at least 0, and the magnitude is from 0 to 10.")

    def __call__(self, pictures: Pictures, generator: Generator | None = None) -> Pictures:
        """New pictures, each changed in its own way."""
        B, device = len(pictures), pictures.device
        for _ in range(self.operations):
            which = torch.randint(len(OPERATIONS), (B,), generator=generator)
            magnitude = self.magnitude + self.spread * torch.randn(B, generator=generator)
            way = 2 * torch.randint(2, (B,), generator=generator) - 1
            changed = pictures.clone()
            for number, one in enumerate(OPERATIONS.values()):
                rows = (which == number).nonzero()[:, 0]
                if len(rows):
                    far = magnitude[rows].clamp(0, 10) / 10 * one.reach * (way[rows] if one.signed else 1)
                    rows, strengths = rows.to(device), (one.rest + far).to(pictures)
                    changed[rows] = one.run(pictures[rows], strengths)
            pictures = changed
        return pictures


# --- Mixing ------------------------------------------------------------------------------------------------


class Mixed(NamedTuple):
    """Pictures, and how much each of them is of every class."""

    pictures: Pictures
    targets: Float[Tensor, "B classes"]


class Box(NamedTuple):
    """Rows from `top` to `bottom` and columns from `left` to `right`, the ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


def smooth(labels: Int[Tensor, " B"], classes: int, amount: float = 0.1) -> Float[Tensor, "B classes"]:
    """Labels as probabilities, `amount` of which is spread evenly over all classes."""
    if not 0 <= amount <= 1:
        raise ValueError(f"the amount of smoothing is a share, from 0 to 1; got {amount}.")
    return F.one_hot(labels, classes) * (1 - amount) + amount / classes


def blend(batch: Mixed, partner: Int[Tensor, " B"], share: float) -> Mixed:
    """`share` of each picture and the rest of its partner; the targets alike (Zhang et al., section 2)."""
    pictures, targets = batch
    return Mixed(
        share * pictures + (1 - share) * pictures[partner], share * targets + (1 - share) * targets[partner]
    )


def paste(batch: Mixed, partner: Int[Tensor, " B"], box: Box) -> Mixed:
    """Each picture with its partner inside the box; the targets are mixed by area (Yun et al., equation 1)."""
    pictures, targets = batch
    H, W = pictures.shape[2:]
    share = 1 - box.area / (H * W)
    pictures, inside = pictures.clone(), (..., slice(box.top, box.bottom), slice(box.left, box.right))
    pictures[inside] = batch.pictures[partner][inside]
    return Mixed(pictures, share * targets + (1 - share) * targets[partner])


def mixup(batch: Mixed, alpha: float = 0.8, generator: Generator | None = None) -> Mixed:
    """`blend` with random partners, and one share for all, drawn from Beta(alpha, alpha)."""
    partner, dice = _partners(batch, generator), _dice(generator)
    return blend(batch, partner, dice.beta(alpha, alpha))


def cutmix(batch: Mixed, alpha: float = 1.0, generator: Generator | None = None) -> Mixed:
    """`paste` with random partners and one box for all: its area from Beta(alpha, alpha), its middle anywhere.

    What sticks out of the picture is cut off, and only what is pasted counts.
    """
    partner, dice = _partners(batch, generator), _dice(generator)
    H, W = batch.pictures.shape[2:]
    side = math.sqrt(1 - dice.beta(alpha, alpha))
    return paste(batch, partner, _box(H, W, side * H, side * W, dice.random(2)))


def erase(
    pictures: Pictures,
    probability: float = 0.25,
    generator: Generator | None = None,
    *,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: float = 0.3,
) -> Pictures:
    """A box of noise in some of the pictures, each its own.

    The noise is normal, with mean and deviation 0.5: standard normal in what a model sees. It leaves 0 to 1.

    Args:
        pictures: stay as they are; new ones are returned.
        probability: of each picture to be chosen.
        generator: of all that is drawn.
        area: the least and the largest share of the picture that a box would have; what sticks out is cut off.
        aspect: the lowest ratio of its sides; the highest is the inverse.
    """
    (B, _, H, W), dice, erased = pictures.shape, _dice(generator), pictures.clone()
    for row in np.flatnonzero(dice.random(B) < probability):
        size = dice.uniform(*area) * H * W
        ratio = math.exp(dice.uniform(math.log(aspect), -math.log(aspect)))
        box = _box(H, W, math.sqrt(size * ratio), math.sqrt(size / ratio), dice.random(2))
        noise = torch.randn(3, box.bottom - box.top, box.right - box.left, generator=generator)
        erased[row, :, box.top : box.bottom, box.left : box.right] = (0.5 + 0.5 * noise).to(pictures)
    return erased


def repeated(count: int, times: int = 3, generator: Generator | None = None) -> Int[Tensor, " count"]:
    """The order of an epoch of repeated augmentation: each picture drawn comes `times` in a row.

    The epoch is as long as without, so only every `times`-th picture comes up in it (as in DeiT's training).

    Raises:
        ValueError: if `times` is not at least 1.
    """
    if times < 1:
        raise ValueError(f"a picture comes at least once; got times={times}.")
    order = torch.randperm(count, generator=generator)
    return order[: math.ceil(count / times)].repeat_interleave(times)[:count]


def _box(H: int, W: int, height: float, width: float, middle: np.ndarray) -> Box:
    y, x = (int(size * place) for size, place in zip((H, W), middle, strict=True))
    half_y, half_x = int(height) // 2, int(width) // 2
    odd_y, odd_x = int(height) % 2, int(width) % 2
    return Box(max(y - half_y, 0), min(y + half_y + odd_y, H), max(x - half_x, 0), min(x + half_x + odd_x, W))


def _partners(batch: Mixed, generator: Generator | None) -> Tensor:
    return torch.randperm(len(batch.pictures), generator=generator).to(batch.pictures.device)


def _dice(generator: Generator | None) -> np.random.Generator:
    """What torch draws only without a generator (Beta), or one at a time, seeded by the generator."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))


# --- All of it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Augment:
    """DeiT's augmentation of one batch, in its order; what is 0 is left out.

    Crops and flips come before, with the batch.

    Attributes:
        operations, magnitude: of `RandAugment`.
        erasing: probability of `erase`.
        mixup, cutmix: their alphas; where both are given, each batch gets one of the two, with equal chances.
        smoothing: of the labels.
    """

    operations: int = 2
    magnitude: float = 9.0
    erasing: float = 0.25
    mixup: float = 0.8
    cutmix: float = 1.0
    smoothing: float = 0.1

    def __call__(
        self, pictures: Pictures, labels: Int[Tensor, " B"], classes: int, generator: Generator | None = None
    ) -> Mixed:
        """The batch as it is learned from."""
        pictures = RandAugment(self.operations, self.magnitude)(pictures, generator)
        if self.erasing:
            pictures = erase(pictures, self.erasing, generator)
        batch = Mixed(pictures, smooth(labels, classes, self.smoothing).to(pictures.dtype))
        ways = [(mixup, self.mixup)] * (self.mixup > 0) + [(cutmix, self.cutmix)] * (self.cutmix > 0)
        if not ways:
            return batch
        way, alpha = ways[_dice(generator).integers(len(ways))]
        return way(batch, alpha, generator)
