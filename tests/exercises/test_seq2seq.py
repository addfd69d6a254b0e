"""The exercises of chapter 1: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import json
import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tfedu.data.matching import common
from tfedu.exercises import Verdict
from tfedu.exercises import seq2seq as exercise

# --- 2. one LSTM step ----------------------------------------------------------------------------------


def lstm_step(x, h, c, w_x, w_h, b):
    i, f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def lstm_by_torch(x, h, c, w_x, w_h, b):
    cell = torch.nn.LSTMCell(x.shape[1], h.shape[1])
    with torch.no_grad():
        cell.weight_ih.copy_(w_x), cell.weight_hh.copy_(w_h), cell.bias_ih.copy_(b), cell.bias_hh.zero_()
    return cell(x, (h, c))


def lstm_gates_swapped(x, h, c, w_x, w_h, b):
    f, i, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def lstm_keras_order(x, h, c, w_x, w_h, b):
    i, f, o, g = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def lstm_sigmoid_everywhere(x, h, c, w_x, w_h, b):
    i, f, g, o = torch.sigmoid(x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c = f * c + i * g
    return o * torch.tanh(c), c


def lstm_bare_output(x, h, c, w_x, w_h, b):
    i, f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * c, c


def lstm_of_1997(x, h, c, w_x, w_h, b):
    i, _, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    c = c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def lstm_old_cell_out(x, h, c, w_x, w_h, b):
    i, f, g, o = (x @ w_x.T + h @ w_h.T + b).chunk(4, dim=1)
    return torch.sigmoid(o) * torch.tanh(c), torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)


def lstm_swapped_return(x, h, c, w_x, w_h, b):
    h, c = lstm_step(x, h, c, w_x, w_h, b)
    return c, h


def lstm_no_bias(x, h, c, w_x, w_h, b):
    return lstm_step(x, h, c, w_x, w_h, torch.zeros_like(b))


# --- 3. reversing --------------------------------------------------------------------------------------


def reverse(source, mask):
    out = source.clone()
    for row, length in enumerate(mask.sum(1).tolist()):
        out[row, :length] = source[row, :length].flip(0)
    return out


def reverse_all(source, mask):
    return torch.flip(source, dims=[1])


def reverse_batch(source, mask):
    return torch.flip(source, dims=[0])


def reverse_to_longest(source, mask):
    longest = max(mask.sum(1).tolist())
    out = source.clone()
    out[:, :longest] = source[:, :longest].flip(1)
    return out


def reverse_from_n(source, mask):
    out = source.clone()
    for row, length in enumerate(mask.sum(1).tolist()):
        for s in range(length):
            out[row, s] = source[row, (length - s) % source.shape[1]]
    return out


def reverse_from_last_but_one(source, mask):
    out = source.clone()
    for row, length in enumerate(mask.sum(1).tolist()):
        for s in range(length):
            out[row, s] = source[row, length - 2 - s]
    return out


def reverse_nothing(source, mask):
    return source


# --- 4. the loss ---------------------------------------------------------------------------------------


def loss(logits, target, mask):
    log_p = F.log_softmax(logits, dim=-1).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return -(log_p * mask).sum() / mask.sum()


def loss_counting_padding(logits, target, mask):
    return F.cross_entropy(logits.transpose(1, 2), target)


def loss_divided_by_all(logits, target, mask):
    return (F.cross_entropy(logits.transpose(1, 2), target, reduction="none") * mask).sum() / mask.numel()


def loss_by_sentence(logits, target, mask):
    rows = [F.cross_entropy(lo[m], ta[m]) for lo, ta, m in zip(logits, target, mask, strict=True)]
    return torch.stack(rows).mean()


def loss_sum(logits, target, mask):
    return F.cross_entropy(logits[mask], target[mask], reduction="sum")


def loss_sign(logits, target, mask):
    return -F.cross_entropy(logits[mask], target[mask])


def loss_no_softmax(logits, target, mask):
    return -logits.gather(2, target[:, :, None])[:, :, 0][mask].mean()


def loss_over_time(logits, target, mask):
    return -logits.log_softmax(1).gather(2, target[:, :, None])[:, :, 0][mask].mean()


def loss_probability(logits, target, mask):
    return 1 - logits.softmax(2).gather(2, target[:, :, None])[:, :, 0][mask].mean()


# --- 5. greedy decoding --------------------------------------------------------------------------------


def greedy(step, state, bos, eos, limit):
    words, token = [], bos
    while len(words) < limit:
        scores, state = step(token, state)
        token = scores.argmax().item()
        if token == eos:
            break
        words.append(token)
    return words


def greedy_keeps_eos(step, state, bos, eos, limit):
    words, token = [], bos
    while len(words) < limit and token != eos:
        scores, state = step(token, state)
        token = scores.argmax().item()
        words.append(token)
    return words


def greedy_keeps_bos(step, state, bos, eos, limit):
    return [bos, *greedy(step, state, bos, eos, limit)]


def greedy_keeps_both(step, state, bos, eos, limit):
    return [bos, *greedy_keeps_eos(step, state, bos, eos, limit)]


def greedy_reads_bos(step, state, bos, eos, limit):
    words = []
    while len(words) < limit:
        scores, state = step(bos, state)
        token = scores.argmax().item()
        if token == eos:
            break
        words.append(token)
    return words


def greedy_drops_state(step, state, bos, eos, limit):
    words, token = [], bos
    while len(words) < limit:
        scores, _ = step(token, state)
        token = scores.argmax().item()
        if token == eos:
            break
        words.append(token)
    return words


def greedy_never_ends(step, state, bos, eos, limit):
    words, token = [], bos
    for _ in range(limit):
        scores, state = step(token, state)
        token = scores.argmax().item()
        words.append(token)
    return words


def greedy_worst(step, state, bos, eos, limit):
    return greedy(lambda token, s: (-step(token, s)[0], s + 1), state, bos, eos, limit)


def greedy_one_more(step, state, bos, eos, limit):
    return greedy(step, state, bos, eos, limit + 1)


def greedy_one_less(step, state, bos, eos, limit):
    return greedy(step, state, bos, eos, limit - 1)


def greedy_forever(step, state, bos, eos, limit):
    words, token = [], bos
    while token != eos:
        scores, state = step(token, state)
        token = scores.argmax().item()
        words.append(token)
    return words[:-1]


# --- 6. what is kept -----------------------------------------------------------------------------------


def matched(found, wanted):
    return {j for j, _ in common(wanted, found)}


def kept(found, wanted, parts):
    hit, seen = [0] * parts, [0] * parts
    for f, w in zip(found, wanted, strict=True):
        good = matched(f, w)
        for j in range(len(w)):
            part = j * parts // len(w)
            seen[part] += 1
            hit[part] += j in good
    return [h / n for h, n in zip(hit, seen, strict=True)]


def kept_in_place(found, wanted, parts):
    hit, seen = [0] * parts, [0] * parts
    for f, w in zip(found, wanted, strict=True):
        for j in range(len(w)):
            seen[j * parts // len(w)] += 1
            hit[j * parts // len(w)] += j < len(f) and f[j] == w[j]
    return [h / n for h, n in zip(hit, seen, strict=True)]


def kept_anywhere(found, wanted, parts):
    hit, seen = [0] * parts, [0] * parts
    for f, w in zip(found, wanted, strict=True):
        for j in range(len(w)):
            seen[j * parts // len(w)] += 1
            hit[j * parts // len(w)] += w[j] in f
    return [h / n for h, n in zip(hit, seen, strict=True)]


def kept_of_translation(found, wanted, parts):
    return kept(wanted, found, parts)


def kept_by_sentence(found, wanted, parts):
    rows = torch.tensor([kept([f], [w], parts) for f, w in zip(found, wanted, strict=True)])
    return rows.mean(0).tolist()


def kept_lost(found, wanted, parts):
    return [1 - share for share in kept(found, wanted, parts)]


def kept_backwards(found, wanted, parts):
    return kept(found, wanted, parts)[::-1]


RIGHT = {
    "numbers_passed": 2 * 128,
    "lstm_step": lstm_step,
    "reverse_source": reverse,
    "masked_loss": loss,
    "greedy": greedy,
    "kept": kept,
}

MISTAKES = [
    ("numbers_passed", 128, "h alone"),
    ("numbers_passed", 12 * 128, "one state for each word"),
    ("numbers_passed", 12 * 256, "Right for one step"),
    ("numbers_passed", 64, "width of a word's vector"),
    ("numbers_passed", 12 * 64, "word vectors that go in"),
    ("numbers_passed", 4 * 128, "four gates"),
    ("lstm_step", lstm_gates_swapped, "i and f have changed places"),
    ("lstm_step", lstm_keras_order, "third quarter is g"),
    ("lstm_step", lstm_sigmoid_everywhere, "candidate g lies between 0 and 1"),
    ("lstm_step", lstm_bare_output, "c is right, h is not"),
    ("lstm_step", lstm_of_1997, "Nothing is ever forgotten"),
    ("lstm_step", lstm_old_cell_out, "lets out the old cell"),
    ("lstm_step", lstm_swapped_return, "other order"),
    ("lstm_step", lstm_no_bias, "bias b is missing"),
    ("reverse_source", reverse_all, "padding turned round too"),
    ("reverse_source", reverse_batch, "order of the sentences"),
    ("reverse_source", reverse_to_longest, "longest row's length"),
    ("reverse_source", reverse_from_n, "n - 1, not at n"),
    ("reverse_source", reverse_from_last_but_one, "last word but one"),
    ("reverse_source", reverse_nothing, "Nothing is reversed"),
    ("masked_loss", loss_counting_padding, "Padding is counted"),
    ("masked_loss", loss_divided_by_all, "divide by B x T"),
    ("masked_loss", loss_by_sentence, "inside each sentence first"),
    ("masked_loss", loss_sum, "That is the sum"),
    ("masked_loss", loss_sign, "sign is wrong"),
    ("masked_loss", loss_no_softmax, "no log-probabilities yet"),
    ("masked_loss", loss_over_time, "over the time steps"),
    ("masked_loss", loss_probability, "one minus a probability"),
    ("greedy", greedy_keeps_eos, "EOS is a sign to stop"),
    ("greedy", greedy_keeps_bos, "BOS is what the decoder reads first"),
    ("greedy", greedy_keeps_both, "leave both out"),
    ("greedy", greedy_reads_bos, "reads BOS at every step"),
    ("greedy", greedy_drops_state, "starts from the first state"),
    ("greedy", greedy_never_ends, "goes on after EOS"),
    ("greedy", greedy_worst, "least likely"),
    ("greedy", greedy_one_more, "One word too many"),
    ("greedy", greedy_one_less, "One word too few"),
    ("greedy", greedy_forever, "more than 100 words"),
    ("kept", kept_in_place, "compare word j with word j"),
    ("kept", kept_anywhere, "stands anywhere"),
    ("kept", kept_of_translation, "parts are those of the translation"),
    ("kept", kept_by_sentence, "averaged each sentence's shares"),
    ("kept", kept_lost, "share that was lost"),
    ("kept", kept_backwards, "last first"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_passes(name, capsys):
    verdict = getattr(exercise, name)(RIGHT[name])
    assert verdict, verdict
    assert capsys.readouterr().out == f"✓ {verdict.message}\n"


def test_torchs_own_cell_passes_too():
    assert exercise.lstm_step(lstm_by_torch)


@pytest.mark.parametrize("name", RIGHT)
def test_a_stub_is_not_started_yet(name, capsys):
    def stub(*arguments):
        raise NotImplementedError

    verdict = getattr(exercise, name)(... if name == "numbers_passed" else stub)
    assert not verdict
    assert verdict.state == "not started"
    assert capsys.readouterr().out == "not started yet\n"


@pytest.mark.parametrize(
    ("name", "answer", "diagnosis"), MISTAKES, ids=lambda x: getattr(x, "__name__", None)
)
def test_each_mistake_gets_its_own_diagnosis(name, answer, diagnosis):
    verdict = getattr(exercise, name)(answer)
    assert verdict.state == "wrong"
    assert diagnosis in verdict.message
    others = [words for other, _, words in MISTAKES if other == name and words != diagnosis]
    assert not [words for words in others if words in verdict.message]


@pytest.mark.parametrize("name", RIGHT)
def test_every_exercise_knows_three_mistakes(name):
    assert len({words for other, _, words in MISTAKES if other == name}) >= 3


# --- what every check does ----------------------------------------------------------------------------


def test_an_exception_is_told_with_the_students_line():
    def broken(x, h, c, w_x, w_h, b):
        i = x @ w_h
        return i, c

    verdict = exercise.lstm_step(broken)
    assert verdict.state == "wrong"
    assert "`i = x @ w_h`" in verdict.message
    assert "RuntimeError" in verdict.message


def test_wrong_arguments_are_told():
    verdict = exercise.lstm_step(lambda x, h: (x, h))
    assert "takes (x, h); it will be called with (x, h, c, w_x, w_h, b)" in verdict.message


def test_a_call_in_place_of_the_function_is_told():
    assert "Pass the function itself" in exercise.masked_loss(torch.tensor(1.0)).message
    assert "Pass the value" in exercise.numbers_passed(lambda: 256).message


def test_a_missing_return_is_told():
    assert "returned nothing" in exercise.masked_loss(lambda logits, target, mask: None).message


def test_a_wrong_shape_is_told():
    verdict = exercise.masked_loss(lambda logits, target, mask: logits[..., 0])
    assert "The shape should be (), but it is (3, 7)" in verdict.message


def test_a_wrong_kind_is_told():
    assert "got the text 'done'" in exercise.masked_loss(lambda logits, target, mask: "done").message
    assert "got a dict" in exercise.greedy(lambda step, state, bos, eos, limit: {}).message
    assert "got the text 'many'" in exercise.numbers_passed("many").message


def test_changed_inputs_are_told():
    def in_place(source, mask):
        for row, length in enumerate(mask.sum(1).tolist()):
            source[row, :length] = source[row, :length].flip(0)
        return source

    assert "changes the tensors it is given" in exercise.reverse_source(in_place).message


def test_nan_and_unknown_mistakes_are_told_with_numbers():
    assert "NaN" in exercise.masked_loss(lambda logits, target, mask: math.nan).message
    verdict = exercise.masked_loss(lambda logits, target, mask: loss(logits, target, mask) + 1)
    assert "none of the usual mistakes" in verdict.message


def test_plain_numbers_and_arrays_will_do():
    assert exercise.masked_loss(lambda logits, target, mask: float(loss(logits, target, mask)))
    assert exercise.reverse_source(lambda source, mask: reverse(source, mask).numpy())
    assert exercise.greedy(lambda *arguments: torch.tensor(greedy(*arguments)))


def test_a_verdict_prints_once_in_a_notebook():
    verdict = Verdict("right", "well")
    assert str(verdict) == "✓ well"
    assert verdict._ipython_display_() is None


# --- the chapter's own solutions ------------------------------------------------------------------------

NOTEBOOK = Path(__file__).parents[2] / "book" / "1_before_transformers" / "01_seq2seq.ipynb"


def test_the_chapters_solutions_pass_their_checks():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    solutions = re.findall(r"^::::\{solution\}.*?```python\n(.*?)```", prose, flags=re.DOTALL | re.MULTILINE)
    names = {"torch": torch, "nn": torch.nn, "F": F, "common": common}
    checked = set()
    for solution in solutions:
        exec(solution, names)
        name = re.search(r"def (\w+)", solution)[1]
        assert getattr(exercise, name)(names[name])
        checked.add(name)
    assert checked == RIGHT.keys() - {"numbers_passed"}
