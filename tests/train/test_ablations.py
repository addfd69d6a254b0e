"""The trainings behind the Transformer's ablations: all three seeds in miniature, and the shipped results."""

import json

import pytest

from tfedu.train import ablations
from tfedu.weights import data_dir

SHIPPED = data_dir() / "ablations" / "transformer.json"


def test_all_trials_run_with_three_seeds_in_miniature() -> None:
    kept = []
    results = ablations.run(steps=1, pairs=40, tried=4, keep=lambda found: kept.append(len(found)))
    assert {group: list(names) for group, names in results.items()} == {
        group: list(names) for group, names in (ablations.TRIALS | {"copying": ablations.COPIERS}).items()
    }
    for group, names in results.items():
        for rows in names.values():
            assert [row["seed"] for row in rows] == [0, 1, 2]
            for row in rows:
                assert row["loss"] > 0
                assert row["parameters"] > 50_000
                if group == "copying":
                    assert len(row["right"]) == len(ablations.LENGTHS)
                else:
                    assert 0 <= row["exact"] <= 1
    assert kept
    json.dumps(results)
    # What is the same training is trained once; what is kept is not trained again.
    assert (
        results["heads"]["4 heads"]
        == results["positions"]["sinusoidal"]
        == results["scale"]["scaled, 4 heads"]
    )
    again = ablations.run(steps=1, pairs=40, tried=4, results=results, keep=pytest.fail)
    assert again is results


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_trial() -> None:
    results = ablations.shipped()
    assert results.pop("about")["steps"] == 300
    for group, names in (ablations.TRIALS | {"copying": ablations.COPIERS}).items():
        assert results[group].keys() == names.keys()
        for name in names:
            assert sorted(row["seed"] for row in results[group][name]) == [0, 1, 2]
    sizes = {
        row["parameters"] for group in ("heads", "scale") for rows in results[group].values() for row in rows
    }
    assert len(sizes) == 1
    copiers = [rows[0]["parameters"] for rows in results["copying"].values()]
    assert max(copiers) < 1.02 * min(copiers)
