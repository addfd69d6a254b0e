"""tfedu: attention, and the models made of it, behind the book *Tracing Attention*."""

import os
from typing import Literal

__version__ = "0.1.0"
__all__ = ["__version__", "scale"]


def scale() -> Literal["laptop", "gpu"]:
    """The size at which a chapter's cells run: ``"gpu"`` where CUDA is there, else ``"laptop"``.

    The environment variable ``TFEDU_SCALE`` (``laptop`` or ``gpu``) decides when it is set.

    Raises:
        ValueError: if ``TFEDU_SCALE`` holds anything else.
    """
    wanted = os.environ.get("TFEDU_SCALE")
    if wanted is None:
        import torch

        return "gpu" if torch.cuda.is_available() else "laptop"
    if wanted not in ("laptop", "gpu"):
        raise ValueError(f"TFEDU_SCALE is {wanted!r}; set it to 'laptop' or 'gpu', or unset it.")
    return wanted  # type: ignore[return-value]
