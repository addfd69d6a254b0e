"""All checks, in one command: style, types, tests, then every notebook of the book.

    python -m tfedu.site.check

Each step runs even if one before it failed, so that one run tells all. The exit status counts the failures.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PYTHON = sys.executable
BIN = Path(PYTHON).parent


def steps(root: Path) -> dict[str, list[str]]:
    """The commands, by name."""
    notebooks = sorted(
        path.relative_to(root).as_posix()
        for path in (root / "book").rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )
    pytest = [PYTHON, "-m", "pytest", "-q"]
    found = {
        "style": [str(BIN / "ruff"), "check", "."],
        "format": [str(BIN / "ruff"), "format", "--check", "tfedu", "tests", "book/vendor.py"],
        "types": [str(BIN / "mypy")],
        "tests": [*pytest, "-n", "2", "--dist", "loadscope", "tests"],
    }
    if shutil.which("npm"):
        npm = ["npm", "--prefix", "web"]
        found["engine, install"] = [*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        found["engine, bundle"] = [*npm, "run", "check"]
        found["engine, tests"] = [*npm, "test"]
    elif "CI" in os.environ:
        found["engine"] = ["npm"]  # not to be had: fails
    else:
        print(
            "Node 20 or newer is not here: the page's engine (web/) is not checked. The book does not need it."
        )
    if notebooks:
        # A notebook's cells share a kernel, so a notebook stays on one worker.
        found["notebooks"] = [
            *pytest, "--nbval", "--nbval-cell-timeout", "400", "-n", "2", "--dist", "loadscope",
            "-p", "no:cacheprovider", *notebooks,
        ]  # fmt: skip
    return found


def main() -> int:
    """Run the steps; returns how many failed."""
    root = Path.cwd()
    environment = dict(os.environ)
    if "TFEDU_DATA" not in environment:
        print("TFEDU_DATA is not set: tests on real data sets are skipped.")
    # Two workers on two cores: one thread each is quicker than two that fight.
    environment.setdefault("OMP_NUM_THREADS", "1")
    results = {}
    for name, command in steps(root).items():
        print(f"\n== {name}: {' '.join(command[:6])}{' …' if len(command) > 6 else ''}", flush=True)
        started = time.monotonic()
        try:
            failed = subprocess.run(command, env=environment).returncode != 0
        except FileNotFoundError:
            print(f"{command[0]} is not installed.")
            failed = True
        results[name] = (failed, time.monotonic() - started)
    print("\n== summary")
    for name, (failed, seconds) in results.items():
        print(f"  {'FAILED' if failed else 'passed'}  {name}, {seconds:.0f} s")
    return sum(failed for failed, _ in results.values())


if __name__ == "__main__":
    raise SystemExit(main())
