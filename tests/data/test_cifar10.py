"""CIFAR-10: both formats from small made files, hostile and damaged ones refused, and the real zips."""

import hashlib
import inspect
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tfedu.data import cifar10
from tfedu.data.download import DataError
from tfedu.data.pictures import LabelledPictures


class Python2(pickle._Pickler):
    """Pickles bytes as Python 2 did, in whose format the canonical files are."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = save_bytes


def as_python2(value: object) -> bytes:
    file = io.BytesIO()
    Python2(file, 2).dump(value)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")


def tarball(path: Path, batches: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in batches.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def zipped(path: Path, pictures: dict[str, np.ndarray | bytes]) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, picture in pictures.items():
            content = io.BytesIO()
            if isinstance(picture, np.ndarray):
                Image.fromarray(picture).save(content, "jpeg", quality=100, subsampling=0)
            file.writestr(name, picture if isinstance(picture, bytes) else content.getvalue())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFEDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TFEDU_DATA", raising=False)
    return tmp_path / "data"


def known(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, **count: int) -> None:
    """Take the made file for the real one."""
    monkeypatch.setitem(cifar10.SHA256, name, hashlib.sha256((folder / name).read_bytes()).hexdigest())
    for split, number in count.items():
        monkeypatch.setitem(cifar10.COUNT, split, number)


COLOURS = np.random.default_rng(0).integers(0, 256, (15, 3072), np.uint8)
LABELS = [int(one) for one in np.random.default_rng(1).integers(0, 10, 15)]


def small_tarball(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = {
        f"data_batch_{i + 1}": as_python2(
            {
                b"batch_label": b"training batch 1 of 5",
                b"labels": LABELS[3 * i : 3 * i + 3],
                b"data": COLOURS[3 * i : 3 * i + 3],
                b"filenames": [b"a.png", b"b.png", b"c.png"],
            }
        )
        for i in range(5)
    }
    batches["test_batch"] = as_python2({b"labels": LABELS[:3], b"data": np.asfortranarray(COLOURS[:3])})
    tarball(folder / cifar10.TARBALL, batches)
    known(monkeypatch, folder, cifar10.TARBALL, train=15, test=3)


def test_the_canonical_format(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_tarball(folder, monkeypatch)
    found = cifar10.load("train", folder)
    assert found.pictures.dtype == torch.uint8
    assert found.labels.dtype == torch.int64
    assert torch.equal(found.pictures, torch.from_numpy(COLOURS).view(15, 3, 32, 32))
    assert found.labels.tolist() == LABELS
    assert found.classes[3] == "cat"
    assert "canonical" in found.source
    assert torch.equal(cifar10.load("test", folder).pictures, found.pictures[:3])


def test_the_jpeg_copies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.stack(np.broadcast_arrays(np.arange(32)[:, None] * 8, np.arange(32) * 4, 77), -1).astype(
        np.uint8
    )
    pictures = {
        f"test/{name}/000{i}.jpg": np.roll(ramp, k, 0)
        for k, name in enumerate(cifar10.CLASSES)
        for i in (0, 1)
    }
    zipped(folder / "cifar10_jpeg/test.zip", pictures)
    known(monkeypatch, folder, "cifar10_jpeg/test.zip", test=20)
    found = cifar10.load("test", folder)
    assert torch.bincount(found.labels).tolist() == [2] * 10
    assert found.labels.tolist() != sorted(found.labels.tolist())  # mixed, so that a part is a fair sample
    for picture, label in zip(found.pictures, found.labels.tolist(), strict=True):
        true = torch.from_numpy(np.roll(ramp, label, 0)).permute(2, 0, 1)
        assert (picture.int() - true.int()).abs().max() <= 16  # the edge of the ramp, after compression
        assert (picture.int() - true.int()).abs().float().mean() < 2
    assert "JPEG" in found.source
    small_tarball(folder, monkeypatch)  # where both are, the canonical one counts
    assert "canonical" in cifar10.load("test", folder).source


def test_what_was_decoded_is_kept_and_half_of_it_is_not_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_tarball(folder, monkeypatch)
    first = cifar10.load("train", folder)
    (kept,) = (tmp_path / "cache" / "cifar10").iterdir()
    monkeypatch.setattr(cifar10, "unpickled", None)
    assert torch.equal(cifar10.load("train", folder).pictures, first.pictures)
    monkeypatch.undo()
    monkeypatch.setenv("TFEDU_CACHE", str(tmp_path / "cache"))
    small_tarball(folder, monkeypatch)
    whole = kept.read_bytes()
    for broken in (whole[:-5], whole[:20], b"", b"no array"):
        kept.write_bytes(broken)
        assert torch.equal(cifar10.load("train", folder).pictures, first.pictures)
        assert kept.read_bytes() == whole
    (tmp_path / "in the way").write_text("")
    monkeypatch.setenv("TFEDU_CACHE", str(tmp_path / "in the way" / "cache"))
    assert torch.equal(cifar10.load("train", folder).pictures, first.pictures)


class Hostile:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (as_python2(Hostile()), r"asks for (posix|nt)\.system"),
        (as_python2({b"labels": [0], b"data": COLOURS[:1].astype(np.int64)}), "where bytes belong"),
        (as_python2({b"labels": [0, 1], b"data": COLOURS[:1]}), "no whole CIFAR-10 tarball"),
        (as_python2({b"labels": [0]}), "no whole CIFAR-10 tarball"),
        (as_python2([0]), "no whole CIFAR-10 tarball"),
        (as_python2({b"labels": [0], b"data": COLOURS[:1]})[:-9], "no whole CIFAR-10 tarball"),
        (as_python2({b"labels": [300], b"data": COLOURS[:1]}), "no whole CIFAR-10 tarball"),
        (as_python2({b"labels": [10], b"data": COLOURS[:1]}), "a wrong label"),
        (as_python2({b"labels": [0, 1], b"data": COLOURS[:2]}), "2 were found"),
        (b"", "no whole CIFAR-10 tarball"),
    ],
)
def test_pickles_that_are_not_cifars_are_refused(folder, monkeypatch, content: bytes, words: str) -> None:
    tarball(folder / cifar10.TARBALL, {"test_batch": content})
    known(monkeypatch, folder, cifar10.TARBALL, test=1)
    with pytest.raises(DataError, match=words):
        cifar10.load("test", folder)


def test_archives_that_are_broken_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_tarball(folder, monkeypatch)
    whole = (folder / cifar10.TARBALL).read_bytes()
    (folder / cifar10.TARBALL).write_bytes(whole[:-100])
    with pytest.raises(DataError, match="is damaged"):  # by its checksum, before anything is read
        cifar10.load("test", folder)
    for broken in (whole[:-100], whole[:100], b"no archive"):
        (folder / cifar10.TARBALL).write_bytes(broken)
        known(monkeypatch, folder, cifar10.TARBALL)
        with pytest.raises(DataError, match="no whole CIFAR-10 tarball"):
            cifar10.load("test", folder)
    (folder / cifar10.TARBALL).unlink()
    name = "cifar10_jpeg/train.zip"
    for pictures, words in (
        ({}, "no JPEG file"),
        ({"train/cat/0.jpg": b"no picture"}, r"train/cat/0\.jpg"),
        ({"train/cat/0.jpg": np.zeros((16, 16, 3), np.uint8)}, r"train/cat/0\.jpg"),
        ({"train/unicorn/0.jpg": np.zeros((32, 32, 3), np.uint8)}, "unicorn"),
        ({"0.jpg": np.zeros((32, 32, 3), np.uint8)}, "no whole zip"),
    ):
        zipped(folder / name, pictures)
        known(monkeypatch, folder, name, train=1)
        with pytest.raises(DataError, match=words):
            cifar10.load("train", folder)
    (folder / name).write_bytes(b"no zip")
    known(monkeypatch, folder, name)
    with pytest.raises(DataError, match="no whole zip"):
        cifar10.load("train", folder)
    (folder / name).unlink()
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz is missing"):
        cifar10.load("train", folder)
    with pytest.raises(ValueError, match="no split 'val'; CIFAR-10 has train, test"):
        inspect.unwrap(cifar10.load)("val")


@pytest.mark.real_data
def test_the_real_copies_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = os.environ.get("TFEDU_DATA") or str(beside)
    if not any((Path(folder) / name).is_file() for name in ("cifar10_jpeg/test.zip", cifar10.TARBALL)):
        pytest.skip("no CIFAR-10 here: set TFEDU_DATA to a folder that holds it")
    monkeypatch.setenv("TFEDU_CACHE", str(tmp_path))
    found = cifar10.load("test", folder)
    assert isinstance(found, LabelledPictures)
    assert found.pictures.shape == (10_000, 3, 32, 32)
    assert torch.bincount(found.labels).tolist() == [1000] * 10
    means = (found.pictures / 255).mean((0, 2, 3))  # of the canonical test set: .494, .485, .450
    torch.testing.assert_close(means, torch.tensor([0.494, 0.485, 0.450]), atol=0.003, rtol=0)
    # The sky is blue: an airplane's picture is, on average, bluer than a frog's.
    blue = [
        (found[found.labels == k].pictures / 255).mean((0, 2, 3)) @ torch.tensor([-1.0, 0, 1]) for k in (0, 6)
    ]
    assert blue[0] > blue[1] + 0.1
