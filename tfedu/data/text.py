"""Text as numbers: three tokenizers, padded batches, and a batch source that a killed run can resume.

Every vocabulary begins with the same four specials, so that a model needs no options about them:
``PAD`` fills a row, ``BOS`` starts what the decoder reads, ``EOS`` ends what it writes, ``UNK`` stands for
what the vocabulary lacks. Masks are boolean, True where there is a token.

Source: byte-pair encoding for translation, Sennrich, Haddow and Birch 2016 (the ``tokenizers`` library).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

if TYPE_CHECKING:
    import tokenizers

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
SPACE = "▁"  # U+2581: how a subword says that a space stands before it

IdPair = tuple[Sequence[int], Sequence[int]]


class Tokenizer(Protocol):
    """What all tokenizers offer. ``encode`` adds no specials; :func:`collate` does."""

    def __len__(self) -> int:
        """The size of the vocabulary, specials included."""

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Ids of a sentence."""

    def decode(self, ids: Iterable[int]) -> str:
        """The sentence up to the first ``EOS``."""

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """One readable string for each id."""

    def to_json(self) -> str:
        """All there is to know, for :func:`tokenizer_from_json`."""


class WordTokenizer:
    """One id for each word of a closed list: word ``i`` of the list has id ``4 + i``.

    Raises:
        ValueError: if a word is empty, holds white space, is a special's name, or is listed twice.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._id = {word: index for index, word in enumerate(self.words, start=len(SPECIALS))}
        if len(self._id) != len(self.words):
            twice = sorted({word for word in self.words if self.words.count(word) > 1})
            raise ValueError(f"words listed twice: {twice[:5]}; pass each once: sorted(set(words)).")
        for word in self.words:
            if word.split() != [word] or word in SPECIALS:
                raise ValueError(
                    f"{word!r} cannot be a word: words are not empty, hold no white space, "
                    f"and are none of {SPECIALS}."
                )

    def __len__(self) -> int:
        """The size of the vocabulary, specials included."""
        return len(SPECIALS) + len(self.words)

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Ids of a sentence, given as words or as a string of words set apart by white space."""
        words = text.split() if isinstance(text, str) else text
        return [self._id.get(word, UNK) for word in words]

    def decode(self, ids: Iterable[int]) -> str:
        """The sentence up to the first ``EOS``, words set apart by one space; ``UNK`` reads ``<unk>``."""
        return " ".join(self.tokens(_content(ids)))

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """One string for each id, specials by name: the labels of a figure's rows or columns."""
        names = [*SPECIALS, *self.words]
        return [names[_checked(i, len(names))] for i in ids]

    def to_json(self) -> str:
        """The word list as JSON; :meth:`from_json` reads it back."""
        return json.dumps({"words": self.words}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "WordTokenizer":
        """The tokenizer that :meth:`to_json` wrote."""
        return cls(json.loads(text)["words"])


class CharacterTokenizer:
    """One id for each character of a closed list: character ``i`` of the list has id ``4 + i``.

    Nothing is normalised: ``decode(encode(x)) == x`` for every text of these characters.

    Raises:
        ValueError: if a character is listed twice.
    """

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._id = {one: index for index, one in enumerate(characters, start=len(SPECIALS))}
        if len(self._id) != len(characters):
            raise ValueError("characters listed twice; pass each once: ''.join(sorted(set(text))).")

    def __len__(self) -> int:
        """The size of the vocabulary, specials included."""
        return len(SPECIALS) + len(self.characters)

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Ids of a text, one for each character; `UNK` for one that is not in the list."""
        return [self._id.get(one, UNK) for one in "".join(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text up to the first ``EOS``; ``UNK`` reads ``<unk>``."""
        names = [*SPECIALS, *self.characters]
        return "".join(names[_checked(i, len(names))] for i in _content(ids))

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """One readable string for each id: a space is ``␣``, the end of a line ``↵``."""
        names = [*SPECIALS, *self.characters.replace(" ", "␣").replace("\n", "↵")]
        return [names[_checked(i, len(names))] for i in ids]

    def to_json(self) -> str:
        """The characters as JSON; :meth:`from_json` reads them back."""
        return json.dumps({"characters": self.characters}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "CharacterTokenizer":
        """The tokenizer that :meth:`to_json` wrote."""
        return cls(json.loads(text)["characters"])


class SubwordTokenizer:
    """Byte-pair encoding over words that carry the space before them, so that decoding gives the text back.

    A text is brought to Unicode's NFC form, its white space (no-break spaces too) to single spaces. It is
    then cut into words and punctuation marks, each with a leading ``▁`` where a space stood; merges never
    cross these cuts, so a full stop never fuses with the word before it. ``decode(encode(x)) == x`` for
    every text so normalised whose characters occurred in training; other characters become ``UNK``.
    """

    def __init__(self, tokenizer: "tokenizers.Tokenizer") -> None:
        for index, special in enumerate(SPECIALS):
            if tokenizer.token_to_id(special) != index:
                raise ValueError(
                    f"{special} must have id {index} but has {tokenizer.token_to_id(special)}; "
                    "make the tokenizer with SubwordTokenizer.train."
                )
        tokenizer.encode_special_tokens = True  # a typed "<eos>" is text, not a command
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, lines: Iterable[str], size: int, *, lowercase: bool = False) -> "SubwordTokenizer":
        """Learn the merges from lines of text: the most frequent pair first, until the vocabulary is full.

        Args:
            lines: the training side of a corpus, one sentence a line.
            size: entries in the vocabulary, specials included; fewer if no pair occurs twice any more.
            lowercase: whether upper and lower case are one, which German nouns do not thank you for.

        Raises:
            ValueError: if the characters of the lines alone exceed ``size``, or there is no text.
        """
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

        steps: list[normalizers.Normalizer] = [normalizers.NFC()]
        if lowercase:
            steps.append(normalizers.Lowercase())
        steps += [normalizers.Replace(Regex(rf"[\s{SPACE}]+"), " "), normalizers.Strip()]

        # fuse_unk: a run of characters never seen is one UNK, not one for each character.
        tokenizer = Tokenizer(models.BPE(unk_token=SPECIALS[UNK], fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence(steps)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Metaspace(SPACE, prepend_scheme="always", split=False),
                pre_tokenizers.Split(Regex(rf"{SPACE}?\p{{P}}|{SPACE}?[^{SPACE}\p{{P}}]+"), "isolated"),
            ]
        )
        trainer = trainers.BpeTrainer(
            vocab_size=size, min_frequency=2, special_tokens=list(SPECIALS), show_progress=False
        )
        tokenizer.train_from_iterator(lines, trainer)
        found = tokenizer.get_vocab_size()
        if found == len(SPECIALS):
            raise ValueError("no text to learn from: the lines are empty.")
        if found > size:
            raise ValueError(
                f"size={size} is too small: the specials and the single characters alone need {found}."
            )
        return cls(tokenizer)

    def __len__(self) -> int:
        """The size of the vocabulary, specials included."""
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Ids of a sentence, given as a string or as words (joined by spaces); no specials but ``UNK``."""
        text = text if isinstance(text, str) else " ".join(text)
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text up to the first ``EOS``, punctuation where it stood; ``UNK`` reads ``<unk>``."""
        return "".join(self._pieces(_content(ids))).replace(SPACE, " ").strip()

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """One readable string for each id: the labels of a figure's rows or columns.

        A piece that starts a word, and punctuation, stand plain; a piece that goes on with a word starts
        with a middle dot: ``Schutz ·helmen .`` Specials stand by name.
        """
        shown: list[str] = []
        before = SPACE
        for piece in self._pieces(ids):
            goes_on = piece[0].isalnum() and before[-1].isalnum()
            shown.append("·" + piece if goes_on else piece.removeprefix(SPACE) or "␣")
            before = piece
        return shown

    def to_json(self) -> str:
        """The whole tokenizer in the ``tokenizers`` library's own JSON; :meth:`from_json` reads it back."""
        return self._tokenizer.to_str()

    @classmethod
    def from_json(cls, text: str) -> "SubwordTokenizer":
        """The tokenizer that :meth:`to_json` wrote."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_str(text))

    def _pieces(self, ids: Iterable[int]) -> list[str]:
        size = len(self)
        return [self._tokenizer.id_to_token(_checked(i, size)) or "" for i in ids]


def tokenizer_from_json(text: str) -> WordTokenizer | CharacterTokenizer | SubwordTokenizer:
    """Read back what any tokenizer's ``to_json`` wrote.

    Raises:
        ValueError: if the text is none of theirs.
    """
    written = json.loads(text)
    if isinstance(written, dict) and "words" in written:
        return WordTokenizer.from_json(text)
    if isinstance(written, dict) and "characters" in written:
        return CharacterTokenizer.from_json(text)
    if isinstance(written, dict) and "model" in written:
        return SubwordTokenizer.from_json(text)
    raise ValueError(
        "this JSON holds no WordTokenizer ('words'), CharacterTokenizer ('characters') or "
        "SubwordTokenizer ('model')."
    )


def _checked(index: int, size: int) -> int:
    if not 0 <= index < size:
        raise ValueError(f"id {int(index)} is outside this vocabulary of {size}: whose ids are these?")
    return int(index)


def _content(ids: Iterable[int]) -> list[int]:
    """What a reader should see: everything before the first ``EOS``, without padding and ``BOS``."""
    kept: list[int] = []
    for index in map(int, ids):
        if index == EOS:
            break
        if index not in (PAD, BOS):
            kept.append(index)
    return kept


@dataclass(frozen=True)
class Batch:
    """Sentence pairs, padded. ``target_in`` is what the decoder reads, ``target_out`` what it should say.

    At each position the decoder has read ``target_in`` up to there and predicts ``target_out`` there: the
    two are one sentence, shifted by one. So row ``t`` of an attention map belongs to the word
    ``target_out[t]``.
    """

    source: Int[Tensor, "B S"]
    source_mask: Bool[Tensor, "B S"]
    target_in: Int[Tensor, "B T"]  # BOS first
    target_out: Int[Tensor, "B T"]  # EOS last
    target_mask: Bool[Tensor, "B T"]

    def __len__(self) -> int:
        """Sentence pairs in the batch."""
        return len(self.source)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self._tensors()))

    def shard(self, rank: int, world: int) -> "Batch":
        """The rows of process ``rank`` out of ``world``: every ``world``-th, so that lengths stay alike.

        The shards together hold each row once. A process left without rows gets the first one with its
        targets masked and set to ``PAD``: it takes part in the step and adds nothing to it.

        Raises:
            ValueError: unless 0 ≤ rank < world.
        """
        if not 0 <= rank < world:
            raise ValueError(f"rank {rank} is not one of 0 … {world - 1}.")
        if rank < len(self):
            return Batch(*(tensor[rank::world] for tensor in self._tensors()))
        source, source_mask, target_in, target_out, target_mask = (tensor[:1] for tensor in self._tensors())
        nothing = torch.zeros_like(target_mask)
        return Batch(source, source_mask, target_in, torch.full_like(target_out, PAD), nothing)

    def _tensors(self) -> tuple[Tensor, ...]:
        return (self.source, self.source_mask, self.target_in, self.target_out, self.target_mask)


def pad(
    sequences: Sequence[Sequence[int]], device: torch.device | str | None = None
) -> tuple[Int[Tensor, "B S"], Bool[Tensor, "B S"]]:
    """Id lists side by side in one tensor, filled up with ``PAD``, and the mask of what is real.

    Raises:
        ValueError: if there is no sequence, or an empty one, which would leave nothing to attend to.
    """
    if not len(sequences):
        raise ValueError("nothing to pad: give at least one sequence of ids.")
    lengths = np.array([len(ids) for ids in sequences])
    if not lengths.all():
        raise ValueError(f"sequence {int(lengths.argmin())} is empty: drop it, or give it a token.")
    mask = np.arange(lengths.max()) < lengths[:, None]
    filled = np.full(mask.shape, PAD, dtype=np.int64)
    filled[mask] = np.concatenate([np.asarray(ids, dtype=np.int64) for ids in sequences])
    return torch.from_numpy(filled).to(device), torch.from_numpy(mask).to(device)


def _refuse_empty(pairs: Sequence[IdPair]) -> None:
    for index, (source, target) in enumerate(pairs):
        if not len(source) or not len(target):
            side = "target" if len(source) else "source"
            raise ValueError(f"pair {index} has an empty {side}: drop such pairs before you make batches.")


def collate(
    pairs: Sequence[IdPair], device: torch.device | str | None = None, *, source_eos: bool = False
) -> Batch:
    """Sentence pairs as ids, without specials, made into one :class:`Batch`.

    Args:
        pairs: (source ids, target ids).
        device: where the tensors go.
        source_eos: whether the source ends with ``EOS``. Off, because the attention of the final full stop
            likes to settle there, off the word that it translates.

    Raises:
        ValueError: if there are no pairs, or a source or a target is empty.
    """
    _refuse_empty(pairs)
    sources = [[*source, EOS] if source_eos else source for source, _ in pairs]
    target_in, target_mask = pad([[BOS, *target] for _, target in pairs], device)
    target_out, _ = pad([[*target, EOS] for _, target in pairs], device)
    return Batch(*pad(sources, device), target_in, target_out, target_mask)


class TranslationBatches:
    """All batches of a corpus, in an order fixed by (seed, epoch), reachable by the number of the step.

    Step ``n`` is the same batch in every run, so a run that was killed goes on at step ``n`` exactly as if
    nothing had happened. Sentences of like length share a batch, which wastes little on padding; within
    a length they are dealt anew each epoch, and the batches come in a new order. ``len`` is the number of
    batches in an epoch, the same for all epochs. Indexing and iterating give the batches of epoch 0, which
    is what validation wants and what ``torch.utils.data.DataLoader(batches, batch_size=None)`` takes.

    Args:
        pairs: (source ids, target ids), without specials.
        tokens_per_batch: the most that rows × (longer of source and target, specials counted) may be.
        seed: of the order.
        source_eos: as in :func:`collate`.

    A pair that is alone longer than the budget is left out; ``dropped`` counts these.

    Raises:
        ValueError: if a source or a target is empty, or no pair fits the budget.
    """

    def __init__(
        self, pairs: Sequence[IdPair], tokens_per_batch: int, seed: int = 0, *, source_eos: bool = False
    ) -> None:
        _refuse_empty(pairs)
        self.pairs = pairs
        self.tokens_per_batch = tokens_per_batch
        self.seed = seed
        self.source_eos = source_eos

        lengths = np.array([max(len(s) + source_eos, len(t) + 1) for s, t in pairs], dtype=np.int64)
        self._kept = np.flatnonzero(lengths <= tokens_per_batch)
        self._lengths = lengths[self._kept]
        self.dropped = len(pairs) - len(self._kept)
        if not len(self._kept):
            raise ValueError(
                f"none of {len(pairs)} pairs fits tokens_per_batch={tokens_per_batch}: "
                "raise it above the shortest pair's length, or give some pairs."
            )
        self._cuts = self._cut(np.sort(self._lengths))
        self._epoch = -1
        self._plan: list[np.ndarray] = []

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._cuts) - 1

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Batch:
        """Batch ``index`` of epoch 0."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}; for later epochs use batch(step).")
        return self.batch(index)

    def batch(self, step: int) -> Batch:
        """The batch of a global step, counted from 0 over all epochs."""
        if step < 0:
            raise ValueError(f"step {step} is negative: steps count from 0.")
        epoch, index = divmod(step, len(self))
        if epoch != self._epoch:
            self._plan, self._epoch = self._deal(epoch), epoch
        return collate([self.pairs[row] for row in self._plan[index]], source_eos=self.source_eos)

    def _deal(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch. A stable sort of a shuffle keeps lengths alike and deals ties anew."""
        random = np.random.default_rng([self.seed, epoch])
        shuffled = random.permutation(len(self._kept))
        by_length = shuffled[np.argsort(self._lengths[shuffled], kind="stable")]
        batches = [self._kept[by_length[a:b]] for a, b in zip(self._cuts, self._cuts[1:], strict=False)]
        return [batches[index] for index in random.permutation(len(batches))]

    def _cut(self, ascending: np.ndarray) -> list[int]:
        """Where each batch begins in the sorted lengths. These are the same every epoch, so the cuts are."""
        cuts = [0]
        for row, length in enumerate(ascending.tolist()):
            if (row + 1 - cuts[-1]) * length > self.tokens_per_batch:
                cuts.append(row)
        return [*cuts, len(ascending)]
