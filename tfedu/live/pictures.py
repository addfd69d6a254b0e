"""A model that names what a picture shows, as one graph for the page.

model: picture (1, 3, h, w), colours from 0 to 1 -> logits (1, classes), and the map of each layer where it has any

A DeiT answers with both of its heads too: class_logits and distillation_logits.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tfedu import weights
from tfedu.data import cifar10
from tfedu.data.pictures import normalised
from tfedu.live.export import ExportError, Graph, export_graphs
from tfedu.models.deit import DeiT
from tfedu.models.resnet import ResNet
from tfedu.models.swin import Swin
from tfedu.models.vit import ViT
from tfedu.trace import Edit, trace

KINDS: dict[str, type[ViT | Swin | ResNet]] = {"ViT": ViT, "DeiT": DeiT, "Swin": Swin, "ResNet": ResNet}


class Classifier(nn.Module):
    """A picture classifier with all that it answers: logits of the answer, then of its heads, then its maps."""

    def __init__(self, model: nn.Module, maps: Sequence[str] = ()) -> None:
        super().__init__()
        self.model, self.maps = model, tuple(maps)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """See the head of this file."""
        if not self.maps:
            return answers(self.model(normalised(picture)))
        with trace(self.model) as maps:
            found = answers(self.model(normalised(picture)))
        return (*found, *(maps[name].weights for name in self.maps))


def answers(output: Any) -> tuple[Tensor, ...]:
    """The logits of a model's answer, and of its heads where it has two."""
    return (output,) if isinstance(output, Tensor) else (output.logits, *output)


def load(name: str) -> nn.Module:
    """A shipped picture classifier.

    Raises:
        ExportError: if it is another kind of model.
    """
    kind = weights.load(name).kind
    if kind not in KINDS:
        raise ExportError(f"{name} is a {kind}, which names no pictures; {', '.join(KINDS)} do.")
    return KINDS[kind].from_pretrained(name)


def picture_graph(model: nn.Module, size: int) -> Graph:
    """The graph of a model for pictures of `size` by `size` pixels, for `tfedu.live.export_graphs`."""
    picture = torch.rand(1, 3, size, size)
    with torch.no_grad():
        try:
            with trace(model) as maps:
                found = answers(model(normalised(picture)))
            names = list(maps)
        except ValueError:  # nothing in it attends
            found, names = answers(model(normalised(picture))), []
    logits = ["logits", "class_logits", "distillation_logits"][: len(found)]
    return Graph(
        Classifier(model, names),
        (picture,),
        outputs=[*logits, *(f"{name}.map" for name in names)],
        maps={name: f"{name}.map" for name in names},
        inside="model",
    )


def facts(model: nn.Module, size: int, classes: Sequence[str] = cifar10.CLASSES) -> dict[str, Any]:
    """What the page must know beside the graph.

    The pictures' side and the patches', in pixels; how many tokens stand before the patches; the classes' names.
    A model without patches has a side of 0 for them.
    """
    config: Any = model.config
    patch = getattr(config, "patch_size", 0)
    return {"size": size, "patch": patch, "prefix": getattr(model, "prefix", 0), "classes": list(classes)}


def export_pictures(
    model: str | nn.Module,
    path: str | Path,
    *,
    size: int = 32,
    classes: Sequence[str] = cifar10.CLASSES,
    half: bool = True,
) -> Path:
    """Write a picture classifier to a file for the page, with its card and, as "pictures", its `facts`.

    Args:
        model: the name of a shipped one, or a model of one of the `KINDS` (which has no card).
        path, half: see `tfedu.live.export`.
        size: of the pictures, in pixels.
        classes: their names.

    Raises:
        ExportError: as `tfedu.live.export` does, and if the names are not as many as the classes.
    """
    extras = {}
    if isinstance(model, str):
        extras["card"] = json.dumps(weights.card(model), ensure_ascii=False)
        model = load(model)
    count: int = model.config.classes  # type: ignore[union-attr, assignment]
    if len(classes) != count:
        raise ExportError(f"the model tells {count} classes apart, but {len(classes)} names are given.")
    extras["pictures"] = json.dumps(facts(model, size, classes), ensure_ascii=False)
    return export_graphs({"model": picture_graph(model, size)}, path, half=half, extras=extras)


@torch.no_grad()
def look(
    model: nn.Module, picture: Float[Tensor, "3 h w"], edit: dict[str, Edit] | None = None
) -> tuple[list[Float[Tensor, " classes"]], dict[str, Float[Tensor, "H T S"]]]:
    """What the page computes, by PyTorch: the probabilities of the answer and of each head, and the maps.

    Args:
        model: with attention.
        picture: colours from 0 to 1.
        edit: as in `tfedu.trace.trace`.
    """
    with trace(model, edit=edit) as maps:
        found = answers(model(normalised(picture)[None]))
    return [one[0].softmax(-1) for one in found], {name: one.weights[0] for name, one in maps.items()}


def as_bytes(picture: Float[Tensor, "3 h w"]) -> list[int]:
    """The colours in 256 steps, channels first: a picture as the page has it."""
    steps: list[int] = (255 * picture.clamp(0, 1)).round().int().flatten().tolist()
    return steps


def from_bytes(steps: Sequence[int], size: int) -> Float[Tensor, "3 size size"]:
    """The picture of such colours."""
    return torch.tensor(steps, dtype=torch.float32).view(3, size, size) / 255


def to_base64(picture: Float[Tensor, "3 h w"]) -> str:
    """The same as text, for a recording."""
    return base64.b64encode(bytes(as_bytes(picture))).decode()


def from_base64(text: str, size: int) -> Float[Tensor, "3 size size"]:
    """`to_base64` backwards."""
    return from_bytes(list(base64.b64decode(text)), size)


def svg_picture(picture: Float[Tensor, "3 h w"], side: float, x: float = 0, y: float = 0) -> str:
    """A picture inside an SVG, its pixels as squares, for a lab's still figure."""
    from PIL import Image

    pixels = torch.tensor(as_bytes(picture), dtype=torch.uint8).view(picture.shape).permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(file, "PNG", optimize=True)
    return (
        f'<image href="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}" x="{x:g}" y="{y:g}" '
        f'width="{side:g}" height="{side:g}" style="image-rendering:pixelated"/>'
    )


def svg_weights(weights: Sequence[float], columns: int, side: float, x: float = 0, y: float = 0) -> str:
    """Weights over a square picture inside an SVG: the fuller a patch, the larger its weight."""
    step, most = side / columns, max([*weights, 1e-12])
    cells = "".join(
        f'<path d="M{x + i % columns * step:g} {y + i // columns * step:g}h{step:g}v{step:g}h-{step:g}z" '
        f'opacity="{0.82 * one / most:.2f}"/>'
        for i, one in enumerate(weights)
        if one > most / 100
    )
    return f'<g style="fill:var(--tf-weights,#6A3D9A)">{cells}</g>'


def svg_bars(
    probabilities: Sequence[float], classes: Sequence[str], x: float, y: float, wide: float, high: float
) -> str:
    """The classes under each other, each with its probability as a bar; for a lab's still figure."""
    row, name = high / len(classes), 82.0
    best = max(range(len(classes)), key=probabilities.__getitem__)
    made = ""
    for i, (label, p) in enumerate(zip(classes, probabilities, strict=True)):
        colour, weight = ("ink", 700) if i == best else ("soft", 400)
        top = y + i * row
        made += (
            f'<text x="{x + name:g}" y="{top + 0.72 * row:g}" text-anchor="end" style="font-weight:{weight}">'
            f'{html.escape(label)}</text><rect x="{x + name + 6:g}" y="{top + 0.15 * row:g}" '
            f'width="{max(1, p * (wide - name - 46)):.1f}" height="{0.66 * row:.1f}" style="fill:var(--tf-{colour},'
            f'{"#1F2933" if colour == "ink" else "#5B6770"})"/>'
            f'<text x="{x + name + 10 + p * (wide - name - 46):.1f}" y="{top + 0.72 * row:g}">{100 * p:.0f} %</text>'
        )
    return made
