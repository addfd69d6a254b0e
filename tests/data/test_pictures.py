"""Pictures of every kind: read right, or refused with words that help; cropping and resizing keep their laws."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import Tensor

from tfedu.data.pictures import LabelledPictures, PictureError, fit, normalised, read_picture

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)  # 6 high, 9 wide
ALPHA = np.random.default_rng(1).integers(0, 256, (6, 9), np.uint8)
RGB = torch.from_numpy(COLOURS).permute(2, 0, 1) / 255
GREY = torch.from_numpy(COLOURS[..., 0]) / 255


def saved(image: Image.Image, kind: str = "png", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def over_white(colours: Tensor, alpha: np.ndarray = ALPHA) -> Tensor:
    a = torch.from_numpy(alpha) / 255
    return (colours * a + 1 - a).expand(3, -1, -1)


def same(found: Tensor, expected: Tensor, atol: float = 1e-6) -> None:
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    torch.testing.assert_close(found, expected.expand(3, -1, -1), atol=atol, rtol=0)


# What a file may be


@pytest.mark.parametrize("kind", ["png", "gif", "webp", "bmp", "tiff", "ppm", "tga"])
def test_formats_without_loss(kind: str, tmp_path: Path) -> None:
    few = COLOURS // 128 * 255  # few colours, for the palette of a GIF
    content = saved(Image.fromarray(few), kind, **({"lossless": True} if kind == "webp" else {}))
    same(read_picture(content), torch.from_numpy(few).permute(2, 0, 1) / 255)
    path = tmp_path / "a picture.dat"  # the name does not count
    path.write_bytes(content)
    for source in (
        path,
        str(path),
        bytearray(content),
        memoryview(content),
        io.BytesIO(content),
        Image.open(path),
    ):
        assert torch.equal(read_picture(source), read_picture(content))


def modes() -> dict[str, tuple[Image.Image, Tensor]]:
    grey, rgb = Image.fromarray(COLOURS[..., 0]), Image.fromarray(COLOURS)
    black = COLOURS[..., 0] > 127
    deep = COLOURS[..., 0].astype(np.uint16) * 250 + 3
    return {
        "grey": (grey, GREY),
        "grey and alpha": (Image.fromarray(np.dstack([COLOURS[..., 0], ALPHA])), over_white(GREY)),
        "colour": (rgb, RGB),
        "colour and alpha": (Image.fromarray(np.dstack([COLOURS, ALPHA])), over_white(RGB)),
        "black and white": (Image.fromarray(black), torch.from_numpy(black).float()),
        "16-bit grey": (Image.fromarray(deep), torch.from_numpy(deep.astype(np.float32)) / 65535),
    }


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize("kind", ["png", "tiff", None])
def test_modes(mode: str, kind: str | None) -> None:
    image, expected = modes()[mode]
    same(read_picture(image if kind is None else saved(image, kind)), expected)


def test_palettes() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    expected = torch.eye(3)[:, None, :]
    for kind in ("png", "gif", "bmp", "tiff"):
        same(read_picture(saved(image, kind)), expected)
    over = expected.clone()
    over[:, :, 1] = 1
    for kind in ("png", "gif"):
        same(read_picture(saved(image, kind, transparency=1)), over)
    half = expected.clone()
    half[:, 0, 2] = torch.tensor([127, 127, 255]) / 255
    same(read_picture(saved(image, "png", transparency=bytes([255, 255, 128]))), half)


def test_one_transparent_colour() -> None:
    grey = Image.fromarray(np.array([[0, 7, 200]], np.uint8))
    same(read_picture(saved(grey, transparency=7)), torch.tensor([[0, 1, 200 / 255]]))
    same(read_picture(saved(grey.convert("RGB"), transparency=(7, 7, 7))), torch.tensor([[0, 1, 200 / 255]]))
    deep = Image.fromarray(np.array([[0, 7, 20_000]], np.uint16))
    same(read_picture(saved(deep, transparency=7)), torch.tensor([[0, 1, 20_000 / 65535]]))


def test_inks() -> None:
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    red = torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 16, 16)
    same(read_picture(flat), red)
    same(read_picture(saved(flat, "tiff")), red)
    same(read_picture(saved(flat, "jpeg", quality=100)), red, atol=0.02)
    same(read_picture(Image.new("YCbCr", (2, 2), (255, 128, 128))), torch.ones(2, 2))
    premultiplied = Image.fromarray(np.dstack([COLOURS, ALPHA])).convert("RGBa")
    same(read_picture(premultiplied), over_white(RGB), atol=0.01)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_upright_as_the_camera_was_held(orientation: int, kind: str) -> None:
    upright = Image.new("RGB", (40, 24), "white")
    ImageDraw.Draw(upright).rectangle((0, 0, 15, 7), "red")
    T = Image.Transpose  # how each of EXIF's orientations is stored
    stored = {
        1: None,
        2: T.FLIP_LEFT_RIGHT,
        3: T.ROTATE_180,
        4: T.FLIP_TOP_BOTTOM,
        5: T.TRANSPOSE,
        6: T.ROTATE_90,
        7: T.TRANSVERSE,
        8: T.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = upright if stored is None else upright.transpose(stored)
    options = {"lossless": True} if kind == "webp" else {"quality": 100, "subsampling": 0}
    found = read_picture(saved(image, kind, exif=exif, **options))
    same(found, torch.from_numpy(np.array(upright)).permute(2, 0, 1) / 255, atol=0.08)


def test_damaged_notes_leave_the_picture_as_it_lies() -> None:
    content = saved(Image.fromarray(COLOURS), exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    same(read_picture(content), RGB)


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "webp" else {}
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(content)).n_frames == 3
    same(read_picture(content), torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 4, 5))


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 5), (1001, 999)])
def test_any_size(size: tuple[int, int]) -> None:
    found = read_picture(saved(Image.new("RGB", size, "blue")))
    assert found.shape == (3, size[1], size[0])


# What is refused


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
def test_files_that_are_cut_short(kind: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    content = saved(Image.fromarray(noise), kind)
    for keep in (1, 10, len(content) // 2):
        with pytest.raises(PictureError, match="damaged"):
            read_picture(content[:keep])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["png", "jpeg", "gif", "webp", "bmp", "tiff", "ppm"]))
def test_changed_bytes_give_a_picture_or_words(data, kind: str) -> None:
    content = bytearray(saved(Image.fromarray(COLOURS), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_picture(bytes(content), limit=1_000_000)
    except PictureError:
        pass
    else:
        assert found.shape[0] == 3
        assert found.min() >= 0
        assert found.max() <= 1


@given(content=st.binary(max_size=200))
def test_bytes_that_are_no_picture(content: bytes) -> None:
    with pytest.raises(PictureError, match=r"empty|no picture|damaged"):
        read_picture(content)


def png(width: int, height: int, rows: bytes, depth: int = 8, colours: int = 2) -> bytes:
    """A PNG put together by hand: what it says of its size need not be true."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("colours", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_a_channel(colours: int, channels: int) -> None:
    numbers = np.random.default_rng(4).integers(0, 2**16, (1, 5, channels)).astype(">u2")
    found = read_picture(png(5, 1, b"\0" + numbers.tobytes(), depth=16, colours=colours))
    same(found, read_picture(numbers), atol=1 / 255)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(8_001, 8_000), (10_000, 10_000), (60_000, 60_000)])
def test_a_bomb_is_not_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match=r"(pixels, more than|too large).*make it smaller"):
        read_picture(png(*size, rows=b"\0"))
    with pytest.raises(PictureError, match="12 by 2 pixels, more than 23"):
        read_picture(Image.new("L", (12, 2)), limit=23)


def test_what_is_refused_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    for source, words in (
        (tmp_path / "empty.png", r"empty\.png is empty \(0 bytes\)"),
        (tmp_path / "page.jpg", r"page\.jpg is no picture .* Save it as PNG"),
        (tmp_path / "absent.jpg", "does not exist: give the path"),
        (tmp_path, "is a folder"),
        (b"", "empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),  # would start another program
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (None, "not NoneType"),
        (3, "not int"),
        (Image.new("L", (0, 4)), "nothing to see"),
        (Image.new("F", (4, 4)), "32-bit numbers"),
        (saved(Image.new("I", (4, 4)), "tiff"), "32-bit numbers"),
    ):
        with pytest.raises(PictureError, match=words):
            read_picture(source)


# Arrays and tensors


def test_arrays_and_tensors_of_the_usual_layouts() -> None:
    four = np.dstack([COLOURS, ALPHA])
    for source, expected in (
        (COLOURS, RGB),
        (COLOURS.transpose(2, 0, 1), RGB),
        (COLOURS[::-1], RGB.flip(1)),
        (COLOURS / 255, RGB),
        ((COLOURS / 255).astype(">f4"), RGB),
        ((COLOURS / 255).astype(np.longdouble), RGB),
        (COLOURS.astype(np.uint16) * 257, RGB),
        (four, over_white(RGB)),
        (COLOURS[..., 0], GREY),
        (COLOURS[..., :1], GREY),
        (np.dstack([COLOURS[..., 0], ALPHA]), over_white(GREY)),
        (COLOURS[..., 0] > 127, torch.from_numpy(COLOURS[..., 0] > 127).float()),
        (RGB, RGB),
        (RGB.double().requires_grad_(), RGB),
        (RGB.permute(1, 2, 0), RGB),
        (torch.from_numpy(COLOURS), RGB),
        (torch.from_numpy(four).permute(2, 0, 1), over_white(RGB)),
        (GREY, GREY),
        (GREY[None], GREY),
    ):
        same(read_picture(source), expected)
    # Where channels could be first or last, arrays have them last and tensors first.
    small = np.arange(9, dtype=np.uint8).reshape(3, 1, 3)
    assert read_picture(small).shape == (3, 3, 1)
    assert read_picture(torch.from_numpy(small)).shape == (3, 1, 3)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((1, 3, 4, 4)), "pass them one by one"),
        (np.zeros(4), "2 or 3 axes"),
        (np.zeros((5, 6, 7)), "no shape of a picture"),
        (np.zeros((0, 6, 3)), "no shape of a picture"),
        (np.full((4, 4, 3), 200.0), "from 200 to 200.*Divide by 255"),
        (np.full((4, 4), -0.1), "go from 0 to 1"),
        (np.full((4, 4), np.nan), "go from 0 to 1"),
        (np.zeros((4, 4), np.int64), "make them uint8"),
        (np.zeros((4, 4), complex), "make it uint8"),
        (np.array([["a"]]), "make it uint8"),
        (normalised(RGB), "undo what was normalised"),
    ],
)
def test_numbers_that_are_no_picture(source: np.ndarray | Tensor, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        read_picture(source)


# Laws

SIDES = st.integers(1, 40)


@settings(max_examples=50, deadline=None)
@given(height=SIDES, width=SIDES, size=SIDES, seed=st.integers(0, 99))
def test_fitting(height: int, width: int, size: int, seed: int) -> None:
    picture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    found = fit(picture, size)
    assert found.shape == (3, size, size)
    assert found.min() >= picture.min() - 1e-6
    assert found.max() <= picture.max() + 1e-6
    torch.testing.assert_close(fit(found, size), found)
    torch.testing.assert_close(fit(picture.flip(0), size), found.flip(0))
    torch.testing.assert_close(fit(picture.transpose(1, 2), size), found.transpose(1, 2))
    torch.testing.assert_close(fit(0.5 * picture + 0.2, size), 0.5 * found + 0.2)
    if (width - min(height, width)) % 2 == 0:
        torch.testing.assert_close(fit(picture.flip(2), size), found.flip(2))
    flat = torch.full((3, height, width), 0.3)
    torch.testing.assert_close(fit(flat, size), torch.full((3, size, size), 0.3))


def test_fitting_takes_the_middle_and_smooths_before_it_shrinks() -> None:
    wide = torch.zeros(1, 4, 12)
    wide[:, :, 4:8] = 1
    assert torch.equal(fit(wide, 4), torch.ones(1, 4, 4))
    fine = (torch.arange(64) % 2).float().expand(1, 64, 64)
    assert (fit(fine, 8) - 0.5).abs().max() < 0.1  # every eighth column would be all black
    with pytest.raises(ValueError, match="at least one pixel"):
        fit(wide, 0)


@given(seed=st.integers(0, 99))
def test_a_picture_survives_being_saved(seed: int) -> None:
    colours = np.random.default_rng(seed).integers(0, 256, (5, 7, 4), np.uint8)
    assert torch.equal(read_picture(saved(Image.fromarray(colours))), read_picture(colours))


def test_what_a_network_reads_goes_from_minus_one_to_one() -> None:
    assert normalised(torch.tensor([[[0, 255]]], dtype=torch.uint8)).tolist() == [[[-1, 1]]]
    assert normalised(torch.tensor([[[0, 0.5, 1]]])).tolist() == [[[-1, 0, 1]]]


def test_a_set_is_cut_and_shared() -> None:
    made = LabelledPictures(
        torch.arange(60, dtype=torch.uint8).view(5, 3, 2, 2), torch.arange(5), tuple("abcde")
    )
    assert len(made) == 5
    assert made[1:3].labels.tolist() == [1, 2]
    assert torch.equal(made[torch.tensor([4, 0])].pictures, made.pictures[[4, 0]])
    assert made[made.labels > 2].to("cpu").labels.tolist() == [3, 4]
    assert made.shard(1, 2).labels.tolist() == [1, 3]
    with pytest.raises(ValueError, match="do not go round 6"):
        made.shard(0, 6)
    with pytest.raises(ValueError, match="5 pictures, but 4 labels"):
        LabelledPictures(made.pictures, torch.arange(4), made.classes)
