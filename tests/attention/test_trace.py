import numpy as np
import pytest
import torch
from torch import nn

from tfedu.attention import DotProduct, MultiHeadAttention
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.trace import Traced, ablate, cut, pin, replace, trace


@pytest.fixture
def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(MultiHeadAttention(12, 3), MultiHeadAttention(12, 3)).double().eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 5, 12, dtype=torch.float64)


def test_sees_what_was_used_and_leaves_nothing(layers: nn.Sequential, x: torch.Tensor) -> None:
    before = {name: dict(vars(module)) for name, module in layers.named_modules()}
    with trace(layers) as maps:
        traced = layers(x)
    torch.testing.assert_close(traced, layers(x), atol=1e-10, rtol=1e-10)
    assert list(maps) == ["0", "1"]
    assert maps["0"].weights.shape == (2, 3, 5, 5)
    # The map is the one the closed form gives.
    q, k = (part(x).view(2, 5, 3, 4).transpose(1, 2) for part in (layers[0].query, layers[0].key))
    torch.testing.assert_close(maps["0"].weights, (q @ k.mT / 2).softmax(-1))
    for name, module in layers.named_modules():
        assert vars(module).keys() == before[name].keys()
        assert "forward" not in vars(module)
        assert not module._forward_pre_hooks


def test_untraced_runs_the_fast_way(
    layers: nn.Sequential, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DotProduct, "weights", lambda *_: pytest.fail("the map was made without a trace"))
    layers(x)


def test_gradients_pass_through_a_map(layers: nn.Sequential, x: torch.Tensor) -> None:
    with trace(layers) as maps:
        y = layers(x)
    (gradient,) = torch.autograd.grad(y.square().sum(), maps["1"].weights)
    assert gradient.abs().max() > 0


def test_ablate_silences_one_head(layers: nn.Sequential, x: torch.Tensor) -> None:
    with trace(layers, edit={"1": ablate(head=2)}) as maps:
        y = layers(x)
    assert (maps["1"].weights[:, 2] == 0).all()
    assert (maps["1"].weights[:, :2].sum(-1) - 1).abs().max() < 1e-12
    cut = layers[1]
    with torch.no_grad():  # the same by another road: the head's values are zero
        cut.value.weight[8:12] = 0
        cut.value.bias[8:12] = 0
    torch.testing.assert_close(y, layers(x))


def test_replace_and_pin(layers: nn.Sequential, x: torch.Tensor) -> None:
    uniform = torch.full((5, 5), 0.2, dtype=torch.float64)
    with trace(layers, edit={"0": replace(uniform)}) as maps:
        layers(x)
    assert (maps["0"].weights == 0.2).all()
    with trace(layers) as free:
        layers(x)
    with trace(layers, edit={"0": pin(query=2, key=4, weight=0.7, head=1)}) as maps:
        layers(x)
    row, was = maps["0"].weights[:, 1, 2], free["0"].weights[:, 1, 2]
    assert (row[:, 4] == 0.7).all()
    torch.testing.assert_close(row.sum(-1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(row[:, 0] / row[:, 1], was[:, 0] / was[:, 1])
    others = torch.ones(3, 5, dtype=torch.bool)
    others[1, 2] = False
    torch.testing.assert_close(maps["0"].weights[:, others], free["0"].weights[:, others])


@pytest.mark.parametrize("renormalise", [False, True])
def test_cut_edges_carry_nothing(layers: nn.Sequential, x: torch.Tensor, renormalise: bool) -> None:
    with trace(layers) as plain:
        layers(x)
    before = plain["0"].weights
    edges = torch.rand(2, 1, 5, 5) < 0.4
    edges[0, 0, 3] = True  # a row of which nothing is left
    with trace(layers, edit={"0": cut(edges, renormalise=renormalise)}) as maps:
        layers(x)
    after = maps["0"].weights
    gone = edges.expand_as(before)
    assert (after[gone] == 0).all()
    left = before.masked_fill(gone, 0.0)
    if renormalise:
        assert (after.sum(-1)[~gone.all(-1)] - 1).abs().max() < 1e-12
        left = left / left.sum(-1, keepdim=True).clamp_min(1e-300)
    torch.testing.assert_close(after, left, atol=1e-12, rtol=0)
    assert after.isfinite().all()
    assert (after[0, :, 3] == 0).all()


def test_cut_by_distance_and_in_one_head(layers: nn.Sequential, x: torch.Tensor) -> None:
    with trace(layers, edit={"1": cut(1, head=2)}) as maps:
        layers(x)
    weights = maps["1"].weights
    assert (weights[:, 2].diagonal(-1, 1, 2) == 0).all()
    assert (weights[:, :2] > 0).all()
    assert (weights[:, 2].diagonal(0, 1, 2) > 0).all()
    # A decoder's later rows stand further down: row 0 of this call is query 3.
    rows = torch.ones(1, 1, 2, 5)
    assert cut(1)(rows, 3)[0, 0].tolist() == [[1, 1, 0, 1, 1], [1, 1, 1, 0, 1]]
    edges = torch.zeros(5, 5, dtype=torch.bool)
    edges[4, 0] = True
    assert cut(edges)(rows, 3)[0, 0].tolist() == [[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]]


def test_a_decoders_rows_are_stacked_and_edited_by_their_number() -> None:
    torch.manual_seed(0)
    model = Seq2Seq(Seq2SeqConfig(20, 20, 8, 12, attention="additive", dropout=0)).eval()
    source, target = torch.randint(4, 20, (2, 6)), torch.randint(4, 20, (2, 4))
    with trace(model) as maps:
        model(source, target)
    assert maps["decoder.attention"].weights.shape == (2, 1, 4, 6)
    with trace(model, edit={"decoder.attention": pin(query=2, key=5)}) as edited:
        model(source, target)
    free, changed = maps["decoder.attention"].weights, edited["decoder.attention"].weights
    assert (changed[:, :, 2, 5] == 1).all()
    torch.testing.assert_close(changed[:, :, :2], free[:, :, :2])  # rows before it are untouched
    assert (changed[:, :, 3] - free[:, :, 3]).abs().max() > 1e-6  # and the state after it is another


def test_a_second_run_starts_anew(layers: nn.Sequential, x: torch.Tensor) -> None:
    with trace(layers) as maps:
        layers(torch.randn_like(x))
        layers(x)
    with trace(layers) as once:
        layers(x)
    torch.testing.assert_close(maps["0"].weights, once["0"].weights)


def test_rollout_by_hand(layers: nn.Sequential, x: torch.Tensor) -> None:
    with trace(layers) as maps:
        layers(x)
    first, second = (maps.layer(i).weights.mean(1) for i in (0, 1))
    eye = torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(maps.rollout(), (0.5 * second + 0.5 * eye) @ (0.5 * first + 0.5 * eye))
    torch.testing.assert_close(maps.rollout().sum(-1), torch.ones(2, 5, dtype=torch.float64))
    with pytest.raises(IndexError, match="layer 2 is not one of the 2 maps: 0, 1"):
        maps.layer(2)


def test_figures_of_the_maps(layers: nn.Sequential, x: torch.Tensor) -> None:
    with trace(layers) as maps:
        layers(x)
    assert maps.heatmap(layer=1, head=2).axes
    assert maps["0"].plotly().data
    for view in ("head", "model"):
        html = maps.bertviz(view).data
        assert "attention" in html


def test_clear_errors(layers: nn.Sequential, x: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="holds no Mechanism"), trace(nn.Linear(2, 2)):
        pass
    with pytest.raises(KeyError, match="mechanisms: 0, 1"), trace(layers, edit={"2": ablate(0)}):
        pass
    with pytest.raises(RuntimeError, match="caught nothing"), trace(layers):
        pass
    with pytest.raises(IndexError, match="head 7"), trace(layers, edit={"0": ablate(7)}):
        layers(x)
    assert "forward" not in vars(layers[0].mechanism)  # put back after the error too
    with (
        pytest.raises(ValueError, match="cannot replace"),
        trace(layers, edit={"0": replace(torch.ones(3, 4))}),
    ):
        layers(x)
    with trace(layers) as maps:
        layers(x)
    with pytest.raises(KeyError, match="caught: 0, 1"):
        maps["2"]
    with pytest.raises(ValueError, match="5 queries by 5 keys; got 6"):
        maps["0"].tokens(list("abcdef"), list("abcde"))


def test_clear_errors_of_cut(layers: nn.Sequential, x: torch.Tensor) -> None:
    with pytest.raises(TypeError, match=r"edges\.bool"):
        cut(torch.ones(5, 5))
    with (
        pytest.raises(ValueError, match=r"edges\[:, None\]"),
        trace(layers, edit={"0": cut(torch.ones(2, 5, 5).bool())}),
    ):
        layers(x)
    with pytest.raises(IndexError, match="head 7"), trace(layers, edit={"0": cut(1, head=7)}):
        layers(x)


def test_exports_to_onnx_with_its_maps() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = Traced(nn.Sequential(MultiHeadAttention(12, 3), MultiHeadAttention(12, 3))).eval()
    dynamic = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    program = torch.onnx.export(
        model, (torch.randn(2, 5, 12),), dynamo=True, dynamic_shapes=((dynamic,),), verbose=False
    )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    x = torch.randn(3, 8, 12)
    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        expected = model(x)
    assert len(found) == len(expected) == 3
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b.numpy(), atol=1e-5)
