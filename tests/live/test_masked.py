"""Models that fill blanks: their graph in onnxruntime, and in the page's engine, which reads texts by itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_engine import array, both_products, engine, needs_node
from test_export import runner, worst
from torch import nn

from tfedu import weights
from tfedu.data.wordpiece import WordPiece
from tfedu.live import ExportError
from tfedu.live.masked import BlankFiller, export_masked, label, parts
from tfedu.live.referee import header
from tfedu.models.bert import BERTConfig, BERTForMaskedLM
from tfedu.models.distilbert import DistilBERTForMaskedLM
from tfedu.trace import ablate, trace

LONGEST, HEADS, LAYERS = 24, 3, 2
WORDS = WordPiece.train(
    ["a man plays the guitar in the park", "two dogs play in the snow , not here ."] * 3, 90
)
TEXTS = ["a man _ the guitar .", "two ___ play, [MASK] here!", "_", "guitarplaying dogs ☃ in the _"]
SHIPPED = [
    path.name.removesuffix(".live.safetensors")
    for path in sorted((weights.data_dir() / "live").glob("*.live.safetensors"))
    if "masked" in header(path)[1]
]


@pytest.fixture(scope="module", params=[BERTForMaskedLM, DistilBERTForMaskedLM])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(3)
    config = BERTConfig(len(WORDS), 12, LAYERS, HEADS, 20, longest=LONGEST)
    if request.param is DistilBERTForMaskedLM:
        config = BERTConfig(len(WORDS), 12, LAYERS, HEADS, 20, longest=LONGEST, token_types=0, pooler=False)
    model = request.param(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    path = tmp_path_factory.mktemp("masked") / "model.live.safetensors"
    return model, export_masked(model, path, words=WORDS, half=False)


def test_the_graph_equals_torch_at_every_length_and_under_every_mask(made: tuple[nn.Module, Path]) -> None:
    model, path = made
    run = runner(path)
    for length in (1, 2, 7, LONGEST):
        tokens = torch.randint(len(WORDS), (1, length))
        for mask in (torch.ones(1, length, length, dtype=torch.bool), torch.rand(1, length, length) < 0.6):
            with torch.no_grad(), trace(model) as maps:
                logits = model(tokens, mask)
            out = run(tokens=tokens, mask=mask)
            assert worst(out["logits"], logits) < 1e-4
            for name, one in maps.items():
                assert worst(out[f"{name}.map"], one.weights) < 1e-5


def test_what_the_file_says(made: tuple[nn.Module, Path]) -> None:
    model, path = made
    graphs, texts = header(path)
    assert [one["name"] for one in graphs["model"]["inputs"]] == ["tokens", "mask"]
    assert len(graphs["model"]["maps"]) == LAYERS
    assert json.loads(texts["masked"]) == {
        "pad": WORDS.pad, "unk": WORDS.unk, "cls": WORDS.cls, "sep": WORDS.sep, "mask": WORDS.mask,
        "longest": LONGEST,
    }  # fmt: skip
    assert WordPiece.from_json(texts["tokenizer"]).encode("the park") == WORDS.encode("the park")
    parameters = sum(p.numel() for p in model.parameters())
    assert path.stat().st_size < 4 * parameters + 40_000  # the token vectors, used twice, are there once
    with pytest.raises(ExportError, match="tokenizer"):
        export_masked(model, path)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="fills no blanks"):
        export_masked("memn2n-stories-seed0", tmp_path / "a.live.safetensors")


@needs_node
@both_products
def test_the_page_reads_a_text_as_torch_does(simd: bool, made: tuple[nn.Module, Path]) -> None:
    model, path = made
    name = list(header(path)[0]["model"]["maps"])[1]
    cases: list[tuple[dict[str, Any], list[int], dict[str, Any]]] = [
        ({}, [], {}),
        ({"hidden": [2, 3]}, [2, 3], {}),
        ({"edit": [{"at": name, "ablate": 2}]}, [], {name: ablate(2)}),
        ({"hidden": [1], "edit": [{"at": name, "ablate": 0}]}, [1], {name: ablate(0)}),
    ]
    jobs = [
        {"job": "fill", "file": str(path), "simd": simd, "text": text, **case}
        for text in TEXTS
        for case, _, _ in cases
    ]
    found = iter(engine(*jobs))
    for text in TEXTS:
        cut = parts(text)
        ids = [WORDS.cls]
        for part in cut:
            ids += [WORDS.mask] if part == "_" else WORDS.encode(part)
        ids.append(WORDS.sep)
        for _, hidden, edit in cases:
            one = next(found)
            assert one["parts"] == cut
            assert one["ids"] == ids
            assert one["labels"] == ["start", *map(shown, ids[1:-1]), "end"]
            mask = torch.ones(1, len(ids), len(ids), dtype=torch.bool)
            mask[:, :, [place for place in hidden if place < len(ids)]] = False
            with torch.no_grad(), trace(model, edit=edit) as maps:
                wanted = model(torch.tensor([ids]), mask)[0].softmax(-1)
            assert worst(torch.tensor(one["probabilities"]), wanted) < 1e-5
            for found_map, torch_map in zip(one["maps"], maps.values(), strict=True):
                assert worst(array(found_map), torch_map.weights) < 1e-5


def shown(one: int) -> str:
    return "_" if one == WORDS.mask else label(WORDS.tokens([one])[0])


@needs_node
@both_products
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_guesses_as_torch_does(name: str, simd: bool, whole: Callable[[str], Path]) -> None:
    path = whole(name)
    assert path.stat().st_size <= 5e6
    filler = BlankFiller(name)
    texts = ["the old man _ the book .", "two _ sleep because the king wants _ ."]
    found = engine(*({"job": "fill", "file": str(path), "simd": simd, "text": text} for text in texts))
    for text, one in zip(texts, found, strict=True):
        pieces = filler.pieces(text)
        assert (one["ids"], one["of"], one["labels"]) == (pieces.ids, pieces.of, pieces.labels)
        wanted, maps = filler.read(pieces.ids)
        assert worst(torch.tensor(one["probabilities"]), wanted) < 2e-3  # both hold what 16 bits hold
        for found_map, torch_map in zip(one["maps"], maps.values(), strict=True):
            assert worst(array(found_map)[0], torch_map) < 2e-3
        for blank in pieces.blanks:
            assert filler.guesses(wanted[blank], 1)[0][1] == float(wanted[blank].max())


@given(st.text(alphabet="aBé9 _-.,$€[]MASK☃😀ß\t\n\u0301", max_size=40))
def test_a_text_loses_nothing_but_white_space_and_marks_stand_alone(text: str) -> None:
    cut = parts(text)
    spelled = text.replace("[MASK]", "_")
    assert sum(map(len, cut)) <= len("".join(text.split()))
    assert "".join(one for one in cut if one != "_") == "".join(spelled.replace("_", "").split())
    assert all(len(one) == 1 or not any(mark in one for mark in "_-.,$[]") for one in cut)
