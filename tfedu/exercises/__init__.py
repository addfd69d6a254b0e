"""Exercises that answer back: a wrong answer is told which mistake it is.

One module a chapter, named as its notebook; one function an exercise. Each takes the student's function or
value, prints one verdict and returns it:

    from tfedu.exercises import seq2seq as exercise
    exercise.lstm_step(my_function)
    # ✗ The gates f and i are swapped: ...

How a mistake is known: each exercise holds the wrong answers that people give, as code. The student's
function runs on the same inputs as the reference and as each wrong answer, and the results are compared as
numbers. So it does not matter how an answer is written.
"""

from __future__ import annotations

import copy
import inspect
import linecache
import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

__all__ = ["Diagnosis", "Mistake", "Verdict", "check_function", "check_open", "check_value", "same"]


@dataclass(frozen=True)
class Verdict:
    """What an exercise says. It is true when the answer is right."""

    state: Literal["right", "wrong", "not started"]
    message: str

    def __bool__(self) -> bool:
        return self.state == "right"

    def __str__(self) -> str:
        return {"right": "✓ ", "wrong": "✗ ", "not started": ""}[self.state] + self.message

    def _ipython_display_(self) -> None:
        """Nothing: as a cell's last line it would be shown twice, for the check has printed it."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give, and what to tell them.

    Attributes:
        wrong: a function with the student's signature that makes the mistake, or the wrong value itself.
        diagnosis: names the mistake and asks for the fix, without giving the solution away.
    """

    wrong: Any
    diagnosis: str


class Diagnosis(Exception):
    """Says what is wrong with an answer while it is being tried; its text is the verdict's.

    Raised by a judge, or by what an exercise hands to the student's function, such as a decoder asked for ever more.
    """


def check_function(
    answer: Any,
    *,
    reference: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    mistakes: Sequence[Mistake],
    praise: str,
) -> Verdict:
    """Judge a function on every case; each case is a tuple of arguments, copied for each call.

    The first mistake that gives the student's results on every case is the one reported.
    """
    return _say(_judge_function(answer, reference, cases, mistakes, praise))


def check_value(answer: Any, *, right: Any, mistakes: Sequence[Mistake], praise: str) -> Verdict:
    """Judge a value; `...` and None count as not started."""
    return _say(_judge_value(answer, right, mistakes, praise))


def check_open(judge: Callable[..., Verdict], *answer: Any) -> Verdict:
    """Judge an answer that has no one reference: ``judge(*answer)`` tries it and gives the verdict.

    A `Diagnosis` that it raises is the verdict, NotImplementedError is an answer not started, and any other error
    is told as one of the student's code.
    """
    try:
        verdict = judge(*answer)
    except NotImplementedError:
        verdict = Verdict("not started", "not started yet")
    except Diagnosis as diagnosis:
        verdict = _wrong(str(diagnosis))
    except Exception as error:
        verdict = _wrong(_kindly(error, answer[0]))
    return _say(verdict)


def same(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    """Whether two results are equal: numbers and tensors nearly, lists and tuples item by item.

    A tensor of one number equals that number, and an array or a flat list equals a tensor of its numbers.
    """
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and a == b
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    first, second = _array(a), _array(b)
    if first is None or second is None or first.shape != second.shape:
        return False
    return bool(np.allclose(first, second, rtol=tolerance, atol=tolerance, equal_nan=True))


# --- judging -----------------------------------------------------------------------------------------------


def _judge_function(
    answer: Any,
    reference: Callable[..., Any],
    cases: Sequence[tuple[Any, ...]],
    mistakes: Sequence[Mistake],
    praise: str,
) -> Verdict:
    if not callable(answer):
        return _wrong(
            f"Pass the function itself, not {_describe(answer)}: check(my_function), without calling it."
        )
    if complaint := _signature_complaint(answer, reference):
        return _wrong(complaint)
    results = []
    for case in cases:
        arguments = copy.deepcopy(case)
        try:
            results.append(answer(*arguments))
        except NotImplementedError:
            return Verdict("not started", "not started yet")
        except Diagnosis as diagnosis:
            return _wrong(str(diagnosis))
        except Exception as error:
            return _wrong(_kindly(error, answer))
        if results[-1] is None:
            return _wrong("Your function returned nothing (None). Does it end with a return?")
        if results[-1] is ...:
            return Verdict("not started", "not started yet")
        if not _unchanged(arguments, case):
            return _wrong(
                "Your function changes the tensors it is given, so whoever calls it loses them. Make new "
                "ones: out-of-place operations, or clone() first."
            )
    expected = [reference(*copy.deepcopy(case)) for case in cases]
    if all(map(same, results, expected)):
        return Verdict("right", praise)
    for mistake in mistakes:
        if all(map(same, results, (mistake.wrong(*copy.deepcopy(case)) for case in cases))):
            return _wrong(mistake.diagnosis)
    which = next(n for n, (r, e) in enumerate(zip(results, expected, strict=True)) if not same(r, e))
    return _wrong(_difference(results[which], expected[which], which, len(cases)))


def _judge_value(answer: Any, right: Any, mistakes: Sequence[Mistake], praise: str) -> Verdict:
    if answer is None or answer is ...:
        return Verdict("not started", "not started yet")
    if callable(answer):
        return _wrong("Pass the value, not a function.")
    if same(answer, right):
        return Verdict("right", praise)
    for mistake in mistakes:
        if same(answer, mistake.wrong):
            return _wrong(mistake.diagnosis)
    if type(answer) is not type(right) and _array(answer) is None:
        return _wrong(f"The answer is {_describe(right, value=False)}; got {_describe(answer)}.")
    return _wrong(f"{answer} is not it. Count again, and write down what you count.")


def _say(verdict: Verdict) -> Verdict:
    print(verdict)
    return verdict


def _wrong(message: str) -> Verdict:
    return Verdict("wrong", message)


def _signature_complaint(answer: Callable[..., Any], reference: Callable[..., Any]) -> str | None:
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # some built-ins do not tell
        return None
    names = list(inspect.signature(reference).parameters)
    try:
        signature.bind(*names)
    except TypeError:
        return (
            f"Your function takes ({', '.join(signature.parameters)}); "
            f"it will be called with ({', '.join(names)}), in this order."
        )
    return None


def _kindly(error: Exception, answer: Any) -> str:
    """What went wrong, and on which of the student's own lines."""
    what = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == file and frame.lineno is not None:
            line = linecache.getline(frame.filename, frame.lineno).strip() or (frame.line or "")
            return f"Your code stopped in line {frame.lineno}, `{line}`, with {what}"
    return f"Your code stopped with {what}"


def _difference(got: Any, wanted: Any, case: int, cases: int) -> str:
    """Say how a result differs: its kind, its shape, or where its numbers part."""
    of = "" if cases == 1 else f" (test {case + 1} of {cases})"
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        if len(got) != len(wanted):
            return (
                f"Expected {len(wanted)} items, got {len(got)}{of}: {_describe(got)} for {_describe(wanted)}."
            )
        n = next(i for i, pair in enumerate(zip(got, wanted, strict=True)) if not same(*pair))
        return f"Item {n} differs{of}. " + _difference(got[n], wanted[n], 0, 1)
    ours, theirs = _array(wanted), _array(got)
    if ours is None or theirs is None:
        return f"Expected {_describe(wanted, value=ours is None)}, got {_describe(got)}{of}."
    if ours.shape != theirs.shape:
        return f"The shape should be {ours.shape}, but it is {theirs.shape}{of}."
    if np.isnan(theirs).any():
        return f"There are NaNs in the result{of}: look for 0/0, log(0), or inf - inf."
    where = np.unravel_index(int(np.abs(theirs - ours).argmax()), ours.shape)
    place = f" at {[int(i) for i in where]}" if ours.shape else ""
    return (
        f"Not yet, and it is none of the usual mistakes{of}: the largest difference is{place}, "
        f"where {theirs[where]:.4g} should be {ours[where]:.4g}."
    )


# --- small things ------------------------------------------------------------------------------------------


def _array(x: Any) -> np.ndarray | None:
    """Numbers as float64, or None where there are none to compare."""
    if isinstance(x, Tensor):
        return x.detach().to("cpu", torch.float64).numpy()
    if isinstance(x, np.ndarray | Number | list | tuple):
        try:
            return np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            return None
    return None


def _unchanged(now: tuple[Any, ...], before: tuple[Any, ...]) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(now, before, strict=True)
        if isinstance(a, Tensor) and isinstance(b, Tensor)
    )


def _describe(x: Any, *, value: bool = True) -> str:
    if isinstance(x, Tensor | np.ndarray):
        kind = "a tensor" if isinstance(x, Tensor) else "an array"
        return f"{kind} of shape {tuple(x.shape)}"
    if isinstance(x, list | tuple):
        shown = ", ".join(_describe(item) for item in x[:3])
        return f"a {type(x).__name__} ({shown}{', ...' if len(x) > 3 else ''})"
    if isinstance(x, float) and math.isnan(x):
        return "NaN"
    if isinstance(x, str):
        return f"the text {x!r}" if value else "a text"
    if isinstance(x, Number):
        if not value:
            return "a number"
        return f"the number {x:.4g}" if isinstance(x, float) else f"the number {x}"
    return f"a {type(x).__name__}"
