"""Refinement beside MCMC: `OMP_NUM_THREADS=1 python benchmarks/mcmc.py [MODEL] [--gold FOLDER] [--names syn_00 ...]`.

For observations whose posteriors were sampled by MCMC before, one JSON object with, for each:

effective samples per CPU second of a refinement and of an ensemble MCMC on the same likelihood, started from a fit;

log evidence of the refinement, and of plain importance sampling from a wide mixture around the earlier samples, which
shares neither network nor adaptation with it;

the virial -<(x - m) . grad ln p>/5, which is 1 for samples x of p with any m: below 1 by 2 d where samples are narrower
than their posterior by the fraction d. Of the earlier samples, of the refined and of this MCMC's;

the widths of the parameters' 68 % intervals over those of the earlier samples, less one: of the refined samples, of
this MCMC's and of the importance sampling's.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf import load_model, read_observation
from xspecnf.mcmc import ENSEMBLES, WALKERS, Chain, sample
from xspecnf.mixture import StudentMixture, fit
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, to_unit
from xspecnf.peaks import find_peaks
from xspecnf.posterior import quantiles
from xspecnf.proposal import Weighed, weigh
from xspecnf.target import Points, Target

Float64 = NDArray[np.float64]

GOLD = Path(__file__).parents[2] / "shared" / "data" / "gold"
SAMPLES = 1000
PRIOR_DRAWS = 2000
INDEPENDENT_DRAWS = 4000
COMPONENTS = 6
INTERVAL = np.array([0.16, 0.84])
STRETCH = 1.3  # of the mixture around the earlier samples: tails below its own would bias the evidence


def observation(path: Path) -> tuple[Observation, Float64]:
    """An observation and the samples (S, 5) of its posterior in the unit cube."""
    with np.load(path) as gold:
        obs = read_observation(
            path.with_suffix(".pha"),
            rmf=path.parents[1] / "nicer" / "response" / "nicer.rmf.gz",
            arf=path.parents[1] / "nicer" / "arf" / str(gold["arf"]),
            systematic=float(gold["e_sys"]),
        )
        return obs, to_unit(gold["samples"])


def compared(model: Model, path: Path) -> dict[str, Any]:
    """All figures of one observation."""
    obs, earlier = observation(path)
    target = Target(obs, BHB_PARAMETERS, partial(model.expected_counts, obs=obs))
    points = target.at_unit(earlier)
    centre = np.median(points.x, axis=0)
    started = time.process_time()
    post = model.infer(obs, SAMPLES, refine=True)
    refining = time.process_time() - started
    started = time.process_time()
    chain = walked(target)
    walking = time.process_time() - started
    diagnostics, independent = post.diagnostics, around(target, points)
    own = target.at(chain.draws(INDEPENDENT_DRAWS, np.random.default_rng(3)))
    refined = target.at_unit(to_unit(post.theta))
    return {
        "counts": post.fit.counts,
        "refined": {"ess": diagnostics.ess, "cpu_seconds": refining, "efficiency": diagnostics.efficiency},
        "mcmc": {"ess": chain.ess, "cpu_seconds": walking, "rhat": chain.rhat, "evaluations": chain.evaluations},
        "log_evidence": [diagnostics.log_evidence, diagnostics.log_evidence_error],
        "independent": [independent.result.log_evidence, independent.result.log_evidence_error],
        "virial": {
            "earlier": virial(target, points, equal(points), centre),
            "refined": virial(target, refined, post.weights, centre),
            "mcmc": virial(target, own, equal(own), centre),
        },
        "widths": {
            "refined": wider(refined, post.weights, earlier),
            "mcmc": wider(own, equal(own), earlier),
            "independent": wider(independent.points, independent.result.weights, earlier),
        },
    }


def walked(target: Target) -> Chain:
    """MCMC from the best fit that the best of many draws of the prior lead to."""
    rng = np.random.default_rng(1)
    draws = target.at_unit(rng.random((PRIOR_DRAWS, 5)))
    best = find_peaks(target, draws.x[np.argsort(-draws.log_density)[:4]])
    start = target.at(best.draw(50 * ENSEMBLES * WALKERS, rng))
    inside = start.x[np.isfinite(start.log_density)]
    return sample(lambda x: target.at(x).log_density, inside[: ENSEMBLES * WALKERS], best, SAMPLES, rng)


def around(target: Target, earlier: Points) -> Weighed:
    """Importance sampling from a mixture fitted to the earlier samples and widened."""
    rng = np.random.default_rng(2)
    mixture = fit(earlier.x, np.ones(len(earlier)), COMPONENTS, rng)
    wide = StudentMixture(mixture.shares, mixture.means, STRETCH * mixture.roots)
    points = target.at(wide.draw(INDEPENDENT_DRAWS, rng))
    return weigh(points, wide.log_density(points.x) - points.log_volume)


def virial(target: Target, points: Points, weights: Float64, centre: Float64, step: float = 1e-3) -> list[float]:
    """The virial of weighted samples, and its standard error."""
    away = points.x - centre
    further = target.at(points.x + step * away).log_density
    nearer = target.at(points.x - step * away).log_density
    used = np.isfinite(further) & np.isfinite(nearer)
    values = (nearer[used] - further[used]) / (2 * step * points.x.shape[1])
    w = weights[used] / weights[used].sum()
    mean = float(w @ values)
    return [mean, float(np.sqrt(w**2 @ (values - mean) ** 2))]


def equal(points: Points) -> Float64:
    return np.full(len(points), 1 / len(points))


def wider(points: Points, weights: Float64, earlier: Float64) -> list[float]:
    """By what fraction the parameters' 68 % intervals of weighted points exceed those of earlier samples (S, 5)."""
    ends = np.array([quantiles(column, weights, INTERVAL) for column in points.u.T])
    other = np.quantile(earlier, INTERVAL, axis=0).T
    return (np.diff(ends) / np.diff(other) - 1)[:, 0].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description="Refinement beside MCMC.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--gold", type=Path, default=GOLD, help="folder of observations that MCMC has sampled")
    parser.add_argument("--names", nargs="*", help="some of them; by default all that have a spectrum")
    arguments = parser.parse_args()
    model = load_model(arguments.model, "cpu")
    paths = sorted(path for path in arguments.gold.glob("*.npz") if path.with_suffix(".pha").exists())
    chosen = [path for path in paths if not arguments.names or path.stem in arguments.names]
    if not chosen:
        parser.error(f"{arguments.gold}: no such .npz and .pha files of MCMC samples; give their place with --gold")
    model.infer(observation(chosen[0])[0], 10, refine=True)  # builds the tables of the physics
    print(json.dumps({path.stem: compared(model, path) for path in chosen}, indent=1))


if __name__ == "__main__":
    main()
