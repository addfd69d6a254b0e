"""The Vision Transformer: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words: Transformers for Image
Recognition at Scale".

A picture is cut into patches, each patch is mapped to a vector (equation 1), a learned class token is put in front,
positions are added, and a plain encoder with the norms before the sublayers (equations 2 and 3) does the rest. The
class token's vector, after a last norm (equation 4), goes through one linear map to the classes.

Where we deviate: the pre-training head has one layer, as in the published fine-tuned weights (the paper's hidden
layer of the pre-training is left out); ``pool="mean"`` averages the patches instead of using a class token (appendix
D.3); ``positions="sinusoidal"`` has nothing to learn (Chen et al. 2021 use it for small trainings); stochastic depth
(Huang et al. 2016), which the paper does without, is off by default. No dropout on the attention weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.attention import MultiHeadAttention
from tfedu.blocks.patches import PatchEmbedding
from tfedu.blocks.positions import resize_positions, sinusoids_2d
from tfedu.blocks.stochastic_depth import StochasticDepth, depth_rates


@dataclass(frozen=True)
class ViTConfig:
    """The size and kind of a ViT; the defaults are ViT-B/16's.

    Attributes:
        classes: to tell apart.
        image_size: side of the pictures that it learns from, in pixels; others work too, see `ViT.positions_for`.
        patch_size: side of a patch, in pixels.
        channels: of a picture.
        width: D, of everything between the layers.
        layers: how many.
        heads: of each attention.
        feed_forward: width inside the feed-forward networks; 4 D unless given.
        dropout: on each sublayer's output, and on the sums of patches and positions.
        drop_path: how often the last layer's branches are skipped in training; see `StochasticDepth`.
        pool: what is classified: a class token ("class"), or the mean of the patches ("mean").
        positions: "learned", or "sinusoidal" in two dimensions.
        eps: added to the variance in each LayerNorm.
        initial: standard deviation of the first weights. The published 0.02 is about half of ``width**-0.5`` at 768; a
            narrow model begins more quickly with more.
    """

    classes: int = 1000
    image_size: int = 224
    patch_size: int = 16
    channels: int = 3
    width: int = 768
    layers: int = 12
    heads: int = 12
    feed_forward: int | None = None
    dropout: float = 0.0
    drop_path: float = 0.0
    pool: Literal["class", "mean"] = "class"
    positions: Literal["learned", "sinusoidal"] = "learned"
    eps: float = 1e-12
    initial: float = 0.02

    def __post_init__(self) -> None:
        if self.pool not in ("class", "mean"):
            raise ValueError(f"pool is {self.pool!r}; choose one of class, mean.")
        if self.positions not in ("learned", "sinusoidal"):
            raise ValueError(f"positions is {self.positions!r}; choose one of learned, sinusoidal.")
        if self.patch_size < 1 or self.image_size % self.patch_size:
            raise ValueError(
                f"patches of {self.patch_size} pixels do not tile pictures of {self.image_size}: "
                "image_size must be a multiple of patch_size."
            )
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(
                f"{self.heads} heads do not divide a width of {self.width}; each head is width / heads wide."
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        side = self.image_size // self.patch_size
        return side, side


class FeedForward(nn.Module):
    """``W_2 gelu(W_1 x + b_1) + b_2``: each token by itself."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        hidden = config.feed_forward or 4 * config.width
        self.inner, self.outer = nn.Linear(config.width, hidden), nn.Linear(hidden, config.width)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """See the class."""
        return self.outer(F.gelu(self.inner(x)))


class Layer(nn.Module):
    """Each token looks at all, then thinks by itself (equations 2 and 3); both times the result is added to it.

    Args:
        config: of the model.
        drop_path: how often this layer's branches are skipped in training.
    """

    def __init__(self, config: ViTConfig, drop_path: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width, eps=config.eps)
        self.attention = MultiHeadAttention(config.width, config.heads)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.eps)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """See the class."""
        x = x + self.drop_path(self.dropout(self.attention(self.attention_norm(x))))
        return x + self.drop_path(self.dropout(self.feed_forward(self.feed_forward_norm(x))))


class ViT(nn.Module):
    """A picture's class, from its patches.

    Attributes:
        prefix: how many tokens stand before the patches; their rows and columns come first in every map.
    """

    #: What `transformers` calls the class, the body and the heads of such a model.
    model_type: ClassVar[str] = "vit"
    body: ClassVar[str] = "vit."
    classifiers: ClassVar[dict[str, str]] = {"classifier": "head"}
    architecture: ClassVar[str] = "ViTForImageClassification"

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.prefix = self._prefix_tokens()
        self.patches = PatchEmbedding(config.channels, config.width, config.patch_size)
        if self.prefix:
            self.class_token = nn.Parameter(torch.zeros(1, 1, config.width))
        if config.positions == "learned":
            rows, columns = config.grid
            self.position_table = nn.Parameter(torch.zeros(1, self.prefix + rows * columns, config.width))
        self.dropout = nn.Dropout(config.dropout)
        rates = depth_rates(config.drop_path, config.layers)
        self.layers = nn.ModuleList(Layer(config, rate) for rate in rates)
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.head = nn.Linear(config.width, config.classes)
        self.apply(partial(_initialise, std=config.initial))
        for name, parameter in self.named_parameters():
            if name in ("class_token", "position_table"):
                nn.init.trunc_normal_(parameter, std=config.initial)

    def _prefix_tokens(self) -> int:
        return 1 if self.config.pool == "class" else 0

    def prefix_tokens(self) -> list[Tensor]:
        """The learned tokens before the patches, (1, 1, D) each."""
        return [self.class_token] if self.prefix else []

    @classmethod
    def from_pretrained(cls, name: str | Path) -> ViT:
        """A trained model: a shipped checkpoint by name, one of ours by its path, or published weights.

        Args:
            name: ``"vit-cifar10-seed0"``, a safetensors file, a folder as `transformers` writes it, or a repository
                on the Hugging Face hub such as ``"google/vit-base-patch16-224"``.

        Raises:
            tfedu.weights.CheckpointError: if it is missing, damaged, or holds another model.
        """
        from tfedu import hub, weights

        if Path(name).is_dir() or ("/" in str(name) and not str(name).endswith(".safetensors")):
            found = hub.published(name)
            found.require(cls.model_type)
            model = cls(_config_of(found))
            found.fill(model, model._names(), prefix=cls.body, unused=_unused)
        else:
            checkpoint = weights.load(name, kind=cls.__name__)
            model = cls(ViTConfig(**checkpoint.config))
            checkpoint.fill(model)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that `from_pretrained` and the class of transformers read.

        Raises:
            ValueError: for a model that the published layout has no place for.
        """
        from tfedu import hub

        if self.config.pool != "class" or self.config.positions != "learned":
            raise ValueError(
                "the published layout has a class token and learned positions; keep this model with "
                "tfedu.weights.save."
            )
        config = _published_config(self)
        hub.publish(
            folder,
            self,
            self._names(),
            config,
            prefix=self.body,
            bare=lambda name: name.split(".")[0] in self.classifiers,
        )

    def positions_for(self, grid: tuple[int, int]) -> Float[Tensor, "T D"]:
        """What is added to the tokens of a picture with `grid` rows and columns of patches.

        Learned positions are stretched or shrunk to the grid (section 3.2), those of prefix tokens stay.
        """
        if self.config.positions == "sinusoidal":
            made = sinusoids_2d(*grid, self.config.width, device=self.head.weight.device)
            return F.pad(made, (0, 0, self.prefix, 0)).to(self.head.weight.dtype)
        table = self.position_table[0]
        if grid == self.config.grid:
            return table
        return torch.cat(
            [table[: self.prefix], resize_positions(table[self.prefix :], self.config.grid, grid)]
        )

    def embed(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T D"]:
        """The tokens before the first layer (equation 1): prefix tokens, then patches, each with its place."""
        on_grid = self.patches(pictures)  # (B, D, h, w)
        B, _, h, w = on_grid.shape
        tokens = rearrange(on_grid, "b d h w -> b (h w) d")
        before = [token.expand(B, -1, -1) for token in self.prefix_tokens()]
        return self.dropout(torch.cat([*before, tokens], dim=1) + self.positions_for((h, w)))

    def hidden(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T D"]:
        """What stands at each token after the last layer and the last norm; T = prefix + N."""
        x = self.embed(pictures)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Any:
        """Logits (B, classes)."""
        x = self.hidden(pictures)
        return self.head(x[:, 0] if self.prefix else x.mean(dim=1))

    def _names(self) -> dict[str, str]:
        """The published names of our weights."""
        table = {
            "embeddings.cls_token": "class_token",
            "embeddings.position_embeddings": "position_table",
        }
        pairs = {
            "embeddings.patch_embeddings.projection": "patches.projection",
            "layernorm": "norm",
        } | self.classifiers
        pairs |= {
            f"encoder.layer.{number}.{theirs}": f"layers.{number}.{ours}"
            for number in range(self.config.layers)
            for theirs, ours in _LAYER.items()
        }
        return table | {
            f"{theirs}.{kind}": f"{ours}.{kind}"
            for theirs, ours in pairs.items()
            for kind in ("weight", "bias")
        }


def _initialise(module: nn.Module, std: float) -> None:
    """Truncated normal, biases zero, as in the published trainings."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


#: Where the parts of a published layer are in ours.
_LAYER = {
    "layernorm_before": "attention_norm",
    "attention.attention.query": "attention.query",
    "attention.attention.key": "attention.key",
    "attention.attention.value": "attention.value",
    "attention.output.dense": "attention.output",
    "layernorm_after": "feed_forward_norm",
    "intermediate.dense": "feed_forward.inner",
    "output.dense": "feed_forward.outer",
}


def _unused(name: str) -> bool:
    """The pooler, which classifiers do not use."""
    return name.startswith("pooler.")


def _config_of(found: Any) -> ViTConfig:
    """The size and kind that a published ``config.json`` states, as a `tfedu.hub.Published` has it."""
    from tfedu.weights import CheckpointError

    theirs = found.config
    known = {"hidden_act": ("gelu", ("gelu",)), "qkv_bias": (True, (True,))}
    if other := [
        f"{k} = {theirs[k]!r}" for k, (_, ours) in known.items() if theirs.get(k, ours[0]) not in ours
    ]:
        raise CheckpointError(f"{found.folder} is no plain ViT: {', '.join(other)} is not supported here.")
    return ViTConfig(
        classes=len(theirs.get("id2label") or range(theirs.get("num_labels", 2))),
        image_size=theirs.get("image_size", 224),
        patch_size=theirs.get("patch_size", 16),
        channels=theirs.get("num_channels", 3),
        width=theirs["hidden_size"],
        layers=theirs["num_hidden_layers"],
        heads=theirs["num_attention_heads"],
        feed_forward=theirs.get("intermediate_size"),
        dropout=theirs.get("hidden_dropout_prob", 0.0),
        eps=theirs.get("layer_norm_eps", 1e-12),
    )


def _published_config(model: ViT) -> dict[str, Any]:
    """`_config_of` in the other direction."""
    config = model.config
    labels = {str(n): f"LABEL_{n}" for n in range(config.classes)}
    return {
        "model_type": model.model_type,
        "architectures": [model.architecture],
        "id2label": labels,
        "label2id": {label: int(n) for n, label in labels.items()},
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "num_channels": config.channels,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.feed_forward or 4 * config.width,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "gelu",
        "layer_norm_eps": config.eps,
        "qkv_bias": True,
    }
