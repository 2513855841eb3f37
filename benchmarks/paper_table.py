"""The paper's table, ours: networks, what refinement makes of one, and two ways of fitting, on the same spectra.

    OMP_NUM_THREADS=1 python benchmarks/paper_table.py NAME=BUNDLE... [--refined 200] \\
        [--real FOLDER --real-rmf FILE --real-arfs FOLDER --systematic 0.015]

The first bundle's simulator draws the simulated spectra, of 100 to 1.2e8 counts and thinned to be even in their
decades; with --refined it is also the one that is refined and that starts the best fit. Prints rows of Markdown:

    PGStat    reduced, mean (median): of the middle one of 200 samples in the order of their PGStat, of a deterministic
              network its one answer, of a fit the fit; of --exact simulated spectra, or --refined, and all real ones
    coverage  of the parameters, the largest deviation from nominal over credible levels of 5 to 95 %, in brackets what
              chance makes of it on average with so many spectra
    CPU       seconds for 2160 spectra, from a tenth of them or, of fits and refinement, a hundredth: of the networks
              features, encoder and flow, without files and exact physics; of the others all but the reading of files
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf import load_model
from xspecnf.bestfit import BestFit, fit
from xspecnf.features import features
from xspecnf.likelihood import fit_statistic
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS, from_unit, to_unit
from xspecnf.sampling import CALL_SAMPLES
from xspecnf_train.evaluate.figures import figures
from xspecnf_train.evaluate.population import fresh_spectra, picked, total_counts
from xspecnf_train.evaluate.workers import Judge, Judged, Sizes, Spectra, judge_all
from xspecnf_train.real import RealFiles
from xspecnf_train.simulate import Batch

Float64 = NDArray[np.float64]
Observations = Sequence[Observation]

PAPER_SPECTRA, PAPER_ITERATIONS = 2160, 130
SAMPLES = 200
LEAST_COUNTS = 100
SEED = 1

DEFAULT_START = to_unit(np.array([[1.0, 2.5, 0.1, 0.8, 1e3]]))
"""Where a user who changes nothing begins; norm is renormalised to the data before the first step, as XSPEC does."""

HEAD = """| | PGStat, simulated | PGStat, real | coverage error | CPU, 1 sample [s] | CPU, 1000 samples [s] |
|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Row:
    """A method: reduced PGStat of simulated and of real spectra, coverage error, CPU seconds for 1 and 1000 samples."""

    name: str
    simulated: Float64
    real: Float64
    coverage: str
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        seconds = [f"{value:.2g}" for value in self.seconds] + ["-"] * (2 - len(self.seconds))
        return f"| {' | '.join([self.name, _mean(self.simulated), _mean(self.real), self.coverage, *seconds])} |"


@dataclass(frozen=True)
class Data:
    """What every row is measured on: simulated spectra, `exact` of them by the exact physics, and real ones."""

    simulated: Batch
    exact: int
    real: Observations
    model: Model

    def observations(self, size: int) -> Observations:
        """The first `size` simulated ones."""
        return list(picked(self.simulated, slice(size)).observations(self.model.reference_response))


def network_row(name: str, model: Model, data: Data) -> Row:
    """A network that samples a posterior."""
    simulated = judged(model, data.simulated, data.exact, 0)
    real = judged(model, data.real, len(data.real), 0).network.sample if data.real else np.array([])
    timed = data.observations(PAPER_SPECTRA // 10)
    seconds = tuple(cpu_seconds(lambda n=n: draw_all(model, timed, n), timed) for n in (1, 1000))
    return Row(name, simulated.network.sample, real, coverage_error(simulated, "network"), seconds)


def point_row(name: str, model: Model, data: Data) -> Row:
    """A network that answers with one point."""

    def reduced(part: Observations) -> Float64:
        return np.array([reduced_at_point(model, obs) for obs in part])

    timed = data.observations(PAPER_SPECTRA // 10)
    seconds = cpu_seconds(lambda: draw_all(model, timed, 1), timed)
    return Row(name, reduced(data.observations(data.exact)), reduced(data.real), "-", (seconds,))


def refined_rows(name: str, model: Model, data: Data, refined: int) -> list[Row]:
    """The refined posterior, and the best fit that was made from it."""
    simulated = judged(model, picked(data.simulated, slice(refined)), 0, refined)
    real = judged(model, data.real, 0, len(data.real)) if data.real else None
    timed = data.observations(PAPER_SPECTRA // 100)

    def seconds(way: Callable[[Observation], object]) -> float:
        return cpu_seconds(lambda: [way(obs) for obs in timed], timed)

    def infer(samples: int) -> Callable[[Observation], object]:
        return lambda obs: model.infer(obs, samples, refine=True)

    def points(part: Judged | None, kind: str) -> Float64:
        return getattr(part.refined, kind) if part else np.array([])

    fits, samples = ([points(part, kind) for part in (simulated, real)] for kind in ("fit", "sample"))
    coverage = coverage_error(simulated, "refined")
    return [
        Row("best fit", fits[0], fits[1], "-", (seconds(model.fit),)),
        Row(f"{name}, refined", samples[0], samples[1], coverage, (seconds(infer(1)), seconds(infer(1000)))),
    ]


def default_fit_row(data: Data) -> Row:
    """The fit from one default start."""

    def reduced(part: Observations) -> Float64:
        return np.array([best.pgstat / best.dof for best in map(default_fit, part)])

    timed = data.observations(PAPER_SPECTRA // 100)
    seconds = cpu_seconds(lambda: reduced(timed), timed)
    return Row("fit from a default start", reduced(data.observations(data.exact)), reduced(data.real), "-", (seconds,))


def default_fit(obs: Observation) -> BestFit:
    """Fisher scoring from DEFAULT_START until nothing is gained, with the paper's limit for XSPEC."""
    return fit(obs, DEFAULT_START, iterations=PAPER_ITERATIONS, scattered=0)


def judged(model: Model, spectra: Spectra, exact: int, refined: int) -> Judged:
    """The house's evaluation of all `spectra`, the first of them by the exact physics or refined."""
    size = len(spectra.u) if isinstance(spectra, Batch) else len(spectra)
    return judge_all(Judge(model.bundle.path, "cpu", Sizes(size, SAMPLES, exact, refined), SEED), spectra, 1, silent)


def silent(_: str) -> None:
    """Report nothing."""


def coverage_error(scores: Judged, kind: str) -> str:
    """Of the parameters, and what chance makes of it."""
    marginal = figures(scores)[kind]["all"]["coverage"]["marginal"]
    return f"{marginal['max']:.3f} ({marginal['chance']:.3f})"


def reduced_at_point(model: Model, obs: Observation) -> float:
    """Reduced PGStat of a deterministic network's answer: what it makes of no noise."""
    u, _ = model.backend.sample(model.backend.encode(features(obs)[None]), np.zeros((1, 1, 5), dtype=np.float32))
    counts = model.expected_counts(from_unit(np.clip(u[0].astype(float), 0, 1)), obs)
    return float(fit_statistic(counts, obs)[0]) / (obs.good.sum() - len(BHB_PARAMETERS))


def draw_all(model: Model, observations: Observations, samples: int) -> None:
    """Samples of all the observations' posteriors, as many spectra a call as the flow likes."""
    rng, many = np.random.default_rng(SEED), CALL_SAMPLES // samples
    for start in range(0, len(observations), many):
        context = model.backend.encode(np.stack([features(obs) for obs in observations[start : start + many]]))
        model.backend.sample(context, rng.standard_normal((len(context), samples, 5), dtype=np.float32))


def cpu_seconds(work: Callable[[], object], observations: Observations) -> float:
    """CPU seconds of `work` on `observations`, for PAPER_SPECTRA of them."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * PAPER_SPECTRA / len(observations)


def is_deterministic(model: Model) -> bool:
    """Whether a bundle was trained to answer with one point."""
    return model.bundle.provenance.get("configuration", {}).get("joint_stage", {}).get("noise", 1) == 0


def simulated_spectra(model: Model) -> Batch:
    """PAPER_SPECTRA fresh ones that are not too faint for the paper's question."""
    batch = fresh_spectra(model, PAPER_SPECTRA * 2, SEED)
    return picked(batch, np.flatnonzero(total_counts(batch) >= LEAST_COUNTS)[:PAPER_SPECTRA])


def _mean(values: Float64) -> str:
    known = values[np.isfinite(values)]
    return f"{known.mean():.4g} ({np.median(known):.4g})" if len(known) else "-"


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", metavar="NAME=BUNDLE", help="a bundle's name or folder")
    parser.add_argument("--exact", type=int, default=400, help="spectra judged by the exact physics")
    parser.add_argument("--refined", type=int, default=0, help="spectra that the first bundle refines, and the fits")
    parser.add_argument("--real", type=Path, help="folder of PHA files")
    parser.add_argument("--real-rmf", type=Path)
    parser.add_argument("--real-arfs", type=Path)
    parser.add_argument("--systematic", type=float, help="fractional systematic error of the real spectra")
    arguments = parser.parse_args()
    models = {name: load_model(path, "cpu") for name, _, path in (text.partition("=") for text in arguments.bundles)}
    first = next(iter(models))
    files = RealFiles(arguments.real, arguments.real_rmf, arguments.real_arfs) if arguments.real else None
    real = files.read(arguments.systematic, models[first].reference_response, silent) if files else []
    data = Data(simulated_spectra(models[first]), arguments.exact, real, models[first])
    print(HEAD)
    for name, model in models.items():
        print((point_row if is_deterministic(model) else network_row)(name, model, data), flush=True)
    if arguments.refined:
        print(default_fit_row(data), flush=True)
        print(*refined_rows(first, models[first], data, arguments.refined), sep="\n")


if __name__ == "__main__":
    main()
