"""Patches, places on a grid, and branches that are skipped: closed forms."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.blocks.patches import PatchEmbedding, erase_each, patchify, shuffle, unpatchify
from tfedu.blocks.positions import resize_positions, sinusoids, sinusoids_2d
from tfedu.blocks.stochastic_depth import StochasticDepth, depth_rates

SMALL = st.integers(1, 4)


@settings(max_examples=50, deadline=None)
@given(B=st.integers(0, 3), C=SMALL, h=SMALL, w=SMALL, size=SMALL)
def test_cutting_and_joining_are_inverses(B: int, C: int, h: int, w: int, size: int) -> None:
    pictures = torch.arange(B * C * h * w * size**2).reshape(B, C, h * size, w * size)
    patches = patchify(pictures, size)
    assert patches.shape == (B, h * w, C * size**2)
    assert torch.equal(unpatchify(patches, size, (h, w)), pictures)
    assert torch.equal(patchify(unpatchify(patches, size, (h, w)), size), patches)
    assert torch.equal(patches.sort(dim=-1).values.flatten().sort().values, pictures.flatten().sort().values)
    for row in range(h):
        for column in range(w):
            cut = pictures[..., row * size : (row + 1) * size, column * size : (column + 1) * size]
            assert torch.equal(patches[:, row * w + column], cut.flatten(1))


@settings(max_examples=20, deadline=None)
@given(C=SMALL, h=SMALL, w=SMALL, size=SMALL, seed=st.integers(0, 99))
def test_shuffling_keeps_the_patches_and_erasing_all_but_one(
    C: int, h: int, w: int, size: int, seed: int
) -> None:
    pictures = torch.arange(2.0 * C * h * w * size**2).reshape(2, C, h * size, w * size)
    before, after = patchify(pictures, size), patchify(shuffle(pictures, size, seed), size)
    order = after[..., 0].argsort(dim=1)  # patches here are sorted by their first number
    assert torch.equal(after.take_along_dim(order[..., None], dim=1), before)
    erased = erase_each(pictures, size)
    assert erased.shape == (2, h * w, *pictures.shape[1:])
    for place in range(h * w):
        found = patchify(erased[:, place], size)
        plain = pictures.mean((2, 3))[..., None].expand(-1, -1, size**2).flatten(1)
        torch.testing.assert_close(found[:, place], plain)
        kept = torch.arange(h * w) != place
        assert torch.equal(found[:, kept], before[:, kept])


@settings(max_examples=20, deadline=None)
@given(C=SMALL, h=SMALL, w=SMALL, size=SMALL, over=st.integers(0, 3))
def test_an_embedding_is_a_matrix_on_patches(C: int, h: int, w: int, size: int, over: int) -> None:
    embedding = PatchEmbedding(C, 6, size).double()
    pictures = torch.randn(2, C, h * size, w * size, dtype=torch.float64)
    found = embedding(pictures)
    matrix, bias = embedding.projection.weight.flatten(1), embedding.projection.bias
    expected = (patchify(pictures, size) @ matrix.T + bias).mT.reshape(2, 6, h, w)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    left = min(over, size - 1)  # a rest that makes no patch is not seen
    torch.testing.assert_close(embedding(F.pad(pictures, (0, left, 0, left))), found)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="patches of 4 by 4 do not tile a picture of 8 by 6"):
        patchify(torch.zeros(1, 3, 8, 6), 4)
    with pytest.raises(ValueError, match="do not tile"):
        patchify(torch.zeros(1, 3, 8, 6), 0)
    with pytest.raises(ValueError, match="6 patches of 12 numbers are no grid of 2 by 2"):
        unpatchify(torch.zeros(1, 6, 12), 2, (2, 2))
    with pytest.raises(ValueError, match="with squares of 5"):
        unpatchify(torch.zeros(1, 6, 12), 5, (2, 3))


def test_places_on_a_grid_are_rows_beside_columns() -> None:
    table = sinusoids_2d(3, 5, 12).reshape(3, 5, 12)
    for row in range(3):
        for column in range(5):
            expected = torch.cat([sinusoids(3, 6)[row], sinusoids(5, 6)[column]])
            torch.testing.assert_close(table[row, column], expected)
    # How alike two places are depends on the step between them alone.
    wide = sinusoids_2d(4, 4, 16).reshape(4, 4, 16).double()
    alike = torch.einsum("rcd,ijd->rcij", wide, wide)
    torch.testing.assert_close(alike[0, 0, 1, 2], alike[2, 1, 3, 3], atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="multiple of 4"):
        sinusoids_2d(2, 2, 6)


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 5), more=st.integers(1, 5), size=SMALL)
def test_positions_that_are_all_alike_stay_so(rows: int, columns: int, more: int, size: int) -> None:
    vector = torch.randn(size, dtype=torch.float64)
    table = vector.expand(rows * columns, -1)
    found = resize_positions(table, (rows, columns), (more, size))
    torch.testing.assert_close(found, vector.expand(more * size, -1), atol=1e-12, rtol=1e-12)
    assert resize_positions(table, (rows, columns), (rows, columns)) is table


def _cubic(x: float, a: float = -0.75) -> float:
    """Keys's kernel (1981), with torch's a."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def test_stretched_positions_are_bicubic() -> None:
    old, new = (3, 4), (5, 2)
    table = torch.randn(12, 2, dtype=torch.float64)
    grid = table.reshape(3, 4, 2).numpy()
    expected = np.zeros((5, 2, 2))
    for i in range(new[0]):
        for j in range(new[1]):
            y, x = (i + 0.5) * old[0] / new[0] - 0.5, (j + 0.5) * old[1] / new[1] - 0.5
            for u in range(math.floor(y) - 1, math.floor(y) + 3):
                for v in range(math.floor(x) - 1, math.floor(x) + 3):
                    inside = grid[min(max(u, 0), 2), min(max(v, 0), 3)]
                    expected[i, j] += _cubic(y - u) * _cubic(x - v) * inside
    torch.testing.assert_close(
        resize_positions(table, old, new), torch.from_numpy(expected).reshape(10, 2), atol=1e-12, rtol=1e-12
    )
    half = resize_positions(table.half(), old, new)
    assert half.dtype == torch.float16
    with pytest.raises(ValueError, match="Leave the class token's out"):
        resize_positions(torch.zeros(13, 2), (3, 4), (5, 2))


def test_branches_are_skipped_for_whole_pictures_and_keep_their_mean() -> None:
    torch.manual_seed(0)
    skip, x = StochasticDepth(0.25), torch.ones(40_000, 2, 3)
    found = skip(x)
    assert found.flatten(1).unique(dim=1).shape[1] == 1
    assert {round(value, 5) for value in found.unique().tolist()} == {0.0, round(4 / 3, 5)}
    assert found.mean().item() == pytest.approx(1, abs=0.02)
    assert skip.eval()(x) is x
    assert StochasticDepth(0.0)(x) is x
    assert depth_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert depth_rates(0.3, 1) == [0.0]
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            StochasticDepth(wrong)
