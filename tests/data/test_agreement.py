"""Right and wrong sentences: one verb apart, half and half, and never right by another reading."""

from tfedu.data import agreement, grammar


def test_a_wrong_sentence_is_one_verb_from_a_right_one():
    forms = agreement.other_form()
    right = {pair.target for pair in grammar.corpus(800, lengths=(4, 12), seed=3)}
    judged = agreement.corpus(400, seed=3)
    assert len({one.words for one in judged}) == len(judged) == 400
    for words, wrong in judged:
        mended = {(*words[:n], forms[word], *words[n + 1 :]) for n, word in enumerate(words) if word in forms}
        assert mended
        assert (words in right) != wrong
        assert not wrong or mended & right
    assert 0.4 < sum(one.wrong for one in judged) / 400 < 0.6
    assert agreement.corpus(400, seed=3) == judged
    assert agreement.corpus(400, seed=4) != judged


def test_the_forms():
    forms = agreement.other_form()
    assert forms["sleeps"] == "sleep"
    assert forms["look"] == "looks"
    assert forms["has"] == "have"
    assert "read" not in forms  # "she read" is right: the past
    assert all(forms[other] == one for one, other in forms.items())


def test_no_wrong_sentence_is_one_that_the_grammar_makes():
    wrong = {one.words for one in agreement.corpus(2000, seed=1) if one.wrong}
    assert not wrong & {pair.target for pair in grammar.corpus(20_000, lengths=(4, 12), seed=9)}
