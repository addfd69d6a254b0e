"""Published weights: read, written, refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tfedu import hub
from tfedu.weights import CheckpointError

NAMES = {"norm.weight": "gain", "attn.weight": ("query", "key", "value")}


class Small(nn.Module):
    """Four weights, three of which are one matrix in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(2))
        self.query, self.key, self.value = (nn.Parameter(torch.rand(2, 2)) for _ in range(3))


@pytest.fixture
def folder(tmp_path):
    hub.publish(tmp_path, Small(), NAMES, {"model_type": "small"}, prefix="body.", transposed=["attn.weight"])
    return tmp_path


def fill(folder, model=None, **options):
    model = Small() if model is None else model
    hub.published(folder).fill(model, NAMES, prefix="body.", transposed=["attn.weight"], **options)
    return model


def test_what_is_written_is_read_back(tmp_path):
    one = Small()
    hub.publish(tmp_path, one, NAMES, {"model_type": "small"}, prefix="body.", transposed=["attn.weight"])
    other = fill(tmp_path)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    stored = load_file(tmp_path / "model.safetensors")
    fused = torch.cat([one.query, one.key, one.value]).T
    assert torch.equal(stored["body.attn.weight"], fused)
    assert list(stored) == ["body.attn.weight", "body.norm.weight"]


def test_heads_stand_outside_the_body(tmp_path):
    hub.publish(tmp_path, Small(), NAMES, {}, prefix="body.", bare=lambda name: name.startswith("norm"))
    assert set(load_file(tmp_path / "model.safetensors")) == {"norm.weight", "body.attn.weight"}


def test_names_of_2018_and_half_precision_are_understood(tmp_path):
    save_file({"LayerNorm.gamma": torch.ones(2).half()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    (name, tensor), *_ = hub.published(tmp_path).tensors.items()
    assert name == "LayerNorm.weight"
    assert tensor.dtype == torch.float32


def test_weights_in_several_parts(folder):
    tensors = load_file(folder / "model.safetensors")
    places = {}
    for number, (name, tensor) in enumerate(tensors.items()):
        places[name] = f"part-{number}.safetensors"
        save_file({name: tensor}, folder / places[name])
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    fill(folder)
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"part-1.safetensors is missing"):
        hub.published(folder)


def test_missing_and_unknown_weights_are_named_and_nothing_is_copied(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["body.novel"] = tensors.pop("body.norm.weight")
    save_file(tensors, folder / "model.safetensors")
    model = Small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"missing norm.weight; unknown novel"):
        fill(folder, model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_what_is_unused_on_purpose_is_no_error(folder):
    tensors = load_file(folder / "model.safetensors") | {"body.position_ids": torch.arange(3)}
    save_file(tensors, folder / "model.safetensors")
    fill(folder, unused=lambda name: name == "position_ids")


def test_another_shape_is_an_error(folder):
    tensors = load_file(folder / "model.safetensors") | {"body.norm.weight": torch.ones(3)}
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"gain is \(3,\), not \(2,\)"):
        fill(folder)


def test_another_model(folder):
    hub.published(folder).require("small", "large")
    with pytest.raises(CheckpointError, match="holds a small, not a gpt2"):
        hub.published(folder).require("gpt2")


@pytest.mark.parametrize("size", [0, 5, 60])
def test_a_download_that_was_cut_short(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="cut short"):
        hub.published(folder)


def test_a_damaged_or_missing_config(folder):
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(CheckpointError, match=r"config.json is damaged"):
        hub.published(folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json is missing"):
        hub.published(folder)


def test_a_pickle_is_not_opened(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        hub.published(folder)


def test_a_folder_without_a_tokenizer(folder):
    with pytest.raises(CheckpointError, match=r"no tokenizer.json"):
        hub.published(folder).tokenizer()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="damaged"):
        hub.published(folder).tokenizer()


@pytest.mark.parametrize("name", ["no such folder", "a/b/c", "../nowhere"])
def test_what_is_neither_a_folder_nor_an_id(name):
    with pytest.raises(CheckpointError, match="owner/name"):
        hub.published(name)


def test_the_hub_out_of_reach(monkeypatch, tmp_path):
    import huggingface_hub

    def refuse(*given, **options):
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError, match="Go online"):
        hub.published("someone/something")


def test_a_shipped_name_mistyped(monkeypatch):
    import huggingface_hub

    def refuse(*given, **options):
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(CheckpointError, match="did you mean bert-english-seed0"):
        hub.published("bert-englsh-seed0")


def test_a_repository_is_fetched_without_pickles(folder, monkeypatch):
    import huggingface_hub

    asked = {}

    def snapshot(name, *, allow_patterns):
        asked.update(name=name, patterns=allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert hub.published("someone/something").config == {"model_type": "small"}
    assert asked["name"] == "someone/something"
    assert not any(pattern.endswith(".bin") for pattern in asked["patterns"])
