"""DistilBERT: Sanh et al. 2019, "DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter".

BERT's own layers, half as many, without segment vectors and without a pooled vector (section 3). So the body, its
masked-word head and all reading and writing are `tfedu.models.bert`; here is what differs: the classifier, which
has a layer of its own with ReLU where BERT has the pooler with tanh, and what the published files call things.
How it is taught stands in `tfedu.train.distillation`.

Where we deviate: as in `tfedu.models.bert`, no dropout on the attention weights; and the classifier's dropout is
the model's, where the authors' files have one of their own (0.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tfedu.attention import DotProduct, Mechanism
from tfedu.models.bert import (
    BERT,
    BERTConfig,
    BERTForMaskedLM,
    BERTForSequenceClassification,
    Files,
    Pretrained,
    initialise,
)

#: Section 3's model; the defaults of `BERTConfig` are its teacher's.
BASE = BERTConfig(layers=6, token_types=0, pooler=False)


def folded(
    embeddings: Mapping[str, Float[Tensor, ...]], prefix: str = "embeddings."
) -> dict[str, Float[Tensor, ...]]:
    """The weights of a BERT, with the vector of segment 0, where it has one, added to every position's.

    Where all tokens belong to segment 0 that is the same function, and DistilBERT can hold it. (The authors drop
    the vector, and leave it to the training to make up for it.)
    """
    found = dict(embeddings)
    types = found.pop(f"{prefix}types.weight", None)
    if types is not None:
        found[f"{prefix}positions.table"] = found[f"{prefix}positions.table"] + types[0]
    return found


class DistilBERT(BERT):
    """The body: see `BERT`; `config` is taken without segments and pooler."""

    architecture = "DistilBertModel"

    def __init__(self, config: BERTConfig = BASE, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__(_bare(config), mechanism)


class DistilBERTForMaskedLM(BERTForMaskedLM):
    """DistilBERT that fills in the blanks, as it is published after its pre-training."""

    architecture = "DistilBertForMaskedLM"

    def __init__(self, config: BERTConfig = BASE, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__(_bare(config), mechanism)


class DistilBERTForSequenceClassification(BERTForSequenceClassification):
    """DistilBERT with a classifier on the first token's vector: a layer with ReLU, then a linear one."""

    architecture = "DistilBertForSequenceClassification"

    def __init__(self, config: BERTConfig = BASE, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        Pretrained.__init__(self)  # not the parent's, which would make a pooler
        self.config = _bare(config)
        self.bert = BERT(self.config, mechanism)
        self.pre_classifier = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.width, config.classes)
        self.pre_classifier.apply(initialise)
        self.classifier.apply(initialise)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"] | Bool[Tensor, "#B T T"] | None = None,
        types: Int[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B C"]:
        """Logits of the classes."""
        first = self.bert(tokens, mask, types).tokens[:, 0]
        return self.classifier(self.dropout(F.relu(self.pre_classifier(first))))


def _bare(config: BERTConfig) -> BERTConfig:
    return replace(config, token_types=0, pooler=False)


_CONFIG = {
    "vocabulary": "vocab_size", "width": "dim", "layers": "n_layers", "heads": "n_heads",
    "feed_forward": "hidden_dim", "dropout": "dropout", "longest": "max_position_embeddings",
}  # fmt: skip
#: What else config.json may say, and the only thing that this file implements.
_ONLY = {"activation": "gelu", "tie_word_embeddings": True}


def _read(config: Mapping[str, Any]) -> BERTConfig:
    for name, only in _ONLY.items():
        if config.get(name, only) != only:
            raise ValueError(f"{name} is {config[name]!r}, but this DistilBERT knows only {only!r}")
    if missing := [_CONFIG[ours] for ours in ("vocabulary", "width") if _CONFIG[ours] not in config]:
        raise KeyError(f"it lacks {', '.join(missing)}")
    known = {ours: config[theirs] for ours, theirs in _CONFIG.items() if theirs in config}
    return replace(BASE, **known, classes=len(config.get("id2label", "01")))


def _write(config: BERTConfig) -> dict[str, Any]:
    sizes = {theirs: getattr(config, ours) for ours, theirs in _CONFIG.items()}
    labels = {f"LABEL_{i}": i for i in range(config.classes)}
    return {"model_type": "distilbert", **sizes, **_ONLY, "label2id": labels} | {
        "seq_classif_dropout": config.dropout,
        "id2label": {str(i): label for label, i in labels.items()},
    }


_FILES = Files(
    prefix="distilbert.",
    names={
        "embeddings.tokens": "embeddings.word_embeddings",
        "embeddings.positions.table": "embeddings.position_embeddings.weight",
        "embeddings.norm": "embeddings.LayerNorm",
        "layers.": "transformer.layer.",
        "self_attention.query": "attention.q_lin",
        "self_attention.key": "attention.k_lin",
        "self_attention.value": "attention.v_lin",
        "self_attention.output": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "inner": "ffn.lin1",
        "outer": "ffn.lin2",
        "feed_forward_norm": "output_layer_norm",
        "masked_word.bias": "vocab_projector.bias",
        "masked_word.dense": "vocab_transform",
        "masked_word.norm": "vocab_layer_norm",
    },
    heads=(
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "pre_classifier.",
        "classifier.",
        "qa_outputs.",
    ),
    tied=("vocab_projector.weight", "vocab_projector.bias"),
    read=_read,
    write=_write,
)
for _family in (DistilBERT, DistilBERTForMaskedLM, DistilBERTForSequenceClassification):
    _family.files = _FILES
