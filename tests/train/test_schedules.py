"""The learning rate's laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfedu.train import factor
from tfedu.train.schedules import noam_peak


@given(
    st.sampled_from(["constant", "linear", "cosine", "inverse_sqrt", "halving"]),
    st.integers(1, 200),
    st.data(),
)
def test_it_climbs_to_one_and_never_rises_again(schedule, steps, data):
    warmup = data.draw(st.integers(0, steps - 1))
    values = [factor(schedule, step, steps=steps, warmup=warmup) for step in range(steps)]
    assert values[warmup] == 1.0
    assert all(0 < value <= 1 for value in values)
    assert values[: warmup + 1] == sorted(values[: warmup + 1])
    assert values[warmup:] == sorted(values[warmup:], reverse=True)


def test_the_two_falls_meet_halfway_and_reach_zero():
    for schedule in ("linear", "cosine"):
        assert factor(schedule, 60, steps=100, warmup=20) == pytest.approx(0.5)
        assert factor(schedule, 100, steps=100, warmup=20) == pytest.approx(0.0)
    assert factor("cosine", 40, steps=100, warmup=20) == pytest.approx((1 + 2**-0.5) / 2)


def test_a_warm_up_is_a_line():
    assert [factor("constant", step, steps=9, warmup=3) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


@given(st.integers(1, 1024), st.integers(0, 300), st.integers(0, 1000))
def test_the_inverse_square_root_is_the_papers_equation_3(width, warmup, step):
    n, W = step + 1, warmup + 1
    paper = width**-0.5 * min(n**-0.5, n * W**-1.5)
    ours = noam_peak(width, warmup) * factor("inverse_sqrt", step, steps=2000, warmup=warmup)
    assert ours == pytest.approx(paper)


def test_halving_has_four_levels():
    values = [factor("halving", step, steps=105, warmup=5) for step in range(5, 105)]
    assert values == [1.0] * 25 + [0.5] * 25 + [0.25] * 25 + [0.125] * 25
    assert factor("halving", 105, steps=105, warmup=5) == 0.125  # the step after the last one
