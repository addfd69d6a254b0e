"""DeiT against transformers' own and timm's: both heads, gradients, pictures of another size, folders written there and
here; the map of both tokens."""

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tfedu import weights
from tfedu.models.deit import SMALL, DeiT, DeiTOutput
from tfedu.models.vit import ViT, ViTConfig
from tfedu.trace import trace
from tfedu.weights import CheckpointError

SIZE = ViTConfig(
    classes=7, image_size=18, patch_size=6, channels=3, width=12, layers=3, heads=3, feed_forward=20
)
#: Sides in pixels: as trained, oblong, smaller, and not a multiple of the patch.
PICTURES = [(18, 18), (24, 12), (30, 42), (19, 35)]


def randomised(model: nn.Module, std: float = 0.5) -> nn.Module:
    for (
        parameter
    ) in model.parameters():  # tokens, positions, biases and gains too: at their start they hide mistakes
        nn.init.normal_(parameter, std=std)
    return model.eval()


def folder(path: Path, **changes: object) -> tuple[nn.Module, Path]:
    import transformers

    torch.manual_seed(0)
    config = transformers.DeiTConfig(
        image_size=18, patch_size=6, hidden_size=12, num_hidden_layers=3, num_attention_heads=3,
        intermediate_size=20, num_labels=7, **changes,
    )  # fmt: skip
    model = randomised(transformers.DeiTForImageClassificationWithTeacher(config))
    model.save_pretrained(path)
    return model, path


def close(found: Tensor, expected: Tensor, tolerance: float, name: str = "") -> None:
    scale = expected.abs().max().clamp_min(1)
    torch.testing.assert_close(
        found / scale, expected / scale, atol=tolerance, rtol=tolerance, msg=lambda text: f"{name}\n{text}"
    )


@pytest.mark.parametrize("size", PICTURES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_it_is_transformers_own(
    size: tuple[int, int], dtype: torch.dtype, tolerance: float, tmp_path: Path
) -> None:
    """Both heads, their mean, and all gradients, through a folder that they wrote."""
    reference, path = folder(tmp_path)
    ours, reference = DeiT.from_pretrained(path).to(dtype), reference.to(dtype)
    pictures = torch.randn(2, 3, *size, dtype=dtype)
    expected = reference(pictures, interpolate_pos_encoding=size != (18, 18))
    found = ours(pictures)
    close(found.class_logits, expected.cls_logits, tolerance)
    close(found.distillation_logits, expected.distillation_logits, tolerance)
    close(found.logits, expected.logits, tolerance)

    directions = torch.randn(2, *found.logits.shape, dtype=dtype)  # each head its own
    torch.autograd.backward([found.class_logits, found.distillation_logits], [*directions])
    torch.autograd.backward([expected.cls_logits, expected.distillation_logits], [*directions])
    mine = {name: p.grad for name, p in ours.named_parameters()}
    theirs = _in_their_files(reference, tmp_path / "gradients")
    names = ours._names()
    assert theirs.keys() == names.keys()
    assert mine.keys() == {*names.values()}
    for name, gradient in theirs.items():
        close(mine[names[name]], gradient, tolerance, name)


def _in_their_files(reference: nn.Module, path: Path) -> dict[str, Tensor]:
    """Gradients under the names in their files, which are not those of their modules: written as if weights."""
    with torch.no_grad():
        for p in reference.parameters():
            p.copy_(p.grad)
    reference.save_pretrained(path)
    written = load_file(path / "model.safetensors")
    return {name.removeprefix("deit."): tensor for name, tensor in written.items()}


def test_it_is_timms(timm: ModuleType) -> None:
    """At the size of its training: it resizes positions by another cubic than the authors of DeiT."""
    torch.manual_seed(2)
    theirs = randomised(
        timm.models.deit.VisionTransformerDistilled(
            img_size=18,
            patch_size=6,
            num_classes=7,
            embed_dim=12,
            depth=3,
            num_heads=3,
            dynamic_img_size=True,
        )
    ).double()
    ours = DeiT(replace(SIZE, feed_forward=48, eps=1e-6)).double().eval()
    ours.load_state_dict(_from_timm(theirs.state_dict()))
    pictures = torch.randn(2, 3, 18, 18, dtype=torch.float64)
    found = ours(pictures)
    close(found.logits, theirs(pictures), 1e-10)
    tokens = theirs.forward_features(pictures)
    close(found.class_logits, theirs.head(tokens[:, 0]), 1e-10)
    close(found.distillation_logits, theirs.head_dist(tokens[:, 1]), 1e-10)


def _from_timm(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their names in ours; their queries, keys and values lie in one matrix."""
    names = {
        "cls_token": "class_token",
        "dist_token": "distillation_token",
        "pos_embed": "position_table",
        "patch_embed.proj": "patches.projection",
        "blocks.": "layers.",
        "norm1": "attention_norm",
        "norm2": "feed_forward_norm",
        "attn.proj": "attention.output",
        "mlp.fc1": "feed_forward.inner",
        "mlp.fc2": "feed_forward.outer",
        "head_dist": "distillation_head",
    }
    found = {}
    for name, tensor in theirs.items():
        new = name
        for old, mine in names.items():
            new = new.replace(old, mine)
        if "attn.qkv" in new:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[new.replace("attn.qkv", f"attention.{part}")] = piece
        else:
            found[new] = tensor
    return found


def test_what_we_save_loads_there(tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(1)
    ours = randomised(DeiT(SIZE))
    ours.save_pretrained(tmp_path)
    reference, report = transformers.DeiTForImageClassificationWithTeacher.from_pretrained(
        tmp_path, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    pictures = torch.randn(2, 3, 18, 18)
    again = DeiT.from_pretrained(tmp_path)
    assert again.config == ours.config
    assert torch.equal(again(pictures).logits, ours(pictures).logits)
    pictures = pictures.double()
    close(ours.double()(pictures).logits, reference.eval().double()(pictures).logits, 1e-10)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    _, path = folder(tmp_path)
    whole = load_file(path / "model.safetensors")
    one = "deit.embeddings.distillation_token"
    for tensors, message in (
        ({n: t for n, t in whole.items() if n != one}, "missing .*distillation_token"),
        (whole | {"deit.embeddings.mask_token": torch.zeros(1, 1, 12)}, "unknown .*mask_token"),
    ):
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=message):
            DeiT.from_pretrained(path)


@pytest.mark.parametrize(
    "changes", [{"hidden_act": "relu"}, {"qkv_bias": False}, {"model_type": "vit"}], ids=str
)
def test_another_architecture_is_refused(changes: dict, tmp_path: Path) -> None:
    _, path = folder(tmp_path)
    config = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="|".join((*changes, "holds a vit"))):
        DeiT.from_pretrained(path)


def test_our_own_checkpoints(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = randomised(DeiT(SIZE))
    path = tmp_path / "small.safetensors"
    weights.save(path, model, model.config, dtype=torch.float32)
    pictures = torch.randn(2, 3, 18, 18)
    found = DeiT.from_pretrained(path)(pictures)
    assert isinstance(found, DeiTOutput)
    assert torch.equal(found.logits, model(pictures).logits)
    with pytest.raises(CheckpointError, match="DeiT"):
        ViT.from_pretrained(path)


def test_the_distillation_token_is_all_that_a_vit_lacks() -> None:
    """Hidden from all others, it leaves a ViT: the same logits from the class token."""
    torch.manual_seed(0)
    model = randomised(DeiT(SIZE)).double()
    vit = ViT(SIZE).double().eval()
    state = {n: t for n, t in model.state_dict().items() if not n.startswith("distillation")}
    table = state["position_table"]
    vit.load_state_dict(state | {"position_table": torch.cat([table[:, :1], table[:, 2:]], 1)})
    pictures = torch.randn(2, 3, 24, 18, dtype=torch.float64)

    def hide(weights: Tensor, first_row: int) -> Tensor:
        seen = weights.clone()
        seen[..., 1] = 0
        return seen / seen.sum(-1, keepdim=True)

    with trace(model, edit={f"layers.{n}.attention": hide for n in range(3)}):
        found = model(pictures)
    close(found.class_logits, vit(pictures), 1e-10)


@pytest.mark.parametrize("size", PICTURES, ids=str)
def test_patches_may_stand_in_any_order_with_their_places(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = randomised(DeiT(SIZE)).double()
    tokens = model.embed(torch.randn(2, 3, *size, dtype=torch.float64))
    order = torch.cat([torch.arange(2), 2 + torch.randperm(tokens.shape[1] - 2)])

    def on_top(x: Tensor) -> Tensor:
        for layer in model.layers:
            x = layer(x)
        return model.norm(x)

    close(on_top(tokens[:, order]), on_top(tokens)[:, order], 1e-10)


def test_both_tokens_are_in_the_maps() -> None:
    model = DeiT(SIZE).eval()
    pictures = torch.randn(2, 3, 18, 24)
    with trace(model) as maps, torch.no_grad():
        traced = model(pictures)
        plain = model(pictures)
    assert list(maps) == [f"layers.{n}.attention" for n in range(3)]
    assert maps["layers.2.attention"].weights.shape == (2, 3, 2 + 3 * 4, 2 + 3 * 4)
    torch.testing.assert_close(traced.logits, plain.logits)
    assert model.prefix == 2


def test_parameters_of_the_paper() -> None:
    """Table 1 counts 86 and 22 million, without the distillation token and its head."""
    with torch.device("meta"):
        counts = [
            sum(p.numel() for n, p in DeiT(c).named_parameters() if "distillation" not in n) / 1e6
            for c in (ViTConfig(), SMALL)
        ]
    assert counts == pytest.approx([86.57, 22.05], abs=0.02)


def test_a_mean_of_patches_has_no_place_for_two_tokens() -> None:
    with pytest.raises(ValueError, match='pool="class"'):
        DeiT(replace(SIZE, pool="mean"))
