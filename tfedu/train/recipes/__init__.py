"""The recipe of each shipped checkpoint, by the name that `python -m tfedu.train` takes."""

from collections.abc import Callable
from typing import Any

from tfedu.train.recipes.translate import grammar_recipe, multi30k_recipe
from tfedu.train.run import Options, Run

#: Chapter 1 compares reading directions on short sentences; chapter 2 compares attentions on longer ones.
SHORT, LONG = (4, 12), (4, 25)
SUTSKEVER: dict[str, Any] = {"words": SHORT, "cell": "lstm", "bidirectional": False}

ALL: dict[str, Callable[[Options], Run]] = {
    "translate-grammar-forward": grammar_recipe("translate-grammar-forward", **SUTSKEVER),
    "translate-grammar-reversed": grammar_recipe(
        "translate-grammar-reversed", **SUTSKEVER, reverse_source=True
    ),
    "translate-grammar-none": grammar_recipe("translate-grammar-none", words=LONG),
    "translate-grammar-additive": grammar_recipe(
        "translate-grammar-additive", words=LONG, attention="additive"
    ),
    "translate-grammar-dot": grammar_recipe("translate-grammar-dot", words=LONG, attention="dot"),
    "translate-grammar-general": grammar_recipe("translate-grammar-general", words=LONG, attention="general"),
    "translate-grammar-concat": grammar_recipe("translate-grammar-concat", words=LONG, attention="concat"),
    "translate-multi30k-none": multi30k_recipe("translate-multi30k-none"),
    "translate-multi30k-additive": multi30k_recipe("translate-multi30k-additive", attention="additive"),
}
