"""The engine in the page against torch and onnxruntime: the built bundle, run by node, on the very files that ship."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tfedu.attention import Additive, MultiHeadAttention
from tfedu.data import grammar, stories
from tfedu.data.pictures import normalised
from tfedu.live import ENGINE_OPERATORS, export, pictures
from tfedu.live.referee import header as json_header
from tfedu.live.referee import to_onnx
from tfedu.models import transformer
from tfedu.models.resnet import ResNet, ResNetConfig
from tfedu.models.vit import ViT, ViTConfig
from tfedu.reader import Reader
from tfedu.trace import ablate, pin, trace
from tfedu.translator import Translator

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STATIC = ROOT / "tfedu" / "live" / "static"
SHIPPED = sorted(
    path.name.removesuffix(".live.safetensors")
    for path in (ROOT / "data" / "live").glob("translate-*.live.safetensors")
)
NODE = shutil.which("node")
Whole = Callable[[str], Path]

needs_node = pytest.mark.skipif(
    NODE is None, reason="node is not here; the wheel does not need it, this test does"
)
both_products = pytest.mark.parametrize("simd", [True, False], ids=["simd", "plain"])


def engine(*jobs: dict[str, Any]) -> list[Any]:
    """What the engine answers to each job; see engine.mjs."""
    command = [str(NODE), str(HERE / "engine.mjs"), (STATIC / "tfedu-live.mjs").as_uri()]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def literal(x: Tensor) -> dict[str, Any]:
    kinds = {torch.float32: "float32", torch.int64: "int64", torch.bool: "bool"}
    return {"dtype": kinds[x.dtype], "shape": list(x.shape), "data": x.flatten().tolist()}


def array(one: dict[str, Any]) -> np.ndarray:
    return np.array(one["data"], one["dtype"]).reshape(one["shape"])


def worst(a: np.ndarray | Tensor, b: np.ndarray | Tensor) -> float:
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    return float(np.abs(a - b).max())


# -- a model with a bit of everything -----------------------------------------------------------------------


class Zoo(nn.Module):
    """Recurrence in both directions, heads that attend to themselves, a causal mask, two normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 16)
        self.gru = nn.GRU(16, 12, num_layers=2, bidirectional=True, batch_first=True)
        self.lstm = nn.LSTM(24, 10, bidirectional=True, batch_first=True)
        self.project = nn.Linear(20, 24)
        self.norm = nn.LayerNorm(24, eps=1e-3)
        self.attention = MultiHeadAttention(24, 3)
        self.feed = nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 24), nn.GELU("tanh"))
        self.cross = Additive(24, 24, 18)
        self.last = nn.LayerNorm(24)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.lstm(self.gru(self.embedding(tokens))[0])[0]
        x = self.norm(self.project(x))
        T = tokens.shape[1]
        causal = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        x = x + self.attention(x, mask=causal[None])
        x = x + self.feed(self.last(x))
        return self.cross(x, x, x)


@cache
def zoo(folder: Path) -> tuple[Zoo, Path]:
    torch.manual_seed(0)
    model = Zoo().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    path = folder / "zoo.live.safetensors"
    return model, export(model, torch.arange(5)[None], path, dynamic={"tokens": {1: "T"}}, half=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@needs_node
@both_products
def test_a_model_equals_torch_at_every_length(simd: bool, folder: Path) -> None:
    model, path = zoo(folder)
    names = ["attention", "cross"]
    inputs = [torch.randint(30, (1, length)) for length in (1, 2, 5, 13, 40)]
    job = {"job": "run", "file": str(path), "simd": simd, "graph": "model", "want": ["output", *names]}
    for x, found in zip(
        inputs, engine(*(job | {"inputs": {"tokens": literal(x)}} for x in inputs)), strict=True
    ):
        with torch.no_grad(), trace(model) as maps:
            wanted = model(x)
        assert worst(array(found["output"]), wanted) < 1e-5 * max(1.0, float(wanted.abs().max()))
        for name in names:
            assert worst(array(found[name]), maps[name].weights) < 1e-5


@needs_node
@both_products
def test_edits_change_what_torch_changes(simd: bool, folder: Path) -> None:
    model, path = zoo(folder)
    x = torch.randint(30, (1, 9))
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"at": "attention", "ablate": 1}, {"attention": ablate(1)}),
        ({"at": "attention", "pin": [4, 2, 0.75, 2]}, {"attention": pin(4, 2, 0.75, head=2)}),
        ({"at": "cross", "pin": [0, 8]}, {"cross": pin(0, 8)}),
    ]
    job = {"job": "run", "file": str(path), "simd": simd, "graph": "model", "want": ["output", "attention"]}
    job["inputs"] = {"tokens": literal(x)}
    before, *found = engine(job, *(job | {"edit": [edit]} for edit, _ in cases))
    for (_, edit), after in zip(cases, found, strict=True):
        with torch.no_grad(), trace(model, edit=edit) as maps:
            wanted = model(x)
        assert worst(array(after["output"]), wanted) < 1e-5 * max(1.0, float(wanted.abs().max()))
        assert worst(array(after["attention"]), maps["attention"].weights) < 1e-5
        assert worst(array(before["output"]), array(after["output"])) > 1e-3


# -- the files that ship --------------------------------------------------------------------------------------


def sentences(name: str, translator: Translator) -> list[list[int]]:
    if "grammar" in name:
        texts = [" ".join(pair.source) for pair in grammar.corpus(12, lengths=(4, 25), seed=99)]
    else:
        texts = ["Ein Mann liest ein Buch.", "Zwei Hunde spielen im Schnee.", "Straße", "☃ unbekannt"]
    return [translator.source.encode(text) for text in texts]


@needs_node
@both_products
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_equals_onnxruntime_and_torch(name: str, simd: bool, whole: Whole) -> None:
    path = whole(name)
    translator = Translator.from_pretrained(name)
    source = torch.tensor([max(sentences(name, translator), key=len)])
    job = {"job": "run", "file": str(path), "simd": simd}
    wanted = _onnxruntime(path, "encode", source=source.numpy())
    (encoded,) = engine(
        job | {"graph": "encode", "inputs": {"source": literal(source)}, "want": list(wanted)}
    )
    for value, x in wanted.items():
        assert worst(array(encoded[value]), x) < 1e-5
    with torch.no_grad():
        read = translator.model.encode(source)
    known = (
        {"keys_0": read.layers[0].keys, "values_1": read.layers[1].values}
        if isinstance(read, transformer.Memory)
        else dict(zip(("state", "cell"), read[0] if isinstance(read[0], tuple) else read[:1], strict=False))
    )
    for value, y in known.items():
        assert worst(array(encoded[value]), y) < (1e-3 if value == "state" else 1e-2)
    ports = json_header(path)[0]["step"]["inputs"]
    inputs = {"word": literal(torch.tensor([[1]]))}
    for port in ports[1:]:  # what "encode" made, and nothing yet of what the steps keep
        empty = torch.zeros([n if isinstance(n, int) else 0 for n in port["shape"]])
        inputs[port["name"]] = encoded.get(port["name"], literal(empty))
    wanted = _onnxruntime(path, "step", **{value: array(one) for value, one in inputs.items()})
    assert "logits" in wanted
    assert any(value.startswith("next_") for value in wanted)
    (step,) = engine(job | {"graph": "step", "inputs": inputs, "want": list(wanted)})
    for value, x in wanted.items():
        assert worst(array(step[value]), x) < 1e-5 * max(1.0, float(np.abs(x).max()))


@needs_node
@both_products
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_translates_as_torch_does(name: str, simd: bool, whole: Whole) -> None:
    translator = Translator.from_pretrained(name)
    sources = sentences(name, translator)
    job = {"job": "translate", "file": str(whole(name)), "simd": simd, "sources": sources}
    (found,) = engine(job)
    for source, one in zip(sources, found, strict=True):
        wanted = translator.model.translate(torch.tensor([source]))[0]
        assert one["tokens"] == wanted
        if not translator.model.cross_attentions:
            assert one["map"] is None
        elif wanted and len(wanted) < 2 * len(source) + 10:  # at the longest there is no row for the end
            assert worst(array(one["map"])[0], translator.heads([(source, wanted)])[0]) < 1e-3


@needs_node
@both_products
@pytest.mark.parametrize("sentences", [1, 2, 9])
def test_the_shipped_memory_network_equals_onnxruntime_and_torch(
    sentences: int, simd: bool, whole: Whole
) -> None:
    path = whole("memn2n-stories-seed0")
    reader = Reader.from_pretrained("memn2n-stories-seed0")
    told = stories.corpus(1, "two", seed=sentences)[0]
    told_of = (told.sentences * 2)[:sentences]
    story = torch.tensor([[reader.words.encode(words) for words in ((*s, "<pad>")[:5] for s in told_of)]])
    story[story == 3] = 0  # the words of a short sentence end with padding
    question = torch.tensor([[*reader.words.encode(told.question), 0, 0, 0]])
    inputs = {"story": story, "question": question}
    wanted = _onnxruntime(path, "model", **{name: x.numpy() for name, x in inputs.items()})
    assert set(wanted) == {"logits", "hop.0.map", "hop.1.map", "hop.2.map"}
    written = {name: literal(x) for name, x in inputs.items()}
    job = {"job": "run", "file": str(path), "simd": simd, "graph": "model", "inputs": written}
    (found,) = engine(job | {"want": list(wanted)})
    with torch.no_grad():
        torch_says = reader.model(story, question)
    for name, x in wanted.items():
        assert worst(array(found[name]), x) < 1e-5 * max(1.0, float(np.abs(x).max()))
    assert worst(array(found["logits"]), torch_says) < 2e-2  # the page has 16 bits


SEEING = sorted(
    path.name.removesuffix(".live.safetensors")
    for kind in ("vit", "deit", "swin", "resnet")
    for path in (ROOT / "data" / "live").glob(f"{kind}-*.live.safetensors")
)


@needs_node
@pytest.mark.parametrize("name", ["a small ViT", "a small ResNet", *SEEING])
def test_a_picture_classifier_equals_onnxruntime_and_torch(name: str, folder: Path, whole: Whole) -> None:
    torch.manual_seed(2)
    if name in SEEING:
        model, path, size, close = pictures.load(name), whole(name), 32, 3e-2  # the page has 16 bits
    else:
        small = ViTConfig(classes=10, image_size=16, patch_size=4, width=24, layers=2, heads=3)
        model = ViT(small) if "ViT" in name else ResNet(ResNetConfig(widths=(6, 10), blocks=(1, 2), stride=2))
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -1, 1)
                nn.init.uniform_(part.running_var, 0.5, 2)
        path, size, close = folder / f"{name[8:]}.live.safetensors", 16, 1e-4
        pictures.export_pictures(model.eval(), path, size=size, half=False)
    picture = torch.rand(1, 3, size, size)
    wanted = _onnxruntime(path, "model", picture=picture.numpy())
    job = {"job": "run", "file": str(path), "graph": "model", "inputs": {"picture": literal(picture)}}
    for found in engine(*(job | {"simd": simd, "want": list(wanted)} for simd in (True, False))):
        for value, x in wanted.items():
            assert worst(array(found[value]), x) < 1e-4 * max(1.0, float(np.abs(x).max()))
        with torch.no_grad():
            torch_says = pictures.answers(model(normalised(picture)))[0]
        assert worst(array(found["logits"]), torch_says) < close * max(1.0, float(torch_says.abs().max()))


def _onnxruntime(path: Path, graph: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(to_onnx(path, graph).SerializeToString())
    outputs = [one.name for one in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, inputs), strict=True))


# -- the bundle -------------------------------------------------------------------------------------------------


@needs_node
def test_the_exporter_knows_what_the_engine_can_do() -> None:
    assert set(engine({"job": "operators"})[0]) == ENGINE_OPERATORS


@pytest.mark.parametrize("name", ["tfedu-live.js", "tfedu-live.mjs"])
def test_the_bundle_is_small_and_asks_nothing_of_another_host(name: str) -> None:
    contents = (STATIC / name).read_bytes()
    assert len(gzip.compress(contents)) <= 40_000
    assert b"http://" not in contents
    assert b"https://" not in contents
