"""ViT: against transformers' and timm's own, on pictures of many sizes, and what its patches are."""

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import ViTConfig as TheirConfig
from transformers import ViTForImageClassification

from tfedu import weights
from tfedu.attention import DotProduct
from tfedu.blocks.patches import patchify
from tfedu.blocks.positions import sinusoids_2d
from tfedu.models.vit import ViT, ViTConfig
from tfedu.trace import trace

CLASSES, SIDE, PATCH, D, HEADS, LAYERS = 5, 12, 4, 12, 3, 2
#: Learned size; larger; two that are not square, one with as many patches; sides that the patches do not tile.
SIZES = [(12, 12), (20, 20), (8, 24), (4, 36), (13, 19), (27, 10)]


def randomise(model: nn.Module) -> None:
    """Biases, gains, class token and positions too: at their start they hide mistakes."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)


def make(seed: int = 0, **options: object) -> ViT:
    torch.manual_seed(seed)
    base: dict = {"width": D, "layers": LAYERS, "heads": HEADS}
    model = ViT(ViTConfig(CLASSES, SIDE, PATCH, **(base | options))).double().eval()
    randomise(model)
    return model


def reference(**options: object) -> ViTForImageClassification:
    torch.manual_seed(1)
    sizes: dict = {"image_size": SIDE, "patch_size": PATCH, "hidden_size": D, "num_hidden_layers": LAYERS}
    sizes |= {"num_attention_heads": HEADS, "intermediate_size": 20, "num_labels": CLASSES}
    model = ViTForImageClassification(TheirConfig(**(sizes | options)))
    randomise(model)
    return model.double().eval()


def pictures(size: tuple[int, int] = (SIDE, SIDE), B: int = 2, C: int = 3) -> Tensor:
    return torch.randn(B, C, *size, dtype=torch.float64)


GREY = {"num_channels": 1, "layer_norm_eps": 1e-6, "num_labels": 2, "patch_size": 3, "num_hidden_layers": 1}


@pytest.fixture(params=[{}, GREY], ids=["colour", "grey"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ViT, ViTForImageClassification, Path]:
    """Ours, from the folder that transformers wrote of theirs."""
    theirs = reference(**request.param)
    theirs.save_pretrained(tmp_path / "theirs")
    return ViT.from_pretrained(tmp_path / "theirs").double(), theirs, tmp_path


def compare(found: Tensor, expected: Tensor, tolerance: float, name: str = "") -> None:
    size = expected.detach().abs().max().clamp_min(1)
    torch.testing.assert_close(
        found / size, expected / size, atol=tolerance, rtol=tolerance, msg=name or None
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_it_is_theirs(
    pair: tuple[ViT, ViTForImageClassification, Path],
    size: tuple[int, int],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    ours, theirs = pair[0].to(dtype), pair[1].to(dtype)
    given = pictures(size, C=ours.config.channels).to(dtype)
    expected = theirs(given, interpolate_pos_encoding=True).logits
    found = ours(given)
    compare(found, expected, tolerance)
    seed = torch.randn_like(found)
    found.backward(seed)
    expected.backward(seed)
    table, mine = ours._names(), dict(ours.named_parameters())
    assert {*table.values()} == mine.keys()
    # Theirs brought to the names in their files, which are not those of their modules: written as if weights.
    with torch.no_grad():
        for parameter in theirs.parameters():
            assert parameter.grad is not None
            parameter.copy_(parameter.grad)
    theirs.save_pretrained(pair[2] / "gradients")
    written = load_file(pair[2] / "gradients" / "model.safetensors")
    gradients = {name.removeprefix("vit."): tensor for name, tensor in written.items()}
    assert gradients.keys() == table.keys()
    for name, gradient in gradients.items():
        got = mine[table[name]].grad
        assert got is not None
        compare(got, gradient, tolerance, name)


def test_what_we_write_they_read(pair: tuple[ViT, ViTForImageClassification, Path]) -> None:
    ours, _, folder = pair
    randomise(ours.float())
    ours.save_pretrained(folder / "ours")
    again = ViTForImageClassification.from_pretrained(folder / "ours", dtype=torch.float64).eval()
    back = ViT.from_pretrained(folder / "ours").double()
    given = pictures(C=ours.config.channels)
    with torch.no_grad():
        expected = ours.double()(given)
        compare(again(given, interpolate_pos_encoding=True).logits, expected, 1e-10)
        torch.testing.assert_close(back(given), expected, atol=0, rtol=0)
    assert back.config == ours.config


def test_another_models_folder_is_refused(tmp_path: Path) -> None:
    theirs = reference()
    theirs.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change, words in (
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"num_hidden_layers": 1}, "unknown"),
        ({"num_hidden_layers": 3}, "missing"),
        ({"patch_size": 6, "image_size": 18}, "is \\(12, 3, 4, 4\\), not"),
        ({"model_type": "deit"}, "not a vit"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(weights.CheckpointError, match=words):
            ViT.from_pretrained(tmp_path)


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_it_is_timms(timm: ModuleType, pool: str) -> None:
    """At the learned size: at others timm stretches positions by another bicubic kernel, in float32."""
    torch.manual_seed(3)
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=SIDE, patch_size=PATCH, num_classes=CLASSES, embed_dim=D, depth=LAYERS, num_heads=HEADS,
        class_token=pool == "class", global_pool="token" if pool == "class" else "avg",
        fc_norm=False,
    )  # fmt: skip
    randomise(theirs)
    theirs.double().eval()
    ours = make(pool=pool, eps=1e-6)
    ours.load_state_dict(_from_timm(theirs.state_dict(), ours))
    given = pictures()
    compare(ours(given), theirs(given), 1e-10)


def _from_timm(theirs: dict[str, Tensor], ours: ViT) -> dict[str, Tensor]:
    """timm's names in ours; its queries, keys and values lie in one matrix."""
    names = {
        "cls_token": "class_token",
        "pos_embed": "position_table",
        "patch_embed.proj": "patches.projection",
        "norm1": "attention_norm",
        "norm2": "feed_forward_norm",
        "attn.proj": "attention.output",
        "mlp.fc1": "feed_forward.inner",
        "mlp.fc2": "feed_forward.outer",
    }
    found = {}
    for name, tensor in theirs.items():
        new = name.replace("blocks.", "layers.")
        for old, mine in names.items():
            new = new.replace(old, mine)
        if "attn.qkv" in new:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[new.replace("attn.qkv", f"attention.{part}")] = piece
        else:
            found[new] = tensor
    assert found.keys() == ours.state_dict().keys()
    return found


def test_the_sizes_of_the_paper() -> None:
    """Table 1: Base 86 million, Large 307, Huge 632; the published heads have 1,000 classes."""
    with torch.device("meta"):
        sizes = [
            ViT(ViTConfig(patch_size=patch, width=width, layers=layers, heads=heads))
            for patch, width, layers, heads in ((16, 768, 12, 12), (16, 1024, 24, 16), (14, 1280, 32, 16))
        ]
    counts = [sum(p.numel() for p in model.parameters()) for model in sizes]
    assert counts == [86_567_656, 304_326_632, 632_045_800]


@pytest.mark.parametrize("pool", ["class", "mean"])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_patches_moved_with_their_positions_change_nothing(pool: str, positions: str) -> None:
    model = make(pool=pool, positions=positions)
    tokens = model.embed(pictures())
    prefix, N = model.prefix, tokens.shape[1] - model.prefix
    order = torch.cat([torch.arange(prefix), prefix + torch.randperm(N)])

    def rest(x: Tensor) -> Tensor:
        for layer in model.layers:
            x = layer(x)
        return model.norm(x)

    found, moved = rest(tokens), rest(tokens[:, order])
    torch.testing.assert_close(moved, found[:, order], atol=1e-10, rtol=1e-10)
    assert (rest(tokens)[:, prefix:] - rest(tokens[:, order])[:, prefix:]).abs().max() > 1e-3
    with trace(model) as before:
        rest(tokens)
        model(pictures())
    assert [*before] == [f"layers.{n}.attention" for n in range(LAYERS)]


def test_a_patch_embedding_is_one_matrix() -> None:
    model, given = make(positions="sinusoidal", pool="mean"), pictures((8, 16))
    matrix = model.patches.projection.weight.flatten(1)
    by_hand = patchify(given, PATCH) @ matrix.T + model.patches.projection.bias
    compare(model.embed(given), by_hand + sinusoids_2d(2, 4, D).double(), 1e-10)


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_a_trace_changes_nothing_and_untraced_makes_no_map(
    pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, given = make(pool=pool), pictures((8, 16))
    with trace(model) as maps:
        traced = model(given)
    T = 8 + (pool == "class")
    assert [one.weights.shape for one in maps.values()] == [(2, HEADS, T, T)] * LAYERS
    torch.testing.assert_close(maps["layers.1.attention"].weights.sum(-1), torch.ones(2, HEADS, T).double())
    assert maps["layers.0.attention"].distances((2, 4)).shape == (2, HEADS)
    monkeypatch.setattr(DotProduct, "weights", lambda *_: pytest.fail("the map was made without a trace"))
    torch.testing.assert_close(model(given), traced, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("options", [{}, {"pool": "mean"}, {"positions": "sinusoidal"}])
def test_a_checkpoint_of_ours_comes_back(tmp_path: Path, options: dict) -> None:
    model = make(**options).float()
    weights.save(tmp_path / "small.safetensors", model, model.config, dtype=torch.float32)
    back = ViT.from_pretrained(tmp_path / "small.safetensors")
    assert back.config == model.config
    given = pictures().float()
    torch.testing.assert_close(back(given), model(given), atol=0, rtol=0)
    if options:
        with pytest.raises(ValueError, match="class token and learned positions"):
            model.save_pretrained(tmp_path / "folder")


def test_branches_are_dropped_in_training_alone() -> None:
    model, given = make(drop_path=0.5), pictures(B=8)
    assert [layer.drop_path.p for layer in model.layers] == [0.0, 0.5]
    torch.testing.assert_close(model(given), model(given), atol=0, rtol=0)
    model.train()
    assert not torch.allclose(model(given), model(given))


def test_bad_input_is_named() -> None:
    model = make()
    for given, words in (
        (pictures()[0], "One picture is picture\\[None\\]"),
        (pictures().permute(0, 2, 3, 1), "channels last is"),
        (pictures((3, 12)), "smaller than a patch"),
    ):
        with pytest.raises(ValueError, match=words):
            model(given)
    for wrong, words in (
        ({"patch_size": 5}, "do not tile"),
        ({"heads": 5}, "do not divide"),
        ({"pool": "max"}, "pool"),
        ({"positions": "none"}, "positions"),
    ):
        with pytest.raises(ValueError, match=words):
            ViTConfig(**({"image_size": 12, "patch_size": 4, "width": 12, "heads": 3} | wrong))
