"""What it costs that PGSTAT takes the best background of each bin, and not the mean over all that it may be:

    OMP_NUM_THREADS=1 python benchmarks/profile_likelihood.py [MODEL] [--spectra 2160] [--seed 2]

Of fresh simulated spectra, those of 100 to 3e4 counts are refined with the likelihood that PGSTAT is, and the samples
weighted again by the marginal one: Poisson counts about an expectation that scatters as the simulator has it, by the
background's error (the background not below zero) and by the systematic error, integrated by quadrature. Prints, by how
much ln L of the two differs over a posterior (rms), the mean rank of the true parameters less one half, in standard
errors: with PGSTAT / marginal. Calibrated posteriors have standard normal ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xspecnf import load_model
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import to_unit
from xspecnf.statistics import log_likelihood
from xspecnf_train.evaluate.population import fresh_spectra, picked, total_counts

Float64 = NDArray[np.float64]

COUNTS = (100, 3e4)
SAMPLES = 300
DIFFERENCES = (0.0, 0.03, 0.1, 0.3, np.inf)
"""Edges of the groups, rms of ln L."""

NODES = np.linspace(-5, 5, 41)
"""Of the background's scatter in units of its error: evenly spaced, as the cut at zero makes the integrand rough."""

SYSTEMATIC_NODES, SYSTEMATIC_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
TOGETHER = 20
"""Samples that are integrated at a time."""


@dataclass(frozen=True)
class Ranks:
    """Of one spectrum: rms difference of ln L, ranks (5,) of the truth with PGSTAT and with the marginal likelihood."""

    difference: float
    profile: Float64
    marginal: Float64


def marginal_log_likelihood(model_counts: Float64, obs: Observation) -> Float64:
    """ln L (S,) up to a constant for source counts (S, bins), integrated over background and systematic error."""
    weights = np.exp(-(NODES**2) / 2)
    weights /= weights.sum()
    background = np.maximum(obs.background + obs.background_error * NODES[:, None], 0)
    scale = np.maximum(1 + obs.systematic * SYSTEMATIC_NODES[:, None], 0)
    shares = SYSTEMATIC_WEIGHTS / SYSTEMATIC_WEIGHTS.sum()
    s, parts = obs.counts, []
    for first in range(0, len(model_counts), TOGETHER):
        source = model_counts[first : first + TOGETHER, None] * scale
        y = np.maximum(source[:, :, None] + background, 1e-10)
        relative = s * np.log(y) - y - (s * np.log(np.maximum(s, 1)) - s)
        likelihood = np.einsum("sebn,e,b->sn", np.exp(relative), shares, weights)
        parts.append((np.log(np.maximum(likelihood, 1e-300)) * obs.good).sum(axis=1))
    return np.concatenate(parts)


def ranks(model: Model, obs: Observation, truth: Float64, seed: int) -> Ranks:
    """Refine one spectrum, whose true parameters (5,) are `truth` in the unit cube, and weigh its samples again."""
    posterior = model.infer(obs, SAMPLES, seed, refine=True)
    counts = model.expected_counts(posterior.theta, obs)
    difference = marginal_log_likelihood(counts, obs) - log_likelihood(counts, obs)
    marginal = posterior.weights * np.exp(difference - difference.max())
    below = to_unit(posterior.theta) < truth
    return Ranks(float(difference.std()), posterior.weights @ below, marginal @ below / marginal.sum())


def lean(found: list[Float64]) -> list[str]:
    """By parameter, the mean of ranks (N, 5) less one half in standard errors."""
    return [f"{value:+.1f}" for value in (np.mean(found, axis=0) - 0.5) * np.sqrt(12 * len(found))]


def table(results: list[Ranks]) -> Iterator[str]:
    """A line a group, and one of all."""
    groups = [(f"{lo:g} - {hi:g}", lo, hi) for lo, hi in pairwise(DIFFERENCES)]
    for name, low, high in [*groups, ("all", 0.0, np.inf)]:
        group = [one for one in results if low <= one.difference < high]
        pairs = zip(lean([one.profile for one in group]), lean([one.marginal for one in group]), strict=True)
        yield f"| {name} | {len(group)} | " + " | ".join(" / ".join(pair) for pair in pairs) + " |"


def main() -> None:
    """Print a table of Markdown."""
    parser = argparse.ArgumentParser(description="PGSTAT beside the marginal likelihood.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, default=2160, help="simulated, of which the faint ones are taken")
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    model = load_model(options.model, "cpu")
    batch = fresh_spectra(model, options.spectra, options.seed)
    counts = total_counts(batch)
    faint = picked(batch, (counts >= COUNTS[0]) & (counts < COUNTS[1]))
    observations = faint.observations(model.reference_response)
    results = [ranks(model, obs, truth, k) for k, (obs, truth) in enumerate(zip(observations, faint.u, strict=True))]
    print("| rms difference of ln L | spectra | nH | Gamma | f_sc | kT_disk | norm |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for line in table(results):
        print(line)


if __name__ == "__main__":
    main()
