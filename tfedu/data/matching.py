"""Which words two sentences have in common, in order: a longest common subsequence."""

from __future__ import annotations

from collections.abc import Sequence


def common(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    """Positions (i, j) of a longest common subsequence, ascending: ``first[i] == second[j]`` for each.

    No other matching that keeps the order has more words. Of several longest ones it takes the earliest
    words of `first`.
    """
    rows, columns = len(first), len(second)
    # best[i][j]: the length of the longest common subsequence of first[i:] and second[j:]
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            same = first[i] == second[j]
            best[i][j] = 1 + best[i + 1][j + 1] if same else max(best[i + 1][j], best[i][j + 1])
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        if first[i] == second[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
    return found
