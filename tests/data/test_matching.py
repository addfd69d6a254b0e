"""A longest common subsequence, against all subsequences."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from tfedu.data.matching import common

words = st.lists(st.sampled_from("abc"), max_size=6)


@given(words, words)
def test_it_is_common_in_order_and_longest(first, second):
    found = common(first, second)
    assert all(first[i] == second[j] for i, j in found)
    assert all(i < k and j < n for (i, j), (k, n) in pairwise(found))

    def subsequences(items):
        return {
            tuple(items[i] for i in at)
            for n in range(len(items) + 1)
            for at in combinations(range(len(items)), n)
        }

    assert len(found) == max(map(len, subsequences(first) & subsequences(second)))


def test_a_word_left_out_does_not_shift_the_rest():
    assert common(["the", "old", "man", "sleeps"], ["the", "man", "sleeps"]) == [(0, 0), (2, 1), (3, 2)]
