"""Distillation: a small model, the student, learns from what a large one, the teacher, says and how it works.

Four papers, each with its losses as functions of tensors, so that they can be read beside the equations:

* Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network": `soft_targets`.
* Sanh et al. 2019, "DistilBERT": `soft_targets`, the masked words, and `cosine`; the student begins as every second
  layer of its teacher (`shallow`). `DistilBERTLoss` adds the three.
* Jiao et al. 2020, "TinyBERT": `soft_targets`, and the layers: `attention_scores`, `hidden_states` through a learned
  matrix, the same for the embeddings. `TinyBERTLoss` adds them.
* Touvron et al. 2021, "DeiT": `distillation_loss`, one head for the labels and one for the teacher, who may say
  probabilities (soft) or a class (hard).

What a teacher shows on the way (its vectors after each layer, its scores before the softmax) is caught by `observe`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tfedu.attention.mechanism import Scored
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERT, BERTForMaskedLM, Pretrained
from tfedu.models.distilbert import DistilBERTForMaskedLM, folded
from tfedu.trace import trace
from tfedu.train.loop import Loss
from tfedu.train.masked import Texts, hide

if TYPE_CHECKING:
    from tfedu.models.deit import DeiTOutput

Model = TypeVar("Model", bound=Pretrained)


# --- The losses --------------------------------------------------------------------------------------------


def soft_targets(
    student: Float[Tensor, "N V"], teacher: Float[Tensor, "N V"], temperature: float = 1.0
) -> Float[Tensor, ""]:
    """``T² KL(softmax(teacher / T) || softmax(student / T))``, the mean over the N places.

    Hinton et al. (section 2) write the cross-entropy; the divergence is that less the teacher's own entropy, which no
    weight of the student changes, so the gradients are the same and a perfect student's loss is 0. Gradients of
    softened targets shrink like 1 / T², hence the factor.

    Raises:
        ValueError: if the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, and 1 changes nothing; got {temperature}.")
    p, q = ((_wide(logits) / temperature).log_softmax(-1) for logits in (teacher, student))
    return temperature**2 * F.kl_div(q, p, reduction="batchmean", log_target=True)


def cosine(
    student: Float[Tensor, "B T D"], teacher: Float[Tensor, "B T D"], real: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """``1 - cos`` of the angle between the last vectors, the mean over the real tokens (Sanh et al., section 3)."""
    return (1 - F.cosine_similarity(_wide(student[real]), _wide(teacher[real]), dim=-1)).mean()


def attention_scores(
    student: Float[Tensor, "B H T T"], teacher: Float[Tensor, "B H T T"], real: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """The mean squared difference of the scores, head by head (Jiao et al., equation 7).

    Scores, not weights: the paper takes them before the softmax, and found that this converges faster. Pairs with
    padding do not count.

    Raises:
        ValueError: if the two have not as many heads.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"maps are compared head by head; got {tuple(student.shape)} and {tuple(teacher.shape)}: give the "
            "student as many heads as its teacher has, narrower ones."
        )
    pairs = (real[:, None, :, None] & real[:, None, None, :]).expand_as(student)
    return F.mse_loss(_wide(student[pairs]), _wide(teacher[pairs]))


def hidden_states(
    student: Float[Tensor, "B T C"],
    teacher: Float[Tensor, "B T D"],
    matrix: Float[Tensor, "D C"],
    real: Bool[Tensor, "B T"],
) -> Float[Tensor, ""]:
    """The mean squared difference of the vectors, the student's first taken into the teacher's space by a learned
    matrix (Jiao et al., equations 8 and 9)."""
    return F.mse_loss(_wide(F.linear(student[real], matrix)), _wide(teacher[real]))


def distillation_loss(
    output: DeiTOutput,
    labels: Int[Tensor, " B"] | Float[Tensor, "B classes"],
    teacher_logits: Float[Tensor, "B classes"],
    kind: Literal["hard", "soft"] = "hard",
    temperature: float = 3.0,
    weight: float = 0.5,
) -> Float[Tensor, ""]:
    """The class head learns the labels, the distillation head the teacher's answer to the same pictures.

    "hard" takes the teacher's first choice for a second label (Touvron et al., equation 3), "soft" its softened
    probabilities (equation 2): ``(1 - weight) CE(class head, labels) + weight ...``.

    Args:
        output: the student's, of both heads.
        labels: classes, or a probability for each class where pictures were mixed or labels smoothed.
        teacher_logits: for the pictures that the student saw, augmented as they were; no gradient flows here.
        kind: of the teacher's answer.
        temperature: of soft answers; the paper's 3.
        weight: of the teacher, from 0 to 1. The paper's is 0.5 for hard and 0.1 for soft answers.

    Raises:
        ValueError: for another kind.
    """
    own, heard = _wide(output.class_logits), _wide(output.distillation_logits)
    said = _wide(teacher_logits.detach())
    if kind == "hard":
        taught = F.cross_entropy(heard, said.argmax(-1))
    elif kind == "soft":
        taught = soft_targets(heard, said, temperature)
    else:
        raise ValueError(f"kind is {kind!r}; choose one of hard, soft.")
    return (1 - weight) * F.cross_entropy(own, labels) + weight * taught


def _wide(x: Tensor) -> Tensor:
    """At least float32: half-precision logits are too coarse for a difference of distributions."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


# --- What happens inside -----------------------------------------------------------------------------------


@dataclass
class Seen:
    """What one run made: `vectors` the embeddings' and each layer's, `scores` each layer's before the softmax."""

    vectors: list[Float[Tensor, "B T D"]] = field(default_factory=list)
    scores: list[Float[Tensor, "B H T T"]] = field(default_factory=list)


@contextmanager
def observe(model: nn.Module, *, scores: bool = False) -> Iterator[Seen]:
    """Catch what `model`'s body makes, gradients included, while this is open; each run starts anew.

    Args:
        model: a `BERT`, or a model that holds one.
        scores: whether to catch the attention scores too. A trace keeps only the weights, from which the scores
            come back but for a constant a row; so each mechanism's `score` is listened to, with the explicit way
            of a trace switched on.
    """
    body = next(part for part in model.modules() if isinstance(part, BERT))
    seen = Seen()

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.vectors.append(output)

    def anew(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.vectors.clear()
        seen.scores.clear()

    hooks = [body.register_forward_pre_hook(anew)]
    hooks += [part.register_forward_hook(keep) for part in (body.embeddings, *body.layers)]
    mechanisms = [part for part in body.modules() if isinstance(part, Scored)] if scores else []
    try:
        for mechanism in mechanisms:
            _listen(mechanism, seen.scores)
        if scores:
            with trace(body):
                yield seen
        else:
            yield seen
    finally:
        for mechanism in mechanisms:
            vars(mechanism).pop("score")
        for hook in hooks:
            hook.remove()


def _listen(mechanism: Scored, to: list[Tensor]) -> None:
    usual = mechanism.score

    def score(q: Tensor, k: Tensor) -> Tensor:
        to.append(usual(q, k))  # type: ignore[arg-type]
        return to[-1]

    mechanism.score = score  # type: ignore[assignment, method-assign]


# --- How a student begins ----------------------------------------------------------------------------------


def every_second(layers: int) -> list[int]:
    """The layers that a student of half the depth takes over: the first, the third, ... (counted from 0)."""
    return list(range(0, layers, 2))


def shallow(teacher: Model, layers: Sequence[int] | None = None) -> Model:
    """A copy of `teacher` with only some of its layers, every second unless given; all else is copied too.

    Raises:
        ValueError: if it has no such layer.
    """
    depth = teacher.config.layers
    kept = every_second(depth) if layers is None else list(layers)
    if not kept or not all(0 <= n < depth for n in kept):
        raise ValueError(f"the teacher's layers are 0 to {depth - 1}; got {kept}.")
    student = type(teacher)(replace(teacher.config, layers=len(kept)))
    student.load_state_dict(_some_layers(teacher.state_dict(), kept))
    return student.train(teacher.training)


def distilled_from(teacher: BERTForMaskedLM, layers: Sequence[int] | None = None) -> DistilBERTForMaskedLM:
    """DistilBERT's beginning: every second layer of `teacher`, its vectors and its head, no segments."""
    few = shallow(teacher, layers)
    student = DistilBERTForMaskedLM(few.config)
    student.load_state_dict(folded(few.state_dict(), "bert.embeddings."))
    return student


def _some_layers(state: dict[str, Tensor], kept: Sequence[int]) -> dict[str, Tensor]:
    found = {name: tensor for name, tensor in state.items() if "layers." not in name}
    for new, old in enumerate(kept):
        for name, tensor in state.items():
            head, layer, rest = name.partition(f"layers.{old}.")
            if layer:
                found[f"{head}layers.{new}.{rest}"] = tensor
    return found


# --- DistilBERT --------------------------------------------------------------------------------------------


class DistilBERTLoss:
    """The three losses of Sanh et al. (section 2), weighted and added, for one batch of texts.

    Args:
        teacher: is only asked, never changed.
        words: the tokenizer of both.
        soft, hard, angle: weights of `soft_targets`, of the masked words themselves, and of `cosine`. The
            defaults are those of the authors' training; a loss of weight 0 is not computed.
        temperature: of the soft targets; the authors' 2.
    """

    def __init__(
        self,
        teacher: BERTForMaskedLM | None,
        words: WordPiece,
        *,
        soft: float = 5.0,
        hard: float = 2.0,
        angle: float = 1.0,
        temperature: float = 2.0,
    ) -> None:
        if teacher is None and (soft or angle):
            raise ValueError("without a teacher there is nothing but the words: soft=0, angle=0.")
        self.teacher, self.words, self.temperature = teacher, words, temperature
        self.soft, self.hard, self.angle = soft, hard, angle

    def __call__(self, model: nn.Module, batch: Texts) -> Loss:
        """The loss over the hidden words of `batch`, which both models are asked for."""
        tokens, chosen = hide(batch.tokens, batch.mask, self.words)
        with observe(model) as ours:
            logits = model(tokens, batch.mask, None, chosen)
        total = logits.new_zeros(())
        if self.hard:
            total = total + self.hard * F.cross_entropy(logits.float(), batch.tokens[chosen])
        if self.teacher is not None and (self.soft or self.angle):
            with torch.no_grad(), observe(self.teacher) as theirs:
                said = self.teacher(tokens, batch.mask, None, chosen)
            total = total + self.soft * soft_targets(logits, said, self.temperature)
            if self.angle:
                total = total + self.angle * cosine(ours.vectors[-1], theirs.vectors[-1], batch.mask)
        count = int(chosen.sum())
        return Loss(total * count, count)


# --- TinyBERT ----------------------------------------------------------------------------------------------


class Fitted(nn.Module):
    """A student, and the two matrices through which its vectors are compared with the teacher's while it learns.

    Args:
        student: the model that is kept in the end.
        width: the teacher's D.
    """

    def __init__(self, student: Pretrained, width: int) -> None:
        super().__init__()
        self.student = student
        self.hidden = nn.Linear(student.config.width, width, bias=False)
        self.embeddings = nn.Linear(student.config.width, width, bias=False)

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the student says."""
        return self.student(tokens, mask)


class TinyBERTLoss:
    """The losses of Jiao et al. (equations 7 to 11) for one batch of texts; no label is needed.

    Layer m of the student is compared with layer ``g(m) = m L / M`` of the teacher (section 3.1), the last of each
    group of L / M layers.

    Args:
        teacher: fine-tuned; is only asked, never changed.
        prediction, attention, hidden, embeddings: weights of the four losses.
        temperature: of the prediction; the paper's 1.
        weights: compare the attention's weights instead of its scores, which the paper advises against.

    Raises:
        ValueError: if called with a student whose layers do not divide the teacher's.
    """

    def __init__(
        self,
        teacher: Pretrained,
        *,
        prediction: float = 1.0,
        attention: float = 1.0,
        hidden: float = 1.0,
        embeddings: float = 1.0,
        temperature: float = 1.0,
        weights: bool = False,
    ) -> None:
        self.teacher, self.temperature, self.weights = teacher, temperature, weights
        self.prediction, self.attention = prediction, attention
        self.hidden, self.embeddings = hidden, embeddings

    def __call__(self, model: nn.Module, batch: Texts) -> Loss:
        """The loss over the texts of `batch`."""
        fitted = getattr(model, "module", model)  # wrapped, where several processes train
        assert isinstance(fitted, Fitted)
        real, scored = batch.mask, self.attention > 0
        with observe(fitted.student, scores=scored) as ours:
            logits = model(batch.tokens, real)
        with torch.no_grad(), observe(self.teacher, scores=scored) as theirs:
            said = self.teacher(batch.tokens, real)
        total = self.prediction * soft_targets(logits, said, self.temperature)
        depth, layers = len(theirs.vectors) - 1, len(ours.vectors) - 1
        if depth % layers:
            raise ValueError(f"{layers} layers of a student do not divide a teacher's {depth}.")
        groups = depth // layers
        for m in range(1, layers + 1):
            if self.hidden:
                pair = ours.vectors[m], theirs.vectors[m * groups]
                total = total + self.hidden * hidden_states(*pair, fitted.hidden.weight, real)
            if scored:
                maps = ours.scores[m - 1], theirs.scores[m * groups - 1]
                if self.weights:
                    maps = tuple(one.masked_fill(~real[:, None, None], -1e4).softmax(-1) for one in maps)  # type: ignore[assignment]
                total = total + self.attention * attention_scores(*maps, real)
        if self.embeddings:
            pair = ours.vectors[0], theirs.vectors[0]
            total = total + self.embeddings * hidden_states(*pair, fitted.embeddings.weight, real)
        return Loss(total * len(real), len(real))
