"""The sampling kernel of a glimpse, against explicit loops over pixels; its fast way, against its map."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tfedu.attention import Cells, Glimpse, Pixels


def overlap(a: float, a_side: float, b: float, b_side: float) -> float:
    """How long two intervals, given by middle and length, lie over each other."""
    return max(0.0, min(a + a_side / 2, b + b_side / 2) - max(a - a_side / 2, b - b_side / 2))


def by_loops(q: Tensor, picture: Tensor, side: float) -> Tensor:
    """What each cell sees: area by area, pixel by pixel."""
    seen = torch.zeros(len(q), dtype=torch.float64)
    for t, (y, x) in enumerate(q.tolist()):
        for row in range(picture.shape[0]):
            for column in range(picture.shape[1]):
                area = overlap(y, side, row + 0.5, 1) * overlap(x, side, column + 0.5, 1)
                seen[t] += area / side**2 * picture[row, column]
    return seen


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    side=st.sampled_from([0.5, 1.0, 1.7, 2.0, 4.0, 9.0]),
)
def test_equals_loops_over_the_pixels(seed: int, height: int, width: int, side: float) -> None:
    torch.manual_seed(seed)
    picture = torch.randn(height, width, dtype=torch.float64)
    q = torch.rand(5, 2, dtype=torch.float64) * 14 - 4  # many reach over the edge, some lie outside
    expected = by_loops(q, picture, side)
    glimpse, pixels = Glimpse(side), Pixels(height, width)
    values = picture.reshape(-1, 1)
    for found in (
        glimpse(q, pixels, values),
        glimpse.weights(q, pixels) @ values,
        glimpse(q, pixels.points(q), values),
    ):
        torch.testing.assert_close(found.squeeze(-1), expected, atol=1e-10, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lead=st.sampled_from([(), (1,), (3,), (2, 3)]),
    side=st.sampled_from([0.3, 1.0, 2.5, 8.0]),
    g=st.integers(1, 4),
    f=st.integers(1, 4),
)
def test_the_fast_way_obeys_the_law(seed: int, lead: tuple[int, ...], side: float, g: int, f: int) -> None:
    torch.manual_seed(seed)
    pixels, glimpse = Pixels(6, 9), Glimpse(side)
    y, x = (
        (torch.rand(*lead, n, dtype=torch.float64) * 14 - 2).requires_grad_() for n in (g, f)
    )  # in any order, many outside
    v = torch.randn(*lead, 54, 3, dtype=torch.float64, requires_grad=True)
    cells = Cells(y, x)
    fast, slow = glimpse(cells, pixels, v), glimpse.weights(cells, pixels) @ v
    torch.testing.assert_close(fast, slow, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(slow, glimpse(cells.points(), pixels, v), atol=1e-10, rtol=1e-10)
    seed_gradient = torch.randn_like(fast)
    for a, b in zip(
        torch.autograd.grad(fast, (y, x, v), seed_gradient),
        torch.autograd.grad(slow, (y, x, v), seed_gradient),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_a_cell_of_one_pixel_is_bilinear_interpolation() -> None:
    torch.manual_seed(0)
    picture = torch.randn(7, 5, dtype=torch.float64)
    q = torch.rand(20, 2, dtype=torch.float64) * torch.tensor([7, 5]) * 1.2 - 0.5
    grid = torch.stack([q[:, 1] / 5, q[:, 0] / 7], dim=-1) * 2 - 1  # torch wants (x, y) from -1 to 1
    expected = torch.nn.functional.grid_sample(
        picture[None, None], grid[None, None], mode="bilinear", padding_mode="zeros", align_corners=False
    )
    found = Glimpse(1.0)(q, Pixels(7, 5), picture.reshape(-1, 1))
    torch.testing.assert_close(found.flatten(), expected.flatten(), atol=1e-10, rtol=1e-10)


def test_cells_on_the_grid_are_mean_pooling() -> None:
    torch.manual_seed(0)
    picture = torch.randn(8, 12, dtype=torch.float64)
    q = Pixels(2, 3).points(picture) * 4
    expected = torch.nn.functional.avg_pool2d(picture[None, None], 4)
    found = Glimpse(4.0)(q, Pixels(8, 12), picture.reshape(-1, 1))
    torch.testing.assert_close(found.flatten(), expected.flatten(), atol=1e-12, rtol=1e-12)


def test_rows_sum_to_the_share_inside() -> None:
    glimpse, pixels = Glimpse(2.0), Pixels(4, 4)
    q = torch.tensor([[2.0, 2.0], [0.0, 2.0], [0.0, 0.0], [-1.0, 2.0], [9.0, 9.0]])
    torch.testing.assert_close(glimpse.weights(q, pixels).sum(-1), torch.tensor([1.0, 0.5, 0.25, 0.0, 0.0]))


def test_reads_only_what_lies_under_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pixel that no cell touches may hold anything, even NaN; the map is not made."""
    monkeypatch.setattr(Glimpse, "weights", lambda *_: pytest.fail("the map was made"))
    picture = torch.full((50, 50), torch.nan)
    picture[20:25, 30:35] = 1.0
    cells = Cells(torch.tensor([21.5, 23.5]), torch.tensor([32.5]))
    seen = Glimpse(2.0)(cells, Pixels(50, 50), picture.reshape(-1, 1))
    torch.testing.assert_close(seen, torch.ones(2, 1))


def test_errors_name_the_fix() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Glimpse(0.0)
    with pytest.raises(ValueError, match="2 by 3 has 6 values; got 5"):
        Glimpse()(Cells(torch.zeros(1), torch.zeros(1)), Pixels(2, 3), torch.zeros(5, 1))
