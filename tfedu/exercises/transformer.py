"""The exercises of chapter 6, "Attention is all you need": checks, and the mistakes they know."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function, check_open, check_value

#: The translator whose heads `silence` silences, how many it wants silent, and the quality that must be left.
TRANSLATOR, SILENT, LEAST = "translate-grammar-transformer-seed0", 6, 85.0


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. How many maps --------------------------------------------------------------------------------------


def maps(answer: int) -> Verdict:
    """Judge how many attention maps the base model (6 layers, 8 heads) makes for one sentence pair."""
    return check_value(
        answer,
        right=144,
        mistakes=[
            Mistake(
                96,
                "Two kinds of attention make 96. A decoder layer has two of its own: it looks back at what is "
                "written and across at what is read.",
            ),
            Mistake(48, "48 are those of one kind of attention. There are three kinds."),
            Mistake(
                18, "18 attentions, rightly counted; but each of them has several heads, each with a map."
            ),
            Mistake(24, "Three kinds times eight heads: that is one layer. There are six."),
            Mistake(
                12, "12 layers, rightly counted; but a layer has one or two attentions, each of 8 heads."
            ),
            Mistake(
                192,
                "192 would be four kinds of attention. An encoder layer has one, a decoder layer has two.",
            ),
        ],
        praise="Three kinds, six layers, eight heads: 144 maps, and none of them is *the* alignment.",
    )


# --- 2. Around a sublayer ----------------------------------------------------------------------------------


def residual(
    answer: Callable[[Float[Tensor, "B T D"], Callable[[Tensor], Tensor], bool], Float[Tensor, "B T D"]],
) -> Verdict:
    """Judge ``residual(x, sublayer, pre)``: the stream after one sublayer, post-norm or, if `pre`, pre-norm.

    The norm is `torch.nn.functional.layer_norm` over the last axis, without gain and bias.
    """
    cases = [
        (x * 2 + 1, sublayer, pre)
        for x in _draw((2, 3, 4), (1, 1, 6))
        for sublayer in (torch.tanh, lambda y: y * y - 0.5)
        for pre in (False, True)
    ]

    def norm(x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:])

    def reference(x: Tensor, sublayer: Callable[[Tensor], Tensor], pre: bool) -> Tensor:
        return x + sublayer(norm(x)) if pre else norm(x + sublayer(x))

    def broken(
        in_pre: Callable[..., Tensor] | None = None, in_post: Callable[..., Tensor] | None = None
    ) -> Any:
        def wrong(x: Tensor, sublayer: Callable[[Tensor], Tensor], pre: bool) -> Tensor:
            other = in_pre if pre else in_post
            return reference(x, sublayer, pre) if other is None else other(x, sublayer)

        return wrong

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda x, sublayer, pre: reference(x, sublayer, not pre),
                "The two have changed places: pre-norm puts the norm before the sublayer.",
            ),
            Mistake(
                broken(in_pre=lambda x, sublayer: norm(x) + sublayer(norm(x))),
                "In pre-norm you add the sublayer's output to the *normed* x. The stream itself must pass "
                "untouched: that open road from top to bottom is what pre-norm is for.",
            ),
            Mistake(
                broken(in_post=lambda x, sublayer: x + norm(sublayer(x))),
                "In post-norm you norm the sublayer's output alone. The paper norms the sum, x + sublayer(x).",
            ),
            Mistake(
                broken(
                    in_post=lambda x, sublayer: norm(sublayer(x)),
                    in_pre=lambda x, sublayer: sublayer(norm(x)),
                ),
                "The residual is missing: x itself is to be added to what the sublayer makes of it.",
            ),
            Mistake(
                lambda x, sublayer, pre: x + sublayer(x),
                "There is no norm at all. Without one the stream grows with every layer.",
            ),
            Mistake(
                broken(in_post=lambda x, sublayer: norm(x + sublayer(norm(x)))),
                "In post-norm you norm twice: the sublayer there reads x as it comes.",
            ),
        ],
        praise="One residual, one norm: after the sum, or before the sublayer.",
    )


# --- 3. The schedule ---------------------------------------------------------------------------------------


def learning_rate(answer: Callable[[int, int, int], float]) -> Verdict:
    """Judge ``learning_rate(step, width, warmup)``: equation 3 of Vaswani et al.; steps count from 1."""
    # Small models, or every rate would be nearly 0 and so nearly the same.
    cases = [(step, width, warmup) for width, warmup in ((4, 6), (9, 2)) for step in (1, 2, 3, 6, 30)]

    def reference(step: int, width: int, warmup: int) -> float:
        return width**-0.5 * min(step**-0.5, step * warmup**-1.5)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda step, width, warmup: width**-0.5 * max(step**-0.5, step * warmup**-1.5),
                "You take the larger of the two. Then the rate starts high, falls, and rises without end after "
                "the warm-up: take the smaller.",
            ),
            Mistake(
                lambda step, width, warmup: min(step**-0.5, step * warmup**-1.5),
                "The width is missing: a wider model gets a smaller rate, by width to the power −0.5.",
            ),
            Mistake(
                lambda step, width, warmup: width**0.5 * min(step**-0.5, step * warmup**-1.5),
                "You multiply by the root of the width; a wider model wants a *smaller* rate.",
            ),
            Mistake(
                lambda step, width, warmup: width**-0.5 * step**-0.5,
                "There is no warm-up: the first step would be the largest of all.",
            ),
            Mistake(
                lambda step, width, warmup: width**-0.5 * min(step**-0.5, step / warmup),
                "The two branches do not meet. At step = warmup both must be warmup^−0.5, so the rising one is "
                "step · warmup^−1.5.",
            ),
            Mistake(
                lambda step, width, warmup: width**-0.5 * min(step**-0.5, step * warmup**-0.5),
                "The two branches do not meet. At step = warmup both must be warmup^−0.5, so the rising one is "
                "step · warmup^−1.5.",
            ),
        ],
        praise="Up in a straight line, down with the root of the step, and no jump between.",
    )


# --- 4. Label smoothing ------------------------------------------------------------------------------------


def smoothed_loss(
    answer: Callable[[Float[Tensor, "N V"], Int[Tensor, " N"], float], Float[Tensor, ""]],
) -> Verdict:
    """Judge ``loss(logits, right, share)``: mean cross-entropy, `share` of the wanted mass spread over all V."""
    cases = [
        (2 * _draw((5, 7))[0], torch.tensor([0, 6, 3, 3, 1]), 0.1),
        (2 * _draw((3, 4))[0], torch.tensor([2, 1, 0]), 0.4),
        (2 * _draw((2, 5))[0], torch.tensor([4, 4]), 0.0),
    ]

    def parts(logits: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        log_p = logits.log_softmax(-1)
        return -log_p.gather(-1, right.unsqueeze(-1)).squeeze(-1), -log_p

    def reference(logits: Tensor, right: Tensor, share: float) -> Tensor:
        own, every = parts(logits, right)
        return ((1 - share) * own + share * every.mean(-1)).mean()

    def without_right(logits: Tensor, right: Tensor, share: float) -> Tensor:
        own, every = parts(logits, right)
        return ((1 - share) * own + share * (every.sum(-1) - own) / (logits.shape[-1] - 1)).mean()

    def unreduced(logits: Tensor, right: Tensor, share: float) -> Tensor:
        own, every = parts(logits, right)
        return (own + share * every.mean(-1)).mean()

    def summed(logits: Tensor, right: Tensor, share: float) -> Tensor:
        own, every = parts(logits, right)
        return ((1 - share) * own + share * every.sum(-1)).mean()

    def of_probabilities(logits: Tensor, right: Tensor, share: float) -> Tensor:
        own, _ = parts(logits, right)
        return -((1 - share) * (-own).exp() + share / logits.shape[-1]).log().mean()

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                without_right,
                "You spread the share over the *other* words only. Then the right word wants 1 − share; in the "
                "usual definition it takes part in the spreading and wants 1 − share + share / V.",
            ),
            Mistake(
                unreduced,
                "The right word still wants the whole 1, so the wanted masses sum to 1 + share. Take from it what "
                "you spread.",
            ),
            Mistake(
                summed,
                "Each word of the vocabulary gets the whole share. It is to be divided among them: share / V each.",
            ),
            Mistake(
                of_probabilities,
                "You mix the model's probabilities with a uniform one. That smooths the prediction; smooth the "
                "*target*, and leave the model's own probabilities alone.",
            ),
            Mistake(
                lambda logits, right, share: reference(logits, right, 1 - share),
                "The two masses have changed places: share is what is spread, 1 − share stays with the right word.",
            ),
            Mistake(
                lambda logits, right, share: reference(logits, right, 0.0),
                "That is the plain cross-entropy: the share is not used.",
            ),
            Mistake(
                lambda logits, right, share: -reference(logits, right, share),
                "The sign is turned: a log-probability is negative, a loss is not.",
            ),
            Mistake(
                lambda logits, right, share: reference(logits, right, share) * len(right),
                "You add the words up. The mean is wanted, or long batches weigh more.",
            ),
        ],
        praise="Being surer than the smoothed target now costs something.",
    )


# --- 5. One word, with a cache -----------------------------------------------------------------------------

Cache = tuple[Float[Tensor, "H P K"], Float[Tensor, "H P K"]]


def cached_step(
    answer: Callable[[Tensor, Tensor, Tensor, Cache], tuple[Float[Tensor, "H 1 K"], Cache]],
) -> Verdict:
    """Judge ``step(q, k, v, cache)``: self-attention of one new word, all (H, 1, K), given the P words before.

    It returns what each head gathers, and the cache (keys, values) for the next word.
    """
    cases = []
    for H, P, K in ((2, 3, 4), (1, 1, 2), (3, 5, 4)):
        q, k, v, keys, values = _draw((H, 1, K), (H, 1, K + 0), (H, 1, K), (H, P, K), (H, P, K))
        cases.append((q, k + 0.3, v - 0.2, (keys * 1.5, values + 1.0)))

    def look(q: Tensor, keys: Tensor, values: Tensor, scale: bool = True) -> Tensor:
        scores = q @ keys.mT
        return (scores / math.sqrt(q.shape[-1]) if scale else scores).softmax(-1) @ values

    def reference(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        keys, values = torch.cat([cache[0], k], 1), torch.cat([cache[1], v], 1)
        return look(q, keys, values), (keys, values)

    def only_past(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        return look(q, *cache), reference(q, k, v, cache)[1]

    def in_front(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        keys, values = torch.cat([k, cache[0]], 1), torch.cat([v, cache[1]], 1)
        return look(q, keys, values), (keys, values)

    def unscaled(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        _, grown = reference(q, k, v, cache)
        return look(q, *grown, scale=False), grown

    def crossed(q: Tensor, k: Tensor, v: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        keys, values = reference(q, k, v, cache)[1]
        return look(q, keys, values), (values, keys)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                only_past,
                "The new word cannot see itself: its own key and value must be in the cache before it looks. "
                "(The diagonal of the causal mask is allowed.)",
            ),
            Mistake(
                lambda q, k, v, cache: (reference(q, k, v, cache)[0], cache),
                "You return the old cache, so the next word will not know of this one.",
            ),
            Mistake(
                lambda q, k, v, cache: (reference(q, k, v, cache)[0], (k, v)),
                "The cache that you return holds the newest word alone: all before it are forgotten.",
            ),
            Mistake(
                lambda q, k, v, cache: (look(q, k, v), reference(q, k, v, cache)[1]),
                "The word looks at itself alone: the cache is kept but never read.",
            ),
            Mistake(
                in_front,
                "You put the newest word in front. What is gathered is the same, but the order of the cache is "
                "turned round, and a mask or a relative position would be wrong.",
            ),
            Mistake(
                unscaled,
                "The scores are not divided by the root of K.",
            ),
            Mistake(crossed, "Keys and values have changed places in the cache that you return."),
        ],
        praise="One row of the map, and nothing of the past computed twice.",
    )


# --- 6. Which heads can go ---------------------------------------------------------------------------------


def silence(heads: Iterable[tuple[str, int]] | None) -> Verdict:
    """Judge a choice of heads to silence: pairs of a map's name and a head's number, in `TRANSLATOR`.

    At least `SILENT` heads must be silent, and BLEU on held-out sentences of 4 to 25 words at least `LEAST`.
    """
    return check_open(_judge_silence, heads)


def _judge_silence(heads: Any) -> Verdict:
    from tfedu import judge
    from tfedu.translator import Translator

    if heads is None or heads is ...:
        return Verdict("not started", "not started yet")
    if callable(heads) or isinstance(heads, str) or not isinstance(heads, Iterable):
        return Verdict("wrong", 'Give a list of pairs, such as [("encoder.0.self_attention", 2), ...].')
    chosen = list(heads)
    model = Translator.from_pretrained(TRANSLATOR)
    config = model.model.config
    known = [f"{side}.{n}.{kind}" for n in range(config.layers) for side, kind in (
        ("encoder", "self_attention"), ("decoder", "self_attention"), ("decoder", "cross_attention"))]  # fmt: skip
    count = config.heads  # type: ignore[union-attr]
    for one in chosen:
        if not isinstance(one, tuple | list) or len(one) != 2:
            return Verdict("wrong", f"{one!r} is no pair of a map's name and a head's number.")
        if one[0] not in known:
            return Verdict("wrong", f"No map is named {one[0]!r}; there are {', '.join(known)}.")
        if one[1] not in range(count):
            return Verdict("wrong", f"{one[0]} has the heads 0 to {count - 1}; {one[1]!r} is none of them.")
    pairs = sorted({(str(name), int(head)) for name, head in chosen})
    if len(pairs) < len(chosen):
        return Verdict("wrong", "A head is listed twice. Silent is silent: each counts once.")
    if len(pairs) < SILENT:
        return Verdict("wrong", f"{len(pairs)} heads are silent; at least {SILENT} are wanted.")

    (sentences,) = judge.held_out([(4, 25)], 60)
    left = judge.silenced(model, pairs, sentences)
    whole = [name for name in known if all((name, head) in pairs for head in range(count))]
    if left < LEAST and whole:
        return Verdict(
            "wrong",
            f"BLEU falls to {left:.0f}. All heads of {whole[0]} are silent, so nothing passes there. Spread the "
            "silence.",
        )
    if left < LEAST:
        return Verdict(
            "wrong",
            f"BLEU falls to {left:.0f}, and {LEAST:.0f} is wanted. Silence the heads one at a time first, and "
            "rank them by what each costs.",
        )
    return Verdict(
        "right", f"With {len(pairs)} of {len(known) * count} heads silent, BLEU is still {left:.0f}."
    )
