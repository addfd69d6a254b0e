"""The command line: `python -m tfedu.train RECIPE`.

On several GPUs: `accelerate launch -m tfedu.train RECIPE`. Several processes on one CPU, which Accelerate
starts only where MPI is: `torchrun --standalone --nproc-per-node 2 -m tfedu.train RECIPE`.
"""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import set_seed

from tfedu.train import CheckpointError, Options, train
from tfedu.train.run import OptionError


def parser() -> argparse.ArgumentParser:
    """The options, each with its help."""
    p = argparse.ArgumentParser(prog="python -m tfedu.train", description="Train a recipe of the book.")
    p.add_argument("recipe", nargs="?", help="its name; see --list")
    p.add_argument("--list", action="store_true", help="list the recipes and stop")
    p.add_argument("--steps", type=int, help="optimizer steps (default: the recipe's)")
    p.add_argument("--seed", type=int, default=0, help="of weights, data order and dropout (default: 0)")
    p.add_argument(
        "--out", type=Path, help="folder for checkpoint and history (default: runs/RECIPE-seedSEED)"
    )
    p.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="continue from the folder's checkpoint, or set it aside (default: continue)",
    )
    p.add_argument("--precision", choices=["no", "bf16"], help="bf16 autocast (default: the recipe's)")
    p.add_argument("--compile", action="store_true", help="run the model through torch.compile")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="change a setting of the recipe or of TrainConfig; may be repeated",
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one recipe; return the exit status: 0 done, 2 for a command line that cannot be followed."""
    from tfedu.train.recipes import ALL  # here, so that --help needs no recipe's imports

    given = parser().parse_args(arguments)
    if given.list:
        for name, recipe in ALL.items():
            print(f"{name:34s} {(recipe.__doc__ or '').strip().splitlines()[0]}".rstrip())
        return 0
    if given.recipe not in ALL:
        close = difflib.get_close_matches(given.recipe or "", ALL, n=3, cutoff=0.4) or list(ALL)
        asked = f"no recipe is named {given.recipe!r}" if given.recipe else "which recipe?"
        return _complain(f"{asked}; did you mean: {', '.join(close)}? (--list shows all)")
    if malformed := [text for text in given.settings if "=" not in text]:
        return _complain(f"--set wants NAME=VALUE, as in --set width=128, not {malformed[0]!r}")

    options = Options(
        folder=given.out or Path("runs") / f"{given.recipe}-seed{given.seed}",
        steps=given.steps,
        seed=given.seed,
        precision=given.precision,
        compile=given.compile,
        resume=given.resume,
        settings=dict(text.split("=", 1) for text in given.settings),
    )
    set_seed(options.seed)  # before the recipe builds its model: the same first weights on every process
    try:
        run = ALL[given.recipe](options)
        if unknown := options.unknown():
            known = ", ".join(sorted(options.asked))
            return _complain(f"{given.recipe} has no setting {', '.join(sorted(unknown))}; it has: {known}")
        history = train(
            run.model,
            run.batches,
            run.loss,
            config=run.config,
            validate=run.validate,
            folder=options.folder,
            resume=options.resume,
            quiet=given.quiet,
        )
    except (OptionError, CheckpointError, FloatingPointError) as error:
        return _complain(str(error))
    if run.finish is not None and PartialState().is_main_process:
        run.finish(run.model, history, options.folder)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return 0


def _complain(message: str) -> int:
    print(f"tfedu.train: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
