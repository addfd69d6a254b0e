"""A kept benchmark as a table."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.result import Result, Row
from tfedu.site import speed

ROWS = [
    Row.timed("a <model>", "one run", [1.0, 2.0, 3.0], [4.0, 4.0, 4.0], limit=1.2),
    Row.timed("a <model>", "two runs", [8.0, 8.0], [2.0, 2.0], limit=1.2),
    Row("a <model>", "download", "kB", 12.345),
]


@pytest.fixture
def kept(tmp_path: Path) -> dict:
    return speed.read(
        Result("How fast?", "a peer", ROWS, {"peer": "1.0"}, {"warm_up": 3}).write("x", tmp_path)
    )


def test_each_row_has_its_numbers_and_says_whether_a_limit_is_kept(kept: dict) -> None:
    page = speed.to_html(kept)
    assert page.count("<tr") == 1 + 1 + 3
    assert "a &lt;model&gt;" in page
    assert "0.50<span" in page
    assert "limit 1.2, kept" in page
    assert "4.00<span" in page
    assert "limit 1.2, missed" in page
    assert "12.3 kB" in page
    assert "warm up 3" in page
    assert "peer 1.0" in page


def test_a_machine_of_one_core_has_one_core(kept: dict) -> None:
    kept["hardware"]["cores"] = 1
    assert " 1 core," in speed.to_html(kept)
    kept["hardware"]["cores"] = 2
    assert " 2 cores," in speed.to_html(kept)


def test_faster_lies_left_of_the_peer(kept: dict) -> None:
    page = speed.to_html(kept)
    peers = [float(x) for x in re.findall(r'class="tf-peer" d="M([\d.]+) ', page)]
    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', page)]
    assert len(peers) == len(dots) == 2
    assert dots[0] < peers[0]
    assert dots[1] > peers[1]
    assert dots[1] <= speed.WIDTH


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({"rows": []}))
    with pytest.raises(ValueError, match="holds no benchmark"):
        speed.read(path)
