"""`python -m tfedu.train`: finding a recipe, passing it what was asked, telling mistakes."""

import sys
from types import ModuleType

import pytest
from toy import Cycle, loss, toy

from tfedu.train import Run, TrainConfig, checkpoint
from tfedu.train.__main__ import main


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    """One recipe in place of the real ones; what it was asked and what it finished is kept for the tests."""
    seen = {}

    def cycle(options):
        """Count in steps of three.

        Only a test.
        """
        model = toy(width=options.setting("width", 16))
        config = options.config(TrainConfig(10, lr=0.01, warmup=2))

        def finish(model, history, folder):
            seen.update(history=history, folder=folder)

        seen.update(config=config, width=model.embed.weight.shape[1])
        return Run(model, Cycle(), loss, config, finish=finish)

    module = ModuleType("tfedu.train.recipes")
    module.ALL = {"count-threes": cycle}
    monkeypatch.setitem(sys.modules, "tfedu.train.recipes", module)
    return seen


def test_a_recipe_runs_and_finishes(tmp_path, recipes):
    options = "--steps 6 --seed 3 --precision bf16 --set width=8 --set lr=0.02 --set betas=[0.5,0.9] --quiet"
    assert main(["count-threes", "--out", str(tmp_path), *options.split()]) == 0
    assert recipes["width"] == 8
    assert recipes["config"] == TrainConfig(6, lr=0.02, warmup=2, betas=(0.5, 0.9), seed=3, precision="bf16")
    assert recipes["folder"] == tmp_path
    assert recipes["history"].rows[-1]["step"] == 6
    assert (tmp_path / "history.jsonl").exists()


def test_resume_is_the_default_and_can_be_declined(tmp_path, recipes):
    command = ["count-threes", "--out", str(tmp_path), "--quiet"]
    assert main([*command, "--steps", "5"]) == 0
    assert main([*command, "--steps", "9"]) == 0
    assert [row["step"] for row in recipes["history"].rows] == [5, 9]
    assert main([*command, "--steps", "9", "--no-resume"]) == 0
    assert [row["step"] for row in recipes["history"].rows] == [9]
    assert checkpoint.read(tmp_path / "checkpoint.safetensors.old-1")[1]["progress"]["step"] == 9


def test_the_folder_is_named_after_recipe_and_seed(tmp_path, recipes, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["count-threes", "--seed", "2", "--steps", "1", "--quiet"]) == 0
    assert (tmp_path / "runs" / "count-threes-seed2" / "checkpoint.safetensors").exists()


def test_list_shows_the_first_line(capsys):
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.split() == ["count-threes", "Count", "in", "steps", "of", "three."]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("count-three", "no recipe is named 'count-three'; did you mean: count-threes?"),
        ("", "which recipe?"),
        ("count-threes --set width", "--set wants NAME=VALUE"),
        ("count-threes --set widht=8", "count-threes has no setting widht; it has: betas, clip"),
        ("count-threes --set width=wide", "--set width=wide: wants int"),
        ("count-threes --set width=8.5", "--set width=8.5: wants int"),
        ("count-threes --set lr=fast", "--set lr=fast: wants float"),
        ("count-threes --set clip=-1", "clip is -1.0; give a length above 0"),
    ],
)
def test_mistakes_are_told_before_anything_trains(tmp_path, capsys, recipes, arguments, message):
    out = ["--out", str(tmp_path / "run")]
    assert main([*arguments.split(), *out]) == 2
    assert message in capsys.readouterr().err
    assert "history" not in recipes
    assert not (tmp_path / "run").exists()
