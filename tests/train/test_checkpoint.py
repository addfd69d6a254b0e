"""The file: what goes in comes out, and what is not whole is not believed."""

import os
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tfedu.train import CheckpointError, checkpoint

TENSORS = {
    "a/float": torch.randn(3, 4),
    "a/bf16": torch.randn(5).bfloat16(),
    "b/step": torch.tensor(7.0),
    "b/long": torch.arange(6).reshape(2, 3).T,
    "b/none": torch.zeros(0, 2),
}
STATE = {"step": 3, "rows": [{"loss": 0.1 + 0.2}], "best": float("inf")}


def test_what_goes_in_comes_out(tmp_path):
    path = tmp_path / "deep" / "file"
    tied = {**TENSORS, "c/tied": TENSORS["a/float"]}
    checkpoint.write(path, tied, STATE)
    tensors, state = checkpoint.read(path)
    assert state == STATE
    assert tensors.keys() == tied.keys()
    for name, tensor in tied.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)
    assert set(checkpoint.under("b", tensors)) == {"step", "long", "none"}
    assert [p.name for p in path.parent.iterdir()] == ["file"]  # no draft is left


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_damage_anywhere_is_noticed(tmp_path_factory, place, cut):
    path = tmp_path_factory.mktemp("damage") / "file"
    checkpoint.write(path, TENSORS, STATE)
    whole = path.read_bytes()
    at = int(place * len(whole))
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
    path.write_bytes(damaged)
    try:
        tensors, state = checkpoint.read(path)
    except CheckpointError as error:
        assert "--no-resume" in str(error)  # noqa: PT017 (harmless damage is allowed below)
    else:  # a byte that means nothing, such as padding, may differ
        assert state == STATE
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert path.read_bytes() == damaged


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    checkpoint.write(path, TENSORS, STATE)

    def power_cut(*_):
        raise OSError("no space left on device")

    for victim in ("fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(os, victim, power_cut)
            with pytest.raises(OSError, match="no space"):
                checkpoint.write(path, {"new": torch.ones(3)}, {})
        assert checkpoint.read(path)[1] == STATE


def test_set_aside_never_overwrites(tmp_path):
    path = tmp_path / "file"
    assert checkpoint.set_aside(path) is None
    for number in (1, 2):
        path.write_text(str(number))
        assert checkpoint.set_aside(path).read_text() == str(number)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.old-1", "file.old-2"]


def test_random_states_return():
    def draw():
        return random.random(), random.gauss(0, 1), np.random.randn(), torch.randn(3).tolist()  # noqa: NPY002

    draw()  # leaves a spare Gaussian in two of the generators, which must be kept too
    state = checkpoint.rng_state()
    first = [draw() for _ in range(3)]
    checkpoint.set_rng_state(state)
    assert [draw() for _ in range(3)] == first
