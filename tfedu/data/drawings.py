"""Small colour pictures drawn by code: an airplane in the sky, a cat's face, a ship at sea, a truck on its road.

They stand where a photograph would, since the photographs of CIFAR-10 may not be shown. The ten things are its ten
classes, painted large with soft shapes that are lit from above, before a blurred ground, and then reduced to the
size that is asked for. No model was trained on them: what a model takes them for is a finding, not a promise.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from PIL import Image

#: A place, (x, y): in the picture from (0, 0), top left, to (1, 1); of a thing about (0, 0), its middle.
Point = tuple[float, float]
Outline = Sequence[Point] | np.ndarray
Colour = str
Mask = Float[np.ndarray, "h w"]

#: Pixels that a picture is painted in for each that is left, and how many at least.
FINER, FINEST = 4, 192


def drawing(thing: str, *, seed: int = 0, size: int = 32) -> Float[Tensor, "3 size size"]:
    """One picture, from 0 to 1.

    Args:
        thing: one of `THINGS`.
        seed: varies the place, the pose, the colours and the ground.
        size: height and width, in pixels.

    Raises:
        ValueError: if there is no such thing, or `size` is not above 0.
    """
    if thing not in THINGS:
        raise ValueError(f"there is no drawing of {thing!r}; there is {', '.join(THINGS)}.")
    if size < 1:
        raise ValueError(f"a picture is at least 1 pixel wide; got {size}.")
    random = np.random.default_rng((seed, zlib.crc32(thing.encode())))
    canvas = _Canvas(max(FINEST, FINER * size), random)
    _PAINTERS[thing](canvas)
    return canvas.picture(size)


def drawings(*, seed: int = 0, size: int = 32) -> Float[Tensor, "10 3 size size"]:
    """One picture of each of the `THINGS`, in their order; see `drawing`."""
    return torch.stack([drawing(thing, seed=seed, size=size) for thing in THINGS])


class _Canvas:
    """What has been painted, and where the thing stands in it."""

    def __init__(self, side: int, random: np.random.Generator) -> None:
        self.side, self.random = side, random
        self.paint = np.zeros((side, side, 3))
        self.coat = self.noise(0.009)  # the grain of all that has fur or feathers
        self.put((0.5, 0.5))

    def any(self, *choices: Colour) -> Colour:
        """One of the choices."""
        return choices[int(self.random.integers(len(choices)))]

    def between(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self.random.uniform(low, high))

    def put(self, middle: Point, scale: float = 1.0, tilt: float = 0.0, turn: bool = False) -> None:
        """From now on the shapes' (0, 0) lies at `middle`; they are scaled, tilted, and with `turn` mirrored."""
        self.middle, self.scale, self.tilt, self.mirror = middle, scale, tilt, -1 if turn else 1

    def stand(self, y: float, scale: float = 1.0, tilt: float = 0.04) -> None:
        """Put the thing somewhere near the middle, at a height of `y`, as the seed wants it."""
        self.put(
            (0.5 + self.between(-0.04, 0.04), y + self.between(-0.02, 0.02)),
            scale * self.between(0.92, 1.08),
            self.between(-tilt, tilt),
            self.random.random() < 0.5,
        )

    def picture(self, size: int) -> Float[Tensor, "3 size size"]:
        """What was painted, reduced, with a camera's exposure and grain."""
        from PIL import Image

        exposed = self.paint.clip(0, 1) ** self.between(0.85, 1.2)
        image = Image.fromarray((255 * exposed).round().astype(np.uint8))
        small = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS)) / 255
        grain = self.random.normal(0, 0.012, small.shape)
        return torch.from_numpy((small + grain).clip(0, 1).transpose(2, 0, 1)).float()

    # -- shapes: masks from 0 to 1 -----------------------------------------------------------------------

    def shape(self, *outlines: Outline, soft: float = 0.003) -> Mask:
        """What lies inside of any of the outlines."""
        from PIL import Image, ImageDraw

        image = Image.new("L", (self.side, self.side))
        draw = ImageDraw.Draw(image)
        for outline in outlines:
            draw.polygon([tuple(point) for point in self._placed(outline)], fill=255)
        return _blurred(image, soft * self.side)

    def round(self, *points: Point, soft: float = 0.003) -> Mask:
        """A shape without corners that the points pull into form."""
        return self.shape(_rounded(points), soft=soft)

    def disc(
        self, x: float, y: float, wide: float, high: float = 0, turn: float = 0, soft: float = 0.003
    ) -> Mask:
        """An ellipse by its radii (a circle without `high`), turned by an angle."""
        return self.shape(_ellipse(x, y, wide, high or wide, turn), soft=soft)

    def limb(self, *points: Point, wide: float, end: float = 0) -> Mask:
        """A bent line with round ends, as wide (half) as `wide` where it begins and `end` where it ends."""
        widths = np.linspace(wide, end or wide, len(points))
        outlines: list[Outline] = [_ellipse(x, y, w, w) for (x, y), w in zip(points, widths, strict=True)]
        for (a, b), (from_, to) in zip(pairwise(points), pairwise(widths), strict=True):
            along = np.subtract(b, a)
            across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
            outlines.append([a + across * from_, b + across * to, b - across * to, a - across * from_])
        return self.shape(*outlines)

    def _placed(self, points: Outline) -> np.ndarray:
        x, y = np.asarray(points, dtype=float).T
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x, y = (x * cos - y * sin) * self.mirror, x * sin + y * cos
        return (np.stack([x, y], axis=1) * self.scale + self.middle) * self.side

    # -- paint -------------------------------------------------------------------------------------------

    def lay(
        self, mask: Mask, colour: Colour, *, relief: float = 0.3, fur: float = 0.0, alpha: float = 1.0
    ) -> None:
        """Paint a shape as a body that bulges towards us and is lit from above: `relief` says how much."""
        if not mask.any():
            return  # it lies outside of the picture
        here = tuple(_extent(mask.max(axis)) for axis in (1, 0))
        mask = mask[here]
        down, right = np.gradient(_blurred(mask, 0.025 * self.side))
        light = down + 0.4 * right
        shade = 1 + relief * light / max(float(np.abs(light).max()), 1e-9)
        if fur:
            shade *= 1 + fur * self.coat[here]
        covered = (alpha * mask)[..., None]
        painted = (_rgb(colour) * shade[..., None]).clip(0, 1)
        self.paint[here] = self.paint[here] * (1 - covered) + covered * painted

    def shadow(self, x: float, y: float, wide: float, high: float, strength: float = 0.55) -> None:
        """Darken the ground under a thing."""
        self.paint *= 1 - strength * self.disc(x, y, wide, high, soft=0.015)[..., None]

    def ground(
        self,
        top: Colour,
        bottom: Colour,
        *,
        start: float = 0.0,
        rough: float = 0.0,
        grain: tuple[float, float] = (0.03, 0.03),
    ) -> None:
        """Paint all below `start` from one colour to another, with noise as coarse (across, down) as `grain`."""
        y = np.linspace(0, 1, self.side)[:, None, None]
        share = ((y - start) / max(1 - start, 1e-9)).clip(0, 1)
        colour = _rgb(top) * (1 - share) + _rgb(bottom) * share
        edge = 1 / (1 + np.exp(-(y - start) / 0.006)) if start else np.ones_like(y)
        self.paint = self.paint * (1 - edge) + edge * colour * (1 + rough * self.noise(*grain)[..., None])

    def blots(self, colours: Sequence[Colour], count: int, top: float, bottom: float, size: float) -> None:
        """Something far away and out of focus: leaves, bushes, houses."""
        kept = (self.middle, self.scale, self.tilt, self.mirror)
        self.put((0, 0))
        for _ in range(count):
            x, y, r = self.between(0, 1), self.between(top, bottom), size * self.between(0.6, 1.4)
            self.lay(self.disc(x, y, r, 0.7 * r, soft=0.3 * size), self.any(*colours), relief=0.15, alpha=0.8)
        self.middle, self.scale, self.tilt, self.mirror = kept

    def noise(self, across: float, down: float = 0.0) -> Mask:
        """Smooth noise between -1 and 1; its lumps are that part of the picture wide and high."""
        from PIL import Image

        lumps = [max(2, round(1 / one)) for one in (down or across, across)]
        coarse = Image.fromarray(self.random.uniform(-1, 1, lumps).astype(np.float32))
        return np.asarray(coarse.resize((self.side, self.side), Image.Resampling.BICUBIC)).clip(-1, 1)


# -- the ten things ---------------------------------------------------------------------------------------
# fmt: off


def _airplane(c: _Canvas) -> None:
    c.ground(c.any("#4F8FD6", "#3F7AC4", "#6FA5DC"), c.any("#B9D6F2", "#DCE8F2"))
    clouds = c.noise(0.35, 0.16).clip(0, 1)[..., None] ** 1.5
    c.paint += (1 - c.paint) * 0.8 * clouds
    c.stand(0.5, 0.93, tilt=0.16)
    body, dark = c.any("#EEF1F4", "#F4F4F0", "#DDE3EA"), "#8C97A5"
    accent = c.any("#B8312F", "#27519B", "#2B6E8F")
    c.lay(c.round((0.0, -0.04), (0.1, -0.03), (-0.06, -0.22), (-0.13, -0.22)), dark)  # the wing beyond
    c.lay(c.round((-0.4, -0.04), (-0.47, -0.22), (-0.39, -0.22), (-0.27, -0.03)), accent)  # the fin
    c.lay(c.round((-0.46, -0.03), (0.2, -0.07), (0.4, -0.05), (0.47, 0.015), (0.4, 0.06), (0.1, 0.07),
        (-0.2, 0.05), (-0.46, 0.0)), body, relief=0.35)
    for x in np.linspace(-0.28, 0.3, 12):
        c.lay(c.disc(x, -0.015, 0.01, 0.012), "#39485C", relief=0)
    c.lay(c.round((0.38, -0.035), (0.44, -0.01), (0.42, 0.005), (0.37, -0.005)), "#2C3646", relief=0)
    c.lay(c.round((-0.45, -0.02), (-0.36, -0.01), (-0.42, 0.08), (-0.5, 0.08)), dark)
    c.lay(c.round((0.12, 0.03), (0.0, 0.04), (-0.27, 0.3), (-0.2, 0.31)), "#B4BEC9")  # the wing on our side
    c.lay(c.round((0.06, 0.09), (0.07, 0.15), (-0.06, 0.15), (-0.06, 0.1)), "#5D6875", relief=0.4)


def _automobile(c: _Canvas) -> None:
    c.ground(c.any("#BFD4E6", "#C9CFD6"), "#D9DFE2")
    c.blots(("#4D6B45", "#6A8058", "#8C8479", "#A79C8E"), 22, 0.15, 0.45, 0.13)
    c.ground("#8A8C8E", "#66686B", start=0.55, rough=0.08)
    c.stand(0.56, 0.98, tilt=0.02)
    colour = c.any("#B3201F", "#1F4E9E", "#C7CBD0", "#D9A514", "#2D6B3F")
    c.shadow(0, 0.2, 0.47, 0.05, 0.75)
    c.lay(c.round((-0.3, -0.02), (-0.2, -0.2), (-0.12, -0.21), (0.1, -0.21), (0.16, -0.18), (0.3, -0.01)),
        colour)
    c.lay(c.round((-0.22, -0.03), (-0.16, -0.17), (-0.02, -0.18), (-0.02, -0.03)), "#26303B", relief=0.5)
    c.lay(c.round((0.01, -0.03), (0.01, -0.18), (0.1, -0.17), (0.22, -0.03)), "#2C3844", relief=0.5)
    c.lay(c.round((-0.46, 0.0), (-0.44, -0.06), (-0.2, -0.06), (0.25, -0.05), (0.43, -0.01), (0.47, 0.05),
        (0.46, 0.15), (0.4, 0.16), (-0.42, 0.16), (-0.47, 0.1)), colour, relief=0.45)
    c.lay(c.limb((-0.42, 0.15), (0.42, 0.15), wide=0.014), "#2B2E33", relief=0)
    c.lay(c.disc(0.43, 0.03, 0.025, 0.03), "#FFF4D0", relief=0.1)
    c.lay(c.disc(-0.45, 0.02, 0.018, 0.03), "#D43A2A", relief=0.1)
    for x in (-0.27, 0.27):
        _wheel(c, x, 0.15, 0.085)


def _wheel(c: _Canvas, x: float, y: float, r: float) -> None:
    c.lay(c.disc(x, y, r), "#15171A", relief=0.2)
    c.lay(c.disc(x, y, 0.55 * r), "#AEB4BA", relief=0.3)
    c.lay(c.disc(x, y, 0.18 * r), "#4B5057", relief=0)


def _bird(c: _Canvas) -> None:
    c.ground(c.any("#8FAE77", "#A9BFA0", "#B7C9D9"), c.any("#5F7F4C", "#7C8F5F"))
    c.blots(("#5E8348", "#88A866", "#AAC08A", "#47693A"), 20, 0, 1, 0.16)
    c.stand(0.5, 1.05, tilt=0.08)
    coat, belly, wing = _chosen(c, ("#7A5B3E", "#E3D3BC", "#4E3A29"), ("#4A6EA8", "#D9A06A", "#2F4A7C"),
        ("#5D646B", "#C9CDD0", "#353B41"))
    c.lay(c.limb((-0.6, 0.31), (-0.1, 0.34), (0.6, 0.29), wide=0.03, end=0.022), "#5A4330", fur=0.2)
    c.lay(c.round((-0.14, 0.04), (-0.45, 0.27), (-0.4, 0.34), (-0.08, 0.17)), wing)  # the tail
    for x in (0.0, 0.08):
        c.lay(c.limb((x, 0.2), (x + 0.015, 0.31), wide=0.011), "#7A5A3C")
    c.lay(c.round((0.16, -0.17), (0.22, 0.0), (0.2, 0.16), (0.06, 0.25), (-0.12, 0.2), (-0.2, 0.1),
        (-0.12, -0.08), (0.02, -0.2)), coat, fur=0.12)
    c.lay(c.round((0.2, -0.06), (0.22, 0.08), (0.12, 0.23), (-0.04, 0.24), (0.06, 0.1), (0.12, -0.04)),
        belly, relief=0.2, fur=0.1, alpha=0.9)
    c.lay(c.round((0.04, -0.09), (0.07, 0.06), (-0.12, 0.19), (-0.32, 0.21), (-0.16, 0.0)), wing, fur=0.2)
    c.lay(c.disc(0.13, -0.2, 0.115, 0.105), coat, fur=0.1)
    c.lay(c.round((0.21, -0.23), (0.33, -0.185), (0.22, -0.165)), c.any("#E1A02C", "#3B3833"))
    c.lay(c.disc(0.165, -0.225, 0.022), "#0F0F10", relief=0)
    c.lay(c.disc(0.172, -0.232, 0.007), "#FFFFFF", relief=0)


def _cat(c: _Canvas) -> None:
    c.ground(c.any("#A08C78", "#8B97A1", "#B9A88F"), c.any("#6F5B4A", "#5F6770", "#8A7355"))
    c.blots(("#7C6A58", "#B5A390", "#94806B", "#5E5248"), 12, 0, 1, 0.22)
    c.stand(0.54, 1.1, tilt=0.08)
    coat, stripe, pale = _chosen(c, ("#8F8579", "#4B433C", "#DAD2C8"), ("#C98842", "#8F5620", "#F1DFC6"),
        ("#6E6F73", "#3C3D41", "#C9CACC"))
    c.lay(c.round((-0.36, 0.6), (-0.33, 0.2), (0.33, 0.2), (0.36, 0.6)), coat, fur=0.25)  # the shoulders
    for side in (-1, 1):
        c.lay(c.shape(_corner((0.07 * side, -0.22), (0.3 * side, -0.44), (0.34 * side, -0.04))), coat,
            fur=0.2)
        c.lay(c.shape(_corner((0.13 * side, -0.22), (0.27 * side, -0.36), (0.29 * side, -0.12))), "#C99A8E",
            relief=0.2)
    c.lay(c.round((0, -0.3), (0.24, -0.26), (0.36, -0.05), (0.36, 0.14), (0.2, 0.3), (0, 0.34), (-0.2, 0.3),
        (-0.36, 0.14), (-0.36, -0.05), (-0.24, -0.26)), coat, fur=0.22)
    for x in (-0.1, 0, 0.1):
        c.lay(c.limb((x, -0.25), (0.7 * x, -0.11), wide=0.02, end=0.008), stripe, relief=0, alpha=0.85)
    for side in (-1, 1):
        for y in (0.04, 0.12):
            c.lay(c.limb((0.33 * side, y - 0.02), (0.2 * side, y + 0.02), wide=0.018, end=0.006), stripe,
                relief=0, alpha=0.7)
        c.lay(c.disc(0.13 * side, -0.02, 0.08, 0.06, 0.2 * side), "#2A2522", relief=0)
        c.lay(c.disc(0.13 * side, -0.02, 0.066, 0.05, 0.2 * side), c.any("#B9C24A", "#D2A93B"), relief=0.2)
        c.lay(c.disc(0.13 * side, -0.02, 0.02, 0.047), "#0D0D0D", relief=0)
        c.lay(c.disc(0.13 * side + 0.015, -0.04, 0.011), "#FFFFFF", relief=0)
    c.lay(c.round((0, 0.06), (0.13, 0.13), (0.13, 0.23), (0, 0.28), (-0.13, 0.23), (-0.13, 0.13)), pale,
        relief=0.25, fur=0.08)
    c.lay(c.round((-0.05, 0.09), (0.05, 0.09), (0, 0.155)), "#B5675F", relief=0.2)
    c.lay(c.limb((-0.07, 0.22), (0, 0.19), (0, 0.14), (0, 0.19), (0.07, 0.22), wide=0.007), "#3B2C28",
        relief=0)


def _deer(c: _Canvas) -> None:
    c.ground(c.any("#7D9A62", "#92A56E", "#6E8F58"), "#8FA868")
    c.blots(("#3F5D33", "#577A43", "#2F4A2A", "#7B9A58"), 26, -0.05, 0.4, 0.13)
    c.ground("#86A050", c.any("#5E7F35", "#8C8A4A"), start=0.52, rough=0.22, grain=(0.015, 0.04))
    c.stand(0.56, 0.9, tilt=0.03)
    coat, dark = _chosen(c, ("#A8713F", "#6E4526"), ("#96663C", "#5A3A22"), ("#B07F4C", "#77502C"))
    c.shadow(-0.05, 0.41, 0.3, 0.035, 0.45)
    _legs(c, ((-0.22, 0.08), (-0.1, 0.08), (0.1, 0.08), (0.18, 0.07)), 0.4, 0.036, 0.015, dark, coat)
    c.lay(c.round((-0.3, -0.08), (-0.1, -0.1), (0.12, -0.1), (0.22, -0.06), (0.22, 0.08), (0.1, 0.14),
        (-0.1, 0.11), (-0.26, 0.13), (-0.33, 0.03)), coat, fur=0.12)
    c.lay(c.round((-0.1, 0.08), (0.12, 0.1), (0.08, 0.14), (-0.08, 0.125)), "#D8BF9C", relief=0, alpha=0.7)
    c.lay(c.disc(-0.31, -0.01, 0.035, 0.06, 0.2), "#EFE6D8", relief=0.2)
    c.lay(c.limb((0.16, 0.0), (0.23, -0.15), (0.27, -0.27), wide=0.085, end=0.05), coat, fur=0.1)
    for bend in (0, 0.09):  # the antlers, one behind the other
        c.lay(c.limb((0.27, -0.33), (0.2 + bend, -0.43), (0.25 + bend, -0.53), wide=0.013, end=0.007),
            "#6B5237")
        c.lay(c.limb((0.22 + bend, -0.41), (0.3 + bend, -0.46), wide=0.011, end=0.006), "#6B5237")
    c.lay(c.round((0.25, -0.31), (0.12, -0.37), (0.1, -0.32), (0.24, -0.26)), dark)
    c.lay(c.round((0.22, -0.35), (0.33, -0.35), (0.44, -0.25), (0.45, -0.2), (0.4, -0.19), (0.27, -0.22)),
        coat, fur=0.08)
    c.lay(c.disc(0.44, -0.215, 0.02), "#221A14", relief=0)
    c.lay(c.disc(0.325, -0.3, 0.014), "#120D0A", relief=0)


def _legs(c: _Canvas, hips: Sequence[Point], foot: float, wide: float, end: float, far: Colour,
        near: Colour) -> None:
    """Four legs down to `foot`; every second one is on the far side."""
    for i in (1, 3, 0, 2):
        x, y = hips[i]
        bend = c.between(-0.025, 0.025)
        middle = (x + bend, (y + foot) / 2)
        c.lay(c.limb((x, y), middle, (x + 1.5 * bend, foot), wide=wide, end=end), far if i % 2 else near,
            fur=0.08)
        c.lay(c.disc(x + 1.5 * bend + 0.006, foot, 1.3 * end, end), "#2A2019", relief=0)


def _dog(c: _Canvas) -> None:
    c.ground(c.any("#86A860", "#9DA7AE", "#B59F84"), c.any("#5E8240", "#6F7880", "#7C6650"))
    c.blots(("#6E9150", "#9BB878", "#8A8474"), 12, 0, 1, 0.2)
    c.stand(0.53, 1.08, tilt=0.1)
    coat, ear, pale = _chosen(c, ("#B98545", "#7B4F24", "#F0E4D2"), ("#6B4A31", "#3D291B", "#E6D8C8"),
        ("#E9E2D6", "#A9743E", "#FAF6EE"))
    c.lay(c.round((-0.34, 0.6), (-0.28, 0.22), (0.28, 0.22), (0.34, 0.6)), coat, fur=0.2)
    c.lay(c.round((-0.12, 0.6), (-0.13, 0.3), (0.13, 0.3), (0.12, 0.6)), pale, fur=0.15)
    c.lay(c.round((0, -0.36), (0.2, -0.33), (0.3, -0.14), (0.25, 0.08), (0.17, 0.25), (0, 0.33),
        (-0.17, 0.25), (-0.25, 0.08), (-0.3, -0.14), (-0.2, -0.33)), coat, fur=0.15)
    c.lay(c.round((0, -0.36), (0.06, -0.1), (0.06, 0.1), (-0.06, 0.1), (-0.06, -0.1)), pale, relief=0.1,
        fur=0.1)
    for side in (-1, 1):  # ears that hang
        c.lay(c.round((0.16 * side, -0.35), (0.33 * side, -0.3), (0.43 * side, -0.02), (0.4 * side, 0.19),
            (0.3 * side, 0.16), (0.26 * side, -0.1)), ear, fur=0.15)
        c.lay(c.disc(0.125 * side, -0.08, 0.045, 0.04), "#2B1D14", relief=0)
        c.lay(c.disc(0.125 * side, -0.08, 0.026), "#090706", relief=0)
        c.lay(c.disc(0.125 * side + 0.012, -0.095, 0.01), "#FFFFFF", relief=0)
    c.lay(c.round((0, 0.26), (0.07, 0.28), (0.06, 0.43), (0, 0.46), (-0.06, 0.43), (-0.07, 0.28)),
        "#D4737A", relief=0.3)
    c.lay(c.round((0, 0.01), (0.15, 0.07), (0.18, 0.2), (0.1, 0.29), (0, 0.27), (-0.1, 0.29), (-0.18, 0.2),
        (-0.15, 0.07)), pale, fur=0.08)
    c.lay(c.round((0, 0.04), (0.1, 0.06), (0.05, 0.14), (0, 0.155), (-0.05, 0.14), (-0.1, 0.06)), "#17120F",
        relief=0.4)
    c.lay(c.limb((-0.11, 0.24), (-0.02, 0.23), (0, 0.15), (0.02, 0.23), (0.11, 0.24), wide=0.008),
        "#33241C", relief=0)


def _frog(c: _Canvas) -> None:
    c.ground(c.any("#7B6A4C", "#5D7047", "#8A7F66"), c.any("#4C3F2C", "#3E4F2E", "#5F5641"), rough=0.25,
        grain=(0.07, 0.05))
    c.blots(("#5B4A32", "#8B7A58", "#4B5E36", "#6E8248"), 16, 0, 1, 0.11)
    c.stand(0.53, 1.12, tilt=0.08)
    coat, dark, pale = _chosen(c, ("#6E9F2F", "#3F6A1C", "#D9DDA2"), ("#7F8A3A", "#4C5720", "#D8CFA0"),
        ("#4F9A45", "#2C6428", "#D5E2B4"))
    c.shadow(0, 0.26, 0.42, 0.06)
    c.lay(c.round((-0.14, 0.02), (-0.4, -0.03), (-0.47, 0.16), (-0.35, 0.27), (-0.14, 0.24)), dark,
        fur=0.15)  # thighs
    c.lay(c.round((0.14, 0.04), (0.36, 0.02), (0.42, 0.18), (0.32, 0.27), (0.14, 0.24)), dark, fur=0.15)
    for side in (-1, 1):
        c.lay(c.limb((0.34 * side, 0.22), (0.42 * side, 0.28), (0.26 * side, 0.3), wide=0.035, end=0.025),
            coat)
    c.lay(c.round((0, -0.22), (0.2, -0.2), (0.3, -0.04), (0.27, 0.16), (0.14, 0.28), (-0.14, 0.28),
        (-0.27, 0.16), (-0.3, -0.04), (-0.2, -0.2)), coat, relief=0.35, fur=0.14)
    c.lay(c.round((0.18, 0.08), (0.12, 0.26), (-0.12, 0.26), (-0.18, 0.08), (0, 0.12)), pale, relief=0.2,
        fur=0.08)
    c.lay(c.limb((-0.26, 0.0), (-0.12, 0.07), (0.12, 0.07), (0.26, 0.0), wide=0.009), "#26330F", relief=0)
    for x, y in ((-0.1, -0.12), (0.08, -0.1), (0.0, -0.04), (0.18, -0.05), (-0.2, -0.04)):
        c.lay(c.disc(x, y, 0.028, 0.022), dark, relief=0.1, alpha=0.8)
    for side in (-1, 1):
        c.lay(c.limb((0.2 * side, 0.12), (0.25 * side, 0.24), (0.17 * side, 0.31), wide=0.045, end=0.03),
            coat, fur=0.1)
        c.lay(c.disc(0.16 * side, -0.2, 0.085), coat, relief=0.4)
        c.lay(c.disc(0.17 * side, -0.21, 0.057), "#D9B23A", relief=0.2)
        c.lay(c.disc(0.175 * side, -0.21, 0.036, 0.028), "#0B0B0A", relief=0)
        c.lay(c.disc(0.175 * side + 0.012, -0.23, 0.012), "#FFFFFF", relief=0)


def _horse(c: _Canvas) -> None:
    c.ground(c.any("#A9C7E4", "#C6D3DC"), "#DDE6E6")
    c.blots(("#4B6B3A", "#64824A", "#7F9A62"), 22, 0.25, 0.48, 0.1)
    c.ground("#8DA956", c.any("#63853B", "#B09A63"), start=0.5, rough=0.2, grain=(0.015, 0.04))
    c.stand(0.56, 0.94, tilt=0.03)
    coat, mane = _chosen(c, ("#7A4420", "#2A1710"), ("#4A2C1C", "#17100C"), ("#A8693A", "#E3CFA6"),
        ("#6B6560", "#2D2B2A"))
    c.shadow(-0.02, 0.41, 0.34, 0.035, 0.5)
    c.lay(c.round((-0.29, -0.1), (-0.4, -0.03), (-0.42, 0.22), (-0.36, 0.26), (-0.31, 0.05)), mane, fur=0.2)
    _legs(c, ((-0.22, 0.09), (-0.13, 0.09), (0.12, 0.09), (0.19, 0.08)), 0.4, 0.055, 0.021,
        mane if coat != "#A8693A" else "#7C4A26", coat)
    c.lay(c.round((-0.33, -0.06), (-0.22, -0.13), (0.0, -0.09), (0.18, -0.14), (0.25, 0.0), (0.2, 0.12),
        (0.05, 0.16), (-0.12, 0.13), (-0.26, 0.16), (-0.35, 0.06)), coat, relief=0.4, fur=0.06)
    c.lay(c.round((0.06, -0.1), (0.2, -0.36), (0.3, -0.4), (0.33, -0.28), (0.28, -0.06), (0.2, 0.06)), coat,
        relief=0.35, fur=0.05)
    c.lay(c.round((0.27, -0.42), (0.34, -0.4), (0.47, -0.22), (0.46, -0.16), (0.41, -0.16), (0.29, -0.27)),
        coat, relief=0.35)
    c.lay(c.round((0.28, -0.44), (0.2, -0.38), (0.05, -0.13), (0.0, -0.1), (0.11, -0.14), (0.24, -0.3)),
        mane, fur=0.25)
    c.lay(c.shape(_corner((0.26, -0.4), (0.27, -0.5), (0.32, -0.41))), coat)
    c.lay(c.disc(0.36, -0.33, 0.015), "#0C0908", relief=0)
    c.lay(c.disc(0.45, -0.18, 0.014), "#1A1210", relief=0)


def _ship(c: _Canvas) -> None:
    c.ground(c.any("#7FB0DD", "#A8C3D9", "#B7BFC9"), c.any("#DCE7EE", "#E9E2D4"))
    c.paint += (1 - c.paint) * 0.5 * c.noise(0.4, 0.1).clip(0, 1)[..., None]
    c.ground(c.any("#5F8FB0", "#4F86A8"), c.any("#1F4E73", "#2A5F72"), start=0.6, rough=0.22, grain=(0.09,
        0.015))
    c.stand(0.56, 0.96, tilt=0.02)
    hull, band = _chosen(c, ("#1F2C3D", "#A33227"), ("#8A2B24", "#2A2D33"), ("#F1F2F2", "#2C5F9E"),
        ("#2B4F7E", "#A33227"))
    for x in (0.02, 0.3):
        c.lay(c.limb((x, -0.12), (x, -0.38), wide=0.009), "#4E555C", relief=0.1)
    c.lay(c.limb((0.02, -0.36), (0.2, -0.1), wide=0.004), "#6C737A", relief=0)
    c.lay(c.shape([(-0.32, 0.0), (-0.32, -0.12), (0.18, -0.12), (0.2, 0.0)]), "#F3F3EF", relief=0.2)
    c.lay(c.shape([(-0.28, -0.11), (-0.28, -0.21), (0.05, -0.21), (0.09, -0.11)]), "#FBFBF8", relief=0.2)
    c.lay(c.shape([(-0.17, -0.2), (-0.18, -0.35), (-0.07, -0.35), (-0.06, -0.2)]), c.any("#C7432F",
        "#E0A92E", "#2E343B"), relief=0.3)
    c.lay(c.shape([(-0.18, -0.32), (-0.18, -0.35), (-0.07, -0.35), (-0.07, -0.32)]), "#22262B", relief=0)
    for x in np.linspace(-0.27, 0.13, 8):
        c.lay(c.shape([(x, -0.085), (x, -0.045), (x + 0.03, -0.045), (x + 0.03, -0.085)]), "#3C4A59",
            relief=0)
    for x in np.linspace(-0.24, 0.02, 6):
        c.lay(c.shape([(x, -0.18), (x, -0.15), (x + 0.026, -0.15), (x + 0.026, -0.18)]), "#3C4A59", relief=0)
    c.lay(c.shape([(-0.45, -0.03), (0.25, -0.01), (0.5, -0.07), (0.38, 0.16), (-0.4, 0.16)]), hull,
        relief=0.3)
    c.lay(c.shape([(-0.415, 0.1), (0.41, 0.1), (0.38, 0.16), (-0.4, 0.16)]), band, relief=0.1)
    c.lay(c.limb((-0.44, 0.165), (0.0, 0.17), (0.42, 0.165), wide=0.014), "#E6F0F4", relief=0, alpha=0.75)
    c.lay(c.disc(0, 0.22, 0.42, 0.04, soft=0.02), hull, relief=0, alpha=0.35)


def _truck(c: _Canvas) -> None:
    c.ground(c.any("#A9CBE8", "#C3CDD6"), "#DFE6EA")
    c.blots(("#6C7B5C", "#8B9A78", "#9C948A", "#B7AFA4"), 18, 0.28, 0.5, 0.1)
    c.ground("#8B8D8F", "#696B6D", start=0.62, rough=0.07)
    c.stand(0.5, 0.96, tilt=0.015)
    cab, box = _chosen(c, ("#B92B22", "#ECEEF0"), ("#2458A6", "#E8E6E0"), ("#E6E8EA", "#3E6E9E"),
        ("#D8A21E", "#F1F1EE"))
    c.shadow(0, 0.32, 0.48, 0.045, 0.75)
    c.lay(c.shape([(-0.45, 0.21), (-0.45, 0.26), (0.46, 0.26), (0.46, 0.21)]), "#26292D", relief=0.1)
    c.lay(c.shape([(-0.48, -0.3), (0.14, -0.3), (0.14, 0.21), (-0.48, 0.21)]), box, relief=0.18)
    for x in np.linspace(-0.38, 0.04, 5):
        c.lay(c.limb((x, -0.28), (x, 0.19), wide=0.004), "#8C9298", relief=0, alpha=0.6)
    c.lay(c.shape([(-0.48, 0.05), (0.14, 0.05), (0.14, 0.1), (-0.48, 0.1)]), cab, relief=0, alpha=0.8)
    c.lay(c.round((0.16, -0.16), (0.17, -0.17), (0.3, -0.17), (0.38, -0.13), (0.44, 0.04), (0.48, 0.07),
        (0.48, 0.24), (0.46, 0.25), (0.17, 0.25), (0.16, 0.24)), cab, relief=0.35)
    c.lay(c.round((0.22, -0.1), (0.31, -0.11), (0.37, -0.08), (0.41, 0.04), (0.22, 0.04)), "#222C36",
        relief=0.5)
    c.lay(c.limb((0.2, 0.06), (0.2, 0.22), wide=0.004), "#4A2A26", relief=0, alpha=0.6)
    c.lay(c.disc(0.465, 0.15, 0.02, 0.03), "#FFF3CE", relief=0.1)
    c.lay(c.shape([(0.4, 0.22), (0.5, 0.22), (0.5, 0.26), (0.4, 0.26)]), "#9AA0A6", relief=0.3)
    for x in (-0.34, -0.17, 0.32):
        _wheel(c, x, 0.25, 0.085)


# fmt: on
_PAINTERS: dict[str, Callable[[_Canvas], None]] = {
    "airplane": _airplane,
    "automobile": _automobile,
    "bird": _bird,
    "cat": _cat,
    "deer": _deer,
    "dog": _dog,
    "frog": _frog,
    "horse": _horse,
    "ship": _ship,
    "truck": _truck,
}
#: What there is, in the order and with the names of CIFAR-10's classes.
THINGS = tuple(_PAINTERS)


def _chosen(c: _Canvas, *sets: tuple[Colour, ...]) -> tuple[Colour, ...]:
    """One set of colours that go together."""
    return sets[int(c.random.integers(len(sets)))]


def _rgb(colour: Colour) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _extent(line: np.ndarray) -> slice:
    """From the first to the last place that is not 0, and one more at each end."""
    places = line.nonzero()[0]
    return slice(max(0, int(places[0]) - 1), int(places[-1]) + 2)


def _blurred(mask: Mask | Image.Image, radius: float) -> Mask:
    from PIL import Image, ImageFilter

    image = Image.fromarray((255 * mask).astype(np.uint8)) if isinstance(mask, np.ndarray) else mask
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius))) / 255


def _ellipse(x: float, y: float, wide: float, high: float, turn: float = 0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    a, b = wide * np.cos(angle), high * np.sin(angle)
    return np.stack(
        [x + a * np.cos(turn) - b * np.sin(turn), y + a * np.sin(turn) + b * np.cos(turn)], axis=1
    )


def _rounded(points: Outline, times: int = 3) -> np.ndarray:
    """Chaikin's cutting of corners: each becomes two, a quarter of a side away."""
    outline = np.asarray(points, dtype=float)
    for _ in range(times):
        after = np.roll(outline, -1, axis=0)
        outline = np.stack([0.75 * outline + 0.25 * after, 0.25 * outline + 0.75 * after], axis=1).reshape(
            -1, 2
        )
    return outline


def _corner(a: Point, tip: Point, b: Point) -> np.ndarray:
    """A triangle whose sides swell a little, as an ear's."""
    return np.concatenate([_bent(a, tip), _bent(tip, b)])


def _bent(a: Point, b: Point, swell: float = 0.12) -> np.ndarray:
    share = np.linspace(0, 1, 8)[:, None]
    a_, b_ = np.asarray(a), np.asarray(b)
    along = b_ - a_
    return a_ + share * along + swell * 4 * share * (1 - share) * np.array([along[1], -along[0]]) * 0.25
