"""Pictures as tensors: sets of them with labels, any picture that somebody brings, and what a network reads.

`read_picture` takes whatever a reader may drop in. It gives three channels from 0 to 1, or says what is wrong and
what to do about it. Colour profiles are not applied.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor

Pictures = TypeVar("Pictures", bound="LabelledPictures")

MEAN = STD = 0.5  #: of each channel: what the ViT papers take, for pictures from 0 to 1
LIMIT = 64_000_000  #: pixels of the largest picture that is decoded; a small file can hold a far larger one
#: What is decoded, by Pillow's names, if it can. Not all that it knows: some call other programs.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "TGA")


class PictureError(ValueError):
    """A picture cannot be read. The message says why, and what to do."""


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures, and the class of each.

    Attributes:
        pictures: colours from 0 to 255 (uint8), or from 0 to 1 (floating point).
        labels: places in `classes`.
        classes: their names.
        source: where the pictures come from, in words.
    """

    pictures: Shaped[Tensor, "N C H W"]
    labels: Int[Tensor, " N"]
    classes: tuple[str, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.labels):
            raise ValueError(f"{len(self.pictures)} pictures, but {len(self.labels)} labels.")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self: Pictures, index: slice | Tensor) -> Pictures:
        """Some of them: a slice, the places as integers, or a boolean for each."""
        return self._each(lambda part: part[index])

    def to(self: Pictures, device: torch.device | str) -> Pictures:
        """The same on `device`."""
        return self._each(lambda part: part.to(device))

    def shard(self: Pictures, rank: int, world: int) -> Pictures:
        """Every `world`-th picture, from `rank` on."""
        if world > len(self):
            raise ValueError(f"{len(self)} pictures do not go round {world} processes.")
        return self[rank::world]

    def _each(self: Pictures, change: Callable[[Tensor], Tensor]) -> Pictures:
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, part in parts.items():
            if isinstance(part, Tensor):
                parts[name] = change(part)
        return type(self)(**parts)


def normalised(pictures: Shaped[Tensor, "*B C H W"]) -> Float[Tensor, "*B C H W"]:
    """What a network reads: colours from 0 to 255 (uint8) or from 0 to 1 brought to -1 to 1."""
    unit = pictures / 255 if pictures.dtype == torch.uint8 else pictures
    return (unit - MEAN) / STD


def read_picture(source: Any, *, limit: int = LIMIT) -> Float[Tensor, "3 H W"]:
    """Any picture as red, green and blue from 0 to 1.

    Files are turned upright as their EXIF says; of an animation the first frame is taken; what is transparent lies
    over white; grey becomes three equal channels.

    Args:
        source: a path, the bytes of a file or an open one, a Pillow image, or an array or tensor: (H, W), or with 1
            (grey), 2 (grey and alpha), 3 or 4 (with alpha) channels, first or last. Where both could be, an array has
            them last and a tensor first. Its numbers are uint8, uint16, boolean, or floating point from 0 to 1.
        limit: the largest number of pixels.

    Raises:
        PictureError: if it is no picture, or is damaged, too large or of a kind with no fixed range.
        ModuleNotFoundError: if a file is to be read and Pillow is not installed.
    """
    if isinstance(source, np.ndarray | Tensor):
        return _from_numbers(source)
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Pillow reads pictures: pip install 'tfedu[data]'.", name="PIL") from error
    if isinstance(source, Image.Image):
        return _from_image(source, "the picture", limit)
    content, name = _content(source)
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # Pillow's own limit is above ours; it also warns of odd but sound files
        try:
            image = Image.open(content, formats=[one for one in FORMATS if one in Image.OPEN])
        except Image.DecompressionBombError as error:
            raise PictureError(f"{name} is too large ({error}): make it smaller first.") from error
        except Exception as error:  # a damaged head: Pillow raises what the decoder ran into
            raise PictureError(
                f"{name} is no picture that can be read here, or its beginning is damaged. "
                "Save it as PNG or JPEG and try that file."
            ) from error
        with image:
            return _from_image(image, name, limit)


def fit(picture: Float[Tensor, "C H W"], size: int) -> Float[Tensor, "C size size"]:
    """The square in the middle of a picture, as large as there is one, brought to `size` by `size` pixels.

    Bilinear, and smoothed before it is made smaller (antialiased), so that no fine pattern turns into a coarse one.
    """
    if size < 1:
        raise ValueError(f"a picture has at least one pixel a side, not {size}.")
    height, width = picture.shape[-2:]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    square = picture[:, y : y + side, x : x + side]
    if side == size:
        return square
    return F.interpolate(square[None], size=(size, size), mode="bilinear", antialias=True)[0]


def _content(source: Any) -> tuple[Any, str]:
    """What Pillow can open, and what to call it."""
    if isinstance(source, str | Path):
        path = Path(source).expanduser()
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise PictureError(f"{path} {what}: give the path of a picture, seen from {Path.cwd()}.")
        if not path.stat().st_size:
            raise PictureError(f"{path} is empty (0 bytes): save or download it again.")
        return path, str(path)
    if hasattr(source, "read"):
        source = source.read()
    if not isinstance(source, bytes | bytearray | memoryview):
        raise PictureError(
            f"a picture is a path, the bytes of a file, a Pillow image, an array or a tensor, "
            f"not {type(source).__name__}."
        )
    if not len(source):
        raise PictureError("the file is empty (0 bytes): save or download it again.")
    return io.BytesIO(source), "the file"


def _from_image(image: Any, name: str, limit: int) -> Tensor:
    from PIL import ImageOps

    width, height = image.size
    if not width or not height:
        raise PictureError(f"{name} has {width} by {height} pixels: there is nothing to see.")
    if width * height > limit:
        raise PictureError(
            f"{name} has {width:,} by {height:,} pixels, more than {limit:,} in all: make it smaller first."
        )
    try:
        image.load()
    except Exception as error:  # the decoders raise all kinds
        raise PictureError(f"{name} is damaged or cut short ({error}): save or download it again.") from error
    if image.mode in ("I", "F") and image.format not in (
        "PNG",
        "PPM",
    ):  # there, 16 bits of grey may be such an I
        raise PictureError(
            f"{name} has 32-bit numbers, whose range is not fixed: save it with 8 or 16 bits, or pass it as an array "
            "of floats from 0 to 1."
        )
    with contextlib.suppress(Exception):  # damaged notes on a sound picture: it stays as it lies
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.float32) / 65535
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            grey[np.asarray(image) == clear] = 1
        return torch.from_numpy(grey.clip(0, 1)).expand(3, -1, -1).contiguous()
    try:
        if image.mode in ("La", "RGBa"):  # colours already times alpha
            image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
        plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except ValueError as error:
        raise PictureError(f"{name} has colours of the kind {image.mode}: save it as RGB.") from error
    return _from_numbers(np.array(plain))


def _from_numbers(numbers: np.ndarray | Tensor) -> Tensor:
    first = isinstance(numbers, Tensor)
    values = numbers.detach().cpu() if isinstance(numbers, Tensor) else torch.from_numpy(_plain(numbers))
    if values.ndim == 2:
        values = values[None]
    elif values.ndim == 3 and (values.shape[0] if first else values.shape[2]) not in range(1, 5):
        first = not first  # not where it is usual, so at the other end
    elif values.ndim != 3:
        raise PictureError(f"one picture has 2 or 3 axes; this has {values.ndim}: pass them one by one.")
    if numbers.ndim == 3 and not first:
        values = rearrange(values, "h w c -> c h w")
    channels, height, width = values.shape
    if not 1 <= channels <= 4 or not height or not width:
        raise PictureError(
            f"{tuple(numbers.shape)} is no shape of a picture: (H, W), (H, W, C) or (C, H, W), with 1 to 4 channels."
        )
    unit = _unit(values)
    if channels in (2, 4):
        unit, alpha = unit[:-1], unit[-1:]
        unit = unit * alpha + (1 - alpha)
    return unit.expand(3, -1, -1).contiguous()


def _plain(numbers: np.ndarray) -> np.ndarray:
    """An array that torch can take: in this machine's byte order, with no negative steps, and no object in it."""
    if numbers.dtype.kind not in "buif":
        raise PictureError(
            f"an array of {numbers.dtype} is no picture: make it uint8, or floats from 0 to 1."
        )
    if numbers.dtype.itemsize > 8:
        numbers = numbers.astype(np.float64)
    return np.ascontiguousarray(numbers, dtype=numbers.dtype.newbyteorder("="))


def _unit(values: Tensor) -> Tensor:
    """Colours from 0 to 1, by the range of their type."""
    if values.dtype == torch.bool:
        return values.float()
    for kind, most in ((torch.uint8, 255), (torch.uint16, 65535)):
        if values.dtype == kind:
            return values.float() / most
    if not values.is_floating_point():
        raise PictureError(f"colours in {values.dtype} have no fixed range: make them uint8, from 0 to 255.")
    values = values.float()
    low, high = values.aminmax()
    if not (low >= 0 and high <= 1):  # not a number is neither
        raise PictureError(
            f"colours in floating point go from 0 to 1; these go from {low:.4g} to {high:.4g}. "
            "Divide by 255 what was made from bytes; undo what was normalised."
        )
    return values
