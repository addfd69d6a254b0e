"""The real bAbI files: their format, their checksums, and the facts they name."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from tfedu.data import babi
from tfedu.data.download import DataError

TEXT = """1 Mary moved to the bathroom.
2 Mary got the milk there.
3 Where is the milk? \tbathroom\t2 1
4 Mary went back to the garden.
5 Where is the milk? \tgarden\t2 4
1 John went to the office.
2 Where is John? \toffice\t1
"""

held = pytest.mark.skipif(
    "TFEDU_DATA" not in os.environ, reason="TFEDU_DATA names no folder with the bAbI files"
)


def test_the_format():
    first, second, third = babi.parse(TEXT)
    assert first.sentences == (
        ("mary", "moved", "to", "the", "bathroom"),
        ("mary", "got", "the", "milk", "there"),
    )
    assert (first.question, first.answer, first.facts) == (("where", "is", "the", "milk"), "bathroom", (1, 0))
    assert len(second.sentences) == 3
    assert second.facts == (1, 2)
    assert third.sentences == (("john", "went", "to", "the", "office"),)
    assert third.facts == (0,)
    assert len(babi.tokenizer([first, second, third])) == 4 + len({*TEXT.lower().translate(CLEAN).split()})


CLEAN = {ord(c): " " for c in ".?\t0123456789"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("Mary moved.\n", "no line of a bAbI file"), ("1 Where is Mary? \thall\t3\n", "sentence 3 is not told")],
)
def test_another_format_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        babi.parse(text)


def test_what_there_is_not():
    with pytest.raises(ValueError, match="tasks are 1, 2, 3"):
        babi.load(4, "train")
    with pytest.raises(ValueError, match="take the size 1k"):
        babi.load(3, "train", "10k")


def test_a_damaged_file_is_refused(tmp_path):
    file = tmp_path / "babi/tasks_1-20_v1-2/en/qa1_single-supporting-fact_train.txt"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT)
    with pytest.raises(DataError, match="is damaged"):
        babi.load(1, "train", folder=tmp_path)


def test_a_member_of_the_archive_is_checked(tmp_path, monkeypatch):
    """The way of a download: one archive, of which one file is read."""
    monkeypatch.delenv("TFEDU_DATA", raising=False)
    archive = tmp_path / "tasks.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("tasks_1-20_v1-2/en/qa1_single-supporting-fact_train.txt")
        info.size = len(TEXT)
        tar.addfile(info, io.BytesIO(TEXT.encode()))
    monkeypatch.setattr(babi, "fetch", lambda *arguments: Path(archive))
    with pytest.raises(DataError, match="delete the archive"):
        babi.load(1, "train")
    import hashlib

    monkeypatch.setitem(
        babi.SHA256,
        "en/qa1_single-supporting-fact_train.txt",
        hashlib.sha256(TEXT.encode()).hexdigest(),
    )
    assert len(babi.load(1, "train")) == 3


@held
@pytest.mark.parametrize("task", [1, 2, 3])
@pytest.mark.parametrize("split", ["train", "test"])
def test_the_real_files(task, split):
    stories = babi.load(task, split)
    assert len(stories) == 1000
    for story in stories:
        assert len(story.facts) == task
        assert all(0 <= fact < len(story.sentences) for fact in story.facts)
        # The answer stands in the last fact that one needs.
        assert story.answer in story.sentences[story.facts[-1]] or task == 2
    assert len(babi.tokenizer(stories)) == 4 + {1: 19, 2: 33, 3: 34}[task]


@held
def test_the_larger_size():
    assert len(babi.load(1, "train", "10k")) == 10_000
