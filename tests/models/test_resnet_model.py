"""The small ResNet: its stages against transformers' own, its stem by hand, and the paper's sizes."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ResNetConfig as TheirConfig
from transformers import ResNetModel

from tfedu import weights
from tfedu.models.resnet import ResNet, ResNetConfig

CONFIG = ResNetConfig(classes=5, widths=(4, 6, 6), blocks=(2, 1, 2))


def randomise(model: nn.Module) -> None:
    """The running statistics too: they are what evaluation uses."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():
            nn.init.uniform_(buffer, 0.5 if name.endswith("var") else -1, 2)


def make(config: ResNetConfig = CONFIG) -> ResNet:
    torch.manual_seed(0)
    model = ResNet(config).double()
    randomise(model)
    return model.eval()


def theirs_of(ours: ResNet) -> nn.Module:
    """The stages of transformers' ResNet with our weights."""
    config = ours.config
    theirs = ResNetModel(
        TheirConfig(
            embedding_size=config.widths[0],
            hidden_sizes=[*config.widths],
            depths=[*config.blocks],
            layer_type="basic",
            downsample_in_first_stage=False,
        )
    ).encoder.double()
    names = {
        "layer.0.convolution": "conv1",
        "layer.0.normalization": "norm1",
        "layer.1.convolution": "conv2",
        "layer.1.normalization": "norm2",
        "shortcut.convolution": "shortcut.0",
        "shortcut.normalization": "shortcut.1",
    }
    mine, found = dict(ours.stages.state_dict()), {}
    for name in theirs.state_dict():
        _, stage, _, block, rest = name.split(".", 4)
        part, kind = rest.rsplit(".", 1)
        found[name] = mine.pop(f"{stage}.{block}.{names[part]}.{kind}")
    assert not mine
    theirs.load_state_dict(found)
    return theirs


def by_hand(ours: ResNet, theirs: nn.Module, given: Tensor) -> Tensor:
    """The logits, with the stem and the head written out and the stages theirs."""
    x = F.conv2d(given, ours.stem.weight, stride=ours.config.stride, padding=1)
    if ours.training:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    else:
        mean, variance = ours.norm.running_mean, ours.norm.running_var
    each = (slice(None), None, None)
    x = (x - mean[each]) / (variance[each] + 1e-5).sqrt() * ours.norm.weight[each] + ours.norm.bias[each]
    x = theirs(x.clamp_min(0)).last_hidden_state
    return x.flatten(2).mean(-1) @ ours.head.weight.T + ours.head.bias


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("size", [(16, 16), (9, 14)])
@pytest.mark.parametrize("stride", [1, 2])
def test_its_stages_are_theirs(size: tuple[int, int], stride: int, training: bool) -> None:
    ours = make(ResNetConfig(classes=5, widths=(4, 6, 6), blocks=(2, 1, 2), stride=stride))
    theirs = theirs_of(ours)
    ours.train(training)
    theirs.train(training)
    given = torch.randn(3, 3, *size, dtype=torch.float64)
    expected, found = by_hand(ours, theirs, given), ours(given)
    largest = expected.abs().max().detach()
    torch.testing.assert_close(found / largest, expected / largest, atol=1e-10, rtol=1e-10)
    seed = torch.randn_like(found)
    found.backward(seed)
    expected.backward(seed)
    own = sorted((p.shape, p.grad.abs().sum().item()) for p in ours.stages.parameters())
    other = sorted((p.shape, p.grad.abs().sum().item()) for p in theirs.parameters())
    for (shape, a), (wanted, b) in zip(own, other, strict=True):
        assert shape == wanted
        assert a == pytest.approx(b, rel=1e-9)


@pytest.mark.parametrize(
    ("blocks", "millions"), [(3, 0.27), (5, 0.46), (7, 0.66), (9, 0.85)], ids=lambda n: str(n)
)
def test_the_sizes_of_the_paper(blocks: int, millions: float) -> None:
    """He et al. 2016, table 6: ResNet-20 to ResNet-56. Our two shortcuts that change the shape have weights."""
    model = ResNet(ResNetConfig(blocks=(blocks,) * 3))
    shortcuts = sum(p.numel() for name, p in model.named_parameters() if "shortcut" in name)
    count = sum(p.numel() for p in model.parameters()) - shortcuts
    assert round(count / 1e6, 2) == millions
    layers = [m for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and "shortcut" not in name]
    assert len(layers) + 1 == 6 * blocks + 2


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    model = make().float()
    weights.save(tmp_path / "small.safetensors", model, model.config, dtype=torch.float32)
    back = ResNet.from_pretrained(tmp_path / "small.safetensors")
    assert back.config == model.config
    given = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(back(given), model(given), atol=0, rtol=0)


def test_bad_sizes_are_named() -> None:
    for wrong in ({"widths": ()}, {"blocks": (1, 2)}):
        with pytest.raises(ValueError, match="each stage has a width and a number of blocks"):
            ResNetConfig(**wrong)
