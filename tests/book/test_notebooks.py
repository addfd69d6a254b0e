"""What every chapter's notebook must be: stripped, in parts; and it runs from the wheel alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, SITE

NOTEBOOKS = sorted(p for p in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
PARTS = [
    "Try it", "The problem", "The idea", "The mathematics", "The code", "Proof", "The claim", "Look inside",
    "Cost", "Pitfalls", "Exercises", "Summary",
]  # fmt: skip
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]


def words_of(notebook: dict[str, Any]) -> str:
    return "\n\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")


@each
def test_is_committed_without_outputs(path: Path) -> None:
    for number, cell in enumerate(read(path)["cells"]):
        if cell["cell_type"] == "code" and "keep_output" not in cell["metadata"].get("tags", []):
            assert cell["outputs"] == [], f"cell {number}: run nbstripout, or tag it keep_output"
            assert cell["execution_count"] is None, f"cell {number}"


@each
def test_has_the_parts_of_a_chapter_in_order(path: Path) -> None:
    headings = re.findall(r"^## +(.+)$", words_of(read(path)), flags=re.M)
    found = [heading for heading in headings if any(heading.startswith(part) for part in PARTS)]
    assert [next(part for part in PARTS if heading.startswith(part)) for heading in found] == PARTS


@each
def test_has_a_card_before_its_first_part(path: Path) -> None:
    before = words_of(read(path)).split("\n## ")[0]
    assert re.search(r"^# ", before, flags=re.M)
    assert re.search(r"minutes", before, flags=re.I), "the card says how long the chapter takes"
    assert re.search(r"need", before, flags=re.I), "the card says what one needs first"


@each
def test_is_short_enough_to_read(path: Path) -> None:
    notebook = read(path)
    lines = sum(  # those that a reader sees: figures' code is folded, exercises are the reader's own
        1
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        and "hide-input" not in cell["metadata"].get("tags", [])
        and "raise NotImplementedError" not in "".join(cell["source"])
        for line in "".join(cell["source"]).splitlines()
        if line.strip() and not line.strip().startswith("#")
    )
    assert lines <= 260, f"{lines} lines of code: fold, or move into the package"
    prose = re.sub(r"```.*?```", "", words_of(notebook), flags=re.S)
    count = len(re.findall(r"[A-Za-z]{2,}", prose))
    assert 1200 <= count <= 3400, f"{count} words: a chapter has 1,500 to 2,500, exercises apart"


@each
def test_asks_nothing_of_a_cdn(path: Path) -> None:
    assert not re.search(r"cdn\.|cdnjs|jsdelivr|unpkg", path.read_text("utf-8"))


# --- from the wheel ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel's content."""
    folder = tmp_path_factory.mktemp("wheel")
    run = [sys.executable, "-m"]
    subprocess.run(
        [*run, "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run(
        [*run, "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return target


@pytest.mark.slow
@each
def test_runs_alone_from_the_wheel(path: Path, installed: Path, tmp_path: Path) -> None:
    """The nearest one can come to Colab without it: the downloaded notebook, an empty folder, the wheel."""
    downloaded = SITE / "_sources" / path.relative_to(ROOT)
    notebook = read(downloaded if downloaded.exists() else path)
    inside = f"pathlib.Path(tfedu.__file__).is_relative_to({str(installed)!r})"
    check = f"import tfedu, pathlib; assert {inside}, tfedu.__file__"
    notebook["cells"].append(
        {
            "cell_type": "code",
            "id": "where-from",
            "metadata": {},
            "source": check,
            "outputs": [],
            "execution_count": None,
        }
    )
    (tmp_path / path.name).write_text(json.dumps(notebook), "utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TFEDU_")}
    environment |= {
        "PYTHONPATH": str(installed),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        [
            sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout",
            "--ExecutePreprocessor.timeout=400", path.name,
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
