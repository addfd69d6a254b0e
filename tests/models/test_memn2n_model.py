"""The memory network: its equations written out, its counts, its memory's laws, its maps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.models.memn2n import MemN2N, MemN2NConfig, position_encoding
from tfedu.trace import pin, replace, trace

KINDS = [
    {"tying": tying, "position": position, "temporal": temporal, "hops": hops}
    for tying in ("adjacent", "layer-wise")
    for position in (True, False)
    for temporal in (True, False)
    for hops in (1, 3)
]


def network(seed=0, **kind):
    """A network whose every weight is random and large enough to matter, in float64."""
    torch.manual_seed(seed)
    model = MemN2N(MemN2NConfig(vocabulary=17, memory=9, width=6, **kind)).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.5)
            if name.endswith("words.weight"):
                parameter[0] = 0
    return model


def story(seed=0, lengths=(3, 5, 1, 4)):
    generator = torch.Generator().manual_seed(seed)
    sentences = [torch.randint(1, 17, (n,), generator=generator).tolist() for n in lengths]
    return sentences, torch.randint(1, 17, (4,), generator=generator).tolist()


def padded(sentences, words=6):
    return torch.tensor([[row + [0] * (words - len(row)) for row in sentences]])


@torch.no_grad()
def by_the_book(model, sentences, question, linear=False):
    """Equations 1 to 4 of the paper, one number at a time."""
    config, D = model.config, model.config.width

    def vector(embed, words, age=None):
        total = torch.zeros(D, dtype=torch.float64)
        for j, word in enumerate(words, start=1):
            for k in range(1, D + 1):
                J = len(words)
                l_kj = (1 - j / J) - (k / D) * (1 - 2 * j / J) if config.position else 1.0
                total[k - 1] += l_kj * embed.words.weight[word, k - 1]
        if config.temporal and age is not None:
            total = total + embed.ages.weight[age]
        return total

    adjacent = config.tying == "adjacent"
    u = vector(model.embedding[0] if adjacent else model.question, question)
    for k in range(config.hops):
        keys, values = (model.embedding[k], model.embedding[k + 1]) if adjacent else model.embedding
        last = len(sentences) - 1
        m = [vector(keys, words, last - i) for i, words in enumerate(sentences)]
        c = [vector(values, words, last - i) for i, words in enumerate(sentences)]
        scores = [float(u @ one) for one in m]
        total = sum(math.exp(score) for score in scores)
        p = scores if linear else [math.exp(score) / total for score in scores]
        o = sum((weight * one for weight, one in zip(p, c, strict=True)), torch.zeros(D, dtype=torch.float64))
        u = (u if adjacent else model.between.weight @ u) + o
    W = model.embedding[-1].words.weight if adjacent else model.answer.weight
    return W @ u


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("linear", [False, True])
def test_equations(kind, linear):
    model = network(**kind)
    sentences, question = story()
    got = model(padded(sentences), torch.tensor([question]), linear=linear)[0]
    torch.testing.assert_close(got, by_the_book(model, sentences, question, linear), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_parameter_counts(kind):
    """By hand: word and age vectors of every embedding, and what layer-wise tying adds."""
    config = MemN2NConfig(vocabulary=17, memory=9, width=6, **kind)
    ages = 9 * 6 if config.temporal else 0
    wanted = (
        (config.hops + 1) * (17 * 6 + ages)
        if config.tying == "adjacent"
        else 2 * (17 * 6 + ages) + 17 * 6 + 6 * 6 + 17 * 6
    )
    assert sum(p.numel() for p in MemN2N(config).parameters()) == wanted


def test_position_encoding_by_hand():
    """Two of three places are real; D = 4. The last word's first feature: (1 - 1) - 1/4 (1 - 2) = 1/4."""
    got = position_encoding(torch.tensor([True, True, False]), 4)
    torch.testing.assert_close(got[0], torch.tensor([0.5, 0.5, 0.5, 0.5]))
    torch.testing.assert_close(got[1], torch.tensor([0.25, 0.5, 0.75, 1.0]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)), kind=st.sampled_from(KINDS))
def test_a_memory_is_a_set_of_sentences_with_ages(seed, order, kind):
    """Slots may stand in any order, and empty ones anywhere, as long as each keeps its age."""
    model = network(seed, **kind)
    sentences, question = story(seed)
    ages = [3, 2, 1, 0]
    plain = model(padded(sentences), torch.tensor([question]))
    shuffled = [sentences[i] for i in order] + [[5, 6]]
    moved = torch.tensor([[ages[i] for i in order] + [-1]])
    got = model(padded(shuffled), torch.tensor([question]), moved)
    torch.testing.assert_close(got, plain, atol=1e-12, rtol=1e-12)


def test_order_counts_just_where_it_should():
    """A bag of words hears no order of words; without ages nobody hears the order of sentences."""
    sentences, question = story()
    turned = [row[::-1] for row in sentences]

    def answer(model, told):
        return model(padded(told), torch.tensor([question]))

    bag, placed = network(position=False), network(position=True)
    torch.testing.assert_close(answer(bag, turned), answer(bag, sentences), atol=1e-12, rtol=0)
    assert (answer(placed, turned) - answer(placed, sentences)).abs().max() > 1e-2
    ageless, aged = network(temporal=False), network(temporal=True)
    torch.testing.assert_close(
        answer(ageless, sentences[::-1]), answer(ageless, sentences), atol=1e-12, rtol=0
    )
    assert (answer(aged, sentences[::-1]) - answer(aged, sentences)).abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS[::3])
def test_each_hop_is_traced_and_can_be_moved(kind):
    model = network(**kind)
    sentences, question = story()
    batch = padded(sentences), torch.tensor([question])
    plain = model(*batch)
    with trace(model) as maps:
        traced = model(*batch)
    torch.testing.assert_close(traced, plain, atol=1e-12, rtol=0)
    assert list(maps) == [f"hop.{k}" for k in range(kind["hops"])]
    for one in maps.values():
        assert one.weights.shape == (1, 1, 1, 4)
        torch.testing.assert_close(one.weights.sum(-1), torch.ones(1, 1, 1, dtype=torch.float64))
    with trace(model, edit={"hop.0": pin(query=0, key=2)}) as edited:
        moved = model(*batch)
    assert edited["hop.0"].weights.flatten().tolist() == [0, 0, 1, 0]
    assert (moved - plain).abs().max() > 1e-3
    with trace(model, edit={"hop.0": replace(maps["hop.0"].weights)}):
        torch.testing.assert_close(model(*batch), plain, atol=1e-12, rtol=0)


def test_no_story_leaves_the_question_alone():
    model = network()
    question = torch.tensor([[3, 4]])
    u = model.embedding[0](question, position_encoding(question != 0, 6, torch.float64))
    got = model(torch.zeros(1, 0, 3, dtype=torch.long), question)
    torch.testing.assert_close(got, u @ model.embedding[-1].words.weight.T)
    empty = model(torch.zeros(1, 2, 3, dtype=torch.long), question, torch.tensor([[-1, -1]]))
    torch.testing.assert_close(empty, got)


def test_gradients_flow_everywhere_but_into_padding():
    for kind in KINDS:
        model = network(**kind).train()
        sentences, question = story(lengths=(3, 5, 1, 4, 6))
        model(padded(sentences), torch.tensor([question])).pow(2).sum().backward()
        for name, p in model.named_parameters():
            assert p.grad.abs().sum() > 0, (kind, name)
        assert (model.embedding[0].words.weight.grad[0] == 0).all()


def test_bad_input_is_named():
    model = network()
    with pytest.raises(ValueError, match="age 9, but a memory of 9: keep the last"):
        model(torch.ones(1, 10, 2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="age 12"):
        model(torch.ones(1, 1, 2, dtype=torch.long), torch.ones(1, 2, dtype=torch.long), torch.tensor([[12]]))
    with pytest.raises(ValueError, match="'adjacent' or 'layer-wise'"):
        MemN2NConfig(10, tying="none")
    with pytest.raises(ValueError, match="at least 1"):
        MemN2NConfig(10, hops=0)


def test_a_checkpoint_brings_it_back(tmp_path):
    from tfedu import weights

    model = network().float()
    weights.save(tmp_path / "m.safetensors", model, model.config, dtype=torch.float32)
    again = MemN2N.from_pretrained(tmp_path / "m.safetensors")
    assert again.config == model.config
    assert not again.training
    sentences, question = story()
    batch = padded(sentences), torch.tensor([question])
    torch.testing.assert_close(again(*batch), model(*batch))
