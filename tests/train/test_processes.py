"""Two processes train as one; a killed training ends as one never killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tfedu.train import checkpoint

TOY = Path(__file__).with_name("toy.py")
ROOT = Path(__file__).parents[2]


def start(*command: str | Path) -> subprocess.Popen:
    """A Python process that finds this checkout, alone on one thread, with no trace of another launch."""
    outer = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    environment = {k: v for k, v in os.environ.items() if k not in outer}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, *map(str, command)], env=environment, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(tmp_path):
    """The shares differ in tokens, so a mean of the processes' means would be off by far more than 1e-6."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    options = ("--steps", "3", "--dropout", "0", "--save-every", "0")
    together = start(*launch, TOY, tmp_path / "two", *options)
    alone = start(TOY, tmp_path / "one", *options)
    finish(alone)
    finish(together)
    one, _ = checkpoint.read(tmp_path / "one" / "result-0.safetensors")
    for rank in (0, 1):
        two, _ = checkpoint.read(tmp_path / "two" / f"result-{rank}.safetensors")
        assert two.keys() == one.keys()
        for name in one:
            torch.testing.assert_close(two[name], one[name], atol=1e-10, rtol=0, msg=name)


@pytest.mark.slow
@pytest.mark.real_data
def test_a_recipe_follows_one_loss_curve_on_one_process_and_on_two(tmp_path):
    """The command of the README, on a model small enough for a test."""
    small = ("width=16", "heads=2", "layers=1", "context=32", "dropout=0", "log_every=1", "validate_every=0")
    options = ["-m", "tfedu.train", "gpt-shakespeare", "--quiet", "--precision", "no", "--steps", "12"]
    options += [part for setting in small for part in ("--set", setting)]
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    runs = [start(*options, "--out", tmp_path / "one"), start(*launch, *options, "--out", tmp_path / "two")]
    for run in runs:
        finish(run)
    one, two = (
        [json.loads(row) for row in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    losses = [[row["loss"] for row in rows if "step" in row] for rows in (one, two)]
    assert len(losses[0]) == 12
    assert losses[0][-1] < losses[0][0]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert [row["tokens"] for row in two if "step" in row] == [row["tokens"] for row in one if "step" in row]


@pytest.mark.slow
def test_killed_again_and_again_ends_as_if_never_killed(tmp_path):
    """kill -9 at three moments nobody chose; then weights, history and best step agree to the bit."""
    whole = start(TOY, tmp_path / "whole")
    broken = tmp_path / "broken"
    for progressed in (4, 20, 40):
        process = start(TOY, broken, "--pause", "0.02")
        while steps_saved(broken) < progressed:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.013)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (broken / "result-0.safetensors").exists()  # it was killed, it did not end
    finish(start(TOY, broken))
    finish(whole)

    expected, _ = checkpoint.read(tmp_path / "whole" / "result-0.safetensors")
    got, _ = checkpoint.read(broken / "result-0.safetensors")
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    tensors, state = checkpoint.read(tmp_path / "whole" / "checkpoint.safetensors")
    tensors_too, state_too = checkpoint.read(broken / "checkpoint.safetensors")
    assert all(torch.equal(tensors_too[name], tensors[name]) for name in tensors)  # the optimizer's too
    for row in (
        *state["progress"]["rows"],
        *state_too["progress"]["rows"],
        state["progress"],
        state_too["progress"],
    ):
        row.pop("seconds")
    assert state_too == state  # generators and history, all but the clock


def steps_saved(folder: Path) -> int:
    path = folder / "checkpoint.safetensors"
    try:
        return checkpoint.read(path)[1]["progress"]["step"] if path.exists() else 0
    except checkpoint.CheckpointError:  # safetensors opens the path twice; between, it may have been replaced
        return 0
