"""Labels of real spectra, whose true parameters nobody knows.

posterior   draws of the exact posterior: the network's own draws, refined (xspecnf.adaptive). The flow's loss over
            them is least for the exact posterior, as it is over the true parameters of simulated spectra.
fit         the maximum-likelihood point, the paper's label. The flow's loss over one point has no minimum: it
            pulls the posterior together around the fit.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from xspecnf.adaptive import PILOT, refine_draws
from xspecnf.backends import Backend
from xspecnf.bestfit import fit
from xspecnf.errors import InputError, XspecnfError
from xspecnf.features import features
from xspecnf.model import FIT_CANDIDATES
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.physics import expected_counts
from xspecnf.sampling import Draws, draw
from xspecnf.target import Target
from xspecnf_train.config import RealConfig

Float64 = NDArray[np.float64]

PROGRESS = 50
"""Spectra between two reports."""


def label_spectra(
    backend: Backend,
    observations: Sequence[Observation],
    config: RealConfig,
    rng: np.random.Generator,
    report: Callable[[str], None],
) -> tuple[list[Observation], Float64]:
    """Label each observation as `config` says, with the network's draws as the start.

    Returns those that could be labelled, N of them, and their labels (N, L, 5) in the unit cube; the others are
    reported. Raises InputError when none is left.
    """
    kept: list[Observation] = []
    labels: list[Float64] = []
    for number, (obs, own) in enumerate(zip(observations, rng.spawn(len(observations)), strict=True), 1):
        try:
            labels.append(labels_of(backend, obs, config, own))
            kept.append(obs)
        except (XspecnfError, ValueError) as error:  # one bad spectrum must not end the run
            report(f"left out: {obs.name}: no labels ({error})")
        if number % PROGRESS == 0:
            report(f"labelled {number} of {len(observations)} real spectra")
    if not kept:
        raise InputError(f"none of {len(observations)} real spectra could be labelled; see the reports above")
    return kept, np.stack(labels)


def labels_of(backend: Backend, obs: Observation, config: RealConfig, rng: np.random.Generator) -> Float64:
    """The labels (L, 5) of one observation in the unit cube: config.labels draws, or the one fit.

    Raises InputError where the network has no draw inside the prior, or no bin is good, and ValueError where the
    likelihood is zero at all draws.
    """
    network = partial(_network, backend, obs, rng)
    if config.label == "fit":
        u = network(FIT_CANDIDATES).u
        return fit(obs, u if len(u) else None).u[None]
    draws = network(PILOT)
    if len(draws.u) == 0:
        raise InputError("the network finds no parameters inside the prior")
    target = Target(obs, BHB_PARAMETERS, partial(expected_counts, obs=obs))
    samples = refine_draws(target, draws, network, config.labels, rng).samples
    return samples.points.u[rng.choice(len(samples.points), config.labels, p=samples.result.weights)]


def _network(backend: Backend, obs: Observation, rng: np.random.Generator, samples: int) -> Draws:
    return draw(backend, backend.encode(features(obs)[None])[0], samples, rng)
