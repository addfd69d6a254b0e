"""The exercises of chapter 11, "An image is a sentence": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function, check_value
from tfedu.trace import cell_distances


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. How many tokens ------------------------------------------------------------------------------------


def tokens(number: int) -> Verdict:
    """Judge how many tokens ViT-B/16 sees of a picture of 384 by 384 pixels."""
    return check_value(
        number,
        right=577,
        mistakes=[
            Mistake(576, "Those are the patches. What is put in front of them?"),
            Mistake(24, "That is one side of the grid; the picture has two."),
            Mistake(25, "That is one side of the grid; the picture has two."),
            Mistake(197, "That is so at 224 pixels, where the model was pre-trained."),
            Mistake(9217, "The 16 is a patch's side, not its area: a patch holds 256 pixels."),
            Mistake(9216, "The 16 is a patch's side, not its area: a patch holds 256 pixels."),
            Mistake(147_456, "Those are the pixels. A patch holds 16 by 16 of them."),
            Mistake(1729, "Colours make no tokens: a patch's three channels lie in one vector."),
            Mistake(578, "You count two tokens in front. DeiT, in the next chapter, has two; ViT has one."),
        ],
        praise="24 × 24 patches and the class token. At 224 pixels there are 197, and maps 8.6 times smaller.",
    )


# --- 2. Cutting a picture ----------------------------------------------------------------------------------


def patchify(answer: Callable[[Float[Tensor, "B C H W"], int], Float[Tensor, "B N P"]]) -> Verdict:
    """Judge ``patchify(pictures, size)``: patches in rows from the top left, each as (channel, row, column)."""
    cases = [
        (torch.arange(2.0 * 3 * 4 * 6).reshape(2, 3, 4, 6), 2),
        (torch.arange(1.0 * 2 * 9 * 6).reshape(1, 2, 9, 6), 3),
    ]

    def by(pattern: str) -> Callable[[Tensor, int], Tensor]:
        return lambda pictures, size: rearrange(pictures, pattern, p=size, q=size)

    def cut_blindly(pictures: Tensor, size: int) -> Tensor:
        return pictures.reshape(len(pictures), -1, pictures.shape[1] * size * size)

    return check_function(
        answer,
        reference=by("b c (h p) (w q) -> b (h w) (c p q)"),
        cases=cases,
        mistakes=[
            Mistake(
                cut_blindly,
                "A reshape alone takes the numbers as they lie in memory: stretches of one row and one channel, not "
                "squares. Split rows and columns into (grid, inside) first, and bring the grid to the front.",
            ),
            Mistake(
                by("b c (h p) (w q) -> b (w h) (c p q)"),
                "Your patches run down the columns. They are counted like letters: along a row, then the next row.",
            ),
            Mistake(
                by("b c (h p) (w q) -> b (h w) (p q c)"),
                "The channels come last inside your patches. In a convolution's kernel, which the embedding is, they "
                "come first.",
            ),
            Mistake(
                by("b c (h p) (w q) -> b (h w) (c q p)"),
                "Each patch lies on its side: inside it, rows come before columns.",
            ),
            Mistake(
                by("b c (p h) (q w) -> b (h w) (c p q)"),
                "You took every h-th row and every w-th column, so that each patch is the whole picture, seen through "
                "a sieve. Which factor of H is the outer one?",
            ),
            Mistake(
                lambda pictures, size: by("b c (h p) (w q) -> b (h w) (c p q)")(pictures, size).mT,
                "Patches and their numbers are exchanged: (B, N, P) is wanted.",
            ),
        ],
        praise="Squares, in reading order. `unfold` gives the same, and a convolution with its stride the embedding.",
    )


# --- 3. The first tokens -----------------------------------------------------------------------------------


def embed(answer: Callable[[Tensor, Tensor, Tensor, Tensor], Float[Tensor, "B T D"]]) -> Verdict:
    """Judge ``embed(patches, matrix, class_token, positions)``: equation 1 of the paper.

    Patches are (B, N, P), the matrix (P, D), the class token (D,), the positions (N + 1, D).
    """
    cases = [
        _draw((2, 4, 6), (6, 5), (5,), (5, 5)),
        _draw((3, 2, 4), (4, 3), (3,), (3, 3)),
    ]

    def front(x: Tensor, token: Tensor, *, last: bool = False) -> Tensor:
        token = token.expand(len(x), 1, -1)
        return torch.cat([x, token] if last else [token, x], dim=1)

    return check_function(
        answer,
        reference=lambda patches, matrix, class_token, positions: (
            front(patches @ matrix, class_token) + positions
        ),
        cases=cases,
        mistakes=[
            Mistake(
                lambda patches, matrix, class_token, positions: front(patches @ matrix, class_token),
                "The positions are not added. Without them a picture is a bag of patches.",
            ),
            Mistake(
                lambda patches, matrix, class_token, positions: (
                    front(patches @ matrix, class_token, last=True) + positions
                ),
                "Your class token stands at the end. Published weights have it in front, where position 0 is its own.",
            ),
            Mistake(
                lambda patches, matrix, class_token, positions: front(
                    patches @ matrix + positions[1:], class_token
                ),
                "The class token got no position. It has one, too: row 0 of the table.",
            ),
            Mistake(
                lambda patches, matrix, class_token, positions: front(
                    patches @ matrix + positions[:-1], class_token
                ),
                "The patches' positions are off by one: row 0 is the class token's.",
            ),
            Mistake(
                lambda patches, matrix, class_token, positions: patches @ matrix + positions[1:],
                "The class token is missing; the result has N + 1 tokens.",
            ),
            Mistake(
                lambda patches, matrix, class_token, positions: (
                    front(patches @ matrix, torch.zeros_like(class_token)) + positions
                ),
                "There is a token in front, but it is zero: use the learned one.",
            ),
        ],
        praise="One product, one token more, one sum. From here on it is an encoder as in chapter 6.",
    )


# --- 4. Another size ---------------------------------------------------------------------------------------


def stretch(
    answer: Callable[[Float[Tensor, "T D"], tuple[int, int], tuple[int, int]], Float[Tensor, "S D"]],
) -> Verdict:
    """Judge ``stretch(table, old, new)``: learned positions, the class token's first, for another grid of patches."""
    cases = [
        (*_draw((1 + 6, 4)), (2, 3), (4, 5)),
        (*_draw((1 + 16, 3)), (4, 4), (3, 6)),
    ]

    def resized(table: Tensor, old: tuple[int, int], new: tuple[int, int], mode: str, **how: bool) -> Tensor:
        grid = rearrange(table, "(h w) d -> 1 d h w", h=old[0])
        return rearrange(F.interpolate(grid, size=new, mode=mode, **how), "1 d h w -> (h w) d")

    def whole(mode: str, **how: bool) -> Callable[..., Tensor]:
        return lambda table, old, new: torch.cat([table[:1], resized(table[1:], old, new, mode, **how)])

    def turned(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
        grid = rearrange(table[1:], "(w h) d -> 1 d h w", h=old[0])
        return torch.cat(
            [table[:1], rearrange(F.interpolate(grid, size=new, mode="bicubic"), "1 d h w -> (h w) d")]
        )

    def as_a_line(table: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
        line = rearrange(table, "t d -> 1 d t")
        return F.interpolate(line, size=1 + new[0] * new[1], mode="linear")[0].T

    return check_function(
        answer,
        reference=whole("bicubic", align_corners=False),
        cases=cases,
        mistakes=[
            Mistake(
                whole("bicubic", align_corners=True),
                "You align the corners. Then the outermost vectors stay and the others move by a little, and published "
                "weights give other answers: align_corners=False.",
            ),
            Mistake(whole("bilinear", align_corners=False), "That is bilinear; bicubic is wanted."),
            Mistake(
                whole("nearest"),
                "That copies the nearest vector (the default of interpolate), so that neighbours become equal.",
            ),
            Mistake(
                lambda table, old, new: resized(table[1:], old, new, "bicubic"),
                "The class token's position is gone. Put row 0 back in front, unchanged.",
            ),
            Mistake(
                turned,
                "You laid the table on the grid by columns. It was written row by row.",
            ),
            Mistake(
                as_a_line,
                "You stretched the table as one line, class token and all. A place below is then far away: make a grid "
                "of it first.",
            ),
            Mistake(
                lambda table, old, new: F.pad(table, (0, 0, 0, 1 + new[0] * new[1] - len(table))),
                "You filled up with zeros (or cut). The new patches lie between the old ones: interpolate.",
            ),
        ],
        praise="The class token kept, the rest stretched as a picture of D channels.",
    )


# --- 5. How far a head looks -------------------------------------------------------------------------------


def distance(
    answer: Callable[[Float[Tensor, "H T T"], tuple[int, int], float], Float[Tensor, " H"]],
) -> Verdict:
    """Judge ``distance(weights, grid, patch)``: each head's mean attention distance, in pixels.

    The first row and column are the class token's; they are left out, and the rest of each row brought to a sum of 1.
    """
    cases = [
        ((3 * torch.randn(H, T, T, generator=torch.Generator().manual_seed(T))).softmax(-1), grid, patch)
        for H, T, grid, patch in ((3, 7, (2, 3), 4.0), (2, 13, (4, 3), 16.0))
    ]

    def inner(weights: Tensor, *, normalised: bool = True) -> Tensor:
        found = weights[:, 1:, 1:]
        return found / found.sum(-1, keepdim=True) if normalised else found

    def mean(weights: Tensor, apart: Tensor) -> Tensor:
        return (weights * apart.to(weights)).sum(-1).mean(-1)

    def steps(grid: tuple[int, int]) -> Tensor:
        row, column = torch.meshgrid(*(torch.arange(side) for side in grid), indexing="ij")
        row, column = row.flatten(), column.flatten()
        return ((row[:, None] - row).abs() + (column[:, None] - column).abs()).double()

    def on_a_line(grid: tuple[int, int]) -> Tensor:
        place = torch.arange(grid[0] * grid[1])
        return (place[:, None] - place).abs()

    def turned(grid: tuple[int, int]) -> Tensor:
        return cell_distances((grid[1], grid[0]))

    return check_function(
        answer,
        reference=lambda weights, grid, patch: patch * mean(inner(weights), cell_distances(grid)),
        cases=cases,
        mistakes=[
            Mistake(
                lambda weights, grid, patch: mean(inner(weights), cell_distances(grid)),
                "That is in patches. A patch is so many pixels wide.",
            ),
            Mistake(
                lambda weights, grid, patch: (
                    patch * mean(inner(weights, normalised=False), cell_distances(grid))
                ),
                "Without the class token a row's weights do not sum to 1, so your mean is too small: divide by what is "
                "left.",
            ),
            Mistake(
                lambda weights, grid, patch: patch * mean(inner(weights).mT, cell_distances(grid)),
                "You average over the queries first: rows are queries, and it is rows that sum to 1.",
            ),
            Mistake(
                lambda weights, grid, patch: patch * mean(inner(weights), cell_distances(grid) ** 2),
                "Those are squared distances.",
            ),
            Mistake(
                lambda weights, grid, patch: patch * mean(inner(weights), steps(grid)),
                "You count steps along rows and columns. Measure as the crow flies.",
            ),
            Mistake(
                lambda weights, grid, patch: patch * mean(inner(weights), on_a_line(grid)),
                "You measure along the sequence. Patches one above the other are neighbours, though far apart in it.",
            ),
            Mistake(
                lambda weights, grid, patch: patch * mean(inner(weights), turned(grid)),
                "You took rows for columns: the grid is (rows, columns), and the patches run along the rows.",
            ),
            Mistake(
                lambda weights, grid, patch: patch * mean(inner(weights), cell_distances(grid)).mean(),
                "That is one number for all heads. The figure shows each.",
            ),
        ],
        praise="That is one dot of figure 7.",
    )


# --- 6. A convolution, as attention ------------------------------------------------------------------------


def convolution(answer: Callable[[int, int], Float[Tensor, "9 N N"]]) -> Verdict:
    """Judge ``convolution(rows, columns)``: nine maps over a grid that together are a 3 by 3 convolution.

    Map n is that of the kernel's number n, row by row: the first looks up and left. At the border it looks nowhere.
    """

    def maps(
        rows: int,
        columns: int,
        *,
        sign: int = 1,
        turned: bool = False,
        wrap: bool = False,
        clamp: bool = False,
    ) -> Tensor:
        found = torch.zeros(9, rows * columns, rows * columns)
        for number, (down, right) in enumerate(_offsets()):
            down, right = (right, down) if turned else (down, right)
            for row in range(rows):
                for column in range(columns):
                    y, x = row + sign * down, column + sign * right
                    if wrap:
                        y, x = y % rows, x % columns
                    if clamp:
                        y, x = min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)
                    if 0 <= y < rows and 0 <= x < columns:
                        found[number, row * columns + column, y * columns + x] = 1
        return found

    def summed(rows: int, columns: int) -> Tensor:
        found = maps(rows, columns)
        return found / found.sum(0).sum(-1)[:, None]

    return check_function(
        answer,
        reference=lambda rows, columns: maps(rows, columns),
        cases=[(3, 4), (2, 2), (4, 3)],
        mistakes=[
            Mistake(
                lambda rows, columns: maps(rows, columns, sign=-1),
                "Your maps look the other way: in torch (and in every network) a convolution does not flip its kernel, "
                "so number 0 weighs what lies up and left. Or are rows and columns of the map, queries and keys, "
                "exchanged?",
            ),
            Mistake(
                lambda rows, columns: maps(rows, columns, turned=True),
                "The kernel is read by columns. Its second number is the patch above, its fourth the one to the left.",
            ),
            Mistake(
                lambda rows, columns: maps(rows, columns, wrap=True),
                "Your maps go round the edge: what leaves on the right comes in on the left.",
            ),
            Mistake(
                lambda rows, columns: maps(rows, columns, clamp=True),
                "At the border your maps look at the edge again. With zeros outside, they look nowhere: rows of zeros.",
            ),
            Mistake(
                summed,
                "You divided by the number of neighbours. Each map is a head of its own, with a weight of 1.",
            ),
            Mistake(
                lambda rows, columns: maps(rows, columns).sum(0),
                "You added the maps up. Each of the kernel's nine numbers needs its own, or all places weigh alike.",
            ),
            Mistake(
                lambda rows, columns: torch.stack([torch.eye(rows * columns)] * 9),
                "All nine look at their own place.",
            ),
        ],
        praise="Nine heads that look one step each way are a convolution: attention can learn one, from data.",
    )


def _offsets() -> Iterator[tuple[int, int]]:
    """The steps (down, right) of a 3 by 3 kernel's numbers."""
    return ((n // 3 - 1, n % 3 - 1) for n in range(9))
