"""Sentences drawn: links and wrong words."""

from tfedu.data import grammar
from tfedu.viz.sentences import links_diagram, unmatched


def test_unmatched_is_what_the_right_translation_does_not_explain():
    assert unmatched(["the", "man", "waits", "."], ["the", "old", "man", "sleeps", "."]) == {2}


def test_every_link_is_a_line():
    pair = grammar.corpus(1, lengths=(6, 6))[0]
    fig = links_diagram(pair, title="They cross")
    assert len(fig.axes[0].lines) == len(pair.links)
