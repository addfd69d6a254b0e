"""The law, for every mechanism found in the package: forward(q, k, v) == weights(q, k) @ v, and what follows.

A mechanism is found by walking `tfedu.attention`; one that a factory below does not know how to build makes
`test_every_mechanism_is_covered` fail, so none escapes.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import tfedu.attention
from tfedu.attention import (
    Additive,
    Causal,
    DotProduct,
    Glimpse,
    LuongConcat,
    LuongDot,
    LuongGeneral,
    Mechanism,
    Prepared,
    RelativeBias,
    Rotary,
    Scored,
    Windowed,
)


def with_biases(width: int) -> RelativeBias:
    mechanism = RelativeBias(heads=1, reach=3)
    torch.nn.init.normal_(mechanism.table)
    return mechanism


def with_windows(width: int) -> Windowed:
    mechanism = Windowed(window=3, shift=1)
    torch.nn.init.normal_(mechanism.table)
    return mechanism


#: How to build each mechanism for queries and keys of one width.
BUILD: dict[type[Mechanism], Callable[[int], Mechanism]] = {
    DotProduct: lambda width: DotProduct(),
    Causal: lambda width: Causal(),
    LuongDot: lambda width: LuongDot(),
    LuongGeneral: lambda width: LuongGeneral(width, width),
    LuongConcat: lambda width: LuongConcat(width, width, 2 * width),
    Additive: lambda width: Additive(width, width, width + 1),
    Glimpse: lambda width: Glimpse(side=3.0),
    Rotary: lambda width: Rotary(),
    RelativeBias: with_biases,
    Windowed: with_windows,
}
WIDTH = 6


def mechanisms_of_the_package() -> set[type[Mechanism]]:
    """Every concrete mechanism that any module of tfedu.attention defines."""
    found = set()
    for module in pkgutil.walk_packages(tfedu.attention.__path__, "tfedu.attention."):
        for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(thing, Mechanism) and thing not in (Mechanism, Scored):
                found.add(thing)
    return found


def break_the_law(mechanism: Mechanism, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> list[str]:
    """What of the law does not hold here; empty when all does. Also used on planted mistakes."""
    broken = []
    tolerance = 1e-10 if q.dtype == torch.float64 else 1e-5
    T, S = q.shape[-2], k.shape[-2]
    weights = mechanism.weights(q, k, mask)
    if weights.shape != (*q.shape[:-1], S):
        return [f"a map of shape {tuple(weights.shape)}"]
    output = mechanism(q, k, v, mask)
    if not torch.allclose(output, weights @ v, atol=tolerance, rtol=tolerance):
        broken.append("forward is not weights @ values")
    if not weights.isfinite().all() or not output.isfinite().all():
        broken.append("not finite")
    allowed = torch.ones(T, S, dtype=torch.bool) if mask is None else mask.expand(weights.shape)
    if isinstance(mechanism, Causal):
        allowed = allowed & torch.ones(T, S, dtype=torch.bool).tril(S - T)
    if isinstance(mechanism, Windowed):
        allowed = allowed & mechanism.seen(T, k)
    if (weights.masked_select(~allowed.expand(weights.shape)) != 0).any():
        broken.append("a masked weight is not exactly zero")
    some = allowed.expand(weights.shape).any(-1)
    if (output[~some] != 0).any():
        broken.append("a query that may attend to nothing gathers something")
    if mechanism.rows_sum_to_one and not torch.allclose(
        weights.sum(-1)[some], torch.ones((), dtype=weights.dtype), atol=tolerance
    ):
        broken.append("rows do not sum to one")
    if not torch.equal(mechanism.weights(q, mechanism.prepare(k), mask), weights):
        broken.append("prepared keys give another map")

    inputs = [x.detach().requires_grad_() for x in (q, k, v)]
    seed = torch.randn_like(output)
    parameters = [*inputs, *mechanism.parameters()]

    def gradients(result: Tensor) -> list[Tensor]:
        found = torch.autograd.grad(result, parameters, seed, allow_unused=True)
        return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]

    fast = gradients(mechanism(*inputs, mask))
    slow = gradients(mechanism.weights(*inputs[:2], mask) @ inputs[2])
    if not all(
        torch.allclose(a, b, atol=10 * tolerance, rtol=10 * tolerance)
        for a, b in zip(fast, slow, strict=True)
    ):
        broken.append("gradients differ")
    if not all(g.isfinite().all() for g in fast):
        broken.append("a gradient is not finite")
    return broken


def test_every_mechanism_is_covered() -> None:
    assert mechanisms_of_the_package() == BUILD.keys()


@pytest.mark.parametrize("kind", sorted(BUILD, key=lambda one: one.__name__))
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    B=st.integers(1, 3),
    H=st.sampled_from([None, 1, 4]),
    T=st.integers(1, 9),
    S=st.integers(0, 9),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    masked=st.sampled_from(["no", "random", "padding", "causal", "a row closed", "all closed"]),
    size=st.sampled_from([0.1, 1.0, 5.0]),
)
def test_law(
    kind: type[Mechanism],
    seed: int,
    B: int,
    H: int | None,
    T: int,
    S: int,
    dtype: torch.dtype,
    masked: str,
    size: float,
) -> None:
    torch.manual_seed(seed)
    lead = (B,) if H is None else (B, H)
    q = torch.randn(*lead, T, WIDTH, dtype=dtype) * size
    k = torch.randn(*lead, S, WIDTH, dtype=dtype) * size
    v = torch.randn(*lead, S, 5, dtype=dtype)
    mask = {
        "no": None,
        "random": torch.rand(*lead, T, S) < 0.6,
        "padding": (torch.rand(B, *[1] * (len(lead) - 1), 1, S) < 0.6),
        "causal": torch.ones(T, S, dtype=torch.bool).tril(),
        "a row closed": torch.rand(*lead, T, S) < (torch.arange(T) != 0).float()[:, None],
        "all closed": torch.zeros(T, S, dtype=torch.bool),
    }[masked]
    mechanism = BUILD[kind](WIDTH).to(dtype)
    assert break_the_law(mechanism, q, k, v, mask) == []


class SoftmaxOverQueries(DotProduct):
    """A classic mistake: the softmax runs down the columns."""

    def weights(self, q: Tensor, k: Tensor | Prepared, mask: Tensor | None = None) -> Tensor:
        scores = self.score(q, k if isinstance(k, Prepared) else self.prepare(k))
        return scores.softmax(dim=-2) if mask is None else scores.softmax(dim=-2).masked_fill(~mask, 0.0)


class ForgetsTheScale(LuongDot):
    """The fast way is torch's, which scales unless told otherwise; the map is unscaled."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class LeaksMaskedKeys(LuongDot):
    """Masks by a large negative score: fine until a whole row is masked."""

    def weights(self, q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
        scores = self.score(q, k if isinstance(k, Prepared) else self.prepare(k))
        return (scores if mask is None else scores.masked_fill(~mask, -1e9)).softmax(-1)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.weights(q, k, mask) @ v


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (SoftmaxOverQueries(), "rows do not sum to one"),
        (ForgetsTheScale(), "forward is not weights @ values"),
        (LeaksMaskedKeys(), "a masked weight is not exactly zero"),
    ],
)
def test_a_planted_mistake_breaks_it(broken: Mechanism, complaint: str) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, WIDTH), torch.randn(2, 5, WIDTH), torch.randn(2, 5, 3)
    mask = torch.ones(4, 5, dtype=torch.bool)
    mask[1] = False
    assert complaint in break_the_law(broken, q, k, v, mask)


@pytest.mark.parametrize("kind", sorted(BUILD, key=lambda one: one.__name__))
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_law_on_a_gpu_in_bf16(kind: type[Mechanism]) -> None:
    torch.manual_seed(0)
    mechanism = BUILD[kind](64).cuda().bfloat16()
    q, k, v = (torch.randn(2, 4, 33, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3))
    mask = torch.rand(2, 4, 33, 33, device="cuda") < 0.5
    mask[:, :, 3] = False
    torch.testing.assert_close(
        mechanism(q, k, v, mask), mechanism.weights(q, k, mask) @ v, atol=2e-2, rtol=2e-2
    )
    assert (mechanism(q, k, v, mask)[:, :, 3] == 0).all()


@pytest.mark.parametrize("kind", sorted(BUILD, key=lambda one: one.__name__))
def test_bad_input_is_named(kind: type[Mechanism]) -> None:
    mechanism = BUILD[kind](WIDTH)
    q, k, v = torch.randn(2, 4, WIDTH), torch.randn(2, 5, WIDTH), torch.randn(2, 5, 3)
    with pytest.raises(ValueError, match=r"does not broadcast to the map's \(2, 4, 5\).*mask\[:, None, :\]"):
        mechanism(q, k, v, torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"mask\.bool\(\)"):
        mechanism(q, k, v, torch.ones(4, 5))
    with pytest.raises(ValueError, match="width"):
        mechanism(q, torch.randn(2, 5, WIDTH + 1), v)


def test_closed_forms() -> None:
    """Each score, written out pair by pair from its paper's equation, in float64."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(n, 4, dtype=torch.float64) for n in (3, 5, 5))

    def expected(score: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        e = torch.tensor([[score(s, h).item() for h in k] for s in q], dtype=torch.float64)
        a = e.exp() / e.exp().sum(dim=1, keepdim=True)
        return torch.stack([sum(a[i, j] * v[j] for j in range(5)) for i in range(3)])

    additive = Additive(4, 4, 7).double()
    W, U, va = additive.query.weight, additive.key.weight, additive.energy.weight[0]
    general, concat = LuongGeneral(4, 4).double(), LuongConcat(4, 4, 7).double()
    Wa = torch.cat([concat.query.weight, concat.key.weight], dim=1)
    cases = [
        (additive, lambda s, h: va @ torch.tanh(W @ s + U @ h)),
        (LuongDot(), lambda s, h: s @ h),
        (general, lambda s, h: s @ general.key.weight @ h),
        (concat, lambda s, h: concat.energy.weight[0] @ torch.tanh(Wa @ torch.cat([s, h]))),
        (DotProduct(), lambda s, h: s @ h / 2),
    ]
    for mechanism, score in cases:
        torch.testing.assert_close(mechanism(q, k, v), expected(score), atol=1e-10, rtol=1e-10)
