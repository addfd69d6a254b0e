"""Filling in blanks: the odds, what is silenced, where heads look, and the left-to-right twin's second thoughts."""

import pytest
import torch

from tfedu.blanks import KINDS, Blanks, texts
from tfedu.data import grammar
from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTConfig, BERTForMaskedLM
from tfedu.trace import ablate
from tfedu.train.masked import left_only

WORDS = WordPiece.from_words(grammar.vocabulary("en"))


def make(left: bool = False) -> Blanks:
    torch.manual_seed(0)
    model = BERTForMaskedLM(BERTConfig(len(WORDS), 12, 2, 3, 16, longest=32))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return Blanks(model, WORDS, left=left)


def test_the_odds_of_each_blank() -> None:
    blanks = make()
    found = blanks("the dog _ the _ .")
    assert [one.place for one in found] == [3, 5]
    for one in found:
        assert sum(one.odds.values()) == pytest.approx(1, abs=1e-5)
        assert list(one.odds.values()) == sorted(one.odds.values(), reverse=True)
        assert len(one.odds) == len(WORDS)
        assert one.best == next(iter(one.odds))
    ids = torch.tensor([blanks.ids("the dog _ the _ .")])
    assert found[0].best == WORDS.tokens([int(blanks.model(ids)[0, 3].argmax())])[0]
    assert found[0].odds != blanks("a dog _ the _ .")[0].odds
    for text, words in (("the dog .", "no blank"), ("", "1 to 30"), ("the " * 40, "1 to 30")):
        with pytest.raises(ValueError, match=words):
            blanks(text)


def test_the_twin_reads_only_what_stands_before() -> None:
    blanks = make(left=True)
    ids = blanks.ids("the dog helped a cat")
    assert WORDS.tokens([blanks.guess(ids, 3)])[0] == blanks("the dog _ a cat")[0].best
    assert WORDS.tokens([make().guess(ids, 3)])[0] == make()("the dog _ a cat")[0].best
    assert blanks("the dog _ the book")[0].odds == pytest.approx(blanks("the dog _ a cat")[0].odds, abs=1e-6)
    assert blanks("the cat _ .")[0].odds != blanks("a dog _ .")[0].odds


def test_second_thoughts_are_those_of_the_whole_text() -> None:
    """Against every candidate's log-probability, the text taken word by word."""
    blanks = make(left=True)
    ids = blanks.ids("the dog helped the cat .")

    @torch.no_grad()
    def log_p(words: list[int]) -> float:
        total = 0.0
        for t in range(1, len(words)):
            mask = left_only(torch.ones(1, t, dtype=torch.bool))
            total += float(blanks.model(torch.tensor([words[:t]]), mask)[0, -1].log_softmax(-1)[words[t]])
        return total

    best = max(range(len(WORDS)), key=lambda word: log_p([*ids[:3], word, *ids[4:]]))
    assert blanks.weighed(ids, 3, candidates=len(WORDS)) == best
    with pytest.raises(ValueError, match="both sides"):
        make().weighed(ids, 3)


def test_silent_heads_say_nothing() -> None:
    blanks, sample = make(), texts(4, WORDS)
    whole, less = blanks.cloze(sample), blanks.cloze(sample, [(1, 0), (1, 2)])
    assert whole.blanks == less.blanks
    assert whole.nats != less.nats
    name = blanks.model.attentions[1]
    text = "the dog _ ."
    one = blanks(text, edit={name: ablate(0)})[0].odds
    assert blanks(text, edit=blanks.quiet([(1, 0)]))[0].odds == one != blanks(text)[0].odds


def test_each_pair_of_places_is_of_one_kind() -> None:
    blanks = make()
    ids = blanks.ids("the dog helped the dog .")  # [CLS] the dog helped the dog . [SEP]
    kinds = [[KINDS[k] for k in row] for row in blanks.kinds(ids).tolist()]
    assert kinds[1] == [
        "separators",
        "itself",
        "next",
        "others",
        "same word",
        "others",
        "others",
        "separators",
    ]
    assert kinds[4] == [
        "separators",
        "same word",
        "others",
        "previous",
        "itself",
        "next",
        "others",
        "separators",
    ]
    assert kinds[6][7] == "separators"  # the next place, but a separator first


def test_habits_are_shares() -> None:
    blanks, sample = make(), texts(5, WORDS)
    habits, even = blanks.habits(sample), blanks.even_habits(sample)
    assert habits.shape == (2, 3, len(KINDS))
    torch.testing.assert_close(habits.sum(-1), torch.ones(2, 3))
    assert even.sum().item() == pytest.approx(1, abs=1e-5)
    for parameter in blanks.model.parameters():  # equal scores: every head looks evenly
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(blanks.habits(sample), even.expand(2, 3, -1))


def test_what_a_blank_needs() -> None:
    blanks = make()
    ids = blanks.ids("the dog helped the cat .")
    looks, loss, others = blanks.needs(ids, 3)
    assert others.nonzero().flatten().tolist() == [1, 2, 4, 5, 6]
    assert looks.sum().item() == pytest.approx(1, abs=1e-5)
    hidden = torch.tensor([ids])
    hidden[0, 3] = WORDS.mask
    before = blanks.model(hidden)[0, 3].log_softmax(-1)[ids[3]]
    hidden[0, 5] = WORDS.mask
    after = blanks.model(hidden)[0, 3].log_softmax(-1)[ids[3]]
    assert loss[5].item() == pytest.approx((before - after).item(), abs=1e-5)
    assert loss[3].item() == pytest.approx(0, abs=1e-5)


def test_no_sentence_was_trained_on() -> None:
    from tfedu.train.recipes.bert import grammar_corpus

    corpus = grammar_corpus(2000)
    known = {tuple(ids) for ids in (*corpus.train, *corpus.validation)}
    assert not any(tuple(ids) in known for ids in texts(100, corpus.words))
