"""What the losses do to the posterior: finished rows of the ablation beside a control, on the same spectra.

    OMP_NUM_THREADS=1 python benchmarks/losses.py CONTROL=RUN NAME=RUN... [--spectra 2160] [--exact 300]

RUN: folders that benchmarks/ablation.py made. The first one's simulator draws the spectra. Prints two tables of
Markdown. Of every run:

    surprise    mean -ln q of the true parameters, in nats
    marginal    largest deviation of the parameters' coverage from nominal over credible levels of 5 to 95 %, in
                brackets what chance makes of it on average
    68 %        share of true parameters inside their central 68 % intervals
    TARP        as marginal, for balls around random points
    PGStat      reduced, mean (median), of the middle one of a spectrum's samples in the order of their PGStat
    efficiency  effective samples over draws under the exact likelihood: median (5 %)

and the standard deviation of its samples over the control's, geometric mean over 600 spectra: of each parameter, and of
all by counts; first what the formula of xspecnf_train.losses expects of the latent loss. At the end, how far the first
run's decoder is off.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from xspecnf import load_model
from xspecnf.model import Model
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.sampling import draw
from xspecnf_export.bundle import load_networks
from xspecnf_train.config import TrainConfig
from xspecnf_train.evaluate.figures import figures
from xspecnf_train.evaluate.population import fresh_spectra, picked, total_counts
from xspecnf_train.evaluate.workers import Judge, Sizes, judge_all
from xspecnf_train.simulate import Batch, Simulator

Float64 = NDArray[np.float64]

SAMPLES = 200
SEED = 3
COMPARED = 600
"""Spectra whose posteriors' widths are compared."""

COUNT_EDGES = (0, 1e3, 1e5, np.inf)
NAMES = [p.name for p in BHB_PARAMETERS]

HEAD = """| | surprise | marginal | 68 % | TARP | PGStat | efficiency |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Run:
    """A finished run and the bundle that was made of it."""

    folder: Path

    @property
    def model(self) -> Model:
        """Its bundle's."""
        return load_model(self.folder / "bundle", "cpu")

    @torch.no_grad()
    def surprise(self, batch: Batch) -> float:
        """Mean -ln q of the true parameters."""
        networks = load_networks(self.folder, TrainConfig.load(self.folder / "config.toml"))
        context = networks.encoder(torch.from_numpy(batch.features()))
        return -float(networks.flow.log_prob(torch.from_numpy(batch.u).float(), context).mean())

    def widths(self, batch: Batch) -> Float64:
        """Standard deviations (B, 5) of the samples in the unit cube."""
        model, rng = self.model, np.random.default_rng(SEED)
        contexts = (model.backend.encode(row[None])[0] for row in batch.features())
        return np.array([draw(model.backend, context, SAMPLES, rng).u.std(axis=0) for context in contexts])

    @torch.no_grad()
    def decoder_error(self) -> Float64:
        """By how much the decoder is off a noise-free rate (N, 240), relative."""
        config = TrainConfig.load(self.folder / "config.toml")
        simulator = Simulator(replace(config.simulator, pool=4000), self.model.reference_response, SEED)
        u, log_rate = simulator.draw_spectra(2000, np.random.default_rng(SEED))
        decoded = load_networks(self.folder, config).decoder(torch.from_numpy(u).float()).numpy()
        return np.expm1(np.log(10) * np.abs(decoded - log_rate))

    def row(self, name: str, batch: Batch, exact: int) -> str:
        """Its line of the first table."""
        judge = Judge(self.folder / "bundle", "cpu", Sizes(len(batch.u), SAMPLES, exact, 0), SEED)
        found = figures(judge_all(judge, batch, 1, lambda _: None))["network"]["all"]
        coverage, pgstat, efficiency = found["coverage"], found["pgstat"]["sample"], found["efficiency"]
        cells = [
            name,
            f"{self.surprise(batch):.2f}",
            *(f"{coverage[kind]['max']:.3f} ({coverage[kind]['chance']:.3f})" for kind in ("marginal", "tarp")),
            f"{pgstat['mean']:.4g} ({pgstat['median']:.4g})",
            f"{efficiency['median']:.3g} ({efficiency['q05']:.2g})",
        ]
        cells.insert(3, f"{np.mean([found['coverage_68'][parameter] for parameter in NAMES]):.3f}")
        return f"| {' | '.join(cells)} |"


def expected_of_latent(widths: Float64) -> Float64:
    """The ratio (B, 5) by which a latent loss of weight one narrows Gaussian posteriors of `widths` (B, 5)."""
    k = 4.8 * widths**2
    return np.sqrt((np.sqrt(1 + 4 * k) - 1) / (2 * k))


def width_row(name: str, ratio: Float64, counts: Float64) -> str:
    """A line of the second table, from the ratio (B, 5) of widths to the control's."""
    by_parameter = np.exp(np.log(ratio).mean(axis=0))
    group = np.searchsorted(COUNT_EDGES, counts, side="right")
    by_counts = [np.exp(np.log(ratio[group == k]).mean()) for k in range(1, len(COUNT_EDGES))]
    return f"| {name} | {' | '.join(f'{value:.3f}' for value in [*by_parameter, *by_counts])} |"


def main() -> None:
    """Print both tables, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--spectra", type=int, default=2160)
    parser.add_argument("--exact", type=int, default=300, help="spectra judged by the exact physics")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = {name: Run(Path(path)) for name, _, path in (text.partition("=") for text in arguments.runs)}
    first = next(iter(runs.values()))
    batch = fresh_spectra(first.model, arguments.spectra, SEED)
    print(HEAD)
    for name, run in runs.items():
        print(run.row(name, batch, arguments.exact), flush=True)
    groups = ("below 1e3", "1e3 - 1e5", "above 1e5")
    print(f"\n| | {' | '.join([*NAMES, *groups])} |\n|{'---|' * (len(NAMES) + len(groups) + 1)}")
    few = picked(batch, slice(COMPARED))
    control = first.widths(few)
    print(width_row("flow, latent: expected", expected_of_latent(control), total_counts(few)))
    for name, run in runs.items():
        print(width_row(name, run.widths(few) / control, total_counts(few)), flush=True)
    error = first.decoder_error()
    print(
        f"\nDecoder: off by {np.median(error):.1%} in the median, by {np.quantile(error, 0.9):.1%} in one bin of ten."
    )


if __name__ == "__main__":
    main()
