"""The exercises of chapter 11: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import pytest
import torch
import torch.nn.functional as F

from tfedu.exercises import vit as exercise

# --- 2. patchify -------------------------------------------------------------------------------------------


def patches(pictures, size):
    rows = F.unfold(pictures, size, stride=size)  # (B, P, N)
    return rows.transpose(1, 2)


def inside(pictures, size, *order):
    B, N, _ = patches(pictures, size).shape
    parts = patches(pictures, size).reshape(B, N, -1, size, size)
    return parts.permute(0, 1, *order).reshape(B, N, -1)


def down_the_columns(pictures, size):
    h, w = pictures.shape[2] // size, pictures.shape[3] // size
    found = patches(pictures, size)
    return torch.stack([found[:, row * w + column] for column in range(w) for row in range(h)], dim=1)


def sieve(pictures, size):
    h, w = pictures.shape[2] // size, pictures.shape[3] // size
    found = [pictures[:, :, row::h, column::w].flatten(1) for row in range(h) for column in range(w)]
    return torch.stack(found, dim=1)


PATCHIFY = {
    "A reshape alone": lambda pictures, size: pictures.flatten(1).unflatten(
        1, (-1, pictures.shape[1] * size**2)
    ),
    "run down the columns": down_the_columns,
    "channels come last": lambda pictures, size: inside(pictures, size, 3, 4, 2),
    "lies on its side": lambda pictures, size: inside(pictures, size, 2, 4, 3),
    "through a sieve": sieve,
    "are exchanged": lambda pictures, size: F.unfold(pictures, size, stride=size),
}

# --- 3. embed ----------------------------------------------------------------------------------------------


def first_tokens(patches, matrix, class_token, positions):
    B, D = len(patches), matrix.shape[1]
    x = torch.cat([class_token.reshape(1, 1, D).repeat(B, 1, 1), F.linear(patches, matrix.T)], 1)
    return x + positions[None]


def at_the_end(patches, matrix, class_token, positions):
    B, D = len(patches), matrix.shape[1]
    return torch.cat([patches @ matrix, class_token.reshape(1, 1, D).repeat(B, 1, 1)], 1) + positions


def without_its_position(patches, matrix, class_token, positions):
    x = first_tokens(patches, matrix, class_token, positions)
    return torch.cat([class_token.repeat(len(x), 1)[:, None], x[:, 1:]], 1)


def off_by_one(patches, matrix, class_token, positions):
    x = torch.einsum("bnp,pd->bnd", patches, matrix) + positions[: patches.shape[1]]
    return torch.cat([class_token.repeat(len(x), 1)[:, None], x], 1)


EMBED = {
    "are not added": lambda *a: first_tokens(*a[:3], torch.zeros(1)),
    "stands at the end": at_the_end,
    "got no position": without_its_position,
    "off by one": off_by_one,
    "class token is missing": lambda *a: first_tokens(*a)[:, 1:],
    "but it is zero": lambda patches, matrix, token, positions: first_tokens(
        patches, matrix, 0 * token, positions
    ),
}

# --- 4. stretch --------------------------------------------------------------------------------------------


def stretched(table, old, new, mode="bicubic", **how):
    grid = table[1:].T.reshape(1, -1, *old)
    return torch.cat([table[:1], F.interpolate(grid, new, mode=mode, **how)[0].flatten(1).T])


def by_columns(table, old, new):
    grid = table[1:].T.reshape(1, -1, old[1], old[0]).transpose(2, 3)
    return torch.cat([table[:1], F.interpolate(grid, new, mode="bicubic")[0].flatten(1).T])


def filled_up(table, old, new):
    wide = torch.zeros(100, table.shape[1])
    wide[: len(table)] = table
    return wide[: 1 + new[0] * new[1]]


STRETCH = {
    "align the corners": lambda table, old, new: stretched(table, old, new, align_corners=True),
    "That is bilinear": lambda table, old, new: stretched(table, old, new, "bilinear"),
    "copies the nearest": lambda table, old, new: stretched(table, old, new, "nearest"),
    "position is gone": lambda table, old, new: stretched(table, old, new)[1:],
    "by columns": by_columns,
    "as one line": lambda table, old, new: (
        F.interpolate(table.T[None], 1 + new[0] * new[1], mode="linear")[0].T
    ),
    "filled up with zeros": filled_up,
}

# --- 5. distance -------------------------------------------------------------------------------------------


def far(weights, grid, patch, norm=2.0, power=1, total=None, flip=False):
    rows, columns = grid[::-1] if flip else grid
    place = torch.tensor([(r, c) for r in range(rows) for c in range(columns)]).float()
    apart = (place[:, None] - place[None]).norm(p=norm, dim=-1) ** power
    w = weights[:, 1:, 1:]
    w = w / (w.sum(2, keepdim=True) if total is None else total)
    return patch * (w * apart).sum((1, 2)) / len(place)


def over_queries(weights, grid, patch):
    kept = weights[:, 1:, 1:]
    kept = kept / kept.sum(2, keepdim=True)
    place = torch.cartesian_prod(*(torch.arange(side).float() for side in grid))
    return patch * (kept.transpose(1, 2) * torch.cdist(place, place)).sum(2).mean(1)


def along_the_sequence(weights, grid, patch):
    place = torch.arange(grid[0] * grid[1]).float()
    kept = weights[:, 1:, 1:]
    kept = kept / kept.sum(2, keepdim=True)
    return patch * (kept * (place[:, None] - place).abs()).sum(2).mean(1)


DISTANCE = {
    "in patches": lambda weights, grid, patch: far(weights, grid, 1),
    "do not sum to 1": lambda weights, grid, patch: far(weights, grid, patch, total=1),
    "squared": lambda weights, grid, patch: far(weights, grid, patch, power=2),
    "steps along": lambda weights, grid, patch: far(weights, grid, patch, norm=1),
    "along the sequence": along_the_sequence,
    "rows for columns": lambda weights, grid, patch: far(weights, grid, patch, flip=True),
    "one number": lambda weights, grid, patch: far(weights, grid, patch).mean(),
}

# --- 6. convolution ----------------------------------------------------------------------------------------


def shifts(rows, columns):
    """Nine kernels, each one number, run over pictures of one lit patch."""
    lit = torch.eye(rows * columns).reshape(-1, 1, rows, columns)
    kernels = torch.eye(9).reshape(9, 1, 3, 3)
    return F.conv2d(lit, kernels, padding=1).permute(1, 2, 3, 0).reshape(9, rows * columns, -1)


def padded(mode):
    def maps(rows, columns):
        lit = F.pad(torch.eye(rows * columns).reshape(-1, 1, rows, columns), (1, 1, 1, 1), mode=mode)
        found = F.conv2d(lit, torch.eye(9).reshape(9, 1, 3, 3))
        return found.permute(1, 2, 3, 0).reshape(9, rows * columns, -1)

    return maps


def divided(rows, columns):
    found = shifts(rows, columns)
    return found / found.sum((0, 2)).reshape(1, -1, 1)


CONVOLUTION = {
    "look the other way": lambda rows, columns: shifts(rows, columns).transpose(1, 2),
    "read by columns": lambda rows, columns: shifts(rows, columns)[[0, 3, 6, 1, 4, 7, 2, 5, 8]],
    "round the edge": padded("circular"),
    "at the edge again": padded("replicate"),
    "divided by the number": divided,
    "added the maps up": lambda rows, columns: shifts(rows, columns).sum(0),
    "at their own place": lambda rows, columns: torch.eye(rows * columns).repeat(9, 1, 1),
}

#: Judged by test_families.py: the check, the right answer, the mistakes by words of their diagnoses.
FAMILIES = {
    "patchify": (exercise.patchify, lambda pictures, size: patches(pictures, size), PATCHIFY),
    "embed": (
        exercise.embed,
        lambda patches, matrix, class_token, positions: first_tokens(patches, matrix, class_token, positions),
        EMBED,
    ),
    "stretch": (exercise.stretch, lambda table, old, new: stretched(table, old, new), STRETCH),
    "distance": (exercise.distance, lambda weights, grid, patch: far(weights, grid, patch), DISTANCE),
    "convolution": (exercise.convolution, lambda rows, columns: shifts(rows, columns), CONVOLUTION),
}


def test_the_number_of_tokens():
    assert exercise.tokens((384 // 16) ** 2 + 1)
    assert exercise.tokens(...).state == "not started"
    for wrong, words in (
        (576, "in front"),
        (24, "one side"),
        (197, "at 224"),
        (9217, "not its area"),
        (147_456, "the pixels"),
        (1729, "Colours"),
        (578, "DeiT"),
    ):
        verdict = exercise.tokens(wrong)
        assert not verdict
        assert words in verdict.message
    assert "none" not in exercise.tokens(100).message


def test_nine_maps_are_a_convolution():
    """What the last exercise says, in the numbers of torch: one matrix for each of the kernel's places."""
    torch.manual_seed(0)
    x, kernel = torch.randn(2, 3, 4, 5), torch.randn(6, 3, 3, 3)
    tokens = x.flatten(2).transpose(1, 2)
    maps = shifts(4, 5)
    heads = [maps[n] @ tokens @ kernel[:, :, n // 3, n % 3].T for n in range(9)]
    torch.testing.assert_close(sum(heads), F.conv2d(x, kernel, padding=1).flatten(2).transpose(1, 2))


@pytest.mark.parametrize("size", [2, 3])
def test_the_package_cuts_as_the_exercise_wants(size):
    from tfedu.blocks.patches import patchify

    assert exercise.patchify(patchify)
    pictures = torch.randn(2, 3, 2 * size, 3 * size)
    torch.testing.assert_close(patches(pictures, size), patchify(pictures, size))
