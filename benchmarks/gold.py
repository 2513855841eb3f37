"""Posteriors against converged MCMC of the same likelihood: `OMP_NUM_THREADS=1 python benchmarks/gold.py [MODEL]`.

For each observation that MCMC has sampled, for the network's posterior and the refined one: the classifier two-sample
test (C2ST, Lopez-Paz & Oquab 2017, arXiv:1610.06545), that is how often a classifier tells the two sets of samples
apart, 0.5 if they are one distribution and 1 if they do not overlap; how far medians are off in posterior standard
deviations, widths as a fraction, and the share of cool discs. MCMC's two independent runs, tested against each other,
show what the classifier finds where nothing is to be found. Prints Markdown, or JSON with --json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from xspecnf import load_model, read_observation
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, to_unit
from xspecnf.posterior import Posterior, quantiles

Float64 = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
NAMES = tuple(parameter.name for parameter in BHB_PARAMETERS)
LEVELS = np.array([0.16, 0.5, 0.84])
TEMPERATURE, COOL_DISC = 3, 0.15  # keV
MISFITS = ("real_2130360206_GTI0",)  # no parameters describe them: tests of goodness of fit, not of posteriors

SAMPLES = 8000
"""Of a posterior, from which COMPARED are resampled: so many more that hardly any is chosen twice, which a classifier
would learn by heart.
"""

COMPARED = 2000  # from either side; MCMC's runs have so many each
FOLDS, HIDDEN = 5, 50
STEPS, LEARNING_RATE, WEIGHT_DECAY = 150, 0.01, 1.0
"""Of AdamW: with less decay or more steps the classifier learns its samples by heart and tells normals one standard
deviation apart worse than can be; with fewer it misses the two modes of a distribution of equal variance.
"""


@dataclass(frozen=True)
class Comparison:
    """One posterior beside MCMC's: C2ST; differences of medians [standard deviations] and of 68 % widths [fractions] by
    parameter; share of cool discs less MCMC's; effective samples over samples, None for the network's.
    """

    c2st: float
    median: tuple[float, ...]
    width: tuple[float, ...]
    cool_disc: float
    efficiency: float | None


@dataclass(frozen=True)
class Row:
    """One observation: its counts, MCMC's effective samples and cool discs, the C2ST of its two runs, and the
    comparisons.
    """

    name: str
    counts: int
    mcmc_ess: float
    cool_discs: float
    floor: float
    network: Comparison
    refined: Comparison


def compared(model: Model, path: Path, data: Path, seed: int) -> Row:
    """Both posteriors of the observation whose MCMC samples are in `path`."""
    with np.load(path) as arrays:
        gold = dict(arrays)
    obs = observation(path, gold, data)
    samples = to_unit(gold["samples"])
    runs = np.split(samples, 2)
    rng = np.random.default_rng(seed)
    posteriors = {refine: model.infer(obs, SAMPLES, seed, refine=refine) for refine in (False, True)}
    network, refined = (comparison(post, samples, rng) for post in posteriors.values())
    return Row(
        name=path.stem,
        counts=round(obs.counts[obs.good].sum()),
        mcmc_ess=float(gold["ess"]),
        cool_discs=cool_share(samples, np.full(len(samples), 1 / len(samples))),
        floor=c2st(runs[0], runs[1], seed),
        network=network,
        refined=refined,
    )


def observation(path: Path, gold: dict[str, np.ndarray], data: Path) -> Observation:
    """The spectrum beside MCMC's samples or, of a real one, among the real spectra."""
    spectrum = path.with_suffix(".pha")
    if path.stem.startswith("real_"):
        _, obs_id, interval, _ = path.stem.split("_")
        spectrum = data / "nicer" / "maxi_j1535" / obs_id / f"js_ni{obs_id}_0mpu7_silver_{interval}.jsgrp"
    return read_observation(
        spectrum,
        rmf=data / "nicer" / "response" / "nicer.rmf.gz",
        arf=data / "nicer" / "arf" / str(gold["arf"]),
        systematic=float(gold["e_sys"]),
    )


def comparison(post: Posterior, samples: Float64, rng: np.random.Generator) -> Comparison:
    """A posterior beside samples (S, 5) of the unit cube."""
    u, equal = to_unit(post.theta), np.full(len(samples), 1 / len(samples))
    mine = np.array([quantiles(column, post.weights, LEVELS) for column in u.T])
    truth = np.array([quantiles(column, equal, LEVELS) for column in samples.T])
    width = truth[:, 2] - truth[:, 0]
    chosen = u[rng.choice(len(u), COMPARED, p=post.weights)]
    other = samples[rng.choice(len(samples), COMPARED, replace=False)]
    return Comparison(
        c2st=c2st(chosen, other, int(rng.integers(2**31))),
        median=tuple(((mine[:, 1] - truth[:, 1]) / (width / 2)).tolist()),
        width=tuple(((mine[:, 2] - mine[:, 0]) / width - 1).tolist()),
        cool_disc=cool_share(u, post.weights) - cool_share(samples, equal),
        efficiency=post.diagnostics.efficiency,
    )


def cool_share(u: Float64, weights: Float64) -> float:
    """Weight of the samples u (S, 5) whose disc is cooler than COOL_DISC."""
    kt = BHB_PARAMETERS[TEMPERATURE]
    return float(weights @ (u[:, TEMPERATURE] < np.log10(COOL_DISC / kt.low) / kt.scaled_range))


def c2st(one: Float64, other: Float64, seed: int) -> float:
    """Share of left-out samples that a classifier sorts rightly into `one` and `other` (S, d) of equal size.

    Coordinates are whitened by the covariance of both together, so that thin directions count as much as wide ones. The
    classifier is that of Lueckmann et al. 2021 (arXiv:2101.04653), two hidden layers of 10 d units; all folds are
    trained at once.
    """
    size, d = one.shape
    x = np.vstack([one, other])
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x.T) + 1e-15 * np.eye(d)), (x - x.mean(axis=0)).T).T
    order = np.random.default_rng(seed).permutation(2 * size)[: 2 * size // FOLDS * FOLDS].reshape(FOLDS, -1)
    points, labels = torch.from_numpy(x).float(), (torch.arange(2 * size) < size).float()
    left_out = torch.from_numpy(order)
    used = torch.stack([torch.cat([left_out[j] for j in range(FOLDS) if j != k]) for k in range(FOLDS)])
    weights = trained(points[used], labels[used], seed)
    with torch.no_grad():
        right = (logits(weights, points[left_out]) > 0) == (labels[left_out] > 0.5)
    return float(right.float().mean())


def trained(x: Tensor, labels: Tensor, seed: int) -> list[Tensor]:
    """Weights and biases of one classifier a fold: x (K, S, d), labels (K, S)."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (x.shape[2], HIDDEN, HIDDEN, 1)
    weights = []
    for fan_in, fan_out in pairwise(sizes):
        weights.append(torch.randn(len(x), fan_in, fan_out, generator=generator) * (2 / fan_in) ** 0.5)
        weights.append(torch.zeros(len(x), 1, fan_out))
    optimiser = torch.optim.AdamW([w.requires_grad_() for w in weights], LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = binary_cross_entropy_with_logits(logits(weights, x), labels)
        loss.backward()
        optimiser.step()
        schedule.step()
    return weights


def logits(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """(K, S) for x (K, S, d), by one network a fold."""
    w1, b1, w2, b2, w3, b3 = weights
    hidden = torch.relu(torch.baddbmm(b2, torch.relu(torch.baddbmm(b1, x, w1)), w2))
    return torch.baddbmm(b3, hidden, w3)[:, :, 0]


def markdown(rows: Sequence[Row]) -> str:
    """One line an observation, and the medians of all whose spectra the model describes."""
    head = (
        *("observation", "counts", "C2ST of MCMC's runs", "network: C2ST", "refined: C2ST"),
        *("median off, largest [sigma]", "width off, largest [%]", "cool discs, MCMC", "refined", "efficiency"),
    )
    lines = [head, ["---"] * len(head)]
    for row in rows:
        new = row.refined
        lines.append(
            (
                *(row.name, str(row.counts), f"{row.floor:.3f}", f"{row.network.c2st:.3f}", f"{new.c2st:.3f}"),
                *(f"{largest(new.median):+.2f}", f"{100 * largest(new.width):+.0f}", f"{row.cool_discs:.3f}"),
                *(f"{row.cool_discs + new.cool_disc:.3f}", f"{new.efficiency or np.nan:.2f}"),
            )
        )
    if described := [row for row in rows if not row.name.startswith(MISFITS)]:
        found = np.median([(r.floor, r.network.c2st, r.refined.c2st) for r in described], axis=0)
        lines.append(("median", "", *(f"{c2st:.3f}" for c2st in found), *[""] * 5))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def largest(values: Sequence[float]) -> float:
    """The one that is farthest from 0."""
    return max(values, key=abs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Posteriors against converged MCMC of the same likelihood.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    default = ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with gold/ and nicer/")
    parser.add_argument("--only", nargs="*", help="names of observations; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    paths = sorted((arguments.data / "gold").glob("*.npz"))
    if not paths:
        parser.error(f"{arguments.data / 'gold'}: no .npz files of MCMC samples; give their place with --data")
    model = load_model(arguments.model, "cpu")
    chosen = [path for path in paths if not arguments.only or path.stem in arguments.only]
    rows = [compared(model, path, arguments.data, arguments.seed) for path in chosen]
    print(json.dumps([asdict(row) for row in rows], indent=1) if arguments.json else markdown(rows), end="")


if __name__ == "__main__":
    main()
