"""The Transformer: Vaswani et al. 2017, "Attention Is All You Need".

Figure 1, from the bottom up: token vectors and positions (3.4, 3.5), `EncoderLayer` and `DecoderLayer` (3.1),
each a few sublayers in an `AddNorm`. The sublayers are attention (3.2, `tfedu.attention.MultiHeadAttention`)
and a feed-forward network (3.3, `tfedu.blocks.feed_forward`).

Where we deviate: ``norm="pre"`` moves each LayerNorm before its sublayer, and adds one at the end of each stack
(Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture"); the paper's own is "post". Dropout
is where section 5.4 puts it, and not on the attention weights, where the authors' code has it too. Translation
keeps the keys and values of the words so far, so that each new word costs one row of each map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tfedu.attention import DotProduct, KeysValues, Mechanism, MultiHeadAttention
from tfedu.blocks.beam import beam_search, evaluating
from tfedu.blocks.feed_forward import FeedForward
from tfedu.blocks.masks import causal_mask
from tfedu.blocks.positions import Learned, Sinusoidal


@dataclass(frozen=True)
class TransformerConfig:
    """The size and kind of a Transformer; the defaults are the paper's base model (table 3).

    Attributes:
        source_vocab, target_vocab: token types, specials included.
        width: D, of everything between the layers.
        layers: of encoder and decoder each.
        heads: of each attention.
        feed_forward: width inside the feed-forward networks.
        dropout: on each sublayer's output, and on the sums of token vectors and positions.
        norm: LayerNorm after each sublayer and its residual ("post", the paper's), or before it ("pre").
        positions: "sinusoidal" (3.5), "learned" (table 3, row E), or "none".
        longest: how many positions can be learned.
        tied: which matrices are one (3.4): "all" three, for which both languages need one vocabulary;
            "output", the target's token vectors and the scores of the next word; or "none".
    """

    source_vocab: int
    target_vocab: int
    width: int = 512
    layers: int = 6
    heads: int = 8
    feed_forward: int = 2048
    dropout: float = 0.1
    norm: Literal["post", "pre"] = "post"
    positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal"
    longest: int = 256
    tied: Literal["all", "output", "none"] = "output"

    def __post_init__(self) -> None:
        for name, known in (
            ("norm", ("post", "pre")),
            ("positions", ("sinusoidal", "learned", "none")),
            ("tied", ("all", "output", "none")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}.")
        if self.tied == "all" and self.source_vocab != self.target_vocab:
            raise ValueError(
                f"tied='all' needs one vocabulary for both languages, not {self.source_vocab} and "
                f"{self.target_vocab} types: train one tokenizer on both, or tie the 'output' alone."
            )


class Memory(NamedTuple):
    """What the decoder may look at of the source: for each of its layers, and which words are real (None: all)."""

    layers: tuple[KeysValues, ...]
    mask: Bool[Tensor, "B 1 S"] | None


#: The target words so far, as each decoder layer's self-attention sees them.
Past = tuple[KeysValues, ...]


class Embedding(nn.Module):
    """Token vectors, scaled by ``sqrt(D)`` (3.4) so that the positions (3.5) do not drown them."""

    def __init__(self, vocabulary: int, config: TransformerConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, config.width)
        self.positions: Sinusoidal | Learned | None = None
        if config.positions == "sinusoidal":
            self.positions = Sinusoidal(config.width)
        elif config.positions == "learned":
            self.positions = Learned(config.longest, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Int[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        """The vectors of `tokens`, the first of which stands at position `start`."""
        x = self.tokens(tokens) * math.sqrt(self.tokens.embedding_dim)
        return self.dropout(x if self.positions is None else self.positions(x, start))


class AddNorm(nn.Module):
    """What surrounds a sublayer: ``LayerNorm(x + dropout(sublayer(x)))`` (section 3.1), or, pre-norm,
    ``x + dropout(sublayer(LayerNorm(x)))``.

    The sublayer is called between the two methods: ``y = sublayer(around.before(x)); x = around(x, y)``.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)

    def before(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """What the sublayer reads."""
        return self.norm(x) if self.pre else x

    def forward(self, x: Float[Tensor, "B T D"], y: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The stream `x` with the sublayer's output `y` added."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)


class EncoderLayer(nn.Module):
    """Figure 1, left: each source word looks at all source words, then thinks by itself."""

    def __init__(self, config: TransformerConfig, mechanism: Callable[[], Mechanism]) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config.width, config.heads, mechanism())
        self.feed_forward = FeedForward(config.width, config.feed_forward)
        self.around_attention, self.around_feed_forward = AddNorm(config), AddNorm(config)

    def forward(
        self, x: Float[Tensor, "B S D"], mask: Bool[Tensor, "#B #S S"] | None = None
    ) -> Float[Tensor, "B S D"]:
        """The words, each in the light of those that `mask` lets it see."""
        x = self.around_attention(x, self.self_attention(self.around_attention.before(x), mask=mask))
        return self.around_feed_forward(x, self.feed_forward(self.around_feed_forward.before(x)))


class DecoderLayer(nn.Module):
    """Figure 1, right: each target word looks back at the target so far, across at the source, then thinks."""

    def __init__(self, config: TransformerConfig, mechanism: Callable[[], Mechanism]) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config.width, config.heads, mechanism())
        self.cross_attention = MultiHeadAttention(config.width, config.heads, mechanism())
        self.feed_forward = FeedForward(config.width, config.feed_forward)
        self.around_self, self.around_cross = AddNorm(config), AddNorm(config)
        self.around_feed_forward = AddNorm(config)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        mask: Bool[Tensor, "#B T P"] | None,
        source: KeysValues,
        source_mask: Bool[Tensor, "#B #T S"] | None,
        past: KeysValues | None = None,
    ) -> tuple[Float[Tensor, "B T D"], KeysValues]:
        """The words, and the keys and values of all P words so far, those of `past` first."""
        here = self.around_self.before(x)
        seen = self.self_attention.keys_values(here)
        if past is not None:
            seen = KeysValues(*(torch.cat(parts, dim=2) for parts in zip(past, seen, strict=True)))
        x = self.around_self(x, self.self_attention.attend(here, seen, mask))
        here = self.around_cross.before(x)
        x = self.around_cross(x, self.cross_attention.attend(here, source, source_mask))
        return self.around_feed_forward(x, self.feed_forward(self.around_feed_forward.before(x))), seen


class Transformer(nn.Module):
    """Encoder and decoder, and the token vectors below and above them.

    Args:
        config: size and kind.
        mechanism: makes the mechanism of each attention: any for queries and keys of width D / heads.
    """

    def __init__(self, config: TransformerConfig, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__()
        self.config = config
        # What is tied is not there a second time: the source then reads, or the output then uses, the target's.
        self.target = Embedding(config.target_vocab, config)
        self.source = None if config.tied == "all" else Embedding(config.source_vocab, config)
        self.output = nn.Linear(config.width, config.target_vocab, False) if config.tied == "none" else None
        self.encoder = nn.ModuleList(EncoderLayer(config, mechanism) for _ in range(config.layers))
        self.decoder = nn.ModuleList(DecoderLayer(config, mechanism) for _ in range(config.layers))
        # A post-norm layer ends with a norm already.
        last = nn.Identity if config.norm == "post" else partial(nn.LayerNorm, config.width)
        self.encoder_norm, self.decoder_norm = last(), last()
        self.apply(_initialise)

    @property
    def cross_attentions(self) -> list[str]:
        """What a trace calls the maps from target to source, the first layer's first."""
        return [f"decoder.{number}.cross_attention" for number in range(self.config.layers)]

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Transformer:
        """A trained translator: the name of a shipped checkpoint, or the path of a safetensors file.

        Raises:
            tfedu.weights.CheckpointError: if the file is missing, damaged, or holds another model.
        """
        from tfedu import weights

        checkpoint = weights.load(name, kind="Transformer")
        model = cls(TransformerConfig(**checkpoint.config))
        checkpoint.fill(model)
        return model.eval()

    def encode(self, source: Int[Tensor, "B S"], source_mask: Bool[Tensor, "B S"] | None = None) -> Memory:
        """The source as the decoder sees it; no mask means no padding.

        A sentence without any real word is no error: who looks at it gathers zeros.
        """
        if source_mask is not None and (source_mask.shape != source.shape or source_mask.dtype != torch.bool):
            raise ValueError(
                f"source_mask must be boolean and of the source's shape {tuple(source.shape)}, True = real; "
                f"got {source_mask.dtype} {tuple(source_mask.shape)}."
            )
        mask = None if source_mask is None else rearrange(source_mask, "b s -> b 1 s")
        x = (self.target if self.source is None else self.source)(source)
        for layer in self.encoder:
            x = layer(x, mask)
        x = self.encoder_norm(x)
        seen = [layer.cross_attention.keys_values(x) for layer in self.decoder]  # type: ignore[operator, union-attr]
        return Memory(tuple(seen), mask)

    def decode(
        self, tokens: Int[Tensor, "B T"], memory: Memory, past: Past | None = None
    ) -> tuple[Float[Tensor, "B T V"], Past]:
        """Logits of the word after each of `tokens`, which go on from `past`, and the new past."""
        start = 0 if past is None else past[0].keys.shape[2]
        T = tokens.shape[1]
        # A word alone may see all that came before it: nothing is masked.
        mask = None if T == 1 else rearrange(causal_mask(T, start + T, tokens.device), "t p -> 1 t p")
        x = self.target(tokens, start)
        now = []
        for number, layer in enumerate(self.decoder):
            before = None if past is None else past[number]
            x, seen = layer(x, mask, memory.layers[number], memory.mask, before)
            now.append(seen)
        x = self.decoder_norm(x)
        logits = F.linear(x, self.target.tokens.weight) if self.output is None else self.output(x)
        return logits, tuple(now)

    def forward(
        self,
        source: Int[Tensor, "B S"],
        target_in: Int[Tensor, "B T"],
        source_mask: Bool[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of each next target word, given the right words before it (teacher forcing).

        `target_in` begins with BOS; the logits at t are for the word that follows ``target_in[:, t]``. Its
        padding, on the right, needs no mask: no real word looks to its right.
        """
        logits, _ = self.decode(target_in, self.encode(source, source_mask))
        return logits

    @torch.no_grad()
    def translate(
        self,
        source: Int[Tensor, "B S"],
        source_mask: Bool[Tensor, "B S"] | None = None,
        *,
        beam: int = 1,
        length_penalty: float = 1.0,
        max_length: int | None = None,
    ) -> list[list[int]]:
        """The best translations found, as ids without BOS, EOS and padding.

        Args:
            source: ids, padded on the right.
            source_mask: which of them are real; None means all.
            beam, length_penalty: see `tfedu.blocks.beam.beam_search`; a beam of 1 is greedy search.
            max_length: longest translation, EOS included; twice the source's length and 10 unless given.

        Raises:
            ValueError: if `beam` or `max_length` is below 1.
        """

        def rows_of(seen: KeysValues, rows: Tensor) -> KeysValues:
            return KeysValues(seen.keys[rows], seen.values[rows])

        with evaluating(self):
            memory = self.encode(source, source_mask)
            each = repeat(torch.arange(len(source), device=source.device), "b -> (b k)", k=max(beam, 1))
            mask = None if memory.mask is None else memory.mask[each]
            memory = Memory(tuple(rows_of(seen, each) for seen in memory.layers), mask)

            def step(words: Tensor, past: Past | None) -> tuple[Tensor, Past | None]:
                return self.decode(words, memory, past)

            def take(past: Past | None, rows: Tensor) -> Past | None:
                return None if past is None else tuple(rows_of(seen, rows) for seen in past)

            return beam_search(
                step,
                None,
                take,
                sentences=len(source),
                beam=beam,
                length_penalty=length_penalty,
                longest=2 * source.shape[1] + 10 if max_length is None else max_length,
                device=source.device,
            )


def _initialise(module: nn.Module) -> None:
    """Matrices as Glorot and Bengio (2010) draw them, biases zero; scaled token vectors of variance 1."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)


#: Where the parts of torch's layers are in ours.
_LAYER = {"self_attn": "self_attention", "multihead_attn": "cross_attention", "out_proj": "output"} | {
    "linear1": "feed_forward.inner",
    "linear2": "feed_forward.outer",
}
_NORMS = {
    "encoder": {"norm1": "around_attention.norm", "norm2": "around_feed_forward.norm"},
    "decoder": {
        "norm1": "around_self.norm",
        "norm2": "around_cross.norm",
        "norm3": "around_feed_forward.norm",
    },
}


def from_torch(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a `torch.nn.Transformer` under our names; it has no embeddings and no output matrix.

    Raises:
        KeyError: for a weight that is none of its.
    """
    renamed: dict[str, Tensor] = {}
    for name, weight in weights.items():
        side, *path, kind = name.split(".")
        if path == ["norm"]:
            renamed[f"{side}_norm.{kind}"] = weight
            continue
        layers, number, *parts = path
        if side not in _NORMS or layers != "layers":
            raise KeyError(f"{name} is no weight of a torch.nn.Transformer.")
        ours = [{**_LAYER, **_NORMS[side]}[part] for part in parts]
        start = ".".join([side, number, *ours])
        if kind.startswith("in_proj_"):  # one matrix for queries, keys and values
            for part, third in zip(("query", "key", "value"), weight.chunk(3), strict=True):
                renamed[f"{start}.{part}.{kind.removeprefix('in_proj_')}"] = third
        else:
            renamed[f"{start}.{kind}"] = weight
    return renamed
