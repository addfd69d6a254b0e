"""Jobs timed side by side: in one process, by turns, each turn in another order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def by_turns(
    jobs: Mapping[str, Callable[[], Any]],
    device: str,
    *,
    warm: int,
    turns: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Milliseconds of each run of each job, after `warm` turns that are not counted; every turn begins with another,
    so that whatever else the machine does meets all alike. The clock tells seconds."""
    names = list(jobs)
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(-warm, turns):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            if device == "cuda":
                torch.cuda.synchronize()
            start = clock()
            jobs[name]()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= 0:
                taken[name].append(1000 * (clock() - start))
    return taken
