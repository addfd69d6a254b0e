"""WordPiece: text as words, and as pieces of the words that the vocabulary lacks (the ``tokenizers`` library).

Source: Schuster and Nakajima 2012; as Devlin et al. 2019 use it (section 3). A text is lower-cased, its accents
are dropped, and punctuation marks stand alone. A word that is in the vocabulary is one token. Another is cut from the
left into the longest pieces that are; each but the first begins with ``##``. A word with no such cut is [UNK].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfedu.data.text import BOS, EOS, PAD, UNK

if TYPE_CHECKING:
    import tokenizers

#: In the order of their ids where we make the vocabulary; those of the book's other tokenizers come first.
SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]")
assert (PAD, BOS, EOS, UNK) == (0, 1, 2, 3)


class WordPiece:
    """A tokenizer for BERT, ours or a published one.

    Attributes:
        pad, cls, sep, unk, mask: ids of the specials.

    Raises:
        ValueError: if the vocabulary lacks a special.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        found = [tokenizer.token_to_id(special) for special in SPECIALS]
        ids = [i for i in found if i is not None]
        if len(ids) < len(SPECIALS):
            raise ValueError(f"a vocabulary for BERT has {', '.join(SPECIALS)}; this one lacks some.")
        self.pad, self.cls, self.sep, self.unk, self.mask = ids
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, lines: Iterable[str], size: int) -> WordPiece:
        """Learn a vocabulary of `size` pieces, specials included, from lines of text."""
        from tokenizers import trainers

        tokenizer = _empty({})
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False
        )
        tokenizer.train_from_iterator(lines, trainer)
        return cls(_finished(tokenizer))

    @classmethod
    def from_words(cls, words: Sequence[str]) -> WordPiece:
        """A closed vocabulary of whole lower-case words: what is not among them is [UNK]."""
        known = dict.fromkeys([*SPECIALS, *(word.lower() for word in words)])
        return cls(_finished(_empty({word: index for index, word in enumerate(known)})))

    @classmethod
    def from_pretrained(cls, name: str | Path) -> WordPiece:
        """The tokenizer of a shipped checkpoint, of a folder with ``tokenizer.json``, or of a hub repository."""
        from tfedu import hub, weights

        if Path(name).is_file() or (weights.data_dir() / "checkpoints" / f"{name}.safetensors").is_file():
            return cls.from_json(weights.load(name).extras["tokenizer"])
        return cls(hub.published(name).tokenizer())

    def __len__(self) -> int:
        """The size of the vocabulary, specials included."""
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Ids of a text (or of words), without [CLS] and [SEP]; ``[MASK]`` in the text is the special."""
        text = text if isinstance(text, str) else " ".join(text)
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def pair(self, first: Sequence[int], second: Sequence[int] | None = None) -> tuple[list[int], list[int]]:
        """``[CLS] first [SEP]``, or ``[CLS] first [SEP] second [SEP]`` (figure 1), and the segment of each token."""
        ids, types = [self.cls, *first, self.sep], [0] * (len(first) + 2)
        if second is None:
            return ids, types
        return [*ids, *second, self.sep], [*types, *[1] * (len(second) + 1)]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """One string for each id, as the vocabulary writes it: the labels of a figure's rows or columns."""
        return [self._tokenizer.id_to_token(int(i)) or "[UNK]" for i in ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The text, pieces joined to words; specials but [MASK] and [UNK] left out."""
        hidden = {self.pad, self.cls, self.sep}
        return " ".join(self.tokens(i for i in ids if i not in hidden)).replace(" ##", "")

    def to_json(self) -> str:
        """All there is to know, as ``tokenizer.json`` has it; `from_json` reads it back."""
        return self._tokenizer.to_str()

    @classmethod
    def from_json(cls, text: str) -> WordPiece:
        """The tokenizer that `to_json` wrote."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_str(text))


def _empty(vocabulary: dict[str, int]) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIALS[UNK], max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if vocabulary:
        tokenizer.add_special_tokens([AddedToken(special, special=True) for special in SPECIALS])
    return tokenizer


def _finished(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """With what other libraries need beside the pieces: how [CLS] and [SEP] are put in, and how pieces join."""
    from tokenizers import decoders, processors

    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", BOS), ("[SEP]", EOS)],
    )
    return tokenizer
