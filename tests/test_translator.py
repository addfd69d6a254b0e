from pathlib import Path

import pytest
import torch

from tfedu import weights
from tfedu.data.text import BOS, SubwordTokenizer, WordTokenizer
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.models.transformer import Transformer, TransformerConfig
from tfedu.trace import trace
from tfedu.translator import END, Translator

WORDS = ["der", "Mann", "liest", "ein", "Buch", "und", "die", "Frau", "schläft", "."]


@pytest.fixture(params=["recurrent", "transformer"])
def translator(request: pytest.FixtureRequest) -> Translator:
    torch.manual_seed(0)
    tokenizer = WordTokenizer(WORDS)
    V = len(tokenizer)
    model = (
        Seq2Seq(Seq2SeqConfig(V, V, 8, 8, attention="additive"))
        if request.param == "recurrent"
        else Transformer(TransformerConfig(V, V, width=8, layers=2, heads=2, feed_forward=8))
    )
    return Translator(model, tokenizer, tokenizer)


@pytest.mark.parametrize("beam", [1, 4])
def test_text_in_text_and_map_out(translator: Translator, beam: int) -> None:
    found = translator("der Mann liest ein Buch .", beam=beam)
    assert found.source_tokens == ["der", "Mann", "liest", "ein", "Buch", "."]
    assert found.target_tokens[-1] == END
    assert found.text.split() == found.target_tokens[:-1]
    assert found.attention is not None
    heads = 1 if isinstance(translator.model, Seq2Seq) else 2
    assert found.attention.name == ("decoder.attention" if heads == 1 else "decoder.1.cross_attention")
    assert found.attention.weights.shape == (1, heads, len(found.target_tokens), 6)
    torch.testing.assert_close(found.attention.matrix().sum(-1), torch.ones(len(found.target_tokens)))


def test_maps_of_a_batch_are_those_of_each_pair(translator: Translator) -> None:
    encode = translator.source.encode
    pairs = [(encode(WORDS[:n]), encode(WORDS[n : n + m])) for n, m in ((3, 4), (1, 1), (6, 2), (4, 0))]
    together = translator.maps(pairs, rows=3)
    for pair, found in zip(pairs, together, strict=True):
        assert found.shape == (len(pair[1]) + 1, len(pair[0]))
        torch.testing.assert_close(found, translator.maps([pair])[0], atol=1e-6, rtol=1e-5)


def test_the_map_is_that_of_the_layer_asked_for() -> None:
    torch.manual_seed(0)
    tokenizer = WordTokenizer(WORDS)
    config = TransformerConfig(len(tokenizer), len(tokenizer), width=8, layers=2, heads=2, feed_forward=8)
    translator = Translator(Transformer(config), tokenizer, tokenizer)
    pair = (tokenizer.encode(WORDS[:4]), tokenizer.encode(WORDS[4:7]))
    with torch.no_grad(), trace(translator.model) as maps:
        translator.model(torch.tensor([pair[0]]), torch.tensor([[BOS, *pair[1]]]))
    for layer in (0, 1):
        every = maps[f"decoder.{layer}.cross_attention"].weights[0]
        torch.testing.assert_close(translator.heads([pair], layer=layer)[0], every)
        torch.testing.assert_close(translator.maps([pair], layer=layer)[0], every.mean(0))


def test_from_a_file(translator: Translator, tmp_path: Path) -> None:
    german = SubwordTokenizer.train(["der Mann liest ein Buch", "die Frau schläft"], 60)
    model = Seq2Seq(Seq2SeqConfig(len(german), len(german), 8, 8)).eval()
    extras = {"source_tokenizer": german.to_json(), "target_tokenizer": german.to_json()}
    weights.save(tmp_path / "t.safetensors", model, model.config, extras=extras, dtype=torch.float32)
    again = Translator.from_pretrained(tmp_path / "t.safetensors")
    found = again("der Mann schläft")
    assert found.attention is None
    assert found.text == Translator(model, german, german)("der Mann schläft").text
    with pytest.raises(ValueError, match="no attention"):
        again.maps([([4], [5])])


def test_a_transformer_from_a_file(tmp_path: Path) -> None:
    tokenizer = WordTokenizer(WORDS)
    config = TransformerConfig(len(tokenizer), len(tokenizer), width=8, layers=1, heads=2, feed_forward=8)
    model = Transformer(config).eval()
    extras = {"source_tokenizer": tokenizer.to_json(), "target_tokenizer": tokenizer.to_json()}
    path = tmp_path / "t.safetensors"
    weights.save(path, model, config, extras=extras, dtype=torch.float32)
    again = Translator.from_pretrained(path)
    assert again("die Frau liest").text == Translator(model, tokenizer, tokenizer)("die Frau liest").text
    weights.save(path, torch.nn.Linear(2, 2), {})
    with pytest.raises(weights.CheckpointError, match="a Linear, which does not translate; Seq2Seq and Tr"):
        Translator.from_pretrained(path)


def test_empty_text_is_named(translator: Translator) -> None:
    with pytest.raises(ValueError, match="the text is empty"):
        translator("  ")
