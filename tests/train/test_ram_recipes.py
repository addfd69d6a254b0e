"""The recipes of chapter 3: a few steps of each, from the command line to a shipped file with its card."""

import json

import pytest
import torch

from tfedu.models.ram import RAM, FullyConnected
from tfedu.train.__main__ import main
from tfedu.train.recipes import ram
from tfedu.train.recipes.ram import held_out, reach


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    monkeypatch.setattr(ram, "TESTED", 20)


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("ram-clutter-learned", RAM, ["--set", "hidden=12"]),
        ("ram-clutter-random", RAM, ["--set", "glimpses=2"]),
        ("ram-clutter-dense", FullyConnected, ["--set", "hidden=3"]),
    ],
)
def test_a_few_steps_ship_a_file_with_its_card(tmp_path, name, kind, more):
    given = ["--steps", "2", "--seed", "5", "--out", str(tmp_path), "--quiet", "--set", "batch=4", *more]
    assert main([name, *given]) == 0
    model = kind.from_pretrained(tmp_path / f"{name}-seed5.safetensors")
    card = json.loads((tmp_path / f"{name}-seed5.json").read_text())
    assert card["recipe"] == f"python -m tfedu.train {name} --seed 5"
    assert "1,297" in card["data"]
    assert "CC BY 4.0" in card["licence"]
    scores = card["scores"]
    if kind is RAM:
        assert model.config.gaze in name
        assert len(scores) == model.config.glimpses
    else:
        assert list(scores) == ["right"]
    assert all(0 <= one <= 1 for one in scores.values())


def test_the_rival_has_no_fewer_weights():
    from tfedu.train.run import Options

    counts = {}
    for name in ("ram-clutter-learned", "ram-clutter-dense"):
        from tfedu.train.recipes import ALL

        run = ALL[name](Options(folder=None))  # type: ignore[arg-type]
        counts[name] = sum(p.numel() for p in run.model.parameters())
    assert counts["ram-clutter-learned"] <= counts["ram-clutter-dense"] < 1.1 * counts["ram-clutter-learned"]


def test_the_digits_wander_off_and_test_pictures_are_those_of_the_card():
    far = [reach(step, 1000) for step in (0, 100, 250, 500, 999)]
    assert far == sorted(far)
    assert far[0] < 0.3 < far[2] < far[3] == far[4] == 1
    assert torch.equal(held_out(5).pictures, held_out(5).pictures)
    assert held_out(2, size=90).pictures.shape == (2, 90, 90)
