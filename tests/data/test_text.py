"""Text as numbers: round trips, masks, and batches that any run finds again."""

import unicodedata
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.data.text import (
    BOS,
    EOS,
    PAD,
    UNK,
    Batch,
    SubwordTokenizer,
    TranslationBatches,
    WordTokenizer,
    collate,
    pad,
    tokenizer_from_json,
)

LINES = [
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
    "Zwei Männer mit Schutzhelmen stehen am Tor – sie sagen: „Halt!“",
    "Ein Mann im T-Shirt (blau) und ein Mädchen gehen an den Büschen vorbei, 3 Hunde folgen.",
    "Die Männer gehen in das Spielhaus; das kleine Mädchen sagt nichts...",
]
ALPHABET = sorted(set("".join(LINES)))


@pytest.fixture(scope="module")
def subwords() -> SubwordTokenizer:
    return SubwordTokenizer.train(LINES, 120)


# Words


def test_words_have_ids_after_the_specials() -> None:
    words = WordTokenizer(["der", "Hund", "schläft"])
    assert len(words) == 7
    assert words.encode("der Hund schläft") == [4, 5, 6] == words.encode(("der", "Hund", "schläft"))
    assert words.encode("die Katze schläft") == [UNK, UNK, 6]
    assert words.decode([BOS, 4, UNK, 6, EOS, 5]) == "der <unk> schläft"
    assert words.tokens([BOS, 4, EOS, PAD]) == ["<bos>", "der", "<eos>", "<pad>"]


def test_words_survive_json() -> None:
    words = WordTokenizer(["für", "„", "a"])
    again = tokenizer_from_json(words.to_json())
    assert isinstance(again, WordTokenizer)
    assert again.words == words.words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "a"], r"listed twice: \['a'\]"),
        (["a b"], "white space"),
        ([""], "not empty"),
        (["<eos>"], "'<eos>' cannot be a word"),
    ],
)
def test_bad_word_lists_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WordTokenizer(words)


@pytest.mark.parametrize("bad", [-1, 7])
def test_ids_of_another_vocabulary_are_refused(bad: int, subwords: SubwordTokenizer) -> None:
    with pytest.raises(ValueError, match=f"id {bad} is outside this vocabulary of 7"):
        WordTokenizer(["a", "b", "c"]).tokens([bad])
    with pytest.raises(ValueError, match="outside this vocabulary"):
        subwords.tokens([10_000 if bad > 0 else bad])


# Subwords


def test_subwords_give_the_training_text_back(subwords: SubwordTokenizer) -> None:
    assert [subwords.decode(subwords.encode(line)) for line in LINES] == LINES


@given(st.text(alphabet=[*ALPHABET, "\u00a0", "\t"], max_size=60))
@settings(max_examples=200, deadline=None)
def test_subwords_give_any_normal_text_back(subwords: SubwordTokenizer, text: str) -> None:
    ids = subwords.encode(text)
    assert UNK not in ids
    assert subwords.decode(ids) == " ".join(text.split())
    assert subwords.decode([BOS, *ids, EOS, 5, PAD]) == " ".join(text.split())


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_text_whatever_makes_a_special_other_than_unk(subwords: SubwordTokenizer, text: str) -> None:
    ids = subwords.encode(text + " <eos><pad> <bos>")
    assert not {PAD, BOS, EOS} & set(ids)
    assert len(subwords.tokens(ids)) == len(ids)


def test_composed_and_decomposed_letters_are_one(subwords: SubwordTokenizer) -> None:
    assert subwords.encode(unicodedata.normalize("NFD", LINES[0])) == subwords.encode(LINES[0])


def test_unseen_characters_become_one_unk(subwords: SubwordTokenizer) -> None:
    ids = subwords.encode("Ein 漢字 Mann")
    assert ids.count(UNK) == 1
    assert subwords.decode(ids) == "Ein <unk> Mann"


def test_punctuation_never_fuses_with_a_word() -> None:
    many = SubwordTokenizer.train(["Halt! Halt! Halt! Halt!"], 50)
    assert many.tokens(many.encode("Halt! Halt!")) == ["Halt", "!", "Halt", "!"]


def test_tokens_read_well(subwords: SubwordTokenizer) -> None:
    few = SubwordTokenizer.train(["ab ab cd cd abcd."], 13)
    assert few.tokens(few.encode("ab abcd.")) == ["ab", "ab", "·cd", "."]
    assert few.tokens([BOS, *few.encode("ab"), EOS]) == ["<bos>", "ab", "<eos>"]
    shirt = subwords.tokens(subwords.encode("T-Shirt"))
    assert "".join(shirt).replace("·", "") == "T-Shirt"
    assert "-" in shirt  # punctuation inside a word stands plain too
    assert not shirt[shirt.index("-") + 1].startswith("·")


def test_lower_case_is_an_option() -> None:
    lower = SubwordTokenizer.train(LINES, 120, lowercase=True)
    assert lower.decode(lower.encode("EIN Mädchen")) == "ein mädchen"


def test_training_is_deterministic_and_survives_json(subwords: SubwordTokenizer) -> None:
    assert SubwordTokenizer.train(LINES, 120).to_json() == subwords.to_json()
    again = tokenizer_from_json(subwords.to_json())
    assert isinstance(again, SubwordTokenizer)
    for line in [*LINES, "ein <eos> Mann"]:
        assert again.encode(line) == subwords.encode(line)
    assert len(again) == len(subwords) <= 120


def test_bad_subword_training_is_refused() -> None:
    with pytest.raises(ValueError, match="size=6 is too small"):
        SubwordTokenizer.train(LINES, 6)
    with pytest.raises(ValueError, match="no text"):
        SubwordTokenizer.train(["", " "], 50)
    with pytest.raises(ValueError, match="no WordTokenizer"):
        tokenizer_from_json("[1, 2]")


# Batches

ids = st.lists(st.integers(4, 50), min_size=1, max_size=12)
corpora = st.lists(st.tuples(ids, ids), min_size=1, max_size=30)


@given(corpora, st.booleans())
def test_collate_holds_each_pair_and_nothing_else(pairs: list, source_eos: bool) -> None:
    batch = collate(pairs, source_eos=source_eos)
    end = [EOS] if source_eos else []
    assert not batch.source[~batch.source_mask].any()  # PAD is 0
    assert not batch.target_in[~batch.target_mask].any()
    assert not batch.target_out[~batch.target_mask].any()
    for row, (source, target) in enumerate(pairs):
        assert batch.source[row][batch.source_mask[row]].tolist() == source + end
        assert batch.target_in[row][batch.target_mask[row]].tolist() == [BOS, *target]
        assert batch.target_out[row][batch.target_mask[row]].tolist() == [*target, EOS]
    assert batch.source_mask.any(0).all()  # no column is padding alone
    assert batch.target_mask.any(0).all()


def rows(batch: Batch) -> list[tuple]:
    """What a batch trains on, as comparable rows."""
    return sorted(
        (tuple(s[m].tolist()), tuple(t[n].tolist()))
        for s, m, t, n in zip(
            batch.source, batch.source_mask, batch.target_out, batch.target_mask, strict=True
        )
        if n.any()
    )


@given(corpora, st.integers(1, 5))
def test_shards_hold_each_row_once(pairs: list, world: int) -> None:
    batch = collate(pairs)
    shards = [batch.shard(rank, world) for rank in range(world)]
    assert sorted(row for shard in shards for row in rows(shard)) == rows(batch)
    assert all(len(shard) >= 1 for shard in shards)
    assert sum(int(shard.target_mask.sum()) for shard in shards) == int(batch.target_mask.sum())
    for shard in shards:
        assert not shard.target_out[~shard.target_mask].any()
        assert shard.source_mask.any(1).all()


def test_to_moves_every_tensor() -> None:
    batch = collate([([4], [5])]).to("meta")
    kinds = [batch.source, batch.source_mask, batch.target_in, batch.target_out, batch.target_mask]
    assert {tensor.device.type for tensor in kinds} == {"meta"}


@given(corpora, st.integers(3, 60), st.integers(0, 5), st.integers(0, 3))
def test_every_epoch_holds_every_pair_once_within_the_budget(
    pairs: list, budget: int, seed: int, epoch: int
) -> None:
    fitting = [(s, t) for s, t in pairs if max(len(s), len(t) + 1) <= budget]
    if not fitting:
        with pytest.raises(ValueError, match="none of"):
            TranslationBatches(pairs, budget, seed)
        return
    batches = TranslationBatches(pairs, budget, seed)
    assert batches.dropped == len(pairs) - len(fitting)
    seen: Counter = Counter()
    for step in range(epoch * len(batches), (epoch + 1) * len(batches)):
        batch = batches.batch(step)
        assert max(batch.source.numel(), batch.target_in.numel()) <= budget
        seen.update(rows(batch))
    assert seen == Counter((tuple(s), (*t, EOS)) for s, t in fitting)


def many_pairs() -> list[tuple[list[int], list[int]]]:
    return [([4 + i % 40] * (1 + i % 7), [4 + i // 40] * (1 + i % 5)) for i in range(400)]


def equal(a: Batch, b: Batch) -> bool:
    return torch.equal(a.source, b.source) and torch.equal(a.target_out, b.target_out)


def test_a_step_is_the_same_batch_in_every_run() -> None:
    once, again = (TranslationBatches(many_pairs(), 64, seed=3) for _ in range(2))
    steps = [2 * len(once) + 5, 0, len(once), 2 * len(once) + 5]
    far = [once.batch(step) for step in steps]  # out of order
    for step in range(2 * len(again) + 6):  # in order
        batch = again.batch(step)
        if step in steps:
            assert equal(batch, far[steps.index(step)])
    assert equal(far[0], far[3])


def test_epochs_and_seeds_differ() -> None:
    batches = TranslationBatches(many_pairs(), 64, seed=3)
    other = TranslationBatches(many_pairs(), 64, seed=4)
    first = [rows(batches.batch(step)) for step in range(len(batches))]
    second = [rows(batches.batch(step + len(batches))) for step in range(len(batches))]
    assert first != second
    assert sorted(first) != sorted(second)  # not only the order: the batches are dealt anew
    assert first != [rows(other.batch(step)) for step in range(len(other))]


def test_batches_waste_little_and_are_not_sorted() -> None:
    batches = TranslationBatches(many_pairs(), 64)
    lengths = [max(batch.source.shape[1], batch.target_in.shape[1]) for batch in batches]
    assert len(lengths) == len(batches)
    assert lengths != sorted(lengths)
    real = sum(int(batch.source_mask.sum() + batch.target_mask.sum()) for batch in batches)
    room = sum(batch.source.numel() + batch.target_in.numel() for batch in batches)
    assert real / room > 0.7


def test_batches_feed_a_data_loader() -> None:
    batches = TranslationBatches(many_pairs(), 64)
    loaded = list(torch.utils.data.DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    assert len(loaded) == len(batches)
    assert equal(loaded[3], batches.batch(3))


def test_bad_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="pair 1 has an empty target"):
        collate([([4], [4]), ([4], [])])
    with pytest.raises(ValueError, match="pair 0 has an empty source"):
        TranslationBatches([([], [4])], 10)
    with pytest.raises(ValueError, match="at least one sequence"):
        pad([])
    with pytest.raises(ValueError, match="sequence 1 is empty"):
        pad([[4], []])
    with pytest.raises(ValueError, match="rank 2 is not one of"):
        collate([([4], [4])]).shard(2, 2)
    with pytest.raises(ValueError, match="step -1 is negative"):
        TranslationBatches([([4], [4])], 10).batch(-1)
    with pytest.raises(IndexError):
        TranslationBatches([([4], [4])], 10)[1]
