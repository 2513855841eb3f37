"""The training loop on a regression that takes a fraction of a second: resuming, early stopping, failing safely."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xspecnf.errors import InputError
from xspecnf_train.checkpoint import Progress, load_checkpoint, save_checkpoint
from xspecnf_train.config import StageConfig
from xspecnf_train.loop import Task, Trainer, TrainingFailed, cosine_rate
from xspecnf_train.model import FrozenGuard

SLOPE = torch.tensor([[1.0], [-2.0], [0.5]])
CONFIG = StageConfig(epochs=4, steps=5, batch=16, learning_rate=0.05, warm_up=3, ema=0.9, weight_decay=0.01)
COSINE = StageConfig(epochs=3, steps=4, batch=16, learning_rate=0.05, warm_up=3, schedule="cosine")


def draw(size: int, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal((size, 3))).float()


def regression(module: nn.Module) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Loss of predicting the SLOPE's line, with targets as noisy as the generator makes them."""

    def loss(x: Tensor, noise: torch.Generator) -> Tensor:
        target = x @ SLOPE + 0.1 * torch.randn(len(x), 1, generator=noise)
        return (module(x) - target).square().mean()

    return loss


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def silent(_: str) -> None:
    pass


def train(folder: Path, report: Callable[[str], None] = silent) -> tuple[nn.Module, Trainer]:
    """Two stages of one network in `folder`, from its checkpoint where there is one."""
    folder.mkdir(exist_ok=True)
    module = network()
    trainer = Trainer(module, folder, 5, report)
    for name, config in (("first", CONFIG), ("second", COSINE)):
        trainer.run(Task(name, module, draw, regression(module)), config)
    return module, trainer


class Killed(Exception):
    """What a test stops a run with."""


def killer(message: str) -> Callable[[str], None]:
    def report(text: str) -> None:
        if text.startswith(message):
            raise Killed

    return report


@pytest.mark.parametrize(
    "moments", [["first 1/4"], ["first 4/4"], ["second 2/3"], ["first 2/4", "first 3/4", "second 1/3"]]
)
def test_a_killed_run_ends_where_an_undisturbed_one_does(tmp_path: Path, moments: list[str]) -> None:
    """Bit for bit, the learning curve included."""
    whole, undisturbed = train(tmp_path / "whole")
    for moment in moments:
        with pytest.raises(Killed):
            train(tmp_path / "stopped", killer(moment))
    resumed, trainer = train(tmp_path / "stopped")
    for expected, found in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(expected, found)
    assert trainer.progress.curve == undisturbed.progress.curve
    assert trainer.progress.spectra == undisturbed.progress.spectra == 16 * (4 * 5 + 3 * 4)


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    whole, _ = train(tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    again, trainer = train(tmp_path, killer(""))
    assert trainer.progress.done == ["first", "second"]
    assert torch.equal(whole[0].weight, again[0].weight)  # pyright: ignore[reportIndexIssue]
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_every_step_is_told(tmp_path: Path) -> None:
    """Of the stages that are left, from the step on where the run was stopped."""
    with pytest.raises(Killed):
        train(tmp_path, killer("first 3/4"))
    told: list[tuple[str, int, int]] = []
    module = network()
    trainer = Trainer(module, tmp_path, 5, silent, lambda *step: told.append(step))
    trainer.run(Task("first", module, draw, regression(module)), CONFIG)
    assert told == [("first", step, 20) for step in range(16, 21)]


def test_it_learns(tmp_path: Path) -> None:
    module = nn.Linear(3, 1)
    config = StageConfig(epochs=20, steps=20, batch=32, learning_rate=0.05, warm_up=5)
    Trainer(module, tmp_path, 0, silent).run(Task("line", module, draw, regression(module)), config)
    torch.testing.assert_close(module.weight.detach(), SLOPE.T, atol=0.02, rtol=0)


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    weights = []
    for seed in (1, 2):
        module, folder = network(), tmp_path / str(seed)
        folder.mkdir()
        Trainer(module, folder, seed, silent).run(Task("first", module, draw, regression(module)), CONFIG)
        weights.append(module.state_dict()["0.weight"])
    assert not torch.equal(*weights)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_keeps_the_checkpoint(tmp_path: Path, value: float) -> None:
    module = network()
    trainer = Trainer(module, tmp_path, 5, silent)
    sound = regression(module)
    calls = 0

    def failing(x: Tensor, noise: torch.Generator) -> Tensor:
        nonlocal calls
        calls += 1
        return sound(x, noise) * (value if calls > 15 else 1)

    with pytest.raises(
        TrainingFailed, match=r"stage first became (nan|inf) at step 7; the checkpoint of epoch 1 is kept"
    ):
        trainer.run(Task("first", module, draw, failing), CONFIG)
    tensors, progress = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert progress.epoch == 1
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    train(tmp_path)


@pytest.mark.parametrize(
    ("where", "message"), [("gradient", "gradient .* step 9"), ("validation", "validation loss .* epoch 2")]
)
def test_weights_that_would_be_no_numbers_are_never_saved(tmp_path: Path, where: str, message: str) -> None:
    """At the last step of an epoch, whose loss is sound: the next checkpoint would be the poisoned one."""
    module, calls = network(), 0
    sound = regression(module)

    def failing(x: Tensor, noise: torch.Generator) -> Tensor:
        nonlocal calls
        learning = torch.is_grad_enabled()
        calls += learning
        loss = sound(x, noise)
        if where == "gradient" and learning and calls == 10:
            return loss + (0 * module[0].weight).sum().sqrt()  # pyright: ignore[reportIndexIssue]; sqrt' is infinite at 0
        return loss * (float("nan") if where == "validation" and not learning and calls == 10 else 1)

    trainer = Trainer(module, tmp_path, 5, silent)
    with pytest.raises(TrainingFailed, match=rf"the {message}; the checkpoint of epoch 1 is kept"):
        trainer.run(Task("first", module, draw, failing), CONFIG)
    tensors, progress = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert progress.epoch == 1
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    train(tmp_path)


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    """The validation loss grows from the start, so the weights of the first epoch are the best."""
    module = nn.Linear(1, 1)
    before = []

    def loss(x: Tensor, _: torch.Generator) -> Tensor:
        if torch.is_grad_enabled():
            return -module(torch.ones(1, 1)).mean()
        before.append(module.weight.item())
        return module(torch.ones(1, 1)).mean()

    config = StageConfig(epochs=50, steps=2, batch=1, learning_rate=0.1, warm_up=1, patience=3)
    trainer = Trainer(module, tmp_path, 0, silent)
    trainer.run(Task("climb", module, draw, loss), config)
    assert len(trainer.progress.curve) == 1 + 3
    assert module.weight.item() == before[0] != before[-1]


def test_a_plateau_halves_the_rate(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    config = StageConfig(epochs=7, steps=1, batch=1, learning_rate=0.4, warm_up=1, plateau_patience=2)
    trainer = Trainer(module, tmp_path, 0, silent)
    trainer.run(Task("flat", module, draw, lambda x, _: 0 * module(x[:, :1]).sum()), config)
    rates = [entry["learning_rate"] for entry in trainer.progress.curve]
    assert rates == pytest.approx([0.4, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1])


def test_the_cosine_falls_to_its_end_after_a_linear_start(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    config = StageConfig(
        epochs=100, steps=1, batch=1, learning_rate=1e-3, warm_up=10, schedule="cosine", final_rate=0.1
    )
    trainer = Trainer(module, tmp_path, 0, silent)
    trainer.run(Task("cosine", module, draw, lambda x, _: module(x[:, :1]).square().sum()), config)
    rates = np.array([entry["learning_rate"] for entry in trainer.progress.curve])
    assert rates[0] == pytest.approx(1e-4)
    assert rates.argmax() == 9
    assert rates[50] == pytest.approx(1e-3 * 0.55)
    assert rates[-1] == pytest.approx(1e-4, rel=0.01)


def test_the_cosine_starts_again_from_half_its_rate() -> None:
    config = StageConfig(epochs=10, steps=100, learning_rate=1e-3, schedule="cosine", final_rate=0.1, restarts=[4, 8])
    rates = [cosine_rate(config, step) for step in (0, 200, 399, 400, 600, 799, 800, 999)]
    expected = [1e-3, 5.5e-4, 1e-4, 5e-4, 2.75e-4, 5e-5, 2.5e-4, 2.5e-5]
    assert rates == pytest.approx(expected, rel=0.01)


def test_the_average_is_what_is_judged_and_kept(tmp_path: Path) -> None:
    """With a decay near one the kept weights hardly leave where they started; without an average they do."""
    moved = {}
    for ema in (0.0, 0.9999):
        module, folder = network(), tmp_path / str(ema)
        folder.mkdir()
        start = module.state_dict()["0.weight"].clone()
        config = StageConfig(epochs=1, steps=30, batch=16, learning_rate=0.05, warm_up=1, ema=ema)
        Trainer(module, folder, 0, silent).run(Task("first", module, draw, regression(module)), config)
        moved[ema] = (module.state_dict()["0.weight"] - start).abs().max().item()
    assert moved[0.9999] < 0.1 * moved[0.0]


def test_validation_batches_are_their_own(tmp_path: Path) -> None:
    """Where a stage brings its own, early stopping sees those alone."""
    module = nn.Linear(3, 1)
    judged = []

    def loss(x: Tensor, _: torch.Generator) -> Tensor:
        if not torch.is_grad_enabled():
            judged.append(x)
        return module(x).square().mean()

    held_out = torch.full((4, 3), 7.0)
    task = Task("real", module, draw, loss, validation=lambda size, rng: held_out)
    Trainer(module, tmp_path, 0, silent).run(task, COSINE)
    assert judged
    assert all(torch.equal(x, held_out) for x in judged)


def test_what_the_stage_starts_from_competes(tmp_path: Path) -> None:
    """Where a stage is judged on data of its own and every step makes that worse, its weights stay."""
    module = nn.Linear(3, 1)
    start = module.weight.detach().clone()

    def loss(x: Tensor, _: torch.Generator) -> Tensor:
        return (module.weight if torch.is_grad_enabled() else -module.weight).mean()

    Trainer(module, tmp_path, 0, silent).run(Task("real", module, draw, loss, validation=draw), COSINE)
    assert torch.equal(module.weight, start)


def test_the_guard_notices_a_change() -> None:
    module = network()
    guard = FrozenGuard.freeze(decoder=module)
    assert not any(p.requires_grad for p in module.parameters())
    guard.verify()
    module.state_dict()["2.bias"].add_(1e-6)
    with pytest.raises(RuntimeError, match="the frozen decoder changed during training"):
        guard.verify()


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(3)}
    progress = Progress(done=["x"], stage="y", epoch=3, best=0.25, spectra=10, curve=[{"stage": "y", "epoch": 1}])
    save_checkpoint(path, tensors, progress)
    found, restored = load_checkpoint(path)
    assert restored == progress
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("damage", ["empty", "half", "text", "other"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    train(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    content = path.read_bytes()
    damaged = {"empty": b"", "half": content[: len(content) // 2], "text": b"not a checkpoint at all"}
    if damage == "other":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_bytes(damaged[damage])
    with pytest.raises(InputError, match=r"checkpoint\.safetensors: not a checkpoint .* remove it to start over"):
        Trainer(network(), tmp_path, 5, silent)


def test_a_checkpoint_of_other_networks_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(InputError, match=r"checkpoint\.safetensors: .*other networks"):
        Trainer(nn.Linear(3, 1), tmp_path, 5, silent)
