"""Are refined posteriors calibrated, and what does it cost that PGSTAT takes the best background of each bin, and not
the mean over all that it may be?

    OMP_NUM_THREADS=1 python benchmarks/profile_likelihood.py [MODEL] [--spectra 30000] [--samples 100] [--seed 5] \
        [--ranks FILE] [--others FILE ...]

Of fresh simulated spectra those of 100 to 3e6 counts are refined with the marginal likelihood, and the samples weighted
again by PGSTAT. Prints the largest deviation of coverage from nominal of either, of the parameters' central intervals
and of the regions of highest likelihood, by counts; and for faint spectra, by how much ln L of the two differs over a
posterior (rms), the mean rank of the true parameters less one half, in standard errors. One spectrum in CHECKED is
integrated by quadrature too, which shows what Laplace's method leaves of the difference. Ranks are kept in FILE, from
which an interrupted run goes on; those of runs with other seeds are judged together with this one's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf import load_model
from xspecnf.atomic import atomically
from xspecnf.likelihood import log_likelihood
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import from_unit, to_unit
from xspecnf_train.evaluate.calibration import LEVELS, chance_deviation, coverage, ks_p, rank
from xspecnf_train.evaluate.figures import CLAIMED, NAMES
from xspecnf_train.evaluate.population import COUNT_EDGES, fresh_spectra, picked, total_counts

Float64 = NDArray[np.float64]

FAINT = 3e4
CHECKED = 20
DIFFERENCES = (0.0, 0.03, 0.1, 0.3, np.inf)
"""Edges of the groups, rms of ln L."""

CHUNK = 100

NODES = np.linspace(-5, 5, 41)
"""Of the background's scatter in units of its error: evenly spaced, as the cut at zero makes the integrand rough."""

SYSTEMATIC_NODES, SYSTEMATIC_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
TOGETHER = 20
"""Samples that are integrated at a time."""

KINDS = ("pgstat", "marginal")
COLUMNS = ("counts", "difference", "laplace", *(f"{kind} {name}" for kind in KINDS for name in (*NAMES, "likelihood")))
"""What is kept of a spectrum: counts, rms of ln L of PGSTAT about the marginal one, of Laplace's method about
quadrature (NaN where that was not done), ranks of the truth with either likelihood.
"""


def integrated(model_counts: Float64, obs: Observation) -> Float64:
    """The marginal ln L (S,) up to a constant for source counts (S, bins), by quadrature."""
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


def judged(model: Model, obs: Observation, truth: Float64, number: int, samples: int) -> list[float]:
    """COLUMNS of one spectrum, whose true parameters (5,) are `truth` in the unit cube."""
    posterior = model.infer(obs, samples, number, refine=True)
    parameters = model.bundle.parameters
    counts = model.expected_counts(np.vstack([from_unit(truth[None], parameters), posterior.theta]), obs)
    profile, marginal = log_likelihood(counts, replace(obs, marginal=False)), log_likelihood(counts, obs)
    difference = (profile - marginal)[1:]
    check = number % CHECKED == 0 and obs.counts @ obs.good < FAINT
    laplace = float((marginal - integrated(counts, obs))[1:].std()) if check else np.nan
    weights = posterior.weights * np.exp(difference - difference.max())
    u, rng, ranks = to_unit(posterior.theta, parameters), np.random.default_rng([1, number]), []
    for each, log_l in ((weights / weights.sum(), profile), (posterior.weights, marginal)):
        ranks += [*rank(u, each, truth, rng), float(rank(-log_l[1:], each, -log_l[0], rng))]
    return [float(obs.counts @ obs.good), float(difference.std()), laplace, *ranks]


def deviation(ranks: Float64, likelihood: Float64) -> str:
    """The largest |coverage - level| of the parameters' ranks (N, 5), and of the likelihood's (N,)."""
    central = max(np.abs(coverage(np.abs(2 * column - 1)) - LEVELS).max() for column in ranks.T)
    return f"{central:.3f}, {np.abs(coverage(likelihood) - LEVELS).max():.3f}"


@dataclass(frozen=True)
class Ranks:
    """The spectra that were judged: COLUMNS of each (N, 15)."""

    rows: Float64

    def of(self, kind: str) -> tuple[Float64, Float64]:
        """Ranks of the parameters (N, 5) and of that likelihood itself (N,)."""
        first = COLUMNS.index(f"{kind} {NAMES[0]}")
        return self.rows[:, first : first + 5], self.rows[:, first + 5]

    def between(self, column: str, low: float, high: float) -> Ranks:
        """Those whose `column` lies in [low, high)."""
        values = self.rows[:, COLUMNS.index(column)]
        return Ranks(self.rows[(values >= low) & (values < high)])

    def coverage_line(self, name: str) -> str:
        """Deviations of coverage with PGSTAT and with the marginal likelihood, and what chance makes of them."""
        chance = [chance_deviation(len(self.rows), quantities) for quantities in (5, 1)]
        by_chance = ", ".join(f"{mean:.3f} ({high:.3f})" for mean, high in chance)
        kinds = [deviation(*self.of(kind)) for kind in KINDS]
        return " | ".join([f"| {name}", str(len(self.rows)), *kinds, f"{by_chance} |"])

    def lean_line(self, name: str) -> str:
        """Mean ranks of the parameters less one half in standard errors, PGSTAT / marginal."""
        found = [
            (self.of(kind)[0].mean(axis=0) - 0.5) * np.sqrt(12 * len(self.rows)) for kind in ("pgstat", "marginal")
        ]
        pairs = [f"{profile:+.1f} / {marginal:+.1f}" for profile, marginal in zip(*found, strict=True)]
        laplace = np.nanmedian(self.rows[:, 2]) if np.isfinite(self.rows[:, 2]).any() else np.nan
        return " | ".join([f"| {name}", str(len(self.rows)), f"{laplace:.3f}", *pairs]) + " |"

    def tables(self) -> Iterator[str]:
        """Lines of Markdown."""
        yield "| counts | spectra | PGSTAT | marginal | chance |"
        yield "| --- | ---: | --- | --- | --- |"
        for low, high in pairwise(edge for edge in COUNT_EDGES if CLAIMED[0] <= edge <= CLAIMED[1]):
            yield self.between("counts", low, high).coverage_line(f"{low:.0e} - {high:.0e}")
        yield self.coverage_line("**all**")
        yield ""
        yield f"| rms difference of ln L | spectra | of Laplace | {' | '.join(NAMES)} |"
        yield f"| --- | ---: | ---: |{' --- |' * 5}"
        faint = self.between("counts", 0, FAINT)
        groups = ((faint.between("difference", *ends), ends) for ends in [*pairwise(DIFFERENCES), (0.0, np.inf)])
        yield from (group.lean_line(f"{low:g} - {high:g}") for group, (low, high) in groups if len(group.rows))
        yield ""
        yield f"p-values of the ranks, Kolmogorov-Smirnov, PGSTAT / marginal: {', '.join(self.p_values())}"
        yield ""
        outermost = ", ".join(self.outermost())
        yield f"truths in the outermost 2 %, over what is to be expected, PGSTAT / marginal: {outermost}"

    def p_values(self) -> Iterator[str]:
        """Of every parameter and of the likelihood."""
        for k, name in enumerate((*NAMES, "likelihood")):
            profile, marginal = (np.column_stack(self.of(kind))[:, k] for kind in KINDS)
            yield f"{name} {ks_p(profile):.2g} / {ks_p(marginal):.2g}"

    def outermost(self) -> Iterator[str]:
        """Of every parameter, the truths whose rank is among the lowest or highest 1 %, over their expected number."""
        profile, marginal = (self.of(kind)[0] for kind in KINDS)
        for name, *columns in zip(NAMES, profile.T, marginal.T, strict=True):
            found = [np.mean(np.abs(column - 0.5) > 0.49) / 0.02 for column in columns]
            yield f"{name} {found[0]:.2f} / {found[1]:.2f}"


def all_judged(model: Model, spectra: int, samples: int, seed: int, keep: Path | None) -> Ranks:
    """Judge the claimed ones of `spectra` fresh ones; finished rows are kept in a file of NumPy's, and read from it."""
    batch = fresh_spectra(model, spectra, seed)
    counts = total_counts(batch)
    claimed = picked(batch, (counts >= CLAIMED[0]) & (counts < CLAIMED[1]))
    rows = list(np.load(keep, allow_pickle=False)) if keep and keep.exists() else []
    while len(rows) < len(claimed.u):
        part = picked(claimed, slice(len(rows), len(rows) + CHUNK))
        observations = part.observations(model.reference_response, marginal=True)
        for obs, truth in zip(observations, part.u, strict=True):
            rows.append(np.array(judged(model, obs, truth, len(rows), samples)))
        if keep:
            with atomically(keep) as temporary, open(temporary, "wb") as stream:
                np.save(stream, np.array(rows))
        print(f"{len(rows)} of {len(claimed.u)}", file=sys.stderr)
    return Ranks(np.array(rows))


def main() -> None:
    """Print tables of Markdown."""
    parser = argparse.ArgumentParser(description="PGSTAT beside the marginal likelihood.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, default=30_000, help="simulated, of which the claimed ones are taken")
    parser.add_argument("--samples", type=int, default=100, help="of each refined posterior")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--ranks", type=Path, help="where they are kept, .npy")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="ranks of other seeds, .npy")
    options = parser.parse_args()
    ranks = all_judged(load_model(options.model, "cpu"), options.spectra, options.samples, options.seed, options.ranks)
    others = [np.load(path, allow_pickle=False) for path in options.others]
    print("\n".join(Ranks(np.vstack([ranks.rows, *others])).tables()))


if __name__ == "__main__":
    main()
