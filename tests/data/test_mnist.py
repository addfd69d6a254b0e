"""MNIST: small made files are read as they are, wrong ones refused, and the real test file is whole."""

import gzip
import hashlib
import inspect
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from tfedu.data import digits, mnist
from tfedu.data.download import DataError


def idx(path: Path, array: np.ndarray) -> str:
    """Write an IDX file; its sha256."""
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, images: np.ndarray, labels: np.ndarray) -> None:
    for name, array in (("train-images-idx3-ubyte.gz", images), ("train-labels-idx1-ubyte.gz", labels)):
        monkeypatch.setitem(mnist.SHA256, name, idx(folder / "mnist" / name, array))
    monkeypatch.setitem(mnist.COUNT, "train", 5)


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)


def test_a_small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, monkeypatch, IMAGES, np.array([3, 0, 9, 9, 1]))
    found = mnist.load("train", tmp_path)
    assert found.pictures.dtype == torch.uint8
    assert torch.equal(found.pictures[:, 0], torch.from_numpy(IMAGES))
    assert [found.classes[label] for label in found.labels] == list("30991")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES[:4], np.zeros(5)),
        (IMAGES, np.zeros(4)),
        (IMAGES[:, :27], np.zeros(5)),
        (IMAGES, np.full(5, 10)),
        (IMAGES[0], np.zeros(5)),
    ],
)
def test_files_that_do_not_belong_together(tmp_path, monkeypatch, images, labels) -> None:
    made(tmp_path, monkeypatch, images, labels)
    with pytest.raises(DataError, match="delete them and run this again"):
        mnist.load("train", tmp_path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no split 'val'; MNIST has train, test"):
        inspect.unwrap(mnist.load)("val")
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is missing"):
        mnist.load("train", tmp_path)


@pytest.mark.real_data
@pytest.mark.skipif("TFEDU_DATA" not in os.environ, reason="TFEDU_DATA names no folder with the real sets")
def test_the_real_test_file() -> None:
    found = mnist.load("test")
    assert found.pictures.shape == (10_000, 1, 28, 28)
    assert found.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert torch.bincount(found.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (found.pictures / 255).mean().item() == pytest.approx(0.1325, abs=1e-4)
    cut = digits.mnist()  # the same file, for the other chapters
    assert torch.equal(cut.images, found.pictures[:, 0] / 255)
    assert torch.equal(cut.labels, found.labels)
