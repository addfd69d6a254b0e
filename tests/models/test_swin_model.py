"""Swin: against transformers' own on pictures of many sizes, what a trace shows, and its four scales."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from transformers import SwinConfig as TheirConfig
from transformers import SwinForImageClassification

from tfedu import weights
from tfedu.attention import Windowed
from tfedu.models.swin import Swin, SwinConfig, _names
from tfedu.trace import ablate, trace

WIDTH, DEPTHS, HEADS, WINDOW = 8, (2, 2, 2), (1, 2, 4), 3


def randomise(model: nn.Module) -> None:
    """Biases, gains and tables too: at their start they hide mistakes."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)  # much larger ones, and their -100 is no wall any more


def make(seed: int = 0, **options: object) -> Swin:
    torch.manual_seed(seed)
    base: dict = {"image_size": 48, "width": WIDTH, "depths": DEPTHS, "heads": HEADS, "window": WINDOW}
    model = Swin(SwinConfig(5, **(base | options))).double().eval()
    randomise(model)
    return model


def reference(**options: object) -> SwinForImageClassification:
    torch.manual_seed(1)
    base: dict = {"image_size": 48, "embed_dim": WIDTH, "depths": DEPTHS, "num_heads": HEADS}
    config = TheirConfig(num_labels=5, **(base | {"window_size": WINDOW, "layer_norm_eps": 1e-3} | options))
    model = SwinForImageClassification(config)
    randomise(model)
    return model.double().eval()


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Swin, SwinForImageClassification, Path]:
    """Ours, from the folder that transformers wrote of theirs."""
    theirs = reference()
    theirs.save_pretrained(tmp_path / "theirs")
    return Swin.from_pretrained(tmp_path / "theirs").double(), theirs, tmp_path


def gradients_by_our_names(ours: Swin, theirs: nn.Module) -> dict[str, Tensor]:
    """Theirs, under our names; every one of theirs must be used."""
    renamed = {
        "attention.self.relative_position_bias_table": "attention.relative_position_bias.relative_position_bias_table",
        "attention.self.query": "attention.q_proj",
        "attention.self.key": "attention.k_proj",
        "attention.self.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
    }
    left = {name.removeprefix("swin."): p.grad for name, p in theirs.named_parameters()}

    def take(published: str) -> Tensor:
        for old, new in renamed.items():
            if old in published:
                published = published.replace(old, new)
                break
        return left.pop(published)

    names, joined, transposed = _names(ours)
    found = {mine: take(name).T if name in transposed else take(name) for name, mine in names.items()}
    found |= {mine: torch.cat([take(part) for part in parts]) for mine, parts in joined.items()}
    assert not left
    return found


# Sides of 48: grids of 12, 6 and 3 tokens. The others need padding of patches, of windows, or of squares.
@pytest.mark.parametrize("size", [(48, 48), (47, 61), (50, 80), (96, 45)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_is_theirs(
    pair: tuple[Swin, SwinForImageClassification, Path], size: tuple[int, int], dtype: torch.dtype
) -> None:
    ours, theirs = pair[0].to(dtype), pair[1].to(dtype)
    tolerance = {"atol": 1e-10, "rtol": 1e-10} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-5}
    pictures = torch.randn(2, 3, *size, dtype=dtype)
    expected, found = theirs(pictures).logits, ours(pictures)
    scale = expected.abs().max().detach()
    torch.testing.assert_close(found / scale, expected / scale, **tolerance)

    seed = torch.randn_like(found)
    found.backward(seed)
    expected.backward(seed)
    mine = dict(ours.named_parameters())
    wanted = gradients_by_our_names(ours, theirs)
    assert mine.keys() == wanted.keys()
    for name, gradient in wanted.items():
        size_of = gradient.abs().max().clamp_min(1)
        torch.testing.assert_close(mine[name].grad / size_of, gradient / size_of, **tolerance, msg=name)


@pytest.mark.parametrize(("window", "side"), [(7, 56), (4, 64)])
def test_it_is_theirs_with_other_windows(window: int, side: int, tmp_path: Path) -> None:
    theirs = reference(window_size=window, patch_size=2, mlp_ratio=2.0, depths=(2, 3), num_heads=(2, 2))
    theirs.save_pretrained(tmp_path)
    ours, pictures = Swin.from_pretrained(tmp_path).double(), torch.randn(2, 3, side, side).double()
    with torch.no_grad():
        torch.testing.assert_close(ours(pictures), theirs(pictures).logits, atol=1e-10, rtol=1e-10)


def test_the_stages_are_theirs(pair: tuple[Swin, SwinForImageClassification, Path]) -> None:
    ours, theirs, _ = pair
    pictures = torch.randn(1, 3, 50, 70).double()
    with torch.no_grad():
        found = ours.features(pictures)
        encoder = theirs.swin
        x, grid = encoder.embeddings(pictures)
        made = encoder.encoder(
            x, grid, output_hidden_states=True, output_hidden_states_before_downsampling=True
        )
    assert [tuple(one.shape[1:]) for one in found] == [(8, 13, 18), (16, 7, 9), (32, 4, 5)]
    for one, wanted in zip(found, made.reshaped_hidden_states[1:], strict=True):
        torch.testing.assert_close(one, wanted, atol=1e-10, rtol=1e-10)


def test_what_we_write_they_read(pair: tuple[Swin, SwinForImageClassification, Path]) -> None:
    ours, _, folder = pair
    randomise(ours.float())
    ours.save_pretrained(folder / "ours")
    again = SwinForImageClassification.from_pretrained(folder / "ours", dtype=torch.float64).eval()
    back = Swin.from_pretrained(folder / "ours")
    assert back.config == ours.config
    pictures = torch.randn(2, 3, 48, 60)
    with torch.no_grad():
        wanted = ours(pictures)
        torch.testing.assert_close(back(pictures), wanted, atol=0, rtol=0)
        pictures = pictures.double()
        torch.testing.assert_close(again(pictures).logits, ours.double()(pictures), atol=1e-10, rtol=1e-10)


def test_it_is_timms(timm: ModuleType) -> None:
    """timm keeps its own names, one q-k-v matrix as we do, and merges before a stage instead of after it."""
    ours = make(image_size=48)
    theirs = timm.models.swin_transformer.SwinTransformer(
        img_size=48, patch_size=4, num_classes=5, embed_dim=WIDTH, depths=DEPTHS, num_heads=HEADS, window_size=WINDOW
    )  # fmt: skip
    renamed = {
        "patches.projection": "patch_embed.proj",
        "patch_norm": "patch_embed.norm",
        "attention_norm": "norm1",
        "feed_forward_norm": "norm2",
        "attention.query_key_value": "attn.qkv",
        "attention.output": "attn.proj",
        "attention.mechanism.table": "attn.relative_position_bias_table",
        "feed_forward.inner": "mlp.fc1",
        "feed_forward.outer": "mlp.fc2",
        "head.": "head.fc.",
    }
    state = {}
    for name, tensor in ours.state_dict().items():
        if name.startswith("stages."):
            _, stage, *rest = name.split(".")
            number = int(stage) + (rest[0] == "merging")
            name = ".".join(["layers", str(number), *rest])
            name = name.replace(".merging.", ".downsample.").replace(".layers.", ".blocks.")
        for mine, its in renamed.items():
            name = name.replace(mine, its)
        state[name] = tensor.T if name.endswith("table") else tensor
    theirs = theirs.double().eval()
    theirs.load_state_dict(state)
    pictures = torch.randn(2, 3, 48, 48).double()
    with torch.no_grad():
        torch.testing.assert_close(ours(pictures), theirs(pictures), atol=1e-10, rtol=1e-10)


def test_the_sizes_of_the_paper() -> None:
    """Table 1: Swin-T, Swin-S and Swin-B have 29, 50 and 88 million weights; Swin-T's exact number is 28,288,354."""
    sizes = {}
    for name, width, depths, heads in (
        ("T", 96, (2, 2, 6, 2), (3, 6, 12, 24)),
        ("S", 96, (2, 2, 18, 2), (3, 6, 12, 24)),
        ("B", 128, (2, 2, 18, 2), (4, 8, 16, 32)),
    ):
        with torch.device("meta"):
            model = Swin(SwinConfig(width=width, depths=depths, heads=heads))
        sizes[name] = sum(p.numel() for p in model.parameters())
    assert sizes["T"] == 28_288_354
    assert (round(sizes["S"] / 1e6), round(sizes["B"] / 1e6)) == (50, 88)


@pytest.mark.parametrize("size", [(48, 48), (47, 62), (12, 12), (5, 30), (1, 1)], ids=str)
def test_a_trace_shows_the_padded_grid_and_changes_nothing(size: tuple[int, int]) -> None:
    model, pictures = make(), torch.randn(2, 3, *size).double()
    with trace(model) as maps:
        traced = model(pictures)
    torch.testing.assert_close(traced, model(pictures), atol=1e-10, rtol=1e-10)
    assert [*maps] == [f"stages.{s}.layers.{n}.attention" for s in range(3) for n in range(2)]
    h, w = -(-size[0] // 4), -(-size[1] // 4)
    for stage in range(3):
        side = min(h, w, WINDOW)
        padded = (h + -h % side) * (w + -w % side)
        for number in range(2):
            weights_ = maps[f"stages.{stage}.layers.{number}.attention"].weights
            assert weights_.shape == (2, HEADS[stage], padded, padded)
            torch.testing.assert_close(weights_.sum(-1), torch.ones_like(weights_.sum(-1)))
            assert ((weights_ > 0).sum(-1) <= side**2).all()
        h, w = -(-h // 2), -(-w // 2)


def test_an_edit_reaches_the_logits() -> None:
    model, pictures = make(), torch.randn(1, 3, 48, 48).double()
    with trace(model, edit={"stages.1.layers.1.attention": ablate(1)}):
        changed = model(pictures)
    assert (changed - model(pictures)).abs().max() > 1e-6


def test_untraced_never_makes_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Windowed, "weights", lambda *_: pytest.fail("the map was made without a trace"))
    make()(torch.randn(1, 3, 47, 61).double())


@pytest.mark.parametrize("bias", [True, False])
def test_half_precision_is_near(bias: bool) -> None:
    """bf16 by autocast, as trainings run, and whole; in training and without gradients the kernels differ."""
    torch.manual_seed(0)
    model = Swin(SwinConfig(5, 48, 4, 3, WIDTH, DEPTHS, HEADS, WINDOW, position_bias=bias)).eval()
    pictures = torch.randn(2, 3, 48, 48)
    expected = model(pictures).detach()
    close = {"atol": 0.05 * expected.abs().max().item(), "rtol": 0.0}
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients), torch.autocast("cpu", torch.bfloat16):
            found = model(pictures)
        torch.testing.assert_close(found.float(), expected, **close)
        with torch.set_grad_enabled(gradients):
            found = copy.deepcopy(model).bfloat16()(pictures.bfloat16())
        torch.testing.assert_close(found.float(), expected, **close)


def test_a_large_picture_after_a_small_one() -> None:
    """Windows shrink for a small grid; transformers' stay small from then on, ours do not."""
    model, large = make(), torch.randn(1, 3, 48, 48).double()
    before = model(large)
    model(torch.randn(1, 3, 8, 8).double())
    assert torch.equal(model(large), before)


def reach(model: Swin, at: tuple[int, int]) -> Tensor:
    """Which tokens of the first stage's grid one token of its end depends on."""
    x = torch.randn(1, 12, 12, WIDTH).double().requires_grad_()
    model.stages[0](x)[0, at[0], at[1]].sum().backward()
    return x.grad[0].abs().sum(-1) > 0


def test_what_a_token_depends_on() -> None:
    still, moved = reach(make(shift=False), (4, 4)), reach(make(), (4, 4))
    assert still.sum() == 9
    assert still[3:6, 3:6].all()
    assert moved.sum() == 36  # the shifted window of 4, 4 reaches into four of the first layer's
    assert moved[3:9, 3:9].all()


def test_the_ablations_have_fewer_weights_and_no_shift() -> None:
    whole, bare = make(), make(position_bias=False, shift=False)
    gone = {name for name, _ in whole.named_parameters()} - {name for name, _ in bare.named_parameters()}
    assert gone == {f"stages.{s}.layers.{n}.attention.mechanism.table" for s in range(3) for n in range(2)}
    assert not any(part.shift for part in bare.modules() if isinstance(part, Windowed))
    with pytest.raises(ValueError, match="the published layout has shifts and biases"):
        bare.save_pretrained("unused")


def test_saved_and_read_back(tmp_path: Path) -> None:
    model = make(shift=False).float()
    path = tmp_path / "small.safetensors"
    weights.save(path, model, model.config, dtype=torch.float32)
    again, pictures = Swin.from_pretrained(path), torch.randn(1, 3, 40, 40)
    assert again.config == model.config
    torch.testing.assert_close(again(pictures), model(pictures), atol=0, rtol=0)
    with pytest.raises(weights.CheckpointError, match="no checkpoint 'swin-nothing'"):
        Swin.from_pretrained("swin-nothing")


def test_foreign_folders_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    reference().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    pictures = torch.randn(1, 3, 48, 48)
    expected = Swin.from_pretrained(tmp_path)(pictures)
    layer = "swin.encoder.layers.0.blocks.1.attention.self"
    # Older files hold the indices beside the biases.
    save_file(tensors | {f"{layer}.relative_position_index": torch.zeros(9, 9, dtype=torch.long)}, file)
    torch.testing.assert_close(Swin.from_pretrained(tmp_path)(pictures), expected, atol=0, rtol=0)

    def without(name: str) -> Callable[[], object]:
        save_file({n: t for n, t in tensors.items() if n != name}, file)
        return lambda: Swin.from_pretrained(tmp_path)

    for name in (f"{layer}.key.bias", f"{layer}.relative_position_bias_table"):
        with pytest.raises(weights.CheckpointError, match=f"missing {name.removeprefix('swin.')}"):
            without(name)()
    save_file(tensors | {"swin.encoder.strange": torch.ones(1)}, file)
    with pytest.raises(weights.CheckpointError, match=r"unknown encoder\.strange"):
        Swin.from_pretrained(tmp_path)
    save_file(tensors, file)
    settings = json.loads((tmp_path / "config.json").read_text())
    for change in ({"use_absolute_embeddings": True}, {"hidden_act": "relu"}, {"qkv_bias": False}):
        (tmp_path / "config.json").write_text(json.dumps(settings | change))
        with pytest.raises(weights.CheckpointError, match="is no plain Swin: " + next(iter(change))):
            Swin.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(settings | {"model_type": "vit"}))
    with pytest.raises(weights.CheckpointError, match="holds a vit, not a swin"):
        Swin.from_pretrained(tmp_path)


def test_a_page_can_run_it(tmp_path: Path) -> None:
    """Exported with all its maps; onnxruntime is the referee."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from tfedu.live import export
    from tfedu.live.referee import to_onnx

    model, picture = make(depths=(2, 2), heads=(1, 2)).float(), torch.rand(1, 3, 30, 46)
    path = export(model, picture, tmp_path / "swin.live.safetensors", outputs=["logits"], half=False)
    session = onnxruntime.InferenceSession(to_onnx(path, "model").SerializeToString())
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"pictures": picture.numpy()}), strict=True))
    with trace(model) as maps, torch.no_grad():
        logits = model(picture)
    torch.testing.assert_close(torch.from_numpy(found["logits"]), logits, atol=1e-3, rtol=1e-4)
    for name, one in maps.items():
        torch.testing.assert_close(
            torch.from_numpy(found[f"{name}.map"]), one.weights.detach(), atol=1e-5, rtol=1e-5
        )


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="equally many"):
        SwinConfig(depths=(2, 2), heads=(3,))
    with pytest.raises(ValueError, match="5 heads do not divide stage 1's width of 192"):
        SwinConfig(depths=(2, 2), heads=(3, 5))
    with pytest.raises(ValueError, match=r"pictures are \(B, 3, H, W\), channels first"):
        make()(torch.randn(1, 48, 48, 3).double())
