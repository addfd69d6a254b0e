"""What every benchmark gives: rows of numbers, ours beside a peer's, with the machine they were taken on."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


class Absent(RuntimeError):
    """What a benchmark needs is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Row:
    """One measure of one case.

    Attributes:
        case: what ran ("encoder, 0.84 M parameters, T=32").
        measure: what was taken ("one run").
        unit: of `ours` and `theirs`; times are "ms", sizes "kB", differences "1".
        ours: the number, a median where there were several.
        theirs: the peer's, if there is a peer.
        limit: what must not be exceeded: by the ratio ours/theirs where there is a peer, else by `ours`.
        spread: the quartiles of ours and of theirs, where there were several.
    """

    case: str
    measure: str
    unit: str
    ours: float
    theirs: float | None = None
    limit: float | None = None
    spread: tuple[tuple[float, float], ...] = ()

    @property
    def ratio(self) -> float | None:
        """Ours over theirs: below 1 we are the faster, or the smaller."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept; None without a limit."""
        if self.limit is None:
            return None
        return (self.ours if self.ratio is None else self.ratio) <= self.limit

    @classmethod
    def timed(
        cls,
        case: str,
        measure: str,
        ours: Sequence[float],
        theirs: Sequence[float] = (),
        limit: float | None = None,
        unit: str = "ms",
    ) -> Row:
        """A row of medians and quartiles, from all that was measured."""
        taken = [list(one) for one in (ours, theirs) if one]
        medians = [statistics.median(one) for one in taken]
        quartiles = [statistics.quantiles(one, n=4, method="inclusive") for one in taken]
        spread = tuple((low, high) for low, _, high in quartiles)
        return cls(case, measure, unit, medians[0], medians[1] if theirs else None, limit, spread)


@dataclass(frozen=True)
class Result:
    """The answer of a benchmark.

    Attributes:
        question: what it asks, in a sentence.
        peer: with whom we are compared.
        rows: the numbers.
        versions: of all that took part; `machine` adds Python's and the packages' own.
        setup: how it was measured: repetitions, warm-up, threads.
    """

    question: str
    peer: str
    rows: Sequence[Row]
    versions: Mapping[str, str] = field(default_factory=dict)
    setup: Mapping[str, object] = field(default_factory=dict)

    def write(self, name: str, folder: Path = RESULTS) -> Path:
        """Keep it as `NAME.json`, with the date and the machine."""
        rows = [{**dataclasses.asdict(row), "ratio": row.ratio, "holds": row.holds} for row in self.rows]
        content = {
            "benchmark": name,
            "question": self.question,
            "peer": self.peer,
            "date": datetime.now(UTC).date().isoformat(),
            "hardware": hardware(),
            "versions": {**_packages("torch", "numpy"), **self.versions},
            "setup": dict(self.setup),
            "rows": [{key: _rounded(value) for key, value in row.items()} for row in rows],
        }
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return path

    def table(self) -> str:
        """The rows for people."""
        head = ("case", "measure", "ours", self.peer or "", "ratio", "limit", "")
        lines = [head]
        for row in self.rows:
            quartiles = [f" ({low:.3g}–{high:.3g})" for low, high in row.spread] + ["", ""]
            lines.append(
                (
                    row.case,
                    f"{row.measure}, {row.unit}" if row.unit != "1" else row.measure,
                    f"{row.ours:.3g}{quartiles[0]}",
                    "" if row.theirs is None else f"{row.theirs:.3g}{quartiles[1]}",
                    "" if row.ratio is None else f"{row.ratio:.2f}",
                    "" if row.limit is None else f"{row.limit:.3g}",
                    {None: "", True: "kept", False: "MISSED"}[row.holds],
                )
            )
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        padded = [
            "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.question, "", padded[0], "-" * len(padded[0]), *padded[1:]])


def hardware() -> dict[str, object]:
    """The machine: processor, cores that we may use, memory, and the graphics card if torch sees one."""
    import torch

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0] if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cpu": cpu,
        "cores": cores,
        "memory_gib": round(memory / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _packages(*names: str) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _rounded(value: object) -> object:
    """Four digits say all that a benchmark knows."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
