import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import pytest
import torch

import tfedu.models
from tfedu import weights
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Seq2Seq]:
    torch.manual_seed(0)
    config = Seq2SeqConfig(11, 13, 6, 8, attention="additive")
    model = Seq2Seq(config).eval()
    path = tmp_path / "small.safetensors"
    weights.save(path, model, config, extras={"note": "grüße"})
    return path, model


def test_round_trip(saved: tuple[Path, Seq2Seq]) -> None:
    path, model = saved
    again = Seq2Seq.from_pretrained(path)
    assert again.config == model.config
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor.half().float(), atol=0, rtol=0)
    assert weights.load(path).extras == {"note": "grüße"}
    assert not list(path.parent.glob("*.part"))


def test_another_models_file_is_named(saved: tuple[Path, Seq2Seq]) -> None:
    path, _ = saved
    with pytest.raises(weights.CheckpointError, match="holds a Seq2Seq, not a Bert"):
        weights.load(path, kind="Bert")
    other = Seq2Seq(Seq2SeqConfig(11, 13, 6, 10, attention="dot"))
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(weights.CheckpointError, match="does not fit this Seq2Seq"):
        weights.load(path).fill(other)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_file_is_named(saved: tuple[Path, Seq2Seq], damage: str) -> None:
    path, _ = saved
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "text": b"<html>404</html>", "empty": b""}[damage])
    with pytest.raises(weights.CheckpointError, match="damaged or no safetensors file"):
        weights.load(path)


def test_a_foreign_safetensors_file_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(weights.CheckpointError, match="not written by tfedu"):
        weights.load(tmp_path / "x.safetensors")


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(weights.CheckpointError, match="translate-grammar-additive-seed0"):
        weights.find("translate-grammar-aditive")


def test_weights_that_overflow_are_not_written(tmp_path: Path, saved: tuple[Path, Seq2Seq]) -> None:
    _, model = saved
    with torch.no_grad():
        model.decoder.bias[0] = 1e9
    with pytest.raises(ValueError, match="store it in float32"):
        weights.save(tmp_path / "big.safetensors", model, model.config)
    assert not (tmp_path / "big.safetensors").exists()


#: Every model of the package, by the name of its class.
MODELS = {
    name: found
    for module in pkgutil.iter_modules(tfedu.models.__path__, "tfedu.models.")
    for name, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
    if hasattr(found, "from_pretrained")
}
SHIPPED = sorted((weights.data_dir() / "checkpoints").glob("*.safetensors"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_checkpoint_loads_and_has_its_card(path: Path) -> None:
    assert path.stat().st_size <= 5_000_000
    model = MODELS[weights.load(path.stem).kind].from_pretrained(path.stem)
    card = weights.card(path.stem)
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert card["bytes"] == path.stat().st_size
    wanted = {"recipe", "data", "licence", "seed", "hardware", "curve", "scores", "steps", "date"}
    assert wanted <= card.keys()
    assert json.dumps(card)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_all_checkpoints_together_stay_small() -> None:
    assert 0 < sum(path.stat().st_size for path in SHIPPED) <= 60_000_000
