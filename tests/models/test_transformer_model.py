"""The Transformer: against torch.nn.Transformer, against itself without a cache, and by brute force."""

import itertools
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tfedu import weights
from tfedu.attention import DotProduct, LuongDot
from tfedu.blocks.masks import causal_mask
from tfedu.data.text import BOS, EOS, PAD
from tfedu.models.transformer import Transformer, TransformerConfig, from_torch
from tfedu.trace import ablate, pin, replace, trace

D, HEADS, HIDDEN, LAYERS = 12, 2, 20, 2
NORMS = ["post", "pre"]


def make(seed: int = 0, vocabulary: int = 17, **settings: object) -> Transformer:
    torch.manual_seed(seed)
    options: dict = {"width": D, "layers": LAYERS, "heads": HEADS, "feed_forward": HIDDEN, "dropout": 0.0}
    model = Transformer(TransformerConfig(vocabulary, vocabulary, **(options | settings))).double().eval()
    for parameter in model.parameters():  # biases and gains too: at their start they hide mistakes
        nn.init.normal_(parameter, std=0.5)
    return model


def reference(norm: str) -> nn.Transformer:
    """torch's own, without the two final norms that the paper's post-norm does not have."""
    options = {
        "d_model": D, "nhead": HEADS, "dim_feedforward": HIDDEN, "dropout": 0.0, "batch_first": True,
        "norm_first": norm == "pre",
    }  # fmt: skip

    def last() -> nn.Module | None:
        return nn.LayerNorm(D) if norm == "pre" else None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its nested tensors, which these tests do not meet
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(**options), LAYERS, last(), enable_nested_tensor=False
        )
        decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), LAYERS, last())
        model = nn.Transformer(D, HEADS, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.double()


def sentences(rows: int, length: int) -> Tensor:
    return torch.randint(4, 17, (rows, length))


def lengths_to_mask(lengths: list[int], S: int) -> Tensor:
    return torch.arange(S) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("lengths", [[7, 7, 7], [7, 3, 1]], ids=["no padding", "padding"])
@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned"])
def test_it_is_torchs_own(norm: str, dtype: torch.dtype, lengths: list[int], positions: str) -> None:
    ours, theirs = make(norm=norm, tied="none", positions=positions).to(dtype), reference(norm).to(dtype)
    missing, unknown = ours.load_state_dict(from_torch(theirs.state_dict()), strict=False)
    assert not unknown
    assert {name.split(".")[0] for name in missing} == {"source", "target", "output"}
    source, target, mask = sentences(3, 7), sentences(3, 5), lengths_to_mask(lengths, 7)
    padded = {"src_key_padding_mask": ~mask, "memory_key_padding_mask": ~mask} if min(lengths) < 7 else {}
    hidden = theirs(
        ours.source(source), ours.target(target), tgt_mask=~causal_mask(5), tgt_is_causal=True, **padded
    )
    expected = ours.output(hidden)
    found = ours(source, target, mask if padded else None)
    tolerance = {"atol": 1e-10, "rtol": 1e-10} if dtype == torch.float64 else {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(found, expected, **tolerance)

    # Gradients of all weights, theirs brought to our names.
    seed = torch.randn_like(found)
    found.backward(seed)
    expected.backward(seed)  # adds to what the embeddings and the output got from ours
    gradients = from_torch({name: p.grad for name, p in theirs.named_parameters()})
    mine = dict(ours.named_parameters())
    assert gradients.keys() == {
        name for name in mine if name.split(".")[0] not in ("source", "target", "output")
    }
    for name, gradient in gradients.items():
        scale = gradient.abs().max().clamp_min(1)
        torch.testing.assert_close(mine[name].grad / scale, gradient / scale, **tolerance, msg=name)


def test_every_mask_of_one_layer() -> None:
    """Any mask, not only padding and the causal one; torch has NaN where a query sees nothing, we have zeros."""
    torch.manual_seed(0)
    ours, theirs = make(), reference("post")
    ours.load_state_dict(from_torch(theirs.state_dict()), strict=False)
    x = torch.randn(2, 6, D, dtype=torch.float64)
    for _ in range(20):
        mask = torch.rand(2, 6, 6) < 0.5
        mask[..., 0] = True
        by_head = ~mask.repeat_interleave(HEADS, dim=0)
        torch.testing.assert_close(
            ours.encoder[0](x, mask), theirs.encoder.layers[0](x, src_mask=by_head), atol=1e-10, rtol=1e-10
        )
    mask = torch.ones(1, 6, 6, dtype=torch.bool)
    mask[:, 2] = False
    attention = ours.encoder[0].self_attention
    found = attention(x, mask=mask)
    torch.testing.assert_close(found[:, 2], attention.output.bias.expand(2, -1))  # it gathered zeros
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(found[:, others], attention(x)[:, others])
    with trace(ours.encoder[0]) as maps:
        ours.encoder[0](x, mask)
    assert (maps["self_attention"].weights[:, :, 2] == 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_sentence_of_padding_alone_gives_zeros_to_look_at(norm: str) -> None:
    model = make(norm=norm).requires_grad_()
    source, target = sentences(2, 5), sentences(2, 4)
    mask = lengths_to_mask([5, 0], 5)
    logits = model(source, target, mask)
    logits.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    for layer in model.decoder:  # the same as a decoder whose looks across find nothing
        nn.init.zeros_(layer.cross_attention.output.weight)
    torch.testing.assert_close(model(source, target, mask)[1], logits[1], atol=1e-10, rtol=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    norm=st.sampled_from(NORMS),
    positions=st.sampled_from(["sinusoidal", "learned", "none"]),
    tied=st.sampled_from(["all", "output", "none"]),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
)
def test_padding_changes_nothing(norm: str, positions: str, tied: str, lengths: list[int], seed: int) -> None:
    model = make(seed, norm=norm, positions=positions, tied=tied)
    S, target = max(lengths) + 2, sentences(len(lengths), 3)
    mask = lengths_to_mask(lengths, S)
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


@pytest.mark.parametrize("norm", NORMS)
def test_a_later_word_changes_no_earlier_prediction(norm: str) -> None:
    model = make(norm=norm)
    source, target = sentences(1, 5), sentences(1, 6)
    changed = target.clone()
    changed[0, 3] = (changed[0, 3] - 3) % 13 + 4
    before, after = model(source, target), model(source, changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])
    other = source.clone()
    other[0, 0] = (other[0, 0] - 3) % 13 + 4
    assert (model(other, target) - before).abs().amax(
        -1
    ).min() > 1e-6  # but the source is seen from everywhere


@settings(max_examples=30, deadline=None)
@given(
    norm=st.sampled_from(NORMS),
    positions=st.sampled_from(["sinusoidal", "learned", "none"]),
    chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
)
def test_cached_is_uncached(norm: str, positions: str, chunks: list[int], seed: int) -> None:
    """In pieces of any length, the words before each piece being kept as keys and values."""
    model = make(seed, norm=norm, positions=positions)
    source, target = sentences(2, 6), sentences(2, sum(chunks))
    mask = lengths_to_mask([6, 4], 6)
    memory, past, found = model.encode(source, mask), None, []
    with trace(model) as stepwise:
        for piece in target.split(chunks, dim=1):
            logits, past = model.decode(piece, memory, past)
            found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), model(source, target, mask), atol=1e-10, rtol=1e-10)
    assert past is not None
    assert past[0].keys.shape == (2, HEADS, sum(chunks), D // HEADS)
    with trace(model) as whole:
        model(source, target, mask)
    for name in stepwise:
        torch.testing.assert_close(stepwise[name].weights, whole[name].weights, atol=1e-10, rtol=1e-10)


def test_the_map_has_the_names_of_the_figure() -> None:
    model = make()
    with trace(model) as maps:
        model(sentences(2, 6), sentences(2, 4))
    sides = [f"encoder.{i}.self_attention" for i in range(2)]
    sides += [f"decoder.{i}.{kind}_attention" for i in range(2) for kind in ("self", "cross")]
    assert sorted(maps) == sorted(sides)
    assert maps["encoder.0.self_attention"].weights.shape == (2, HEADS, 6, 6)
    assert maps["decoder.0.self_attention"].weights.shape == (2, HEADS, 4, 4)
    assert maps["decoder.1.cross_attention"].weights.shape == (2, HEADS, 4, 6)
    assert (maps["decoder.0.self_attention"].weights.triu(1) == 0).all()


@pytest.mark.parametrize("name", ["decoder.0.self_attention", "decoder.1.cross_attention"])
def test_an_edit_means_the_same_step_by_step(name: str) -> None:
    model = make()
    source, target = sentences(1, 6), sentences(1, 5)
    S = 5 if "self" in name else 6
    given = torch.rand(HEADS, 5, S, dtype=torch.float64)
    given = given.tril() if "self" in name else given
    for edit in (ablate(1), pin(3, 2, head=0), replace(given)):
        with trace(model, edit={name: edit}):
            whole = model(source, target)
        with trace(model, edit={name: edit}):
            memory, past, steps = model.encode(source), None, []
            for word in target.split(1, dim=1):
                logits, past = model.decode(word, memory, past)
                steps.append(logits)
        torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-10, rtol=1e-10)
        assert (whole - model(source, target)).abs().max() > 1e-6


def test_untraced_never_makes_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DotProduct, "weights", lambda *_: pytest.fail("the map was made without a trace"))
    model = make()
    mask = lengths_to_mask([5, 3], 5)
    model(sentences(2, 5), sentences(2, 4), mask)
    model.translate(sentences(2, 5), mask, beam=2, max_length=4)


def log_p(model: Transformer, source: Tensor, words: list[int]) -> float:
    """The log-probability of a translation, by teacher forcing."""
    logits = model(source, torch.tensor([[BOS, *words[:-1]]]))[0].log_softmax(-1)
    return sum(logits[t, word].item() for t, word in enumerate(words))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all(norm: str, penalty: float) -> None:
    """Against every possible translation of up to three words, by brute force."""
    for seed in range(3):
        model = make(seed, vocabulary=7, norm=norm)
        source = torch.randint(4, 7, (1, 4))
        alphabet = [i for i in range(7) if i not in (PAD, BOS, EOS)]
        every = [[*words, EOS] for n in range(3) for words in itertools.product(alphabet, repeat=n)] + [
            list(words) for words in itertools.product(alphabet, repeat=3)
        ]
        best = max(every, key=lambda words: log_p(model, source, words) / ((5 + len(words)) / 6) ** penalty)
        found = model.translate(source, beam=200, length_penalty=penalty, max_length=3)[0]
        assert found == [word for word in best if word != EOS]


def test_greedy_takes_the_likeliest_word_each_time() -> None:
    for seed in range(5):
        model = make(seed)
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


def test_tying_makes_one_matrix_of_three() -> None:
    count = {tied: sum(p.numel() for p in make(tied=tied).parameters()) for tied in ("all", "output", "none")}
    assert count["none"] - count["output"] == count["output"] - count["all"] == 17 * D
    model = make(tied="all")
    model(sentences(2, 5), sentences(2, 4)).square().sum().backward()
    alone = [model.target.tokens.weight.grad]
    assert alone[0] is not None
    assert alone[0].abs().amax(1).min() > 0  # also of words that no sentence holds: the output reads them


def test_parameters_of_the_papers_base_model() -> None:
    """Table 3 says 65 million, with a joint vocabulary of about 37,000 types."""
    with torch.device("meta"):
        model = Transformer(TransformerConfig(37_000, 37_000, tied="all"))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(63.1e6, rel=0.01)


def test_any_mechanism_fits() -> None:
    config = TransformerConfig(17, 17, D, LAYERS, HEADS, HIDDEN)
    model = Transformer(config, LuongDot)
    assert model(sentences(2, 3), sentences(2, 4)).shape == (2, 4, 17)
    assert isinstance(model.encoder[1].self_attention.mechanism, LuongDot)


@pytest.mark.parametrize("tied", ["all", "output"])
def test_saved_and_read_back(tmp_path: Path, tied: str) -> None:
    model = make(tied=tied, norm="pre").float()
    path = tmp_path / "small.safetensors"
    weights.save(path, model, model.config, dtype=torch.float32)
    again = Transformer.from_pretrained(path)
    source, target = sentences(2, 5), sentences(2, 4)
    torch.testing.assert_close(again(source, target), model(source, target), atol=0, rtol=0)
    assert not again.training
    size = sum(4 * p.numel() for p in model.parameters())
    assert path.stat().st_size < size + 10_000  # what is tied is stored once
    other = make(vocabulary=18)
    with pytest.raises(
        weights.CheckpointError, match=r"target\.tokens\.weight is \(17, 12\), not \(18, 12\)"
    ):
        weights.load(path).fill(other)


def test_translate_leaves_the_model_in_training_mode() -> None:
    model = make(dropout=0.5).train()
    source = sentences(2, 5)
    assert model.translate(source, max_length=8) == model.translate(source, max_length=8)
    assert model.training


def test_bad_input_is_named() -> None:
    model = make(positions="learned", longest=6)
    source = sentences(2, 5)
    with pytest.raises(ValueError, match=r"source_mask must be boolean and of the source's shape \(2, 5\)"):
        model(source, source, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="beam and max_length must be at least 1"):
        model.translate(source, beam=0)
    with pytest.raises(ValueError, match="position 6 was never learned: this table ends at 5"):
        model(sentences(1, 7), source[:1])
    with pytest.raises(ValueError, match="tied='all' needs one vocabulary"):
        TransformerConfig(17, 18, tied="all")
    with pytest.raises(ValueError, match="norm is 'middle'; choose one of post, pre"):
        TransformerConfig(17, 17, norm="middle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        make(heads=5)
    with pytest.raises(ValueError, match="width 13 is odd"):
        make(width=13, heads=1)(source, source)
    with pytest.raises(KeyError, match=r"encoder\.foo\.0\.bar is no weight of a torch\.nn\.Transformer"):
        from_torch({"encoder.foo.0.bar": torch.ones(1)})
