"""The losses against closed forms and hand-made gradients; what is observed; how a student begins; all trainings in
miniature."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tfedu.data import grammar
from tfedu.data.text import pad
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTConfig, BERTForMaskedLM, BERTForSequenceClassification
from tfedu.trace import trace
from tfedu.train import students
from tfedu.train.distillation import (
    DistilBERTLoss,
    Fitted,
    TinyBERTLoss,
    attention_scores,
    cosine,
    distilled_from,
    hidden_states,
    observe,
    shallow,
    soft_targets,
)
from tfedu.train.masked import Texts, hide
from tfedu.weights import data_dir

WORDS = WordPiece.from_words(grammar.vocabulary("en"))
SIZE = BERTConfig(len(WORDS), 16, 4, 2, 24, dropout=0.0, longest=64)
SHIPPED = data_dir() / "ablations" / "distillation.json"


def randomised(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def teacher(seed: int = 0) -> BERTForMaskedLM:
    torch.manual_seed(seed)
    return randomised(BERTForMaskedLM(SIZE)).double()


def texts() -> Texts:
    sentences = [
        WORDS.pair(WORDS.encode(pair.target))[0] for pair in grammar.corpus(6, lengths=(4, 8), seed=1)
    ]
    return Texts(*pad(sentences), torch.tensor([0, 1, 0, 1, 1, 0]))


# --- Hinton ------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(T=st.floats(0.5, 50), seed=st.integers(0, 1000))
def test_the_gradient_of_soft_targets_is_T_times_the_softened_surplus(T: float, seed: int) -> None:
    torch.manual_seed(seed)
    s, t = torch.randn(3, 7, requires_grad=True), torch.randn(3, 7)
    soft_targets(s, t, T).backward()
    torch.testing.assert_close(
        s.grad, T * ((s / T).softmax(-1) - (t / T).softmax(-1)).detach() / 3, atol=1e-5, rtol=1e-4
    )
    assert soft_targets(t, t + 3, T) == pytest.approx(0, abs=1e-3)  # a copy, up to a constant


def test_at_high_temperature_it_compares_the_logits_themselves() -> None:
    """Hinton et al., equation 4: with centred logits the gradient is (z - v) / N; ours has T² in front."""
    torch.manual_seed(0)
    s, t = torch.randn(1, 9), torch.randn(1, 9)
    s, t = (s - s.mean()).requires_grad_(), t - t.mean()
    soft_targets(s, t, 300.0).backward()
    torch.testing.assert_close(s.grad, (s.detach() - t) / 9, atol=2e-3, rtol=2e-2)


def test_two_words_by_hand() -> None:
    """Logits (2, 0) and (0, 0) at T = 2: p = sigmoid(1) against one half."""
    p = 1 / (1 + math.exp(-1))
    wanted = 4 * (p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p)))
    found = soft_targets(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), 2.0)
    assert float(found) == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(ValueError, match="above 0"):
        soft_targets(torch.zeros(1, 2), torch.zeros(1, 2), 0.0)


# --- The other losses --------------------------------------------------------------------------------------

REAL = torch.tensor([[True, True, False]])


def test_cosine_by_hand() -> None:
    student = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    right = torch.tensor([[[1.0, 0.0], [1.0, 1.0], [-1.0, -1.0]]])
    assert float(cosine(student, right, REAL)) == pytest.approx((0 + 1 - math.sqrt(0.5)) / 2)


def test_attention_scores_by_hand() -> None:
    student, right = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    student[0, 0, 0, 1], student[0, 1, 1, 0] = 2.0, -4.0
    student[..., 2] = 100  # padding, as key and as query
    student[..., 2, :] = 100
    assert float(attention_scores(student, right, REAL)) == pytest.approx((4 + 16) / 8)
    with pytest.raises(ValueError, match="as many heads"):
        attention_scores(student[:, :1], right, REAL)


def test_hidden_states_by_hand_with_their_gradient() -> None:
    student = torch.tensor([[[1.0, 2.0], [0.0, 1.0], [5.0, 5.0]]])
    right = torch.zeros(1, 3, 3)
    matrix = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=True)
    found = hidden_states(student, right, matrix, REAL)  # (1 2 3) and (0 1 1)
    assert found.item() == pytest.approx((14 + 2) / 6)
    found.backward()
    x, y = student[0, :2], student[0, :2] @ matrix.detach().T
    torch.testing.assert_close(matrix.grad, 2 * y.T @ x / 6)


# --- What is observed --------------------------------------------------------------------------------------


def test_observing_changes_nothing_and_sees_what_was_used() -> None:
    model, batch = teacher(), texts()
    plain = model(batch.tokens, batch.mask)
    with observe(model, scores=True) as seen:
        model(batch.tokens, batch.mask)
        found = model(batch.tokens, batch.mask)
    torch.testing.assert_close(found, plain, atol=1e-10, rtol=1e-10)
    assert len(seen.vectors) == 5  # of the last run alone
    assert len(seen.scores) == 4
    torch.testing.assert_close(
        model.masked_word(seen.vectors[-1], model.bert.embeddings.tokens.weight),
        plain,
        atol=1e-10,
        rtol=1e-10,
    )
    with trace(model) as maps:
        model(batch.tokens, batch.mask)
    pairs = batch.mask[:, None, None]
    for scores, one in zip(seen.scores, maps.values(), strict=True):
        weights = scores.masked_fill(~pairs, -math.inf).softmax(-1)
        torch.testing.assert_close(weights, one.weights, atol=1e-10, rtol=1e-10)
    for part in model.modules():
        assert "score" not in vars(part)
        assert "forward" not in vars(part)
        assert not part._forward_hooks
        assert not part._forward_pre_hooks


# --- How a student begins ----------------------------------------------------------------------------------


def test_a_student_is_every_second_layer() -> None:
    model, batch = teacher(), texts()
    student, distil = shallow(model), distilled_from(model).double().eval()
    student = student.double()
    for layer, old in ((0, 0), (1, 2)):
        for name, tensor in student.bert.layers[layer].state_dict().items():
            assert torch.equal(tensor, model.bert.layers[old].state_dict()[name].to(tensor))
    found, same = student(batch.tokens, batch.mask), distil(batch.tokens, batch.mask)
    torch.testing.assert_close(found, same, atol=1e-5, rtol=1e-5)  # the segment went into the positions
    assert not any("types" in name for name in distil.state_dict())
    with pytest.raises(ValueError, match="0 to 3"):
        shallow(model, [0, 4])


# --- The sums ----------------------------------------------------------------------------------------------


def test_distilbert_s_loss_is_the_sum_of_its_three() -> None:
    old, batch = teacher().float(), texts()
    student = randomised(distilled_from(old))
    found = {}
    for name, weights in {
        "all": (5.0, 2.0, 1.0),
        "soft": (1.0, 0.0, 0.0),
        "hard": (0.0, 1.0, 0.0),
        "angle": (0.0, 0.0, 1.0),
    }.items():
        torch.manual_seed(3)  # the same words are hidden
        soft, hard, angle = weights
        lost = DistilBERTLoss(old, WORDS, soft=soft, hard=hard, angle=angle)(student, batch)
        found[name] = float(lost.total) / lost.count
    assert found["all"] == pytest.approx(5 * found["soft"] + 2 * found["hard"] + found["angle"], rel=1e-5)
    torch.manual_seed(3)
    tokens, chosen = hide(batch.tokens, batch.mask, WORDS)
    wanted = nn.functional.cross_entropy(student(tokens, batch.mask, None, chosen), batch.tokens[chosen])
    assert found["hard"] == pytest.approx(float(wanted), rel=1e-5)
    with pytest.raises(ValueError, match="without a teacher"):
        DistilBERTLoss(None, WORDS)


def test_tinybert_s_loss_is_nothing_for_a_teacher_s_own_copy_and_reaches_every_weight() -> None:
    torch.manual_seed(0)
    old = randomised(BERTForSequenceClassification(replace(SIZE, layers=2)))
    batch = texts()
    copy = Fitted(shallow(old, [0, 1]), 16)
    with torch.no_grad():
        copy.hidden.weight.copy_(torch.eye(16))
        copy.embeddings.weight.copy_(torch.eye(16))
    assert float(TinyBERTLoss(old)(copy, batch).total) == pytest.approx(0, abs=1e-4)

    narrow = Fitted(BERTForSequenceClassification(replace(SIZE, width=8, layers=1)), 16)
    lost = TinyBERTLoss(old)(narrow, batch)
    lost.total.backward()
    untouched = {n for n, p in narrow.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert not untouched
    assert all(p.grad is None for p in old.parameters())
    with pytest.raises(ValueError, match="divide"):
        TinyBERTLoss(old)(Fitted(BERTForSequenceClassification(replace(SIZE, layers=4)), 16), batch)


def test_tinybert_compares_the_last_layer_of_each_group(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    old, batch = randomised(BERTForSequenceClassification(SIZE)), texts()
    student = Fitted(shallow(old, [1, 3]), 16)
    with torch.no_grad(), observe(old, scores=True) as theirs:
        old(batch.tokens, batch.mask)
    asked: list[Tensor] = []
    monkeypatch.setattr(
        "tfedu.train.distillation.attention_scores",
        lambda s, t, real: asked.append(t) or torch.zeros(()),
    )
    TinyBERTLoss(old)(student, batch)
    assert [one for one in range(4) if any(torch.equal(theirs.scores[one], t) for t in asked)] == [1, 3]


# --- All trainings, in miniature ---------------------------------------------------------------------------


def test_all_students_in_miniature() -> None:
    small = BERTForMaskedLM(BERTConfig(len(WORDS), 8, 2, 2, 8, longest=64, pooler=False))
    kept = []
    results = students.run(
        (0,),
        teacher=students.Teacher(small.eval(), WORDS),
        steps=2,
        tried=3,
        count=60,
        transfer=40,
        keep=lambda found: kept.append(1),
    )
    assert [*results["words"]] == ["teacher", *students.WORDS]
    assert [*results["sentences"]] == ["teacher", *students.SENTENCES]
    rows = [row for names in results.values() for found in names.values() for row in found]
    assert len(rows) == len(kept) == 2 + len(students.WORDS) + len(students.SENTENCES)
    for row in rows:
        assert {"seed", "accuracy", "nats", "agreement", "divergence", "parameters"} <= row.keys()
    assert all("curve" in found[0] for name, found in results["words"].items() if name != "teacher")
    assert all(len(found[0]["maps"]) in (1, 2) for found in results["sentences"].values())
    json.dumps(results)
    students.run((0,), teacher=students.Teacher(small, WORDS), results=results, keep=pytest.fail)


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the results are not in data/")
def test_the_shipped_results_hold_three_seeds_of_each_student() -> None:
    results = students.shipped()
    assert results["about"]["steps"] >= 200
    for group, names in (("words", students.WORDS), ("sentences", students.SENTENCES)):
        assert [*results[group]] == ["teacher", *names]
        for rows in results[group].values():
            assert [row["seed"] for row in rows] == [0, 1, 2]
