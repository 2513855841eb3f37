"""The fit beside generic optimisers and MCMC: `OMP_NUM_THREADS=1 python benchmarks/fit.py [MODEL] [--data FOLDER]`.

On each observation that MCMC has sampled, whose best -2 ln L is therefore known, the value reached less the best known,
evaluations of the model and CPU seconds of

* `fit` from the network's posterior, and from points scattered over the prior;
* scipy's Nelder-Mead, L-BFGS-B and differential evolution (pip install scipy) on the same statistic in the prior's unit
  cube: the first two from the middle of the cube with the norm that the counts ask for, L-BFGS-B also from as many
  random points as the fit starts from, the last over the whole cube;
* an ensemble MCMC (benchmarks/mcmc.py) from such a fit: CPU seconds for 1000 effective samples.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from gold import ROOT, observation
from mcmc import walked
from numpy.typing import NDArray
from scipy.optimize import differential_evolution, minimize

from xspecnf import load_model
from xspecnf.bestfit import fit
from xspecnf.likelihood import log_likelihood
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit, to_unit
from xspecnf.target import Target, preferred_norm

Float64 = NDArray[np.float64]
Method = Callable[[Model, Observation], tuple[float, int]]

EFFECTIVE = 1000
REACHED = 0.5  # of -2 ln L: what counts as the best fit
CUBE = [(0.0, 1.0)] * 5
MIDDLE = np.full((1, 5), 0.5)
SCATTERED = np.random.default_rng(0).random((12, 5))
MOST_EVALUATIONS = 20_000
SPREAD = 0.01  # of -2 ln L: the population's, once it has converged


@dataclass(frozen=True)
class Run:
    """-2 ln L above the best known, evaluations, CPU seconds."""

    above: float
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class Walk:
    """Of an MCMC: CPU seconds, effective samples of the worst parameter, R-hat, evaluations."""

    seconds: float
    ess: float
    rhat: float
    evaluations: int

    @property
    def seconds_for_effective(self) -> float:
        """CPU seconds for EFFECTIVE effective samples at this rate."""
        return self.seconds * EFFECTIVE / self.ess


class Statistic:
    """-2 ln L of u (5,) or, as differential evolution asks for them, (5, S); counts its evaluations."""

    def __init__(self, model: Model, obs: Observation) -> None:
        self.model, self.obs, self.evaluations = model, obs, 0

    def __call__(self, u: Float64) -> Float64:
        theta = from_unit(np.clip(np.atleast_2d(u.T), 0, 1))
        self.evaluations += len(theta)
        values = -2 * log_likelihood(self.model.expected_counts(theta, self.obs), self.obs)
        return values if u.ndim == 2 else values[0]


def from_posterior(model: Model, obs: Observation) -> tuple[float, int]:
    found = model.fit(obs)
    return found.statistic, found.evaluations


def from_prior(model: Model, obs: Observation) -> tuple[float, int]:
    found = fit(obs)
    return found.statistic, found.evaluations


def nelder_mead(model: Model, obs: Observation) -> tuple[float, int]:
    statistic, options = Statistic(model, obs), {"adaptive": True, "maxfev": MOST_EVALUATIONS}
    found = minimize(statistic, starts(model, obs, MIDDLE)[0], method="Nelder-Mead", bounds=CUBE, options=options)
    return float(found.fun), statistic.evaluations


def l_bfgs_b(model: Model, obs: Observation, points: Float64 = MIDDLE) -> tuple[float, int]:
    """The best that is reached from points (S, 5) of the cube."""
    statistic = Statistic(model, obs)
    reached = [minimize(statistic, u, method="L-BFGS-B", bounds=CUBE).fun for u in starts(model, obs, points)]
    return float(min(reached)), statistic.evaluations


def evolution(model: Model, obs: Observation) -> tuple[float, int]:
    statistic = Statistic(model, obs)
    converged = {"tol": 0, "atol": SPREAD}  # by default a share of the statistic, whose zero means nothing
    found = differential_evolution(statistic, CUBE, rng=0, vectorized=True, updating="deferred", **converged)
    return float(found.fun), statistic.evaluations


METHODS: Mapping[str, Method] = {
    "fit, from the posterior": from_posterior,
    "fit, from the prior": from_prior,
    "Nelder-Mead": nelder_mead,
    "L-BFGS-B": l_bfgs_b,
    "L-BFGS-B, 12 starts": partial(l_bfgs_b, points=SCATTERED),
    "differential evolution": evolution,
}


def starts(model: Model, obs: Observation, points: Float64) -> Float64:
    """Points (S, 5) of the cube with the norms that the counts ask for."""
    theta = from_unit(points)
    theta[:, 4] = 1.0
    log_norm, _ = preferred_norm(model.expected_counts(theta, obs), obs)
    theta[:, 4] = np.exp(log_norm)
    return np.clip(to_unit(theta), 0, 1)


def timed(method: Method, model: Model, obs: Observation, best: float) -> Run:
    started = time.process_time()
    reached, evaluations = method(model, obs)
    return Run(reached - best, evaluations, time.process_time() - started)


def walk(model: Model, obs: Observation) -> Walk:
    """An MCMC from a fit to convergence and EFFECTIVE effective samples."""
    started = time.process_time()
    chain = walked(Target(obs, BHB_PARAMETERS, partial(model.expected_counts, obs=obs)))
    return Walk(time.process_time() - started, chain.ess, chain.rhat, chain.evaluations)


def by_method(runs: Mapping[str, Sequence[Run]], walks: Sequence[Walk]) -> str:
    """Markdown: how often the best was reached, the worst, and medians; CPU seconds also over the first method's."""
    first = median(run.seconds for run in next(iter(runs.values())))
    lines = [("", f"within {REACHED:g} of the best", "worst", "evaluations", "CPU s", "of the first"), ["---"] * 6]
    for name, of in runs.items():
        reached = f"{sum(run.above < REACHED for run in of)} of {len(of)}"
        cost = _cost((run.evaluations for run in of), (run.seconds for run in of), first)
        lines.append((name, reached, f"{max(run.above for run in of):+.2f}", *cost))
    cost = _cost((walk.evaluations for walk in walks), (walk.seconds_for_effective for walk in walks), first)
    lines.append((f"MCMC, {EFFECTIVE} effective", "", "", *cost))
    return _table(lines)


def _cost(evaluations: Iterable[int], seconds: Iterable[float], first: float) -> tuple[str, str, str]:
    middle = median(seconds)
    return f"{median(evaluations):.0f}", f"{middle:.2f}", f"{middle / first:.1f}"


def by_observation(names: Sequence[str], runs: Mapping[str, Sequence[Run]]) -> str:
    """Markdown: -2 ln L above the best known."""
    lines = [("observation", *runs), ["---"] * (1 + len(runs))]
    lines += [(name, *(f"{of[k].above:+.3f}" for of in runs.values())) for k, name in enumerate(names)]
    return _table(lines)


def _table(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="The fit beside generic optimisers and MCMC.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    default = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with gold/ and nicer/")
    parser.add_argument("--only", nargs="*", help="names of observations; all by default")
    options = parser.parse_args()
    paths = sorted((options.data / "gold").glob("*.npz"))
    chosen = [path for path in paths if not options.only or path.stem in options.only]
    if not chosen:
        parser.error(f"{options.data / 'gold'}: no such .npz files of MCMC samples; give their place with --data")
    model = load_model(options.model, "cpu")
    runs: dict[str, list[Run]] = {name: [] for name in METHODS}
    walks = []
    for number, path in enumerate(chosen):
        with np.load(path) as arrays:
            gold = dict(arrays)
        obs = observation(path, gold, options.data)
        if number == 0:
            model.fit(obs)  # builds the tables of the physics
        for name, method in METHODS.items():
            runs[name].append(timed(method, model, obs, float(gold["best_pgstat"])))
        walks.append(walk(model, obs))
    print(by_method(runs, walks), by_observation([path.stem for path in chosen], runs), sep="\n")
    least, largest = min(one.ess for one in walks), max(one.rhat for one in walks)
    print(f"MCMC: {least:.0f} effective samples or more, R-hat {largest:.3f} or less")


if __name__ == "__main__":
    main()
