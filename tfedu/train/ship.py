"""What ends a recipe: the checkpoint as it is shipped, and the card that tells how it was made."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tfedu import weights
from tfedu.train.progress import History
from tfedu.train.run import Options


def ship(
    name: str,
    model: nn.Module,
    config: Any,
    history: History,
    folder: Path,
    options: Options,
    *,
    extras: dict[str, str] | None = None,
    data: str,
    licence: str,
    scores: dict[str, float],
    how: str,
    curves: Sequence[str] = (),
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write ``NAME-seedSEED.safetensors`` and its card into `folder`, from where it may be shipped.

    Args:
        name: of the recipe.
        model: trained.
        config: the dataclass that it was built from.
        history, folder, options: as `Run.finish` and the recipe have them.
        extras: texts that travel with the weights.
        data, licence: what it was trained on, and on what terms.
        scores: on the test part, by name; `how` says of what, and how they were reached.
        curves: what else of the validations' scores the card keeps, besides their loss.
        notes: more lines for the card.
    """
    path = folder / f"{name}-seed{options.seed}.safetensors"
    weights.save(path, model, config, extras=extras)
    steps, losses = history.curve("loss")
    checked, validation = history.curve("loss", validation=True)
    every = max(1, len(steps) // 60)
    text = {
        "name": path.stem,
        "recipe": f"python -m tfedu.train {name} --seed {options.seed}",
        "data": data,
        "licence": licence,
        "seed": options.seed,
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": path.stat().st_size,
        "steps": steps[-1],
        "best_step": history.best_step,
        "seconds": round(history.seconds),
        "hardware": f"{_processor()}, {torch.get_num_threads()} thread(s)"
        if not torch.cuda.is_available()
        else torch.cuda.get_device_name(),
        "torch": torch.__version__.split("+")[0],
        "date": time.strftime("%Y-%m-%d"),
        **(notes or {}),
        "scores": {key: round(value, 4) for key, value in scores.items()},
        "scored_on": how,
        "curve": {
            "step": list(steps[::every]),
            "loss": [round(x, 4) for x in losses[::every]],
            "validation_step": list(checked),
            "validation_loss": [round(x, 4) for x in validation],
            **{
                f"validation_{one}": [round(x, 4) for x in history.curve(one, validation=True)[1]]
                for one in curves
            },
        },
    }
    path.with_suffix(".json").write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n")
    print(f"{path} ({path.stat().st_size / 1e6:.2f} MB): {text['scores']}")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model}, {os.cpu_count()} cores"
