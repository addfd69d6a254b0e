"""The exercises of chapter 3, "Where to look": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tfedu.exercises import Diagnosis, Mistake, Verdict, check_function, check_open, check_value

#: How often a gaze made by hand must end near the digit in `gaze`, and what "near" is, in pixels.
ENOUGH, NEAR = 0.6, 6.0


# --- 1. What one glimpse hands over -------------------------------------------------------------------------


def numbers_per_glimpse(answer: int) -> Verdict:
    """Judge how many numbers the network gets from one glimpse: 4 scales of 8 by 8, a picture of 240 by 240."""
    return check_value(
        answer,
        right=4 * 8 * 8,
        mistakes=[
            Mistake(8 * 8, "That is one scale. The sensor looks at four, and hands over all of them."),
            Mistake(
                64 * 64,
                "Those are the pixels under the widest square. But the network does not get pixels: each cell of "
                "that square is one number, the mean of the 64 pixels in it.",
            ),
            Mistake(
                8 * 8 + 16 * 16 + 32 * 32 + 64 * 64,
                "You count the pixels under all four squares. Each square comes as 8 by 8 numbers, however many "
                "pixels a cell covers.",
            ),
            Mistake(
                240 * 240,
                "Those are all the pixels of the picture; the fully connected network gets them. The sensor's "
                "squares do not grow with the picture.",
            ),
            Mistake(
                4 * 8,
                "Each scale is a square of cells: 8 rows of 8.",
            ),
        ],
        praise="4 · 8 · 8 = 256, for 240 by 240 pixels as for 60 by 60: the cost is in the sensor, not in the picture.",
    )


# --- 2. How much of a cell a pixel covers -------------------------------------------------------------------


def share_covered(answer: Callable[[Tensor, float], Tensor]) -> Verdict:
    """Judge ``share_covered(distance, side)``: along one axis, the share of a cell under a pixel of side 1."""
    distances = torch.linspace(-4, 4, 33)
    cases = [(distances, side) for side in (1.0, 2.0, 4.0, 0.5)]

    def reference(distance: Tensor, side: float) -> Tensor:
        return ((side + 1) / 2 - distance.abs()).clamp(0, min(side, 1.0)) / side

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda distance, side: ((side + 1) / 2 - distance.abs()).clamp(0, min(side, 1.0)),
                "That is the length covered, not its share: the weights of a cell of side 4 would sum to 4. "
                "Divide by the side.",
            ),
            Mistake(
                lambda distance, side: ((side + 1) / 2 - distance.abs()).clamp(max=min(side, 1.0)) / side,
                "Far away the overlap turns negative: two intervals that do not meet overlap by 0.",
            ),
            Mistake(
                lambda distance, side: ((side + 1) / 2 - distance.abs()).clamp(min=0) / side,
                "Near the middle it grows too large: a pixel covers no more than its own side, and a cell has no "
                "more to cover than its own.",
            ),
            Mistake(
                lambda distance, side: ((side + 1) / 2 - distance.abs()).clamp(0, 1) / side,
                "A cell smaller than a pixel is covered by more than itself: the overlap is at most the smaller "
                "of the two sides.",
            ),
            Mistake(
                lambda distance, side: (side / 2 - distance.abs()).clamp(0, min(side, 1.0)) / side,
                "You treat the pixel as a point. It reaches half a pixel to both sides of its centre.",
            ),
            Mistake(
                lambda distance, side: ((side + 1) / 2 - distance).clamp(0, min(side, 1.0)) / side,
                "Pixels on one side of the cell's centre are all counted as covered: it is the distance, without "
                "its sign, that decides.",
            ),
        ],
        praise="A trapezoid: flat where the pixel lies inside the cell, sloping where the cell's edge cuts it.",
    )


# --- 3. From a location to the cells --------------------------------------------------------------------------


def cell_centres(answer: Callable[[Tensor, int, int, int, int], Float[Tensor, "T 2"]]) -> Verdict:
    """Judge ``cell_centres(location, height, width, cells, side)``: the middles (g g, 2) of the cells, in pixels."""
    cases = [
        (torch.tensor(place), h, w, g, side)
        for place, h, w, g, side in (
            ([0.5, -0.25], 60, 40, 4, 2),
            ([0.0, 0.8], 20, 30, 3, 4),
            ([-1.0, 1.0], 50, 60, 2, 1),
        )
    ]

    def made(
        location: Tensor,
        height: int,
        width: int,
        cells: int,
        side: int,
        *,
        middle: Callable[[Tensor, Tensor], Tensor] = lambda place, size: (place + 1) / 2 * size,
        shift: float | None = None,
        scaled: bool = True,
    ) -> Tensor:
        at = middle(location, torch.tensor([float(height), float(width)]))
        steps = torch.arange(cells) - ((cells - 1) / 2 if shift is None else shift)
        return at + (side if scaled else 1) * torch.cartesian_prod(steps, steps)

    def with_width_first(location: Tensor, height: int, width: int, cells: int, side: int) -> Tensor:
        return made(location, width, height, cells, side)

    def by_columns(location: Tensor, height: int, width: int, cells: int, side: int) -> Tensor:
        found = made(location, height, width, cells, side)
        return found.reshape(cells, cells, 2).transpose(0, 1).reshape(-1, 2)

    def wrong(**change: Any) -> Callable[..., Tensor]:
        def mistaken(location: Tensor, height: int, width: int, cells: int, side: int) -> Tensor:
            return made(location, height, width, cells, side, **change)

        return mistaken

    def uncentred(location: Tensor, height: int, width: int, cells: int, side: int) -> Tensor:
        return made(location, height, width, cells, side, shift=0.0)

    def half_a_cell_off(location: Tensor, height: int, width: int, cells: int, side: int) -> Tensor:
        return made(location, height, width, cells, side, shift=cells / 2)

    def reference(location: Tensor, height: int, width: int, cells: int, side: int) -> Tensor:
        return made(location, height, width, cells, side)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                uncentred,
                "The location is the first cell's middle; it should be the middle of the whole square.",
            ),
            Mistake(
                half_a_cell_off,
                "All cells lie half a cell too far up and left. Between the middles of the first and the last of "
                "g cells lie g − 1 steps, not g.",
            ),
            Mistake(
                wrong(scaled=False),
                "The middles are one pixel apart, whatever the scale. Cells of side 2 that do not overlap are "
                "two pixels apart.",
            ),
            Mistake(
                wrong(middle=lambda place, size: (place + 1) / 2 * (size - 1)),
                "You let 1 be the middle of the last pixel. Here −1 and 1 are the edges of the picture: 1 is "
                "`height`, not `height − 1`.",
            ),
            Mistake(
                wrong(middle=lambda place, size: place * size / 2),
                "Location 0 should be the middle of the picture; yours is its corner.",
            ),
            Mistake(
                with_width_first,
                "Height and width have changed places: the first coordinate of a location is y, which runs over "
                "the height.",
            ),
            Mistake(
                by_columns,
                "The cells come column by column. The sensor wants them in rows, from the top left: y changes last.",
            ),
        ],
        praise="The edges of the picture are −1 and 1, the square is centred, and its cells tile it.",
    )


# --- 4. What came of it -------------------------------------------------------------------------------------


def later_reward(answer: Callable[[Float[Tensor, "B T"]], Float[Tensor, "B T"]]) -> Verdict:
    """Judge ``later_reward(rewards)``: for each glimpse the mean reward of the glimpses after it, 0 for the last."""
    generator = torch.Generator().manual_seed(0)
    cases = [(torch.randn(b, t, generator=generator),) for b, t in ((3, 5), (2, 2), (4, 3))]

    def counted(rewards: Tensor, which: Callable[[int, int], slice], mean: bool = True) -> Tensor:
        T = rewards.shape[1]
        parts = [rewards[:, which(t, T)] for t in range(T)]
        empty = torch.zeros(len(rewards))
        sums = [
            part.sum(dim=1) / (part.shape[1] if mean else 1) if part.shape[1] else empty for part in parts
        ]
        return torch.stack(sums, dim=1)

    return check_function(
        answer,
        reference=lambda rewards: counted(rewards, lambda t, T: slice(t + 1, T)),
        cases=cases,
        mistakes=[
            Mistake(
                lambda rewards: counted(rewards, lambda t, T: slice(t, T)),
                "A glimpse's own reward is counted. The choice made after it cannot have caused it.",
            ),
            Mistake(
                lambda rewards: counted(rewards, lambda t, T: slice(0, T)),
                "Every glimpse gets the whole reward, the past included. What came before a choice is noise to it.",
            ),
            Mistake(
                lambda rewards: counted(rewards, lambda t, T: slice(t + 1, T), mean=False),
                "That is the sum. Early choices have more glimpses after them, and would be taught more loudly: "
                "take the mean.",
            ),
            Mistake(
                lambda rewards: counted(rewards, lambda t, T: slice(0, t)),
                "You average the rewards before the choice; those after it are wanted.",
            ),
            Mistake(
                lambda rewards: counted(rewards, lambda t, T: slice(t + 1, t + 2)),
                "Only the next glimpse is counted. A look may pay off later, too.",
            ),
        ],
        praise="Causes come before effects: a choice is judged by what follows it.",
    )


# --- 5. The gradient without a gradient --------------------------------------------------------------------


def gaze_gradient(answer: Callable[[Tensor, Tensor, float, Tensor, Tensor], Float[Tensor, "B 2"]]) -> Verdict:
    """Judge ``gaze_gradient(locations, means, std, rewards, baselines)``: each picture's estimate (B, 2) of the
    gradient of the expected reward, with respect to the mean."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    cases = [
        (draw(n, 2), draw(n, 2), std, draw(n) + 1, draw(n) * 0.3 + 0.5) for n, std in ((4, 0.5), (3, 0.2))
    ]

    def reference(locations: Tensor, means: Tensor, std: float, rewards: Tensor, baselines: Tensor) -> Tensor:
        return (rewards - baselines)[:, None] * (locations - means) / std**2

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda x, m, s, r, b: -reference(x, m, s, r, b),
                "The sign is turned: this leads away from what brought reward. Move the mean *towards* a place "
                "that brought more than expected.",
            ),
            Mistake(
                lambda x, m, s, r, b: reference(x, m, s, r, b) * s,
                "You divide by σ. The derivative of −(l − μ)² / 2σ² has σ² below.",
            ),
            Mistake(
                lambda x, m, s, r, b: reference(x, m, s, r, b) * s**2,
                "The 1/σ² of the Gaussian's log-density is missing.",
            ),
            Mistake(
                lambda x, m, s, r, b: r[:, None] * (x - m) / s**2,
                "The baseline is not used. On average that is right too, but each estimate scatters further.",
            ),
            Mistake(
                lambda x, m, s, r, b: reference(x, m, s, r, b).mean(dim=0),
                "You average over the pictures. Each has a mean of its own, and wants its own gradient: keep B.",
            ),
            Mistake(
                lambda x, m, s, r, b: reference(x, m, s, r, b) / 2,
                "Half as long as it should be: the 2 of the square and the 2 below it cancel.",
            ),
            Mistake(
                lambda x, m, s, r, b: (
                    (r - b)[:, None] * (-((x - m) ** 2)).sum(-1, keepdim=True).expand(-1, 2) / (2 * s**2)
                ),
                "That is the log-density times the advantage. The gradient is wanted: differentiate it by the mean.",
            ),
        ],
        praise="Reward more than expected: go there. Less: go away. No derivative of the picture was needed.",
    )


# --- 6. A gaze by hand ----------------------------------------------------------------------------------------


def gaze(answer: Callable[[Float[Tensor, "n g g"], Float[Tensor, " 2"]], Float[Tensor, " 2"]]) -> Verdict:
    """Judge ``gaze(seen, location)``: from what a glimpse saw at four scales, and where, the next location (2,).

    It moves twice in 200 test pictures, and passes if it then lies within 6 pixels of the digit's middle in
    60 % of them.
    """
    return check_open(_judge_gaze, answer)


def _judge_gaze(answer: Any) -> Verdict:
    if not callable(answer):
        return Verdict("wrong", "Pass the function itself: exercise.gaze(my_gaze), without calling it.")
    share, moved = _near(answer)
    if share >= ENOUGH:
        return Verdict("right", f"Near the digit in {share:.0%} of the pictures, without any learning.")
    if not moved:
        return Verdict(
            "wrong",
            f"Your gaze never moves. Staying at the centre is near the digit in {share:.0%} of the pictures.",
        )

    def turned(seen: Tensor, location: Tensor) -> Tensor:
        return location + (_place(answer(seen, location)) - location).flip(0)

    def away(seen: Tensor, location: Tensor) -> Tensor:
        return 2 * location - _place(answer(seen, location))

    def relative(seen: Tensor, location: Tensor) -> Tensor:
        return location + _place(answer(seen, location))

    for change, diagnosis in (
        (
            turned,
            "With its two numbers swapped your gaze would find the digit: a location is (y, x), rows first.",
        ),
        (away, "Your gaze moves away from the digit: with the opposite sign it would find it."),
        (relative, "You return a movement. Add it to the location where the gaze is."),
    ):
        if _near(change)[0] >= ENOUGH:
            return Verdict("wrong", diagnosis)
    return Verdict(
        "wrong",
        f"Near the digit in {share:.0%} of the pictures; {ENOUGH:.0%} is wanted. Where does the coarse scale have most "
        "ink, and how far is that, in half pictures?",
    )


def _place(found: Any) -> Tensor:
    if found is None:
        raise Diagnosis("Your function returned nothing (None). Does it end with a return?")
    if found is ...:
        raise NotImplementedError
    place = torch.as_tensor(found, dtype=torch.float32).detach()
    if place.shape != (2,):
        raise Diagnosis(f"A location is two numbers, (y, x); got shape {tuple(place.shape)}.")
    if not place.isfinite().all():
        raise Diagnosis("Your gaze is not finite. What if a glimpse sees no ink at all?")
    if place.abs().max() > 3:
        raise Diagnosis(
            f"Your gaze went to ({place[0]:.1f}, {place[1]:.1f}). The picture goes from −1 to 1: is this in pixels?"
        )
    return place


def _near(answer: Callable[[Tensor, Tensor], Any], pictures: int = 200, moves: int = 2) -> tuple[float, bool]:
    """How often the gaze ends near the digit, and whether it ever moved."""
    from tfedu.models.ram import GlimpseSensor
    from tfedu.train.recipes.ram import held_out

    scenes, sensor = held_out(pictures), GlimpseSensor(8, 4)
    size = scenes.pictures.shape[-1]
    ends = torch.zeros(pictures, 2)
    for _ in range(moves):
        seen = sensor(scenes.pictures, ends)
        found = [_place(answer(one.clone(), place.clone())) for one, place in zip(seen, ends, strict=True)]
        ends = torch.stack(found).clamp(-1, 1)
    away = ((ends + 1) / 2 * size - scenes.centres).norm(dim=-1)
    return float((away < NEAR).float().mean()), bool(ends.any())
