"""MNIST: 70,000 handwritten digits of 28 by 28 pixels (LeCun, Cortes and Burges 1998), in grey.

Licence: CC BY-SA 3.0 (LeCun and Cortes). The pictures are not passed on here, re-encoded or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from tfedu.data.digits import MNIST_SHA256, MNIST_URL, read_idx
from tfedu.data.download import DataError, fetch
from tfedu.data.pictures import LabelledPictures

Split = Literal["train", "test"]

CLASSES = tuple("0123456789")
COUNT = {"train": 60_000, "test": 10_000}
STEM = {"train": "train", "test": "t10k"}
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    **MNIST_SHA256,
}


def load(split: Split, folder: str | Path | None = None) -> LabelledPictures:
    """The digits of one split, one channel of 28 by 28 in uint8, ink 255: 60,000 to train, 10,000 to test.

    Args:
        split: ``"train"`` or ``"test"``.
        folder: a folder that holds ``mnist/train-images-idx3-ubyte.gz`` and so on; by default ``TFEDU_DATA``, or a
            download (9.9 MB, or 1.7 MB to test).

    Raises:
        ValueError: if there is no such split.
        DataError: if a file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`), or the
            pictures and the labels do not belong together.
    """
    if split not in COUNT:
        raise ValueError(f"no split {split!r}; MNIST has {', '.join(get_args(Split))}.")
    images, labels = (
        read_idx(fetch(f"mnist/{name}", MNIST_URL + name, SHA256[name], folder))
        for name in (f"{STEM[split]}-images-idx3-ubyte.gz", f"{STEM[split]}-labels-idx1-ubyte.gz")
    )
    if images.shape != (COUNT[split], 28, 28) or labels.shape != (COUNT[split],) or labels.max() > 9:
        raise DataError(
            f"MNIST's {split} files hold {images.shape} pictures and {labels.shape} labels, not {COUNT[split]:,} "
            "of 28 by 28 with a digit each: delete them and run this again."
        )
    return LabelledPictures(
        torch.from_numpy(images)[:, None], torch.from_numpy(labels.astype(np.int64)), CLASSES, "MNIST"
    )
