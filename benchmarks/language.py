"""Are the book's BERT and GPT-2 as quick as the libraries' own, at the papers' sizes?

BERT-base on 8 texts of 128 tokens, and GPT-2's smallest on 4 of 256: the bodies, from token to vector, because that
is where the architectures are; without dropout, which the libraries put in different places. A training step is
forward, loss and backward. Then GPT-2 whole, with its 50,257 tokens, writes: greedily, with keys and values kept.
All run in one process, by turns, each turn in another order.

The peers hold as many weights in their layers as ours, checked before anything is timed. x-transformers leaves out the
biases of its attention, and has no norm after the residual in its usual form: its encoder is pre-norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.result import Absent, Result, Row
from benchmarks.turns import by_turns
from tfedu.models.bert import BERT, BERTConfig
from tfedu.models.gpt import GPT, GPTConfig

D, HEADS, LAYERS, HIDDEN = 768, 12, 12, 3072
SIZES = {
    "BERT-base": {"cpu": (8, 128), "cuda": (64, 128)},
    "GPT-2 small": {"cpu": (4, 256), "cuda": (32, 256)},
}
WORDS, GPT_WORDS = 30522, 50257
PROMPT, NEW, BATCHES = 32, 64, (1, 8)
WARM, TURNS, WRITING_TURNS = 2, {"forward": 15, "training step": 7}, 5
NO_SLOWER = 1.05  # under 5 % is a tie
KIND = {"dim": D, "depth": LAYERS, "heads": HEADS, "attn_dim_head": D // HEADS, "attn_flash": True}


class Body(nn.Module):
    """One way to call them all: token ids (B, T) to vectors (B, T, D)."""

    def __init__(self, module: nn.Module, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self.call = module, call

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors."""
        return self.call(self.module, tokens)


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
    rows: list[Row] = []
    rates: dict[str, str] = {}
    for device in devices:
        rows += [
            row
            for model, bodies in (("BERT-base", berts), ("GPT-2 small", gpts))
            for row in _bodies(model, bodies, device)
        ]
        rows += _writing(device, rates)
    setup = {
        "threads": torch.get_num_threads(), "warm_up": WARM, "dropout": 0,
        "repetitions": _list(TURNS),
        "generation": f"{PROMPT} tokens read, {NEW} written, {WRITING_TURNS} repetitions",
        "tokens written in a second": _list(rates),
    }  # fmt: skip
    question = "Are the book's BERT and GPT-2 as quick as the libraries' own, at the papers' sizes?"
    return Result(question, "peer", rows, versions, setup)


def _list(named: Mapping[str, object]) -> str:
    """For the line under the table."""
    return "; ".join(f"{name}: {value}" for name, value in named.items())


def berts() -> dict[str, Body]:
    """BERT-base: ours and the peers' bodies."""
    from transformers import BertConfig, BertModel
    from x_transformers import Encoder, TransformerWrapper

    torch.manual_seed(0)
    ours = BERT(BERTConfig(WORDS, dropout=0))
    settings = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0}
    models = {"ours": Body(ours, lambda model, tokens: model(tokens).tokens)}
    for attention in ("sdpa", "eager"):
        model = BertModel(BertConfig(attn_implementation=attention, **settings))
        models[f"transformers, {attention}"] = Body(model, lambda m, tokens: m(tokens).last_hidden_state)
    models["x-transformers, flash"] = Body(
        TransformerWrapper(num_tokens=WORDS, max_seq_len=512, attn_layers=Encoder(**KIND)),
        lambda m, tokens: m(tokens, return_embeddings=True),
    )
    return _checked(models)


def gpts() -> dict[str, Body]:
    """GPT-2's smallest: ours and the peers' bodies."""
    from transformers import GPT2Model
    from x_transformers import Decoder, TransformerWrapper

    torch.manual_seed(0)
    models = {"ours": Body(GPT(GPTConfig(GPT_WORDS, dropout=0)), lambda m, tokens: m.hidden(tokens)[0])}
    for attention in ("sdpa", "eager"):
        models[f"transformers, {attention}"] = Body(
            GPT2Model(_gpt2(attention)), lambda m, tokens: m(tokens, use_cache=False).last_hidden_state
        )
    models["x-transformers, flash"] = Body(
        TransformerWrapper(num_tokens=GPT_WORDS, max_seq_len=1024, attn_layers=Decoder(**KIND)),
        lambda m, tokens: m(tokens, return_embeddings=True),
    )
    return _checked(models)


def writers() -> dict[str, Callable[[Tensor], Any]]:
    """GPT-2's smallest, whole, as functions that go on with a prompt (B, T) by `NEW` tokens."""
    from transformers import GPT2LMHeadModel
    from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

    torch.manual_seed(0)
    ours = GPT(GPTConfig(GPT_WORDS, dropout=0)).eval()
    jobs: dict[str, Callable[[Tensor], Any]] = {
        "ours": lambda prompt: ours.generate(prompt, NEW, temperature=0)
    }
    for attention in ("sdpa", "eager"):
        theirs = GPT2LMHeadModel(_gpt2(attention)).eval()
        jobs[f"transformers, {attention}"] = partial(_generate, theirs)
    net = TransformerWrapper(
        num_tokens=GPT_WORDS, max_seq_len=1024, attn_layers=Decoder(**KIND), tie_embedding=True
    )
    lucid = AutoregressiveWrapper(net).eval()
    jobs["x-transformers, flash"] = lambda prompt: lucid.generate(prompt, NEW, temperature=0.0, cache_kv=True)
    return jobs


def _generate(model: Any, prompt: Tensor) -> Tensor:
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        pad_token_id=0,
    )
    return out


def _gpt2(attention: str) -> Any:
    from transformers import GPT2Config

    return GPT2Config(attn_implementation=attention, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)


def _checked(models: dict[str, Body]) -> dict[str, Body]:
    wanted = matrices(models["ours"])
    for name, model in models.items():
        if matrices(model) != wanted:
            raise RuntimeError(f"{name} multiplies by {matrices(model):,} weights, ours by {wanted:,}.")
    return models


def matrices(model: nn.Module) -> int:
    """The entries of the matrices inside the layers: of all but token vectors, positions, biases, norms, heads."""
    found = 0
    for name, weight in model.named_parameters():
        outside = ("emb", "wte", "wpe", "pooler", "position", "logits", "module.tokens")
        if weight.dim() == 2 and not any(part in name for part in outside):
            found += weight.numel()
    return found


def _bodies(model: str, bodies: Callable[[], dict[str, Body]], device: str) -> Iterator[Row]:
    B, T = SIZES[model][device]
    models = {name: body.to(device) for name, body in bodies().items()}
    if device == "cuda":
        models = {name: body.to(torch.bfloat16) for name, body in models.items()}
    for name in ("ours", "transformers, sdpa"):
        models[f"{name}, compiled"] = torch.compile(models[name])  # type: ignore[assignment]
    tokens = torch.randint(1000, (B, T), device=device)
    place = f"{device}, {'bf16' if device == 'cuda' else 'fp32'}, {B} × {T}"

    def forward(body: nn.Module) -> None:
        with torch.no_grad():
            body(tokens)

    def training(body: nn.Module) -> None:
        body(tokens).float().square().mean().backward()
        body.zero_grad(set_to_none=True)

    for what, work in (("forward", forward), ("training step", training)):
        for body in models.values():
            body.train(what != "forward")
        times = by_turns(
            {name: partial(work, body) for name, body in models.items()}, device, warm=WARM, turns=TURNS[what]
        )
        case = f"{model}, {what}, {place}"
        for name in models:
            if name.startswith("ours"):
                continue
            if not name.endswith("compiled"):
                yield Row.timed(case, f"beside {name}", times["ours"], times[name], limit=NO_SLOWER)
            limit = NO_SLOWER if name.endswith("compiled") else None
            yield Row.timed(
                case, f"compiled, beside {name}", times["ours, compiled"], times[name], limit=limit
            )


def _writing(device: str, rates: dict[str, str]) -> Iterator[Row]:
    jobs = writers()
    for batch in BATCHES:
        prompt = torch.randint(1000, (batch, PROMPT), device=device)
        times = by_turns(
            {name: partial(job, prompt) for name, job in jobs.items()}, device, warm=1, turns=WRITING_TURNS
        )
        for name, taken in times.items():
            rates[f"{name}, batch {batch}, {device}"] = (
                f"{1000 * batch * NEW / sorted(taken)[len(taken) // 2]:.1f}"
            )
            if name != "ours":
                each = ([one / NEW for one in times[key]] for key in ("ours", name))
                yield Row.timed(
                    f"GPT-2 small writes, {device}, fp32, batch {batch}", f"one token, beside {name}", *each, limit=1.0
                )  # fmt: skip
