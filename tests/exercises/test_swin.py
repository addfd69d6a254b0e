"""The exercises of chapter 13: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import math

import torch

from tfedu.exercises import swin as exercise

# --- 1. same_window ----------------------------------------------------------------------------------------


def windows(place, window, shift):
    return [math.floor((p - shift) / window) for p in place]


def same_window(a, b, window, shift):
    return windows(a, window, shift) == windows(b, window, shift)


SAME_WINDOW = {
    "shift is missing": lambda a, b, window, shift: windows(a, window, 0) == windows(b, window, 0),
    "You add the shift": lambda a, b, window, shift: same_window(a, b, window, -shift),
    "rows only": lambda a, b, window, shift: windows(a[:1], window, shift) == windows(b[:1], window, shift),
    "One of the two": lambda a, b, window, shift: bool(
        (torch.tensor(windows(a, window, shift)) == torch.tensor(windows(b, window, shift))).any()
    ),
    "near each other": lambda a, b, window, shift: abs(a[0] - b[0]) < window and abs(a[1] - b[1]) < window,
    "rounds towards zero": lambda a, b, window, shift: (
        [math.trunc((p - shift) / window) for p in a] == [math.trunc((p - shift) / window) for p in b]
    ),
}

# --- 2. partition ------------------------------------------------------------------------------------------


def windows_of(x, window):
    return [
        [x[b, r : r + window, c : c + window] for c in range(0, x.shape[2], window)]
        for b in range(len(x))
        for r in range(0, x.shape[1], window)
    ]


def partition(x, window):
    return torch.stack([one.reshape(window**2, -1) for row in windows_of(x, window) for one in row])


def down_first(x, window):
    return (
        partition(x.transpose(1, 2), window)
        .reshape(-1, window, window, x.shape[-1])
        .transpose(1, 2)
        .flatten(1, 2)
    )


PARTITION = {
    "A reshape alone": lambda x, window: x.reshape(-1, window**2, x.shape[3]),
    "down the columns first": down_first,
    "Inside each window you run": lambda x, window: torch.stack(
        [one.transpose(0, 1).reshape(window**2, -1) for row in windows_of(x, window) for one in row]
    ),
    "innermost part": lambda x, window: (
        partition(x, window).unflatten(0, (len(x), -1)).transpose(0, 1).flatten(0, 1)
    ),
    "dilated": lambda x, window: torch.stack(
        [one[i::window, j::window].flatten(0, 1) for one in x for i in range(window) for j in range(window)]
    ),
    "Merge the batch": lambda x, window: partition(x, window).unflatten(0, (len(x), -1)),
}

# --- 3. bias_index -----------------------------------------------------------------------------------------


def by_pairs(window, number):
    places = [(y, x) for y in range(window) for x in range(window)]
    return torch.tensor([[number(a - c, b - d, window) for c, d in places] for a, b in places])


BIAS_INDEX = {
    "key minus query": lambda window: by_pairs(window, lambda y, x, w: (w - 1 - y) * (2 * w - 1) + w - 1 - x),
    "Columns come first": lambda window: by_pairs(
        window, lambda y, x, w: (x + w - 1) * (2 * w - 1) + y + w - 1
    ),
    "negative": lambda window: by_pairs(window, lambda y, x, w: y * (2 * w - 1) + x),
    "different offsets share": lambda window: by_pairs(window, lambda y, x, w: (y + w - 1) * w + x + w - 1),
    "only added up": lambda window: by_pairs(window, lambda y, x, w: y + x + 2 * w - 2),
    "Without the sign": lambda window: by_pairs(window, lambda y, x, w: abs(y) * w + abs(x)),
}

# --- 4. multiplications ------------------------------------------------------------------------------------


def cost(h, w, D, window, maps=4, products=2):
    windows, n = h * w // window**2, window**2
    return maps * h * w * D**2 + products * windows * n * n * D


MULTIPLICATIONS = {
    "sees the whole grid": lambda h, w, D, window: 4 * h * w * D**2 + 2 * (h * w) ** 2 * D,
    "not `window` of them": lambda h, w, D, window: 4 * h * w * D**2 + 2 * h * w * window * D,
    "two products": lambda h, w, D, window: cost(h, w, D, window, products=1),
    "One projection is missing": lambda h, w, D, window: cost(h, w, D, window, maps=3),
    "projections are missing": lambda h, w, D, window: cost(h, w, D, window, maps=0),
    "That is one window": lambda h, w, D, window: 4 * h * w * D**2 + 2 * window**4 * D,
    "count an addition": lambda h, w, D, window: 2 * cost(h, w, D, window),
}

# --- 5. seams ----------------------------------------------------------------------------------------------


def mask(h, w, window, shift, origin=None, rolled=True):
    """Who came from where, looked up token by token on the rolled grid."""
    origin = origin or (lambda y, x: (y < shift, x < shift))
    found = []
    for r in range(0, h, window):
        for c in range(0, w, window):
            places = [(r + i, c + j) for i in range(window) for j in range(window)]
            if rolled:
                places = [((y + shift) % h, (x + shift) % w) for y, x in places]
            found.append([[origin(*a) == origin(*b) for b in places] for a in places])
    return torch.tensor(found)


SEAMS = {
    "other way round": lambda h, w, window, shift: ~mask(h, w, window, shift),
    "Nothing is closed": lambda h, w, window, shift: mask(h, w, window, shift, lambda y, x: 0),
    "between rows only": lambda h, w, window, shift: mask(h, w, window, shift, lambda y, x: y < shift),
    "between columns only": lambda h, w, window, shift: mask(h, w, window, shift, lambda y, x: x < shift),
    "from the corner": lambda h, w, window, shift: mask(
        h, w, window, shift, lambda y, x: y < shift or x < shift
    ),
    "the grid as it was": lambda h, w, window, shift: mask(h, w, window, shift, rolled=False),
    "not window - shift": lambda h, w, window, shift: mask(h, w, window, window - shift),
}

#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "same_window": (
        exercise.same_window,
        lambda a, b, window, shift: same_window(a, b, window, shift),
        SAME_WINDOW,
    ),
    "partition": (exercise.partition, lambda x, window: partition(x, window), PARTITION),
    "bias_index": (
        exercise.bias_index,
        lambda window: by_pairs(window, lambda y, x, w: (y + w - 1) * (2 * w - 1) + x + w - 1),
        BIAS_INDEX,
    ),
    "multiplications": (
        exercise.multiplications,
        lambda h, w, D, window: cost(h, w, D, window),
        MULTIPLICATIONS,
    ),
    "seams": (exercise.seams, lambda h, w, window, shift: mask(h, w, window, shift), SEAMS),
}


def test_the_papers_count():
    """Section 3.2, equation 2, at the first stage of Swin-T."""
    assert cost(56, 56, 96, 7) == 4 * 56 * 56 * 96**2 + 2 * 7**2 * 56 * 56 * 96


def test_an_exception_is_told_with_its_line():
    def broken(x, window):
        return x.oops(window)

    assert "return x.oops(window)" in exercise.partition(broken).message
