"""The language models as files for the page: one that writes a token at a time, one that reads a whole sequence.

GPT            "step", see `tfedu.live.generator`
AttentionOnly  "model": tokens (1, T) -> output (1, T, V), and each layer's map (1, H, T, T)
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tfedu import weights
from tfedu.data.text import BOS, EOS, PAD, UNK, tokenizer_from_json
from tfedu.live.export import export
from tfedu.live.generator import export_generator
from tfedu.models.attention_only import AttentionOnly
from tfedu.models.gpt import GPT


def export_gpt(name: str, path: str | Path, *, half: bool = True) -> Path:
    """Write a shipped GPT to a file for the page, with its tokenizer.

    Args:
        name: of the checkpoint.
        path, half: see `tfedu.live.export`.
    """
    model = GPT.from_pretrained(name)
    tokenizer = tokenizer_from_json(weights.load(name).extras["tokenizer"])
    return export_generator(
        model,
        path,
        longest=model.config.context,
        tokenizer=tokenizer,
        never=(PAD, BOS, EOS, UNK),
        half=half,
        extras={"card": json.dumps(weights.card(name), ensure_ascii=False)},
    )


def export_attention_only(name: str, path: str | Path, *, half: bool = True) -> Path:
    """Write a shipped attention-only Transformer to a file for the page.

    Args:
        name: of the checkpoint.
        path, half: see `tfedu.live.export`.
    """
    model = AttentionOnly.from_pretrained(name)
    card = {"card": json.dumps(weights.card(name), ensure_ascii=False)}
    example = torch.arange(6)[None] % model.config.vocabulary
    return export(model, example, path, dynamic={"tokens": {1: "T"}}, half=half, extras=card)
