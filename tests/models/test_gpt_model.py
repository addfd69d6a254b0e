"""GPT-2 and GPT-1: against transformers' own, with and without a cache, and what sampling draws from."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from tfedu import weights
from tfedu.attention import Causal
from tfedu.models.gpt import GPT, GPTConfig, _names, distribution
from tfedu.trace import ablate, pin, replace, trace

V, CONTEXT, D, HEADS, LAYERS = 19, 12, 12, 2, 2
NORMS = ["pre", "post"]


def randomise(model: nn.Module) -> None:
    """Biases and gains too: at their start they hide mistakes."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)


def make(seed: int = 0, **options: object) -> GPT:
    torch.manual_seed(seed)
    base: dict = {"context": CONTEXT, "width": D, "layers": LAYERS, "heads": HEADS, "dropout": 0.0}
    model = GPT(GPTConfig(V, **(base | options))).double().eval()
    randomise(model)
    return model


def reference(norm: str, inner: int | None = None) -> nn.Module:
    torch.manual_seed(1)
    sizes: dict = {"vocab_size": V, "n_positions": CONTEXT, "n_embd": D, "n_layer": LAYERS, "n_head": HEADS}
    if norm == "pre":
        model = GPT2LMHeadModel(GPT2Config(**sizes, n_inner=inner, bos_token_id=None, eos_token_id=None))
    else:
        model = OpenAIGPTLMHeadModel(OpenAIGPTConfig(**sizes))
    randomise(model)
    return model.double().eval()


def text(rows: int = 2, length: int = 9) -> Tensor:
    return torch.randint(0, V, (rows, length))


@pytest.fixture(params=[("pre", None), ("pre", 20), ("post", None)], ids=["GPT-2", "narrow GPT-2", "GPT-1"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[GPT, nn.Module, Path]:
    """Ours, from the folder that transformers wrote of theirs."""
    theirs = reference(*request.param)
    theirs.save_pretrained(tmp_path / "theirs")
    return GPT.from_pretrained(tmp_path / "theirs").double(), theirs, tmp_path


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_is_theirs(pair: tuple[GPT, nn.Module, Path], dtype: torch.dtype) -> None:
    ours, theirs = pair[0].to(dtype), pair[1].to(dtype)
    tolerance = {"atol": 1e-10, "rtol": 1e-10} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-5}
    tokens = text()
    expected, found = theirs(tokens).logits, ours(tokens)
    scale = expected.abs().max().detach()
    torch.testing.assert_close(found / scale, expected / scale, **tolerance)

    # Gradients of every weight, theirs brought to our names.
    seed = torch.randn_like(found)
    found.backward(seed)
    expected.backward(seed)
    table, transposed = _names(ours.config)
    mine = dict(ours.named_parameters())
    assert {*table.values()} == mine.keys()
    by_name = {name.removeprefix("transformer."): p.grad for name, p in theirs.named_parameters()}
    assert by_name.keys() == table.keys()
    for name, gradient in by_name.items():
        wanted = gradient.T if name in transposed else gradient
        size = wanted.abs().max().clamp_min(1)
        got = mine[table[name]].grad
        torch.testing.assert_close(got / size, wanted / size, **tolerance, msg=name)


def test_what_we_write_they_read(pair: tuple[GPT, nn.Module, Path]) -> None:
    ours, theirs, folder = pair
    randomise(ours.float())
    ours.save_pretrained(folder / "ours")
    again = type(theirs).from_pretrained(folder / "ours", dtype=torch.float64).eval()
    tokens = text()
    back = GPT.from_pretrained(folder / "ours")
    assert (back.config.norm, back.config.eps) == (ours.config.norm, ours.config.eps)
    with torch.no_grad():
        torch.testing.assert_close(again(tokens).logits, ours.double()(tokens), atol=1e-10, rtol=1e-10)
        back.double()
        torch.testing.assert_close(back(tokens), ours(tokens), atol=0, rtol=0)


@pytest.mark.parametrize("rows", [1, 3])
def test_it_writes_what_theirs_writes(pair: tuple[GPT, nn.Module, Path], rows: int) -> None:
    ours, theirs, _ = pair
    prompt = text(rows, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, do_sample=False, pad_token_id=0
        )
    assert torch.equal(ours.generate(prompt, 8, temperature=0), wanted)


def test_the_sizes_of_the_papers() -> None:
    """The published models have 124,439,808 and 116,534,784 weights."""
    with torch.device("meta"):
        second = GPT(GPTConfig(50_257))
        first = GPT(GPTConfig(40_478, 512, norm="post"))
    assert sum(p.numel() for p in second.parameters()) == 124_439_808
    assert sum(p.numel() for p in first.parameters()) == 116_534_784


@pytest.mark.parametrize("norm", NORMS)
def test_a_later_token_changes_no_earlier_prediction(norm: str) -> None:
    model, tokens = make(norm=norm), text(1, 8)
    changed = tokens.clone()
    changed[0, 5] = (changed[0, 5] + 1) % V
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@settings(max_examples=30, deadline=None)
@given(
    norm=st.sampled_from(NORMS),
    chunks=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_cached_is_uncached(norm: str, chunks: list[int], seed: int) -> None:
    model = make(seed, norm=norm)
    tokens, past, found = text(2, sum(chunks)), None, []
    with trace(model) as stepwise:
        for piece in tokens.split(chunks, dim=1):
            logits, past = model.decode(piece, past)
            found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), model(tokens), atol=1e-10, rtol=1e-10)
    assert past is not None
    assert past[0].keys.shape == (2, HEADS, sum(chunks), D // HEADS)
    with trace(model) as whole:
        traced = model(tokens)
    torch.testing.assert_close(traced, model(tokens), atol=1e-10, rtol=1e-10)
    assert [*whole] == [f"layers.{i}.attention" for i in range(LAYERS)]
    for name in whole:
        torch.testing.assert_close(stepwise[name].weights, whole[name].weights, atol=1e-10, rtol=1e-10)
        assert (whole[name].weights.triu(1) == 0).all()


def test_an_edit_means_the_same_step_by_step() -> None:
    model, tokens = make(), text(1, 6)
    given_map = torch.rand(HEADS, 6, 6, dtype=torch.float64).tril()
    for edit in (ablate(1), pin(4, 2, head=0), replace(given_map)):
        with trace(model, edit={"layers.1.attention": edit}):
            whole = model(tokens)
        with trace(model, edit={"layers.1.attention": edit}):
            past, steps = None, []
            for token in tokens.split(1, dim=1):
                logits, past = model.decode(token, past)
                steps.append(logits)
        torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-10, rtol=1e-10)
        assert (whole - model(tokens)).abs().max() > 1e-6


def test_untraced_never_makes_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Causal, "weights", lambda *_: pytest.fail("the map was made without a trace"))
    make().generate(text(2, 3), 5)


def naive(model: GPT, tokens: list[int], length: int) -> list[int]:
    """Greedy writing without a cache, the older half forgotten whenever the context is full."""
    start, longest = 0, model.config.context
    for _ in range(length):
        if len(tokens) - start > longest:
            start = len(tokens) - max(1, longest // 2)
        seen = torch.tensor([tokens[start:]], dtype=torch.long)
        tokens = [*tokens, int(model(seen)[0, -1].argmax())]
    return tokens


@settings(max_examples=25, deadline=None)
@given(
    norm=st.sampled_from(NORMS),
    seed=st.integers(0, 10_000),
    begun=st.integers(1, CONTEXT),
    length=st.integers(0, 30),
    context=st.sampled_from([1, 2, 5, CONTEXT]),
)
def test_greedy_is_the_naive_way_also_beyond_the_context(
    norm: str, seed: int, begun: int, length: int, context: int
) -> None:
    model = make(seed, norm=norm, context=context)
    prompt = text(1, min(begun, context))
    assert model.generate(prompt, length, temperature=0)[0].tolist() == naive(
        model, prompt[0].tolist(), length
    )


def test_a_long_prompt_is_read_from_its_end() -> None:
    model, prompt = make(), text(1, 2 * CONTEXT)
    short = model.generate(prompt[:, -CONTEXT:], 6, temperature=0)
    assert torch.equal(model.generate(prompt, 6, temperature=0)[:, CONTEXT:], short)


def test_a_seed_repeats_a_text_and_rows_do_not_depend_on_each_other() -> None:
    model, prompt = make(), text(3, 4)
    once = model.generate(prompt, 20, seed=3)
    assert torch.equal(once, model.generate(prompt, 20, seed=3))
    assert not torch.equal(once, model.generate(prompt, 20, seed=4))
    greedy = model.generate(prompt, 20, temperature=0)
    for row in range(3):
        assert torch.equal(greedy[row : row + 1], model.generate(prompt[row : row + 1], 20, temperature=0))
    assert (once[:, :4] == prompt).all()
    unwanted = [0, 3, 5]
    written = model.generate(prompt, 20, never=unwanted)[:, 4:]
    assert not torch.isin(written, torch.tensor(unwanted)).any()


def test_writing_leaves_the_model_in_training_mode() -> None:
    model = make(dropout=0.5).train()
    prompt = text(1, 3)
    assert torch.equal(model.generate(prompt, 6, temperature=0), model.generate(prompt, 6, temperature=0))
    assert model.training


ODDS = torch.tensor([0.5, 0.25, 0.15, 0.06, 0.04], dtype=torch.float64)


def test_what_is_drawn_from_by_hand() -> None:
    logits = ODDS.log()
    cold = (ODDS**2) / (ODDS**2).sum()
    for settings_, wanted in (
        ({}, ODDS),
        ({"temperature": 0.5}, cold),
        ({"temperature": 0}, torch.tensor([1.0, 0, 0, 0, 0])),
        ({"top_k": 2}, torch.tensor([2 / 3, 1 / 3, 0, 0, 0])),
        ({"top_k": 9}, ODDS),
        ({"top_p": 0.5}, torch.tensor([1.0, 0, 0, 0, 0])),  # the first holds enough
        ({"top_p": 0.51}, torch.tensor([2 / 3, 1 / 3, 0, 0, 0])),
        ({"top_p": 1.0}, ODDS),
        ({"top_k": 3, "top_p": 0.8}, torch.tensor([2 / 3, 1 / 3, 0, 0, 0])),  # .56 and .28 of what is left
    ):
        found = distribution(logits, **settings_)
        torch.testing.assert_close(found, wanted.double(), atol=1e-7, rtol=0, msg=str(settings_))
    ties = distribution(torch.zeros(4), top_k=2)
    assert (ties == 0.25).all()


@settings(max_examples=60, deadline=None)
@given(
    logits=st.lists(st.floats(-20, 20), min_size=1, max_size=12),
    temperature=st.floats(0.1, 5),
    k=st.integers(1, 14),
    p=st.floats(0.01, 1),
)
def test_laws_of_sampling(logits: list[float], temperature: float, k: int, p: float) -> None:
    given_logits = torch.tensor(logits, dtype=torch.float64)
    plain = (given_logits / temperature).softmax(-1)
    found = distribution(given_logits, temperature, k, p)
    assert abs(found.sum().item() - 1) < 1e-9
    assert (found[plain == plain.max()] > 0).any()  # the likeliest always stays; of equals, one at least
    kept = found > 0
    if kept.any() and (~kept).any():  # nothing kept is less likely than something cut
        assert plain[kept].min() >= plain[~kept].max() - 1e-12
    ratio = found[kept] / plain[kept]  # what is kept keeps its proportions
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), atol=1e-7, rtol=1e-7)
    nucleus = distribution(given_logits, temperature, top_p=p) > 0
    assert plain[nucleus].sum() >= min(p, 1) - 1e-9  # enough is kept, and not one more than is needed
    assert nucleus.sum() == 1 or plain[nucleus].sum() - plain[nucleus].min() < p + 1e-9


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_wrong_sampling_is_named(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"temperature .* must be at least 0"):
        distribution(torch.zeros(3), **wrong)


def test_saved_and_read_back(tmp_path: Path) -> None:
    model = make(norm="post").float()
    path = tmp_path / "small.safetensors"
    weights.save(path, model, model.config, dtype=torch.float32)
    again, tokens = GPT.from_pretrained(path), text()
    assert again.config == model.config
    torch.testing.assert_close(again(tokens), model(tokens), atol=0, rtol=0)
    assert not again.training
    with pytest.raises(weights.CheckpointError, match="no checkpoint 'gpt-nothing'"):
        GPT.from_pretrained("gpt-nothing")


def rewrite(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_foreign_folders_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    reference("pre").save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    # What older files hold beside the weights: the stored triangle, and the output matrix a second time.
    old = {name.removeprefix("transformer."): t for name, t in tensors.items()}
    old |= {"h.0.attn.bias": torch.ones(1, 1, 4, 4), "h.1.attn.masked_bias": torch.tensor(-1e4)}
    old |= {"lm_head.weight": old["wte.weight"].clone()}
    tokens = text()
    expected = GPT.from_pretrained(tmp_path)(tokens)
    save_file(old, file)
    torch.testing.assert_close(GPT.from_pretrained(tmp_path)(tokens), expected, atol=0, rtol=0)

    save_file({name: t for name, t in old.items() if name != "h.1.mlp.c_fc.bias"}, file)
    with pytest.raises(weights.CheckpointError, match=r"missing h\.1\.mlp\.c_fc\.bias"):
        GPT.from_pretrained(tmp_path)
    save_file(old | {"h.0.strange": torch.ones(1)}, file)
    with pytest.raises(weights.CheckpointError, match=r"unknown h\.0\.strange"):
        GPT.from_pretrained(tmp_path)
    save_file(old | {"wpe.weight": torch.ones(3, D)}, file)
    with pytest.raises(weights.CheckpointError, match=r"positions\.table is \(3, 12\), not \(12, 12\)"):
        GPT.from_pretrained(tmp_path)
    save_file(old, file)
    for change in ({"activation_function": "relu"}, {"scale_attn_by_inverse_layer_idx": True}):
        rewrite(tmp_path, **change)
        with pytest.raises(weights.CheckpointError, match="is no plain GPT: " + next(iter(change))):
            GPT.from_pretrained(tmp_path)
        rewrite(tmp_path, activation_function="gelu_new", scale_attn_by_inverse_layer_idx=False)
    rewrite(tmp_path, model_type="bert")
    with pytest.raises(weights.CheckpointError, match="holds a bert, not a gpt2 or openai-gpt"):
        GPT.from_pretrained(tmp_path)


def test_bad_input_is_named() -> None:
    model = make()
    with pytest.raises(ValueError, match="norm is 'middle'; choose one of pre, post"):
        make(norm="middle")
    with pytest.raises(ValueError, match="5 heads do not divide a width of 12"):
        make(heads=5)
    with pytest.raises(ValueError, match="position 12 was never learned"):
        model(text(1, CONTEXT + 1))
    with pytest.raises(ValueError, match="begin with at least one"):
        model.generate(text(1, 0), 3)
    with pytest.raises(ValueError, match="four times its width"):
        make(norm="post", feed_forward=20).save_pretrained("unused")
