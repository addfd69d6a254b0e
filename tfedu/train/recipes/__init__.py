"""The recipe of each shipped checkpoint, by the name that `python -m tfedu.train` takes."""

from collections.abc import Callable
from typing import Any

from tfedu.train.recipes import bert, deit, distillation, gpt, in_context, stories, textures, vision
from tfedu.train.recipes.ram import dense_recipe, gaze_recipe
from tfedu.train.recipes.translate import TRANSFORMER, grammar_recipe, multi30k_recipe
from tfedu.train.run import Options, Run

#: Chapter 1 compares reading directions on short sentences (in words).
SHORT: dict[str, Any] = {"words": (4, 12), "steps": 2000, "cell": "lstm", "bidirectional": False}
#: Chapter 2 compares attentions on longer ones: the same encoder, the same number of steps.
LONG: dict[str, Any] = {"words": (4, 25), "steps": 1200}

ALL: dict[str, Callable[[Options], Run]] = {
    "translate-grammar-forward": grammar_recipe("translate-grammar-forward", **SHORT),
    "translate-grammar-reversed": grammar_recipe("translate-grammar-reversed", **SHORT, reverse_source=True),
    "translate-grammar-none": grammar_recipe("translate-grammar-none", **LONG),
    # A control: is the bottleneck only slow to learn? Five times the steps of its rivals.
    "translate-grammar-none-long": grammar_recipe(
        "translate-grammar-none-long", **{**LONG, "steps": 5 * LONG["steps"]}
    ),
    "translate-grammar-additive": grammar_recipe("translate-grammar-additive", **LONG, attention="additive"),
    "translate-grammar-dot": grammar_recipe("translate-grammar-dot", **LONG, attention="dot"),
    "translate-grammar-general": grammar_recipe("translate-grammar-general", **LONG, attention="general"),
    "translate-grammar-concat": grammar_recipe("translate-grammar-concat", **LONG, attention="concat"),
    "translate-grammar-transformer": grammar_recipe(
        "translate-grammar-transformer", **LONG, family=TRANSFORMER
    ),
    "translate-multi30k-none": multi30k_recipe("translate-multi30k-none"),
    "translate-multi30k-additive": multi30k_recipe("translate-multi30k-additive", attention="additive"),
    "translate-multi30k-transformer": multi30k_recipe("translate-multi30k-transformer", family=TRANSFORMER),
    "ram-clutter-learned": gaze_recipe("ram-clutter-learned", "learned"),
    "ram-clutter-random": gaze_recipe("ram-clutter-random", "random"),
    "ram-clutter-dense": dense_recipe("ram-clutter-dense"),
    **stories.RECIPES,
    **gpt.RECIPES,
    **bert.RECIPES,
    **distillation.RECIPES,
    **in_context.RECIPES,
    **vision.RECIPES,
    **deit.RECIPES,
    **textures.RECIPES,
}
