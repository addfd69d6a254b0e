import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from tfedu import weights
from tfedu.attention import Additive, Mechanism, MultiHeadAttention
from tfedu.data import grammar
from tfedu.data.pictures import normalised
from tfedu.data.text import BOS, EOS, PAD, WordTokenizer
from tfedu.live import ENGINE_OPERATORS, ExportError, Graph, UnsupportedOperatorError, export, export_graphs
from tfedu.live.__main__ import main
from tfedu.live.pictures import answers, export_pictures
from tfedu.live.referee import header, to_onnx
from tfedu.live.translator import export_translator
from tfedu.models.deit import DeiT
from tfedu.models.resnet import ResNet, ResNetConfig
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.models.swin import Swin, SwinConfig
from tfedu.models.vit import ViT, ViTConfig
from tfedu.trace import replace, trace
from tfedu.translator import Translator

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "data" / "live").glob("*.live.safetensors"))
GRAMMAR = "translate-grammar-additive-seed0"

Run = Callable[..., dict[str, np.ndarray]]


def runner(path: Path, graph: str = "model", given: tuple[str, ...] = ()) -> Run:
    """One graph of a live file in onnxruntime, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    proto = to_onnx(path, graph, given)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    outputs = [one.name for one in session.get_outputs()]

    def run(**inputs: Tensor | np.ndarray) -> dict[str, np.ndarray]:
        found = session.run(outputs, {name: np.asarray(x) for name, x in inputs.items()})
        return dict(zip(outputs, found, strict=True))

    return run


def worst(a: np.ndarray | Tensor, b: np.ndarray | Tensor) -> float:
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    return float(np.abs(a - b).max())


def translate(path: Path, source: list[int]) -> tuple[list[int], np.ndarray | None]:
    """What the page does: "encode" once, "step" for each word, greedily; and the last map across, row by row."""
    encode, step = runner(path, "encode"), runner(path, "step")
    ports = header(path)[0]["step"]["inputs"]
    driver = json.loads(header(path)[1]["translator"])
    read = encode(source=np.array([source]))
    seen = {}
    for port in ports[1:]:  # what "encode" made, and nothing yet of what the steps keep
        empty = np.zeros([n if isinstance(n, int) else 0 for n in port["shape"]], np.float32)
        seen[port["name"]] = read.get(port["name"], empty)
    across = [value for name, value in header(path)[0]["step"]["maps"].items() if "self" not in name]
    word, ids, rows = driver["bos"], [], []
    for _ in range(driver["longest"][0] * len(source) + driver["longest"][1]):
        out = step(word=np.array([[word]]), **seen)
        logits = out["logits"][0, 0]
        logits[driver["never"]] = -np.inf
        word = int(logits.argmax())
        rows.append(out[across[-1]] if across else None)
        seen |= {name: out[f"next_{name}"] for name in seen if f"next_{name}" in out}
        if word == driver["eos"]:
            break
        ids.append(word)
    return ids, None if rows[0] is None else np.concatenate(rows, axis=2)


# -- translators ------------------------------------------------------------------------------------------


def random_translator(**settings: object) -> Translator:
    torch.manual_seed(1)
    tokenizer = WordTokenizer([f"w{i}" for i in range(26)])
    config = Seq2SeqConfig(30, 30, embedding=8, hidden=12, **settings)  # type: ignore[arg-type]
    model = Seq2Seq(config)
    for parameter in model.parameters():  # large enough that a wrong gate order shows
        nn.init.normal_(parameter, std=0.5)
    return Translator(model, tokenizer, tokenizer)


KINDS = {
    "reversed": {"attention": "none", "cell": "lstm", "bidirectional": False, "reverse_source": True},
    "blind": {"attention": "none", "cell": "gru", "layers": 2},
    "dot": {"attention": "dot", "cell": "gru", "layers": 2},
    "general": {"attention": "general", "cell": "lstm"},
    "additive": {"attention": "additive", "cell": "lstm", "layers": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_translator_equals_torch_step_by_step(kind: str, tmp_path: Path) -> None:
    translator = random_translator(**KINDS[kind])
    storage = [(False, 1e-5), (True, 1e-2)] if kind == "dot" else [(False, 1e-5)]
    for half, close in storage:
        path = export_translator(translator, tmp_path / "t.live.safetensors", half=half)
        encode, step = runner(path, "encode"), runner(path, "step")
        for length in (1, 2, 7, 23):
            source = torch.randint(4, 30, (1, length))
            seen = encode(source=source)
            with torch.no_grad():
                state, memory = translator.model.encode(source)
                if memory is not None:
                    assert worst(seen["keys"], memory.keys.keys) < close
                for word in (BOS, 7):
                    with trace(translator.model) if memory is not None else torch.no_grad() as maps:
                        logits, state = translator.model.decoder(torch.tensor([[word]]), state, memory)
                    out = step(word=np.array([[word]]), **seen)
                    assert worst(out["logits"], logits) < close
                    if memory is not None:
                        assert worst(out["map"], maps["decoder.attention"].weights) < min(close, 2e-3)
                    seen |= {name: out[f"next_{name}"] for name in ("state", "cell") if name in seen}


@pytest.fixture(scope="module")
def shipped_translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    assert main([GRAMMAR, "--out", str(folder)]) == 0
    return folder / f"{GRAMMAR}.live.safetensors"


@pytest.mark.parametrize(
    "shipped", ["exported now", *(path.name for path in SHIPPED if path.name.startswith("translate-"))]
)
def test_the_same_translations_and_maps(
    shipped: str, shipped_translator: Path, whole: Callable[[str], Path]
) -> None:
    name = GRAMMAR if shipped == "exported now" else shipped.removesuffix(".live.safetensors")
    path = shipped_translator if shipped == "exported now" else whole(name)
    assert path.stat().st_size <= 5e6
    translator = Translator.from_pretrained(name)
    if "grammar" in name:
        texts = [" ".join(pair.source) for pair in grammar.corpus(12, lengths=(4, 25), seed=99)]
    else:
        texts = ["Ein Mann liest ein Buch.", "Zwei Hunde spielen im Schnee.", "Straße", "☃ unbekannt"]
    for text in texts:
        ids = translator.source.encode(text)
        expected = translator.model.translate(torch.tensor([ids]))[0]
        found, rows = translate(path, ids)
        assert found == expected
        if not translator.model.cross_attentions:
            assert rows is None
            continue
        (attention,) = translator.heads([(ids, expected)])
        assert rows is not None
        assert worst(rows[0], attention) < 1e-3
    texts_of_file = header(path)[1]
    assert texts_of_file["source_tokenizer"] == translator.source.to_json()
    assert texts_of_file["target_tokenizer"] == translator.target.to_json()
    assert json.loads(texts_of_file["card"]) == weights.card(name)
    graphs = header(path)[0]
    assert set(translator.model.cross_attentions) <= graphs["step"]["maps"].keys()
    driver = json.loads(texts_of_file["translator"])
    assert (driver["pad"], driver["bos"], driver["eos"]) == (PAD, BOS, EOS)


def test_an_edited_map_changes_the_next_word_as_in_torch(shipped_translator: Path) -> None:
    translator = Translator.from_pretrained(GRAMMAR)
    ids = torch.tensor([translator.source.encode(grammar.corpus(1, seed=3)[0].source)])
    mine = F.one_hot(torch.tensor([1]), ids.shape[1]).float().view(1, 1, 1, -1)
    seen = runner(shipped_translator, "encode")(source=ids)
    edited = runner(shipped_translator, "step", given=("map",))(word=np.array([[BOS]]), map=mine, **seen)
    free = runner(shipped_translator, "step")(word=np.array([[BOS]]), **seen)
    with torch.no_grad(), trace(translator.model, edit={"decoder.attention": replace(mine[0])}):
        logits, _ = translator.model.decoder(torch.tensor([[BOS]]), *translator.model.encode(ids))
    assert worst(edited["logits"], logits) < 1e-3
    assert worst(edited["logits"], free["logits"]) > 0.1


# -- any model --------------------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, mechanism: Mechanism | None = None, causal: bool = False) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(16, 2, mechanism)
        self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        T = x.shape[1]
        mask = torch.ones(1, T, T, dtype=torch.bool).tril() if self.causal else None
        x = x + self.attention(self.norms[0](x), mask=mask)
        return x + self.mlp(self.norms[1](x))


class Language(nn.Module):
    """A causal language model whose logits reuse the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(100, 16), nn.Embedding(32, 16)
        self.layers = nn.ModuleList([Block(causal=True), Block(Additive(8, 8, 8))])

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        for layer in self.layers:
            x = layer(x)
        return F.linear(x, self.words.weight)


class Picture(nn.Module):
    """Patches, windows rolled by two and merged, classes: what image models are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 2, 2)
        self.start = nn.Parameter(torch.randn(1, 1, 16))
        self.block, self.classes = Block(), nn.Linear(16, 10)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        grid = self.patch(image).permute(0, 2, 3, 1).roll((-2, -2), (1, 2))
        windows = grid.view(1, 2, 4, 2, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(4, 16, 16)
        x = self.block(torch.cat([self.start.expand(4, -1, -1), windows], dim=1))
        return self.classes(x[:, 0].mean(0)).softmax(-1), x[:, 1:].amax(1)


def randomised(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path, Path]:
    folder = tmp_path_factory.mktemp("language")
    model = randomised(Language())
    full, half = (
        export(
            model,
            torch.randint(100, (1, 6)),
            folder / f"{half}.live.safetensors",
            dynamic={"tokens": {1: "T"}},
            half=half,
        )
        for half in (False, True)
    )
    return model, full, half


def test_a_language_model_of_any_length(language: tuple[nn.Module, Path, Path]) -> None:
    model, full, half = language
    for path, close in ((full, 1e-5), (half, 2e-2)):
        run = runner(path)
        for length in (1, 2, 9, 32):
            tokens = torch.randint(100, (1, length))
            with torch.no_grad(), trace(model) as maps:
                logits = model(tokens)
            found = run(tokens=tokens)
            assert list(found) == ["output", "layers.0.attention.map", "layers.1.attention.map"]
            assert worst(found["output"], logits) < close
            for name, one in maps.items():
                assert worst(found[f"{name}.map"], one.weights) < min(close, 1e-3)


def test_an_image_model(tmp_path: Path) -> None:
    model, image = randomised(Picture()), torch.randn(1, 3, 16, 16)
    path = export(model, image, tmp_path / "p.live.safetensors", outputs=["classes", "features"], half=False)
    with torch.no_grad(), trace(model) as maps:
        expected = model(image)
    found = runner(path)(image=image)
    assert worst(found["classes"], expected[0]) < 1e-5
    assert worst(found["features"], expected[1]) < 1e-5
    assert worst(found["block.attention.map"], maps["block.attention"].weights) < 1e-5


def test_a_model_without_attention(tmp_path: Path) -> None:
    model = randomised(nn.Sequential(nn.Linear(3, 4), nn.Sigmoid()))
    path = export(model, torch.randn(2, 3), tmp_path / "m.live.safetensors", half=False)
    x = torch.randn(2, 3)
    assert worst(runner(path)(input=x)["output"], model(x).detach()) < 1e-6
    assert header(path)[0]["model"]["maps"] == {}


def test_an_edited_map_of_a_stack(language: tuple[nn.Module, Path, Path]) -> None:
    model, full, _ = language
    tokens = torch.randint(100, (1, 5))
    mine = torch.rand(1, 2, 5, 5).softmax(-1)
    for name in ("layers.0.attention", "layers.1.attention"):
        found = runner(full, given=(f"{name}.map",))(**{"tokens": tokens, f"{name}.map": mine})
        with torch.no_grad(), trace(model, edit={name: replace(mine)}):
            expected = model(tokens)
        assert worst(found["output"], expected) < 1e-5


# -- models that name pictures ----------------------------------------------------------------------------

SMALL = {"classes": 10, "image_size": 16, "patch_size": 4, "width": 16, "layers": 2, "heads": 2}
CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "vit": lambda: ViT(ViTConfig(**SMALL)),
    "vit, mean, sinusoids": lambda: ViT(ViTConfig(**SMALL, pool="mean", positions="sinusoidal")),
    "deit": lambda: DeiT(ViTConfig(**SMALL)),
    "swin": lambda: Swin(SwinConfig(10, 16, 2, width=8, depths=(2, 2), heads=(2, 4), window=4)),
    "resnet": lambda: ResNet(ResNetConfig(widths=(4, 8), blocks=(1, 2))),
}


def classifier(kind: str) -> nn.Module:
    """With random weights, and random statistics where it keeps any."""
    model = randomised(CLASSIFIERS[kind]())
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
    return model


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_picture_classifier_equals_torch(kind: str, tmp_path: Path) -> None:
    model, picture = classifier(kind), torch.rand(1, 3, 16, 16)
    path = export_pictures(model, tmp_path / "p.live.safetensors", size=16, half=False)
    with torch.no_grad():
        expected = answers(model(normalised(picture)))
    found = runner(path)(picture=picture)
    names = ["logits", "class_logits", "distillation_logits"][: len(expected)]
    assert list(found)[: len(names)] == names
    for name, wanted in zip(names, expected, strict=True):
        assert worst(found[name], wanted) < 1e-5 * max(1.0, float(wanted.abs().max()))
    graphs, texts = header(path)
    told = json.loads(texts["pictures"])
    assert len(told["classes"]) == 10
    if kind == "resnet":
        assert graphs["model"]["maps"] == {}
        assert told["patch"] == told["prefix"] == 0
        return
    assert told["prefix"] == {"vit": 1, "deit": 2}.get(kind, 0)
    with torch.no_grad(), trace(model) as maps:
        model(normalised(picture))
    assert list(graphs["model"]["maps"]) == list(maps)
    for name, one in maps.items():
        assert worst(found[f"{name}.map"], one.weights) < 1e-5
    second = list(maps)[1]  # in Swin, the first whose windows are shifted
    mine = torch.rand_like(maps[second].weights).softmax(-1)
    edited = runner(path, given=(f"{second}.map",))(**{"picture": picture, f"{second}.map": mine})
    with torch.no_grad(), trace(model, edit={second: replace(mine)}):
        wanted = answers(model(normalised(picture)))[0]
    assert worst(edited["logits"], wanted) < 1e-5 * max(1.0, float(wanted.abs().max()))


def test_a_models_own_parameters_keep_their_names(tmp_path: Path) -> None:
    path = export_pictures(classifier("deit"), tmp_path / "d.live.safetensors", size=16)
    with safe_open(path, framework="np") as file:
        assert {"class_token", "distillation_token", "position_table"} <= set(file.keys())


def test_what_names_no_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="names no pictures; ViT"):
        export_pictures(GRAMMAR, tmp_path / "p.live.safetensors")
    with pytest.raises(ExportError, match="10 classes apart, but 2 names"):
        export_pictures(classifier("vit"), tmp_path / "p.live.safetensors", size=16, classes=["a", "b"])
    blind = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    with pytest.raises(ValueError, match="running statistics"):
        export(blind, torch.rand(1, 3, 8, 8), tmp_path / "b.live.safetensors")


# -- the file ---------------------------------------------------------------------------------------------


def test_reads_as_the_model_is_written(language: tuple[nn.Module, Path, Path]) -> None:
    graph = header(language[1])[0]["model"]
    assert graph["inputs"] == [{"name": "tokens", "dtype": "int64", "shape": [1, "T"]}]
    assert graph["outputs"][0] == {"name": "output", "dtype": "float32", "shape": [1, "T", 100]}
    assert graph["outputs"][1]["shape"] == [1, 2, "T", "T"]
    assert graph["maps"] == {f"layers.{i}.attention": f"layers.{i}.attention.map" for i in (0, 1)}
    known = dict(language[0].named_modules())
    taps = {node["tap"] for node in graph["nodes"] if "tap" in node}
    assert taps <= set(known)
    assert {"words", "layers.0.attention.query", "layers.1.mlp.2"} <= taps
    made = [value for node in graph["nodes"] for value in node["outputs"]]
    assert len(set(made)) == len(made)
    assert "layers.1.norms.1.layernormalization" in made
    assert not [value for value in made if re.match(r"val_|.*_\d{3}", value)]
    # Every node finds its inputs made before it.
    with safe_open(language[1], framework="np") as file:
        ready = {"", *file.keys(), *graph["constants"], "tokens"}
    for node in graph["nodes"]:
        assert set(node["inputs"]) <= ready
        ready.update(node["outputs"])
    assert all(len(one["data"]) <= 16 for one in graph["constants"].values())
    epsilons = [
        node["attributes"]["epsilon"] for node in graph["nodes"] if node["op"] == "LayerNormalization"
    ]
    assert epsilons == [1e-5] * 4


def test_each_weight_is_stored_once_and_nothing_else(
    language: tuple[nn.Module, Path, Path], shipped_translator: Path
) -> None:
    translator = Translator.from_pretrained(GRAMMAR)
    for path, model in ((language[2], language[0]), (shipped_translator, translator.model)):
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
        stored = sum(tensor.size for tensor in tensors.values())
        parameters = sum(parameter.numel() for parameter in model.parameters())
        assert parameters - 64 <= stored <= parameters + 256  # beside them, a recurrence's first state


def test_tells_nothing_of_the_machine(
    language: tuple[nn.Module, Path, Path], shipped_translator: Path
) -> None:
    for path in (language[1], shipped_translator, *SHIPPED):
        raw = path.read_bytes()
        text = raw[8 : 8 + int.from_bytes(raw[:8], "little")].decode()
        for trail in (str(ROOT), sys.prefix, str(Path.home()), "site-packages", ".py", "Traceback", "File "):
            assert trail not in text.replace("python -m", "")
        assert "/" not in json.loads(text)["__metadata__"]["graphs"]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model, x = randomised(Block()), torch.randn(1, 4, 16)
    first, second = (
        export(model, x, tmp_path / name, dynamic={"x": {1: "T"}}, extras={"b": "2", "a": "1"}).read_bytes()
        for name in ("a.live.safetensors", "b.live.safetensors")
    )
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.live.safetensors", "b.live.safetensors"]
    size = int.from_bytes(first[:8], "little")
    assert size % 8 == 0
    assert header(tmp_path / "a.live.safetensors")[1] == {"a": "1", "b": "2"}


def test_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = random_translator(**KINDS["additive"]).model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    export_graphs(
        {"encode": (Encoder(model), (torch.tensor([[4, 5, 6]]),), {"source": {1: "S"}})},
        tmp_path / "m.live.safetensors",
    )
    assert model.training
    assert type(next(iter(model.parameters()))) is nn.Parameter
    assert all((value == state[name]).all() for name, value in model.state_dict().items())
    model(torch.tensor([[4, 5]]), torch.tensor([[1, 4]])).sum().backward()
    graph = header(tmp_path / "m.live.safetensors")[0]["encode"]
    assert graph["outputs"][0]["shape"] == [1, "S", 12]


class Encoder(nn.Module):
    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> Tensor:
        return self.model.encoder(source)[0]


def test_what_16_bits_cannot_hold_stays_in_32(tmp_path: Path) -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("shift", torch.linspace(-3e38, 1, 40))
            self.register_buffer("small", torch.linspace(-1, 1, 40))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.shift * self.small

    path = export(Large(), torch.zeros(3, 40), tmp_path / "l.live.safetensors")
    with safe_open(path, framework="np") as file:
        assert all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118
    found = runner(path)(x=torch.zeros(3, 40))["output"]
    assert np.isfinite(found).all()


# -- what cannot be exported ------------------------------------------------------------------------------


def test_the_engine_has_every_operator_that_the_exporter_allows() -> None:
    source = (ROOT / "web" / "src" / "operators.ts").read_text()
    found = re.search(r"export const OPERATORS = \[(.*?)\]", source, re.DOTALL)
    assert found
    assert set(re.findall(r'"(\w+)"', found[1])) == ENGINE_OPERATORS


def test_an_operator_that_the_engine_lacks_is_named(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.atan(x)

    with pytest.raises(UnsupportedOperatorError, match=r"Atan \(in 1\)"):
        export(nn.Sequential(nn.Linear(3, 3), Odd()), torch.randn(2, 3), tmp_path / "o.live.safetensors")
    assert not list(tmp_path.iterdir())


def test_clear_errors(tmp_path: Path) -> None:
    path = tmp_path / "e.live.safetensors"

    class Branch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(1, 5, 2, 2)

    block, x = Block(), torch.randn(1, 5, 16)
    with pytest.raises(ExportError, match="must not depend on the numbers"):
        export(Branch(), torch.randn(3), path)
    with pytest.raises(ExportError, match="free to have any length"):
        export(Fixed(), torch.randn(1, 5, 4), path, dynamic={"x": {1: "T"}})
    with pytest.raises(ExportError, match="give at least 2"):
        export(block, torch.randn(1, 1, 16), path, dynamic={"x": {1: "T"}})
    with pytest.raises(ExportError, match="axes 0 to 2; 'T' was given for axis 3"):
        export(block, x, path, dynamic={"x": {3: "T"}})
    with pytest.raises(ExportError, match="no input is named y; there are x"):
        export(block, x, path, dynamic={"y": {1: "T"}})
    with pytest.raises(ExportError, match="float64; the engine knows"):
        export(Block().double(), x.double(), path)
    with pytest.raises(ExportError, match="need names of their own"):
        export(block, x, path, outputs=["x"])
    with pytest.raises(ExportError, match="none of its outputs"):
        export_graphs({"g": Graph(nn.Linear(3, 3), (torch.randn(2, 3),), maps={"a": "map"})}, path)
    with pytest.raises(ExportError, match="must return a tensor or a tuple"):
        export(Lists(), torch.randn(3), path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"nothing")
    with pytest.raises(ExportError, match="damaged"):
        to_onnx(path)
    with pytest.raises(ExportError, match="no live file"):
        header(weights.find(GRAMMAR))


class Lists(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, x]


@pytest.mark.parametrize("copy", ["reshaped", "scaled"])
def test_a_map_that_is_only_a_copy_is_refused(copy: str, tmp_path: Path) -> None:
    class Copy(nn.Module):
        def forward(self, q: Tensor) -> tuple[Tensor, Tensor]:
            rows = (q @ q.mT / math.sqrt(4)).softmax(-1)
            return rows @ q, rows.unsqueeze(0) if copy == "reshaped" else rows * 0.5

    with pytest.raises(ExportError, match="only a copy"):
        export_graphs(
            {"g": Graph(Copy(), (torch.randn(5, 4),), outputs=["out", "map"], maps={"attention": "map"})},
            tmp_path / "c.live.safetensors",
        )


def test_the_command_line_names_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nobody", "--out", str(tmp_path)]) == 2
    assert GRAMMAR in capsys.readouterr().err


def test_the_package_needs_no_onnx_to_be_imported() -> None:
    code = "import sys, tfedu.live; sys.exit(any(name.startswith('onnx') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_graphs_and_values_that_are_not_there(language: tuple[nn.Module, Path, Path]) -> None:
    with pytest.raises(ExportError, match="no graph 'step'; it has model"):
        to_onnx(language[1], "step")
    with pytest.raises(ExportError, match="makes no value nobody"):
        to_onnx(language[1], given=("nobody",))
