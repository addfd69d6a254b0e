"""A residual network for small pictures: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2.

A 3 × 3 convolution, then stages of basic blocks (two 3 × 3 convolutions around which the input is added); each stage
after the first halves the picture and widens the channels; the mean over the picture goes through one linear map.
It is the convolutional rival of the Vision Transformer here, and DeiT's teacher.

Where we deviate: widths and numbers of blocks are free (the paper has 16, 32, 64 and n each), and where the shape
changes the shortcut is a 1 × 1 convolution (the paper's option B; its CIFAR networks pad with zeros, option A).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class ResNetConfig:
    """The size of a ResNet; the defaults are the paper's ResNet-20 for CIFAR-10.

    Attributes:
        classes: to tell apart.
        channels: of a picture.
        widths: channels in each stage.
        blocks: basic blocks in each stage.
        stride: of the first convolution; 2 sees a quarter of the places, four times as fast.
    """

    classes: int = 10
    channels: int = 3
    widths: tuple[int, ...] = (16, 32, 64)
    blocks: tuple[int, ...] = (3, 3, 3)
    stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))  # a checkpoint's header gives lists
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError(
                f"each stage has a width and a number of blocks; got widths {self.widths} and blocks {self.blocks}."
            )


class BasicBlock(nn.Module):
    """``relu(x + F(x))``, F two 3 × 3 convolutions, each with a norm (equations 1 and 2, figure 2).

    Args:
        inside: channels of x.
        width: channels of the result.
        stride: of the first convolution.
    """

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inside != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D u v"]:
        """See the class."""
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)


class ResNet(nn.Module):
    """A picture's class, by convolutions."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        first = config.widths[0]
        self.stem = nn.Conv2d(config.channels, first, 3, config.stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(first)
        stages, inside = [], first
        for number, (width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            strides = [2 if number else 1] + [1] * (blocks - 1)
            stages.append(
                nn.Sequential(
                    *(BasicBlock(inside if n == 0 else width, width, s) for n, s in enumerate(strides))
                )
            )
            inside = width
        self.stages = nn.ModuleList(stages)
        self.head = nn.Linear(inside, config.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @classmethod
    def from_pretrained(cls, name: str | Path) -> ResNet:
        """A trained model: a shipped checkpoint by name, such as ``"resnet-cifar10-seed0"``, or one by its path.

        Raises:
            tfedu.weights.CheckpointError: if it is missing, damaged, or holds another model.
        """
        from tfedu import weights

        checkpoint = weights.load(name, kind=cls.__name__)
        model = cls(ResNetConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits."""
        x = F.relu(self.norm(self.stem(pictures)), inplace=True)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean(dim=(2, 3)))
