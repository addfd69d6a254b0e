"""The Transformer with attention alone (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").

Token vectors, layers of attention that each add to them, and the scores of the next token. Without feed-forward
networks little enough is left to be taken apart: once the maps are known, all else is linear, and the logits are
a sum over the paths that a token's vector can take (`AttentionOnly.paths`). No bias anywhere, as in the paper.

Where we deviate: the paper leaves LayerNorm away in its mathematics and keeps it in its models; it is here, before
each layer and at the end, as in GPT-2. It adds positions to queries and keys only; we turn both instead ("rotary",
Su et al. 2021), or add positions to the token vectors ("learned", as GPT-2 does).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfedu.attention import DotProduct, MultiHeadAttention, Rotary
from tfedu.blocks.masks import causal_mask
from tfedu.blocks.positions import Learned

#: The heads that a vector passes on its way up, (layer, head) each; the empty path goes straight to the logits.
Heads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class AttentionOnlyConfig:
    """The size and kind of an attention-only Transformer.

    Attributes:
        vocabulary: V, token types.
        width: D, of the token vectors and all that is added to them.
        heads: of each layer.
        layers: of attention.
        positions: "rotary", which know distances and have no end, or "learned".
        longest: how many positions can be learned.
    """

    vocabulary: int
    width: int = 64
    heads: int = 4
    layers: int = 2
    positions: Literal["rotary", "learned"] = "rotary"
    longest: int = 64

    def __post_init__(self) -> None:
        if self.positions not in ("rotary", "learned"):
            raise ValueError(f"positions is {self.positions!r}; choose 'rotary' or 'learned'.")
        if min(self.vocabulary, self.width, self.longest) < 1 or self.layers < 0:
            raise ValueError(
                "vocabulary, width and longest count things, at least 1 each; layers at least 0."
            )


class Layer(nn.Module):
    """One layer: what the heads read is normalised, what they write is added."""

    def __init__(self, config: AttentionOnlyConfig) -> None:
        super().__init__()
        mechanism = Rotary() if config.positions == "rotary" else DotProduct()
        self.norm = nn.LayerNorm(config.width, bias=False)
        self.attention = MultiHeadAttention(config.width, config.heads, mechanism, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Each token, and what it gathered from itself and those before it."""
        mask = rearrange(causal_mask(x.shape[1], device=x.device), "t s -> 1 t s")
        return x + self.attention(self.norm(x), mask=mask)


class AttentionOnly(nn.Module):
    """A language model of attention alone.

    Args:
        config: size and kind.
    """

    def __init__(self, config: AttentionOnlyConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = Learned(config.longest, config.width) if config.positions == "learned" else None
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, bias=False)
        self.output = nn.Linear(config.width, config.vocabulary, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=config.width**-0.5)

    @property
    def attentions(self) -> list[str]:
        """What a trace calls the layers' maps, the first layer's first."""
        return [f"layer.{number}.attention" for number in range(self.config.layers)]

    @classmethod
    def from_pretrained(cls, name: str | Path) -> AttentionOnly:
        """A trained model: the name of a shipped checkpoint, or the path of a safetensors file.

        Raises:
            tfedu.weights.CheckpointError: if the file is missing, damaged, or holds another model.
        """
        from tfedu import weights

        checkpoint = weights.load(name, kind="AttentionOnly")
        model = cls(AttentionOnlyConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def embed(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What enters the first layer."""
        x = self.tokens(tokens)
        return x if self.positions is None else self.positions(x)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each of `tokens`."""
        x = self.embed(tokens)
        for layer in self.layer:
            x = layer(x)
        return self.output(self.norm(x))

    @torch.no_grad()
    def paths(self, tokens: Int[Tensor, "B T"]) -> dict[Heads, Float[Tensor, "B T V"]]:
        """The logits as a sum over paths (Elhage et al. 2021, "path expansion"), each path's share by its heads.

        A token's vector goes up by any choice of heads, at most one a layer: ``()`` straight on, ``((0, 2),)`` by
        head 2 of the first layer alone, ``((0, 2), (1, 3))`` by that one and then by head 3 of the second. With the
        maps, and the divisors of the norms, as they are in this run, each share is linear in the token's vector.
        """
        parts: dict[Heads, Tensor] = {(): self.embed(tokens)}
        mask = causal_mask(tokens.shape[1], device=tokens.device)
        x = parts[()]
        for number, layer in enumerate(self.layer):
            attention: MultiHeadAttention = layer.attention  # type: ignore[assignment]
            read: nn.LayerNorm = layer.norm  # type: ignore[assignment]
            q, k = (
                rearrange(project(read(x)), "b t (h k) -> b h t k", h=attention.heads)
                for project in (attention.query, attention.key)
            )
            maps = attention.mechanism.weights(q, k, mask)
            written: dict[Heads, Tensor] = {}
            for path, part in parts.items():
                v = rearrange(
                    attention.value(_share(read, part, x)), "b s (h k) -> b h s k", h=attention.heads
                )
                out = rearrange(attention.output.weight, "d (h k) -> h k d", h=attention.heads)
                heads = einsum(maps, v, out, "b h t s, b h s k, h k d -> h b t d")
                written |= {(*path, (number, head)): heads[head] for head in range(attention.heads)}
            parts |= written
            x = layer(x)
        return {path: self.output(_share(self.norm, part, x)) for path, part in parts.items()}


def _share(norm: nn.LayerNorm, part: Tensor, x: Tensor) -> Tensor:
    """What `part` adds to ``norm(x)``, with the divisor that belongs to the whole `x`."""
    deviation = (x.var(dim=-1, keepdim=True, unbiased=False) + norm.eps).sqrt()
    return (part - part.mean(dim=-1, keepdim=True)) / deviation * norm.weight
