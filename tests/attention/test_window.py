"""Windows that shift, in the coordinates of the whole grid: who sees whom, the biases, and the fast way."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_law import break_the_law
from torch import Tensor

from tfedu.attention import OnGrid, Prepared, Windowed
from tfedu.attention.window import _make_joined


class OnThisGrid(Windowed):
    """Puts plain keys on one grid, so that the law's test can ask for them."""

    grid = (1, 1)

    def place(self, k: Tensor | Prepared | OnGrid) -> OnGrid:
        return k if isinstance(k, OnGrid) else OnGrid(k if isinstance(k, Tensor) else k.keys, *self.grid)

    def weights(self, q: Tensor, k: Tensor | Prepared | OnGrid, mask: Tensor | None = None) -> Tensor:
        return super().weights(q, self.place(k), mask)

    def forward(
        self, q: Tensor, k: Tensor | Prepared | OnGrid, v: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        return super().forward(q, self.place(k), v, mask)

    def seen(self, T: int, k: Tensor | Prepared | OnGrid) -> Tensor:
        return super().seen(T, self.place(k))


def make(window: int, shift: int, heads: int = 1, position_bias: bool = True) -> OnThisGrid:
    mechanism = OnThisGrid(window, shift, heads, position_bias=position_bias).double()
    for table in mechanism.parameters():
        torch.nn.init.normal_(table)
    return mechanism


def by_pairs(mechanism: Windowed, q: Tensor, k: Tensor, rows: int, columns: int) -> Tensor:
    """The map of one head, pair by pair from equation 4; the shifted windows by walking over the rolled grid."""
    side, shift = mechanism.fitted(rows, columns)
    N = rows * columns
    window, wrapped = {}, {}
    for y in range(rows):
        for x in range(columns):
            at = ((y - shift) % rows, (x - shift) % columns)
            window[y, x] = (at[0] // side, at[1] // side)
            wrapped[y, x] = (y < shift, x < shift)
    scores = torch.full((N, N), -torch.inf, dtype=q.dtype)
    for t, (y, x) in enumerate(window):
        for s, (b, a) in enumerate(window):
            if window[y, x] == window[b, a] and wrapped[y, x] == wrapped[b, a]:
                scores[t, s] = q[t] @ k[s] / q.shape[-1] ** 0.5
                if mechanism.table is not None:
                    w = mechanism.window
                    scores[t, s] += mechanism.table.view(2 * w - 1, 2 * w - 1)[y - b + w - 1, x - a + w - 1]
    return scores.softmax(-1)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 9999),
    window=st.integers(1, 4),
    shift=st.integers(0, 3),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    bias=st.booleans(),
)
def test_the_map_is_the_papers_pair_by_pair(
    seed: int, window: int, shift: int, grid: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(seed)
    rows, columns = grid[0] * window, grid[1] * window
    mechanism = make(window, shift % window, position_bias=bias)
    q, k, v = torch.randn(3, rows * columns, 4, dtype=torch.float64)
    expected = by_pairs(mechanism, q, k, rows, columns)
    keys = OnGrid(k, rows, columns)
    torch.testing.assert_close(mechanism.weights(q, keys), expected, atol=1e-12, rtol=0)
    assert torch.equal(mechanism.weights(q, keys) == 0, expected == 0)  # exactly zero, not e^-100
    one_head = mechanism(q[None], OnGrid(k[None], rows, columns), v[None])[0]
    torch.testing.assert_close(one_head, expected @ v, atol=1e-12, rtol=0)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 9999),
    window=st.integers(1, 5),
    shift=st.integers(0, 4),
    grid=st.tuples(st.integers(1, 11), st.integers(1, 11)),  # also smaller than a window, and not tiled by it
    H=st.sampled_from([None, 1, 3]),
    own=st.booleans(),
    bias=st.booleans(),
    masked=st.sampled_from(["no", "no", "random", "all closed"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_law_on_grids(
    seed: int,
    window: int,
    shift: int,
    grid: tuple[int, int],
    H: int | None,
    own: bool,
    bias: bool,
    masked: str,
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(seed)
    mechanism = make(window, shift % window, (H or 1) if own else 1, bias).to(dtype)
    mechanism.grid = grid
    N = grid[0] * grid[1]
    lead = (2,) if H is None else (2, H)
    q, k, v = (torch.randn(*lead, N, width, dtype=dtype) for width in (4, 4, 5))
    mask = {"no": None, "random": torch.rand(*lead, N, N) < 0.6, "all closed": torch.zeros(N, N) > 0}[masked]
    assert break_the_law(mechanism, q, k, v, mask) == []
    with torch.no_grad():  # another kernel than in training
        close = 1e-10 if dtype == torch.float64 else 1e-5
        expected = mechanism.weights(q, k, mask) @ v
        torch.testing.assert_close(mechanism(q, k, v, mask), expected, atol=close, rtol=close)


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (6, 14), (21, 14)])
def test_who_sees_whom_is_what_transformers_masks(rows: int, columns: int) -> None:
    """Its mask is of the rolled grid's windows; ours, cut in the same way, closes the same pairs."""
    from transformers import SwinConfig
    from transformers.models.swin.modeling_swin import SwinLayer

    window = 4 if rows == 8 else 2 if rows == 6 else 7
    theirs = SwinLayer(SwinConfig(window_size=window, embed_dim=8), 8, (rows, columns), 2, 0.0, window // 2)
    wanted = theirs.get_attn_mask(rows, columns, torch.float32, torch.device("cpu"))
    found = _make_joined(rows, columns, window, window // 2, torch.device("cpu"))
    assert torch.equal(found[:, 0], wanted == 0)
    assert (wanted == 0).any()
    assert (wanted == -100).any()


def test_biases_stand_where_transformers_has_them() -> None:
    from transformers.models.swin.modeling_swin import SwinRelativePositionBias

    theirs, ours = SwinRelativePositionBias(3, (5, 5)), Windowed(5, heads=3)
    torch.nn.init.normal_(theirs.relative_position_bias_table)
    with torch.no_grad():
        ours.table.copy_(theirs.relative_position_bias_table.T)
    assert torch.equal(ours.bias(5), theirs()[0])
    assert torch.equal(ours.index.flatten(), theirs.relative_position_index)


def test_a_small_grid_has_one_window_with_the_inner_biases() -> None:
    mechanism = make(window=7, shift=3, heads=2)
    assert mechanism.fitted(3, 9) == (3, 0)
    assert mechanism.fitted(7, 9) == (7, 0)
    assert mechanism.fitted(8, 9) == (7, 3)
    table = mechanism.table.view(2, 13, 13)[:, 4:9, 4:9]  # offsets -2 to 2
    small = make(window=3, shift=1, heads=2)
    with torch.no_grad():
        small.table.copy_(table.reshape(2, 25))
    assert torch.equal(mechanism.bias(3), small.bias(3))


def test_no_shift_means_the_same_windows_and_a_shift_joins_neighbours() -> None:
    keys = OnGrid(torch.zeros(36, 1), 6, 6)
    still, moved = (Windowed(3, shift).seen(36, keys).view(6, 6, 6, 6) for shift in (0, 1))
    assert still[2, 2, :3, :3].all()
    assert still[2, 2].sum() == 9
    assert not still[2, 2, 3, 3]
    assert moved[2, 2, 3, 3]  # a border between them before
    assert moved[0, 0].sum() == 1  # alone in the corner: the roll brings others, the seams part them
    assert moved[1, 1, 1:4, 1:4].all()
    assert moved[1, 1].sum() == 9
    assert moved[5, 5, 4:, 4:].all()
    assert moved[5, 5].sum() == 4


def test_the_fast_way_never_makes_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    mechanism = make(window=4, shift=2, heads=2)
    monkeypatch.setattr(Windowed, "weights", lambda *_: pytest.fail("the map was made without a trace"))
    q, k, v = torch.randn(3, 2, 2, 64, 8, dtype=torch.float64)
    mechanism(q, OnGrid(k, 8, 8), v)
    # Nor anything as large: what it keeps for the backward pass grows with the tokens, not with their square.
    from tfedu.cost import bytes_for_backward

    def kept(side: int) -> int:
        q, k, v = torch.randn(3, 1, 2, side * side, 8, dtype=torch.float64).requires_grad_()
        return bytes_for_backward(lambda: mechanism(q, OnGrid(k, side, side), v))

    assert kept(64) < 4.5 * kept(32)


def test_used_for_inference_first_it_can_still_be_trained() -> None:
    mechanism = make(window=4, shift=2)
    _make_joined.cache_clear()
    q, k, v = torch.randn(3, 1, 1, 64, 8, dtype=torch.float64)
    with torch.inference_mode():
        mechanism(q, OnGrid(k, 8, 8), v)
    mechanism(q, OnGrid(k, 8, 8), v).sum().backward()
    assert mechanism.table.grad is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*without torch.compile")
@pytest.mark.parametrize(
    ("grid", "shift", "bias"), [((8, 8), 2, True), ((7, 10), 1, True), ((6, 9), 2, False)]
)
def test_flex_attention_is_the_same_without_padding(grid: tuple[int, int], shift: int, bias: bool) -> None:
    """Not compiled, it makes the whole map from the same rule."""
    mechanism = make(4, shift, 2, bias).float()
    q, k, v = torch.randn(3, 2, 2, grid[0] * grid[1], 16)
    keys = OnGrid(k, *grid)
    with torch.no_grad():
        found = mechanism.flex(q, keys, v)
    torch.testing.assert_close(found, mechanism.weights(q, keys) @ v, atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_compiled_flex_attention_on_a_gpu() -> None:
    mechanism = make(7, 3, 4).float().cuda()
    q, k, v = (torch.randn(2, 4, 56 * 50, 32, device="cuda", requires_grad=True) for _ in range(3))
    found = torch.compile(mechanism.flex)(q, OnGrid(k, 56, 50), v)
    expected = mechanism.weights(q, OnGrid(k, 56, 50)) @ v
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)
    inputs = [q, k, v, mechanism.table]
    seed = torch.randn_like(found)
    for ours, slow in zip(
        torch.autograd.grad(found, inputs, seed), torch.autograd.grad(expected, inputs, seed), strict=True
    ):
        torch.testing.assert_close(ours, slow, atol=2e-2, rtol=2e-2)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="side 4 can shift by 0 to 3 tokens; got 4"):
        Windowed(4, 4)
    mechanism = Windowed(2, heads=3)
    q, k, v = torch.randn(3, 1, 2, 16, 4)
    for run in (
        lambda: mechanism(q, OnGrid(k, 4, 4), v),
        lambda: mechanism.weights(q, OnGrid(k, 4, 4)),
    ):
        with pytest.raises(ValueError, match="made for 3 heads; got 2 of them"):
            run()
    for run in (lambda: mechanism(q, OnGrid(k, 4, 2), v), lambda: mechanism.weights(q, OnGrid(k, 4, 2))):
        with pytest.raises(ValueError, match="a grid of 4 by 2 has 8 tokens; got 16 queries and 16 keys"):
            run()
