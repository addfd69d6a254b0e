"""The trainings behind Swin's ablations: all in miniature, one that learns, and the shipped results."""

import json

import pytest

from tfedu.train import windows
from tfedu.weights import data_dir

SHIPPED = data_dir() / "ablations" / "swin.json"


def test_all_trials_run_with_three_seeds_in_miniature() -> None:
    kept = []
    results = windows.run(steps=1, tested=8, keep=lambda found: kept.append(len(found)))
    assert {q: list(names) for q, names in results.items()} == {q: list(t) for q, t in windows.TRIALS.items()}
    for names in results.values():
        for rows in names.values():
            assert [row["seed"] for row in rows] == [0, 1, 2]
            assert all(row["loss"] > 0 and 0 <= row["accuracy"] <= 1 for row in rows)
    assert kept
    json.dumps(results)
    assert windows.run(steps=1, tested=8, results=results, keep=pytest.fail) is results


@pytest.mark.slow
def test_a_shift_lets_it_see_across_a_border() -> None:
    row = windows.trained("alike", {}, seed=0, steps=250, tested=500)[1]
    assert row["accuracy"] > 0.9
    assert row["loss"] < 0.4


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_trial() -> None:
    results = windows.shipped()
    assert results.pop("about")["steps"] == windows.STEPS
    for question, trials in windows.TRIALS.items():
        assert results[question].keys() == trials.keys()
        for rows in results[question].values():
            assert sorted(row["seed"] for row in rows) == [0, 1, 2]
