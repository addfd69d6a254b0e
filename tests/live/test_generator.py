"""Models that write word by word and keep keys and values: their graphs in onnxruntime, and in the page's engine."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_engine import array, both_products, engine, needs_node
from test_export import runner, worst
from torch import Tensor, nn

from tfedu.attention import KeysValues, MultiHeadAttention
from tfedu.blocks.feed_forward import FeedForward
from tfedu.blocks.masks import causal_mask
from tfedu.blocks.positions import Learned
from tfedu.data.text import BOS, EOS, PAD, WordTokenizer
from tfedu.live.generator import export_generator
from tfedu.live.referee import header
from tfedu.live.translator import export_translator
from tfedu.models.transformer import Transformer, TransformerConfig
from tfedu.trace import ablate, pin, replace, trace
from tfedu.translator import Translator

V, LAYERS, HEADS, D, LONGEST = 30, 2, 2, 8, 16
WORDS = [f"w{i}" for i in range(V - 4)]


class TinyLanguageModel(nn.Module):
    """A decoder alone, of the package's parts."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(V, D), Learned(LONGEST, D)
        self.attention = nn.ModuleList(MultiHeadAttention(D, HEADS) for _ in range(LAYERS))
        self.feed = nn.ModuleList(FeedForward(D, 2 * D) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(D)

    def decode(
        self, tokens: Tensor, past: tuple[KeysValues, ...] | None = None
    ) -> tuple[Tensor, tuple[KeysValues, ...]]:
        start = 0 if past is None else past[0].keys.shape[2]
        T = tokens.shape[1]
        x = self.positions(self.words(tokens), start)
        now = []
        for layer in range(LAYERS):
            seen = self.attention[layer].keys_values(x)
            if past is not None:
                seen = KeysValues(*(torch.cat(both, dim=2) for both in zip(past[layer], seen, strict=True)))
            now.append(seen)
            x = x + self.attention[layer].attend(x, seen, causal_mask(T, start + T)[None])
            x = x + self.feed[layer](x)
        return self.norm(x) @ self.words.weight.T, tuple(now)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.decode(tokens)[0]


def randomise(model: nn.Module) -> None:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> tuple[Translator, Path]:
    torch.manual_seed(4)
    config = TransformerConfig(V, V, D, LAYERS, HEADS, 2 * D, 0.1, "pre", tied="all")
    made = Translator(Transformer(config), tokenizer := WordTokenizer(WORDS), tokenizer)
    randomise(made.model)
    with torch.no_grad():
        made.model.target.tokens.weight[EOS] *= 0.1  # or chance might end each translation at once
    path = tmp_path_factory.mktemp("generator") / "translator.live.safetensors"
    return made, export_translator(made, path, half=False)


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyLanguageModel, Path]:
    torch.manual_seed(4)
    model = TinyLanguageModel().eval()
    randomise(model)
    path = tmp_path_factory.mktemp("generator") / "language.live.safetensors"
    return model, export_generator(
        model, path, longest=LONGEST, tokenizer=WordTokenizer(WORDS), never=[PAD, BOS, EOS], half=False
    )


def nothing_yet(path: Path) -> dict[str, np.ndarray]:
    """The past before the first word."""
    inputs = header(path)[0]["step"]["inputs"]
    shapes = {one["name"]: [n if isinstance(n, int) else 0 for n in one["shape"]] for one in inputs}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name.startswith("past_")}


def test_a_translator_equals_torch_step_by_step(translator: tuple[Translator, Path]) -> None:
    (made, path), (encode, step) = translator, (runner(translator[1], name) for name in ("encode", "step"))
    for length in (1, 2, 9):
        source, target = torch.randint(4, V, (1, length)), torch.randint(4, V, (1, 6))
        seen = encode(source=source)
        with torch.no_grad(), trace(made.model) as maps:
            logits = made.model(source, target)
        kept = {name: x for name, x in seen.items() if not name.endswith(".map")} | nothing_yet(path)
        assert worst(seen["encoder.1.self_attention.map"], maps["encoder.1.self_attention"].weights) < 1e-5
        for t in range(target.shape[1]):
            out = step(word=target[:, t : t + 1], **kept)
            assert worst(out["logits"][:, 0], logits[:, t]) < 1e-4
            for layer in range(LAYERS):
                for kind, end in (("self", t + 1), ("cross", length)):
                    name = f"decoder.{layer}.{kind}_attention"
                    row = maps[name].weights[:, :, t : t + 1, :end]
                    assert worst(out[f"{name}.map"], row) < 1e-5
            kept |= {name: out[f"next_{name}"] for name in kept if f"next_{name}" in out}


def test_a_language_model_equals_torch_step_by_step(language: tuple[TinyLanguageModel, Path]) -> None:
    model, path = language
    step, kept = runner(path, "step"), nothing_yet(path)
    tokens = torch.randint(4, V, (1, 7))
    with torch.no_grad():
        logits = model(tokens)
    for t in range(tokens.shape[1]):
        out = step(word=tokens[:, t : t + 1], **kept)
        assert worst(out["logits"][:, 0], logits[:, t]) < 1e-4
        kept = {name: out[f"next_{name}"] for name in kept}


def test_what_the_file_says(
    translator: tuple[Translator, Path], language: tuple[TinyLanguageModel, Path]
) -> None:
    graphs, texts = header(translator[1])
    names = [f"decoder.{i}.{kind}_attention" for i in range(LAYERS) for kind in ("self", "cross")]
    assert list(graphs["step"]["maps"]) == names
    assert list(graphs["encode"]["maps"]) == [f"encoder.{i}.self_attention" for i in range(LAYERS)]
    assert json.loads(texts["translator"])["longest"] == [2, 10]
    parameters = sum(p.numel() for p in translator[0].model.parameters())
    assert translator[1].stat().st_size < 4 * parameters + 60_000  # both graphs share the weights
    graphs, texts = header(language[1])
    assert graphs.keys() == {"step"}
    assert json.loads(texts["generator"]) == {
        "pad": PAD, "bos": BOS, "eos": EOS, "unk": 3, "never": [PAD, BOS, EOS], "longest": LONGEST
    }  # fmt: skip
    assert texts["tokenizer"] == WordTokenizer(WORDS).to_json()


@needs_node
@both_products
def test_the_page_translates_as_torch_does(simd: bool, translator: tuple[Translator, Path]) -> None:
    made, path = translator
    torch.manual_seed(0)
    sources = [torch.randint(4, V, (length,)).tolist() for length in (1, 3, 8)]
    name = "decoder.0.self_attention"
    job = {"job": "translate", "file": str(path), "simd": simd, "sources": sources}
    plain, back = engine(job, job | {"map": name})
    assert all(len(set(one["tokens"])) > 1 for one in plain)
    for source, one, other in zip(sources, plain, back, strict=True):
        wanted = made.model.translate(torch.tensor([source]))[0]
        assert one["tokens"] == wanted
        ended = len(wanted) < 2 * len(source) + 10
        with torch.no_grad(), trace(made.model) as maps:
            made.model(torch.tensor([source]), torch.tensor([[BOS, *(wanted if ended else wanted[:-1])]]))
        assert worst(array(one["map"]), maps["decoder.1.cross_attention"].weights) < 1e-5
        assert worst(array(other["map"]), maps[name].weights) < 1e-5


@needs_node
@both_products
def test_the_page_goes_on_with_a_text_as_torch_does(
    simd: bool, language: tuple[TinyLanguageModel, Path]
) -> None:
    model, path = language
    given = torch.rand(HEADS, LONGEST, LONGEST).tril()
    cases = [
        ({}, {}),
        ({"at": "attention.0", "ablate": 1}, {"attention.0": ablate(1)}),
        ({"at": "attention.1", "pin": [6, 2, 0.9, 0]}, {"attention.1": pin(6, 2, 0.9, head=0)}),
        (
            {"at": "attention.1", "replace": {"shape": list(given.shape), "data": given.flatten().tolist()}},
            {"attention.1": replace(given)},
        ),
    ]
    prompt = [BOS, 7, 9, 4, 12]
    job = {"job": "generate", "file": str(path), "simd": simd, "prompt": prompt, "words": 9}
    job |= {"map": "attention.1"}
    found = engine(*(job | ({"edit": [edit]} if edit else {}) for edit, _ in cases))
    texts = set()
    for (_, edit), one in zip(cases, found, strict=True):
        tokens = list(prompt)
        while len(tokens) < len(prompt) + 9:
            with torch.no_grad(), trace(model, edit=edit):
                logits = model(torch.tensor([tokens]))[0, -1]
            logits[[PAD, BOS, EOS]] = -torch.inf
            tokens.append(int(logits.argmax()))
        assert one["tokens"] == tokens[len(prompt) :]
        with torch.no_grad(), trace(model, edit=edit) as maps:
            model(torch.tensor([tokens[:-1]]))
        assert worst(array(one["map"]), maps["attention.1"].weights) < 1e-5
        texts.add(tuple(tokens))
    assert len(texts) > 1  # else the edits show nothing


@needs_node
def test_a_head_silenced_in_the_page_is_silenced_in_torch(translator: tuple[Translator, Path]) -> None:
    made, path = translator
    torch.manual_seed(0)
    source = torch.randint(4, V, (1, 6))
    job = {"job": "translate", "file": str(path), "simd": True, "sources": source.tolist()}
    texts = set()
    for name, head in (("decoder.1.cross_attention", 0), ("decoder.0.self_attention", 1)):
        [[found]] = engine(job | {"edit": [{"at": name, "ablate": head}]})
        with trace(made.model, edit={name: ablate(head)}):
            wanted = made.model.translate(source)[0]
        assert found["tokens"] == wanted
        texts.add(tuple(wanted))
    assert texts - {tuple(made.model.translate(source)[0])}
