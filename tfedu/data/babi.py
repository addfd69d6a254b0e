"""The real bAbI tasks 1 to 3: stories of Mary, John, Sandra and Daniel, by Weston et al. (2015).

Source: "Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks", version 1.2 of the files.
Licence: Creative Commons Attribution 3.0 (LICENSE.txt in the distribution), Facebook, Inc.
"""

import hashlib
import os
import tarfile
from pathlib import Path
from typing import Literal, get_args

from tfedu.data.download import DataError, fetch
from tfedu.data.stories import Sentence, Story
from tfedu.data.text import WordTokenizer

Task = Literal[1, 2, 3]
Split = Literal["train", "test"]
Size = Literal["1k", "10k"]

FOLDER = "tasks_1-20_v1-2"
URL = f"http://www.thespermwhale.com/jaseweston/babi/{FOLDER}.tar.gz"
#: Of the whole archive, 15.7 MB, as the Hugging Face Hub's babi_qa records it.
ARCHIVE_SHA256 = "0364ebde659f14d11bc21744516c5ec49d3d06cb692733f66680771244998898"
NAME = {1: "qa1_single-supporting-fact", 2: "qa2_two-supporting-facts", 3: "qa3_three-supporting-facts"}
SHA256 = {
    "en/qa1_single-supporting-fact_test.txt": "55acf66cef2f6d798e2aa1d056e1ec8f24e910ea9215b639450574321132959b",
    "en/qa1_single-supporting-fact_train.txt": "c64ba9b1a49bbb111ffc4cd2ae4f129d25c012399dd7ade9679eea464b9afb05",
    "en/qa2_two-supporting-facts_test.txt": "eff93fb9cd81ba02eb765772cf7cc269769ed44ec71cbbbc19cfb16ee5eba0f6",
    "en/qa2_two-supporting-facts_train.txt": "a4978af5bc0dc30191810e7c9949aaa6eae939ed0f6beb9fcb5f4330c2a27860",
    "en/qa3_three-supporting-facts_test.txt": "17795c977100baf8188f386522ae301b62d6c1a13efc01b3aea781e588b4d57f",
    "en/qa3_three-supporting-facts_train.txt": "a6e78019f36a02a7ed71fe6aaded0b563ff09c8deec392931801fcd9c6af4d60",
    "en-10k/qa1_single-supporting-fact_train.txt": (
        "749ea9f7c99070feb2d88c975a254417a0dcc8274add4435ae5ae24c7afc7e9d"
    ),
    "en-10k/qa2_two-supporting-facts_train.txt": (
        "d4074c0c5d54f70ce2f538056ce2b6ef6a313da336da4245f1a24f1298e37ef3"
    ),
}


def load(task: Task, split: Split, size: Size = "1k", folder: str | Path | None = None) -> list[Story]:
    """Every question of one task's split, each with the story told so far: 1,000, or 10,000 to train.

    Args:
        task: 1, 2 or 3, the number of supporting facts.
        split: ``"train"`` or ``"test"``; the test questions are the same for both sizes.
        size: ``"1k"``, or ``"10k"`` for tasks 1 and 2.
        folder: a folder that holds ``babi/tasks_1-20_v1-2/en/...``; by default ``TFEDU_DATA``, or a download.

    Raises:
        ValueError: for a task, split or size that there is not.
        DataError: if a file is missing, damaged or out of reach (see :func:`tfedu.data.download.fetch`).
    """
    if task not in get_args(Task) or split not in get_args(Split) or size not in get_args(Size):
        raise ValueError(f"no {task!r}, {split!r}, {size!r}; tasks are 1, 2, 3, train or test, 1k or 10k.")
    where = "en" if size == "1k" or split == "test" else "en-10k"
    file = f"{where}/{NAME[task]}_{split}.txt"
    if file not in SHA256:
        raise ValueError(f"task {task} has no training file of {size} here: take the size 1k.")
    if folder or os.environ.get("TFEDU_DATA"):
        content = fetch(f"babi/{FOLDER}/{file}", URL, SHA256[file], folder).read_bytes()
    else:
        content = _member(fetch(f"babi/{FOLDER}.tar.gz", URL, ARCHIVE_SHA256), file)
    return parse(content.decode("utf-8"))


def _member(archive: Path, file: str) -> bytes:
    """One file of the archive, by its checksum."""
    with tarfile.open(archive) as tar:
        found = tar.extractfile(f"{FOLDER}/{file}")
        content = found.read() if found is not None else b""
    if hashlib.sha256(content).hexdigest() != SHA256[file]:
        raise DataError(f"{file} in {archive} is not the file that this package knows: delete the archive.")
    return content


def parse(text: str) -> list[Story]:
    """The questions of a file in bAbI's format.

    A line is a number and a sentence, or a number and a question, its answer and the numbers of its supporting
    facts, set apart by tabs. Number 1 begins a new story. Questions are no part of the story.

    Raises:
        ValueError: if a line is not of this form, or a fact points at no earlier sentence.
    """
    found: list[Story] = []
    told: list[Sentence] = []
    place: dict[int, int] = {}  # from a line's number to the place of its sentence
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        if not number.isdigit() or not rest.strip():
            raise ValueError(f"{line!r} is no line of a bAbI file: it begins with a number and a space.")
        if number == "1":
            told, place = [], {}
        if "\t" not in rest:
            place[int(number)] = len(told)
            told.append(words(rest))
            continue
        question, answer, facts = rest.split("\t")
        try:
            gold = tuple(place[int(fact)] for fact in facts.split())
        except KeyError as error:
            raise ValueError(f"{line!r}: sentence {error} is not told before it.") from error
        found.append(Story(tuple(told), words(question), answer.strip().lower(), gold))
    return found


def words(text: str) -> Sentence:
    """A sentence as lower-case words, without its full stop or question mark."""
    return tuple(text.lower().replace(".", " ").replace("?", " ").split())


def tokenizer(stories: list[Story]) -> WordTokenizer:
    """The words of some stories, their questions and answers as numbers, in alphabetical order."""
    known = {w for s in stories for part in (*s.sentences, s.question, (s.answer,)) for w in part}
    return WordTokenizer(sorted(known))
