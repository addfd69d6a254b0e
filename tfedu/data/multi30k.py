"""Multi30k: 31,014 captions of photographs, in English, German and French, aligned by line.

Source: Elliott, Frank, Sima'an and Specia 2016, "Multi30K: Multilingual English-German Image
Descriptions"; the French side, Elliott, Frank, Barrault, Bougares and Specia 2017. Test set: 2016, Flickr.

Licence: none is named for the text. It derives from Flickr30k, whose pictures (not used here) are for
non-commercial research and education only; treat the captions so, and do not pass them on.
"""

import gzip
from pathlib import Path
from typing import Literal, get_args

from tfedu.data.download import DataError, fetch

Split = Literal["train", "val", "test"]
Language = Literal["de", "en", "fr"]

URL = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
STEM = {"train": "train", "val": "val", "test": "test_2016_flickr"}
LINES = {"train": 29_000, "val": 1_014, "test": 1_000}
SHA256 = {
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
}


def load(
    split: Split, source: Language = "de", target: Language = "en", folder: str | Path | None = None
) -> list[tuple[str, str]]:
    """The sentence pairs of one split, as text: 29,000 for training, 1,014 to validate, 1,000 to test.

    White space is brought to single spaces. The German side holds no-break spaces, which are no part of a
    word, and which tokenizers disagree about.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"`` (2016, Flickr).
        source: the language to translate from.
        target: the language to translate into.
        folder: a folder that holds ``multi30k/train.de.gz`` and so on; by default ``TFEDU_DATA``, or a
            download (about 1.2 MB a pair of languages).

    Raises:
        ValueError: if the split or a language does not exist.
        DataError: if a file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`).
    """
    if split not in LINES:
        raise ValueError(f"no split {split!r}; Multi30k has {', '.join(get_args(Split))}.")
    for language in (source, target):
        if language not in get_args(Language):
            raise ValueError(f"no language {language!r}; Multi30k has {', '.join(get_args(Language))}.")
    sides = (_lines(split, source, folder), _lines(split, target, folder))
    return list(zip(*sides, strict=True))


def _lines(split: Split, language: Language, folder: str | Path | None) -> list[str]:
    file = f"{STEM[split]}.{language}.gz"
    path = fetch(f"multi30k/{file}", URL + file, SHA256[file], folder)
    # Only "\n" ends a line: str.splitlines would also break at rarer characters, and shift the pairs.
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").removesuffix("\n").split("\n")
    if len(lines) != LINES[split]:
        raise DataError(
            f"{path} holds {len(lines):,} lines, not {LINES[split]:,}: delete it and run this again."
        )
    return [" ".join(line.split()) for line in lines]
