"""The exercises of chapter 9: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from tfedu.exercises import gpt as exercise

# --- 1. parameters ---------------------------------------------------------------------------------------

LAYER = sum(
    [
        2 * 768,  # a norm
        768 * 2304 + 2304,
        768 * 768 + 768,
        2 * 768,
        768 * 3072 + 3072,
        3072 * 768 + 768,
    ]
)
TOTAL = 50_257 * 768 + 1024 * 768 + 12 * LAYER + 2 * 768


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("tied", TOTAL + 50_257 * 768),
        ("positions are missing", TOTAL - 1024 * 768),
        ("one more at the end", TOTAL - 2 * 768),
        ("LayerNorms are missing", TOTAL - 25 * 2 * 768),
        ("biases are missing", TOTAL - 12 * (2304 + 768 + 3072 + 768)),
        ("inside the layers alone", 12 * LAYER),
        ("feed-forward networks are missing", TOTAL - 12 * (2 * 768 * 3072 + 3072 + 768)),
        ("rounded", 124_000_000),
        ("by mistake", 117_000_000),
    ],
)
def test_each_known_mistake_of_parameters_gets_its_own_diagnosis(words, wrong):
    verdict = exercise.parameters(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_parameters():
    assert TOTAL == 124_439_808
    assert exercise.parameters(TOTAL)
    assert exercise.parameters(...).state == "not started"


# --- 2. causal weights -----------------------------------------------------------------------------------


def causal_weights(scores):
    rows = [F.pad(row[: t + 1].softmax(0), (0, len(scores) - t - 1)) for t, row in enumerate(scores)]
    return torch.stack(rows)


def forbid(scores, where):
    return scores.masked_fill(where, float("-inf")).softmax(-1)


LATER = {n: torch.ones(n, n).triu(1).bool() for n in (4, 6)}
CAUSAL = {
    "after the softmax": lambda s: s.softmax(-1) * (~LATER[len(s)]),
    "scores to 0": lambda s: (s * (~LATER[len(s)])).softmax(-1),
    "sees nothing at all": lambda s: forbid(s, torch.ones_like(s).triu(0).bool()),
    "one place too many": lambda s: forbid(s, torch.ones_like(s).triu(2).bool()),
    "turned over": lambda s: forbid(s, LATER[len(s)].T),
    "ran over the queries": lambda s: s.masked_fill(LATER[len(s)], float("-inf")).softmax(0),
    "Nothing is masked": lambda s: torch.softmax(s, 1),
}


# --- 3. the loss -----------------------------------------------------------------------------------------


def next_token_loss(logits, tokens):
    log_p = logits[:, :-1].log_softmax(-1)
    return -log_p.gather(2, tokens[:, 1:, None]).mean()


def entropy(logits, tokens, **options):
    return F.cross_entropy(logits.transpose(1, 2), tokens, **options)


LOSS = {
    "learns to copy": entropy,
    "token *before*": lambda x, y: entropy(x[:, 1:], y[:, :-1]),
    "are rolled": lambda x, y: entropy(x, torch.cat([y[:, 1:], y[:, :1]], 1)),
    "shift by two": lambda x, y: entropy(x[:, :-2], y[:, 2:]),
    "add the places up": lambda x, y: entropy(x[:, :-1], y[:, 1:], reduction="sum"),
    "in bits": lambda x, y: next_token_loss(x, y) / math.log(2),
    "sign is turned": lambda x, y: -next_token_loss(x, y),
}


# --- 4. the nucleus --------------------------------------------------------------------------------------


def nucleus(logits, temperature, p):
    odds = (logits / temperature).softmax(-1)
    kept, held = torch.zeros_like(odds), 0.0
    for token in odds.argsort(descending=True):
        if held >= p:
            break
        kept[token], held = odds[token], held + odds[token]
    return kept / kept.sum()


def short(logits, temperature, p):
    odds = (logits / temperature).softmax(-1)
    kept, held = torch.zeros_like(odds), 0.0
    for token in odds.argsort(descending=True):
        held += odds[token]
        if held > p:
            break
        kept[token] = odds[token]
    return kept / kept.sum()


def from_below(logits, temperature, p):
    odds = (logits / temperature).softmax(-1)
    kept, held = torch.zeros_like(odds), 0.0
    for token in odds.argsort():
        if held >= p:
            break
        kept[token], held = odds[token], held + odds[token]
    return kept / kept.sum()


def heated_late(logits, temperature, p):
    kept = nucleus(logits, 1.0, p) ** (1 / temperature)
    return kept / kept.sum()


NUCLEUS = {
    "carries the sum": short,
    "does not sum to 1": lambda x, t, p: (x / t).softmax(-1) * (nucleus(x, t, p) > 0),
    "multiply by the temperature": lambda x, t, p: nucleus(x, 1 / t, p),
    "temperature is not used": lambda x, t, p: nucleus(x, 1.0, p),
    "heat afterwards": heated_late,
    "*unlikeliest*": from_below,
    "come back sorted": lambda x, t, p: nucleus(x, t, p).sort(descending=True).values,
    "Nothing is cut off": lambda x, t, p: (x / t).softmax(-1),
}


# --- 5. a chunk after a cache ----------------------------------------------------------------------------


def chunk(past, new):
    places = torch.arange(past + new)
    return places[past:], places[None, :] <= places[past:, None]


def seen(past, new, offset):
    places = torch.arange(past + new)
    return places[None, :] <= places[past:, None] + offset


CHUNK = {
    "begin at 0": lambda past, new: (torch.arange(new), seen(past, new, 0)),
    "one too high": lambda past, new: (past + 1 + torch.arange(new), seen(past, new, 0)),
    "one too low": lambda past, new: (past - 1 + torch.arange(new), seen(past, new, 0)),
    "first *key*": lambda past, new: (past + torch.arange(new), seen(past, new, -past)),
    "do not see themselves": lambda past, new: (past + torch.arange(new), seen(past, new, -1)),
    "the one after it": lambda past, new: (past + torch.arange(new), seen(past, new, 1)),
    "no columns": lambda past, new: (past + torch.arange(new), seen(0, new, 0)),
    "Nothing is masked": lambda past, new: (past + torch.arange(new), torch.ones(new, past + new) > 0),
}


# --- 6. bits ---------------------------------------------------------------------------------------------


def bits(nats, tokens, characters):
    return math.log2(math.e) * nats * tokens / characters


BITS = {
    "bits a *token*": lambda n, t, c: n * math.log2(math.e),
    "nats a character": lambda n, t, c: n * t / c,
    "multiply by ln 2": lambda n, t, c: n * t / c / math.log2(math.e),
    "changed places": lambda n, t, c: n * c / t * math.log2(math.e),
    "perplexity a character": lambda n, t, c: math.exp(n * t / c),
}

FAMILIES = {
    "causal_weights": (exercise.causal_weights, causal_weights, CAUSAL),
    "next_token_loss": (exercise.next_token_loss, next_token_loss, LOSS),
    "nucleus": (exercise.nucleus, nucleus, NUCLEUS),
    "chunk": (exercise.chunk, chunk, CHUNK),
    "bits": (exercise.bits, bits, BITS),
}
