"""What ships of a live file: nothing that its checkpoint holds, and joined the whole file, to the bit."""

import base64
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tfedu import weights
from tfedu.live import ExportError, Lab
from tfedu.live.__main__ import main
from tfedu.live.export import archive
from tfedu.live.referee import header
from tfedu.live.slim import LEAST, SLIM, join, read, slim, slim_file
from tfedu.site import extension
from tfedu.weights import CheckpointError

SHIPPED = sorted((weights.data_dir() / "live").glob("*.live.safetensors"))
TOKENIZER = "words " * 20


def checkpoint_of(path: Path) -> Path:
    return path.parents[1] / "checkpoints" / path.name.replace(".live.", ".")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name.removesuffix(".live.safetensors"))
def test_a_shipped_file_holds_nothing_that_its_checkpoint_holds(path: Path) -> None:
    whole, file = join(path), path.read_bytes()
    metadata, tensors = read(whole)
    assert metadata["format"] == "tfedu-live"
    assert file == slim(whole, checkpoint_of(path)), f"make it slim: python -m tfedu.live {path.stem[:-5]}"
    assert len(file) < len(whole) / 1.4
    own = weights.load(checkpoint_of(path))
    assert {name: own.extras[name] for name in header(path)[1] if name in own.extras} == own.extras
    shared = tensors.keys() & own.tensors.keys()
    for name in shared:  # the names of the others are ONNX's
        stored, loaded = tensors[name].astype(np.float32).ravel(), own.tensors[name].numpy()
        assert any(np.array_equal(stored, loaded.ravel(order)) for order in "CF")


# -- any file ---------------------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A whole file whose tensors are what an exporter makes of a checkpoint's, and some of its own."""
    random = np.random.default_rng(0)
    a, b = (random.normal(size=shape).astype(np.float16) for shape in ((48, 40), (96, 24)))
    zeros, kernel = np.zeros(96, np.float16), random.normal(size=(4, 3, 2, 5)).astype(np.float16)
    a[3, 4:7] = np.nan, -0.0, np.inf
    checkpoint = tmp_path / "checkpoints" / "one-seed0.safetensors"
    checkpoint.parent.mkdir()
    held = {"a": a, "b": b, "zeros": zeros, "kernel": kernel}
    save_file(held, checkpoint, {"format": "tfedu", "extra.tokenizer": TOKENIZER, "extra.other": "its own"})
    tensors = {
        "a": a,
        "turned": a.T,
        "flat": a.ravel()[None],
        "rows": a[5:20],
        "columns": a.T[1:30],
        "gates": np.concatenate([b[24:48], b[:24], b[48:]])[None],
        "both": np.stack([a[:24].ravel(), a[24:].ravel()]),
        "sides": np.concatenate([a.ravel(), b.ravel(), zeros]),
        "kernel": kernel,
        "negative": -zeros,  # equal numbers, other bits
        "full": a.astype(np.float32),
        "own": random.normal(size=(50,)).astype(np.float16),
        "half": np.concatenate([a[0], random.normal(size=40).astype(np.float16)]),
        "few": a[0, : LEAST - 1],
        "none": np.zeros((0, 4), np.float16),
        "places": np.arange(90, dtype=np.int32),
    }
    metadata = {"format": "tfedu-live", "version": "1", "graphs": "{}"}
    texts = {"extra.tokenizer": TOKENIZER, "extra.other": "of the page"}
    path = tmp_path / "live" / "one-seed0.live.safetensors"
    path.parent.mkdir()
    path.write_bytes(archive(tensors, metadata | texts))
    return path, checkpoint


def test_slim_and_joined_it_is_the_same_to_the_bit(made: tuple[Path, Path]) -> None:
    path, checkpoint = made
    whole = path.read_bytes()
    assert join(path) == whole, "a whole file is what it is"
    slim_file(path, checkpoint)
    metadata, tensors = read(path.read_bytes())
    assert metadata["format"] == SLIM
    assert (metadata["extra.tokenizer"], metadata["extra.other"]) == ("", "of the page")
    assert set(tensors) == {"negative", "full", "own", "half", "few", "none", "places"}
    assert join(path) == whole
    assert header(path) == ({}, {"tokenizer": TOKENIZER, "other": "of the page"})
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_it_takes_a_checkpoint_with_the_same_weights_in_another_order(made: tuple[Path, Path]) -> None:
    path, checkpoint = made
    whole = path.read_bytes()
    slim_file(path, checkpoint)
    texts, tensors = read(checkpoint.read_bytes())
    checkpoint.write_bytes(archive(tensors | {"later": np.ones(3)}, dict(reversed(texts.items()))))
    assert join(path) == whole


@pytest.mark.parametrize(
    "fault", ["missing", "cut off", "one bit", "a tensor", "a shape", "a text", "the file"]
)
def test_what_does_not_fit_is_told_and_how_to_mend_it(made: tuple[Path, Path], fault: str) -> None:
    path, checkpoint = made
    slim_file(path, checkpoint)
    whole = checkpoint.read_bytes()
    texts, tensors = read(whole)
    if fault == "missing":
        checkpoint.unlink()
    elif fault == "cut off":
        checkpoint.write_bytes(whole[:-7])
    elif fault == "one bit":
        checkpoint.write_bytes(whole[:-7] + bytes([whole[-7] ^ 1]) + whole[-6:])
    elif fault == "a tensor":
        save_file({name: x for name, x in tensors.items() if name != "b"}, checkpoint, texts)
    elif fault == "a shape":
        save_file(tensors | {"b": tensors["b"][:7]}, checkpoint, texts)
    elif fault == "a text":
        save_file(tensors, checkpoint)
    else:
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(ExportError, match=r"is damaged .* export it anew"):
            join(path)
        return
    said = {"missing": "not there", "one bit": "another one-seed0.safetensors than"}.get(
        fault, "does not fit"
    )
    with pytest.raises(CheckpointError, match=rf"(?s){said}.* `git checkout` or reinstall"):
        join(path)


# -- its readers ------------------------------------------------------------------------------------------


def test_the_command_line_writes_it_slim_where_it_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    name = "memn2n-stories-seed0"
    (tmp_path / "checkpoints").mkdir()
    for path in (weights.data_dir() / "checkpoints").glob(f"{name}.*"):
        shutil.copy(path, tmp_path / "checkpoints")
    monkeypatch.setattr(weights, "data_dir", lambda: tmp_path)
    assert main([name]) == main([name, "--out", str(tmp_path)]) == 0
    shipped, own = tmp_path / "live" / f"{name}.live.safetensors", tmp_path / f"{name}.live.safetensors"
    assert join(shipped) == own.read_bytes()
    assert shipped.read_bytes() == slim(own.read_bytes(), checkpoint_of(shipped))


def test_the_site_gets_whole_files(tmp_path: Path) -> None:
    app: Any = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    extension.copy_labs(app, None)
    folder = tmp_path / "_static" / "live"
    for path in SHIPPED:
        whole = join(path)
        assert (folder / path.name).read_bytes() == whole
        script = (folder / path.name).with_suffix(".js").read_text("ascii")
        assert base64.b64decode(script.split('"')[3]) == whole
    (folder / SHIPPED[0].name).with_suffix(".js").unlink()
    extension.copy_labs(app, None)
    assert not (folder / SHIPPED[0].name).with_suffix(".js").exists(), "what is there is not written again"


def test_a_notebook_hears_what_is_wrong(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    path, checkpoint = made
    whole = path.read_bytes()
    slim_file(path, checkpoint)
    lab = Lab("self-attention-by-hand")
    lab.path = path
    sent: list[Any] = []
    monkeypatch.setattr(type(lab.widget), "send", lambda self, *message: sent.append(message))
    lab.widget._handle_custom_msg({"kind": "model"}, [])
    checkpoint.unlink()
    lab.widget._handle_custom_msg({"kind": "model"}, [])
    assert sent[0] == ({"kind": "model"}, [whole])
    assert "not there" in sent[1][0]["problem"]
