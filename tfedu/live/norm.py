"""Batch normalisation as the page runs it: in evaluation it is one scale and one shift for each channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScaleShift(nn.Module):
    """Stands for an `nn.BatchNorm1d`, `2d` or `3d` while its model is exported.

    Raises:
        ValueError: for one that keeps no statistics, and so has no evaluation of its own.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError(
                "a batch normalisation without running statistics looks at the batch: track them."
            )
        scale = torch.rsqrt(norm.running_var + norm.eps)
        if norm.affine:
            scale = scale * norm.weight.detach()
        shift = -norm.running_mean * scale
        if norm.affine:
            shift = shift + norm.bias.detach()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        """As of the module that this one stands for."""
        places = (1,) * (x.dim() - 2)
        return x * self.get_buffer("scale").view(-1, *places) + self.get_buffer("shift").view(-1, *places)


def with_scales(module: nn.Module) -> nn.Module:
    """The same module (changed in place) with a `ScaleShift` for each batch normalisation."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return ScaleShift(module)
    for name, child in list(module.named_children()):
        setattr(module, name, with_scales(child))
    return module
