"""The translators: against torch's own recurrent stack, brute force, and what padding may never do."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tfedu.attention import Additive, DotProduct
from tfedu.data.text import BOS, EOS, PAD
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig

ATTENTIONS = ["none", "additive", "dot", "general", "concat"]


def make(seed: int = 0, vocabulary: int = 17, **settings: object) -> Seq2Seq:
    torch.manual_seed(seed)
    options: dict = {"embedding": 6, "hidden": 8, "dropout": 0.0} | settings
    model = Seq2Seq(Seq2SeqConfig(vocabulary, vocabulary, **options)).double().eval()
    for parameter in model.parameters():  # biases too: some start at zero, which hides mistakes
        nn.init.normal_(parameter, std=0.5)
    return model


def sentences(rows: int, length: int) -> Tensor:
    return torch.randint(4, 17, (rows, length))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True])
def test_without_attention_it_is_torchs_own_stack(cell: str, reverse: bool) -> None:
    ours = make(cell=cell, layers=2, bidirectional=False, reverse_source=reverse)
    kind = nn.LSTM if cell == "lstm" else nn.GRU
    encoder, decoder = (kind(6, 8, 2, batch_first=True).double() for _ in range(2))
    encoder.load_state_dict(ours.encoder.rnn.state_dict())
    decoder.load_state_dict(ours.decoder.rnn.state_dict())
    source, target = sentences(3, 7), sentences(3, 5)
    read = ours.encoder.embedding.weight[source.flip(1) if reverse else source]
    _, final = encoder(read)
    words = ours.decoder.embedding.weight
    hidden, _ = decoder(words[target], final)
    expected = torch.tanh(ours.decoder.readout(hidden)) @ words.T + ours.decoder.bias
    found = ours(source, target)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
    ours_gradient = torch.autograd.grad(found.square().sum(), ours.encoder.rnn.weight_ih_l0)[0]
    theirs_gradient = torch.autograd.grad(expected.square().sum(), encoder.weight_ih_l0)[0]
    torch.testing.assert_close(ours_gradient, theirs_gradient, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bahdanau_step_by_step(cell: str) -> None:
    """Equations 4 to 6 of the paper, with torch's cells, one word at a time."""
    model = make(cell=cell, attention="additive")
    source, target = sentences(2, 6), sentences(2, 4)
    encoder = (nn.LSTM if cell == "lstm" else nn.GRU)(6, 4, batch_first=True, bidirectional=True).double()
    encoder.load_state_dict(model.encoder.rnn.state_dict())
    h, final = encoder(model.encoder.embedding.weight[source])
    finals = final if isinstance(final, tuple) else (final,)
    state = [
        torch.tanh(linear(torch.cat([part[0], part[1]], dim=-1)))
        for linear, part in zip(model.encoder.bridge, finals, strict=True)
    ]
    step = (nn.LSTMCell if cell == "lstm" else nn.GRUCell)(6 + 8, 8).double()
    step.load_state_dict({n.removesuffix("_l0"): w for n, w in model.decoder.rnn.state_dict().items()})
    attention = model.decoder.attention
    W, U, v = attention.query.weight, attention.key.weight, attention.energy.weight[0]
    logits = []
    for word in model.decoder.embedding.weight[target].unbind(1):
        e = torch.stack([torch.tanh(state[0] @ W.T + h[:, j] @ U.T) @ v for j in range(6)], dim=1)
        context = (e.softmax(1).unsqueeze(-1) * h).sum(1)
        new = step(torch.cat([word, context], -1), tuple(state) if cell == "lstm" else state[0])
        state = list(new) if isinstance(new, tuple) else [new]
        features = torch.cat([state[0], context, word], dim=-1)
        read = torch.tanh(model.decoder.readout(features))
        logits.append(read @ model.decoder.embedding.weight.T + model.decoder.bias)
    torch.testing.assert_close(model(source, target), torch.stack(logits, 1), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("attention", ["dot", "general", "concat"])
def test_luong_all_words_at_once_equals_one_by_one(attention: str) -> None:
    model = make(attention=attention)
    source, target = sentences(2, 6), sentences(2, 4)
    state, memory = model.encode(source)
    steps = []
    for t in range(4):
        logits, state = model.decoder(target[:, t : t + 1], state, memory)
        steps.append(logits)
    torch.testing.assert_close(model(source, target), torch.cat(steps, 1), atol=1e-10, rtol=1e-10)


@settings(max_examples=40, deadline=None)
@given(
    attention=st.sampled_from(ATTENTIONS),
    cell=st.sampled_from(["lstm", "gru"]),
    direction=st.sampled_from(["forward", "reversed", "both", "both, reversed"]),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
)
def test_padding_changes_nothing(
    attention: str, cell: str, direction: str, lengths: list[int], seed: int
) -> None:
    model = make(
        seed,
        attention=attention,
        cell=cell,
        bidirectional="both" in direction,
        reverse_source="reversed" in direction,
    )
    S, target = max(lengths) + 2, sentences(len(lengths), 3)
    mask = torch.arange(S) < torch.tensor(lengths)[:, None]
    source = torch.where(mask, sentences(len(lengths), S), torch.randint(0, 17, (1,)))  # any word as padding
    together = model(source, target, mask)
    greedy = model.translate(source, mask, max_length=5)
    beam = model.translate(source, mask, beam=3, max_length=5)
    for row, length in enumerate(lengths):
        alone = source[row : row + 1, :length]
        torch.testing.assert_close(
            together[row], model(alone, target[row : row + 1])[0], atol=1e-10, rtol=1e-10
        )
        assert greedy[row] == model.translate(alone, max_length=5)[0]
        assert beam[row] == model.translate(alone, beam=3, max_length=5)[0]


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_later_word_changes_no_earlier_prediction(attention: str) -> None:
    model = make(attention=attention)
    source, target = sentences(1, 5), sentences(1, 6)
    changed = target.clone()
    changed[0, 3] = (changed[0, 3] - 3) % 13 + 4
    before, after = model(source, target), model(source, changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def log_p(model: Seq2Seq, source: Tensor, words: list[int]) -> float:
    """The log-probability of a translation, by teacher forcing."""
    logits = model(source, torch.tensor([[BOS, *words[:-1]]]))[0].clone()
    logits = logits.log_softmax(-1)
    return sum(logits[t, word].item() for t, word in enumerate(words))


@pytest.mark.parametrize("attention", ["none", "additive", "general"])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all(attention: str, penalty: float) -> None:
    """Against every possible translation of up to three words, by brute force."""
    for seed in range(3):
        model = make(seed, vocabulary=7, attention=attention)
        source = torch.randint(4, 7, (1, 4))
        alphabet = [i for i in range(7) if i not in (PAD, BOS, EOS)]
        every = [[*words, EOS] for n in range(3) for words in itertools.product(alphabet, repeat=n)] + [
            list(words) for words in itertools.product(alphabet, repeat=3)
        ]
        best = max(every, key=lambda words: log_p(model, source, words) / ((5 + len(words)) / 6) ** penalty)
        found = model.translate(source, beam=200, length_penalty=penalty, max_length=3)[0]
        assert found == [word for word in best if word != EOS]


def test_greedy_takes_the_likeliest_word_each_time() -> None:
    model = make(attention="additive")
    source = sentences(1, 5)
    words: list[int] = []
    for _ in range(6):
        logits = model(source, torch.tensor([[BOS, *words]]))[0, -1].clone()
        logits[[PAD, BOS]] = -torch.inf
        word = int(logits.argmax())
        if word == EOS:
            break
        words.append(word)
    assert model.translate(source, max_length=6)[0] == words


def test_any_mechanism_fits() -> None:
    config = Seq2SeqConfig(17, 17, 6, 8, attention="dot")
    model = Seq2Seq(config, DotProduct())
    assert model(sentences(2, 3), sentences(2, 4)).shape == (2, 4, 17)
    assert isinstance(Seq2Seq(Seq2SeqConfig(17, 17, attention="additive")).decoder.attention, Additive)


def test_translate_leaves_the_model_in_training_mode() -> None:
    model = make(attention="additive", dropout=0.5).train()
    source = sentences(2, 5)
    assert model.translate(source, max_length=8) == model.translate(source, max_length=8)
    assert model.training


def test_bad_input_is_named() -> None:
    model = make(attention="additive")
    source = sentences(2, 5)
    with pytest.raises(ValueError, match=r"source_mask must be boolean and of the source's shape \(2, 5\)"):
        model(source, source, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="row 1 of source_mask has no real word"):
        model(source, source, torch.tensor([[True] * 5, [False] * 5]))
    with pytest.raises(ValueError, match="beam and max_length must be at least 1"):
        model.translate(source, beam=0)
    with pytest.raises(ValueError, match="attention is 'magic'"):
        Seq2Seq(Seq2SeqConfig(17, 17, attention="magic"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cell is 'rnn'"):
        Seq2SeqConfig(17, 17, cell="rnn")  # type: ignore[arg-type]
