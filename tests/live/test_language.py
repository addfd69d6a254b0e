"""The language models' files: in onnxruntime, and in the page's engine; and what the page takes for chance."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from test_engine import array, both_products, engine, literal, needs_node
from test_export import runner, worst
from torch import nn

from tfedu import weights
from tfedu.data.patterns import repeats, successors
from tfedu.data.text import SPECIALS, CharacterTokenizer
from tfedu.live.language import export_attention_only, export_gpt
from tfedu.live.referee import header
from tfedu.models.attention_only import AttentionOnly, AttentionOnlyConfig
from tfedu.models.gpt import GPT, GPTConfig
from tfedu.trace import cut, trace

FIXTURES = Path(__file__).parents[2] / "web" / "tests" / "fixtures"
CHARACTERS = "\n abcdefghij"
LONGEST = 24


def shipped(model: nn.Module, config: object, folder: Path, **extras: str) -> str:
    """A checkpoint with random weights and a card; its path."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    path = folder / f"{type(model).__name__}.safetensors"
    weights.save(path, model, config, extras=extras, dtype=torch.float32)
    path.with_suffix(".json").write_text("{}")
    return str(path)


@pytest.fixture(scope="module", params=["pre", "post"])
def gpt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[GPT, Path]:
    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("language")
    tokenizer = CharacterTokenizer(CHARACTERS)
    config = GPTConfig(len(tokenizer), LONGEST, 16, 2, 2, norm=request.param)
    name = shipped(GPT(config), config, folder, tokenizer=tokenizer.to_json())
    return GPT.from_pretrained(name), export_gpt(name, folder / "gpt.live.safetensors", half=False)


@pytest.fixture(scope="module")
def attention_only(tmp_path_factory: pytest.TempPathFactory) -> tuple[AttentionOnly, Path]:
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("language")
    config = AttentionOnlyConfig(12, 16, 2, 2)
    name = shipped(AttentionOnly(config), config, folder)
    path = export_attention_only(name, folder / "two.live.safetensors", half=False)
    return AttentionOnly.from_pretrained(name), path


def test_a_gpt_read_token_by_token_equals_torch(gpt: tuple[GPT, Path]) -> None:
    model, path = gpt
    tokens = torch.randint(4, model.config.vocabulary, (1, LONGEST))
    with torch.no_grad(), trace(model) as maps:
        logits = model(tokens)
    step = runner(path, "step")
    inputs = header(path)[0]["step"]["inputs"]
    shapes = {one["name"]: [n if isinstance(n, int) else 0 for n in one["shape"]] for one in inputs}
    kept = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name != "word"}
    for t in range(LONGEST):
        out = step(word=tokens[:, t : t + 1], **kept)
        assert worst(out["logits"][:, 0], logits[:, t]) < 1e-4
        for name, one in maps.items():
            assert worst(out[f"{name}.map"], one.weights[:, :, t : t + 1, : t + 1]) < 1e-5
        kept = {name: out[f"next_{name}"] for name in kept}


def test_a_gpt_file_says_what_it_writes(gpt: tuple[GPT, Path]) -> None:
    graphs, texts = header(gpt[1])
    assert list(graphs["step"]["maps"]) == ["layers.0.attention", "layers.1.attention"]
    assert json.loads(texts["generator"])["longest"] == LONGEST
    assert json.loads(texts["generator"])["never"] == list(range(len(SPECIALS)))
    assert texts["tokenizer"] == CharacterTokenizer(CHARACTERS).to_json()
    parameters = sum(p.numel() for p in gpt[0].parameters())
    assert gpt[1].stat().st_size < 4 * parameters + 60_000


@needs_node
@both_products
def test_the_page_writes_on_as_a_gpt_does(simd: bool, gpt: tuple[GPT, Path]) -> None:
    model, path = gpt
    prompt = [5, 9, 4, 12, 7]
    job = {"job": "generate", "file": str(path), "simd": simd, "prompt": prompt, "words": 12}
    (found,) = engine(job | {"map": "layers.1.attention"})
    wanted = model.generate(torch.tensor([prompt]), 12, temperature=0, never=range(len(SPECIALS)))
    assert found["tokens"] == wanted[0, len(prompt) :].tolist()
    with torch.no_grad(), trace(model) as maps:
        model(wanted[:, :-1])
    assert worst(array(found["map"]), maps["layers.1.attention"].weights) < 1e-5


@needs_node
@both_products
def test_edges_cut_in_the_page_are_cut_in_torch(
    simd: bool, attention_only: tuple[AttentionOnly, Path]
) -> None:
    model, path = attention_only
    tokens = repeats(1, 4, period=(5, 5), length=11, vocabulary=12).tokens
    before = [(t, t - 1) for t in range(1, 11)]
    after = successors(tokens)[0]
    first, second = model.attentions
    edits = {
        first: ([list(one) for one in before], cut(1)),
        second: (after.nonzero().tolist(), cut(after)),
    }
    job = {"job": "run", "file": str(path), "simd": simd, "graph": "model"}
    job |= {"inputs": {"tokens": literal(tokens)}, "want": ["output", first, second]}
    seen = []
    for chosen in ([], [first], [second], [first, second]):
        (found,) = engine(job | {"edit": [{"at": name, "cut": edits[name][0]} for name in chosen]})
        with torch.no_grad(), trace(model, edit={name: edits[name][1] for name in chosen}) as maps:
            logits = model(tokens)
        assert worst(array(found["output"]), logits) < 1e-4
        for name in (first, second):
            assert worst(array(found[name]), maps[name].weights) < 1e-5
        seen.append(logits)
    assert all((one - seen[0]).abs().max() > 1e-3 for one in seen[1:]), "or the cuts show nothing"


def test_the_sampling_fixture_is_what_the_package_makes() -> None:
    made = runpy.run_path(str(FIXTURES / "make_sampling.py"))["fixture"]()
    written = json.loads((FIXTURES / "sampling.json").read_text("utf-8"))
    assert {**made, "cases": 0} == {**written, "cases": 0}, "run web/tests/fixtures/make_sampling.py"
    for one, other in zip(made["cases"], written["cases"], strict=True):
        assert one["odds"] == pytest.approx(other["odds"], abs=1e-9)
        assert {**one, "odds": 0} == {**other, "odds": 0}
