"""DistilBERT against transformers' own: body and heads, gradients, folders written there and here."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tfedu import weights
from tfedu.models.bert import BERT, BERTConfig, BERTForMaskedLM
from tfedu.models.distilbert import (
    DistilBERT,
    DistilBERTForMaskedLM,
    DistilBERTForSequenceClassification,
    folded,
)
from tfedu.trace import trace
from tfedu.weights import CheckpointError

V, T = 23, 9
SIZES = {"vocabulary": V, "width": 12, "layers": 3, "heads": 3, "feed_forward": 20, "longest": 16}
OURS = {
    "DistilBertModel": DistilBERT,
    "DistilBertForMaskedLM": DistilBERTForMaskedLM,
    "DistilBertForSequenceClassification": DistilBERTForSequenceClassification,
}


def randomised(model: nn.Module, std: float = 0.5) -> nn.Module:
    for parameter in model.parameters():  # biases and gains too: at their start they hide mistakes
        nn.init.normal_(parameter, std=std)
    return model.eval()


def folder(name: str, path: Path, **changes: object) -> tuple[nn.Module, Path]:
    import transformers

    torch.manual_seed(0)
    config = transformers.DistilBertConfig(
        vocab_size=V, dim=12, n_layers=3, n_heads=3, hidden_dim=20, max_position_embeddings=16, num_labels=4,
        **changes,
    )  # fmt: skip
    model = randomised(getattr(transformers, name)(config))
    model.save_pretrained(path)
    return model, path


def batch() -> tuple[Tensor, Tensor]:
    # Not 0: theirs passes no gradient to the vector of [PAD], where no mask lets a token see it anyway.
    return torch.randint(1, V, (3, T)), torch.arange(T) < torch.tensor([[T], [5], [1]])


def output(model: nn.Module, tokens: Tensor, mask: Tensor) -> Tensor:
    if isinstance(model, BERT):
        return model(tokens, mask).tokens
    if isinstance(model, DistilBERTForMaskedLM | DistilBERTForSequenceClassification):
        return model(tokens, mask)
    return model(tokens, attention_mask=mask.long()).to_tuple()[0]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_it_is_transformers_own(name: str, dtype: torch.dtype, tolerance: float, tmp_path: Path) -> None:
    """Outputs and all gradients, padding included, through a folder that they wrote."""
    reference, path = folder(name, tmp_path)
    ours, reference = OURS[name].from_pretrained(path).to(dtype), reference.to(dtype)
    inputs = batch()
    expected, found = output(reference, *inputs), output(ours, *inputs)
    scale = expected.abs().max().clamp_min(1)
    torch.testing.assert_close(found / scale, expected / scale, atol=tolerance, rtol=tolerance)

    direction = torch.randn_like(expected)
    found.backward(direction)
    expected.backward(direction)
    mine = dict(ours.named_parameters())
    gradients = {n.removeprefix("distilbert."): p.grad for n, p in reference.named_parameters()}
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
    inputs = batch()
    again = OURS[name].from_pretrained(tmp_path)
    found = output(ours.double(), *inputs)
    torch.testing.assert_close(found, output(reference.eval().double(), *inputs), atol=1e-10, rtol=1e-10)
    assert torch.equal(output(again.double(), *inputs), found)
    assert again.config == ours.config


def test_a_classifier_starts_anew_on_a_body_that_filled_in_blanks(tmp_path: Path) -> None:
    reference, path = folder("DistilBertForMaskedLM", tmp_path)
    model = DistilBERTForSequenceClassification.from_pretrained(path, classes=5)
    tokens, mask = batch()
    assert model(tokens, mask).shape == (3, 5)
    expected = reference.distilbert(tokens, mask.long()).last_hidden_state
    torch.testing.assert_close(model.bert(tokens, mask).tokens, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(CheckpointError, match=r"missing (pre_)?classifier"):
        DistilBERTForSequenceClassification.from_pretrained(path)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    _, path = folder("DistilBertForMaskedLM", tmp_path)
    whole = load_file(path / "model.safetensors")
    one = "distilbert.transformer.layer.1.ffn.lin2.bias"
    for tensors, message in (
        ({n: t for n, t in whole.items() if n != one}, "missing .*transformer.layer.1.ffn.lin2.bias"),
        (whole | {"distilbert.transformer.layer.0.adapter.weight": torch.zeros(2)}, "unknown .*adapter"),
    ):
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=message):
            DistilBERTForMaskedLM.from_pretrained(path)


@pytest.mark.parametrize("changes", [{"activation": "relu"}, {"model_type": "bert"}, {"dim": None}], ids=str)
def test_another_architecture_is_refused(changes: dict, tmp_path: Path) -> None:
    _, path = folder("DistilBertModel", tmp_path)
    config = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    with pytest.raises(CheckpointError, match="|".join((*changes, "holds a bert"))):
        DistilBERT.from_pretrained(path)


def test_our_own_checkpoints(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = randomised(DistilBERTForMaskedLM(BERTConfig(**SIZES)))
    path = tmp_path / "small.safetensors"
    weights.save(path, model, model.config, dtype=torch.float32)
    tokens, mask = batch()
    assert torch.equal(DistilBERTForMaskedLM.from_pretrained(path)(tokens, mask), model(tokens, mask))
    assert torch.equal(DistilBERT.from_pretrained(path)(tokens).tokens, model.bert(tokens).tokens)
    with pytest.raises(CheckpointError, match="DistilBERT"):
        BERTForMaskedLM.from_pretrained(path)


def test_the_segment_can_be_folded_into_the_positions() -> None:
    torch.manual_seed(0)
    bert = randomised(BERTForMaskedLM(BERTConfig(**SIZES))).double()
    ours = DistilBERTForMaskedLM(BERTConfig(**SIZES)).double().eval()
    ours.load_state_dict(folded(bert.state_dict(), "bert.embeddings."))
    tokens, mask = batch()
    torch.testing.assert_close(ours(tokens, mask), bert(tokens, mask), atol=1e-10, rtol=1e-10)
    with trace(ours) as maps:
        ours(tokens, mask)
    assert list(maps) == ours.attentions


def test_parameters_of_the_paper() -> None:
    """Table 3: 66 million, 40 % less than BERT base's 110."""
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in m.parameters()) / 1e6 for m in (DistilBERT(), BERT(BERTConfig()))]
    assert sizes[0] == pytest.approx(66.4, abs=0.1)
    assert 1 - sizes[0] / sizes[1] == pytest.approx(0.4, abs=0.01)
