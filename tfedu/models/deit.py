"""DeiT: Touvron et al. 2021, "Training data-efficient image transformers & distillation through attention".

A ViT with one more learned token. It goes through the layers beside the class token and ends in a head of its own,
which learns what a teacher says where the class token's head learns the label (section 4, figure 2). At test the
answers of the two heads are averaged. How it is taught stands in `tfedu.train.distillation`.

Where we deviate: as in `tfedu.models.vit`. The mean is of the two heads' logits, as in the published code; the text
of the paper adds their softmax outputs.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tfedu.models.vit import ViT, ViTConfig

#: DeiT-S (table 1); the defaults of `ViTConfig` are DeiT-B's, which has ViT-B's sizes.
SMALL = ViTConfig(width=384, heads=6)


class DeiTOutput(NamedTuple):
    """What the two heads say."""

    class_logits: Float[Tensor, "B classes"]
    distillation_logits: Float[Tensor, "B classes"]

    @property
    def logits(self) -> Float[Tensor, "B classes"]:
        """Their mean: the answer at test."""
        return (self.class_logits + self.distillation_logits) / 2


class DeiT(ViT):
    """A ViT that listens to a teacher: the tokens are class, distillation, patches.

    Raises:
        ValueError: for a configuration without a class token.
    """

    model_type: ClassVar[str] = "deit"
    body: ClassVar[str] = "deit."
    classifiers: ClassVar[dict[str, str]] = {
        "cls_classifier": "head",
        "distillation_classifier": "distillation_head",
    }
    architecture: ClassVar[str] = "DeiTForImageClassificationWithTeacher"

    def __init__(self, config: ViTConfig) -> None:
        if config.pool != "class":
            raise ValueError('a DeiT has a class token beside the distillation token: pool="class".')
        super().__init__(config)
        self.distillation_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.distillation_head = nn.Linear(config.width, config.classes)
        nn.init.trunc_normal_(self.distillation_token, std=config.initial)
        nn.init.trunc_normal_(self.distillation_head.weight, std=config.initial)
        nn.init.zeros_(self.distillation_head.bias)

    def _prefix_tokens(self) -> int:
        return 2

    def prefix_tokens(self) -> list[Tensor]:
        """The class token and the distillation token."""
        return [self.class_token, self.distillation_token]

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> DeiTOutput:
        """Both heads' logits; ``.logits`` is their mean."""
        x = self.hidden(pictures)
        return DeiTOutput(self.head(x[:, 0]), self.distillation_head(x[:, 1]))

    def _names(self) -> dict[str, str]:
        return super()._names() | {"embeddings.distillation_token": "distillation_token"}
