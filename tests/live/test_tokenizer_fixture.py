"""The page's tokenizers are compared with a file that Python wrote; here Python says that it still would."""

import json
import runpy
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "web" / "tests" / "fixtures"


def test_the_fixture_is_what_the_package_makes() -> None:
    made = runpy.run_path(str(FIXTURES / "make_tokenizers.py"))["fixture"]()
    assert len(made["texts"]) >= 300
    written = json.loads((FIXTURES / "tokenizers.json").read_text("utf-8"))
    assert made == written, "out of date: run web/tests/fixtures/make_tokenizers.py"
