"""Training: the loop, its schedules and checkpoints, and `recipes`, one for each shipped checkpoint.

`python -m tfedu.train --list` names the recipes; `python -m tfedu.train NAME` runs one.
"""

from tfedu.train.checkpoint import CheckpointError
from tfedu.train.loop import Batches, Loss, TrainConfig, train
from tfedu.train.progress import History
from tfedu.train.run import Options, Run
from tfedu.train.schedules import factor

__all__ = [
    "Batches",
    "CheckpointError",
    "History",
    "Loss",
    "Options",
    "Run",
    "TrainConfig",
    "factor",
    "train",
]
