"""Source on a page."""

import pytest

from tfedu.models.seq2seq import Decoder
from tfedu.viz.source import show_source


def test_a_methods_source_is_shown_without_its_class_indent(capsys):
    show_source(Decoder.logits, Decoder.forward)
    printed = capsys.readouterr().out
    assert printed.startswith("def logits(self")
    assert "\ndef forward(" in printed


def test_what_is_not_python_is_refused():
    with pytest.raises(TypeError):
        show_source(len)
