"""Stage three: real spectra and their labels (xspecnf_train.labels), mixed with simulated ones.

Early stopping is judged on held-out real spectra. They are split by observation id, never by good time interval:
intervals of one observation are almost copies of each other.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from xspecnf.errors import InputError, XspecnfError
from xspecnf.features import features
from xspecnf.grid import NICER
from xspecnf.observation import Observation, read_observation
from xspecnf.ogip import read_spectrum
from xspecnf.response import Response
from xspecnf.sources import SUFFIXES, spectra_in
from xspecnf_train.config import RealConfig
from xspecnf_train.loop import Task
from xspecnf_train.losses import joint_loss
from xspecnf_train.model import Networks
from xspecnf_train.simulate import Simulator


@dataclass(frozen=True)
class RealFiles:
    """Where the real spectra are: a folder of PHA files; one RMF for all, or None to go by their headers; a folder with
    the ARFs that the headers name, or None. Spectra without a response are read with the run's reference response."""

    folder: Path
    rmf: Path | None = None
    arf_folder: Path | None = None

    def read(
        self, systematic: float | None, reference: Response | None, report: Callable[[str], None]
    ) -> list[Observation]:
        """Every spectrum below the folder but the backgrounds; those that cannot be read are reported and left out.

        Raises InputError when none is left.
        """
        paths, _ = spectra_in(self.folder)
        observations = []
        for path in paths:
            try:
                observations.append(self._read_one(path, systematic, reference))
            except XspecnfError as error:
                report(f"left out: {error}")
        if not observations:
            raise InputError(f"{self.folder}: no usable spectrum among {len(paths)} files that end in {SUFFIXES}")
        return observations

    def _read_one(self, path: Path, systematic: float | None, reference: Response | None) -> Observation:
        arf = self.arf_folder / Path(read_spectrum(path).ancrfile).name if self.arf_folder else None
        grid = reference.grid if reference else NICER
        return read_observation(path, rmf=self.rmf, arf=arf, systematic=systematic, reference=reference, grid=grid)


@dataclass(frozen=True, eq=False)
class RealSet:
    """N labelled spectra: spectrum (N, F, bins), labels (N, L, 5) in the unit cube, held_out (N,) bool."""

    spectrum: Tensor
    labels: Tensor
    held_out: np.ndarray

    @classmethod
    def of(cls, observations: Sequence[Observation], labels: np.ndarray, held_out: np.ndarray) -> Self:
        """The set of N observations, their labels (N, L, 5) and which are held out (N,)."""
        spectrum = np.stack([features(obs) for obs in observations])
        return cls(torch.from_numpy(spectrum), torch.from_numpy(labels).float(), held_out)

    def draw(self, size: int, held_out: bool, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`size` pairs of a spectrum and one of its labels, from the held-out spectra or from the others."""
        chosen = rng.choice(np.flatnonzero(self.held_out == held_out), size)
        label = rng.integers(self.labels.shape[1], size=size)
        return self.spectrum[chosen], self.labels[chosen, label]


def hold_out(names: Sequence[str], share: float, rng: np.random.Generator) -> np.ndarray:
    """(N,) bool: the spectra of a random `share` of the observation ids, at least one id on either side.

    Raises InputError when all spectra are of one id.
    """
    ids = [observation_id(name) for name in names]
    distinct = sorted(set(ids))
    if len(distinct) < 2:
        raise InputError(f"stage three needs spectra of two observation ids or more, found only {distinct[0]}")
    count = min(max(round(share * len(distinct)), 1), len(distinct) - 1)
    chosen = set(rng.choice(distinct, count, replace=False))
    return np.array([one in chosen for one in ids])


def observation_id(name: str) -> str:
    """NICER's ten-digit observation id in a file's name; the name without its suffixes where there is none."""
    base = Path(name).name
    digits = re.search(r"\d{10}", base)
    return digits.group() if digits else base.split(".")[0]


def real_task(networks: Networks, simulator: Simulator, spectra: RealSet, config: RealConfig) -> Task:
    """The task of stage three: real spectra mixed with simulated ones, judged on held-out real ones."""

    def draw(size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        simulated = simulator.draw(round(size * config.simulated_share), rng)
        spectrum, u = spectra.draw(size - len(simulated.u), held_out=False, rng=rng)
        simulated_spectrum, simulated_u = torch.from_numpy(simulated.features()), torch.from_numpy(simulated.u).float()
        return torch.cat([simulated_spectrum, spectrum]), torch.cat([simulated_u, u])

    def validation(size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        return spectra.draw(size, held_out=True, rng=rng)

    def loss(batch: tuple[Tensor, Tensor], noise: torch.Generator) -> Tensor:
        spectrum, u = batch
        return joint_loss(networks, spectrum, u, config, torch.randn(len(u), 5, generator=noise))

    return Task("real", networks, draw, loss, validation, config.simulated_share)
