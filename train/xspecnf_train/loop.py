"""The training loop that every stage shares: epochs, schedule, running average, early stopping, checkpoints.

Step k of a stage draws its batch from the seed (seed, stage, k) and its noise from (seed, k), so a resumed run sees
what an undisturbed one would.
"""

import math
import time
import zlib
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from xspecnf.errors import InputError, XspecnfError
from xspecnf_train.checkpoint import (
    CHECKPOINT,
    Progress,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)
from xspecnf_train.config import StageConfig
from xspecnf_train.optimisers import optimisers
from xspecnf_train.steps import Step, unwatched

GRADIENT_NORM = 5.0
VALIDATION_BATCHES = 8
VALIDATION_START = 2**40  # validation batches are those of steps that training never reaches


class TrainingFailed(XspecnfError):
    """Loss or gradient became NaN or infinite; the last good checkpoint stays."""


@dataclass(frozen=True)
class Task:
    """What distinguishes a stage: the module that learns, how a batch of a size is drawn, and the loss of a batch.

    `validation` draws the batches that early stopping is judged on, where they are not simply other draws; `simulated`
    is the share of a batch that is.
    """

    name: str
    module: nn.Module
    draw: Callable[[int, np.random.Generator], Any]
    loss: Callable[[Any, torch.Generator], Tensor]
    validation: Callable[[int, np.random.Generator], Any] | None = None
    simulated: float = 1.0


class Trainer:
    """Runs stages one after the other and keeps one checkpoint of the whole run in `folder`."""

    def __init__(
        self, networks: nn.Module, folder: Path, seed: int, report: Callable[[str], None], step: Step = unwatched
    ) -> None:
        self.networks, self.seed, self.report, self.step = networks, seed, report, step
        self.folder, self.path = folder, folder / CHECKPOINT
        self.progress = Progress()
        self.restored: dict[str, Tensor] = {}
        if self.path.exists():
            self.restored, self.progress = load_checkpoint(self.path)
            self._restore()

    def _restore(self) -> None:
        """Put the checkpoint's weights into the networks. Raises InputError when they are not theirs."""
        try:
            self.networks.load_state_dict(_under("networks.", self.restored))
        except RuntimeError as error:
            raise InputError(
                f"{self.path}: the checkpoint of other networks; choose another folder, or remove it to start over"
            ) from error

    def run(self, task: Task, config: StageConfig) -> None:
        """Run a stage to its end, from where the checkpoint left it; a finished stage is passed over."""
        if task.name in self.progress.done:
            return
        if self.progress.stage != task.name:
            self.progress.start(task.name, config.learning_rate)
            self.restored = {}
        Stage(self, task, config).run()
        self.progress.done.append(task.name)
        self.save({})

    def save(self, stage_tensors: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint."""
        weights = {f"networks.{key}": value for key, value in self.networks.state_dict().items()}
        save_checkpoint(self.path, weights | dict(stage_tensors), self.progress)


class Stage:
    """One stage under way: its optimisers, running average and best weights so far."""

    def __init__(self, trainer: Trainer, task: Task, config: StageConfig) -> None:
        self.trainer, self.task, self.config, self.progress = trainer, task, config, trainer.progress
        self.trained = [p for p in task.module.parameters() if p.requires_grad]
        self.optimisers = optimisers(config.optimiser, task.module, config.learning_rate, config.weight_decay)
        self.average = AveragedModel(task.module, multi_avg_fn=get_ema_multi_avg_fn(config.ema)) if config.ema else None
        self.best = _copy(task.module.state_dict())
        if trainer.restored:
            for number, optimiser in enumerate(self.optimisers):
                restore_optimiser(optimiser, _under(f"optimiser.{number}.", trainer.restored))
            self.best = _under("best.", trainer.restored)
            if self.average:
                self.average.load_state_dict(_under("average.", trainer.restored))

    def run(self) -> None:
        """Train until the epochs are spent or early stopping; the module ends with its best weights."""
        if self.task.validation and not self.progress.epoch:
            self.judge_start()
        with ThreadPoolExecutor(1) as pool:
            while self.progress.epoch < self.config.epochs and not self.exhausted:
                start = time.monotonic()
                training = self.train_epoch(pool)
                validation = self.validate()
                self.progress.seconds += time.monotonic() - start
                self.close_epoch(training, validation)
        self.task.module.load_state_dict(self.best)

    @property
    def exhausted(self) -> bool:
        """Whether early stopping has had enough."""
        return 0 < self.config.patience <= self.progress.since_best

    def train_epoch(self, pool: ThreadPoolExecutor) -> float:
        """One epoch; the mean training loss. The next batch is drawn while this one is learnt from."""
        first = self.progress.epoch * self.config.steps
        total = 0.0
        self.task.module.train()
        for step, batch in zip(range(first, first + self.config.steps), self.batches(pool, first), strict=False):
            self.set_rate(step)
            total += self.step(batch, step)
            self.trainer.step(self.task.name, step + 1, self.config.epochs * self.config.steps)
        self.progress.spectra += self.config.steps * round(self.task.simulated * self.config.batch)
        return total / self.config.steps

    def batches(self, pool: ThreadPoolExecutor, first: int) -> Iterator[Any]:
        """The batches of the steps from `first` on, each drawn one step ahead."""
        ahead = pool.submit(self.draw, self.task.draw, first)
        for step in range(first, first + self.config.steps):
            batch = ahead.result()
            if step + 1 < first + self.config.steps:
                ahead = pool.submit(self.draw, self.task.draw, step + 1)
            yield batch

    def draw(self, source: Callable[[int, np.random.Generator], Any], step: int) -> Any:
        """The batch of one step."""
        seed = [self.trainer.seed, zlib.crc32(self.task.name.encode()), step]
        return source(self.config.batch, np.random.default_rng(seed))

    def noise(self, step: int) -> torch.Generator:
        """The generator of one step's latent noise."""
        return torch.Generator().manual_seed(hash((self.trainer.seed, step)) & 0x7FFF_FFFF_FFFF_FFFF)

    def step(self, batch: Any, step: int) -> float:
        """Learn from one batch; its loss."""
        loss = self.task.loss(batch, self.noise(step))
        self.check("loss", loss.item(), f"step {step}")
        self.task.module.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.trained, GRADIENT_NORM)
        self.check("gradient", norm.item(), f"step {step}")  # clipping makes every weight NaN of it
        for optimiser in self.optimisers:
            optimiser.step()
        if self.average:
            self.average.update_parameters(self.task.module)
        return loss.item()

    def check(self, what: str, value: float, where: str) -> None:
        """Raise TrainingFailed for a value that is no number: nothing later is learnt from, judged or saved."""
        if not math.isfinite(value):
            raise TrainingFailed(
                f"{self.trainer.path.parent}: the {what} of stage {self.task.name} became {value} at {where}; "
                f"the checkpoint of epoch {self.progress.epoch} is kept: lower learning_rate and run again"
            )

    def set_rate(self, step: int) -> None:
        """Set the learning rate of a step: a short linear start, then the schedule."""
        cosine = self.config.schedule == "cosine"
        rate = cosine_rate(self.config, step) if cosine else self.progress.learning_rate
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            group["lr"] = rate * min(1.0, (step + 1) / self.config.warm_up)

    @torch.no_grad()
    def validate(self) -> float:
        """Mean loss of the averaged weights on the validation batches, which are the same every time."""
        weights = _copy(self.task.module.state_dict())
        if self.average:
            self.task.module.load_state_dict(self.average.module.state_dict())
        self.task.module.eval()
        source = self.task.validation or self.task.draw
        steps = range(VALIDATION_START, VALIDATION_START + VALIDATION_BATCHES)
        losses = [self.task.loss(self.draw(source, step), self.noise(step)).item() for step in steps]
        loss = sum(losses) / len(losses)
        self.check("validation loss", loss, f"the end of epoch {self.progress.epoch + 1}")
        self.judge(loss)
        self.task.module.load_state_dict(weights)
        return loss

    def judge_start(self) -> None:
        """Let the weights that the stage starts from compete: learning may make them worse on data of their own."""
        loss = self.validate()
        self.trainer.report(f"{self.task.name} 0/{self.config.epochs}  validation {loss:.4f}")

    def judge(self, loss: float) -> None:
        """Keep the evaluated weights if they are the best; halve the learning rate on a plateau."""
        progress = self.progress
        if loss < progress.best:
            progress.best, progress.since_best = loss, 0
            self.best = _copy(self.task.module.state_dict())
            return
        progress.since_best += 1
        if self.config.schedule == "plateau" and progress.since_best % self.config.plateau_patience == 0:
            progress.learning_rate /= 2

    def close_epoch(self, training: float, validation: float) -> None:
        """Note the epoch in the curve, save and report."""
        progress = self.progress
        progress.epoch += 1
        rate = self.optimisers[0].param_groups[0]["lr"]
        progress.curve.append(
            {
                "stage": self.task.name,
                "epoch": progress.epoch,
                "training": training,
                "validation": validation,
                "learning_rate": rate,
            }
        )
        moments = [optimiser_tensors(optimiser) for optimiser in self.optimisers]
        tensors = {f"optimiser.{number}.{k}": v for number, each in enumerate(moments) for k, v in each.items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        if self.average:
            tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        self.trainer.save(tensors)
        self.trainer.report(
            f"{self.task.name} {progress.epoch}/{self.config.epochs}  training {training:.4f}  "
            f"validation {validation:.4f}  rate {rate:.1e}  {progress.seconds / 60:.0f} min"
        )


def cosine_rate(config: StageConfig, step: int) -> float:
    """The learning rate of a step of the cosine schedule with restarts."""
    ends = [epoch * config.steps for epoch in (0, *config.restarts, config.epochs)]
    cycle = bisect(ends, step, hi=len(ends) - 1) - 1
    passed = (step - ends[cycle]) / (ends[cycle + 1] - ends[cycle])
    low = config.final_rate
    return config.learning_rate * 0.5**cycle * (low + (1 - low) * (1 + math.cos(math.pi * passed)) / 2)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in tensors.items()}
