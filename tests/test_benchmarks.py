"""The benchmarks' command, and what their kept results hold; none is run here."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from benchmarks import vision
from benchmarks.__main__ import NO_BENCHMARKS
from benchmarks.result import Absent, Result, Row
from benchmarks.turns import by_turns

ROOT = Path(__file__).parents[1]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_the_command_lists_every_benchmark_with_its_question() -> None:
    listed = dict(line.split(maxsplit=1) for line in command("--list").stdout.splitlines())
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__init__", *NO_BENCHMARKS}
    assert set(listed) == modules
    assert all(question.endswith("?") for question in listed.values())


def test_an_unknown_name_is_told_what_there_is() -> None:
    done = command("pages")
    assert done.returncode == 2
    assert "there is no benchmark pages; there is" in done.stderr


def test_a_row_knows_its_ratio_and_whether_its_limit_holds() -> None:
    row = Row.timed("case", "one run", [1.0, 3.0, 2.0], [1.0, 1.0, 4.0], limit=1.5)
    assert (row.ours, row.theirs, row.ratio, row.holds) == (2.0, 1.0, 2.0, False)
    assert row.spread == ((1.5, 2.5), (1.0, 2.5))
    assert Row("case", "size", "kB", 39.0, limit=40).holds is True
    assert Row("case", "size", "kB", 41.0, limit=40).holds is False
    assert Row("case", "size", "kB", 41.0).holds is None


def test_a_result_is_kept_with_the_machine_it_came_from(tmp_path: Path) -> None:
    result = Result("How quick?", "a peer", [Row.timed("case", "one run", [1.23456, 2], [2, 2], limit=1)])
    kept = json.loads(result.write("quick", tmp_path).read_text("utf-8"))
    assert kept["hardware"]["cores"] >= 1
    assert kept["rows"][0]["ours"] == 1.617
    assert kept["rows"][0]["holds"] is True
    assert "MISSED" not in result.table()


def test_turns_are_timed_by_the_clock_that_is_given() -> None:
    ticks = iter(range(100))
    taken = by_turns({"a": int, "b": int}, "cpu", warm=1, turns=3, clock=lambda: float(next(ticks)))
    assert taken == {"a": [1000.0] * 3, "b": [1000.0] * 3}


def test_a_peer_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "PEERS", tmp_path / "nothing here")
    monkeypatch.setattr(sys, "path", list(sys.path))

    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(vision, "version", version)
    with pytest.raises(Absent, match=r"transformers is not here: `make bench NAME=vision`"):
        vision.run()


def test_only_matrices_and_filters_are_counted() -> None:
    from tfedu.models.swin import Swin, SwinConfig
    from tfedu.models.vit import ViT, ViTConfig

    vit = ViT(ViTConfig(classes=10, image_size=8, patch_size=4, width=8, layers=2, heads=2))
    assert vision.matrices(vit) == 3 * 16 * 8 + 2 * 12 * 8 * 8 + 8 * 10
    swin = Swin(SwinConfig(classes=10, width=8, depths=(2,), heads=(2,), window=2))
    assert vision.matrices(swin) == 3 * 16 * 8 + 2 * 12 * 8 * 8 + 8 * 10


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_kept_result_has_every_field(path: Path) -> None:
    kept = json.loads(path.read_text("utf-8"))
    assert kept.keys() == {"benchmark", "question", "peer", "date", "hardware", "versions", "setup", "rows"}
    assert kept["benchmark"] == path.stem
    assert kept["hardware"].keys() == {"cpu", "cores", "memory_gib", "gpu", "system"}
    assert kept["versions"].keys() >= {"python", "torch"}
    fields = {"case", "measure", "unit", "ours", "theirs", "ratio", "limit", "spread", "holds"}
    assert kept["rows"]
    assert all(row.keys() == fields for row in kept["rows"])


def test_the_page_benchmark_has_been_run() -> None:
    assert [path.stem for path in RESULTS].count("page") == 1
