"""The loop: what it computes, what it must not disturb, what it refuses."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy
from toy import Cycle, loss, run, toy, validate

from tfedu.train import CheckpointError, History, Loss, TrainConfig, checkpoint, train


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns():
    model = toy()
    _, losses = run(model, steps=300, log_every=50).curve()
    assert losses[0] > 1
    assert losses[-1] < 0.2
    assert not model.training


def test_one_step_is_adamw_on_the_mean_over_tokens():
    """The closed form of one clipped step, written without the loop."""
    model, reference = toy(dropout=0), toy(dropout=0)
    run(model, steps=1, clip=0.01, weight_decay=0.1)
    batch = Cycle().batch(0)
    counts = batch.mask[:, 1:]
    mean = cross_entropy(reference(batch.ids[:, :-1])[counts], batch.ids[:, 1:][counts])
    mean.backward()
    length = math.sqrt(sum(float(p.grad.pow(2).sum()) for p in reference.parameters()))
    assert length > 0.01
    for (name, p), trained in zip(reference.named_parameters(), model.parameters(), strict=True):
        gradient = p.grad * 0.01 / length
        decay = 0.1 if p.dim() > 1 else 0.0
        expected = p * (1 - 0.01 * decay) - 0.01 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(trained, expected, msg=name, atol=2e-6, rtol=0)


def test_one_step_of_sgd():
    """The gradient itself, clipped, times the rate."""
    model, reference = toy(dropout=0), toy(dropout=0)
    run(model, steps=1, clip=0.01, optimizer="sgd", lr=0.5)
    batch = Cycle().batch(0)
    counts = batch.mask[:, 1:]
    cross_entropy(reference(batch.ids[:, :-1])[counts], batch.ids[:, 1:][counts]).backward()
    length = math.sqrt(sum(float(p.grad.pow(2).sum()) for p in reference.parameters()))
    for p, trained in zip(reference.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(trained, p - 0.5 * p.grad * 0.01 / length, atol=1e-6, rtol=0)


def test_sgd_in_two_parts_equals_the_whole(tmp_path):
    whole, parts = toy(), toy()
    run(whole, steps=12, optimizer="sgd", lr=0.5)
    run(parts, tmp_path, steps=5, optimizer="sgd", lr=0.5)
    run(parts, tmp_path, steps=12, optimizer="sgd", lr=0.5)
    assert same(weights(whole), weights(parts))


def test_a_checkpoint_from_before_a_setting_existed_goes_on(tmp_path):
    run(toy(), tmp_path, steps=4)
    path = tmp_path / "checkpoint.safetensors"
    tensors, state = checkpoint.read(path)
    del state["config"]["optimizer"]
    checkpoint.write(path, tensors, state)
    run(toy(), tmp_path, steps=6)
    with pytest.raises(CheckpointError, match="optimizer was adamw and is sgd"):
        run(toy(), tmp_path, steps=8, optimizer="sgd")


def test_looking_changes_nothing(tmp_path):
    plain, watched = toy(), toy()
    run(plain, steps=20)
    history = run(watched, tmp_path, steps=20, log_every=1, save_every=3, validate_every=4, validate=validate)
    assert history.best_step == 20  # else the weights below would be an earlier step's
    assert same(weights(plain), weights(watched))


def test_the_same_seed_repeats_and_another_does_not():
    results = []
    for seed in (0, 0, 1):
        model = toy()
        run(model, seed=seed)
        results.append(weights(model))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])  # dropout differs


def test_the_best_weights_stay_and_patience_ends_it():
    script = iter([3.0, 1.0, 2.0, 2.0, 0.5])
    seen = []

    def scripted(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        seen.append(weights(model))
        return {"loss": next(script), "accuracy": 0.5}

    model = toy()
    history = run(model, steps=100, validate_every=5, patience=2, validate=scripted)
    assert history.stopped_early
    assert history.best_step == 10
    assert same(weights(model), seen[1])
    assert history.curve("loss", validation=True) == ([5, 10, 15, 20], [3.0, 1.0, 2.0, 2.0])


def test_a_run_in_two_parts_equals_the_whole(tmp_path):
    whole, parts = toy(), toy()
    expected = run(whole, steps=20)
    run(parts, tmp_path, steps=10)
    fresh = toy()  # a new process would begin with new weights, which the checkpoint replaces
    history = run(fresh, tmp_path, steps=20)
    assert same(weights(fresh), weights(whole))
    assert [row["loss"] for row in history.rows] == [row["loss"] for row in expected.rows]


def test_a_finished_run_is_not_run_again(tmp_path):
    model, again = toy(), toy()
    first = run(model, tmp_path, validate=validate)
    assert run(again, tmp_path, validate=validate) == first
    assert same(weights(again), weights(model))


def test_history_is_data(tmp_path):
    history = run(toy(), tmp_path, steps=25, validate_every=10, validate=validate, schedule="linear")
    assert History.load(tmp_path / "history.jsonl") == history
    assert [row["step"] for row in history.rows] == [10, 20, 25]
    steps, rates = history.curve("lr")
    assert rates == pytest.approx([0.01 * (1 - (step - 1) / 25) for step in steps])
    tokens = sum(int(Cycle().batch(step).mask[:, 1:].sum()) for step in range(25))
    assert history.rows[-1]["tokens"] == tokens


@pytest.mark.parametrize("change", [{"lr": 0.02}, {"schedule": "cosine"}, {"clip": None}, {"seed": 1}])
def test_another_configuration_is_refused(tmp_path, change):
    run(toy(), tmp_path, steps=5)
    with pytest.raises(CheckpointError, match=rf"{next(iter(change))} was .*--no-resume"):
        run(toy(), tmp_path, **({"steps": 5} | change))


def test_a_decaying_schedule_cannot_be_lengthened(tmp_path):
    run(toy(), tmp_path, steps=5, schedule="cosine")
    with pytest.raises(CheckpointError, match="steps was 5 and is 6"):
        run(toy(), tmp_path, steps=6, schedule="cosine")


def test_another_model_is_refused_and_left_as_it_was(tmp_path):
    run(toy(), tmp_path, steps=5)
    wider = toy(width=32)
    before, file = weights(wider), (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=r"embed.weight was .*\(20, 16\) and is .*\(20, 32\)"):
        run(wider, tmp_path, steps=5)
    assert same(weights(wider), before)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == file


def test_without_resume_the_old_checkpoint_is_set_aside(tmp_path):
    run(toy(), tmp_path, steps=5)
    old = (tmp_path / "checkpoint.safetensors").read_bytes()
    run(toy(), tmp_path, steps=5, lr=0.02, resume=False)
    assert (tmp_path / "checkpoint.safetensors.old-1").read_bytes() == old
    assert checkpoint.read(tmp_path / "checkpoint.safetensors")[1]["config"]["lr"] == 0.02


def test_a_loss_that_is_no_number_stops_before_it_is_saved(tmp_path):
    def breaks(model, batch):
        good = loss(model, batch)
        breaks.calls += 1
        return Loss(good.total * (math.nan if breaks.calls > 7 else 1.0), good.count)

    breaks.calls = 0
    with pytest.raises(FloatingPointError, match="at step 10: lower lr"):
        train(toy(), Cycle(), breaks, config=TrainConfig(20, save_every=5), folder=tmp_path, quiet=True)
    tensors, state = checkpoint.read(tmp_path / "checkpoint.safetensors")
    assert state["progress"]["step"] == 5
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_gradient_that_is_no_number_stops_before_it_is_saved(tmp_path):
    """The loss of that step is still finite; only the weights would be lost."""

    def breaks(model, batch):
        good = loss(model, batch)
        breaks.calls += 1
        harm = (0 * model.out.weight.sum()).sqrt() if breaks.calls == 10 else 0.0  # 0, with slope infinity
        return Loss(good.total + harm, good.count)

    breaks.calls = 0
    with pytest.raises(FloatingPointError, match="at step 10: lower lr"):
        train(toy(), Cycle(), breaks, config=TrainConfig(20, save_every=5), folder=tmp_path, quiet=True)
    assert checkpoint.read(tmp_path / "checkpoint.safetensors")[1]["progress"]["step"] == 5


def test_bf16_learns_and_keeps_the_weights_in_float32():
    model = toy()
    kinds = set()
    model.out.register_forward_hook(lambda module, inputs, output: kinds.add(output.dtype))
    _, losses = run(model, steps=300, log_every=50, precision="bf16").curve()
    assert losses[-1] < 0.2
    assert kinds == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.slow
def test_compile_trains_the_same_parameters():
    plain, compiled = toy(dropout=0), toy(dropout=0)
    run(plain, steps=3)
    run(compiled, steps=3, compile=True)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], tensor, msg=name)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_the_gpu_in_bf16_and_resumed(tmp_path):
    whole, parts = toy(), toy()
    run(whole, steps=300, precision="bf16")
    run(parts, tmp_path, steps=100, precision="bf16")
    fresh = toy()
    _, losses = run(fresh, tmp_path, steps=300, precision="bf16").curve()
    assert next(fresh.parameters()).is_cuda
    assert losses[-1] < 0.2
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(fresh.state_dict()[name], tensor, msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "fp16"}, "choose 'no'"),
        ({"steps": -1}, "count steps"),
        ({"log_every": 0}, "log_every at least 1"),
        ({"patience": 3}, "set validate_every too"),
        ({"warmup": 30}, "between 0 and steps"),
        ({"schedule": "step"}, "choose one of constant"),
        ({"validate_every": 5}, "no validate function"),
        ({"validate": lambda model: {"bleu": 3.0}}, "must return a 'loss'"),
        ({"clip": 0.0}, "None for no clipping"),
    ],
)
def test_bad_configurations_name_the_fix(settings, message):
    with pytest.raises(ValueError, match=message):
        run(toy(), **settings)
