"""The lab "patches": what the page computes is what PyTorch computes, and any file becomes a picture or a sentence."""

import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tfedu.data.pictures import fit, read_picture
from tfedu.live import Lab
from tfedu.live.labs import patches
from tfedu.live.pictures import as_bytes, from_base64, from_bytes, load, look, to_base64
from tfedu.weights import CheckpointError, find

NAME = "patches"
SAID = "document.querySelector('tf-lab').shadowRoot.querySelector('.said')"


def shipped() -> bool:
    try:
        return find(patches.MODEL).is_file()
    except CheckpointError:
        return False


pytestmark = pytest.mark.skipif(not shipped(), reason=f"{patches.MODEL} is not in data/")


def told(seen: Any, script: str = "true") -> dict[str, Any]:
    """What the page tells, as soon as an expression about it holds."""
    seen.page.wait_for_function(f"window.told !== undefined && ((told) => {script})(window.told)")
    return dict(seen.page.evaluate("window.told"))


def by_torch(state: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The probabilities, and the row of weights, that belong to what the page tells."""
    found, maps = look(load(patches.MODEL), from_bytes(state["pixels"], 32))
    stack = list(maps.values())
    if state["layer"] is None:
        flow = torch.eye(65)
        for one in stack:
            flow = (0.5 * one.mean(0) + 0.5 * torch.eye(65)) @ flow
        return found[0], flow[state["query"]]
    heads = stack[state["layer"]]
    row = heads.mean(0) if state["head"] is None else heads[state["head"]]
    return found[0], row[state["query"]]


def agree(state: dict[str, Any], close: float = 0.01) -> None:
    probabilities, row = by_torch(state)
    torch.testing.assert_close(torch.tensor(state["probabilities"]), probabilities, atol=close, rtol=0)
    torch.testing.assert_close(torch.tensor(state["weights"]), row, atol=close, rtol=0)


# -- Python's side ----------------------------------------------------------------------------------------


def test_the_recording_is_what_the_model_does() -> None:
    lab = Lab(NAME)
    state = patches.state(lab.recording)
    probabilities, row = by_torch(state)
    torch.testing.assert_close(torch.tensor(state["probabilities"]), probabilities, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.tensor(state["weights"]), row, atol=1e-3, rtol=0)
    pictures = {one["name"]: from_base64(one["pixels"], 32) for one in lab.recording["pictures"]}
    assert sorted(pictures) == sorted(lab.recording["classes"])
    named = {name: int(look(load(patches.MODEL), one)[0][0].argmax()) for name, one in pictures.items()}
    right = [name for name, best in named.items() if lab.recording["classes"][best] == name]
    assert lab.recording["right"] == len(right) >= 5
    assert len(json.dumps(lab.recording)) < 100_000
    with pytest.raises(ValueError, match="reads no text"):
        Lab(NAME, text="a ship")


def test_pictures_go_to_text_and_back() -> None:
    picture = torch.rand(3, 5, 5)
    again = from_base64(to_base64(picture), 5)
    assert (again - picture).abs().max() <= 0.5 / 255 + 1e-6
    assert as_bytes(again) == as_bytes(picture)


# -- the reader's hands -----------------------------------------------------------------------------------


def test_it_opens_on_the_recording_and_fetches_nothing(play: Any) -> None:
    seen = play()
    assert "It says" in seen.page.locator(".finding").inner_text()
    assert "class token" in seen.page.locator(".where").inner_text()
    assert seen.models() == 0
    assert seen.clean() == []


def test_a_pressed_patch_shows_where_it_looks(play: Any) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("gridcell", name="row 5, column 4").click()
    state = told(seen)
    assert (state["query"], state["layer"], state["head"]) == (1 + 4 * 8 + 3, 5, None)
    agree(state)
    page.get_by_role("button", name="Layer 2", exact=True).click()
    page.get_by_role("button", name="Head 3", exact=True).click()
    state = told(seen, "told.head === 2")
    assert state["layer"] == 1
    agree(state)
    assert "Layer 2, head 3: the patch at row 5, column 4" in page.locator(".where").inner_text()
    page.get_by_role("button", name="all: rollout").click()
    agree(told(seen, "told.layer === null"))
    page.get_by_role("button", name="Class token").click()
    agree(told(seen, "told.query === 0"))
    assert seen.models() == 1
    assert seen.clean() == []


def test_the_brush_paints_and_undo_takes_it_back(play: Any) -> None:
    seen = play()
    page = seen.page
    first = page.locator("tf-lab .board canvas").evaluate("c => c.toDataURL()")
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("button", name="red", exact=True).click()
    x, y = seen.centre(".board")
    seen.drag(x - 60, y - 60, x + 60, y + 40)
    state = told(seen)
    agree(state)
    recorded = patches.state(Lab(NAME).recording)["pixels"]
    changed = np.array(state["pixels"]) != np.array(recorded)
    red = np.array(state["pixels"]).reshape(3, -1)[:, changed.reshape(3, -1).any(0)]
    assert 30 < red.shape[1] < 200
    assert (red == [[194], [43], [34]]).all(0).any()
    assert "before" in page.locator(".finding").inner_text()
    page.get_by_role("button", name="Undo").click()
    assert told(seen, "!told.pixels.some((one, i) => i < 0)")
    page.wait_for_function(
        "first => document.querySelector('tf-lab').shadowRoot.querySelector('.board canvas').toDataURL() === first",
        arg=first,
    )


def test_erased_and_shuffled_patches(play: Any) -> None:
    seen = play()
    page = seen.page
    recorded = from_bytes(patches.state(Lab(NAME).recording)["pixels"], 32)
    page.get_by_role("button", name="Erase").click()
    page.get_by_role("gridcell", name="row 3, column 4").click()
    state = told(seen, "told.erased.length === 1")
    assert state["erased"] == [2 * 8 + 3]
    window = from_bytes(state["pixels"], 32)[:, 8:12, 12:16]
    assert set(window.unique().tolist()) == {np.float32(128 / 255)}
    agree(state)
    page.get_by_role("button", name="Undo").click()
    told(seen, "told.erased.length === 0")
    page.get_by_role("button", name="Shuffle").click()
    state = told(seen, "told.seed === 1")
    agree(state)
    shuffled = from_bytes(state["pixels"], 32)
    assert not torch.equal(shuffled, recorded)

    def tiles(picture: torch.Tensor) -> list[list[float]]:
        return sorted(
            picture.unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 0, 3, 4).flatten(0, 1).flatten(1).tolist()
        )

    assert tiles(shuffled) == tiles(recorded), "the same patches, in another order"
    # Painting on the shuffled picture paints the patches that lie there.
    page.get_by_role("button", name="Draw").click()
    x, y = seen.centre(".board")
    seen.drag(x - 90, y, x + 90, y)
    state = told(seen, "told.pixels.filter((one) => one === 20).length > 20")
    agree(state)
    page.get_by_role("button", name="Put them back").click()
    back = from_bytes(told(seen, "told.seed === 0")["pixels"], 32)
    assert tiles(back) == tiles(from_bytes(state["pixels"], 32))


def test_shuffled_with_their_places_nothing_changes(play: Any) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("gridcell", name="row 2, column 2").click()
    before = told(seen)
    page.get_by_role("button", name="Shuffle").click()
    apart = told(seen, "told.seed === 1")
    assert np.abs(np.subtract(apart["probabilities"], before["probabilities"])).max() > 1e-3
    page.get_by_role("button", name="Their places go along").click()
    first = before["probabilities"]
    told(seen, f"Math.max(...told.probabilities.map((p, i) => Math.abs(p - {first}[i]))) < 1e-4")
    assert "still says" in page.locator(".finding").inner_text()
    assert seen.clean() == []


def test_by_keyboard(play: Any) -> None:
    seen = play()
    page = seen.page
    page.get_by_role("gridcell", name="row 1, column 1").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert told(seen, "told.query === 1 + 8 + 1")
    page.keyboard.press("Delete")
    state = told(seen, "told.erased.length === 1")
    assert state["erased"] == [9]
    page.keyboard.press("Delete")
    told(seen, "told.erased.length === 0")
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("gridcell", name="row 2, column 2").focus()
    page.keyboard.press("Space")
    state = told(seen, "told.pixels.some((one, i) => one === 20)")
    agree(state)
    assert seen.clean() == []


def test_by_finger_on_a_phone(play: Any) -> None:
    seen = play(width=390, theme="dark", has_touch=True)
    page = seen.page
    page.get_by_role("button", name="frog").tap()
    assert told(seen)["picture"] == "frog"
    page.get_by_role("button", name="Draw").tap()
    page.get_by_role("button", name="blue").tap()
    x, y = seen.centre(".board")
    scrolled = page.evaluate("scrollY")
    seen.swipe(x, y - 60, x, y + 60)
    state = told(seen, "told.pixels[2 * 1024 + 16 * 32 + 16] === 196")
    agree(state)
    assert page.evaluate("scrollY") == scrolled, "the finger painted, the page stood still"
    seen.swipe(x, y + 240, x, y + 120)  # below the picture it scrolls
    assert seen.clean() == []
    seen.picture("patches-phone")


def test_python_can_set_the_picture_and_what_is_asked(play: Any) -> None:
    seen = play()
    pixels = [(7 * i) % 256 for i in range(3072)]
    seen.page.evaluate(
        "state => document.querySelector('tf-lab').receive(state)",
        {"pixels": pixels, "picture": "mine", "query": 9, "layer": 0, "head": 1},
    )
    state = told(seen)
    assert state["pixels"] == pixels
    assert (state["picture"], state["query"], state["layer"], state["head"]) == ("mine", 9, 0, 1)
    agree(state)


# -- the reader's own pictures ----------------------------------------------------------------------------


def encoded(image: Image.Image, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def scene(width: int = 300, height: int = 200) -> Image.Image:
    """Soft colours that differ in all corners, and a hard edge."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    rgb = np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x + 4 * y)], -1)
    rgb[height // 3 : height // 2, width // 2 :] = (0.9, 0.1, 0.1)
    return Image.fromarray((255 * rgb).astype(np.uint8))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    return encoded(scene(), "JPEG", quality=95, exif=exif)


def see_through(mode: str) -> Image.Image:
    image = scene().convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def palette() -> bytes:
    image = scene().quantize(32)
    return encoded(image, "PNG", transparency=bytes([0] * 3 + [255] * 29))


def sixteen() -> bytes:
    grey = np.asarray(scene().convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def moving(kind: str) -> bytes:
    frames = [scene(), Image.new("RGB", (300, 200), "black"), Image.new("RGB", (300, 200), "white")]
    more = {"lossless": True} if kind == "WEBP" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, loop=0, **more)


GOOD = {
    "a.png": lambda: encoded(scene(), "PNG"),
    "photo.jpg": lambda: encoded(scene(1200, 900), "JPEG", quality=95),
    "tall.png": lambda: encoded(scene(90, 777), "PNG"),
    "small.png": lambda: encoded(scene(9, 7), "PNG"),
    "dot.png": lambda: encoded(scene(1, 1), "PNG"),
    "as-it-is.png": lambda: encoded(scene(32, 32), "PNG"),
    "large.png": lambda: encoded(scene(3001, 2500), "PNG"),
    "grey.png": lambda: encoded(scene().convert("L"), "PNG"),
    "black-and-white.png": lambda: encoded(scene().convert("1"), "PNG"),
    "alpha.png": lambda: encoded(see_through("RGBA"), "PNG"),
    "grey-alpha.png": lambda: encoded(see_through("LA"), "PNG"),
    "palette.png": palette,
    "sixteen.png": sixteen,
    "turned.jpg": turned,
    "moving.gif": lambda: moving("GIF"),
    "moving.webp": lambda: moving("WEBP"),
    "plain.bmp": lambda: encoded(scene(), "BMP"),
}


def test_any_picture_becomes_what_python_makes_of_it(play: Any) -> None:
    seen = play()
    page = seen.page
    upload = page.locator("tf-lab input[type=file]")
    far = {}
    for name, make in GOOD.items():
        upload.set_input_files({"name": name, "mimeType": "", "buffer": make()})
        state = told(seen, f"told.picture === '{name}'")
        wanted = torch.tensor(as_bytes(fit(read_picture(make()), 32)))
        away = (torch.tensor(state["pixels"]) - wanted).abs().float()
        far[name] = (int(away.max()), round(float(away.mean()), 2))
        seen.page.wait_for_function(f"{SAID}.textContent.includes('{name}')")
    assert all(most <= 2 and mean < 0.3 for most, mean in far.values()), far
    agree(state)
    assert seen.clean() == []


def test_a_picture_dropped_or_pasted(play: Any) -> None:
    seen = play()
    page = seen.page
    wanted = torch.tensor(as_bytes(fit(read_picture(GOOD["a.png"]()), 32)))
    give = (
        "([kind, name, bytes]) => { const data = new DataTransfer();"
        "data.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));"
        "const at = document.querySelector('tf-lab').shadowRoot.querySelector('.cells');"
        "const how = { bubbles: true, composed: true, cancelable: true };"
        "at.dispatchEvent(kind === 'paste' ? new ClipboardEvent(kind, { ...how, clipboardData: data })"
        ": new DragEvent(kind, { ...how, dataTransfer: data })); }"
    )
    for kind in ("drop", "paste"):
        page.evaluate(give, [kind, f"{kind}.png", list(GOOD["a.png"]())])
        state = told(seen, f"told.picture === '{kind}.png'")
        assert (torch.tensor(state["pixels"]) - wanted).abs().max() <= 2
    page.evaluate(
        "document.querySelector('tf-lab').shadowRoot.querySelector('.cells')"
        ".dispatchEvent(new DragEvent('drop', { bubbles: true, composed: true, dataTransfer: new DataTransfer() }))"
    )
    page.wait_for_selector(".said.problem")
    assert "no file" in seen.said()


def vast() -> bytes:
    return encoded(Image.new("1", (20_000, 20_000)), "PNG")


BAD = {
    "empty.png": (lambda: b"", "is empty"),
    "letter.txt": (lambda: b"Dear model, look at this. " * 20, "no picture"),
    "renamed.jpg": (lambda: b"%PDF-1.4 nothing to see here" * 9, "no picture"),
    "head-only.png": (lambda: encoded(scene(), "PNG")[:40], "no picture|damaged"),
    "vast.png": (vast, "20000 × 20000 pixels, too many"),
    "heavy.png": (lambda: bytes(31_000_000), "31 MB"),
}


def test_what_is_no_picture_is_said_and_changes_nothing(play: Any) -> None:
    seen = play()
    page = seen.page
    upload = page.locator("tf-lab input[type=file]")
    before = page.locator("tf-lab .board canvas").evaluate("c => c.toDataURL()")
    for name, (make, why) in BAD.items():
        upload.set_input_files({"name": name, "mimeType": "", "buffer": make()})
        page.wait_for_function(
            "([name, why]) => (said => said.classList.contains('problem') && said.textContent.includes(name) &&"
            f"new RegExp(why).test(said.textContent))({SAID})",
            arg=[name, why],
        )
    assert page.locator("tf-lab .board canvas").evaluate("c => c.toDataURL()") == before
    assert seen.clean() == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_is_cut_short(play: Any, kind: str) -> None:
    """Python refuses it; a browser may show the part that came: either that, or a sentence."""
    seen = play()
    whole = encoded(scene(), kind)
    name = f"cut.{kind.lower()}"
    seen.page.locator("tf-lab input[type=file]").set_input_files(
        {"name": name, "mimeType": "", "buffer": whole[: len(whole) // 2]}
    )
    seen.page.wait_for_function(f"{SAID}.textContent.includes('{name}')")
    assert "square" in seen.said() or "damaged" in seen.said() or "no picture" in seen.said()
    assert seen.errors == []


def test_nothing_of_a_picture_leaves_the_page(play: Any) -> None:
    seen = play()
    seen.page.locator("tf-lab input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": GOOD["a.png"]()}
    )
    told(seen, "told.picture === 'mine.png'")
    sent = [url for url in seen.asked if not url.startswith(("blob:", "data:"))]
    assert all(url.endswith((".html", ".css", ".js", ".safetensors")) for url in sent), sent


def test_a_damaged_model_leaves_the_still_figure(visit: Any) -> None:
    seen = visit(NAME, damaged=True)
    seen.ready()
    seen.page.get_by_role("gridcell", name="row 5, column 4").click()
    seen.page.wait_for_selector(".problem")
    assert "recording" in seen.said()
    assert seen.page.locator("figure.tf-lab-still").is_visible()
