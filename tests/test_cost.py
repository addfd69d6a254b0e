"""The costs of layers, measured, against what one counts by hand."""

import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tfedu import cost
from tfedu.attention import DotProduct, MultiHeadAttention


class Recurrence(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.RNNCell(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, states = torch.zeros_like(x[:, 0]), []
        for one in x.unbind(1):
            h = self.cell(one, h)
            states.append(h)
        return torch.stack(states, 1)


class Convolution(nn.Module):
    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.layer = nn.Conv1d(width, width, words, padding=words // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.mT).mT


@pytest.mark.parametrize("n", [5, 12])
def test_multiplications_are_those_of_the_formulas(n: int) -> None:
    D, x = 8, torch.randn(1, n, 8)
    assert cost.multiplications(lambda: Recurrence(D)(x)) == 2 * n * D * D
    assert cost.multiplications(lambda: Convolution(D, 5)(x)) == 5 * n * D * D
    q = torch.randn(1, n, D)
    assert cost.multiplications(lambda: DotProduct().weights(q, q) @ q) == 2 * n * n * D
    with pytest.raises(ValueError, match="use its cell"):
        cost.multiplications(lambda: x + x)


@pytest.mark.parametrize("n", [4, 700])  # deeper than Python's recursion
def test_a_recurrence_waits_at_each_step(n: int) -> None:
    assert cost.waiting_steps(Recurrence(4)(torch.randn(1, n, 4))) == n


def test_a_layer_of_attention_or_convolution_waits_a_fixed_time() -> None:
    for n in (4, 50):
        x = torch.randn(1, n, 8)
        assert cost.waiting_steps(Convolution(8, 3)(x)) == 1
        assert cost.waiting_steps(MultiHeadAttention(8, 2)(x)) <= 4  # project, compare, gather, project
    with pytest.raises(ValueError, match="no_grad"):
        cost.waiting_steps(torch.ones(1))


def test_reach() -> None:
    assert cost.layers_to_reach(lambda: Recurrence(4), 20, 4) == 1
    assert cost.layers_to_reach(lambda: MultiHeadAttention(4, 1), 20, 4) == 1
    assert cost.layers_to_reach(lambda: Convolution(4, 5), 20, 4) == 10  # ceil(19 / 2)
    with pytest.raises(ValueError, match="does not reach"):
        cost.layers_to_reach(lambda: nn.Linear(4, 4), 3, 4, most=5)


def test_bytes_for_backward_count_the_map() -> None:
    q, k, v = (torch.randn(1, 100, 4, requires_grad=True) for _ in range(3))
    explicit = cost.bytes_for_backward(lambda: (q @ k.mT).softmax(-1) @ v)
    assert 100 * 100 * 4 <= explicit < 1.2 * 100 * 100 * 4 + 10_000
    assert cost.bytes_for_backward(lambda: F.relu(q)) == 100 * 4 * 4
    layer = nn.Linear(4, 4)
    assert cost.bytes_for_backward(lambda: layer(q)) == 100 * 4 * 4


def test_time_is_a_positive_number() -> None:
    assert cost.milliseconds(lambda: torch.ones(10).sum(), least=0.01) > 0


def test_processor_time_leaves_waiting_out_and_takes_turns() -> None:
    order: list[tuple[str, int]] = []
    threads = torch.get_num_threads()

    def work(number: int) -> None:
        order.append(("work", number))
        torch.randn(300, 300) @ torch.randn(300, 300)

    def wait(number: int) -> None:
        order.append(("wait", number))
        time.sleep(0.05)

    taken = cost.processor_seconds({"work": work, "wait": wait}, 3)
    assert order == [(name, number) for number in range(3) for name in ("work", "wait")]
    assert [len(some) for some in taken.values()] == [3, 3]
    assert max(taken["wait"]) < 0.04
    assert torch.get_num_threads() == threads
