"""BERT against transformers' own: body and heads, gradients, folders written there and here."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tfedu import weights
from tfedu.blocks.masks import causal_mask
from tfedu.models.bert import (
    BERT,
    BERTConfig,
    BERTForMaskedLM,
    BERTForPreTraining,
    BERTForSequenceClassification,
    Pretrained,
)
from tfedu.trace import trace
from tfedu.weights import CheckpointError

V, T = 23, 9
SIZES = {"vocabulary": V, "width": 12, "layers": 3, "heads": 3, "feed_forward": 20, "longest": 16}
OURS = {
    "BertModel": BERT,
    "BertForMaskedLM": BERTForMaskedLM,
    "BertForPreTraining": BERTForPreTraining,
    "BertForSequenceClassification": BERTForSequenceClassification,
}


def randomised(model: nn.Module, std: float = 0.5) -> nn.Module:
    for parameter in model.parameters():  # biases and gains too: at their start they hide mistakes
        nn.init.normal_(parameter, std=std)
    return model.eval()


def theirs(name: str, classes: int = 4, **changes: object) -> nn.Module:
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=V, hidden_size=12, num_hidden_layers=3, num_attention_heads=3, intermediate_size=20,
        max_position_embeddings=16, num_labels=classes, **changes,
    )  # fmt: skip
    return randomised(getattr(transformers, name)(config))


def folder(name: str, path: Path, **changes: object) -> tuple[nn.Module, Path]:
    model = theirs(name, **changes)
    model.save_pretrained(path)
    return model, path


def batch() -> tuple[Tensor, Tensor, Tensor]:
    # Not 0: theirs passes no gradient to the vector of [PAD], where no mask lets a token see it anyway.
    tokens, types = torch.randint(1, V, (3, T)), torch.randint(0, 2, (3, T))
    return tokens, torch.arange(T) < torch.tensor([[T], [5], [1]]), types


def outputs(model: nn.Module, tokens: Tensor, mask: Tensor, types: Tensor) -> list[Tensor]:
    if isinstance(model, Pretrained):
        found = model(tokens, mask, types)
        return list(found) if isinstance(found, tuple) else [found]
    found = model(tokens, attention_mask=mask.long(), token_type_ids=types)
    return list(found.to_tuple())


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_it_is_transformers_own(name: str, dtype: torch.dtype, tolerance: float, tmp_path: Path) -> None:
    """Outputs and all gradients, padding and both segments included, through a folder that they wrote."""
    reference, path = folder(name, tmp_path)
    ours, reference = OURS[name].from_pretrained(path).to(dtype), reference.to(dtype)
    inputs = batch()
    expected, found = outputs(reference, *inputs), outputs(ours, *inputs)
    assert len(found) == len(expected)
    scales = [one.abs().max().clamp_min(1) for one in expected]
    for one, other, scale in zip(found, expected, scales, strict=True):
        torch.testing.assert_close(one / scale, other / scale, atol=tolerance, rtol=tolerance)

    directions = [torch.randn_like(one) for one in expected]
    torch.autograd.backward(found, directions)
    torch.autograd.backward(expected, directions)
    mine = dict(ours.named_parameters())
    prefix = "" if name == "BertModel" else "bert."
    gradients = {n.removeprefix(prefix): p.grad for n, p in reference.named_parameters()}
    assert ours.names.keys() == gradients.keys()
    for published, own in ours.names.items():
        size = gradients[published].abs().max().clamp_min(1)
        torch.testing.assert_close(
            mine[own].grad / size, gradients[published] / size, atol=tolerance, rtol=tolerance, msg=published
        )


@pytest.mark.parametrize("name", OURS)
def test_what_we_save_loads_there(name: str, tmp_path: Path) -> None:
    import transformers

    torch.manual_seed(1)
    ours = randomised(OURS[name](BERTConfig(**SIZES, classes=4)))
    ours.save_pretrained(tmp_path, tokenizer="{}")
    reference, report = getattr(transformers, name).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert (tmp_path / "tokenizer.json").read_text() == "{}"
    inputs = batch()
    again = OURS[name].from_pretrained(tmp_path)
    for one, other, same in zip(
        outputs(ours.double(), *inputs),
        outputs(reference.eval().double(), *inputs),
        outputs(again.double(), *inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)
        assert torch.equal(one, same)
    assert again.config == ours.config


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("source", ["BertForPreTraining", "BertForSequenceClassification"])
def test_a_body_comes_out_of_any_file(name: str, source: str, tmp_path: Path) -> None:
    """Heads that a class has not are passed over; a head that the file has not is missed, by name."""
    reference, path = folder(source, tmp_path)
    needed = {"BertModel": set(), "BertForMaskedLM": {"BertForPreTraining"}}.get(name, {name})
    if needed and source not in needed:
        with pytest.raises(CheckpointError, match=r"missing (cls\.|classifier)"):
            OURS[name].from_pretrained(path)
        return
    ours = OURS[name].from_pretrained(path).double()
    body = ours if name == "BertModel" else ours.bert
    tokens, mask, types = batch()
    expected = reference.double().bert(tokens, mask.long(), types).last_hidden_state
    torch.testing.assert_close(body(tokens, mask, types).tokens, expected, atol=1e-10, rtol=1e-10)


def test_a_classifier_starts_anew_on_a_trained_body(tmp_path: Path) -> None:
    reference, path = folder("BertForMaskedLM", tmp_path / "words")
    model = BERTForSequenceClassification.from_pretrained(path, classes=5)
    tokens, mask, types = batch()
    assert model(tokens, mask, types).shape == (3, 5)
    assert model.config.classes == 5
    assert model.classifier.weight.std() < 0.03
    expected = reference.bert(tokens, mask.long(), types).last_hidden_state
    torch.testing.assert_close(model.bert(tokens, mask, types).tokens, expected, atol=1e-5, rtol=1e-5)
    reference, path = folder("BertForSequenceClassification", tmp_path / "classes")
    model = BERTForSequenceClassification.from_pretrained(
        path, classes=2
    )  # of the file's four, nothing stays
    assert model.classifier.weight.shape == (2, 12)
    assert torch.equal(model.bert.pooler.weight, reference.bert.pooler.dense.weight)


def rewrite(path: Path, change: object) -> None:
    tensors = load_file(path / "model.safetensors")
    save_file(change(tensors), path / "model.safetensors", metadata={"format": "pt"})


def test_old_files(tmp_path: Path) -> None:
    """gamma and beta, a copy of the token vectors, a bias of another name, a buffer of positions."""
    reference, path = folder("BertForMaskedLM", tmp_path)

    def age(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        tensors["bert.embeddings.position_ids"] = torch.arange(16)[None]
        tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
        tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")
        return {
            n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
            for n, t in tensors.items()
        }

    rewrite(path, age)
    inputs = batch()
    found = BERTForMaskedLM.from_pretrained(path).double()(*inputs)
    torch.testing.assert_close(found, outputs(reference.double(), *inputs)[0], atol=1e-10, rtol=1e-10)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    _, path = folder("BertForMaskedLM", tmp_path)
    whole = load_file(path / "model.safetensors")
    one = "bert.encoder.layer.1.output.dense.bias"
    cases = [
        ({n: t for n, t in whole.items() if n != one}, "missing .*encoder.layer.1.output.dense.bias"),
        (whole | {"bert.encoder.layer.0.adapter.weight": torch.zeros(2)}, "unknown .*adapter"),
        (whole | {one: torch.zeros(3)}, r"layers.1.outer.bias is \(3,\)"),
        (whole | {"cls.predictions.decoder.weight": torch.zeros(V, 12)}, "one matrix"),
    ]
    for tensors, message in cases:
        rewrite(path, lambda _, tensors=tensors: tensors)
        with pytest.raises(CheckpointError, match=message):
            BERTForMaskedLM.from_pretrained(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"position_embedding_type": "relative_key"},
        {"hidden_act": "relu"},
        {"is_decoder": True},
        {"add_cross_attention": True},
        {"tie_word_embeddings": False},
        {"model_type": "roberta"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_architecture_is_refused_by_name(changes: dict, tmp_path: Path) -> None:
    _, path = folder("BertModel", tmp_path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(CheckpointError, match=r"roberta|" + next(iter(changes))):
        BERT.from_pretrained(path)


def test_our_own_checkpoints(tmp_path: Path) -> None:
    """float16 files under any of the four names: the body comes out of each, the head out of its own."""
    torch.manual_seed(0)
    model = randomised(BERTForMaskedLM(BERTConfig(**SIZES)))
    path = tmp_path / "small.safetensors"
    weights.save(path, model, model.config, dtype=torch.float32)
    tokens, mask, types = batch()
    again = BERTForMaskedLM.from_pretrained(path)
    assert torch.equal(again(tokens, mask, types), model(tokens, mask, types))
    body = BERT.from_pretrained(path)
    assert torch.equal(body(tokens, mask).tokens, model.bert(tokens, mask).tokens)
    assert body.pooler is None
    assert BERTForSequenceClassification.from_pretrained(path, classes=3)(tokens).shape == (3, 3)
    with pytest.raises(CheckpointError, match="missing classifier"):
        BERTForSequenceClassification.from_pretrained(path)


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 8), min_size=1, max_size=4), seed=st.integers(0, 10_000))
def test_padding_changes_nothing(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    model = randomised(BERTForMaskedLM(BERTConfig(**SIZES))).double()
    tokens = torch.randint(0, V, (len(lengths), 9))
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    together = model(tokens, mask)
    for row, length in enumerate(lengths):
        alone = model(tokens[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0], atol=1e-10, rtol=1e-10)


def test_scores_at_chosen_places_are_those_of_all_places() -> None:
    torch.manual_seed(0)
    tokens, mask, types = batch()
    at = torch.rand(3, T) < 0.4
    for kind in (BERTForMaskedLM, BERTForPreTraining):
        model = randomised(kind(BERTConfig(**SIZES))).double()
        every, chosen = model(tokens, mask, types), model(tokens, mask, types, at)
        if kind is BERTForPreTraining:
            every, chosen = every.words, chosen.words
        torch.testing.assert_close(chosen, every[at], atol=1e-10, rtol=1e-10)


def test_both_sides_are_seen_and_a_causal_mask_hides_the_right() -> None:
    torch.manual_seed(0)
    model = randomised(BERT(BERTConfig(**SIZES))).double()
    tokens = torch.randint(0, V, (1, T))
    other = tokens.clone()
    other[0, 5] = (other[0, 5] + 1) % V
    moved = (model(other).tokens - model(tokens).tokens).abs().amax(-1)[0]
    assert (moved > 1e-6).all()
    mask = causal_mask(T)[None]
    moved = (model(other, mask).tokens - model(tokens, mask).tokens).abs().amax(-1)[0]
    assert (moved[:5] == 0).all()
    assert (moved[5:] > 1e-6).all()


def test_a_body_without_segments_and_pooler() -> None:
    model = BERT(BERTConfig(**SIZES, token_types=0, pooler=False))
    tokens, _, types = batch()
    assert model(tokens).pooled is None
    assert not any("types" in n or "pooler" in n for n, _ in model.named_parameters())
    with pytest.raises(ValueError, match="token types"):
        model(tokens, types=types)


def test_the_map_has_a_name_a_layer() -> None:
    model = BERTForMaskedLM(BERTConfig(**SIZES)).eval()
    with trace(model) as maps:
        model(batch()[0])
    assert list(maps) == model.attentions == [f"bert.layers.{i}.self_attention" for i in range(3)]
    assert maps["bert.layers.0.self_attention"].weights.shape == (3, 3, T, T)


@pytest.mark.parametrize(
    ("sizes", "millions"),
    [({}, 109.5), ({"width": 1024, "layers": 24, "heads": 16, "feed_forward": 4096}, 335.1)],
    ids=["base", "large"],
)
def test_parameters_of_the_paper(sizes: dict, millions: float) -> None:
    """Section 3 says 110 and 340 million."""
    with torch.device("meta"):
        model = BERT(BERTConfig(**sizes))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
