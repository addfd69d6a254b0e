"""A translator as two graphs: "encode" reads the sentence once, "step" writes one word.

    encode: source (1, S)                               -> state, [cell], [keys, values]
    step:   word (1, 1), state, [cell], [keys, values]  -> logits (1, 1, V), next_state, [next_cell], [map]

State and cell are (layers, 1, H); a GRU has no cell. Keys and values are (1, S, H), the map (1, 1, 1, S); a model
without attention has none of them. The page feeds ``next_state`` back as ``state``, and begins with the word BOS.
There is one sentence and no padding, so no mask. That is a `Seq2Seq`; `tfedu.live.generator` tells of a
`Transformer`, whose two graphs have the same names.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from tfedu import weights
from tfedu.attention import Prepared
from tfedu.data.text import BOS, EOS, PAD, UNK
from tfedu.live.export import Graph, export_graphs
from tfedu.live.generator import transformer_graphs
from tfedu.models.seq2seq import Memory, Seq2Seq, State
from tfedu.models.transformer import Transformer
from tfedu.trace import trace
from tfedu.translator import TranslationModel, Translator

ATTENTION = "decoder.attention"


class Encode(nn.Module):
    """What is done once for a sentence."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> tuple[Tensor, ...]:
        """See the head of this file."""
        state, memory = self.model.encode(source)
        return _parts(state) if memory is None else (*_parts(state), memory.keys.keys, memory.values)


class Step(nn.Module):
    """What is done for each word."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """See the head of this file."""
        word, state, *seen = inputs
        before: State = (state, seen.pop(0)) if self.model.config.cell == "lstm" else state
        if not seen:  # no attention: the sentence is in the state, or lost
            logits, after = self.model.decoder(word, before, None)
            return logits, *_parts(after)
        keys, values = seen
        # Without padding nothing is masked; the mechanisms take None for that, and the graph stays short.
        memory = Memory(Prepared(keys), values, None)  # type: ignore[arg-type]
        with trace(self.model) as maps:
            logits, after = self.model.decoder(word, before, memory)
        return logits, *_parts(after), maps[ATTENTION].weights


def translator_graphs(model: TranslationModel) -> dict[str, Graph]:
    """The two graphs of a translator, for `tfedu.live.export_graphs`."""
    if isinstance(model, Transformer):
        return transformer_graphs(model)
    states = ["state", "cell"] if model.config.cell == "lstm" else ["state"]
    memory = [] if model.config.attention == "none" else ["keys", "values"]
    source = torch.full((1, 5), UNK)
    encode = Graph(Encode(model), (source,), {"source": {1: "S"}}, outputs=[*states, *memory], inside="model")
    with torch.no_grad():
        encoded = Encode(model).eval()(source)
    step = Graph(
        Step(model),
        (torch.full((1, 1), BOS), *encoded),
        {name: {1: "S"} for name in memory},
        inputs=["word", *states, *memory],
        outputs=["logits", *(f"next_{name}" for name in states), *(["map"] if memory else [])],
        maps={ATTENTION: "map"} if memory else {},
        inside="model",
    )
    return {"encode": encode, "step": step}


def export_translator(translator: str | Translator, path: str | Path, *, half: bool = True) -> Path:
    """Write a translator to a file for the page, with its tokenizers and its card.

    Args:
        translator: the name of a shipped one, or a translator (which then has no card).
        path, half: see `tfedu.live.export`.

    The file's texts are "source_tokenizer", "target_tokenizer", "card", and "translator": the special ids, the
    ids that a translation never holds, and the longest translation, ``longest[0] * S + longest[1]``.
    """
    named = isinstance(translator, str)
    loaded = Translator.from_pretrained(translator) if isinstance(translator, str) else translator
    model = loaded.model
    driver = {
        "pad": PAD,
        "bos": BOS,
        "eos": EOS,
        "unk": UNK,
        "never": [PAD, BOS],
        "longest": [2, 10],
        "attention": model.config.attention if isinstance(model, Seq2Seq) else "multi-head",
    }
    extras = {
        "source_tokenizer": loaded.source.to_json(),
        "target_tokenizer": loaded.target.to_json(),
        "translator": json.dumps(driver),
    }
    if named:
        extras["card"] = json.dumps(weights.card(str(translator)), ensure_ascii=False)
    return export_graphs(translator_graphs(model), path, half=half, extras=extras)


def _parts(state: State) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)
