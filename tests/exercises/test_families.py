"""What holds for every exercise with known mistakes, in every chapter that lists them as FAMILIES."""

import importlib
from pathlib import Path

import pytest
import torch

from tfedu.exercises import Verdict

HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in HERE.glob("test_*.py") if "\nFAMILIES = {" in path.read_text("utf-8"))
ALL = {
    f"{module.removeprefix('test_')}.{name}": family
    for module in MODULES
    for name, family in importlib.import_module(module).FAMILIES.items()
}


def stub(*arguments):
    raise NotImplementedError


def with_the_same_parameters(function, body, **names):
    """A function as a chapter's stub has it: with the exercise's own parameters."""
    arguments = ", ".join(function.__code__.co_varnames[: function.__code__.co_argcount])
    return eval(f"lambda {arguments}: {body}", names)


def test_chapters_are_found() -> None:
    assert len(MODULES) >= 4


@pytest.mark.parametrize("name", ALL)
def test_the_right_answer_passes(name, capsys):
    check, right, _ = ALL[name]
    verdict = check(right)
    assert verdict, verdict.message
    assert capsys.readouterr().out == f"✓ {verdict.message}\n"


@pytest.mark.parametrize(
    ("name", "words"), [(name, words) for name, (_, _, wrong) in ALL.items() for words in wrong]
)
def test_each_known_mistake_gets_its_own_diagnosis(name, words):
    check, _, wrong = ALL[name]
    verdict = check(wrong[words])
    assert not verdict
    assert words in verdict.message
    others = [other for other in wrong if other != words]
    assert not any(other in verdict.message for other in others)


@pytest.mark.parametrize("name", ALL)
def test_three_mistakes_at_least_are_known(name):
    assert len(ALL[name][2]) >= 3


@pytest.mark.parametrize("name", ALL)
def test_a_stub_is_not_started_yet(name, capsys):
    check, right, _ = ALL[name]
    verdict = check(with_the_same_parameters(right, "stub()", stub=stub))
    assert verdict == Verdict("not started", "not started yet")
    assert capsys.readouterr().out == "not started yet\n"


@pytest.mark.parametrize("name", ALL)
def test_wrong_kinds_and_shapes_get_a_message(name):
    check, right, _ = ALL[name]
    for result in (torch.zeros(7, 7, 7), "text", None):
        verdict = check(with_the_same_parameters(right, "result", result=result))
        assert verdict.state == "wrong"
        assert len(verdict.message) > 20
