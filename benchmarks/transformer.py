"""Is the book's Transformer as quick as the libraries' own, at the paper's base size?

Vaswani et al. 2017, table 3: width 512, 8 heads, 6 layers on each side, feed-forward 2048; here with a vocabulary of
1,000, so that the time goes where the architectures are, and without dropout, which the libraries put in different
places. All run in one process, by turns, each turn in another order. A training step is forward, loss and backward.

The peers are the same architecture: the same numbers of weights in the layers, checked before anything is timed.
x-transformers has no layer with a norm after the residual in its usual form, so its model is pre-norm, and beside it
ours is too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.result import Absent, Result, Row
from benchmarks.turns import by_turns
from tfedu.models.transformer import Transformer, TransformerConfig
from tfedu.trace import trace

WORDS, D, HEADS, LAYERS, HIDDEN = 1000, 512, 8, 6, 2048
SIZES = {"cpu": (4, 64), "cuda": (64, 128)}  # sentences, words of each
WARM, TURNS = 2, 9
NO_SLOWER, COMPILED = 1.05, 1 / 1.1  # under 5 % is a tie

#: A model: source (B, S) and target (B, T) to logits (B, T, V).
Model = nn.Module


class Peer(nn.Module):
    """torch.nn.Transformer between our token vectors and our scores of the next word."""

    def __init__(self) -> None:
        super().__init__()
        self.frame = Transformer(TransformerConfig(WORDS, WORDS, dropout=0, layers=0))
        self.body = nn.Transformer(D, HEADS, LAYERS, LAYERS, HIDDEN, dropout=0, batch_first=True)
        self.body.encoder.norm = self.body.decoder.norm = None  # the paper's layers end with a norm already

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        T = target.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(T, device=target.device, dtype=self.dtype)
        x = self.body(self.frame.source(source), self.frame.target(target), tgt_mask=mask, tgt_is_causal=True)
        return F.linear(x, self.frame.target.tokens.weight)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.frame.target.tokens.weight.dtype


class Marian(nn.Module):
    """transformers' MarianMT: a Transformer as the paper has it, with sinusoidal positions and norms at the end."""

    def __init__(self, attention: str) -> None:
        super().__init__()
        from transformers import MarianConfig, MarianMTModel

        self.body = MarianMTModel(
            MarianConfig(
                vocab_size=WORDS, d_model=D, encoder_layers=LAYERS, decoder_layers=LAYERS, dropout=0,
                encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, activation_function="relu",
                encoder_ffn_dim=HIDDEN, decoder_ffn_dim=HIDDEN, scale_embedding=True, pad_token_id=0,
                decoder_start_token_id=0, eos_token_id=1, max_position_embeddings=256,
                share_encoder_decoder_embeddings=False, tie_word_embeddings=True, use_cache=False,
                attn_implementation=attention,
            )
        )  # fmt: skip

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        return self.body(input_ids=source, decoder_input_ids=target).logits


class Lucid(nn.Module):
    """x-transformers' encoder and decoder, with its fused attention."""

    def __init__(self) -> None:
        super().__init__()
        from x_transformers import Decoder, Encoder

        kind = {"dim": D, "depth": LAYERS, "heads": HEADS, "attn_dim_head": D // HEADS, "ff_mult": HIDDEN // D,
                "attn_flash": True}  # fmt: skip
        self.frame = Transformer(TransformerConfig(WORDS, WORDS, dropout=0, layers=0, norm="pre"))
        self.encoder, self.decoder = Encoder(**kind), Decoder(**kind, cross_attend=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits."""
        x = self.decoder(self.frame.target(target), context=self.encoder(self.frame.source(source)))
        return F.linear(x, self.frame.target.tokens.weight)


def run() -> Result:
    """Measure, on the graphics card too where there is one.

    Raises:
        Absent: a peer is not installed.
    """
    try:
        versions = {name: version(name) for name in ("transformers", "x-transformers")}
    except PackageNotFoundError as missing:
        raise Absent(f"{missing.name} is not here: pip install 'tfedu[bench]'.") from missing
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rows = [row for device in devices for row in _rows(device)]
    setup = {
        "threads": torch.get_num_threads(), "warm_up": WARM, "repetitions": TURNS, "dropout": 0, "vocabulary": WORDS,
        **{f"sentences and words, {device}": SIZES[device] for device in devices},
    }  # fmt: skip
    question = "Is the book's Transformer as quick as the libraries' own, at the paper's base size?"
    return Result(question, "peer", rows, versions, setup)


def contenders() -> dict[str, Model]:
    """Ours and the peers, checked to be one architecture.

    Raises:
        RuntimeError: if a peer's layers hold another number of weights.
    """
    torch.manual_seed(0)
    models: dict[str, Model] = {
        "ours": Transformer(TransformerConfig(WORDS, WORDS, dropout=0)),
        "ours, pre-norm": Transformer(TransformerConfig(WORDS, WORDS, dropout=0, norm="pre")),
        "torch.nn.Transformer": Peer(),
        "transformers, sdpa": Marian("sdpa"),
        "transformers, eager": Marian("eager"),
        "x-transformers, flash": Lucid(),
    }
    wanted = matrices(models["ours"])
    for name, model in models.items():
        if matrices(model) != wanted:
            raise RuntimeError(f"{name} multiplies by {matrices(model):,} weights, ours by {wanted:,}.")
    return models


def matrices(model: Model) -> int:
    """The entries of the matrices inside the layers: of all but token vectors, positions, biases and norms."""
    found = 0
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and weight.shape[0] % WORDS and "position" not in name:
            found += weight.numel()
    return found


def _rows(device: str) -> Iterator[Row]:
    B, T = SIZES[device]
    models = {name: model.to(device) for name, model in contenders().items()}
    if device == "cuda":
        models = {name: model.to(torch.bfloat16) for name, model in models.items()}
    models["ours, compiled"] = torch.compile(models["ours"])  # type: ignore[assignment]
    source, target, wanted = (torch.randint(2, WORDS, (B, T), device=device) for _ in range(3))
    place = f"{device}, {'bf16' if device == 'cuda' else 'fp32'}, {B} × {T}"
    ours = models["ours"]

    def forward(model: Model) -> None:
        with torch.no_grad():
            model(source, target)

    def training(model: Model) -> None:
        logits = model(source, target)
        F.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten()).backward()
        model.zero_grad(set_to_none=True)

    for what, work in (("forward", forward), ("training step", training)):
        for model in models.values():
            model.train(what != "forward")
        jobs: dict[str, Callable[[], Any]] = {name: partial(work, model) for name, model in models.items()}
        jobs["bare products"] = _bare(B, T, device, backward=what != "forward")
        if what == "forward":
            jobs["ours, traced"] = partial(_traced, ours, source, target)
        times = by_turns(jobs, device, warm=WARM, turns=TURNS)
        for name in models:
            if name.startswith("ours"):
                continue
            mine = "ours, pre-norm" if name.startswith("x-") else "ours"
            yield Row.timed(f"{what}, {place}", f"beside {name}", times[mine], times[name], limit=NO_SLOWER)
            yield Row.timed(
                f"{what}, {place}", f"compiled, beside {name}", times["ours, compiled"], times[name], limit=COMPILED
            )  # fmt: skip
        yield Row.timed(
            f"{what}, {place}", "beside the bare matrix products", times["ours"], times["bare products"]
        )
        if what == "forward":
            yield Row.timed(
                f"{what}, {place}", "traced, beside not traced", times["ours, traced"], times["ours"]
            )


def _traced(model: Model, source: Tensor, target: Tensor) -> None:
    with torch.no_grad(), trace(model):
        model(source, target)


def _bare(B: int, T: int, device: str, *, backward: bool) -> Callable[[], None]:
    """The matrix products of a run and nothing else: by weights, of queries with keys, of weights with values. A
    backward pass multiplies twice where a forward pass multiplies once."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32

    def pair(*shape: int) -> tuple[Tensor, Tensor]:
        *batch, m, k, n = shape
        return (torch.randn(*batch, m, k, device=device, dtype=dtype),
                torch.randn(*batch, k, n, device=device, dtype=dtype))  # fmt: skip

    square, up, down = pair(B * T, D, D), pair(B * T, D, HIDDEN), pair(B * T, HIDDEN, D)
    scores, gathered = pair(B * HEADS, T, D // HEADS, T), pair(B * HEADS, T, T, D // HEADS)
    output = pair(B * T, D, WORDS)
    attentions, sides = 3 * LAYERS, 2 * LAYERS
    times = 3 if backward else 1

    def products() -> None:
        for _ in range(times):
            for _ in range(4 * attentions):
                square[0] @ square[1]
            for _ in range(attentions):
                scores[0] @ scores[1]
                gathered[0] @ gathered[1]
            for _ in range(sides):
                up[0] @ up[1]
                down[0] @ down[1]
            output[0] @ output[1]

    return products
