"""How the learning rate changes over a training: a pure function of the step, so a resume needs no state."""

import math
from typing import Literal, get_args

Schedule = Literal["constant", "linear", "cosine", "inverse_sqrt", "halving"]


def factor(schedule: Schedule, step: int, *, steps: int, warmup: int = 0) -> float:
    """The number in [0, 1] that multiplies the peak learning rate at ``step``, counted from 0.

    The factor climbs in a line over the first ``warmup`` steps and is 1 at step ``warmup``. After it,
    ``constant`` stays at 1, ``linear`` falls in a line and ``cosine`` in half a cosine wave (Loshchilov and
    Hutter 2017, equation 5, without restarts); both would reach 0 at step ``steps``, the first one not taken.
    ``halving`` stays for a quarter of the time after the warm-up, then halves, four levels in all.
    ``inverse_sqrt`` falls with one over the root of the step and knows no end: it is equation 3 of Vaswani et
    al. (2017) with ``warmup_steps = warmup + 1`` (they count steps from 1), divided by its peak, `noam_peak`.

    Raises:
        ValueError: for an unknown schedule, or a warm-up longer than the training.
    """
    if schedule not in get_args(Schedule):
        raise ValueError(f"unknown schedule {schedule!r}; choose one of {', '.join(get_args(Schedule))}.")
    if not 0 <= warmup <= steps:
        raise ValueError(f"warmup is {warmup} of {steps} steps; it must lie between 0 and steps.")
    if step < warmup:
        return (step + 1) / (warmup + 1)  # the first step already moves: 1 of warmup + 1, not 0
    if schedule == "constant":
        return 1.0
    if schedule == "inverse_sqrt":
        return math.sqrt((warmup + 1) / (step + 1))
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    if schedule == "halving":
        return 0.5 ** min(3, int(4 * done))
    return 1.0 - done if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


def noam_peak(width: int, warmup: int) -> float:
    """The peak learning rate of Vaswani et al. (2017), equation 3, for a model of this width.

    ``lrate = width^-0.5 min(n^-0.5, n W^-1.5)`` peaks at step n = W, here ``warmup + 1``, with ``(width W)^-0.5``:
    a wider model and a shorter warm-up both set another peak.
    """
    return (width * (warmup + 1)) ** -0.5
