"""GPT: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", and Radford et al. 2019,
"Language Models are Unsupervised Multitask Learners" (GPT-2).

The decoder of the Transformer without its look across: token and position vectors, layers of causal self-attention
and a feed-forward network, and the token vectors once more, which score the next token. GPT-2 moves each LayerNorm
before its sublayer and adds one at the end (2019, section 2.3): ``norm="pre"``. GPT-1 has them after the sum, as in
2017: ``norm="post"``. Both learn their positions and use the tanh form of GELU (Hendrycks and Gimpel 2016).

Where we deviate: no dropout on the attention weights, which costs more than it gives. Published weights of either
model load, and ours can be written as theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfedu.attention import Causal, KeysValues
from tfedu.blocks.beam import evaluating
from tfedu.blocks.positions import Learned


@dataclass(frozen=True)
class GPTConfig:
    """The size and kind of a GPT; the defaults are GPT-2's smallest, but for the vocabulary (50,257 there).

    Attributes:
        vocabulary: token types.
        context: the longest text it can see; each place has a learned vector.
        width: D, of everything between the layers.
        layers: how many.
        heads: of each attention.
        feed_forward: width inside the feed-forward networks; 4 D unless given.
        dropout: on each sublayer's output, and on the sums of token and position vectors.
        norm: LayerNorm before each sublayer and at the end ("pre", GPT-2), or after each sum ("post", GPT-1).
        eps: added to the variance in each LayerNorm.
        initial: standard deviation of the first weights. The papers' 0.02 is about half of ``width**-0.5`` at 768;
            a narrow model begins more quickly with more.
    """

    vocabulary: int
    context: int = 1024
    width: int = 768
    layers: int = 12
    heads: int = 12
    feed_forward: int | None = None
    dropout: float = 0.1
    norm: Literal["pre", "post"] = "pre"
    eps: float = 1e-5
    initial: float = 0.02

    def __post_init__(self) -> None:
        if self.norm not in ("pre", "post"):
            raise ValueError(f"norm is {self.norm!r}; choose one of pre, post.")
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(
                f"{self.heads} heads do not divide a width of {self.width}; each head is width / heads wide."
            )


#: The text so far, as each layer's attention sees it.
Past = tuple[KeysValues, ...]


class SelfAttention(nn.Module):
    """Causal multi-head self-attention; one matrix makes queries, keys and values (one product is quicker)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.mechanism = Causal()

    def forward(
        self, x: Float[Tensor, "B T D"], past: KeysValues | None = None
    ) -> tuple[Float[Tensor, "B T D"], KeysValues]:
        """What each token gathers from those up to it, and the keys and values of all so far."""
        made = rearrange(self.query_key_value(x), "b t (n h k) -> n b h t k", n=3, h=self.heads)
        q, k, v = made.unbind()  # (B, H, T, K) each
        if past is not None:
            k, v = torch.cat([past.keys, k], dim=2), torch.cat([past.values, v], dim=2)
        gathered = self.mechanism(q, k, v)
        return self.output(rearrange(gathered, "b h t k -> b t (h k)")), KeysValues(k, v)


class FeedForward(nn.Module):
    """``W_2 gelu(W_1 x + b_1) + b_2``: each token by itself."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        hidden = config.feed_forward or 4 * config.width
        self.inner, self.outer = nn.Linear(config.width, hidden), nn.Linear(hidden, config.width)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """See the class."""
        return self.outer(F.gelu(self.inner(x), approximate="tanh"))


class Layer(nn.Module):
    """Each token looks back, then thinks by itself; both times the result is added to it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.attention, self.feed_forward = SelfAttention(config), FeedForward(config)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.eps)
        self.feed_forward_norm = nn.LayerNorm(config.width, eps=config.eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], past: KeysValues | None = None
    ) -> tuple[Float[Tensor, "B T D"], KeysValues]:
        """The tokens, each in the light of those before it, and the keys and values of all so far."""
        y, seen = self.attention(self.attention_norm(x) if self.pre else x, past)
        x = x + self.dropout(y)
        if self.pre:
            return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), seen
        x = self.attention_norm(x)
        return self.feed_forward_norm(x + self.dropout(self.feed_forward(x))), seen


class GPT(nn.Module):
    """A language model: at each place of a text, the odds of the token that comes next."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = Learned(config.context, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        # A post-norm layer ends with a norm already.
        self.norm = nn.LayerNorm(config.width, eps=config.eps) if config.norm == "pre" else nn.Identity()
        self.apply(partial(_initialise, std=config.initial))
        if config.norm == "pre":  # each layer adds twice to the stream: keep the sum's variance (2019, 2.3)
            for layer in self.layers:
                for last in (layer.attention.output, layer.feed_forward.outer):  # type: ignore[union-attr]
                    nn.init.normal_(last.weight, std=config.initial / math.sqrt(2 * config.layers))  # type: ignore

    @classmethod
    def from_pretrained(cls, name: str | Path) -> GPT:
        """A trained model: a shipped checkpoint by name, one of ours by its path, or published weights.

        Args:
            name: ``"gpt-shakespeare-seed0"``, a safetensors file, a folder as `transformers` writes it, or a
                repository on the Hugging Face hub such as ``"openai-community/gpt2"``.

        Raises:
            tfedu.weights.CheckpointError: if it is missing, damaged, or holds another model.
        """
        from tfedu import hub, weights

        if Path(name).is_dir() or ("/" in str(name) and not str(name).endswith(".safetensors")):
            found = hub.published(name)
            model = cls(_config_of(found))
            table, transposed = _names(model.config)
            found.fill(model, table, prefix="transformer.", transposed=transposed, unused=_unused)
        else:
            checkpoint = weights.load(name, kind="GPT")
            model = cls(GPTConfig(**checkpoint.config))
            checkpoint.fill(model)
        return model.eval()

    def save_pretrained(self, folder: str | Path, tokenizer: str | None = None) -> None:
        """Write a folder that `from_pretrained` and transformers' GPT2LMHeadModel (GPT-1: OpenAIGPTLMHeadModel) read.

        Args:
            folder: made if need be.
            tokenizer: the text of its ``tokenizer.json``, if there is one.
        """
        from tfedu import hub

        table, transposed = _names(self.config)
        config = _published_config(self.config)
        hub.publish(
            folder, self, table, config, prefix="transformer.", transposed=transposed, tokenizer=tokenizer
        )

    def hidden(
        self, tokens: Int[Tensor, "B T"], past: Past | None = None
    ) -> tuple[Float[Tensor, "B T D"], Past]:
        """What stands at each of `tokens`, which go on from `past`, after the last layer; and the new past.

        Raises:
            ValueError: if the text grows longer than the context.
        """
        start = 0 if past is None else past[0].keys.shape[2]
        x = self.dropout(self.positions(self.tokens(tokens), start))
        now = []
        for number, layer in enumerate(self.layers):
            x, seen = layer(x, None if past is None else past[number])
            now.append(seen)
        return self.norm(x), tuple(now)

    def decode(
        self, tokens: Int[Tensor, "B T"], past: Past | None = None
    ) -> tuple[Float[Tensor, "B T V"], Past]:
        """Logits of the token after each of `tokens`, which go on from `past`, and the new past."""
        x, now = self.hidden(tokens, past)
        return F.linear(x, self.tokens.weight), now

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Logits of the token after each of `tokens`."""
        return self.decode(tokens)[0]

    @torch.no_grad()
    def generate(
        self,
        prompt: Int[Tensor, "B T"],
        length: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        never: Sequence[int] = (),
        seed: int | None = None,
    ) -> Int[Tensor, "B T+length"]:
        """The prompts, each with `length` more tokens, drawn one after the other.

        When the context is full, its older half is forgotten and the newer half read anew: learned positions
        cannot slide.

        Args:
            prompt: at least one token each.
            length: tokens to write.
            temperature, top_k, top_p: see `distribution`; temperature 0 always takes the likeliest token.
            never: ids that must not be written.
            seed: of the draws; torch's own random numbers unless given.

        Raises:
            ValueError: for an empty prompt, a negative length, or a setting that `distribution` refuses.
        """
        if prompt.shape[1] < 1 or length < 0:
            raise ValueError(
                f"a prompt of {prompt.shape[1]} tokens and {length} more to write: begin with at least one."
            )
        dice = None if seed is None else torch.Generator(prompt.device).manual_seed(seed)
        longest, past = self.config.context, None
        text, unread = prompt, prompt[:, -longest:]
        with evaluating(self):
            for _ in range(length):
                if past is not None and past[0].keys.shape[2] + 1 > longest:
                    past, unread = None, text[:, -max(1, longest // 2) :]
                x, past = self.hidden(unread, past)
                logits = F.linear(x[:, -1], self.tokens.weight).float()
                logits[:, list(never)] = -torch.inf
                odds = distribution(logits, temperature, top_k, top_p)
                unread = odds.argmax(-1, True) if temperature == 0 else odds.multinomial(1, generator=dice)
                text = torch.cat([text, unread], dim=1)
        return text


def distribution(
    logits: Float[Tensor, "*batch V"],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Float[Tensor, "*batch V"]:
    """The odds from which the next token is drawn.

    Args:
        logits: of each token.
        temperature: divides the logits: below 1 the likely tokens gain, above 1 the others; at 0 the likeliest
            has everything.
        top_k: keep only this many of the likeliest (Fan et al. 2018); what ties with the last of them stays.
        top_p: of what is left keep the smallest set, likeliest first, that holds at least this much probability
            (nucleus sampling, Holtzman et al. 2020).

    Raises:
        ValueError: for a temperature below 0, a `top_k` below 1, or a `top_p` outside (0, 1].
    """
    if temperature < 0 or (top_k is not None and top_k < 1) or not (top_p is None or 0 < top_p <= 1):
        raise ValueError(
            f"temperature {temperature} must be at least 0, top_k {top_k} at least 1, and top_p {top_p} "
            "above 0 and at most 1."
        )
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        least = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    odds = logits.softmax(dim=-1)
    if top_p is not None and top_p < 1:
        ordered, order = odds.sort(dim=-1, descending=True, stable=True)
        before = ordered.cumsum(dim=-1) - ordered  # what the likelier ones hold together
        kept = ordered.masked_fill(before >= top_p, 0)
        odds = torch.zeros_like(odds).scatter(-1, order, kept)
        odds = odds / odds.sum(dim=-1, keepdim=True)
    return odds


def _initialise(module: nn.Module, std: float) -> None:
    """Normal (2018, section 4.1); biases zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    elif isinstance(module, Learned):
        nn.init.normal_(module.table, std=std)


#: Where the parts of a published layer are in ours; their matrices (Conv1D) lie the other way round.
_LAYER = {
    "attn.c_attn": "attention.query_key_value",
    "attn.c_proj": "attention.output",
    "mlp.c_fc": "feed_forward.inner",
    "mlp.c_proj": "feed_forward.outer",
    "ln_1": "attention_norm",
    "ln_2": "feed_forward_norm",
}


def _names(config: GPTConfig) -> tuple[dict[str, str], set[str]]:
    """The published names of our weights, and which of the matrices are transposed."""
    tokens, positions = ("wte", "wpe") if config.norm == "pre" else ("tokens_embed", "positions_embed")
    table = {f"{tokens}.weight": "tokens.weight", f"{positions}.weight": "positions.table"}
    if config.norm == "pre":
        table |= {"ln_f.weight": "norm.weight", "ln_f.bias": "norm.bias"}
    table |= {
        f"h.{number}.{theirs}.{kind}": f"layers.{number}.{ours}.{kind}"
        for number in range(config.layers)
        for theirs, ours in _LAYER.items()
        for kind in ("weight", "bias")
    }
    return table, {name for name in table if ".c_" in name and name.endswith("weight")}


def _unused(name: str) -> bool:
    """Stored triangles, which are no weights, and the output matrix, which is that of the tokens."""
    return name.endswith((".attn.bias", ".attn.masked_bias")) or name == "lm_head.weight"


def _config_of(found: Any) -> GPTConfig:
    """The size and kind that a published ``config.json`` states, as a `tfedu.hub.Published` has it."""
    from tfedu.weights import CheckpointError

    found.require("gpt2", "openai-gpt")
    theirs = found.config
    second = theirs["model_type"] == "gpt2"
    activation = theirs.get("activation_function", "gelu_new") if second else theirs.get("afn", "gelu")
    known = {
        "activation_function" if second else "afn": (
            activation,
            ("gelu_new", "gelu_pytorch_tanh") if second else ("gelu",),
        ),
        "scale_attn_weights": (theirs.get("scale_attn_weights", True), (True,)),
        "scale_attn_by_inverse_layer_idx": (theirs.get("scale_attn_by_inverse_layer_idx", False), (False,)),
        "add_cross_attention": (theirs.get("add_cross_attention", False), (False,)),
        "tie_word_embeddings": (theirs.get("tie_word_embeddings", True), (True,)),
    }
    if other := [f"{name} = {value!r}" for name, (value, ours) in known.items() if value not in ours]:
        raise CheckpointError(f"{found.folder} is no plain GPT: {', '.join(other)} is not supported here.")
    return GPTConfig(
        theirs["vocab_size"],
        theirs["n_positions"],
        theirs["n_embd"],
        theirs["n_layer"],
        theirs["n_head"],
        theirs.get("n_inner"),
        theirs.get("resid_pdrop", 0.1),
        "pre" if second else "post",
        theirs.get("layer_norm_epsilon", 1e-5),
        theirs.get("initializer_range", 0.02),
    )


def _published_config(config: GPTConfig) -> dict[str, Any]:
    """`_config_of` in the other direction."""
    second = config.norm == "pre"
    if not second and config.feed_forward not in (None, 4 * config.width):
        raise ValueError("a published GPT-1 has feed-forward networks of four times its width.")
    end = 50_256 if config.vocabulary == 50_257 else None  # OpenAI's last token ends a text; ours have none
    return {
        "model_type": "gpt2" if second else "openai-gpt",
        "architectures": ["GPT2LMHeadModel" if second else "OpenAIGPTLMHeadModel"],
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "attn_pdrop": 0.0,
        "layer_norm_epsilon": config.eps,
        "initializer_range": config.initial,
        "bos_token_id": end,
        "eos_token_id": end,
    } | ({"n_inner": config.feed_forward, "activation_function": "gelu_new"} if second else {"afn": "gelu"})
