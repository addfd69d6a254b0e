"""Folders of pictures: any sizes and modes side by side, other files passed over, unreadable ones named."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from tfedu.data import image_folder
from tfedu.data.download import DataError
from tfedu.data.pictures import LabelledPictures


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name, image in {
        "dog/b.JPG": Image.new("RGB", (50, 20), "red"),
        "cat/on the sofa.png": Image.new("L", (9, 30), 51),
        "cat/kittens/1.gif": Image.new("P", (4, 4)),
        "ant/1.webp": Image.new("RGBA", (64, 64), (0, 0, 255, 0)),
        ".thumbnails/1.png": Image.new("L", (4, 4)),
        "cat/.hidden.png": Image.new("L", (4, 4)),
        "cover.png": Image.new("L", (4, 4)),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    (tmp_path / "cat" / "notes.txt").write_text("not a picture")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"\0")
    return tmp_path


def test_any_pictures_become_equal_squares(animals: Path) -> None:
    found = image_folder.load(animals, size=16)
    assert isinstance(found, LabelledPictures)
    assert found.classes == ("ant", "cat", "dog")
    assert found.labels.tolist() == [0, 1, 1, 2]
    assert found.pictures.dtype == torch.uint8
    assert found.pictures.shape == (4, 3, 16, 16)
    corner = found.pictures[:, :, 0, 0].int()
    assert corner[0].tolist() == [255] * 3  # what is transparent lies over white
    assert corner[2].tolist() == [51] * 3
    assert (corner[3] - torch.tensor([255, 0, 0])).abs().max() <= 2


def test_all_unreadable_pictures_are_named(animals: Path) -> None:
    (animals / "dog" / "a.png").write_bytes(b"")
    (animals / "cat" / "z.jpg").write_text("<html>")
    with pytest.raises(DataError, match="2 of 6 pictures cannot be read") as caught:
        image_folder.load(animals)
    assert str(animals / "dog" / "a.png") in str(caught.value)
    assert str(animals / "cat" / "z.jpg") in str(caught.value)


def test_folders_that_are_no_sets(animals: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        image_folder.load(animals / "nowhere")
    with pytest.raises(DataError, match="no folder with pictures in it: make one for each class"):
        image_folder.load(animals / "cat" / "kittens")
    (animals / "bird").mkdir()
    (animals / "eel").mkdir()
    with pytest.raises(DataError, match=r"without a picture: bird, eel\."):
        image_folder.load(animals)
