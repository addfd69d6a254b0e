"""The exercises of chapter 7, "BERT": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function, check_open

#: The model whose heads `silence` silences, how many it wants silent, and the nats a blank that may be lost.
MODEL, SILENT, MOST = "bert-grammar-seed0", 8, 0.25


# --- 1. How many parameters --------------------------------------------------------------------------------


def parameters(answer: Callable[[int, int, int, int, int, int], int]) -> Verdict:
    """Judge ``count(V, D, L, F, P, S)``: the parameters of BERT's body, its pooler included.

    V word pieces, width D, L layers, feed-forward width F, P positions, S segments.
    """
    cases = [(11, 4, 1, 8, 5, 2), (50, 6, 3, 10, 7, 2), (23, 8, 2, 32, 16, 3)]

    def count(
        V: int, D: int, L: int, F: int, P: int, S: int, *, norms: int = 2, first: int = 1, pooler: int = 1,
        biases: int = 1, matrices: int = 4, types: int = 1,
    ) -> int:  # fmt: skip
        layer = matrices * (D * D + biases * D) + 2 * D * F + biases * (F + D) + norms * 2 * D
        embeddings = (V + P + types * S) * D + first * 2 * D
        return embeddings + L * layer + pooler * (D * D + biases * D)

    def changed(**how: int) -> Callable[..., int]:
        return lambda V, D, L, F, P, S: count(V, D, L, F, P, S, **how)

    return check_function(
        answer,
        reference=lambda V, D, L, F, P, S: count(V, D, L, F, P, S),
        cases=cases,
        mistakes=[
            Mistake(
                changed(biases=0), "The biases are missing: every matrix here has one, the pooler's too."
            ),
            Mistake(
                changed(matrices=3),
                "Queries, keys and values make three matrices a layer. A fourth mixes the heads' outputs.",
            ),
            Mistake(changed(pooler=0), "The pooler is missing: a matrix and a bias on top of [CLS]."),
            Mistake(changed(norms=1), "A layer has two LayerNorms, one around each sublayer."),
            Mistake(changed(norms=0, first=0), "The LayerNorms are missing: each has a gain and a bias."),
            Mistake(
                changed(first=0), "The embeddings have a LayerNorm of their own, before the first layer."
            ),
            Mistake(changed(types=0), "The segments' vectors are missing."),
            Mistake(
                lambda V, D, L, F, P, S: count(V, D, L, F, P, S) + V * D,
                "You count the word vectors twice. The head that predicts words uses the same matrix, and belongs "
                "to no body.",
            ),
        ],
        praise="With 30,522 pieces, width 768 and 12 layers that makes 109,482,240: the paper's 110 million.",
    )


# --- 2. The rule of 80, 10 and 10 --------------------------------------------------------------------------


def mask_tokens(
    answer: Callable[[Tensor, Tensor, Tensor, int], tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]],
) -> Verdict:
    """Judge ``hide(tokens, draw, anything, mask)``: the hidden tokens, and which are to be predicted.

    `draw` is uniform on [0, 1), `anything` a random token for each place. The lowest 15 % of draws are chosen; of
    these the lowest 80 % become `mask`, the next 10 % what `anything` holds, and the rest stay.
    """
    generator = torch.Generator().manual_seed(0)
    cases = []
    for shape in ((4, 200), (30, 40)):
        tokens = torch.randint(5, 90, shape, generator=generator)
        draw = torch.rand(shape, generator=generator)
        cases.append((tokens, draw, torch.randint(5, 90, shape, generator=generator), 4))

    def reference(tokens: Tensor, draw: Tensor, anything: Tensor, mask: int) -> tuple[Tensor, Tensor]:
        return cut(tokens, draw, anything, mask, (0.12, 0.135))

    def cut(
        tokens: Tensor, draw: Tensor, anything: Tensor, mask: int, cuts: tuple[float, float]
    ) -> tuple[Tensor, Tensor]:
        chosen = draw < 0.15
        hidden = torch.where(draw < cuts[0], mask, tokens)
        return torch.where((draw >= cuts[0]) & (draw < cuts[1]), anything, hidden), chosen

    def judged_where_changed(tokens: Tensor, draw: Tensor, anything: Tensor, mask: int) -> Any:
        hidden, _ = reference(tokens, draw, anything, mask)
        return hidden, hidden != tokens

    def judged_where_masked(tokens: Tensor, draw: Tensor, anything: Tensor, mask: int) -> Any:
        return reference(tokens, draw, anything, mask)[0], draw < 0.12

    def of_all(tokens: Tensor, draw: Tensor, anything: Tensor, mask: int) -> Any:
        hidden = torch.where(draw < 0.8, mask, tokens)
        return torch.where((draw >= 0.8) & (draw < 0.9), anything, hidden), draw < 0.15

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda tokens, draw, anything, mask: cut(tokens, draw, anything, mask, (0.15, 0.15)),
                "All chosen tokens become [MASK]. No [MASK] stands in a text that is to be classified later: leave a "
                "tenth of them, and replace another tenth at random.",
            ),
            Mistake(
                judged_where_changed,
                "You predict only the tokens that were changed. Those left as they are count too: it is for them "
                "that the model must look at every token, not only at the odd ones.",
            ),
            Mistake(
                judged_where_masked,
                "You predict only the tokens that became [MASK]. All 15 % are to be predicted.",
            ),
            Mistake(
                of_all,
                "80 % and 10 % are shares of the *chosen* tokens, not of all: the cuts lie at 0.12 and 0.135.",
            ),
            Mistake(
                lambda tokens, draw, anything, mask: cut(tokens, draw, anything, mask, (0.12, 0.15)),
                "A fifth of the chosen becomes random and none stays. Half of that fifth is to stay as it is.",
            ),
            Mistake(
                lambda tokens, draw, anything, mask: cut(tokens, draw, anything, mask, (0.12, 0.12)),
                "None of the chosen becomes random: a fifth stays. Half of that fifth is to be replaced.",
            ),
            Mistake(
                lambda tokens, draw, anything, mask: (
                    reference(tokens, draw, anything, mask)[0],
                    ~(draw < 0.15),
                ),
                "The second result is turned round: True marks the tokens to be predicted.",
            ),
        ],
        praise="The model never knows which words it will be asked about, so it must know them all.",
    )


# --- 3. From left to right ---------------------------------------------------------------------------------


def left_mask(answer: Callable[[Bool[Tensor, "B S"]], Bool[Tensor, "B T S"]]) -> Verdict:
    """Judge ``mask(real)``: where each of the T = S tokens may look, so that BERT reads from left to right.

    `real` (B, S) marks what is no padding. True = may attend.
    """
    cases = [
        (torch.arange(5) < torch.tensor([[5], [3], [1]]),),
        (torch.ones(1, 4, dtype=torch.bool),),
    ]

    def reference(real: Tensor) -> Tensor:
        S = real.shape[1]
        return torch.ones(S, S, dtype=torch.bool).tril() & real[:, None, :]

    def triangle(real: Tensor, shift: int = 0) -> Tensor:
        S = real.shape[1]
        return torch.ones(S, S, dtype=torch.bool).tril(shift).expand(len(real), S, S)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda real: triangle(real).mT & real[:, None, :],
                "Your model reads from right to left. Rows are queries: row t may see the columns up to t.",
            ),
            Mistake(
                lambda real: triangle(real, -1) & real[:, None, :],
                "No token may look at itself, and the first at nothing. The diagonal is allowed.",
            ),
            Mistake(triangle, "The padding may be looked at: combine the triangle with `real`."),
            Mistake(
                lambda real: real[:, None, :].expand(len(real), real.shape[1], real.shape[1]),
                "Only the padding is hidden: every token still sees both sides. That is BERT itself.",
            ),
            Mistake(
                lambda real: triangle(real) & real[:, :, None],
                "You hide rows, not columns: `real` says which *keys* exist, and keys are the last axis.",
            ),
            Mistake(
                lambda real: ~reference(real),
                "Turned round: in this book True means that a token *may* attend.",
            ),
        ],
        praise="The same class, the same weights' shapes; only the triangle makes it a reader from the left.",
    )


# --- 4. Pseudo-perplexity ----------------------------------------------------------------------------------


def pseudo_perplexity(
    answer: Callable[[Callable[[Tensor], Float[Tensor, "B T V"]], Int[Tensor, " T"], int], float],
) -> Verdict:
    """Judge ``score(model, tokens, mask)``: how surprising a text is to a model that fills in blanks.

    ``model(tokens)`` takes ids (B, T) and gives logits (B, T, V). `tokens` (T) begins with [CLS] and ends with
    [SEP], which do not count. Each word is hidden on its own; the result is the exponential of the mean loss.
    """
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(9, 9, generator=generator)

    def model(tokens: Tensor) -> Tensor:
        """Each place is guessed from itself and its neighbours, so that what is hidden matters."""
        seen = table[tokens]
        around = torch.roll(seen, 1, 1) + 0.5 * torch.roll(seen, -1, 1)
        return 2 * torch.nn.functional.one_hot(tokens, 9).float() + around

    cases = [(model, torch.tensor(ids), 4) for ids in ([1, 5, 6, 7, 2], [1, 8, 8, 5, 6, 5, 2], [1, 7, 2])]

    def losses(model: Callable[[Tensor], Tensor], tokens: Tensor, mask: int, how: str = "each") -> Tensor:
        places = torch.arange(1, len(tokens) - 1) if how != "specials" else torch.arange(len(tokens))
        rows = tokens.repeat(len(places), 1)
        each = torch.arange(len(places))
        if how == "all":
            rows[:, 1:-1] = mask
        elif how != "open":
            rows[each, places] = mask
        log_p = model(rows).log_softmax(-1)
        return -log_p[each, places, tokens[places]]

    def reference(model: Callable[[Tensor], Tensor], tokens: Tensor, mask: int) -> float:
        return losses(model, tokens, mask).mean().exp().item()

    def of(how: str) -> Callable[..., float]:
        return lambda model, tokens, mask: losses(model, tokens, mask, how).mean().exp().item()

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                of("open"),
                "Nothing is hidden: the model sees the word that it is asked for. Put `mask` there first.",
            ),
            Mistake(
                of("all"),
                "All words are hidden at once, so each is guessed from nothing. Hide one at a time.",
            ),
            Mistake(of("specials"), "[CLS] and [SEP] are counted as words. Leave out both ends."),
            Mistake(
                lambda model, tokens, mask: losses(model, tokens, mask).mean().item(),
                "That is the mean loss in nats. The exponential of it is a perplexity.",
            ),
            Mistake(
                lambda model, tokens, mask: losses(model, tokens, mask).sum().exp().item(),
                "You add the losses up. A long text would always be worse: take the mean.",
            ),
            Mistake(
                lambda model, tokens, mask: 1 / reference(model, tokens, mask),
                "The sign is turned: the result is below 1. A loss is *minus* the log-probability.",
            ),
            Mistake(
                lambda model, tokens, mask: (1 / (-losses(model, tokens, mask)).exp()).mean().item(),
                "You average the inverse probabilities. Average their logarithms, then take the exponential.",
            ),
        ],
        praise="It needs as many passes as words, and the factors of no chain rule: hence “pseudo”.",
    )


# --- 5. Which heads can go ---------------------------------------------------------------------------------


def silence(heads: Iterable[tuple[int, int]] | None) -> Verdict:
    """Judge a choice of heads to silence, pairs (layer, head), in `MODEL`.

    At least `SILENT` of them, and a blank may cost at most `MOST` nats more than with all heads.
    """
    return check_open(_judge_silence, heads)


def _judge_silence(heads: Any) -> Verdict:
    from tfedu.blanks import Blanks, texts

    if heads is None or heads is ...:
        return Verdict("not started", "not started yet")
    if callable(heads) or isinstance(heads, str) or not isinstance(heads, Iterable):
        return Verdict("wrong", "Give a list of pairs (layer, head), such as [(0, 1), (3, 2)].")
    blanks = Blanks.from_pretrained(MODEL)
    config = blanks.model.config
    chosen = []
    for one in heads:
        if not isinstance(one, tuple | list) or len(one) != 2:
            return Verdict("wrong", f"{one!r} is no pair (layer, head).")
        layer, head = one
        if layer not in range(config.layers) or head not in range(config.heads):
            return Verdict(
                "wrong",
                f"There is no head {one!r}: layers count from 0 to {config.layers - 1}, heads to {config.heads - 1}.",
            )
        chosen.append((int(layer), int(head)))
    if len(set(chosen)) < len(chosen):
        return Verdict("wrong", "A head is listed twice. Silent is silent: each counts once.")
    if len(chosen) < SILENT:
        return Verdict("wrong", f"{len(chosen)} heads are silent; at least {SILENT} are wanted.")
    sentences = texts(40, blanks.words)
    lost = blanks.cloze(sentences, chosen).nats - blanks.cloze(sentences).nats
    if lost > MOST:
        return Verdict(
            "wrong",
            f"A blank costs {lost:.2f} nats more, and at most {MOST} is wanted. Do your silent heads have a clear "
            "habit, such as the next word? Try the others first.",
        )
    return Verdict(
        "right",
        f"{len(chosen)} of {config.layers * config.heads} heads silent, and a blank costs {lost:.2f} nats more.",
    )
