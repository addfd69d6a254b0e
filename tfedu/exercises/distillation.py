"""The exercises of chapter 8, "Smaller, as good: distillation": checks, and the mistakes they know."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. How large ------------------------------------------------------------------------------------------


def parameters(answer: Callable[[int, int, int, int, int, int, bool], int]) -> Verdict:
    """Judge ``parameters(vocabulary, positions, segments, width, layers, hidden, pooler)``: of a BERT's body."""

    def count(
        vocabulary: int,
        positions: int,
        segments: int,
        width: int,
        layers: int,
        hidden: int,
        pooler: bool,
        *,
        biases: int = 1,
        norms: int = 2,
        first_norm: int = 1,
        matrices: int = 4,
        vectors: int = 1,
        pools: bool = True,
    ) -> int:
        attention = matrices * (width * width + biases * width)
        network = 2 * width * hidden + biases * (width + hidden)
        below = vectors * (vocabulary * width) + (positions + segments) * width + 2 * first_norm * width
        top = (width * width + biases * width) if pooler and pools else 0
        return below + layers * (attention + network + 2 * norms * width) + top

    cases = [
        (30_522, 512, 0, 768, 6, 3072, False),
        (30_522, 512, 2, 312, 4, 1200, True),
        (50, 8, 2, 12, 3, 20, True),
    ]

    def reference(
        vocabulary: int, positions: int, segments: int, width: int, layers: int, hidden: int, pooler: bool
    ) -> int:
        return count(vocabulary, positions, segments, width, layers, hidden, pooler)

    def without(**less: int) -> Callable[..., int]:
        return lambda *sizes: count(*sizes, **less)  # type: ignore[arg-type]

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(without(biases=0), "The biases are missing: each linear map of BERT adds one."),
            Mistake(
                without(norms=0, first_norm=0),
                "The norms are missing: each has a gain and a bias of the model's width, two in a layer and one "
                "after the embeddings.",
            ),
            Mistake(
                without(first_norm=0), "One norm is missing: the sum of the embeddings is normalised too."
            ),
            Mistake(without(norms=1), "A layer has two norms: after the attention, and after the network."),
            Mistake(
                without(matrices=3),
                "Attention has four matrices: for queries, keys, values, and the one that mixes the heads.",
            ),
            Mistake(
                without(vectors=2),
                "You count the word vectors twice. The head that fills in blanks uses the same ones; nothing new.",
            ),
            Mistake(
                lambda *sizes: count(sizes[0], 0, 0, *sizes[3:]),
                "The positions and the segments have vectors, too: positions + segments of them.",
            ),
            Mistake(
                without(pools=False), "Where there is a pooler, it is one more linear map, width to width."
            ),
        ],
        praise="DistilBERT: 66.4 million. TinyBERT of four layers: 14.35 million, which its paper rounds up.",
    )


# --- 2. Soft targets ---------------------------------------------------------------------------------------


def soft_loss(
    answer: Callable[[Float[Tensor, "N V"], Float[Tensor, "N V"], float], Float[Tensor, ""]],
) -> Verdict:
    """Judge ``loss(student, teacher, T)``: ``T² KL(teacher || student)`` of logits softened by T, the mean over N."""
    cases = [(2 * s, 3 * t, T) for (s, t), T in ((_draw((4, 6), (4, 6)), 2.0), (_draw((3, 5), (3, 5)), 4.0))]

    def divergence(p: Tensor, q: Tensor) -> Tensor:  # of logits, row by row
        return (p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum(-1)

    def reference(student: Tensor, teacher: Tensor, T: float) -> Tensor:
        return T**2 * divergence(teacher / T, student / T).mean()

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda student, teacher, T: divergence(teacher / T, student / T).mean(),
                "T² is missing. The gradients of softened targets are about T² times smaller, so the weight of this "
                "loss beside others would change with T.",
            ),
            Mistake(
                lambda student, teacher, T: T * divergence(teacher / T, student / T).mean(),
                "T instead of T²: the gradient has one factor 1/T from the student's own softmax, and about one "
                "more because softened distributions lie closer together.",
            ),
            Mistake(
                lambda student, teacher, T: T**2 * divergence(student / T, teacher / T).mean(),
                "The direction is turned. KL(student || teacher) lets the student leave out what the teacher "
                "thinks possible; here the teacher's probabilities are the weights.",
            ),
            Mistake(
                lambda student, teacher, T: T**2 * divergence(teacher * T, student * T).mean(),
                "You multiply the logits by T: that sharpens. Dividing softens.",
            ),
            Mistake(
                lambda student, teacher, T: T**2 * divergence(teacher / T, student).mean(),
                "Only the teacher is softened. Then even a perfect copy of it has a loss; soften both.",
            ),
            Mistake(
                lambda student, teacher, T: T**2 * divergence(teacher, student / T).mean(),
                "Only the student is softened. Then even a perfect copy of the teacher has a loss; soften both.",
            ),
            Mistake(
                lambda student, teacher, T: T**2 * divergence(teacher / T, student / T).sum(),
                "You add the places up. The mean over the N places is wanted.",
            ),
            Mistake(
                lambda student, teacher, T: (
                    T**2 * divergence(teacher / T, student / T).mean() / student.shape[-1]
                ),
                'You divide by the vocabulary too (`reduction="mean"` of `kl_div` does). A divergence is a sum '
                "over the words.",
            ),
            Mistake(
                lambda student, teacher, T: (
                    -(T**2) * ((teacher / T).softmax(-1) * (student / T).log_softmax(-1)).sum(-1).mean()
                ),
                "That is the cross-entropy. Its gradients are the same, but a perfect student's loss is not 0: the "
                "teacher's entropy is still in it.",
            ),
        ],
        praise="Softened on both sides, weighed by the teacher, and 0 for a perfect copy.",
    )


# --- 3. Its gradient ---------------------------------------------------------------------------------------


def gradient(
    answer: Callable[[Float[Tensor, " V"], Float[Tensor, " V"], float], Float[Tensor, " V"]],
) -> Verdict:
    """Judge ``gradient(student, teacher, T)``: of ``T² KL(teacher || student)`` by one place's student logits."""
    cases = [(2 * s, 3 * t, T) for (s, t), T in ((_draw((6,), (6,)), 2.0), (_draw((5,), (5,)), 5.0))]

    def parts(student: Tensor, teacher: Tensor, T: float) -> Tensor:
        return (student / T).softmax(-1) - (teacher / T).softmax(-1)

    return check_function(
        answer,
        reference=lambda student, teacher, T: T * parts(student, teacher, T),
        cases=cases,
        mistakes=[
            Mistake(
                lambda student, teacher, T: parts(student, teacher, T),
                "A factor T is missing: T² from in front, 1/T from inside the softmax, leave T.",
            ),
            Mistake(
                lambda student, teacher, T: parts(student, teacher, T) / T,
                "That is the gradient without T² in front.",
            ),
            Mistake(
                lambda student, teacher, T: T**2 * parts(student, teacher, T),
                "The logits are divided by T before the softmax; by the chain rule that gives a factor 1/T.",
            ),
            Mistake(
                lambda student, teacher, T: -T * parts(student, teacher, T),
                "The sign is turned: where the student gives a word too much, its logit should fall, so the "
                "gradient there is positive.",
            ),
            Mistake(
                lambda student, teacher, T: parts(student, teacher, 1.0),
                "You compare the distributions at T = 1.",
            ),
        ],
        praise="T (q − p): the softened surplus, and large T makes it nearly the difference of the logits over V.",
    )


# --- 4. Which layer is compared with which -----------------------------------------------------------------


def teachers_layers(answer: Callable[[int, int], list[int]]) -> Verdict:
    """Judge ``layers(student, teacher)``: for each layer of a student the teacher's that TinyBERT compares it with."""

    def reference(student: int, teacher: int) -> list[int]:
        return [m * teacher // student for m in range(1, student + 1)]

    return check_function(
        answer,
        reference=reference,
        cases=[(2, 4), (4, 12), (3, 12), (6, 12)],
        mistakes=[
            Mistake(
                lambda student, teacher: [m * teacher // student - 1 for m in range(1, student + 1)],
                "You count the teacher's layers from 0. Here the first is 1, so that 0 can be the embeddings.",
            ),
            Mistake(
                lambda student, teacher: [m * teacher // student + 1 for m in range(student)],
                "You take the first layer of each group. What a student's layer makes should equal what the whole "
                "group of the teacher's layers makes: take the last.",
            ),
            Mistake(
                lambda student, teacher: list(range(1, student + 1)),
                "You take the teacher's first layers. Then nobody tells the student what the later ones do.",
            ),
            Mistake(
                lambda student, teacher: list(range(teacher - student + 1, teacher + 1)),
                "You take the teacher's last layers; the student's first layer would have to do the work of all "
                "before them at once.",
            ),
            Mistake(
                lambda student, teacher: [m * teacher // student for m in range(student)],
                "You begin with 0, which is the embeddings. Layer m of the student, from 1, goes with m · L / M.",
            ),
        ],
        praise="g(m) = m L / M: each of the student's layers stands for a whole group.",
    )


# --- 5. The attention loss ---------------------------------------------------------------------------------


def attention_loss(
    answer: Callable[[Tensor, Tensor, Tensor, Tensor, Bool[Tensor, " T"]], Float[Tensor, ""]],
) -> Verdict:
    """Judge ``loss(q_student, k_student, q_teacher, k_teacher, real)``: the mean squared difference of the scores.

    Queries and keys are (H, T, width of a head); the teacher's heads are wider. Only pairs of `real` tokens count.
    """
    cases = []
    for T, C, D, length in ((5, 2, 4, 4), (4, 3, 9, 2)):
        qs, ks, qt, kt = _draw((2, T, C), (2, T, C + 0), (2, T, D), (2, T, D))
        cases.append((qs + 0.2, ks * 1.5, qt, kt - 0.1, torch.arange(T) < length))

    def scores(q: Tensor, k: Tensor, scale: bool = True) -> Tensor:
        return q @ k.mT / (math.sqrt(q.shape[-1]) if scale else 1.0)

    def chosen(difference: Tensor, real: Tensor) -> Tensor:
        return difference[:, real][:, :, real]

    def reference(
        q_student: Tensor, k_student: Tensor, q_teacher: Tensor, k_teacher: Tensor, real: Tensor
    ) -> Tensor:
        return chosen((scores(q_student, k_student) - scores(q_teacher, k_teacher)) ** 2, real).mean()

    def weights(q: Tensor, k: Tensor, real: Tensor) -> Tensor:
        return scores(q, k).masked_fill(~real, -math.inf).softmax(-1)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda qs, ks, qt, kt, real: chosen(
                    (weights(qs, ks, real) - weights(qt, kt, real)) ** 2, real
                ).mean(),
                "You compare the weights, after the softmax. The paper takes the scores before it.",
            ),
            Mistake(
                lambda qs, ks, qt, kt, real: chosen(
                    (scores(qs, ks, False) - scores(qt, kt, False)) ** 2, real
                ).mean(),
                "The scores are not divided by the root of the head's width; student and teacher have different ones.",
            ),
            Mistake(
                lambda qs, ks, qt, kt, real: chosen(
                    (scores(qs, ks) - qt @ kt.mT / math.sqrt(qs.shape[-1])) ** 2, real
                ).mean(),
                "You divide the teacher's scores by the root of the student's width. Each has its own.",
            ),
            Mistake(
                lambda qs, ks, qt, kt, real: ((scores(qs, ks) - scores(qt, kt)) ** 2).mean(),
                "Padding counts in your mean. Its scores are of no use to anyone: leave its rows and columns out.",
            ),
            Mistake(
                lambda qs, ks, qt, kt, real: ((scores(qs, ks) - scores(qt, kt)) ** 2)[:, :, real].mean(),
                "You leave out the padded keys, but padded queries still count: their rows must go, too.",
            ),
            Mistake(
                lambda qs, ks, qt, kt, real: F.mse_loss(
                    scores(qs, ks).mean(0)[real][:, real], scores(qt, kt).mean(0)[real][:, real]
                ),
                "You average the heads first. Two heads that differ in opposite ways would then pass; compare head "
                "by head.",
            ),
            Mistake(
                lambda qs, ks, qt, kt, real: chosen((scores(qs, ks) - scores(qt, kt)) ** 2, real).sum(),
                "You add up. The mean is wanted, or long sentences weigh more.",
            ),
        ],
        praise="Head by head, before the softmax, and only where there are words.",
    )
