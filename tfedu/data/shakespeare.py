"""Tiny Shakespeare: 40,000 lines from the plays, 1.1 million characters, as Karpathy's char-rnn (2015) uses them.

Licence: the plays are in the public domain.
"""

from pathlib import Path
from typing import Literal, get_args

from tfedu.data.download import fetch

Split = Literal["train", "val"]

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
CHARACTERS = 1_115_394
#: The first nine tenths are for training, as is usual; the set has no split of its own.
TRAINING = 1_003_854


def load(split: Split, folder: str | Path | None = None) -> str:
    """The first 90 % of the text, for training, or the last 10 %, to validate.

    Args:
        split: ``"train"`` or ``"val"``.
        folder: a folder that holds ``tinyshakespeare/input.txt``; by default ``TFEDU_DATA``, or a download (1.1 MB).

    Raises:
        ValueError: if there is no such split.
        DataError: if the file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`).
    """
    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there is {' and '.join(get_args(Split))}.")
    text = fetch("tinyshakespeare/input.txt", URL, SHA256, folder).read_text("ascii")
    return text[:TRAINING] if split == "train" else text[TRAINING:]
