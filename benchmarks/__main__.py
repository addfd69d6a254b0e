"""Run the benchmarks, print their tables, keep their results.

python -m benchmarks             all of them
python -m benchmarks page        one, or several
python -m benchmarks --list      which there are
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path

import benchmarks
from benchmarks.result import Absent

#: Modules that serve the others.
NO_BENCHMARKS = ("__main__", "result", "turns")


def available() -> dict[str, str]:
    """The benchmarks: modules of this folder with a function `run() -> Result`, and what each asks."""
    found = {}
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name not in NO_BENCHMARKS:
            source = (Path(benchmarks.__path__[0]) / f"{module.name}.py").read_text("utf-8")
            found[module.name] = source.removeprefix('"""').split("\n", 1)[0].rstrip('"')
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; returns how many limits were missed, and asked-for benchmarks could not run."""
    known = available()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Side by side with peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--list", action="store_true", help="say which there are, and stop")
    parser.add_argument("--dry", action="store_true", help="leave the kept results as they are")
    asked = parser.parse_args(arguments)
    if asked.list:
        for name, question in known.items():
            print(f"{name:8} {question}")
        return 0
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there is {', '.join(known)}.")
    missed = 0
    for name in asked.names or known:
        try:
            result = importlib.import_module(f"benchmarks.{name}").run()
        except Absent as error:
            print(f"{name} did not run: {error}")
            missed += name in asked.names
            continue
        print(result.table())
        if not asked.dry:
            print(f"\nkept in {result.write(name)}\n")
        missed += sum(row.holds is False for row in result.rows)
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
