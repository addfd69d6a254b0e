"""A memory network as one graph for the page: a story and a question in, the scores of all words out.

model: story (1, S, J), question (1, Q) -> logits (1, V), and one map (1, 1, 1, S) for each hop

Sentences are padded to J words and the question to Q; the story has no empty slots, so there is no mask.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tfedu import weights
from tfedu.data.text import UNK
from tfedu.live.export import export
from tfedu.live.labs.memory import WORDS
from tfedu.reader import Reader


def export_reader(reader: str | Reader, path: str | Path, *, half: bool = True) -> Path:
    """Write a memory network to a file for the page, with its words and its card.

    Args:
        reader: the name of a shipped one, or a reader (which then has no card).
        path, half: see `tfedu.live.export`.
    """
    loaded = Reader.from_pretrained(reader) if isinstance(reader, str) else reader
    J, Q = WORDS
    story, question = torch.full((1, 6, J), UNK), torch.full((1, Q), UNK)
    story[:, :, 3:] = question[:, 4:] = 0  # some padding, as the page has it
    extras = {"tokenizer": loaded.words.to_json()}
    if isinstance(reader, str):
        extras["card"] = json.dumps(weights.card(reader), ensure_ascii=False)
    return export(
        loaded.model,
        (story, question),
        path,
        dynamic={"story": {1: "S"}},
        outputs=["logits"],
        half=half,
        extras=extras,
    )
