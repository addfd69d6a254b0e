"""The digits: parts that share nothing, scenes that are what they say, and the reader of IDX files."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.data.digits import SIZES, Digits, SceneBatches, digits, enlarged, mnist, read_idx, scatter
from tfedu.data.download import DataError


def test_the_parts_are_all_digits_each_once() -> None:
    from sklearn.datasets import load_digits

    parts = [digits(split) for split in SIZES]
    together = torch.cat([part.images for part in parts]) * 16
    labels = torch.cat([part.labels for part in parts])
    assert [len(part.labels) for part in parts] == [1297, 150, 350]

    def counted(images, labels):
        return sorted((*image.flatten().tolist(), label) for image, label in zip(images, labels, strict=True))

    found = load_digits()
    assert counted(together.round().int(), labels.tolist()) == counted(
        found.images.astype(int), found.target.tolist()
    )
    for part in parts:
        assert len(part.labels.unique()) == 10


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(48, 60),
    digit=st.integers(8, 16),
    pieces=st.integers(0, 3),
    reach=st.floats(0, 1),
)
def test_a_scene_has_its_digit_where_it_says(seed, size, digit, pieces, reach) -> None:
    source = Digits(*(part[:50] for part in digits("test")))
    scenes = scatter(source, 4, size=size, digit=digit, pieces=pieces, piece=6, reach=reach, seed=seed)
    assert scenes.pictures.shape == (4, size, size)
    assert scenes.pictures.min() >= 0
    assert scenes.pictures.max() <= 1
    large = enlarged(source.images, digit)
    furthest = reach * (size - digit) / 2 + 0.5
    for picture, label, centre in zip(*scenes, strict=True):
        assert (centre - size / 2).abs().max() <= furthest
        y, x = (centre - digit / 2).long().tolist()
        window = picture[y : y + digit, x : x + digit]
        assert any(torch.equal(window, one) for one in large[source.labels == label])
        assert (picture.sum() > window.sum() * (1 + 1e-6)) == (pieces > 0)


def test_scenes_follow_from_the_seed_and_batches_from_the_step() -> None:
    source = digits("train")
    assert torch.equal(scatter(source, 5, seed=3).pictures, scatter(source, 5, seed=3).pictures)
    assert not torch.equal(scatter(source, 5, seed=3).pictures, scatter(source, 5, seed=4).pictures)
    batches = SceneBatches(source, 6, seed=1, reach=lambda step: min(1.0, step / 10))
    assert torch.equal(batches.batch(7).pictures, batches.batch(7).pictures)
    assert not torch.equal(batches.batch(7).pictures, batches.batch(8).pictures)
    assert not torch.equal(batches.batch(7).pictures, SceneBatches(source, 6, seed=2).batch(7).pictures)
    assert (batches.batch(0).centres == 30).all()
    whole = batches.batch(9)
    shares = [whole.shard(rank, 2) for rank in (0, 1)]
    assert sorted(torch.cat([share.labels for share in shares]).tolist()) == sorted(whole.labels.tolist())


def test_bad_sizes_are_named() -> None:
    source = digits("val")
    with pytest.raises(ValueError, match="no split 'all'"):
        digits("all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fits its picture"):
        scatter(source, 1, size=9)
    with pytest.raises(ValueError, match="reach goes from 0"):
        scatter(source, 1, reach=2)


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_idx_files_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(idx(array)))
    assert (read_idx(path) == array).all()
    for broken, words in (
        (gzip.compress(idx(array)[:-1]), "cut short"),
        (gzip.compress(b"\x00\x00\x0d\x01abcd"), "no IDX file"),
        (gzip.compress(b""), "no IDX file"),
        (gzip.compress(idx(array)[:6]), "cut short"),
        (b"plain", "not a whole gzip"),
        (gzip.compress(idx(array))[:-6], "not a whole gzip"),
    ):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=words):
            read_idx(path)


@pytest.mark.real_data
@pytest.mark.skipif("TFEDU_DATA" not in os.environ, reason="TFEDU_DATA names no folder with the real sets")
def test_mnist_itself() -> None:
    real = mnist()
    assert real.images.shape == (10_000, 28, 28)
    assert real.images.max() == 1
    assert real.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert torch.bincount(real.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert scatter(real, 3, digit=28, seed=0).pictures.shape == (3, 60, 60)
