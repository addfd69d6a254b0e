"""Judging a translator on the grammar corpus, with a small untrained one."""

import pytest
import torch

from tfedu import judge
from tfedu.data import grammar
from tfedu.data.alignment import links_from_map
from tfedu.data.text import BOS, WordTokenizer
from tfedu.models.seq2seq import Seq2Seq, Seq2SeqConfig
from tfedu.models.transformer import Transformer, TransformerConfig
from tfedu.trace import ablate, replace, trace
from tfedu.translator import Translator


def translator(attention):
    torch.manual_seed(0)
    german, english = (WordTokenizer(grammar.vocabulary(language)) for language in ("de", "en"))
    config = Seq2SeqConfig(len(german), len(english), embedding=12, hidden=16, attention=attention)
    model = Seq2Seq(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.7)
    return Translator(model, german, english)


PAIRS = grammar.corpus(3, lengths=(6, 9), seed=3)


def test_held_out_is_what_the_recipes_drop():
    from tfedu.train.recipes import LONG
    from tfedu.train.recipes.translate import TEST_SEED

    dropped = {pair.source for pair in grammar.corpus(1000, lengths=LONG["words"], seed=TEST_SEED)}
    short, long = judge.held_out([(4, 10), (26, 30)], 20)
    assert len(short) == len(long) == 20
    assert all(4 <= len(pair.source) <= 10 and pair.source in dropped for pair in short)
    assert all(26 <= len(pair.source) <= 30 for pair in long)
    with pytest.raises(ValueError, match="mixes lengths"):
        judge.held_out([(20, 30)], 5)


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_links_and_words_are_those_of_one_sentence_alone(attention):
    model = translator(attention)
    for pair, found in zip(PAIRS, judge.links(model, PAIRS), strict=True):
        [(source, target)] = judge.ids(model, [pair])
        with torch.no_grad(), trace(model.model) as maps:
            logits = model.model(torch.tensor([source]), torch.tensor([[BOS, *target]]))
        assert found == links_from_map(maps["decoder.attention"].matrix(), skip_rows=[-1])
        assert judge.next_words(model, pair) == model.target.tokens(logits[0, :-1].argmax(-1).tolist())


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_each_row_is_replaced_alone(attention):
    model, pair = translator(attention), PAIRS[0]
    [(source, target)] = judge.ids(model, [pair])
    inputs = torch.tensor([source]), torch.tensor([[BOS, *target[:-1]]])
    with torch.no_grad(), trace(model.model) as maps:
        model.model(*inputs)
    own = maps["decoder.attention"].matrix()
    assert judge.next_words(model, pair, own) == judge.next_words(model, pair)

    rows = torch.randn_like(own).mul(9).softmax(-1)
    edited = judge.next_words(model, pair, rows)
    assert edited != judge.next_words(model, pair)  # else the test shows nothing
    for t in range(len(target)):
        one = own.clone()
        one[t] = rows[t]
        with torch.no_grad(), trace(model.model, edit={"decoder.attention": replace(one)}):
            logits = model.model(*inputs)
        assert model.target.tokens([int(logits[0, t].argmax())]) == [edited[t]]


def test_bleu_is_that_of_the_greedy_translations():
    model = translator("dot")
    alike = grammar.corpus(3, lengths=(7, 7), seed=3)  # of one length, so that one limit stops them
    told = [grammar.Pair(p.source, tuple(model(p.source).text.split()), frozenset()) for p in alike]
    assert judge.bleu(model, told) == pytest.approx(100)
    assert judge.bleu(model, alike) < 50


def peaked(monkeypatch, positions):
    """Make every map of `judge` look at the given source position in each row."""
    monkeypatch.setattr(judge, "links", lambda model, pairs: [{(i, j) for j, i in enumerate(positions)}])


def test_shares_of_wrong_links(monkeypatch):
    pair = grammar.Pair(
        ("a", "b", "c", "d"), ("A", "B", "C", "D"), frozenset({(0, 0), (2, 0), (1, 1), (2, 2), (3, 3)})
    )
    peaked(monkeypatch, [3, 0, 2, 3])  # A is read ahead of both its words, B behind; C and D are right
    monkeypatch.setattr(judge, "next_words", lambda model, pair: ["A", "x", "C", "x"])
    assert judge.ahead(None, [pair]) == pytest.approx(1 / 2)
    assert judge.misplaced(None, [pair]) == pytest.approx(1 / 2)  # of A and C
    peaked(monkeypatch, [1, 1, 2, 3])  # between the two words of A is not ahead
    assert judge.ahead(None, [pair]) == 0


def transformer():
    torch.manual_seed(0)
    german, english = (WordTokenizer(grammar.vocabulary(language)) for language in ("de", "en"))
    config = TransformerConfig(
        len(german), len(english), width=8, layers=2, heads=2, feed_forward=8, norm="pre"
    )
    return Translator(Transformer(config), german, english)


def test_all_maps_are_those_of_the_right_translation():
    model = transformer()
    maps = judge.maps(model, PAIRS[0])
    S, T = len(PAIRS[0].source), len(PAIRS[0].target) + 1
    assert len(maps) == 6
    assert maps["encoder.1.self_attention"].weights.shape == (1, 2, S, S)
    assert maps["decoder.1.cross_attention"].weights.shape == (1, 2, T, S)
    assert not maps["decoder.0.self_attention"].weights.triu(1).any()


def test_silent_heads_gather_nothing():
    model = transformer()
    assert judge.silenced(model, [], PAIRS) == judge.bleu(model, PAIRS)
    heads = [
        ("decoder.1.cross_attention", 0),
        ("decoder.1.cross_attention", 1),
        ("encoder.0.self_attention", 1),
    ]
    whole = judge.silenced(model, heads, PAIRS)
    edits = {
        "decoder.1.cross_attention": lambda weights, row: 0 * weights,
        "encoder.0.self_attention": ablate(1),
    }
    with trace(model.model, edit=edits):
        assert whole == judge.bleu(model, PAIRS)
