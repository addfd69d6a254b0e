"""The exercises of chapter 8: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import torch
import torch.nn.functional as F

from tfedu.exercises import distillation as exercise

# --- 1. parameters -----------------------------------------------------------------------------------------


def body(V, P, S, D, L, F_, pooler, bias=True, norm=True, first=True):
    linear = lambda a, b: a * b + (b if bias else 0)  # noqa: E731
    layer = 4 * linear(D, D) + linear(D, F_) + linear(F_, D) + (4 * D if norm else 0)
    return (V + P + S) * D + (2 * D if norm and first else 0) + L * layer + (linear(D, D) if pooler else 0)


PARAMETERS = {
    "biases are missing": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, p, bias=False),
    "norms are missing": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, p, norm=False),
    "One norm is missing": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, p, first=False),
    "two norms": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, p) - 2 * D * L,
    "four matrices": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, p) - L * (D * D + D),
    "twice": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, p) + V * D,
    "positions and the segments": lambda V, P, S, D, L, F_, p: body(V, 0, 0, D, L, F_, p),
    "it is one more linear map": lambda V, P, S, D, L, F_, p: body(V, P, S, D, L, F_, False),
}

# --- 2. soft_loss ------------------------------------------------------------------------------------------


def soft(s, t, T, reduction="batchmean"):
    return T * T * F.kl_div(F.log_softmax(s / T, -1), F.softmax(t / T, -1), reduction=reduction)


SOFT = {
    "T² is missing": lambda s, t, T: soft(s, t, T) / T**2,
    "T instead of T²": lambda s, t, T: soft(s, t, T) / T,
    "direction is turned": lambda s, t, T: soft(t, s, T),
    "multiply the logits": lambda s, t, T: soft(s * T * T, t * T * T, T),
    "Only the teacher": lambda s, t, T: soft(s * T, t, T),
    "Only the student": lambda s, t, T: soft(s, t * T, T),
    "add the places up": lambda s, t, T: soft(s, t, T, "sum"),
    "divide by the vocabulary": lambda s, t, T: soft(s, t, T, "mean"),
    "cross-entropy": lambda s, t, T: T * T * F.cross_entropy(s / T, F.softmax(t / T, -1)),
}

# --- 3. gradient -------------------------------------------------------------------------------------------


def gradient(s, t, T):
    s = s.clone().requires_grad_()
    soft(s[None], t[None], T).backward()
    return s.grad


GRADIENT = {
    "factor T is missing": lambda s, t, T: gradient(s, t, T) / T,
    "without T² in front": lambda s, t, T: gradient(s, t, T) / T**2,
    "chain rule": lambda s, t, T: gradient(s, t, T) * T,
    "sign is turned": lambda s, t, T: -gradient(s, t, T),
    "at T = 1": lambda s, t, T: s.softmax(-1) - t.softmax(-1),
}

# --- 4. teachers_layers ------------------------------------------------------------------------------------


def layers(student, teacher):
    group = teacher // student
    return list(range(group, teacher + 1, group))


LAYERS = {
    "from 0": lambda student, teacher: [n - 1 for n in layers(student, teacher)],
    "first layer of each group": lambda student, teacher: list(range(1, teacher, teacher // student)),
    "first layers": lambda student, teacher: [1 + n for n in range(student)],
    "last layers": lambda student, teacher: [teacher - student + 1 + n for n in range(student)],
    "begin with 0": lambda student, teacher: [0, *layers(student, teacher)[:-1]],
}

# --- 5. attention_loss -------------------------------------------------------------------------------------


def scaled(q, k):
    return q @ k.transpose(1, 2) / q.shape[2] ** 0.5


def attention(qs, ks, qt, kt, real):
    n = int(real.sum())
    return F.mse_loss(scaled(qs, ks)[:, :n, :n], scaled(qt, kt)[:, :n, :n])


def of_weights(qs, ks, qt, kt, real):
    n = int(real.sum())
    return F.mse_loss(scaled(qs, ks)[:, :n, :n].softmax(-1), scaled(qt, kt)[:, :n, :n].softmax(-1))


ATTENTION = {
    "compare the weights": of_weights,
    "not divided by the root": lambda qs, ks, qt, kt, real: attention(
        qs * qs.shape[2] ** 0.5, ks, qt * qt.shape[2] ** 0.5, kt, real
    ),
    "root of the student's width": lambda qs, ks, qt, kt, real: attention(
        qs, ks, qt * (qt.shape[2] / qs.shape[2]) ** 0.5, kt, real
    ),
    "Padding counts": lambda qs, ks, qt, kt, real: F.mse_loss(scaled(qs, ks), scaled(qt, kt)),
    "padded queries": lambda qs, ks, qt, kt, real: F.mse_loss(
        scaled(qs, ks)[:, :, real], scaled(qt, kt)[:, :, real]
    ),
    "average the heads": lambda qs, ks, qt, kt, real: F.mse_loss(
        scaled(qs, ks).mean(0)[real][:, real], scaled(qt, kt).mean(0)[real][:, real]
    ),
    "add up": lambda qs, ks, qt, kt, real: attention(qs, ks, qt, kt, real) * 2 * real.sum() ** 2,
}

#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "parameters": (
        exercise.parameters,
        lambda V, P, S, D, L, F_, pooler: body(V, P, S, D, L, F_, pooler),
        PARAMETERS,
    ),
    "soft_loss": (exercise.soft_loss, lambda s, t, T: soft(s, t, T), SOFT),
    "gradient": (exercise.gradient, gradient, GRADIENT),
    "teachers_layers": (exercise.teachers_layers, layers, LAYERS),
    "attention_loss": (exercise.attention_loss, attention, ATTENTION),
}


def test_the_published_sizes():
    assert body(30_522, 512, 0, 768, 6, 3072, False) == 66_362_880
    assert round(body(30_522, 512, 2, 312, 4, 1200, True) / 1e6, 2) == 14.35


def test_an_exception_is_told_with_its_line():
    def broken(student, teacher, T):
        return torch.oops(student)

    assert "return torch.oops(student)" in exercise.soft_loss(broken).message
