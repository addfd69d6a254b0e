"""Swin: Liu et al. 2021, "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows".

A picture becomes a fine grid of small patches. Each layer attends inside windows of this grid, and in every second
layer the windows are shifted (section 3.2, equation 3). Between the stages, squares of two by two tokens are merged
into one of twice the width (section 3.1). So the cost grows with the picture's area (equation 2), and the stages
see it at four scales, as a convolutional network's do (figure 3).

Pictures of any size work: patches, windows and squares that stick out are padded with zeros. Padded tokens take part
in their window as keys, as they do in the authors' code and in `transformers`, so a traced map is that of the padded
grid. Where a window covers the shorter side of the grid it shrinks to it, and nothing is shifted.

Where we deviate: no dropout, since stochastic depth is what the paper regularises with. Between the parts of a shifted
window the weight is exactly zero, where the authors add -100 to the score. ``shift=False`` and
``position_bias=False`` are the paper's own ablations (table 4). A small window uses the inner part of the biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.attention import OnGrid, Windowed
from tfedu.blocks.patches import PatchEmbedding
from tfedu.blocks.stochastic_depth import StochasticDepth, depth_rates


@dataclass(frozen=True)
class SwinConfig:
    """The size and kind of a Swin; the defaults are Swin-T's (section 3.3).

    Attributes:
        classes: to tell apart.
        image_size: side of the pictures that it learns from, in pixels; others work too.
        patch_size: side of a patch, in pixels.
        channels: of a picture.
        width: of a token in the first stage; it doubles from stage to stage.
        depths: layers of each stage.
        heads: of each attention in each stage.
        window: side of a window, in tokens.
        mlp_ratio: width inside the feed-forward networks, in widths of the tokens.
        drop_path: how often the last layer's branches are skipped in training (0.2 in the paper's Swin-T).
        shift: whether every second layer's windows are shifted, by half their side.
        position_bias: whether the scores get the learned biases.
        eps: of the LayerNorms in and after the layers; those of patches and squares keep 1e-5, as published.
        initial: standard deviation of the first weights. The paper's 0.02 suits its width; a narrow model begins more
            quickly with more.
    """

    classes: int = 1000
    image_size: int = 224
    patch_size: int = 4
    channels: int = 3
    width: int = 96
    depths: Sequence[int] = (2, 2, 6, 2)
    heads: Sequence[int] = (3, 6, 12, 24)
    window: int = 7
    mlp_ratio: float = 4.0
    drop_path: float = 0.0
    shift: bool = True
    position_bias: bool = True
    eps: float = 1e-5
    initial: float = 0.02

    def __post_init__(self) -> None:
        for name in ("depths", "heads"):  # a checkpoint's header has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.depths or len(self.depths) != len(self.heads):
            raise ValueError(
                f"depths {self.depths} and heads {self.heads} have one number for each stage, so equally many."
            )
        for stage, heads in enumerate(self.heads):
            if heads < 1 or self.width_of(stage) % heads:
                raise ValueError(
                    f"{heads} heads do not divide stage {stage}'s width of {self.width_of(stage)}; each head is "
                    "width / heads wide."
                )

    def width_of(self, stage: int) -> int:
        """Of a token in that stage, counted from 0."""
        return self.width * 2**stage


class WindowAttention(nn.Module):
    """Multi-head self-attention in windows; one matrix makes queries, keys and values (one product is quicker)."""

    def __init__(self, config: SwinConfig, stage: int, shifted: bool) -> None:
        super().__init__()
        self.heads, width = config.heads[stage], config.width_of(stage)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        shift = config.window // 2 if shifted else 0
        self.mechanism = Windowed(config.window, shift, self.heads, position_bias=config.position_bias)

    def forward(self, x: Float[Tensor, "B h w D"]) -> Float[Tensor, "B h w D"]:
        """What each token gathers from its window."""
        h, w = x.shape[1:3]
        side, _ = self.mechanism.fitted(h, w)
        x = _padded(x, side)
        rows, columns = x.shape[1:3]
        made = rearrange(self.query_key_value(x), "b r c (n h k) -> n b h (r c) k", n=3, h=self.heads)
        q, k, v = made.unbind()  # (B, H, N, K) each, N tokens of the padded grid
        gathered = self.mechanism(q, OnGrid(k, rows, columns), v)
        return self.output(rearrange(gathered, "b h (r c) k -> b r c (h k)", r=rows)[:, :h, :w])


class FeedForward(nn.Module):
    """``W_2 gelu(W_1 x + b_1) + b_2``: each token by itself."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
        """See the class."""
        return self.outer(F.gelu(self.inner(x)))


class Layer(nn.Module):
    """Each token looks around in its window, then thinks by itself (equation 3); both times the result is added."""

    def __init__(self, config: SwinConfig, stage: int, shifted: bool, drop_path: float) -> None:
        super().__init__()
        width = config.width_of(stage)
        self.attention_norm = nn.LayerNorm(width, eps=config.eps)
        self.attention = WindowAttention(config, stage, shifted)
        self.feed_forward_norm = nn.LayerNorm(width, eps=config.eps)
        self.feed_forward = FeedForward(width, int(config.mlp_ratio * width))
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, x: Float[Tensor, "B h w D"]) -> Float[Tensor, "B h w D"]:
        """See the class."""
        x = x + self.drop_path(self.attention(self.attention_norm(x)))
        return x + self.drop_path(self.feed_forward(self.feed_forward_norm(x)))


class PatchMerging(nn.Module):
    """Four tokens of a square become one of twice the width: half the rows, half the columns."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Float[Tensor, "B h w D"]) -> Float[Tensor, "B (h+1)//2 (w+1)//2 2*D"]:
        """The squares stand in the order of the published weights: down the left column, then down the right."""
        squares = rearrange(_padded(x, 2), "b (h i) (w j) d -> b h w (j i d)", i=2, j=2)
        return self.reduction(self.norm(squares))


class Stage(nn.Module):
    """Layers on one grid, every second one shifted, and the merging that leads to the next stage."""

    def __init__(self, config: SwinConfig, stage: int, rates: list[float]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(config, stage, config.shift and number % 2 == 1, rate) for number, rate in enumerate(rates)
        )
        last = stage == len(config.depths) - 1
        self.merging = None if last else PatchMerging(config.width_of(stage))

    def forward(self, x: Float[Tensor, "B h w D"]) -> Float[Tensor, "B h w D"]:
        """The tokens after the layers, before the merging."""
        for layer in self.layers:
            x = layer(x)
        return x


class Swin(nn.Module):
    """A picture's class, from windows that shift."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = PatchEmbedding(config.channels, config.width, config.patch_size)
        self.patch_norm = nn.LayerNorm(config.width)
        rates = iter(depth_rates(config.drop_path, sum(config.depths)))
        self.stages = nn.ModuleList(
            Stage(config, stage, [next(rates) for _ in range(depth)])
            for stage, depth in enumerate(config.depths)
        )
        width = config.width_of(len(config.depths) - 1)
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.head = nn.Linear(width, config.classes)
        self.apply(partial(_initialise, std=config.initial))

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Swin:
        """A trained model: a shipped checkpoint by name, one of ours by its path, or published weights.

        Args:
            name: ``"swin-cifar10-seed0"``, a safetensors file, a folder as `transformers` writes it, or a repository
                on the Hugging Face hub such as ``"microsoft/swin-tiny-patch4-window7-224"``.

        Raises:
            tfedu.weights.CheckpointError: if it is missing, damaged, or holds another model.
        """
        from tfedu import hub, weights

        if Path(name).is_dir() or ("/" in str(name) and not str(name).endswith(".safetensors")):
            found = hub.published(name)
            found.require("swin")
            model = cls(_config_of(found))
            names, joined, transposed = _names(model)
            found.fill(model, names, prefix="swin.", transposed=transposed, unused=_unused, joined=joined)
        else:
            checkpoint = weights.load(name, kind="Swin")
            model = cls(SwinConfig(**checkpoint.config))
            checkpoint.fill(model)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that `from_pretrained` and transformers' SwinForImageClassification read.

        Raises:
            ValueError: for a model without shifts or without biases, which the published layout has no place for.
        """
        from tfedu import hub

        if not (self.config.shift and self.config.position_bias):
            raise ValueError(
                "the published layout has shifts and biases; keep this model with tfedu.weights.save."
            )
        names, joined, transposed = _names(self)
        hub.publish(
            folder,
            self,
            names,
            _published_config(self.config),
            prefix="swin.",
            bare=lambda name: name.startswith("classifier."),
            transposed=transposed,
            joined=joined,
        )

    def _maps(self, pictures: Float[Tensor, "B C H W"]) -> list[Float[Tensor, "B h w D"]]:
        """The tokens at the end of each stage."""
        size = self.config.patch_size
        H, W = pictures.shape[-2:]
        x = self.patches(F.pad(pictures, (0, -W % size, 0, -H % size)))
        x = self.patch_norm(rearrange(x, "b d h w -> b h w d"))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
            x = x if stage.merging is None else stage.merging(x)  # type: ignore[operator]
        return maps

    def features(self, pictures: Float[Tensor, "B C H W"]) -> list[Float[Tensor, "B D h w"]]:
        """What each stage makes of the pictures, fine to coarse; the grid halves and the width doubles."""
        return [rearrange(x, "b h w d -> b d h w") for x in self._maps(pictures)]

    def hidden(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """What stands at each token of the last stage after the last norm, in rows."""
        return self.norm(rearrange(self._maps(pictures)[-1], "b h w d -> b (h w) d"))

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B classes"]:
        """Logits: the mean token, through one linear map."""
        return self.head(self.hidden(pictures).mean(dim=1))


def _padded(x: Float[Tensor, "B h w D"], multiple: int) -> Tensor:
    """Zeros at the right and lower edge, until both sides are multiples."""
    h, w = x.shape[1:3]
    down, right = -h % multiple, -w % multiple
    return F.pad(x, (0, 0, 0, right, 0, down)) if down or right else x


def _initialise(module: nn.Module, std: float) -> None:
    """Truncated normal, biases zero, as in the published trainings."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Windowed) and module.table is not None:
        nn.init.trunc_normal_(module.table, std=std)


#: Where the parts of a published layer are in ours.
_LAYER = {
    "layernorm_before": "attention_norm",
    "attention.output.dense": "attention.output",
    "layernorm_after": "feed_forward_norm",
    "intermediate.dense": "feed_forward.inner",
    "output.dense": "feed_forward.outer",
}
_TABLE = "attention.self.relative_position_bias_table"


def _names(model: Swin) -> tuple[dict[str, str], dict[str, tuple[str, ...]], set[str]]:
    """The published names of our weights; ours that are three of theirs; and which of theirs are transposed."""
    pairs = {
        "embeddings.patch_embeddings.projection": "patches.projection",
        "embeddings.norm": "patch_norm",
        "layernorm": "norm",
        "classifier": "head",
    }
    tables: dict[str, str] = {}
    joined: dict[str, tuple[str, ...]] = {}
    for stage, depth in enumerate(model.config.depths):
        for number in range(depth):
            there, here = f"encoder.layers.{stage}.blocks.{number}", f"stages.{stage}.layers.{number}"
            pairs |= {f"{there}.{theirs}": f"{here}.{ours}" for theirs, ours in _LAYER.items()}
            tables[f"{there}.{_TABLE}"] = f"{here}.attention.mechanism.table"
            joined |= {
                f"{here}.attention.query_key_value.{kind}": tuple(
                    f"{there}.attention.self.{part}.{kind}" for part in ("query", "key", "value")
                )
                for kind in ("weight", "bias")
            }
        if stage < len(model.config.depths) - 1:
            pairs[f"encoder.layers.{stage}.downsample.norm"] = f"stages.{stage}.merging.norm"
            tables[f"encoder.layers.{stage}.downsample.reduction.weight"] = (
                f"stages.{stage}.merging.reduction.weight"
            )
    both = {f"{a}.{kind}": f"{b}.{kind}" for a, b in pairs.items() for kind in ("weight", "bias")}
    return both | tables, joined, {name for name in tables if name.endswith(_TABLE)}


def _unused(name: str) -> bool:
    """Stored indices, which are no weights."""
    return name.endswith("relative_position_index")


def _config_of(found: Any) -> SwinConfig:
    """The size and kind that a published ``config.json`` states, as a `tfedu.hub.Published` has it."""
    from tfedu.weights import CheckpointError

    theirs = found.config
    known = {"hidden_act": "gelu", "qkv_bias": True, "use_absolute_embeddings": False}
    if other := [f"{k} = {theirs[k]!r}" for k, ours in known.items() if theirs.get(k, ours) != ours]:
        raise CheckpointError(f"{found.folder} is no plain Swin: {', '.join(other)} is not supported here.")
    return SwinConfig(
        classes=len(theirs.get("id2label") or range(theirs.get("num_labels", 2))),
        image_size=theirs.get("image_size", 224),
        patch_size=theirs.get("patch_size", 4),
        channels=theirs.get("num_channels", 3),
        width=theirs["embed_dim"],
        depths=tuple(theirs["depths"]),
        heads=tuple(theirs["num_heads"]),
        window=theirs["window_size"],
        mlp_ratio=theirs.get("mlp_ratio", 4.0),
        drop_path=theirs.get("drop_path_rate", 0.1),
        eps=theirs.get("layer_norm_eps", 1e-5),
        initial=theirs.get("initializer_range", 0.02),
    )


def _published_config(config: SwinConfig) -> dict[str, Any]:
    """`_config_of` in the other direction."""
    labels = {str(n): f"LABEL_{n}" for n in range(config.classes)}
    return {
        "model_type": "swin",
        "architectures": ["SwinForImageClassification"],
        "id2label": labels,
        "label2id": {label: int(n) for n, label in labels.items()},
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "num_channels": config.channels,
        "embed_dim": config.width,
        "depths": list(config.depths),
        "num_heads": list(config.heads),
        "window_size": config.window,
        "mlp_ratio": config.mlp_ratio,
        "drop_path_rate": config.drop_path,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
        "layer_norm_eps": config.eps,
        "initializer_range": config.initial,
        "qkv_bias": True,
        "use_absolute_embeddings": False,
    }
