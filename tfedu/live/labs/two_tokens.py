"""The lab "two-tokens": one picture, read by DeiT's class token, by its distillation token, and by the teacher."""

from __future__ import annotations

import html
from typing import Any

MODEL = "deit-cifar10-seed0"
#: Each DeiT's teacher: a network of convolutions.
TEACHERS = {"deit-cifar10-seed0": "resnet-cifar10-seed0"}
#: What the table's columns are: the two heads, their mean, the teacher.
WHO = ("class token", "distillation token", "mean", "teacher")
#: The drawing that is shown first.
EXAMPLE = "ship"
_SIDE, _GAP, _ROW, _WIDE = 150, 14, 22, 460


def record(model: str, text: str | None = None) -> dict[str, Any]:
    """What the lab shows until its models are there: the first drawing, as PyTorch reads it.

    Raises:
        ValueError: a text was given (the lab has none), or the model has no teacher here.
    """
    from tfedu.data.drawings import THINGS, drawing
    from tfedu.live.pictures import facts, from_base64, load, to_base64

    if text is not None:
        raise ValueError('this lab reads no text: Lab("two-tokens").')
    if model not in TEACHERS:
        raise ValueError(f"{model} has no teacher here; {', '.join(TEACHERS)} has.")
    student, teacher = load(model), load(TEACHERS[model])
    given = facts(student, 32)
    things = sorted(THINGS, key=lambda one: one != EXAMPLE)
    pixels = {thing: to_base64(drawing(thing, size=given["size"])) for thing in things}
    found = [read(student, teacher, from_base64(one, given["size"])) for one in pixels.values()]
    firsts = [[max(range(len(p)), key=p.__getitem__) for p in one["probabilities"]] for one in found]
    return {
        **given,
        "pictures": [{"name": name, "pixels": one} for name, one in pixels.items()],
        "models": [model, TEACHERS[model]],
        "probabilities": [[round(p, 4) for p in who] for who in found[0]["probabilities"]],
        # Of both tokens, in thousandths: for each layer and head, how much each takes from each token.
        "rows": [
            [[[round(1000 * w) for w in row] for row in head] for head in layer] for layer in found[0]["rows"]
        ],
        "alike": [round(one, 4) for one in found[0]["alike"]],
        # On how many of the drawings the teacher agrees with the class token, the distillation token, their mean.
        "agree": [sum(one[who] == one[3] for one in firsts) for who in range(3)],
    }


def read(student: Any, teacher: Any, picture: Any) -> dict[str, Any]:
    """What the page computes, by PyTorch.

    Args:
        student: a DeiT.
        teacher: any picture classifier.
        picture: (3, h, w), colours from 0 to 1.

    Returns:
        "probabilities" by those in `WHO`; "rows", for each layer and head, of both tokens; and "alike", the cosine
        between the vectors of both tokens as they were learned (with their positions) and after each layer.
    """
    import torch

    from tfedu.data.pictures import normalised
    from tfedu.live.pictures import look

    vectors: list[Any] = []
    handles = [
        layer.register_forward_hook(lambda module, inputs, output: vectors.extend((inputs[0], output)))
        for layer in student.layers
    ]
    try:
        (mean, *heads), maps = look(student, picture)
    finally:
        for handle in handles:
            handle.remove()
    with torch.no_grad():
        taught = teacher(normalised(picture)[None])[0].softmax(-1)
    return {
        "probabilities": [one.tolist() for one in (*heads, mean, taught)],
        "rows": [one[:, :2].tolist() for one in maps.values()],
        "alike": [
            float(torch.cosine_similarity(x[0, 0], x[0, 1], dim=0)) for x in (vectors[0], *vectors[1::2])
        ],
    }


def state(recording: dict[str, Any]) -> dict[str, Any]:
    """What a notebook can read of the lab.

    The picture that the models read (`pixels`: 3 × size × size colours from 0 to 255, channels first), the drawing that
    it began as and its erased patches; the probabilities, by those in `WHO`, and whether student and teacher say the
    same; the layer and the head (None: the mean of all) that are shown, from 0, and how much each of the two tokens
    takes from each token there; how alike their vectors are, first as learned, then after each layer.
    """
    from tfedu.live.pictures import as_bytes, from_base64

    first = recording["pictures"][0]
    return {
        "picture": first["name"],
        "pixels": as_bytes(from_base64(first["pixels"], recording["size"])),
        "erased": [],
        "probabilities": dict(zip(WHO, recording["probabilities"], strict=True)),
        "agree": _said(recording)[2] == _said(recording)[3],
        "layer": len(recording["rows"]) - 1,
        "head": None,
        "weights": _means(recording["rows"][-1]),
        "alike": recording["alike"],
    }


def still(recording: dict[str, Any]) -> str:
    """The first drawing twice, under the weights of each token in the last layer, and what all say of it."""
    from tfedu.live.pictures import from_base64, svg_picture, svg_weights

    first = recording["pictures"][0]
    picture = from_base64(first["pixels"], recording["size"])
    columns = recording["size"] // recording["patch"]
    boards = ""
    for side, weights in enumerate(_means(recording["rows"][-1])):
        x = side * (_SIDE + _GAP)
        boards += f'<text x="{x}" y="13">{WHO[side]}</text>{svg_picture(picture, _SIDE, x, 20)}'
        boards += svg_weights(weights[recording["prefix"] :], columns, _SIDE, x, 20)
    said, x = _said(recording), 2 * (_SIDE + _GAP)
    lines = "".join(
        f'<text x="{x}" y="{34 + 2 * _ROW * i}" style="fill:var(--tf-soft,#5B6770)">{who}</text>'
        f'<text x="{x}" y="{34 + 2 * _ROW * i + 17}">{html.escape(name)}, {100 * max(p):.0f} %</text>'
        for i, (who, name, p) in enumerate(zip(WHO, said, recording["probabilities"], strict=True))
    )
    finding = (
        f"The drawing shows the class “{first['name']}”. DeiT says “{said[2]}”, its teacher “{said[3]}”: they "
        f"{'agree' if said[2] == said[3] else 'do not agree'}."
    )
    spoken = html.escape(
        "A small picture twice; purple lies where the class token looks in the last layer, left, and the distillation "
        f"token, right. {finding}"
    )
    return (
        f'<figure class="tf-lab-still"><svg viewBox="0 0 {_WIDE} {_SIDE + 38}" role="img" aria-label="{spoken}" '
        'style="display:block;width:100%;max-width:32rem;font:13px var(--tf-sans,sans-serif);'
        f'fill:var(--tf-ink,#1F2933)">{boards}{lines}</svg>'
        f"<figcaption>{html.escape(finding)} Purple: where each token looks.</figcaption></figure>"
    )


def _said(recording: dict[str, Any]) -> list[str]:
    """What each of `WHO` takes the picture for."""
    return [recording["classes"][p.index(max(p))] for p in recording["probabilities"]]


def _means(heads: list[list[list[int]]]) -> list[list[float]]:
    """Of both tokens, the mean of the heads' rows, which are in thousandths."""
    return [
        [round(sum(one) / len(heads) / 1000, 4) for one in zip(*rows, strict=True)]
        for rows in zip(*heads, strict=True)
    ]
