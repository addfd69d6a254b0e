"""Are the book's ViT, DeiT and Swin as quick as the libraries' own, at the papers' sizes?

ViT-S/16, ViT-B/16, DeiT-S with its two heads, and Swin-T, from a picture of 224 by 224 to 1,000 scores; without
dropout and stochastic depth. A training step is forward, loss and backward. All run in one process on the same
pictures, by turns, each turn in another order.

The peers hold as many weights in their matrices as ours, checked before anything is timed; vit-pytorch's ViT has two
more norms, and no biases before its attention. With a single thread on a CPU, its processor time is taken, so that
what else the machine does counts less. Three of the peers are not in the book's environment: `make bench`
puts them, as `peers.txt` lists them, into a folder that only this benchmark reads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.result import Absent, Result, Row
from benchmarks.turns import by_turns
from tfedu.models import deit
from tfedu.models.deit import DeiT
from tfedu.models.swin import Swin, SwinConfig
from tfedu.models.vit import ViT, ViTConfig

PEERS = Path(sys.prefix) / "peers"
SIDE, CLASSES = 224, 1000
BATCHES = {
    "ViT-S/16": {"cpu": 2, "cuda": 128},
    "ViT-B/16": {"cpu": 1, "cuda": 64},
    "DeiT-S": {"cpu": 2, "cuda": 128},
    "Swin-T": {"cpu": 2, "cuda": 64},
}
WARM, TURNS = 1, {"forward": 9, "training step": 5}
COMPILED = ("ours", "timm")  #: not with a single thread, where compiling takes longer than all else together
#: Which of the models are compiled; on a CPU each takes minutes.
COMPILED_CASES = {"cpu": ("ViT-S/16", "Swin-T"), "cuda": tuple(BATCHES)}
NO_SLOWER = 1.05  # under 5 % is a tie
QUICKER = 1 / 1.1  # of ours compiled, beside any peer as it comes


class Scores(nn.Module):
    """One way to call them all: pictures (B, 3, H, W) to scores (B, classes)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores; of two heads, their mean."""
        answer = self.module(pictures)
        return answer if isinstance(answer, Tensor) else answer.logits


def run() -> Result:
    """Measure, on the graphics card too where there is one.

    Raises:
        Absent: a peer is not installed.
    """
    versions = peers()
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rows = [row for device in devices for name in BATCHES for row in _rows(name, device)]
    alone = _alone("cpu")
    setup: dict[str, object] = {
        "threads": torch.get_num_threads(), "warm_up": WARM, "dropout": 0,
        "repetitions": "; ".join(f"{what}: {turns}" for what, turns in TURNS.items()),
        "clock": "processor time of the one thread, whatever else the machine did" if alone else "time that passes",
    }  # fmt: skip
    question = "Are the book's ViT, DeiT and Swin as quick as the libraries' own, at the papers' sizes?"
    return Result(question, "peer", rows, versions, setup)


def peers() -> dict[str, str]:
    """Make the libraries of `PEERS` ready to be imported, and tell their versions.

    Raises:
        Absent: one is not installed.
    """
    if str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    try:
        versions = {name: version(name) for name in ("transformers", "timm", "torchvision", "vit-pytorch")}
    except PackageNotFoundError as missing:
        raise Absent(f"{missing.name} is not here: `make bench NAME=vision` installs it.") from missing
    if torch.version.cuda is None and not _KEPT:
        # Its compiled part wants a CUDA build of torch. Without it, two of its names must be known, and no more.
        known = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            known.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(known)
    return versions


_KEPT: list[torch.library.Library] = []  #: a library that nobody holds forgets its names


def contenders(name: str) -> dict[str, Scores]:
    """Ours and the peers' models of that name, checked to be one architecture.

    Raises:
        RuntimeError: if a peer's matrices hold another number of weights.
    """
    torch.manual_seed(0)
    models = {who: Scores(model) for who, model in CONTENDERS[name]().items()}
    wanted = matrices(models["ours"])
    for who, model in models.items():
        if matrices(model) != wanted:
            raise RuntimeError(f"{who} multiplies by {matrices(model):,} weights, ours by {wanted:,}.")
    return models


def matrices(model: nn.Module) -> int:
    """The entries of all matrices and filters: of all but tokens, positions, biases and norms."""
    return sum(
        weight.numel()
        for name, weight in model.named_parameters()
        if weight.dim() >= 2 and not any(part in name for part in ("token", "pos", "table"))
    )


def vits(config: ViTConfig) -> dict[str, nn.Module]:
    """ViTs of one size."""
    import timm
    import transformers
    from torchvision.models.vision_transformer import VisionTransformer
    from vit_pytorch import ViT as LucidViT

    hidden = 4 * config.width
    return {
        "ours": ViT(config),
        "transformers": transformers.ViTForImageClassification(_published(transformers.ViTConfig, config)),
        "timm": timm.models.VisionTransformer(
            img_size=SIDE, patch_size=config.patch_size, num_classes=CLASSES, embed_dim=config.width,
            depth=config.layers, num_heads=config.heads,
        ),
        "torchvision": VisionTransformer(
            SIDE, config.patch_size, config.layers, config.heads, config.width, hidden, num_classes=CLASSES
        ),
        "vit-pytorch": LucidViT(
            image_size=SIDE, patch_size=config.patch_size, num_classes=CLASSES, dim=config.width,
            depth=config.layers, heads=config.heads, mlp_dim=hidden, dim_head=config.width // config.heads,
        ),
    }  # fmt: skip


def deits(config: ViTConfig = deit.SMALL) -> dict[str, nn.Module]:
    """DeiTs with a distillation token and its head."""
    import timm
    import transformers

    theirs = _published(transformers.DeiTConfig, config)
    return {
        "ours": DeiT(config),
        "transformers": transformers.DeiTForImageClassificationWithTeacher(theirs),
        "timm": timm.models.VisionTransformerDistilled(
            img_size=SIDE, patch_size=config.patch_size, num_classes=CLASSES, embed_dim=config.width,
            depth=config.layers, num_heads=config.heads,
        ),
    }  # fmt: skip


def swins(config: SwinConfig = SwinConfig()) -> dict[str, nn.Module]:  # noqa: B008
    """Swins of one size."""
    import timm
    import transformers
    from torchvision.models.swin_transformer import SwinTransformer

    depths, heads, window, patch = list(config.depths), list(config.heads), config.window, config.patch_size
    return {
        "ours": Swin(config),
        "transformers": transformers.SwinForImageClassification(
            transformers.SwinConfig(
                image_size=SIDE, patch_size=patch, embed_dim=config.width, depths=depths, num_heads=heads,
                window_size=window, drop_path_rate=0.0, num_labels=CLASSES,  # type: ignore[call-arg]
            )
        ),
        "timm": timm.models.SwinTransformer(
            img_size=SIDE, patch_size=patch, num_classes=CLASSES, embed_dim=config.width, depths=depths,
            num_heads=heads, window_size=window, drop_path_rate=0.0,
        ),
        "torchvision": SwinTransformer(
            [patch, patch], config.width, depths, heads, [window, window], stochastic_depth_prob=0.0,
            num_classes=CLASSES,
        ),
    }  # fmt: skip


def _published(kind: Callable, config: ViTConfig) -> Any:
    """The same size in transformers' words, with its fused attention."""
    return kind(
        hidden_size=config.width, num_hidden_layers=config.layers, num_attention_heads=config.heads,
        intermediate_size=4 * config.width, image_size=SIDE, patch_size=config.patch_size, num_labels=CLASSES,
        attn_implementation="sdpa",
    )  # fmt: skip


CONTENDERS: Mapping[str, Callable[[], dict[str, nn.Module]]] = {
    "ViT-S/16": partial(vits, deit.SMALL),  # DeiT-S has ViT-S's sizes
    "ViT-B/16": partial(vits, ViTConfig()),
    "DeiT-S": deits,
    "Swin-T": swins,
}


def _rows(name: str, device: str) -> Iterator[Row]:
    batch = BATCHES[name][device]
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    models: dict[str, nn.Module] = {who: model.to(device, kind) for who, model in contenders(name).items()}
    for who in COMPILED if name in COMPILED_CASES[device] and not _alone(device) else ():
        models[f"{who}, compiled"] = torch.compile(models[who])  # type: ignore[assignment]
    pictures = torch.randn(batch, 3, SIDE, SIDE, device=device, dtype=kind)
    labels = torch.randint(CLASSES, (batch,), device=device)
    place = f"{device}, {'bf16' if device == 'cuda' else 'fp32'}, {batch} pictures"

    def forward(model: nn.Module) -> None:
        with torch.no_grad():
            model(pictures)

    def training(model: nn.Module) -> None:
        F.cross_entropy(model(pictures).float(), labels).backward()
        model.zero_grad(set_to_none=True)

    for what, work in (("forward", forward), ("training step", training)):
        for model in models.values():
            model.train(what != "forward")
        jobs = {who: partial(work, model) for who, model in models.items()}
        times = by_turns(jobs, device, warm=WARM, turns=TURNS[what], clock=_clock(device))
        case = f"{name}, {what}, {place}"
        for who in models:
            if not who.startswith("ours"):
                mine, told = ("ours, compiled", "compiled, ") if who.endswith("compiled") else ("ours", "")
                yield Row.timed(case, f"{told}beside {who}", times[mine], times[who], limit=NO_SLOWER)
                if "ours, compiled" in models and not told:
                    quick = times["ours, compiled"]
                    yield Row.timed(
                        case, f"compiled, beside {who} as it comes", quick, times[who], limit=QUICKER
                    )


def _clock(device: str) -> Callable[[], float]:
    return time.process_time if _alone(device) else time.perf_counter


def _alone(device: str) -> bool:
    return device == "cpu" and torch.get_num_threads() == 1
