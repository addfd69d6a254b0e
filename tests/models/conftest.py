"""timm, an optional second referee of the picture models."""

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest
import torch

_kept: list[torch.library.Library] = []


def _let_torchvision_in() -> None:
    """timm needs torchvision, and its wheels are built for CUDA: with a torch for CPUs their operators are missing,
    and no import of it, nor one of transformers, gets past that. Their names are enough."""
    if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True).returncode:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)


if importlib.util.find_spec("torchvision"):
    _let_torchvision_in()


@pytest.fixture(scope="session")
def timm() -> ModuleType:
    """timm, where it is installed: ``pip install --no-deps timm==1.0.31 torchvision==0.28.0``."""
    return pytest.importorskip("timm", reason="timm and torchvision are optional: a second referee")
