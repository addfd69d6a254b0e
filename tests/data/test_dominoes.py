"""The dominoes: true as they say, and what they claim not to tell, they do not tell."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.data.dominoes import QUESTIONS, dominoes


def tiles(made, tile=2):
    return made.pictures[:, 0, ::tile, ::tile]


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 30),
    seed=st.integers(0, 9999),
    question=st.sampled_from([*QUESTIONS]),
    window=st.integers(2, 4),
    windows=st.integers(2, 3),
    noise=st.sampled_from([0.0, 0.05]),
)
def test_what_a_picture_is_said_to_be_it_is(
    count: int, seed: int, question: str, window: int, windows: int, noise: float
) -> None:
    grid = window * windows
    made = dominoes(count, question, seed=seed, window=window, grid=grid, noise=noise)
    assert made.pictures.shape == (count, 1, 2 * grid, 2 * grid)
    assert made.pictures.min() >= 0
    assert made.pictures.max() <= 1
    assert made.classes == QUESTIONS[question]
    found = torch.where((tiles(made) - 0.5).abs() > 0.25, tiles(made).round(), 0.5)
    for picture, label in zip(found, made.labels, strict=True):
        if question == "alike":
            left, right = picture[:, window - 1 :: window][:, :-1], picture[:, window::window]
            assert ((left == right) == bool(label)).all()
            assert ((picture != 0.5).sum(1) == 2 * (windows - 1)).all()
        else:
            for part in picture.unfold(0, window, window).unfold(1, window, window).flatten(0, 1):
                ((y, x), (b, a)) = (part != 0.5).nonzero().tolist()
                assert (b, a) == (y, x + 1)
                assert part[y, x] == float(label)
                assert part[b, a] == 1 - float(label)


def test_one_window_tells_nothing_of_whether_halves_are_alike() -> None:
    made = dominoes(4000, "alike", seed=3, noise=0.0)
    left = tiles(made)[:, :, 3]  # all that the left windows show
    for label in (0, 1):
        rows = left[made.labels == label]
        assert abs(rows.mean().item() - 0.5) < 0.02
        together = (rows[:, :1] == rows[:, 1:]).float().mean().item()  # halves of different rows: independent
        assert abs(together - 0.5) < 0.02


def test_the_order_of_a_window_is_all_that_tells() -> None:
    made = dominoes(2000, "order", seed=3, noise=0.0)
    windows = tiles(made).unfold(1, 4, 4).unfold(2, 4, 4).flatten(-2).sort(-1).values
    assert (windows == windows[0, 0, 0]).all()


def test_a_seed_repeats_the_pictures_and_bad_input_is_named() -> None:
    assert torch.equal(dominoes(5, "alike", seed=1).pictures, dominoes(5, "alike", seed=1).pictures)
    assert not torch.equal(dominoes(5, "alike", seed=1).pictures, dominoes(5, "alike", seed=2).pictures)
    with pytest.raises(ValueError, match="question is 'colour'; choose one of alike, order"):
        dominoes(1, "colour")
    with pytest.raises(ValueError, match="windows of 3 tiles must tile a grid of 8"):
        dominoes(1, "order", window=3)
