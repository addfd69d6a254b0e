"""Python's own help topics, which every Python carries: real English prose about a language, with examples in it.

They are the texts behind ``help("keywords")`` and the like, made from the Python documentation, and grow from version
to version: what is learned on them on one computer may meet a slightly different text on another.

Licence: PSF License Agreement, with the documentation's examples also under the Zero-Clause BSD licence.
"""

from typing import Literal, get_args

Split = Literal["train", "val"]

#: What a text may hold, whatever the version: the end of a line, and printable ASCII.
CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))


def load(split: Split) -> str:
    """The topics, in alphabetical order of their names, nine in ten to train and every tenth to validate.

    Characters other than `CHARACTERS` become their nearest (quotes and dashes) or are left out.

    Raises:
        ValueError: if there is no such split.
    """
    from pydoc_data.topics import topics

    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there is {' and '.join(get_args(Split))}.")
    chosen = [
        topics[name] for place, name in enumerate(sorted(topics)) if (place % 10 == 9) == (split == "val")
    ]
    return "\n".join(plain(one).strip("\n") + "\n" for one in chosen)


#: What stands for some characters that are not ASCII.
NEAREST: dict[str, str | int | None] = {
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "–": "-",
    "—": "-",
    "…": "...",
    "→": "->",
    "\u00a0": " ",
    "\t": " ",
}


def plain(text: str) -> str:
    """`text` in the characters that this set is made of."""
    return "".join(one for one in text.translate(str.maketrans(NEAREST)) if one in CHARACTERS)
