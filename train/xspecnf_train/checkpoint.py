"""Checkpoints: one safetensors file, replaced atomically, from which a run goes on as if it had never stopped.

Tensors: the networks' weights, their running average and the optimiser's moments. Metadata: stage, step, learning-rate
state and the learning curve, as JSON. No pickle.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xspecnf.atomic import write_atomically
from xspecnf.errors import InputError

CHECKPOINT = "checkpoint.safetensors"
"""The file within a run's folder."""


@dataclass
class Progress:
    """Where a run stands: the stages done, the current one's finished epochs, its best validation loss and the epochs
    since, and the curve.

    learning_rate is the plateau schedule's; seconds and spectra count over all stages. origin: the bundle that it began
    with, if any.
    """

    done: list[str] = field(default_factory=list)
    stage: str = ""
    epoch: int = 0
    best: float = math.inf
    since_best: int = 0
    learning_rate: float = 0.0
    seconds: float = 0.0
    spectra: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    origin: str = ""

    @property
    def begun(self) -> list[str]:
        """The stages done and the current one."""
        return [*self.done, self.stage]

    def start(self, stage: str, learning_rate: float) -> None:
        """Begin a stage."""
        self.stage, self.epoch, self.best, self.since_best, self.learning_rate = stage, 0, math.inf, 0, learning_rate


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], progress: Progress) -> None:
    """Replace the checkpoint at `path`."""
    write_atomically(
        path, save({k: v.contiguous() for k, v in tensors.items()}, {"progress": json.dumps(asdict(progress))})
    )


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Progress]:
    """Tensors and progress of the checkpoint at `path`. Raises InputError when it is damaged."""
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, Progress(**json.loads(file.metadata()["progress"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a checkpoint of this program ({error}); remove it to start over") from error


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments by parameter number and name."""
    state = optimiser.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, entry in state.items() for name, value in entry.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of :func:`optimiser_tensors`."""
    state = optimiser.state_dict()
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state["state"].setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(state)
