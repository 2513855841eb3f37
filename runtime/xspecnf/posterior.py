"""The result of an inference: weighted samples in physical units, their goodness of fit and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.diagnostics import Diagnostics, Fit
from xspecnf.parameters import Parameter, index

if TYPE_CHECKING:
    from astropy.table import Table

    from xspecnf.companions import Companions
    from xspecnf.observation import Observation

Float64 = NDArray[np.float64]

STATISTIC_CHUNK = 1000
"""Samples whose spectra are held in memory at once."""


@dataclass(frozen=True)
class Marginal:
    """One parameter's weighted marginal: median, 16 % and 84 % quantiles, mean, standard deviation, and its unit."""

    median: float
    q16: float
    q84: float
    mean: float
    std: float
    unit: str


@dataclass(frozen=True, repr=False, eq=False)
class Posterior:
    """Weighted posterior samples of one observation.

    Attributes:
        file: the observation's file or name.
        model: name of the bundle that made it.
        seed: seed of the noise; the same seed gives the same samples.
        parameters: names, units and bounds, in theta's order.
        theta: (S, 5) samples in physical units.
        log_prob: (S,) ln of the density that drew the samples, the network's posterior or what refinement made of it,
            with respect to the scaled parameters: log10 of those with a logarithmic prior, the parameter itself where
            the prior is linear.
        weights: (S,) non-negative, sum 1: equal, or the importance weights of the exact likelihood when refined.
        fit: goodness of fit.
        diagnostics: verdict, effective sample size, evidence.
        seconds: wall time of the inference, reading of files not included.
        notes: what the reading of the files had to assume.
        mjd: middle of the observation, NaN where the file does not tell.
        files: the spectrum, response and background that were read; None where there were none.
        statistic: (S,) -2 ln L of every sample, PGSTAT's or the marginal likelihood's, as the observation has it; None
            until :meth:`with_statistic` was asked for it.
        observation: what it was inferred from; None of one that was loaded, or that came out of a batch, whose
            responses would fill the memory.

    Raises:
        ValueError: the arrays' shapes disagree, or the weights are not normalised.
    """

    file: str
    model: str
    seed: int
    parameters: tuple[Parameter, ...]
    theta: Float64
    log_prob: Float64
    weights: Float64
    fit: Fit
    diagnostics: Diagnostics
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    mjd: float = math.nan
    files: Companions | None = None
    statistic: Float64 | None = None
    observation: Observation | None = None

    def __post_init__(self) -> None:
        size = len(self.theta)
        if self.statistic is not None and self.statistic.shape != (size,):
            raise ValueError(f"statistic {self.statistic.shape} must be ({size},)")
        if self.theta.shape != (size, len(self.parameters)) or size == 0:
            raise ValueError(f"theta has shape {self.theta.shape}, expected (S > 0, {len(self.parameters)})")
        if self.log_prob.shape != (size,) or self.weights.shape != (size,):
            raise ValueError(f"log_prob {self.log_prob.shape} and weights {self.weights.shape} must both be ({size},)")
        if np.any(self.weights < 0) or not np.isclose(self.weights.sum(), 1):
            raise ValueError("weights must be non-negative and sum to 1")

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in theta's order."""
        return tuple(parameter.name for parameter in self.parameters)

    def __getitem__(self, name: str) -> Float64:
        """Samples (S,) of one parameter, by its name here or in XSPEC: `post["kT_disk"]` is `post["T_max"]`.

        Raises:
            ValueError: no parameter has that name.
        """
        return self.theta[:, index(name, self.parameters)]

    def summary(self) -> dict[str, Marginal]:
        """The weighted marginal of every parameter, by name."""
        return {
            parameter.name: marginal(column, self.weights, parameter.unit)
            for parameter, column in zip(self.parameters, self.theta.T, strict=True)
        }

    def with_statistic(self) -> Posterior:
        """This posterior with `statistic` known, by the exact physics where it was not.

        Raises:
            ValueError: neither the statistic nor the observation is here.
        """
        if self.statistic is not None:
            return self
        if self.observation is None:
            raise ValueError(
                f"{self.file}: the statistic of the samples is not known, nor the observation to compute it from; "
                "infer again, in a batch with keep_observation=True"
            )
        from xspecnf.likelihood import log_likelihood
        from xspecnf.physics import expected_counts

        obs = self.observation
        chunks = np.split(self.theta, range(STATISTIC_CHUNK, len(self.theta), STATISTIC_CHUNK))
        values = [-2 * log_likelihood(expected_counts(theta, obs), obs) for theta in chunks]
        return replace(self, statistic=np.concatenate(values))

    def equally_weighted(self) -> Posterior:
        """As many samples of equal weight, in random order: those of this one, repeated or left out by their weights.

        Systematic resampling: a sample of weight w comes floor(S w) or ceil(S w) times. The seed fixes the choice.
        """
        size = len(self.weights)
        if np.all(self.weights == self.weights[0]):
            return self
        rng = np.random.default_rng([self.seed, 3])
        places = (rng.random() + np.arange(size)) / size
        index = rng.permutation(np.searchsorted(np.cumsum(self.weights)[:-1], places))
        return replace(
            self,
            theta=self.theta[index],
            log_prob=self.log_prob[index],
            weights=np.full(size, 1 / size),
            statistic=None if self.statistic is None else self.statistic[index],
        )

    def save(self, path: str | Path) -> None:
        """Write to `path` in the format that its suffix names.

        .npz and .json hold everything but the observation, and :meth:`load` reads them; .fits is an XSPEC chain, .nc
        ArviZ's InferenceData, both equally weighted; .csv the weighted samples.

        Raises:
            ValueError: a suffix that no format has, or a chain of a posterior whose statistic cannot be computed.
            MissingExtraError: .nc without the packages of the extra.
        """
        from xspecnf import formats

        formats.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Posterior:
        """Read what :meth:`save` wrote as .npz or .json; the same posterior without its observation.

        Raises:
            ValueError: a suffix of no format that holds a whole posterior.
            InputError: a file that is none, or damaged.
        """
        from xspecnf import formats

        return formats.load(Path(path))

    def to_arviz(self) -> Any:
        """The equally weighted samples as ArviZ's InferenceData (a DataTree from its version 1 on).

        Raises:
            MissingExtraError: ArviZ is not installed.
        """
        from xspecnf.formats import netcdf

        return netcdf.inference_data(self)

    def to_table(self) -> Table:
        """The samples as an astropy Table: a column a parameter with its unit, then log_prob, weight and, where it is
        known, statistic.
        """
        from xspecnf.formats.samples import table

        return table(self)

    def _repr_html_(self) -> str:
        from xspecnf.html import fragment

        return fragment(self)

    def __repr__(self) -> str:
        lines = [
            f"Posterior of {self.file}: {len(self.theta)} samples, {self.diagnostics.verdict}, "
            f"PGSTAT/dof {self.fit.best:.1f}/{self.fit.dof}"
        ]
        for name, m in self.summary().items():
            interval = f"(+{m.q84 - m.median:.2g} -{m.median - m.q16:.2g})"
            lines.append(f"  {name:8} {m.median:.4g} {interval} {m.unit}".rstrip())
        return "\n".join(lines)


def marginal(values: Float64, weights: Float64, unit: str = "") -> Marginal:
    """Summarise weighted samples (S,), weights (S,) summing to 1."""
    q16, median, q84 = quantiles(values, weights, np.array([0.16, 0.5, 0.84]))
    mean = float(weights @ values)
    std = float(np.sqrt(weights @ (values - mean) ** 2))
    return Marginal(float(median), float(q16), float(q84), mean, std, unit)


def quantiles(values: Float64, weights: Float64, q: Float64) -> Float64:
    """Weighted quantiles (len(q),): each sorted sample sits in the middle of its weight, linear in between (Hazen)."""
    order = np.argsort(values, kind="stable")
    middle = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp(q, middle, values[order])
