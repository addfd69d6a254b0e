"""What a layer costs, measured by running it: multiplications, steps that wait for each other, reach, memory, time.

The columns of table 1 of Vaswani et al. (2017), which compares layer types on paper, for any module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

#: Autograd's names of the operations that are, at heart, matrix products.
_PRODUCTS = ("Mm", "Bmm", "Addmm", "Baddbmm", "Convolution", "ScaledDotProduct")


def multiplications(run: Callable[[], Any]) -> int:
    """How many multiplications the matrix products of ``run()`` take, counted while it runs.

    Raises:
        ValueError: nothing was counted: `run` makes no products, or hides them in one fused operation that
            torch's counter does not know, such as nn.GRU's.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    if not (count := counter.get_total_flops()):
        raise ValueError(
            "no multiplications were counted. A fused nn.GRU or nn.LSTM hides them: use its cell."
        )
    return int(count) // 2  # it counts a multiplication and an addition as two


def waiting_steps(output: Tensor) -> int:
    """The longest chain of matrix products of which each needs the one before: how often `output` had to wait.

    However many cores there are, these steps come one after another. `output` must have been computed with
    gradients on, for the chain is read from autograd's graph.

    Raises:
        ValueError: there is no graph.
    """
    if output.grad_fn is None:
        raise ValueError("this output has no graph: compute it without torch.no_grad().")
    longest: dict[Any, int] = {}
    waiting = [output.grad_fn]
    while waiting:  # a loop, since Python's recursion ends at a thousand steps
        node = waiting[-1]
        below = [n for n, _ in node.next_functions if n is not None]
        unknown = [n for n in below if n not in longest]
        if unknown:
            waiting += unknown
            continue
        own = int(node.name().startswith(_PRODUCTS))
        longest[waiting.pop()] = own + max((longest[n] for n in below), default=0)
    return longest[output.grad_fn]


def layers_to_reach(make: Callable[[], nn.Module], n: int, width: int, most: int = 1000) -> int:
    """How many such layers must be stacked until the first of n tokens can change the last.

    A NaN is put in the first token; it spreads to whatever depends on it.

    Args:
        make: builds one layer, (1, n, width) to (1, n, width).
        n: tokens.
        width: of a token.
        most: give up after so many layers.

    Raises:
        ValueError: the last token was not reached.
    """
    x = torch.randn(1, n, width)
    x[:, 0] = torch.nan
    with torch.no_grad():
        for layer in range(1, most + 1):
            x = make()(x)
            if x[0, -1].isnan().any():
                return layer
    raise ValueError(f"the first of {n} tokens does not reach the last in {most} layers.")


def bytes_for_backward(run: Callable[[], Any]) -> int:
    """How many bytes ``run()`` keeps for the backward pass, parameters and their views left out, each store once."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor if tensor._base is None else tensor._base, nn.Parameter):
            store = tensor.untyped_storage()
            kept[store.data_ptr()] = store.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = run()  # held until all is counted, so that no address is used twice
    del held
    return sum(kept.values())


def milliseconds(run: Callable[[], Any], least: float = 0.1) -> float:
    """How long ``run()`` takes, in milliseconds: the fastest of many runs, which is the least disturbed one.

    Args:
        run: what to time.
        least: seconds to spend in all.
    """
    from torch.utils.benchmark import Timer

    timer = Timer("run()", globals={"run": run})
    return 1e3 * min(timer.blocked_autorange(min_run_time=least).times)


def processor_seconds(runs: Mapping[str, Callable[[int], Any]], rounds: int) -> dict[str, list[float]]:
    """The processor time of each run on one thread, in seconds, one number a round.

    The runs take turns, so that whatever else the machine does falls on all alike; what a busy machine makes them
    wait is not counted.

    Args:
        runs: for each name what to time; it is given the number of the round.
        rounds: how often.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    taken: dict[str, list[float]] = {name: [] for name in runs}
    try:
        for number in range(rounds):
            for name, run in runs.items():
                started = time.process_time()
                run(number)
                taken[name].append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return taken
