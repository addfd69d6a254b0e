"""The exercises of chapter 13, "Windows that shift: Swin": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function

Place = tuple[int, int]

# --- 1. Who sees whom --------------------------------------------------------------------------------------


def same_window(answer: Callable[[Place, Place, int, int], bool]) -> Verdict:
    """Judge ``same_window(a, b, window, shift)``: whether the tokens at (row, column) a and b see each other."""
    cases = [
        (a, b, window, shift)
        for window, shift in ((4, 1), (4, 0), (3, 1))
        for a in ((0, 1), (3, 3), (5, 2), (4, 6))
        for b in ((0, 0), (1, 7), (2, 3), (4, 4), (6, 2), (7, 7))
    ]

    def window_of(place: Place, window: int, shift: int, grid: int | None = None) -> Place:
        y, x = (p - shift if grid is None else (p - shift) % grid for p in place)
        return y // window, x // window

    def reference(a: Place, b: Place, window: int, shift: int) -> bool:
        return window_of(a, window, shift) == window_of(b, window, shift)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda a, b, window, shift: window_of(a, window, 0) == window_of(b, window, 0),
                "The shift is missing: the borders lie at shift, shift + window, and so on.",
            ),
            Mistake(
                lambda a, b, window, shift: window_of(a, window, -shift) == window_of(b, window, -shift),
                "You add the shift. The windows move down and to the right, so in their own coordinates the tokens "
                "move the other way.",
            ),
            Mistake(
                lambda a, b, window, shift: window_of(a, window, shift)[0] == window_of(b, window, shift)[0],
                "You compare the rows only. A window has a left and a right border, too.",
            ),
            Mistake(
                lambda a, b, window, shift: any(
                    m == n
                    for m, n in zip(window_of(a, window, shift), window_of(b, window, shift), strict=True)
                ),
                "One of the two is enough for you. Both the row and the column must lie in the same window.",
            ),
            Mistake(
                lambda a, b, window, shift: all(abs(p - q) < window for p, q in zip(a, b, strict=True)),
                "You ask whether they are near each other. Two neighbours with a border between them do not see "
                "each other.",
            ),
            Mistake(
                lambda a, b, window, shift: (
                    tuple(int((p - shift) / window) for p in a) == tuple(int((p - shift) / window) for p in b)
                ),
                "You cut the decimals off, which rounds towards zero. For tokens before the first border the number "
                "is negative, and the floor is -1, not 0.",
            ),
        ],
        praise="One floor for each direction, and no roll, no seams, no special case at the edge.",
    )


# --- 2. Cutting into windows -------------------------------------------------------------------------------


def partition(answer: Callable[[Float[Tensor, "B h w D"], int], Float[Tensor, "B*W n D"]]) -> Verdict:
    """Judge ``partition(x, window)``: the windows of each picture in rows, the n tokens of each window in rows."""
    generator = torch.Generator().manual_seed(0)
    cases = [
        (torch.randn(2, 4, 6, 3, generator=generator), 2),
        (torch.randn(1, 6, 3, 2, generator=generator), 3),
    ]

    def cut(pattern: str) -> Callable[[Tensor, int], Tensor]:
        return lambda x, window: rearrange(x, f"b (r i) (c j) d -> {pattern}", i=window, j=window)

    return check_function(
        answer,
        reference=cut("(b r c) (i j) d"),
        cases=cases,
        mistakes=[
            Mistake(
                lambda x, window: x.reshape(-1, window * window, x.shape[-1]),
                "A reshape alone takes window² tokens that follow each other in a row. A window takes `window` from "
                "each of `window` rows: split both axes, swap the inner two, then merge.",
            ),
            Mistake(
                cut("(b c r) (i j) d"),
                "Your windows run down the columns first. Those of one row of windows come first.",
            ),
            Mistake(
                cut("(b r c) (j i) d"),
                "Inside each window you run down the columns. The tokens stand in rows, as on the grid.",
            ),
            Mistake(
                cut("(r c b) (i j) d"),
                "The pictures of the batch are the innermost part of your first axis: windows of different "
                "pictures alternate. Put the batch first.",
            ),
            Mistake(
                cut("(b i j) (r c) d"),
                "You gather tokens that stand `window` apart, one from each window: that is a dilated grid.",
            ),
            Mistake(cut("b (r c) (i j) d"), "Merge the batch and the windows into one axis: (B · W, n, D)."),
        ],
        praise="One line of einops. To undo it, swap its two sides.",
    )


# --- 3. The index of the biases ----------------------------------------------------------------------------


def bias_index(answer: Callable[[int], Int[Tensor, "n n"]]) -> Verdict:
    """Judge ``index(window)``: where in a table of (2 window - 1)² numbers the bias of query t and key s stands."""

    def offsets(window: int) -> tuple[Tensor, ...]:
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        return (places[:, None] - places[None, :]).unbind(-1)

    def reference(window: int) -> Tensor:
        y, x = offsets(window)
        return (y + window - 1) * (2 * window - 1) + x + window - 1

    def turned(window: int) -> Tensor:
        y, x = offsets(window)
        return (x + window - 1) * (2 * window - 1) + y + window - 1

    def bare(window: int) -> Tensor:
        y, x = offsets(window)
        return y * (2 * window - 1) + x

    def narrow(window: int) -> Tensor:
        y, x = offsets(window)
        return (y + window - 1) * window + x + window - 1

    def added(window: int) -> Tensor:
        y, x = offsets(window)
        return y + window - 1 + x + window - 1

    def without_sides(window: int) -> Tensor:
        y, x = offsets(window)
        return y.abs() * window + x.abs()

    return check_function(
        answer,
        reference=reference,
        cases=[(2,), (3,), (4,)],
        mistakes=[
            Mistake(
                lambda window: reference(window).T,
                "The offset is key minus query. It is query minus key: published tables are laid out so, and with "
                "yours each head would look the other way.",
            ),
            Mistake(turned, "Columns come first in your index. The rows' offset is the slow one."),
            Mistake(
                bare,
                "Some of your numbers are negative, and Python counts those from the table's end. Add window - 1 to "
                "both offsets.",
            ),
            Mistake(
                narrow,
                "A row of the table is 2 window - 1 long, for that many offsets there are; with `window`, different "
                "offsets share a number.",
            ),
            Mistake(
                added,
                "The two offsets are only added up, so that one to the right is one down. Multiply the rows'.",
            ),
            Mistake(
                without_sides,
                "Without the sign, left and right have one bias, and so have above and below. Keep the sign.",
            ),
        ],
        praise="A flipped index changes nothing at the start, when all biases are alike, and everything later.",
    )


# --- 4. What it costs --------------------------------------------------------------------------------------


def multiplications(answer: Callable[[int, int, int, int], int]) -> Verdict:
    """Judge ``multiplications(h, w, D, window)``: of one windowed attention with its four projections, no padding."""

    def count(h: int, w: int, D: int, seen: int, projections: int = 4, products: int = 2) -> int:
        return projections * h * w * D * D + products * h * w * seen * D

    return check_function(
        answer,
        reference=lambda h, w, D, window: count(h, w, D, window**2),
        cases=[(56, 56, 96, 7), (8, 12, 10, 4)],
        mistakes=[
            Mistake(
                lambda h, w, D, window: count(h, w, D, h * w),
                "Each token sees the whole grid in your count: that is a ViT. It sees the window² tokens of its "
                "window.",
            ),
            Mistake(
                lambda h, w, D, window: count(h, w, D, window),
                "A window has window² tokens, not `window` of them.",
            ),
            Mistake(
                lambda h, w, D, window: count(h, w, D, window**2, products=1),
                "Attention has two products: queries with keys, and weights with values.",
            ),
            Mistake(
                lambda h, w, D, window: count(h, w, D, window**2, projections=3),
                "One projection is missing: beside queries, keys and values there is the output.",
            ),
            Mistake(
                lambda h, w, D, window: count(h, w, D, window**2, projections=0),
                "The projections are missing: four maps of D by D at each token.",
            ),
            Mistake(
                lambda h, w, D, window: 4 * h * w * D * D + 2 * window**4 * D,
                "That is one window. There are h w / window² of them.",
            ),
            Mistake(
                lambda h, w, D, window: 2 * count(h, w, D, window**2),
                "You count an addition with each multiplication (FLOPs). Multiplications alone are half.",
            ),
        ],
        praise="Linear in h w: with the window held fixed, four times the picture is four times the work.",
    )


# --- 5. The seams ------------------------------------------------------------------------------------------


def seams(answer: Callable[[int, int, int, int], Bool[Tensor, "W n n"]]) -> Verdict:
    """Judge ``mask(h, w, window, shift)``: in each window of the rolled grid, who may see whom; True = may."""

    def split(part: Tensor, window: int) -> Tensor:
        return rearrange(part, "(r i) (c j) -> (r c) (i j)", i=window, j=window)

    def compared(part: Tensor, window: int) -> Tensor:
        parts = split(part, window)
        return parts[:, :, None] == parts[:, None, :]

    def part_of(h: int, w: int, shift: int, rows: bool = True, columns: bool = True) -> Tensor:
        down = (torch.arange(h) >= h - shift).long() * rows
        right = (torch.arange(w) >= w - shift).long() * columns
        return 2 * down[:, None] + right[None, :]

    def reference(h: int, w: int, window: int, shift: int) -> Tensor:
        return compared(part_of(h, w, shift), window)

    def only_moved(h: int, w: int, window: int, shift: int) -> Tensor:
        moved = split((part_of(h, w, shift) > 0).long(), window)
        return moved[:, :, None] == moved[:, None, :]

    def not_rolled(h: int, w: int, window: int, shift: int) -> Tensor:
        down, right = torch.arange(h) < shift, torch.arange(w) < shift
        return compared(2 * down.long()[:, None] + right.long()[None, :], window)

    return check_function(
        answer,
        reference=reference,
        cases=[(8, 8, 4, 2), (6, 9, 3, 1)],
        mistakes=[
            Mistake(
                lambda h, w, window, shift: ~reference(h, w, window, shift),
                "It is the other way round: True means “may attend”, and you mark what is closed.",
            ),
            Mistake(
                lambda h, w, window, shift: torch.ones_like(reference(h, w, window, shift)),
                "Nothing is closed. Tokens from opposite edges of the picture share the last windows.",
            ),
            Mistake(
                lambda h, w, window, shift: compared(part_of(h, w, shift, columns=False), window),
                "You close the seam between rows only. Columns were rolled, too.",
            ),
            Mistake(
                lambda h, w, window, shift: compared(part_of(h, w, shift, rows=False), window),
                "You close the seam between columns only. Rows were rolled, too.",
            ),
            Mistake(
                only_moved,
                "You tell moved tokens from the others, but not those that came from the left, from above and from "
                "the corner. In the last window all of them meet.",
            ),
            Mistake(
                not_rolled,
                "The moved rows and columns are the first ones of the grid as it was. After the roll they are the "
                "last.",
            ),
            Mistake(
                lambda h, w, window, shift: compared(part_of(h, w, window - shift), window),
                "The seam lies `shift` tokens from the end, not window - shift. With a shift of half a window that "
                "is the same.",
            ),
        ],
        praise="So rolled and masked, ragged windows cost what whole ones cost.",
    )
