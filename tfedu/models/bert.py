"""BERT: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding".

From the bottom up: token, position and segment vectors (figure 2), `Layer` (a Transformer encoder's, section
3), the pooled vector of the first token ([CLS]), and the heads that train it: the masked word (3.1, task 1), the
next sentence (task 2), and a classifier for fine-tuning (4). No mask hides what follows: every token sees every
other. With a causal mask (`tfedu.blocks.masks.causal_mask`) the same class reads from left to right.

Where we deviate: dropout is on the vectors only, and not on the attention weights, where the authors' code has
it too. The heads compute scores at the chosen places only, when told which (`at`). A body without segment
vectors or pooled vector (`token_types=0`, `pooler=False`) is DistilBERT's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tfedu.attention import DotProduct, Mechanism, MultiHeadAttention
from tfedu.blocks.positions import Learned

if TYPE_CHECKING:
    from tfedu.hub import Published


@dataclass(frozen=True)
class BERTConfig:
    """The size of a BERT; the defaults are the paper's base model, uncased.

    Attributes:
        vocabulary: token types, specials included.
        width: D, of everything between the layers.
        layers, heads: how many, and of each layer.
        feed_forward: width inside the feed-forward networks.
        dropout: on each sublayer's output, on the embeddings, and before the classifier.
        longest: how many positions are learned.
        token_types: segments that a token can belong to; 0 for a model that knows none.
        pooler: whether there is a pooled vector.
        eps: of the LayerNorms.
        classes: of a classifier.
    """

    vocabulary: int = 30_522
    width: int = 768
    layers: int = 12
    heads: int = 12
    feed_forward: int = 3072
    dropout: float = 0.1
    longest: int = 512
    token_types: int = 2
    pooler: bool = True
    eps: float = 1e-12
    classes: int = 2


class Encoded(NamedTuple):
    """What the body makes of a text: a vector for each token, and one for all (None without a pooler)."""

    tokens: Float[Tensor, "B T D"]
    pooled: Float[Tensor, "B D"] | None


class PreTraining(NamedTuple):
    """The two predictions of pre-training: the word at each place, and whether the second sentence is random."""

    words: Float[Tensor, "B T V"] | Float[Tensor, "N V"]
    random: Float[Tensor, "B 2"]


class Embeddings(nn.Module):
    """Figure 2: the sum of a token's vector, its position's and its segment's, normalised."""

    def __init__(self, config: BERTConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = Learned(config.longest, config.width)
        self.types = nn.Embedding(config.token_types, config.width) if config.token_types else None
        self.norm = nn.LayerNorm(config.width, config.eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: Int[Tensor, "B T"], types: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """The vectors that the first layer reads; without `types` all tokens belong to segment 0."""
        x = self.positions(self.tokens(tokens))
        if self.types is not None:
            x = x + (self.types.weight[0] if types is None else self.types(types))
        elif types is not None:
            raise ValueError("this model knows no token types (its token_types is 0): leave them out.")
        return self.dropout(self.norm(x))


class Layer(nn.Module):
    """An encoder layer of the Transformer, post-norm, with GELU where that has ReLU (appendix A.2)."""

    def __init__(self, config: BERTConfig, mechanism: Callable[[], Mechanism]) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config.width, config.heads, mechanism())
        self.attention_norm = nn.LayerNorm(config.width, config.eps)
        self.inner = nn.Linear(config.width, config.feed_forward)
        self.outer = nn.Linear(config.feed_forward, config.width)
        self.feed_forward_norm = nn.LayerNorm(config.width, config.eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], mask: Bool[Tensor, "#B #T T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """The tokens, each in the light of those that `mask` lets it see."""
        x = self.attention_norm(x + self.dropout(self.self_attention(x, mask=mask)))
        return self.feed_forward_norm(x + self.dropout(self.outer(F.gelu(self.inner(x)))))


class MaskedWord(nn.Module):
    """The head of section 3.1, task 1: one more layer, then the token vectors themselves score each word."""

    def __init__(self, config: BERTConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, config.eps)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(
        self, x: Float[Tensor, "*batch D"], vectors: Float[Tensor, "V D"]
    ) -> Float[Tensor, "*batch V"]:
        """Logits of each word type."""
        return F.linear(self.norm(F.gelu(self.dense(x))), vectors, self.bias)


@dataclass(frozen=True)
class Files:
    """What the published files of a family of models look like.

    Attributes:
        prefix: stands before the body's weights where there is a head too; without its dot, the model type.
        names: parts of our weights' names, and what they are called there, replaced in this order.
        heads: how the names of each head's weights begin there. The pooler counts as a head.
        tied: the head's copies of the token vectors and of its own bias, which some files hold.
        read, write: from config.json and back.
    """

    prefix: str
    names: Mapping[str, str]
    heads: tuple[str, ...]
    tied: tuple[str, str]
    read: Callable[[Mapping[str, Any]], BERTConfig]
    write: Callable[[BERTConfig], dict[str, Any]]

    def theirs(self, ours: str) -> str:
        """The published name of one of our weights, without prefix."""
        ours = ours.removeprefix("bert.")
        for old, new in self.names.items():
            ours = ours.replace(old, new)
        return ours


class Pretrained(nn.Module):
    """What body and heads share: where their weights come from, and where they go."""

    files: ClassVar[Files]
    architecture: ClassVar[str]  # what transformers calls this class
    config: BERTConfig

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """A trained model: a shipped checkpoint's name or file, a folder in the published layout, or a hub id.

        Weights of heads that this class does not have are passed over.

        Raises:
            tfedu.weights.CheckpointError: if it is missing, damaged, of another architecture, or lacks a weight
                or has one too many; it names them.
        """
        config, found = cls.read(name)
        model = cls(config)
        found.fill(model, model.names, prefix=cls.files.prefix, unused=model.unused)
        return model.eval()

    @classmethod
    def read(cls, name: str | Path) -> tuple[BERTConfig, Published]:
        """The configuration and the weights of that name, these as a published file has them."""
        from tfedu import hub, weights

        kind = cls.files.prefix.removesuffix(".")
        if Path(name).is_file() or (weights.data_dir() / "checkpoints" / f"{name}.safetensors").is_file():
            own = weights.load(name)
            if not own.kind.lower().startswith(kind):
                raise weights.CheckpointError(f"{own.path} holds a {own.kind}, not a {cls.__name__}.")
            tensors = {cls.files.theirs(ours): tensor for ours, tensor in own.tensors.items()}
            return BERTConfig(**own.config), hub.Published(own.path, {}, tensors)
        found = hub.published(name)
        found.require(kind)
        try:
            config = cls.files.read(found.config)
        except (KeyError, ValueError) as error:
            raise weights.CheckpointError(f"{found.folder}/config.json: {error}.") from error
        tensors = {one.removeprefix(cls.files.prefix): tensor for one, tensor in found.tensors.items()}
        vectors, (matrix, bias) = cls.files.theirs("embeddings.tokens.weight"), cls.files.tied
        if matrix in tensors and vectors in tensors and not torch.equal(tensors[matrix], tensors[vectors]):
            raise weights.CheckpointError(
                f"{found.folder}: {matrix} is not {vectors}; here they are one matrix."
            )
        if bias in tensors:
            tensors.setdefault(cls.files.theirs("masked_word.bias"), tensors[bias])
        has_pooler = any(one.startswith("pooler.") for one in tensors)
        return replace(config, pooler=has_pooler), replace(found, tensors=tensors)

    @property
    def names(self) -> dict[str, str]:
        """The published name of each weight, to ours."""
        return {self.files.theirs(ours): ours for ours in self.state_dict()}

    def unused(self, theirs: str) -> bool:
        """Whether a published weight is left out on purpose: a buffer of 0, 1, 2, ..., a copy, another head."""
        mine = tuple(head for head in self.files.heads if any(name.startswith(head) for name in self.names))
        others = tuple(head for head in self.files.heads if head not in mine)
        return theirs.endswith("position_ids") or theirs in self.files.tied or theirs.startswith(others)

    def save_pretrained(self, folder: str | Path, tokenizer: str | None = None) -> None:
        """Write a folder that `from_pretrained`, here and in transformers, reads.

        Args:
            folder: made if need be.
            tokenizer: the text of tokenizer.json, such as `tfedu.data.wordpiece.WordPiece.to_json` gives.
        """
        from tfedu import hub

        hub.publish(
            folder,
            self,
            self.names,
            {"architectures": [self.architecture], **self.files.write(self.config)},
            prefix="" if isinstance(self, BERT) else self.files.prefix,
            bare=lambda name: name.startswith(tuple(h for h in self.files.heads if h != "pooler.")),
            tokenizer=tokenizer,
        )

    @property
    def attentions(self) -> list[str]:
        """What a trace calls the maps, the first layer's first."""
        return [name for name, part in self.named_modules() if isinstance(part, MultiHeadAttention)]


class BERT(Pretrained):
    """The body: from tokens to vectors.

    Args:
        config: its size.
        mechanism: makes the mechanism of each attention: any for queries and keys of width D / heads.
    """

    architecture = "BertModel"

    def __init__(self, config: BERTConfig, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config, mechanism) for _ in range(config.layers))
        self.pooler = nn.Linear(config.width, config.width) if config.pooler else None
        self.apply(initialise)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"] | Bool[Tensor, "#B T T"] | None = None,
        types: Int[Tensor, "B T"] | None = None,
    ) -> Encoded:
        """The tokens' vectors and the pooled one: ``tanh`` of a linear map of the first token's.

        Args:
            tokens: ids, [CLS] first.
            mask: which tokens are real, or for each query which it may see; None means all.
            types: the segment of each, 0 or 1; all 0 unless given.
        """
        if mask is not None and mask.dim() == 2 and mask.shape == tokens.shape:
            mask = rearrange(mask, "b s -> b 1 s")
        x = self.embeddings(tokens, types)
        for layer in self.layers:
            x = layer(x, mask)
        return Encoded(x, None if self.pooler is None else torch.tanh(self.pooler(x[:, 0])))


class BERTForMaskedLM(Pretrained):
    """BERT that fills in the blanks; it has no pooler."""

    architecture = "BertForMaskedLM"

    def __init__(self, config: BERTConfig, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__()
        self.config = replace(config, pooler=False)
        self.bert = BERT(self.config, mechanism)
        self.masked_word = MaskedWord(config)
        self.masked_word.apply(initialise)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"] | Bool[Tensor, "#B T T"] | None = None,
        types: Int[Tensor, "B T"] | None = None,
        at: Bool[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B T V"] | Float[Tensor, "N V"]:
        """Logits of the word at each place, or at the N places where `at` is True, sentence by sentence."""
        x = self.bert(tokens, mask, types).tokens
        return self.masked_word(x if at is None else x[at], self.bert.embeddings.tokens.weight)


class BERTForPreTraining(Pretrained):
    """BERT as it was pre-trained: the masked words, and whether the second sentence follows the first."""

    architecture = "BertForPreTraining"

    def __init__(self, config: BERTConfig, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__()
        self.config = replace(config, pooler=True)
        self.bert = BERT(self.config, mechanism)
        self.masked_word = MaskedWord(config)
        self.next_sentence = nn.Linear(config.width, 2)
        self.masked_word.apply(initialise)
        self.next_sentence.apply(initialise)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"] | Bool[Tensor, "#B T T"] | None = None,
        types: Int[Tensor, "B T"] | None = None,
        at: Bool[Tensor, "B T"] | None = None,
    ) -> PreTraining:
        """Logits of the words, as in `BERTForMaskedLM`, and of "follows" (0) and "random" (1)."""
        x, pooled = self.bert(tokens, mask, types)
        words = self.masked_word(x if at is None else x[at], self.bert.embeddings.tokens.weight)
        return PreTraining(words, self.next_sentence(pooled))


class BERTForSequenceClassification(Pretrained):
    """BERT with a linear classifier on the pooled vector, to be fine-tuned whole (section 4.1)."""

    architecture = "BertForSequenceClassification"

    def __init__(self, config: BERTConfig, mechanism: Callable[[], Mechanism] = DotProduct) -> None:
        super().__init__()
        self.config = replace(config, pooler=True)
        self.bert = BERT(self.config, mechanism)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.width, config.classes)
        self.classifier.apply(initialise)

    @classmethod
    def from_pretrained(cls, name: str | Path, classes: int | None = None) -> Self:
        """As the others do; with `classes`, the classifier starts anew, and the pooler where the file has none."""
        config, found = cls.read(name)
        model = cls(config if classes is None else replace(config, classes=classes))
        if classes is not None:
            fresh = {
                n: model.state_dict()[o] for n, o in model.names.items() if n.startswith(cls.files.heads)
            }
            kept = {n: t for n, t in found.tensors.items() if not n.startswith("classifier.")}
            found = replace(found, tensors=fresh | kept)
        found.fill(model, model.names, prefix=cls.files.prefix, unused=model.unused)
        return model.eval()

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"] | Bool[Tensor, "#B T T"] | None = None,
        types: Int[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B C"]:
        """Logits of the classes."""
        return self.classifier(self.dropout(self.bert(tokens, mask, types).pooled))


def initialise(module: nn.Module) -> None:
    """A normal distribution of deviation 0.02, as the authors' code has it (theirs is cut at two deviations)."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.02, a=-0.04, b=0.04)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, Learned):
        nn.init.trunc_normal_(module.table, std=0.02, a=-0.04, b=0.04)


_CONFIG = {
    "vocabulary": "vocab_size", "width": "hidden_size", "layers": "num_hidden_layers", "heads": "num_attention_heads",
    "feed_forward": "intermediate_size", "dropout": "hidden_dropout_prob", "longest": "max_position_embeddings",
    "token_types": "type_vocab_size", "eps": "layer_norm_eps",
}  # fmt: skip
#: What else config.json may say, and the only thing that this file implements.
_ONLY = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False} | {
    "add_cross_attention": False, "tie_word_embeddings": True
}  # fmt: skip


def _read(config: Mapping[str, Any]) -> BERTConfig:
    for name, only in _ONLY.items():
        if config.get(name, only) != only:
            raise ValueError(f"{name} is {config[name]!r}, but this BERT knows only {only!r}")
    known = {ours: config[theirs] for ours, theirs in _CONFIG.items() if theirs in config}
    if missing := [
        theirs for ours, theirs in _CONFIG.items() if ours in ("vocabulary", "width") and ours not in known
    ]:
        raise KeyError(f"it lacks {', '.join(missing)}")
    return BERTConfig(**known, classes=len(config.get("id2label", "01")))


def _write(config: BERTConfig) -> dict[str, Any]:
    sizes = {theirs: getattr(config, ours) for ours, theirs in _CONFIG.items()}
    labels = {f"LABEL_{i}": i for i in range(config.classes)}
    return {"model_type": "bert", **sizes, **_ONLY, "label2id": labels} | {
        "id2label": {str(i): label for label, i in labels.items()}
    }


Pretrained.files = Files(
    prefix="bert.",
    names={
        "embeddings.tokens": "embeddings.word_embeddings",
        "embeddings.positions.table": "embeddings.position_embeddings.weight",
        "embeddings.types": "embeddings.token_type_embeddings",
        "embeddings.norm": "embeddings.LayerNorm",
        "layers.": "encoder.layer.",
        "self_attention.output": "attention.output.dense",
        "self_attention": "attention.self",
        "attention_norm": "attention.output.LayerNorm",
        "inner": "intermediate.dense",
        "outer": "output.dense",
        "feed_forward_norm": "output.LayerNorm",
        "pooler": "pooler.dense",
        "masked_word.bias": "cls.predictions.bias",
        "masked_word": "cls.predictions.transform",
        "transform.norm": "transform.LayerNorm",
        "next_sentence": "cls.seq_relationship",
    },
    heads=("cls.predictions.", "cls.seq_relationship.", "classifier.", "pooler."),
    tied=("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"),
    read=_read,
    write=_write,
)
