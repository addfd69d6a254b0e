"""Any folder of pictures: one folder a class, named after it, with that class's pictures in it.

::

    animals/cat/on the sofa.jpg
    animals/cat/2.png
    animals/dog/rex.webp
"""

from __future__ import annotations

from pathlib import Path

import torch

from tfedu.data.download import DataError
from tfedu.data.pictures import LabelledPictures, PictureError, fit, read_picture

#: Which files are taken for pictures; all else beside them (notes, ``.DS_Store``) is passed over.
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
    *(".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".ico", ".tga"),
)


def load(folder: str | Path, size: int = 32) -> LabelledPictures:
    """The pictures of a folder, each cut to its middle square and brought to `size` by `size` pixels, in uint8.

    Classes and files come in alphabetical order, so the places of the labels do not change from run to run. Folders
    inside a class's folder belong to that class. Hidden files and folders are passed over.

    Args:
        folder: the one that holds the classes' folders.
        size: height and width of what comes out.

    Raises:
        DataError: if there is no such folder, or no class with a picture in it, or a class has none, or pictures
            cannot be read: all of them are named.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give one that holds a folder of pictures for each class.")
    classes = sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    files = [_pictures(one) for one in classes]
    if not any(files):
        raise DataError(
            f"{root} has no folder with pictures in it: make one for each class, such as {root / 'cat' / '1.jpg'}."
        )
    if empty := [one.name for one, found in zip(classes, files, strict=True) if not found]:
        raise DataError(
            f"{root} has folders without a picture: {', '.join(empty)}. Fill them, or take them away."
        )
    pictures, labels, bad = [], [], []
    for label, found in enumerate(files):
        for file in found:
            try:
                pictures.append((fit(read_picture(file), size) * 255).round().to(torch.uint8))
                labels.append(label)
            except PictureError as error:
                bad.append(str(error))
    if bad:
        raise DataError(
            f"{len(bad)} of {len(bad) + len(labels)} pictures cannot be read. Mend them, or take them away:\n"
            + "\n".join(bad)
        )
    return LabelledPictures(
        torch.stack(pictures), torch.tensor(labels), tuple(one.name for one in classes), str(root)
    )


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in ENDINGS
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
