"""Pictures as tensors: sets of them with labels, and the range of numbers that a network reads."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

MEAN = STD = 0.5  #: of each channel: what the ViT papers take, for pictures from 0 to 1


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures, and the class of each.

    Attributes:
        pictures: colours from 0 to 255 (uint8), or from 0 to 1 (floating point).
        labels: places in `classes`.
        classes: their names.
        source: where the pictures come from, in words.
    """

    pictures: Shaped[Tensor, "N C H W"]
    labels: Int[Tensor, " N"]
    classes: tuple[str, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.labels):
            raise ValueError(f"{len(self.pictures)} pictures, but {len(self.labels)} labels.")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> Self:
        """Some of them: a slice, the places as integers, or a boolean for each."""
        return self._each(lambda part: part[index])

    def to(self, device: torch.device | str) -> Self:
        """The same on `device`."""
        return self._each(lambda part: part.to(device))

    def shard(self, rank: int, world: int) -> Self:
        """Every `world`-th picture, from `rank` on."""
        if world > len(self):
            raise ValueError(f"{len(self)} pictures do not go round {world} processes.")
        return self[rank::world]

    def _each(self, change) -> Self:  # type: ignore[no-untyped-def]
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{k: change(v) for k, v in parts.items() if isinstance(v, Tensor)})


def normalised(pictures: Shaped[Tensor, "*B C H W"]) -> Float[Tensor, "*B C H W"]:
    """What a network reads: colours from 0 to 255 (uint8) or from 0 to 1 brought to -1 to 1."""
    unit = pictures / 255 if pictures.dtype == torch.uint8 else pictures
    return (unit - MEAN) / STD
