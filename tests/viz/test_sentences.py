"""Sentences drawn: frames, marks and complaints."""

import pytest

from tfedu.data import grammar
from tfedu.viz.sentences import links_diagram, plotly_grow, unmatched

GERMAN = ["er schläft .", "er schläft heute ."]
ENGLISH = ["he sleeps .", "he sleeps today ."]


def test_each_sentence_is_a_frame_and_wrong_words_are_marked():
    fig = plotly_grow(
        GERMAN, ENGLISH, {"one": ["he sleeps .", "he waits today ."]}, title="It fails", start=1
    )
    assert len(fig.frames) == 2
    assert [step.label for step in fig.layout.sliders[0].steps] == ["3", "4"]
    (trace,) = fig.data
    line = trace.text[-1]
    assert "<u>" in line
    assert "waits" in line.split("<u>")[1].split("</u>")[0]
    assert "<u>" not in "".join(fig.frames[0].data[0].text)


def test_what_a_model_writes_is_text_not_markup():
    fig = plotly_grow(GERMAN[:1], ENGLISH[:1], {"one": ["<b> &"]})
    assert "&lt;b&gt;" in fig.data[0].text[-1]


def test_an_empty_translation_shows():
    assert plotly_grow(GERMAN[:1], ENGLISH[:1], {"one": [""]}).data[0].text[-1].count("(nothing)") == 1


@pytest.mark.parametrize("found", [{"one": []}, {"one": ["a"]}])
def test_lists_of_different_lengths_are_refused(found):
    with pytest.raises(ValueError, match="one translation for each"):
        plotly_grow(GERMAN, ENGLISH, found)


def test_unmatched_is_what_the_right_translation_does_not_explain():
    assert unmatched(["the", "man", "waits", "."], ["the", "old", "man", "sleeps", "."]) == {2}


def test_every_link_is_a_line():
    pair = grammar.corpus(1, lengths=(6, 6))[0]
    fig = links_diagram(pair, title="They cross")
    assert len(fig.axes[0].lines) == len(pair.links)
