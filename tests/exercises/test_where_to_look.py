"""The exercises of chapter 3: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import pytest
import torch

from tfedu.exercises import Verdict
from tfedu.exercises import where_to_look as exercise

# --- 1. a number ---------------------------------------------------------------------------------------------

NUMBERS = {
    "one scale": 64,
    "pixels under the widest": 4096,
    "under all four squares": 64 + 256 + 1024 + 4096,
    "all the pixels of the picture": 57_600,
    "8 rows of 8": 32,
}


def test_numbers_per_glimpse():
    assert exercise.numbers_per_glimpse(256)
    for words, wrong in NUMBERS.items():
        verdict = exercise.numbers_per_glimpse(wrong)
        assert not verdict
        assert words in verdict.message
    assert exercise.numbers_per_glimpse(...).state == "not started"
    assert "Count again" in exercise.numbers_per_glimpse(7).message


# --- 2. how much is covered -------------------------------------------------------------------------------------


def overlap(distance, side):
    ends = torch.minimum(torch.tensor(side / 2), distance + 0.5)
    starts = torch.maximum(torch.tensor(-side / 2), distance - 0.5)
    return ends - starts


def share_covered(distance, side):
    return torch.relu(overlap(distance, side)) / side


COVERED = {
    "length covered, not its share": lambda d, s: torch.relu(overlap(d, s)),
    "turns negative": lambda d, s: overlap(d, s) / s,
    "grows too large": lambda d, s: torch.relu((s + 1) / 2 - d.abs()) / s,
    "more than itself": lambda d, s: torch.relu((s + 1) / 2 - d.abs()).clamp(max=1) / s,
    "pixel as a point": lambda d, s: torch.relu(s / 2 - d.abs()).clamp(max=min(s, 1)) / s,
    "without its sign": lambda d, s: torch.relu((s + 1) / 2 - d).clamp(max=min(s, 1)) / s,
}


# --- 3. cells ---------------------------------------------------------------------------------------------------


def rows_of(y, x, cells, side, shift):
    return torch.tensor(
        [[y + side * (i - shift), x + side * (j - shift)] for i in range(cells) for j in range(cells)]
    )


def cell_centres(location, height, width, cells, side):
    y, x = height * (location[0] / 2 + 0.5), width * (location[1] / 2 + 0.5)
    return rows_of(float(y), float(x), cells, side, (cells - 1) / 2)


def middle(l, h, w):
    return float(h * (l[0] / 2 + 0.5)), float(w * (l[1] / 2 + 0.5))


CENTRES = {
    "first cell's middle": lambda l, h, w, g, s: rows_of(*middle(l, h, w), g, s, 0),
    "half a cell too far": lambda l, h, w, g, s: rows_of(*middle(l, h, w), g, s, g / 2),
    "one pixel apart": lambda l, h, w, g, s: rows_of(*middle(l, h, w), g, 1, (g - 1) / 2),
    "middle of the last pixel": lambda l, h, w, g, s: rows_of(*middle(l, h - 1, w - 1), g, s, (g - 1) / 2),
    "yours is its corner": lambda l, h, w, g, s: rows_of(
        float(l[0] * h / 2), float(l[1] * w / 2), g, s, (g - 1) / 2
    ),
    "Height and width": lambda l, h, w, g, s: rows_of(*middle(l, w, h), g, s, (g - 1) / 2),
    "column by column": lambda l, h, w, g, s: torch.stack(
        [cell_centres(l, h, w, g, s)[i * g + j] for j in range(g) for i in range(g)]
    ),
}


# --- 4. later reward --------------------------------------------------------------------------------------------


def later_reward(rewards):
    out = torch.zeros_like(rewards)
    for t in range(rewards.shape[1] - 1):
        out[:, t] = rewards[:, t + 1 :].mean(dim=1)
    return out


def looped(function):
    def answer(rewards):
        columns = [function(rewards, t) for t in range(rewards.shape[1])]
        return torch.stack([torch.nan_to_num(column) for column in columns], dim=1)

    return answer


LATER = {
    "own reward is counted": looped(lambda r, t: r[:, t:].mean(1)),
    "the past included": looped(lambda r, t: r.mean(1)),
    "That is the sum": looped(lambda r, t: r[:, t + 1 :].sum(1)),
    "rewards before the choice": looped(lambda r, t: r[:, :t].mean(1)),
    "Only the next": looped(lambda r, t: r[:, t + 1 : t + 2].sum(1)),
}


# --- 5. the gradient --------------------------------------------------------------------------------------------


def gaze_gradient(locations, means, std, rewards, baselines):
    means = means.clone().requires_grad_()
    log_p = torch.distributions.Normal(means, std).log_prob(locations).sum(-1)
    return torch.autograd.grad(((rewards - baselines) * log_p).sum(), means)[0]


def logs(x, m, s):
    return (-((x - m) ** 2) / (2 * s * s)).sum(-1)


GRADIENT = {
    "sign is turned": lambda x, m, s, r, b: -gaze_gradient(x, m, s, r, b),
    "You divide by σ": lambda x, m, s, r, b: (x - m) / s * (r - b).unsqueeze(1),
    "is missing": lambda x, m, s, r, b: (x - m) * (r - b).unsqueeze(1),
    "baseline is not used": lambda x, m, s, r, b: (x - m) / s**2 * r.unsqueeze(1),
    "keep B": lambda x, m, s, r, b: gaze_gradient(x, m, s, r, b).mean(0),
    "Half as long": lambda x, m, s, r, b: (x - m) / (2 * s**2) * (r - b).unsqueeze(1),
    "differentiate it": lambda x, m, s, r, b: torch.stack([logs(x, m, s) * (r - b)] * 2, dim=1),
}


#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "share_covered": (exercise.share_covered, share_covered, COVERED),
    "cell_centres": (exercise.cell_centres, cell_centres, CENTRES),
    "later_reward": (exercise.later_reward, later_reward, LATER),
    "gaze_gradient": (exercise.gaze_gradient, gaze_gradient, GRADIENT),
}


def stub(*arguments):
    raise NotImplementedError


# --- 6. a gaze by hand ------------------------------------------------------------------------------------------


def movement(seen):
    """From the middle of the square to the heaviest cell of the coarsest scale, in half pictures of 60."""
    heaviest = int(seen[-1].argmax())
    cells = (torch.arange(8) - 3.5) * 8 / 30
    return torch.stack([cells[heaviest // 8], cells[heaviest % 8]])


def test_a_gaze_that_follows_the_ink_passes():
    verdict = exercise.gaze(lambda seen, location: location + movement(seen))
    assert verdict, verdict.message


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("numbers swapped", lambda seen, location: location + movement(seen).flip(0)),
        ("opposite sign", lambda seen, location: location - movement(seen)),
        ("return a movement", lambda seen, location: movement(seen)),
        ("never moves", lambda seen, location: location),
        ("is this in pixels", lambda seen, location: (location + movement(seen) + 1) * 30),
        ("not finite", lambda seen, location: location / location.abs().sum()),
        ("got shape (1, 2)", lambda seen, location: location[None]),
        ("returned nothing", lambda seen, location: None),
        ("is wanted", lambda seen, location: torch.tensor([0.7, -0.7])),
        ("without calling it", torch.zeros(2)),
        ("ZeroDivisionError", lambda seen, location: 1 / 0),
    ],
)
def test_each_known_mistake_of_a_gaze_gets_its_own_diagnosis(words, wrong):
    verdict = exercise.gaze(wrong)
    assert verdict.state == "wrong"
    assert words in verdict.message


def test_gaze_not_started(capsys):
    assert exercise.gaze(stub) == Verdict("not started", "not started yet")
    assert capsys.readouterr().out == "not started yet\n"
