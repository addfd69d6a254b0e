"""The package's own source on a page, so that a chapter never shows a copy that could drift."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def show_source(*parts: type | Callable[..., Any]) -> None:
    """Show classes, functions or methods as highlighted Python; outside a notebook, print them.

    Raises:
        TypeError: one of them is not written in Python.
    """
    text = "\n\n".join(textwrap.dedent(inspect.getsource(part)).rstrip() for part in parts)
    try:
        from IPython import get_ipython
        from IPython.display import Markdown, display
    except ImportError:
        print(text)
        return
    if get_ipython() is None:
        print(text)
    else:
        display(Markdown(f"```python\n{text}\n```"))
