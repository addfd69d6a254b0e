"""A Transformer that writes word by word as graphs for the page, with its keys and values kept.

    encode: source (1, S)                         -> keys_0, values_0, ... of each decoder layer, its own maps
    step:   word (1, 1), [keys_0, values_0, ...], past_keys_0, past_values_0, ...
                                                  -> logits (1, 1, V), next_past_keys_0, ..., maps

Keys and values are (1, H, S, K), those of the P words so far (1, H, P, K): they grow by one with each word, and are
empty before the first, so that a word costs one row of each map: (1, H, 1, S) across, (1, H, 1, P + 1) back. The
page feeds ``next_X`` back as ``X``. A language model has no "encode", and no keys and values but those of the past.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from tfedu.attention import KeysValues
from tfedu.data.text import BOS, EOS, PAD, UNK, Tokenizer
from tfedu.live.export import Graph, export_graphs
from tfedu.models.transformer import Memory, Transformer
from tfedu.trace import Maps, trace

Past = tuple[KeysValues, ...]


class LanguageModel(Protocol):
    """A model that goes on with a text; see `tfedu.models.transformer.Transformer.decode`, less the source."""

    def decode(self, tokens: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """Logits of the word after each of `tokens`, which go on from `past`, and the new past."""


class Encode(nn.Module):
    """What is done once for a sentence."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> tuple[Tensor, ...]:
        """See the head of this file."""
        with trace(self.model) as maps:
            memory = self.model.encode(source)
        return *_flat(memory.layers), *(one.weights for one in maps.values())


class Step(nn.Module):
    """What is done for each word.

    Args:
        model: a `Transformer`, or any `LanguageModel`.
        across: whether it looks across at a source.
    """

    def __init__(self, model: nn.Module, across: bool) -> None:
        super().__init__()
        self.model, self.across = model, across

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """See the head of this file."""
        logits, past, maps = self.run(*inputs)
        return logits, *_flat(past), *(one.weights for one in maps.values())

    def run(self, word: Tensor, *kept: Tensor) -> tuple[Tensor, Past, Maps]:
        """One word, traced."""
        pairs = tuple(KeysValues(*pair) for pair in zip(kept[::2], kept[1::2], strict=True))
        half = len(pairs) // 2 if self.across else 0
        seen = (Memory(pairs[:half], None), pairs[half:]) if self.across else (pairs,)
        with trace(self.model) as maps:
            logits, past = self.model.decode(word, *seen)  # type: ignore[operator]
        return logits, past, maps


def transformer_graphs(model: Transformer) -> dict[str, Graph]:
    """The two graphs of a translator, for `tfedu.live.export_graphs`."""
    source = torch.full((1, 5), UNK)
    with torch.no_grad(), trace(model) as maps:
        memory = model.eval().encode(source)
    kept = _names("", len(memory.layers))
    encode = Graph(
        Encode(model),
        (source,),
        {"source": {1: "S"}},
        outputs=[*kept, *(f"{name}.map" for name in maps)],
        maps={name: f"{name}.map" for name in maps},
        inside="model",
    )
    return {"encode": encode, "step": step_graph(model, _flat(memory.layers))}


def step_graph(model: nn.Module, source: Sequence[Tensor] = ()) -> Graph:
    """The graph that writes one word.

    Args:
        model: a `Transformer`, or any `LanguageModel`.
        source: an example of its keys and values of a source, if it looks at one.
    """
    model = model.eval()
    step, words = Step(model, across=bool(source)), torch.full((1, 3), BOS)
    with torch.no_grad():
        seen = (Memory(tuple(map(KeysValues, source[::2], source[1::2])), None),) if source else ()
        _, past = model.decode(words, *seen)  # type: ignore[operator]
        kept = (*source, *_flat(past))
        *_, maps = step.run(words[:, :1], *kept)
    across, back = _names("", len(source) // 2), _names("past_", len(past))
    return Graph(
        step,
        (words[:, :1], *kept),
        {name: {2: "S"} for name in across} | {name: {2: "P"} for name in back},
        inputs=["word", *across, *back],
        outputs=["logits", *(f"next_{name}" for name in back), *(f"{name}.map" for name in maps)],
        maps={name: f"{name}.map" for name in maps},
        inside="model",
    )


def export_generator(
    model: nn.Module,
    path: str | Path,
    *,
    longest: int,
    tokenizer: Tokenizer | None = None,
    never: Sequence[int] = (PAD, BOS),
    half: bool = True,
    extras: Mapping[str, str] | None = None,
) -> Path:
    """Write a `LanguageModel` to a file for the page, which goes on with what a reader began.

    Args:
        model: the model.
        path, half, extras: see `tfedu.live.export`.
        longest: words at most, the given ones counted.
        tokenizer: travels with it, if given.
        never: ids that it may not write.

    The file's texts are "tokenizer" and "generator": the special ids, `never` and `longest`.
    """
    driver = {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK, "never": list(never), "longest": longest}
    own = {"generator": json.dumps(driver)} | ({"tokenizer": tokenizer.to_json()} if tokenizer else {})
    return export_graphs({"step": step_graph(model)}, path, half=half, extras={**(extras or {}), **own})


def _flat(pairs: Past) -> tuple[Tensor, ...]:
    return tuple(part for pair in pairs for part in pair)


def _names(start: str, layers: int) -> list[str]:
    return [f"{start}{kind}_{layer}" for layer in range(layers) for kind in ("keys", "values")]
