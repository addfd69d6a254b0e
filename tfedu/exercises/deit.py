"""The exercises of chapter 12, "A teacher for the ViT: DeiT": checks, and the mistakes they know."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. What it costs --------------------------------------------------------------------------------------


def extra_parameters(answer: Callable[[int, int], int]) -> Verdict:
    """Judge ``extra(width, classes)``: the parameters that a DeiT has and the same ViT has not."""

    def count(
        width: int, classes: int, *, token: int = 1, place: int = 1, head: int = 1, bias: int = 1
    ) -> int:
        return (token + place) * width + head * (width * classes + bias * classes)

    return check_function(
        answer,
        reference=lambda width, classes: count(width, classes),
        cases=[(768, 1000), (64, 8), (12, 5)],
        mistakes=[
            Mistake(
                lambda width, classes: count(width, classes, place=0),
                "The token stands at a place of its own, and learned positions have a vector for it.",
            ),
            Mistake(
                lambda width, classes: count(width, classes, head=0),
                "What the token ends in is missing: a second head, from the width to the classes.",
            ),
            Mistake(
                lambda width, classes: count(width, classes, bias=0),
                "The second head is a linear map with a bias, one number a class.",
            ),
            Mistake(
                lambda width, classes: count(width, classes, token=0, place=0),
                "You count the head alone. The token itself is a learned vector, and so is its place.",
            ),
            Mistake(
                lambda width, classes: count(width, classes, head=2),
                "You count two heads. One of them the ViT has, too.",
            ),
        ],
        praise="0.77 million for DeiT-B, less than one in a hundred of its 87: the layers are shared.",
    )


# --- 2. The hard loss --------------------------------------------------------------------------------------


def hard_loss(
    answer: Callable[
        [
            Float[Tensor, "B classes"],
            Float[Tensor, "B classes"],
            Int[Tensor, " B"],
            Float[Tensor, "B classes"],
        ],
        Float[Tensor, ""],
    ],
) -> Verdict:
    """Judge ``loss(class_logits, distillation_logits, labels, teacher_logits)``: equation 3, the mean over B."""
    cases = []
    for B, C in ((6, 4), (3, 7)):
        own, heard, said = (2 * one for one in _draw((B, C), (B, C + 0), (B, C)))
        cases.append((own, heard.flip(0), torch.arange(B) % C, said.roll(1, 1)))

    def both(own: Tensor, heard: Tensor, labels: Tensor, said: Tensor) -> Tensor:
        return (F.cross_entropy(own, labels) + F.cross_entropy(heard, said.argmax(-1))) / 2

    return check_function(
        answer,
        reference=lambda class_logits, distillation_logits, labels, teacher_logits: both(
            class_logits, distillation_logits, labels, teacher_logits
        ),
        cases=cases,
        mistakes=[
            Mistake(
                lambda own, heard, labels, said: both(heard, own, labels, said),
                "The heads are swapped: the class token learns the label, the distillation token the teacher.",
            ),
            Mistake(
                lambda own, heard, labels, said: both((own + heard) / 2, (own + heard) / 2, labels, said),
                "You average the heads first. That is for the test; while learning each has its own target.",
            ),
            Mistake(
                lambda own, heard, labels, said: both(own, own, labels, said),
                "The class token learns both. That is distillation without a token, which the paper compares with.",
            ),
            Mistake(
                lambda own, heard, labels, said: (
                    (F.cross_entropy(own, labels) + F.cross_entropy(heard, said.softmax(-1))) / 2
                ),
                "You teach the teacher's probabilities. Hard distillation takes its first choice for a label.",
            ),
            Mistake(
                lambda own, heard, labels, said: 2 * both(own, heard, labels, said),
                "You add the two cross-entropies; each counts half.",
            ),
            Mistake(
                lambda own, heard, labels, said: both(own, heard, labels, heard),
                "The distillation head learns its own first choice. It is the teacher's that it should learn.",
            ),
        ],
        praise="No temperature, no divergence: the teacher is one more annotator.",
    )


# --- 3. CutMix ---------------------------------------------------------------------------------------------


def cutmix(
    answer: Callable[[Tensor, Tensor, Int[Tensor, " B"], tuple[int, int, int, int]], tuple[Tensor, Tensor]],
) -> Verdict:
    """Judge ``cutmix(pictures, targets, partner, box)``: both, with each one's partner pasted into the box.

    Pictures are (B, C, H, W), targets (B, classes); the box is (top, bottom, left, right), its ends not included.
    """
    cases = []
    for H, W, box in ((6, 8, (1, 4, 2, 8)), (5, 5, (0, 2, 0, 5))):
        pictures, targets = _draw((4, 3, H, W), (4, 3))
        cases.append((pictures, targets.softmax(-1), torch.tensor([1, 2, 3, 0]), box))

    def mixed(
        pictures: Tensor,
        targets: Tensor,
        partner: Tensor,
        box: tuple[int, int, int, int],
        share: Callable[[float], float] = lambda area: 1 - area,
        turned: bool = False,
        outside: bool = False,
    ) -> tuple[Tensor, Tensor]:
        top, bottom, left, right = box
        H, W = pictures.shape[2:]
        inside = torch.zeros(H, W, dtype=torch.bool)
        inside[
            (slice(left, right), slice(top, bottom)) if turned else (slice(top, bottom), slice(left, right))
        ] = True
        kept = share(inside.sum().item() / (H * W))
        if outside:
            inside = ~inside
        return torch.where(inside, pictures[partner], pictures), kept * targets + (1 - kept) * targets[
            partner
        ]

    return check_function(
        answer,
        reference=lambda pictures, targets, partner, box: mixed(pictures, targets, partner, box),
        cases=cases,
        mistakes=[
            Mistake(
                lambda p, t, other, box: mixed(p, t, other, box, share=lambda area: area),
                "The shares are swapped: what is pasted has the share of the box, and what stays has the rest.",
            ),
            Mistake(
                lambda pictures, targets, partner, box: (mixed(pictures, targets, partner, box)[0], targets),
                "The targets stay as they were, though a part of each picture is now another's.",
            ),
            Mistake(
                lambda p, t, other, box: mixed(p, t, other, box, share=lambda area: 0.5),
                "You mix the targets half and half, however large the box is.",
            ),
            Mistake(
                lambda p, t, other, box: mixed(p, t, other, box, share=lambda area: 1 - math.sqrt(area)),
                "You count sides. The share is that of the area.",
            ),
            Mistake(
                lambda p, t, other, box: mixed(p, t, other, box, turned=True),
                "The box is turned: rows come first in a picture, then columns.",
            ),
            Mistake(
                lambda p, t, other, box: mixed(p, t, other, box, outside=True),
                "You paste outside the box, and count what is inside.",
            ),
            Mistake(
                lambda pictures, targets, partner, box: mixed(
                    pictures, targets, torch.arange(len(pictures)), box
                ),
                "Each picture is pasted into itself: its partner is another.",
            ),
        ],
        praise="The picture and its label are mixed in one proportion, which the box decides.",
    )


# --- 4. Repeated augmentation ------------------------------------------------------------------------------


def repeated(answer: Callable[[Int[Tensor, " N"], int], Int[Tensor, " N"]]) -> Verdict:
    """Judge ``repeated(order, times)``: the order of an epoch in which each picture drawn comes `times` in a row.

    The epoch stays as long as `order`.
    """

    def reference(order: Tensor, times: int) -> Tensor:
        return order.repeat_interleave(times)[: len(order)]

    return check_function(
        answer,
        reference=reference,
        cases=[(torch.tensor([4, 2, 0, 5, 1, 3]), 3), (torch.tensor([3, 0, 2, 4, 1]), 2)],
        mistakes=[
            Mistake(
                lambda order, times: order.repeat(times)[: len(order)],
                "Nothing is repeated: you lay whole orders behind one another and cut after the first.",
            ),
            Mistake(
                lambda order, times: order.repeat(times),
                "The whole order comes again and again. Copies should be neighbours, so that a batch holds them all.",
            ),
            Mistake(
                lambda order, times: order.repeat_interleave(times),
                "The epoch has grown: it should be as long as before, with fewer different pictures in it.",
            ),
            Mistake(
                lambda order, times: order[: math.ceil(len(order) / times)].repeat(times)[: len(order)],
                "The right pictures, but their copies are far apart: they belong into one batch.",
            ),
            Mistake(
                lambda order, times: order[: len(order) // times].repeat_interleave(times),
                "Where `times` does not divide the number, pictures are missing at the end.",
            ),
        ],
        praise="One picture, several views in one batch, and an epoch that costs what it did.",
    )


# --- 5. How alike the tokens are ---------------------------------------------------------------------------


def alike(answer: Callable[[Float[Tensor, "B T D"]], Float[Tensor, ""]]) -> Verdict:
    """Judge ``alike(hidden)``: the cosine of class and distillation token, the mean over the pictures."""
    cases = [(one + shift,) for (one,), shift in ((_draw((5, 6, 4)), 0.3), (_draw((3, 9, 7)), 0.1))]

    return check_function(
        answer,
        reference=lambda hidden: F.cosine_similarity(hidden[:, 0], hidden[:, 1], dim=-1).mean(),
        cases=cases,
        mistakes=[
            Mistake(
                lambda hidden: (hidden[:, 0] * hidden[:, 1]).sum(-1).mean(),
                "That is the product of the vectors: divide by their lengths.",
            ),
            Mistake(
                lambda hidden: F.cosine_similarity(hidden[:, 0].mean(0), hidden[:, 1].mean(0), dim=0),
                "You average the vectors first, so that what differs from picture to picture is gone.",
            ),
            Mistake(
                lambda hidden: F.cosine_similarity(hidden[:, 0], hidden[:, -1], dim=-1).mean(),
                "The last token is a patch. Class and distillation token are the first two.",
            ),
            Mistake(
                lambda hidden: F.cosine_similarity(hidden[:, 1], hidden[:, 2], dim=-1).mean(),
                "Tokens are counted from 0: you compare the distillation token with the first patch.",
            ),
            Mistake(
                lambda hidden: F.cosine_similarity(hidden[0], hidden[1], dim=-1).mean(),
                "You compare the first two pictures, token by token. The first axis is the batch.",
            ),
            Mistake(
                lambda hidden: F.cosine_similarity(hidden[:, 0].flatten(), hidden[:, 1].flatten(), dim=0),
                "One cosine of all pictures in a row weighs long vectors more; take a cosine a picture, then the mean.",
            ),
        ],
        praise="And now ask what two tokens would do that both learned the labels.",
    )
