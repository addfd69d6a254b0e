"""The command line: `python -m tfedu.live NAME` writes `NAME.live.safetensors` for the page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tfedu import weights
from tfedu.live.export import ExportError
from tfedu.live.reader import export_reader
from tfedu.live.translator import export_translator


def main(arguments: Sequence[str] | None = None) -> int:
    """Export shipped models; return the exit status: 0 done, 2 for one that cannot be."""
    p = argparse.ArgumentParser(prog="python -m tfedu.live", description="Write models for the page.")
    p.add_argument("names", nargs="+", metavar="NAME", help="a shipped model")
    p.add_argument("--out", type=Path, help="folder to write to (default: live/ beside the checkpoints)")
    p.add_argument("--full", action="store_true", help="store floats in 32 bits, not 16")
    given = p.parse_args(arguments)
    folder = given.out or weights.data_dir() / "live"
    for name in given.names:
        try:
            export = export_reader if weights.load(name).kind == "MemN2N" else export_translator
            path = export(name, folder / f"{name}.live.safetensors", half=not given.full)
        except (ExportError, weights.CheckpointError) as error:
            print(f"{p.prog}: {error}", file=sys.stderr)
            return 2
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
