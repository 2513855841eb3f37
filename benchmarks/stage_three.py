"""Stage three with either kind of label: `OMP_NUM_THREADS=1 python benchmarks/stage_three.py RUN --real FOLDER`.

The observation ids of the real spectra are dealt into folds. For each fold, stage three of the configuration goes on
from the finished run RUN with the spectra of all other ids, part of which early stopping is judged on; the network
before and after is then judged on the fold's own spectra, which it has never seen. The first fold's networks are also
judged on fresh simulated spectra and as the start of refinement. What is measured: benchmarks/network_scores.py.

Labels and weights are kept in --output, where a second call finds them, and the scores of each spectrum. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from network_scores import (
    Calibration,
    Labelled,
    Refinement,
    Score,
    calibration,
    reduced_pgstat,
    refinement,
    score,
    score_network,
)
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from xspecnf import load_model
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf_export.bundle import load_networks
from xspecnf_train.backend import TorchBackend
from xspecnf_train.config import RealConfig, TrainConfig
from xspecnf_train.evaluate.population import fresh_spectra
from xspecnf_train.labels import label_spectra
from xspecnf_train.loop import Trainer
from xspecnf_train.model import FrozenGuard, Networks
from xspecnf_train.real import RealFiles, RealSet, hold_out, observation_id, real_task
from xspecnf_train.simulate import Simulator

Float64 = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "train" / "xspecnf_train" / "configs" / "nicer-bhb.toml"
KINDS = ("posterior", "fit")
DESCRIBED = 5.0  # reduced PGStat of the best fit: what is above it the model does not describe
POOL = 100_000  # noise-free spectra: a quarter of a whole training's


class Experiment:
    """A finished run, its real spectra dealt into folds, and the folder that keeps what was computed.

    before: the run's networks. spectra: N of them, with both kinds of labels. fold: (N,) which fold each belongs to.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.kinds, self.output = options.kinds, options.output
        self.output.mkdir(parents=True, exist_ok=True)
        self.settings = TrainConfig.load(options.config)
        if self.settings.real_stage is None:
            raise SystemExit(f"{options.config}: has no table [real_stage]")
        self.stage: RealConfig = self.settings.real_stage
        self.before = TorchBackend(load_networks(options.run, self.settings))
        self.shipped = load_model(options.bundle, "cpu")
        files = RealFiles(options.real, options.real_rmf, options.real_arfs)
        reference = self.shipped.reference_response
        self.spectra = self._labelled(files.read(self.stage.systematic, reference, print))
        self.fold = folds([one.obs.name for one in self.spectra], options.folds, options.seed)
        self.simulator = Simulator(replace(self.settings.simulator, pool=POOL), reference, self.settings.seed)

    def unseen(self, fold: int) -> list[Labelled]:
        """The fold's own spectra."""
        return [one for one, its in zip(self.spectra, self.fold, strict=True) if its == fold]

    def networks(self, fold: int) -> dict[str, TorchBackend]:
        """By name: before stage three, and after it with every kind of label on the other folds' spectra."""
        return {"before": self.before} | {f"after, {kind}": self._trained(kind, fold) for kind in self.kinds}

    def _labelled(self, observations: Sequence[Observation]) -> list[Labelled]:
        exact, best = (self._labels(observations, kind) for kind in KINDS)
        return [Labelled(o, exact[o.name], best[o.name][0]) for o in observations if o.name in exact and o.name in best]

    def _labels(self, observations: Sequence[Observation], kind: str) -> dict[str, Float64]:
        """Labels (L, 5) by the name of the spectrum."""
        path = self.output / f"labels-{kind}.npz"
        if not path.exists():
            stage, rng = replace(self.stage, label=kind), np.random.default_rng(1)
            kept, labels = label_spectra(self.before, observations, stage, rng, print)
            np.savez(path, names=[obs.name for obs in kept], labels=labels)
        with np.load(path) as stored:
            return dict(zip(stored["names"].tolist(), stored["labels"], strict=True))

    def _trained(self, kind: str, fold: int) -> TorchBackend:
        path = self.output / f"weights-{kind}-{fold}.safetensors"
        networks = Networks(self.settings)
        networks.load_state_dict(load_file(path) if path.exists() else self.before.networks.state_dict())
        if not path.exists():
            self._train(networks, replace(self.stage, label=kind), fold)
            save_file({key: value.contiguous() for key, value in networks.state_dict().items()}, path)
        return TorchBackend(networks.eval().requires_grad_(False))

    def _train(self, networks: Networks, stage: RealConfig, fold: int) -> None:
        known = [one for one, its in zip(self.spectra, self.fold, strict=True) if its != fold]
        frozen = FrozenGuard.freeze(decoder=networks.decoder, rate=networks.flow.rate)
        labels = np.stack([one.exact if stage.label == "posterior" else one.best[None] for one in known])
        observations = [one.obs for one in known]
        held_out = hold_out([obs.name for obs in observations], stage.held_out, np.random.default_rng(fold))
        task = real_task(networks, self.simulator, RealSet.of(observations, labels, held_out), stage)
        with tempfile.TemporaryDirectory() as folder:
            Trainer(networks, Path(folder), self.settings.seed, print).run(task, stage)
        frozen.verify()


def folds(names: Sequence[str], number: int, seed: int) -> NDArray[np.intp]:
    """(N,) which of `number` folds the observation id of each spectrum is dealt to."""
    ids = np.array([observation_id(name) for name in names])
    dealt = np.array_split(np.random.default_rng(seed).permutation(np.unique(ids)), number)
    return np.sum([k * np.isin(ids, part) for k, part in enumerate(dealt)], axis=0)


def real_scores(experiment: Experiment, measured: int) -> tuple[dict[str, list[Score]], Float64]:
    """By network, scores of the first folds' spectra while unseen, and of draws of their exact posteriors; reduced
    PGStat of their best fits (N,).
    """
    scores: dict[str, list[Score]] = defaultdict(list)
    best = []
    for fold in range(measured):
        unseen = experiment.unseen(fold)
        for name, backend in experiment.networks(fold).items():
            scores[name] += [score_network(backend, one) for one in unseen]
        scores["exact posterior"] += [score(one.exact, one) for one in unseen]
        best += [reduced_pgstat(one.best[None], one.obs)[0] for one in unseen]
    return scores, np.array(best)


def real_table(scores: Mapping[str, Sequence[Score]], best: Float64, worst: float) -> str:
    """Over the spectra that every network has a posterior for and whose best fit is not above `worst`; best (N,):
    reduced PGStat of the best fits.
    """
    rows = {name: np.array([astuple(each) for each in column]) for name, column in scores.items()}
    known = np.all([np.isfinite(values[:, 0]) for values in rows.values()], axis=0) & (best <= worst)
    head = ["", "one sample", "median point", "best of 1000", "bias", "width", "-ln q", "efficiency"]
    lines = [head, ["---"] * len(head)]
    for name, values in rows.items():
        pgstat = [mean_median(column) for column in values[known, :3].T]
        bias, width, surprise, efficiency = values[known, 3:].T
        lines.append(
            [name, *pgstat, tail(bias, 0.9), f"{np.median(width):.2f}", mean_median(surprise), tail(efficiency, 0.05)]
        )
    lines.append(["best fit", *[mean_median(best[known])] * 3, *["-"] * 4])
    return f"{known.sum()} of {len(known)} real spectra, best fit up to {worst:g}\n\n{markdown(lines)}"


def simulated_table(figures: Mapping[str, Calibration]) -> str:
    """Coverage errors and -ln q."""
    head = ["", "marginal", "TARP", "marginal, claimed", "TARP, claimed", "-ln q"]
    lines = [[name, *(f"{value:.4f}" for value in astuple(each))] for name, each in figures.items()]
    return markdown([head, ["---"] * len(head), *lines])


def refinement_table(figures: Mapping[str, Refinement]) -> str:
    """Medians and, in brackets, fifth percentiles; means of the cost."""
    head = ["", "efficiency", "worth", "network sufficed", "evaluations", "CPU s"]
    lines = [
        [
            *(name, tail(each.efficiency, 0.05), tail(each.worth, 0.05)),
            *(f"{each.network:.0%}", f"{each.evaluations:.0f}", f"{each.seconds:.2f}"),
        ]
        for name, each in figures.items()
    ]
    return markdown([head, ["---"] * len(head), *lines])


def mean_median(values: Float64) -> str:
    """Mean and median; a dash where nothing is known."""
    if np.isnan(values).any():
        return "-"
    return f"{values.mean():.3f} ({np.median(values):.3f})"


def tail(values: Float64, q: float) -> str:
    """Median and a quantile; a dash where nothing is known."""
    if np.isnan(values).any():
        return "-"
    return f"{np.median(values):.2g} ({np.quantile(values, q):.2g})"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What stage three brings on real spectra that it has not seen.")
    parser.add_argument("run", type=Path, help="folder of a run whose joint stage is done")
    parser.add_argument("--real", type=Path, required=True, help="folder of real spectra")
    parser.add_argument("--real-rmf", type=Path, help="redistribution matrix of all of them")
    parser.add_argument("--real-arfs", type=Path, help="folder of the ARFs that their headers name")
    parser.add_argument("--config", type=Path, default=CONFIG, help="whose [real_stage] is measured")
    parser.add_argument("--bundle", default="nicer-bhb", help="a bundle of the run: reference response, simulator")
    parser.add_argument("--output", type=Path, default=Path("stage-three"), help="keeps labels and weights")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="of labels")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--measured", type=int, help="of the folds; all by default")
    parser.add_argument("--simulated", type=int, default=3000, help="simulated spectra")
    parser.add_argument("--refined", type=int, default=60, help="about so many of the first fold's spectra")
    parser.add_argument("--seed", type=int, default=0, help="of the folds and of what is simulated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    experiment = Experiment(options)
    measured = options.measured or options.folds
    scores, best = real_scores(experiment, measured)
    names = [one.obs.name for fold in range(measured) for one in experiment.unseen(fold)]
    columns: dict[str, Any] = {name: [astuple(each) for each in column] for name, column in scores.items()}
    np.savez(options.output / "scores.npz", names=names, best=best, **columns)
    for worst in (np.inf, DESCRIBED):
        print(f"\n{real_table(scores, best, worst)}", flush=True)
    batch = fresh_spectra(experiment.shipped, options.simulated, options.seed + 1)
    first = experiment.networks(0)
    print(f"\n{simulated_table({name: calibration(backend, batch) for name, backend in first.items()})}", flush=True)
    models = {name: Model(experiment.shipped.bundle, backend) for name, backend in first.items()}
    unseen = experiment.unseen(0)
    unseen = unseen[:: max(len(unseen) // options.refined, 1)]
    print(f"\n{refinement_table({name: refinement(model, unseen) for name, model in models.items()})}")


if __name__ == "__main__":
    main()
