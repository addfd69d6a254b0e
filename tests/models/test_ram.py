"""The recurrent attention model: what it sees, that it is the paper's network, and how its gaze is taught."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tfedu import weights
from tfedu.data.digits import digits, scatter
from tfedu.models.ram import RAM, FullyConnected, FullyConnectedConfig, GlimpseSensor, RAMConfig
from tfedu.trace import replace, trace
from tfedu.train.ram import advantages, hybrid_loss, log_density, ram_loss, reinforce, returns
from tfedu.weights import CheckpointError

SMALL = RAMConfig(cells=3, scales=2, glimpse=6, hidden=7, classes=4, glimpses=3)


def randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model.double().eval()


def test_the_sensor_averages_the_pixels_of_each_cell() -> None:
    """Straight from the paper's words: squares of side 3 and 6 around the place, each brought to 3 by 3."""
    torch.manual_seed(0)
    picture = torch.rand(10, 12, dtype=torch.float64)
    middle = torch.tensor([[-0.4, 0.5]], dtype=torch.float64)  # pixels 3.0 and 9.0, exactly
    padded = nn.functional.pad(picture, (10, 10, 10, 10))
    seen = GlimpseSensor(3, 2).double()(picture[None], middle)[0]
    # Scale 1, side 2: the square from (0, 6) to (6, 12) in means of four.
    coarse = nn.functional.avg_pool2d(padded[10:16, 16:22][None, None], 2)[0, 0]
    torch.testing.assert_close(seen[1], coarse, atol=1e-10, rtol=1e-10)
    # Scale 0, side 1, between the pixels: each cell is the mean of the four that it touches.
    fine = nn.functional.avg_pool2d(padded[11:15, 17:21][None, None], 2, stride=1)[0, 0]
    torch.testing.assert_close(seen[0], fine, atol=1e-10, rtol=1e-10)


def test_the_network_is_the_papers_equations() -> None:
    model = randomised(RAM(SMALL))
    pictures = torch.rand(2, 9, 9, dtype=torch.float64)
    found = model(pictures)
    for b in range(2):
        place, h = torch.zeros(2, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
        for t in range(3):
            rho = model.sensor(pictures[b : b + 1], place[None])[0].flatten()
            h_g = torch.relu(model.glimpse.what.weight @ rho + model.glimpse.what.bias)
            h_l = torch.relu(model.glimpse.where.weight @ place + model.glimpse.where.bias)
            W_g, W_l = model.glimpse.both.weight.split(6, dim=1)
            g = torch.relu(W_g @ h_g + W_l @ h_l + model.glimpse.both.bias)
            h = torch.relu(model.keep(h) + model.write(g))
            torch.testing.assert_close(found.locations[b, t], place, atol=1e-10, rtol=1e-10)
            torch.testing.assert_close(found.logits[b, t], model.action(h), atol=1e-10, rtol=1e-10)
            place = (place + model.location(h)).clamp(-1, 1)


def test_traced_it_is_the_same_and_its_map_is_what_it_saw() -> None:
    model = randomised(RAM(SMALL))
    pictures = torch.rand(2, 9, 8, dtype=torch.float64)
    with trace(model) as maps:
        traced = model(pictures)
    torch.testing.assert_close(traced.logits, model(pictures).logits, atol=1e-10, rtol=1e-10)
    assert list(maps) == ["sensor.scales.0", "sensor.scales.1"]
    weights_of = maps["sensor.scales.1"].weights
    assert weights_of.shape == (2, 1, 3 * 9, 72)
    third = weights_of[1, 0, 18:] @ pictures[1].flatten()
    expected = model.sensor(pictures, traced.locations[:, 2])[1, 1].flatten()
    torch.testing.assert_close(third, expected, atol=1e-10, rtol=1e-10)
    with trace(model, edit={f"sensor.scales.{i}": replace(torch.zeros(27, 72)) for i in (0, 1)}):
        blind = model(pictures).logits
    torch.testing.assert_close(blind[0], blind[1])  # without glimpses no picture differs from another


def test_locations_can_be_given_and_every_gaze_has_its_way() -> None:
    model = randomised(RAM(SMALL))
    pictures = torch.rand(5, 9, 9, dtype=torch.float64)
    own = model(pictures)
    torch.testing.assert_close(model(pictures, locations=own.locations).logits, own.logits)
    assert model(pictures, glimpses=5).logits.shape == (5, 5, 4)
    model.train()
    drawn = model(pictures)
    assert (drawn.locations[:, 0] == 0).all()
    assert (drawn.locations[:, 1] != drawn.means[:, 1]).any()
    assert not drawn.locations.requires_grad
    assert drawn.means.requires_grad

    def with_gaze(gaze):
        other = RAM(RAMConfig(**{**vars(SMALL), "gaze": gaze})).double().eval()
        other.load_state_dict(model.state_dict())
        return other

    chance = with_gaze("random")(pictures.repeat(200, 1, 1)).locations[:, 1:]
    assert chance.abs().max() <= 1
    assert abs(chance.std().item() - 1 / math.sqrt(3)) < 0.03
    assert (with_gaze("still")(pictures).locations == 0).all()


def test_the_gradient_is_the_exact_one_when_all_choices_are_counted() -> None:
    """Three choices, counted out: the mean of `reinforce`, weighted by probability, has the gradient of E[R]."""
    scores = torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([1.0, 0.0, -2.0], dtype=torch.float64)
    p = scores.softmax(0)
    (exact,) = torch.autograd.grad((p * reward).sum(), scores)
    for baseline in (0.0, 0.7):
        losses = reinforce(scores.log_softmax(0), reward, torch.full((3,), baseline, dtype=torch.float64))
        (found,) = torch.autograd.grad((p.detach() * losses).sum(), scores)
        torch.testing.assert_close(-found, exact, atol=1e-10, rtol=1e-10)


def test_the_gradient_of_a_gaze_is_the_exact_one() -> None:
    """Two gazes, each drawn around its mean, the second mean depending on the first: all outcomes on a grid of
    Gauss-Hermite nodes, which is exact for a polynomial reward."""
    std = 0.3
    nodes, node_weights = np.polynomial.hermite.hermgauss(8)
    z = torch.tensor(nodes * math.sqrt(2) * std)
    w = torch.tensor(node_weights / math.sqrt(math.pi))
    a = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)  # the first mean is a, the second a l1

    def reward(l1, l2):
        return 1 - (l2 - 1) ** 2 + 0.5 * l1 * l2

    # E[R] in closed form: l1 = a + e1, l2 = a l1 + e2, with E[e] = 0 and E[e^2] = std^2.
    second = a**2 + std**2  # E[l1^2]
    expected = 1 - (a**2 * second + std**2 - 2 * a * a + 1) + 0.5 * a * second
    (exact,) = torch.autograd.grad(expected, a)

    found = torch.zeros((), dtype=torch.float64)
    for z1, w1 in zip(z, w, strict=True):
        for z2, w2 in zip(z, w, strict=True):
            l1 = (a + z1).detach()
            l2 = (a * l1 + z2).detach()
            log_p = log_density(
                torch.stack([torch.stack([l1, l1 * 0]), torch.stack([l2, l2 * 0])]),
                torch.stack([torch.stack([a, a * 0]), torch.stack([a * l1, a * 0])]),
                std,
            )
            loss = reinforce(log_p, reward(l1, l2).expand(2), torch.full((2,), 0.2, dtype=torch.float64))
            found = found + w1 * w2 * torch.autograd.grad(loss.sum(), a)[0]
    torch.testing.assert_close(-found, exact, atol=1e-10, rtol=1e-10)


def test_returns_by_hand() -> None:
    rewards = torch.tensor([[5.0, 1.0, 3.0]])
    torch.testing.assert_close(returns(rewards), torch.tensor([[2.0, 3.0, 0.0]]))


def test_an_advantage_is_measured_against_the_copies_of_its_picture() -> None:
    torch.manual_seed(0)
    reward, baseline = torch.randn(12, 3), torch.randn(12, 3)
    found = advantages(reward, baseline, copies=4)
    torch.testing.assert_close(found.view(3, 4, 3).mean(dim=1), torch.zeros(3, 3))
    torch.testing.assert_close(found.std(dim=0, unbiased=False), torch.ones(3))
    first = (reward - baseline)[4:8]
    torch.testing.assert_close(
        torch.corrcoef(torch.stack([found[4:8, 0], first[:, 0]]))[0, 1], torch.tensor(1.0)
    )
    # What all copies share, how hard their picture is, changes nothing.
    harder = reward + torch.randn(3, 1, 1).expand(3, 4, 3).flatten(0, 1)
    torch.testing.assert_close(advantages(harder, baseline, copies=4), found)
    torch.testing.assert_close(advantages(reward, baseline).mean(dim=0), torch.zeros(3))


def test_copies_stand_side_by_side() -> None:
    torch.manual_seed(0)
    batch = scatter(digits("val"), 3, size=20, seed=0)
    model = RAM(RAMConfig(**{**vars(SMALL), "classes": 10, "gaze": "still"}))
    one, several = ram_loss(model, batch, 0.1, 0.0), ram_loss(model, batch, 0.1, 0.0, copies=4)
    assert (one.count, several.count) == (3, 12)
    torch.testing.assert_close(several.total, 4 * one.total)


def test_the_hybrid_loss_teaches_each_part_what_it_should() -> None:
    torch.manual_seed(0)
    model = RAM(SMALL)
    pictures, labels = torch.rand(6, 9, 9), torch.randint(4, (6,))
    model.train()
    seen = model(pictures)

    def gradients(weight: float) -> dict[str, bool]:
        model.zero_grad()
        hybrid_loss(seen, labels, SMALL.std, weight).backward(retain_graph=True)
        return {n: p.grad is not None and bool(p.grad.any()) for n, p in model.named_parameters()}

    assert not gradients(0.0)["location.weight"]  # nothing but the reward reaches the gaze
    assert all(gradients(0.1).values())
    # The cross-entropy is the mean over the glimpses, summed over the batch.
    expected = (
        sum(nn.functional.cross_entropy(seen.logits[:, t], labels, reduction="sum") for t in range(3)) / 3
    )
    torch.testing.assert_close(hybrid_loss(seen, labels, SMALL.std, 0.0), expected)


def test_a_gaze_taught_by_reward_goes_where_the_reward_is() -> None:
    torch.manual_seed(0)
    target, mean = torch.tensor([0.5, -0.3]), torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.SGD([mean], lr=0.02)
    for _ in range(150):
        locations = mean.detach() + 0.2 * torch.randn(64, 2)
        reward = -(locations - target).square().sum(dim=-1)
        optimizer.zero_grad()
        reinforce(log_density(locations, mean, 0.2), reward, reward.mean()).mean().backward()
        optimizer.step()
    assert (mean - target).abs().max() < 0.05


def test_checkpoints_and_errors(tmp_path) -> None:
    model = RAM(SMALL)
    weights.save(tmp_path / "one.safetensors", model, SMALL)
    again = RAM.from_pretrained(tmp_path / "one.safetensors")
    assert again.config == SMALL
    rival = FullyConnected(FullyConnectedConfig(4, 5, 6))
    weights.save(tmp_path / "two.safetensors", rival, rival.config)
    assert FullyConnected.from_pretrained(tmp_path / "two.safetensors")(torch.rand(3, 4, 5)).shape == (3, 10)
    with pytest.raises(CheckpointError, match="holds a FullyConnected, not a RAM"):
        RAM.from_pretrained(tmp_path / "two.safetensors")
    with pytest.raises(ValueError, match="choose 'learned', 'random' or 'still'"):
        RAMConfig(gaze="wild")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"locations are \(B, T, 2\), for 2 pictures"):
        model(torch.rand(2, 9, 9), locations=torch.zeros(3, 2, 2))
    with pytest.raises(ValueError, match=r"pictures \(B, h, w\)"):
        model.sensor(torch.rand(2, 1, 9, 9), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="at least one glimpse"):
        model(torch.rand(2, 9, 9), glimpses=0)
