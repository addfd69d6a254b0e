"""Attention alone: against GPT-2 and GPT-J with their feed-forward silenced, and as a sum over paths."""

import pytest
import torch
from torch import Tensor, nn

from tfedu import weights
from tfedu.models.attention_only import AttentionOnly, AttentionOnlyConfig
from tfedu.trace import trace

V, D, HEADS, LAYERS, T = 11, 12, 3, 2, 7


def make(seed: int = 0, **settings: object) -> AttentionOnly:
    torch.manual_seed(seed)
    options: dict = {"width": D, "heads": HEADS, "layers": LAYERS, "longest": 9}
    model = AttentionOnly(AttentionOnlyConfig(V, **(options | settings))).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model


def text(rows: int = 3) -> Tensor:
    return torch.randint(V, (rows, T), generator=torch.Generator().manual_seed(1))


def randomise(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.double().eval()


def gpt2() -> tuple[nn.Module, dict[str, Tensor]]:
    """Learned positions; its matrices are transposed, its biases and its feed-forward's last matrix zero."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=V, n_positions=9, n_embd=D, n_layer=LAYERS, n_head=HEADS, tie_word_embeddings=False,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    reference = randomise(GPT2LMHeadModel(config))
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if name.endswith("bias") or "mlp.c_proj" in name:  # what attention alone does not have
                parameter.zero_()
    body = reference.transformer
    ours = {"tokens.weight": body.wte.weight, "positions.table": body.wpe.weight}
    ours |= {"norm.weight": body.ln_f.weight, "output.weight": reference.lm_head.weight}
    for n, block in enumerate(body.h):
        ours[f"layer.{n}.norm.weight"] = block.ln_1.weight
        ours[f"layer.{n}.attention.output.weight"] = block.attn.c_proj.weight.T
        for part, third in zip(("query", "key", "value"), block.attn.c_attn.weight.T.chunk(3), strict=True):
            ours[f"layer.{n}.attention.{part}.weight"] = third
    return reference, ours


def exact(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = query @ key.mT / query.shape[-1] ** 0.5
    future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    weights_ = scores.masked_fill(future, -torch.inf).softmax(-1)
    return weights_ @ value, weights_


def gptj() -> tuple[nn.Module, dict[str, Tensor]]:
    """Rotary positions. It keeps sines, cosines and scores in float32: these few lines are in float64 here."""
    from transformers import GPTJConfig, GPTJForCausalLM

    config = GPTJConfig(
        vocab_size=V, n_positions=9, n_embd=D, n_layer=LAYERS, n_head=HEADS, rotary_dim=D // HEADS,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, tie_word_embeddings=False,
    )  # fmt: skip
    reference = randomise(GPTJForCausalLM(config))
    K = D // HEADS
    angle = torch.arange(9).double()[:, None] * 10_000.0 ** (-torch.arange(0, K, 2).double() / K)
    ours = {"tokens.weight": reference.transformer.wte.weight, "output.weight": reference.lm_head.weight}
    ours["norm.weight"] = reference.transformer.ln_f.weight
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if name.endswith("bias") or "mlp.fc_out" in name:
                parameter.zero_()
    for n, block in enumerate(reference.transformer.h):
        block.attn._attn = exact
        block.attn.embed_positions = torch.cat([angle.sin(), angle.cos()], dim=-1)
        ours[f"layer.{n}.norm.weight"] = block.ln_1.weight
        parts = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
        ours |= {
            f"layer.{n}.attention.{mine}.weight": getattr(block.attn, theirs).weight
            for mine, theirs in parts.items()
        }
    return reference, ours


@pytest.mark.parametrize(("make_reference", "positions"), [(gpt2, "learned"), (gptj, "rotary")])
def test_is_a_gpt_without_its_feed_forward(make_reference, positions) -> None:
    torch.manual_seed(0)
    reference, weights_ = make_reference()
    model = make(1, positions=positions)
    assert weights_.keys() == model.state_dict().keys()
    model.load_state_dict({name: weight.detach() for name, weight in weights_.items()})
    tokens = text()
    got, wanted = model(tokens), reference(tokens).logits
    torch.testing.assert_close(got, wanted, atol=1e-10, rtol=1e-10)

    got.square().mean().backward()
    wanted.square().mean().backward()
    torch.testing.assert_close(
        model.tokens.weight.grad, reference.transformer.wte.weight.grad, atol=1e-10, rtol=1e-8
    )
    torch.testing.assert_close(
        model.layer[0].norm.weight.grad, reference.transformer.h[0].ln_1.weight.grad, atol=1e-10, rtol=1e-8
    )
    torch.testing.assert_close(model.float()(tokens), reference.float()(tokens).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_the_logits_are_the_sum_of_their_paths(positions: str, layers: int) -> None:
    model, tokens = make(positions=positions, layers=layers), text()
    paths = model.paths(tokens)
    assert len(paths) == (1 + HEADS) ** layers
    torch.testing.assert_close(sum(paths.values()), model(tokens), atol=1e-10, rtol=1e-10)
    assert all(part.abs().max() > 1e-3 for part in paths.values())


def test_a_path_is_what_its_heads_carry() -> None:
    """One head of one layer, its map taken from the trace."""
    model, tokens = make(layers=1), text(1)
    paths = model.paths(tokens)
    with trace(model) as maps:
        model(tokens)
    A = maps["layer.0.attention"].weights[0, 2]
    x = model.embed(tokens)[0]
    read = model.layer[0].norm(x)
    K = D // HEADS
    attention = model.layer[0].attention
    value = read @ attention.value.weight[2 * K :].T
    written = A @ value @ attention.output.weight[:, 2 * K :].T
    top = model.layer[0](x[None])[0]
    centred = written - written.mean(-1, keepdim=True)
    share = centred / (top.var(-1, keepdim=True, unbiased=False) + model.norm.eps).sqrt() * model.norm.weight
    torch.testing.assert_close(paths[(0, 2),][0], share @ model.output.weight.T, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_looks_back_only(positions: str) -> None:
    model, tokens = make(positions=positions), text()
    changed = tokens.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % V
    torch.testing.assert_close(model(changed)[:, :4], model(tokens)[:, :4], atol=1e-12, rtol=0)
    assert (model(changed)[:, 4:] - model(tokens)[:, 4:]).abs().max() > 1e-3


def test_traced_and_named() -> None:
    model, tokens = make(), text()
    with trace(model) as maps:
        traced = model(tokens)
    torch.testing.assert_close(traced, model(tokens), atol=1e-12, rtol=0)
    assert list(maps) == model.attentions == ["layer.0.attention", "layer.1.attention"]


def test_clear_errors_and_back_from_a_file(tmp_path) -> None:
    with pytest.raises(ValueError, match="'rotary' or 'learned'"):
        AttentionOnlyConfig(V, positions="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        AttentionOnlyConfig(0)
    with pytest.raises(ValueError, match="ends at 8"):
        make(positions="learned")(torch.zeros(1, 10, dtype=torch.long))
    model = make().float()
    weights.save(tmp_path / "a.safetensors", model, model.config, dtype=torch.float32)
    again = AttentionOnly.from_pretrained(tmp_path / "a.safetensors")
    assert again.config == model.config
    torch.testing.assert_close(again(text()), model(text()))
