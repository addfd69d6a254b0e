"""Digits lost in a picture, made by code: translated and cluttered, as in Mnih et al. 2014, sections 4.1 and 4.2.

`digits` are the 1,797 digits that come with scikit-learn, 8 by 8 (Alpaydin and Kaynak 1998, UCI; CC BY 4.0);
`mnist` reads the test file of MNIST. `scatter` puts such digits into larger pictures among pieces of others.
The digits of training, validation and test are never the same, nor are their pieces.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tfedu.data.download import DataError, fetch

Split = Literal["train", "val", "test"]

#: How many of the 1,797 digits each part has; the order is one fixed shuffle.
SIZES: dict[Split, int] = {"train": 1297, "val": 150, "test": 350}

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_SHA256 = {
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


class Digits(NamedTuple):
    """Single digits, cut close: pixels from 0 (ground) to 1 (ink), and which digit each is."""

    images: Float[Tensor, "n h w"]
    labels: Int[Tensor, " n"]


class Scenes(NamedTuple):
    """Pictures with one whole digit each.

    Attributes:
        pictures: from 0 (ground) to 1 (ink).
        labels: which digit.
        centres: where its middle is, (y, x) in pixels from the top left corner.
    """

    pictures: Float[Tensor, "B h w"]
    labels: Int[Tensor, " B"]
    centres: Float[Tensor, "B 2"]

    def to(self, device: torch.device | str) -> Scenes:
        """The same on `device`."""
        return Scenes(*(part.to(device) for part in self))

    def shard(self, rank: int, world: int) -> Scenes:
        """Every `world`-th picture, from `rank` on."""
        if world > len(self.labels):
            raise ValueError(f"{len(self.labels)} pictures do not go round {world} processes.")
        return Scenes(*(part[rank::world] for part in self))


def digits(split: Split) -> Digits:
    """One part of scikit-learn's digits, 8 by 8.

    Raises:
        ValueError: if there is no such part.
        ModuleNotFoundError: if scikit-learn is not installed.
    """
    if split not in SIZES:
        raise ValueError(f"no split {split!r}; the digits have {', '.join(get_args(Split))}.")
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("scikit-learn holds the digits: pip install 'tfedu[data]'.") from error
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    start = {"train": 0, "val": SIZES["train"], "test": SIZES["train"] + SIZES["val"]}[split]
    chosen = order[start : start + SIZES[split]]
    return Digits(
        torch.tensor(found.images[chosen] / 16, dtype=torch.float32), torch.tensor(found.target[chosen])
    )


def mnist(folder: str | Path | None = None) -> Digits:
    """The 10,000 digits of MNIST's test file, 28 by 28 (LeCun and Cortes; CC BY-SA 3.0).

    Args:
        folder: a folder that holds ``mnist/t10k-images-idx3-ubyte.gz`` and the labels; by default ``TFEDU_DATA``,
            or a download (1.7 MB).

    Raises:
        DataError: if a file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`).
    """
    images, labels = (
        read_idx(fetch(f"mnist/{name}", MNIST_URL + name, sha256, folder))
        for name, sha256 in MNIST_SHA256.items()
    )
    return Digits(
        torch.from_numpy(images.astype(np.float32) / 255), torch.from_numpy(labels.astype(np.int64))
    )


def read_idx(path: Path) -> np.ndarray:
    """An array out of an IDX file of bytes, gzipped, as MNIST's are: a head that tells the shape, then the numbers.

    Raises:
        DataError: if it is no such file, or is cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}): get it again.") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} is no IDX file of bytes: it begins with {content[:4].hex() or 'nothing'}.")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4) if len(content) >= 4 + 4 * axes else None
    if shape is None or len(content) != 4 + 4 * axes + int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{path} is cut short: its numbers do not fill the shape that its head tells.")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape.astype(int)).copy()


def scatter(
    source: Digits,
    count: int,
    *,
    size: int = 60,
    digit: int = 10,
    pieces: int = 4,
    piece: int = 5,
    reach: float = 1.0,
    seed: int = 0,
) -> Scenes:
    """Pictures of one whole digit each, among pieces cut out of other digits.

    A piece never lies over the digit; in the paper it may. Our digits have 8 by 8 true pixels, the paper's 28 by 28:
    a piece would take more of them away than a reader could fill in.

    Args:
        source: the digits to draw from, the pieces too.
        count: B, how many pictures.
        size: their height and width, in pixels.
        digit: height and width to which a digit is brought.
        pieces: how many pieces lie about; 0 gives translated digits alone.
        piece: height and width of a piece.
        reach: how far from the middle the digit may lie: 0 is the middle itself, 1 the picture's edge.
        seed: decides everything.

    Raises:
        ValueError: if the digit does not fit the picture, or a piece the digit, or `reach` is not from 0 to 1.
    """
    if not piece <= digit <= size:
        raise ValueError(f"a piece ({piece}) is cut from a digit ({digit}) that fits its picture ({size}).")
    if not 0 <= reach <= 1:
        raise ValueError(f"reach goes from 0 (the middle) to 1 (the edge); got {reach}.")
    generator = torch.Generator().manual_seed(seed)

    def draw(limit: int) -> Tensor:
        return torch.randint(limit, (count,), generator=generator)

    large = enlarged(source.images, digit)
    pictures = torch.zeros(count, size, size)
    chosen = draw(len(large))
    middle = (size - digit) / 2
    corner = [
        (middle * (1 + reach * (2 * torch.rand(count, generator=generator) - 1))).round().long() for _ in "yx"
    ]
    _paste(pictures, large[chosen], *corner)
    for _ in range(pieces):
        cut = _window(large[draw(len(large))], draw(digit - piece + 1), draw(digit - piece + 1), piece)
        _paste(pictures, cut, *_beside(corner, digit, piece, size, generator))
    return Scenes(pictures, source.labels[chosen], torch.stack(corner, dim=1) + digit / 2)


def enlarged(images: Float[Tensor, "n h w"], side: int) -> Float[Tensor, "n side side"]:
    """The images brought to `side` by `side` pixels."""
    if images.shape[-2:] == (side, side):
        return images
    changed = F.interpolate(
        rearrange(images, "n h w -> n 1 h w"), size=(side, side), mode="bicubic", antialias=True
    )
    return rearrange(changed, "n 1 h w -> n h w").clamp(0, 1)


@dataclass(frozen=True)
class SceneBatches:
    """Endless training pictures: those of one step are always the same, so that a resume can begin anywhere.

    Attributes:
        source: the digits.
        size: pictures a batch.
        seed: of all of them.
        reach: how far the digit may lie from the middle at a step, see `scatter`; a curriculum.
        picture, digit, pieces, piece: see `scatter`.
    """

    source: Digits
    size: int
    seed: int = 0
    reach: Callable[[int], float] = lambda step: 1.0
    picture: int = 60
    digit: int = 10
    pieces: int = 4
    piece: int = 5

    def batch(self, step: int) -> Scenes:
        """The pictures of a step."""
        return scatter(
            self.source,
            self.size,
            size=self.picture,
            digit=self.digit,
            pieces=self.pieces,
            piece=self.piece,
            reach=self.reach(step),
            seed=int(np.random.SeedSequence((self.seed, step)).generate_state(1)[0]),
        )


def _beside(
    corner: list[Tensor], digit: int, piece: int, size: int, generator: torch.Generator, tries: int = 12
) -> tuple[Tensor, Tensor]:
    """Corners (y, x) for pieces clear of the digits: of so many tries the first that is, else the last."""
    count = len(corner[0])
    places = torch.randint(size - piece + 1, (2, tries, count), generator=generator)
    over = [
        (place < start + digit) & (place + piece > start) for place, start in zip(places, corner, strict=True)
    ]
    clear = ~(over[0] & over[1])
    clear[-1] = True
    first = clear.int().argmax(dim=0)
    each = torch.arange(count)
    return places[0, first, each], places[1, first, each]


def _window(images: Tensor, y: Tensor, x: Tensor, side: int) -> Tensor:
    """From each image (B, h, w) the square of `side` whose upper left corner is at (y, x)."""
    step = torch.arange(side)
    each = torch.arange(len(images))[:, None, None]
    return images[each, (y[:, None] + step)[:, :, None], (x[:, None] + step)[:, None, :]]


def _paste(pictures: Tensor, patches: Tensor, y: Tensor, x: Tensor) -> None:
    """Lay each patch on its picture, in place; where both have ink, the darker stays."""
    step = torch.arange(patches.shape[-1])
    each = torch.arange(len(pictures))[:, None, None]
    rows, columns = (y[:, None] + step)[:, :, None], (x[:, None] + step)[:, None, :]
    pictures[each, rows, columns] = torch.maximum(pictures[each, rows, columns], patches)
