"""Maps between the cells of a grid: how far heads look, by closed forms."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.trace import AttentionMap, Maps, cell_distances, uniform_distance

SIDES = st.integers(1, 5)


def a_map(weights: torch.Tensor) -> AttentionMap:
    return AttentionMap(weights, "layers.0.attention")


def by_hand(grid: tuple[int, int]) -> float:
    """The mean distance of two cells drawn at random."""
    cells = list(product(range(grid[0]), range(grid[1])))
    return sum(math.dist(a, b) for a in cells for b in cells) / len(cells) ** 2


@settings(max_examples=25, deadline=None)
@given(rows=SIDES, columns=SIDES, before=st.integers(0, 2), heads=st.integers(1, 3))
def test_closed_forms(rows: int, columns: int, before: int, heads: int) -> None:
    grid, N = (rows, columns), rows * columns
    S = before + N
    own = torch.eye(S, dtype=torch.float64).expand(2, heads, S, S)
    assert torch.equal(a_map(own).distances(grid), torch.zeros(2, heads, dtype=torch.float64))
    uniform = torch.full((2, heads, S, S), 1 / S, dtype=torch.float64)
    expected = torch.full((2, heads), 4 * by_hand(grid), dtype=torch.float64)
    torch.testing.assert_close(a_map(uniform).distances(grid, cell=4), expected)
    assert uniform_distance(grid, cell=4) == pytest.approx(4 * by_hand(grid))
    assert torch.equal(cell_distances(grid), cell_distances(grid).T)


def test_one_step_to_the_right_on_a_wide_grid() -> None:
    rows, columns = 2, 5
    step = torch.zeros(1, 2, 10, 10)
    for r, c in product(range(rows), range(columns)):
        step[0, 0, columns * r + c, columns * r + (c + 1) % columns] = 1  # the last wraps round
        step[0, 1, columns * r + c, columns * (1 - r) + c] = 1  # the other row
    found = a_map(step).distances((2, 5), cell=3)
    torch.testing.assert_close(found, torch.tensor([[3 * (4 + 4) / 5, 3.0]]))


def test_cells_land_in_their_places_and_what_stands_before_them_is_left_out() -> None:
    torch.manual_seed(0)
    weights = torch.rand(2, 3, 7, 7).softmax(-1)
    found = a_map(weights).on_grid((2, 3))
    assert found.shape == (2, 3, 2, 3, 2, 3)
    torch.testing.assert_close(found.sum((-2, -1)), torch.ones(2, 3, 2, 3))
    row = weights[1, 2, 1 + 3 * 1 + 2]
    torch.testing.assert_close(found[1, 2, 1, 2, 0, 1], row[1 + 1] / row[1:].sum())
    # Whatever the class token gives or gets, distances stay.
    changed = weights.clone()
    changed[..., 0, :] = 0
    changed[..., 0] = 0.5
    torch.testing.assert_close(a_map(changed).distances((2, 3)), a_map(weights).distances((2, 3)))


def test_rows_that_look_nowhere_do_not_count() -> None:
    weights = torch.zeros(1, 2, 4, 4)
    weights[0, 0, 0, 1] = 1  # one row looks one cell away, the others nowhere; the second head not at all
    found = a_map(weights).distances((2, 2))
    assert found[0, 0] == 1
    assert found[0, 1].isnan()
    assert (a_map(weights).on_grid((2, 2))[0, 1] == 0).all()


def test_gradients_pass() -> None:
    weights = torch.full((1, 1, 4, 4), 0.25, requires_grad=True)
    (slope,) = torch.autograd.grad(a_map(weights).distances((2, 2)).sum(), weights)
    assert slope[0, 0, 0, 3] > slope[0, 0, 0, 1] > slope[0, 0, 0, 0]


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (1, 1, 4, 5)])
def test_what_is_no_grid_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="grid of 2 by 2 wants the same 4 cells"):
        a_map(torch.ones(shape)).on_grid((2, 2))


def test_rollout_over_a_picture() -> None:
    maps = Maps()
    torch.manual_seed(0)
    for name in ("a", "b"):
        maps._add(name, torch.rand(1, 2, 5, 5).softmax(-1))
    drawn = maps.on_image(torch.rand(8, 8, 3), 0, layer=None, grid=(2, 2)).axes[0].images[1].get_array()
    expected = maps.rollout()[0, 0, 1:].reshape(2, 2).numpy()
    np.testing.assert_allclose(drawn[..., 3], 0.85 * expected / expected.max(), rtol=1e-5)
