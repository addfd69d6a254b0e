"""The exercises of chapter 12: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import torch
import torch.nn.functional as F

from tfedu.exercises import deit as exercise

# --- 1. extra_parameters -----------------------------------------------------------------------------------

EXTRA = {
    "place of its own": lambda D, C: D + D * C + C,
    "second head, from the width": lambda D, C: 2 * D,
    "linear map with a bias": lambda D, C: 2 * D + D * C,
    "head alone": lambda D, C: D * C + C,
    "count two heads": lambda D, C: 2 * D + 2 * (D * C + C),
}

# --- 2. hard_loss ------------------------------------------------------------------------------------------


def nll(logits, target):
    return -logits.log_softmax(1)[torch.arange(len(logits)), target].mean()


def hard(own, heard, labels, said):
    return 0.5 * nll(own, labels) + 0.5 * nll(heard, said.argmax(1))


HARD = {
    "heads are swapped": lambda o, d, y, t: 0.5 * nll(d, y) + 0.5 * nll(o, t.argmax(1)),
    "average the heads first": lambda o, d, y, t: hard(0.5 * (o + d), 0.5 * (o + d), y, t),
    "distillation without a token": lambda o, d, y, t: 0.5 * nll(o, y) + 0.5 * nll(o, t.argmax(1)),
    "teach the teacher's probabilities": lambda o, d, y, t: (
        0.5 * nll(o, y) - 0.5 * (t.softmax(1) * d.log_softmax(1)).sum(1).mean()
    ),
    "each counts half": lambda o, d, y, t: nll(o, y) + nll(d, t.argmax(1)),
    "its own first choice": lambda o, d, y, t: 0.5 * nll(o, y) + 0.5 * nll(d, d.argmax(1)),
}

# --- 3. cutmix ---------------------------------------------------------------------------------------------


def cutmix(pictures, targets, partner, box, share=None):
    top, bottom, left, right = box
    new = pictures.clone()
    new[:, :, top:bottom, left:right] = pictures[partner][:, :, top:bottom, left:right]
    pasted = (bottom - top) * (right - left) / (pictures.shape[2] * pictures.shape[3])
    pasted = pasted if share is None else share(pasted)
    return new, targets * (1 - pasted) + targets[partner] * pasted


def turned(pictures, targets, partner, box):
    top, bottom, left, right = box
    new = pictures.clone()
    new[:, :, left:right, top:bottom] = pictures[partner][:, :, left:right, top:bottom]
    pasted = (new[0, 0] != pictures[0, 0]).sum().item() / pictures[0, 0].numel()
    return new, targets * (1 - pasted) + targets[partner] * pasted


def outside(pictures, targets, partner, box):
    there = cutmix(pictures[partner], targets, torch.arange(len(pictures))[partner.argsort()], box)[0]
    return there, cutmix(pictures, targets, partner, box)[1]


CUTMIX = {
    "shares are swapped": lambda p, t, other, box: cutmix(p, t, other, box, lambda a: 1 - a),
    "targets stay as they were": lambda p, t, other, box: (cutmix(p, t, other, box)[0], t.clone()),
    "half and half": lambda p, t, other, box: cutmix(p, t, other, box, lambda a: 0.5),
    "count sides": lambda p, t, other, box: cutmix(p, t, other, box, lambda a: a**0.5),
    "box is turned": turned,
    "paste outside": outside,
    "pasted into itself": lambda p, t, other, box: (p.clone(), t.clone()),
}

# --- 4. repeated -------------------------------------------------------------------------------------------


def repeated(order, times):
    return torch.tensor([order[n // times] for n in range(len(order))])


REPEATED = {
    "Nothing is repeated": lambda order, times: order.clone(),
    "again and again": lambda order, times: torch.cat([order] * times),
    "epoch has grown": lambda order, times: torch.stack([order] * times, 1).flatten(),
    "far apart": lambda order, times: torch.cat([order[: -(-len(order) // times)]] * times)[: len(order)],
    "missing at the end": lambda order, times: torch.tensor(
        [order[n // times] for n in range(len(order) // times * times)]
    ),
}

# --- 5. alike ----------------------------------------------------------------------------------------------


def alike(hidden):
    unit = hidden / hidden.norm(dim=-1, keepdim=True)
    return (unit[:, 0] * unit[:, 1]).sum(-1).mean()


def flat(hidden):
    a, b = hidden[:, 0].reshape(-1), hidden[:, 1].reshape(-1)
    return a @ b / (a.norm() * b.norm())


ALIKE = {
    "divide by their lengths": lambda hidden: torch.einsum("bd,bd->b", hidden[:, 0], hidden[:, 1]).mean(),
    "average the vectors first": lambda hidden: alike(hidden.mean(0, keepdim=True)),
    "last token is a patch": lambda hidden: alike(hidden[:, [0, -1]]),
    "counted from 0": lambda hidden: alike(hidden[:, 1:]),
    "first two pictures": lambda hidden: alike(hidden.transpose(0, 1)),
    "weighs long vectors more": flat,
}

#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "extra_parameters": (
        exercise.extra_parameters,
        lambda width, classes: 2 * width + (width + 1) * classes,
        EXTRA,
    ),
    "hard_loss": (exercise.hard_loss, hard, HARD),
    "cutmix": (
        exercise.cutmix,
        lambda pictures, targets, partner, box: cutmix(pictures, targets, partner, box),
        CUTMIX,
    ),
    "repeated": (exercise.repeated, repeated, REPEATED),
    "alike": (exercise.alike, alike, ALIKE),
}


def test_the_extra_of_the_paper() -> None:
    """What `DeiT` has more than `ViT`, counted on the models themselves."""
    from tfedu.models.deit import DeiT
    from tfedu.models.vit import ViT, ViTConfig

    with torch.device("meta"):
        counts = [sum(p.numel() for p in kind(ViTConfig()).parameters()) for kind in (DeiT, ViT)]
    assert counts[0] - counts[1] == 2 * 768 + 769 * 1000


def test_a_loss_written_with_the_library_passes() -> None:
    def answer(class_logits, distillation_logits, labels, teacher_logits):
        taught = F.cross_entropy(distillation_logits, teacher_logits.argmax(-1))
        return (F.cross_entropy(class_logits, labels) + taught) / 2

    assert exercise.hard_loss(answer)
