"""The command line: `python -m tfedu.live NAME` writes `NAME.live.safetensors` for the page.

Beside the checkpoints it is slim (see `slim`), as it ships; in a folder of yours it is whole.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tfedu import weights
from tfedu.live.export import ExportError
from tfedu.live.gaze import export_gaze
from tfedu.live.language import export_attention_only, export_gpt
from tfedu.live.masked import export_masked
from tfedu.live.pictures import KINDS, export_pictures
from tfedu.live.reader import export_reader
from tfedu.live.slim import slim_file
from tfedu.live.translator import export_translator

#: How each kind of model is written; all others are translators.
WRITERS: dict[str, Callable[..., Path]] = {
    "MemN2N": export_reader,
    "RAM": export_gaze,
    "GPT": export_gpt,
    "AttentionOnly": export_attention_only,
    "BERTForMaskedLM": export_masked,
    "DistilBERTForMaskedLM": export_masked,
    **dict.fromkeys(KINDS, export_pictures),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Export shipped models; return the exit status: 0 done, 2 for one that cannot be."""
    p = argparse.ArgumentParser(prog="python -m tfedu.live", description="Write models for the page.")
    p.add_argument("names", nargs="+", metavar="NAME", help="a shipped model")
    p.add_argument(
        "--out",
        type=Path,
        help="folder for whole files (default: slim ones, in live/ beside the checkpoints)",
    )
    p.add_argument("--full", action="store_true", help="store floats in 32 bits, not 16")
    given = p.parse_args(arguments)
    folder = given.out or weights.data_dir() / "live"
    for name in given.names:
        try:
            checkpoint = weights.load(name)
            write = WRITERS.get(checkpoint.kind, export_translator)
            path = write(name, folder / f"{name}.live.safetensors", half=not given.full)
        except (ExportError, weights.CheckpointError) as error:
            print(f"{p.prog}: {error}", file=sys.stderr)
            return 2
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
        if given.out is None:
            slim_file(path, checkpoint.path)
            print(f"without what its checkpoint holds: {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
