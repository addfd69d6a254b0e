"""The trainings behind the curve over pictures: in miniature, and the shipped results; the recipe of the ViT."""

import json
from pathlib import Path

import pytest
import torch

from tfedu import weights
from tfedu.models.vit import ViT
from tfedu.train import data_hunger
from tfedu.train.__main__ import main
from tfedu.train.recipes import textures as recipe
from tfedu.train.recipes.textures import TextureBatches

SHIPPED = weights.data_dir() / "ablations" / "data_hunger.json"


def test_all_trainings_run_in_miniature_and_none_twice() -> None:
    kept: list[dict] = []
    options: dict = {"counts": (8, 24), "steps": 2, "tested": 16}
    results = data_hunger.run(keep=kept.append, **options)
    assert results.keys() == data_hunger.NETWORKS.keys()
    for rows in results.values():
        assert [(row["seed"], row["pictures"]) for row in rows] == [(s, n) for s in range(3) for n in (8, 24)]
        assert all(0 <= row["accuracy"] <= 1 and row["training_loss"] > 0 for row in rows)
    assert len(kept) == 12
    json.dumps(results)
    assert data_hunger.run(results=results, keep=pytest.fail, **options) is results


def test_the_rivals_are_of_one_size() -> None:
    ours, theirs = (
        sum(p.numel() for p in build().parameters()) for build, _ in data_hunger.NETWORKS.values()
    )
    assert abs(ours / theirs - 1) < 0.05


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_point() -> None:
    results = data_hunger.shipped()
    assert results.pop("about")["steps"] == data_hunger.STEPS
    assert results.keys() == data_hunger.NETWORKS.keys()
    for rows in results.values():
        points = {(row["seed"], row["pictures"]) for row in rows}
        assert points == {(s, n) for s in data_hunger.SEEDS for n in data_hunger.COUNTS}


def test_a_few_steps_of_the_recipe_ship_a_file_with_its_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "TESTED", 20)
    sizes = ["--set", "width=8", "--set", "layers=1", "--set", "rows=8"]
    assert (
        main(["vit-textures", "--steps", "2", "--seed", "5", "--out", str(tmp_path), "--quiet", *sizes]) == 0
    )
    model = ViT.from_pretrained(tmp_path / "vit-textures-seed5.safetensors")
    card = json.loads((tmp_path / "vit-textures-seed5.json").read_text())
    assert (model.config.width, model.config.layers) == (8, 1)
    assert card["recipe"] == "python -m tfedu.train vit-textures --seed 5"
    assert {"accuracy", "loss"} == card["scores"].keys()


def test_every_step_has_pictures_of_its_own() -> None:
    batches = TextureBatches(4, seed=3)
    assert torch.equal(batches.batch(7).pictures, batches.batch(7).pictures)
    assert not torch.equal(batches.batch(7).pictures, batches.batch(8).pictures)
    assert not torch.equal(batches.batch(7).pictures, TextureBatches(4, seed=4).batch(7).pictures)
    assert batches.batch(0).pictures.min() < -0.5
