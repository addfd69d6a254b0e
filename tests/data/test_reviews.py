"""Reviews and questions: their sizes, one way of writing, and no test sentence among the unlabelled."""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from tfedu.data import reviews
from tfedu.data.download import DataError


def small(folder: Path, monkeypatch: pytest.MonkeyPatch, texts: dict[str, list[str]]) -> None:
    """A copy of the sets of a few lines each."""
    (folder / "sent_conv").mkdir(exist_ok=True)
    for name, (_, encoding, _) in list(reviews.FILES.items()):
        lines = texts.get(name, [])
        data = ("\n".join(lines) + "\n").encode(encoding)
        (folder / "sent_conv" / name).write_bytes(data)
        monkeypatch.setitem(
            reviews.FILES, name, (hashlib.sha256(data).hexdigest(), encoding, max(1, len(lines)))
        )


def test_labels_and_one_way_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "stsa.binary.train": ["1 a film that is n't dull -lrb- it 's short -rrb- .", "0 ``bad''  film"],
        "TREC.test.all": ["4 Where is Rome ?"],
        "rt-polarity.pos": ["a café of a film . "],
    }
    small(tmp_path, monkeypatch, texts)
    assert reviews.sst2("train", tmp_path) == [
        ("a film that isn't dull ( it's short ) .", 1),
        ('"bad" film', 0),
    ]
    assert reviews.trec("test", tmp_path) == [("Where is Rome ?", 4)]
    assert reviews.snippets(tmp_path)[-1] == ("a café of a film .", 1)


def test_what_is_tested_on_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "stsa.binary.dev": ["1 too bad .", "0 one two three four five six seven eight"],
        "stsa.binary.test": ["1 it 's very déjà vu ."],
        "rt-polarity.neg": [
            "truly too bad . goodbye",
            "bad , too",
            "say three four five six seven eight again",
        ],
        "rt-polarity.pos": ["it's very deja-vu", "one two three four five", "all new"],
    }
    small(tmp_path, monkeypatch, texts)
    assert reviews.unlabelled(tmp_path) == ["bad , too", "one two three four five", "all new"]


def test_a_damaged_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(tmp_path, monkeypatch, {"TREC.test.all": ["1 What ?"]})
    (tmp_path / "sent_conv" / "TREC.test.all").write_text("1 Other ?\n")
    with pytest.raises(DataError):
        reviews.trec("test", tmp_path)


@pytest.fixture(scope="module")
def real_folder() -> str:
    """TFEDU_DATA, or shared/data beside the repository."""
    folder = os.environ.get("TFEDU_DATA") or str(Path(__file__).parents[3] / "shared" / "data")
    if not (Path(folder) / "sent_conv").is_dir():
        pytest.skip(
            "no reviews here: set TFEDU_DATA to a folder that holds sent_conv/stsa.binary.train and so on"
        )
    return folder


@pytest.mark.real_data
def test_the_real_sets_are_whole(real_folder: str) -> None:
    assert Counter(label for _, label in reviews.sst2("train", real_folder)) == {1: 3610, 0: 3310}
    assert [len(reviews.sst2(part, real_folder)) for part in ("dev", "test")] == [872, 1821]  # type: ignore[arg-type]
    assert [len(reviews.trec(part, real_folder)) for part in ("train", "test")] == [5452, 500]  # type: ignore[arg-type]
    assert {label for _, label in reviews.trec("train", real_folder)} == set(range(len(reviews.QUESTIONS)))
    assert Counter(label for _, label in reviews.snippets(real_folder)) == {0: 5331, 1: 5331}


@pytest.mark.real_data
def test_no_real_test_sentence_stays(real_folder: str) -> None:
    """By letters and digits alone, so that no difference of tokens, accents or marks hides one."""

    def letters(text: str) -> str:
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        return re.sub("[^a-z0-9]", "", plain)

    kept = reviews.unlabelled(real_folder)
    assert 7000 < len(kept) < 8500
    everything = "\n".join(map(letters, kept))
    for part in ("dev", "test"):
        for text, _ in reviews.sst2(part, real_folder):  # type: ignore[arg-type]
            assert len(letters(text)) < 12 or letters(text) not in everything
