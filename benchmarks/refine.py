"""Refinement's efficiency, time and truth: `OMP_NUM_THREADS=1 python benchmarks/refine.py [MODEL] [--gold FOLDER]`.

Refines simulated spectra of 10 to 1.2e8 counts, and observations whose posteriors converged MCMC has sampled on the
same likelihood, where these are present. Prints one JSON object: by decade of counts the efficiency (effective samples
over samples), Pareto k-hat, evaluations of the physics and seconds; for each observation how far medians [standard
deviations], widths [fractions] and the share of a cool disc are from MCMC's, and the evidence of each seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xspecnf import load_model, read_observation
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import to_unit
from xspecnf.posterior import Posterior, quantiles
from xspecnf_train.simulate import Simulator, SimulatorConfig

ROOT = Path(__file__).parents[1]
SAMPLES = 1000
LEVELS = np.array([0.16, 0.5, 0.84])
COOL_DISC = 0.15  # keV
REPORTED = ("efficiency", "khat", "rounds", "evaluations")


def simulated(model: Model, spectra: int, seed: int) -> Iterator[Observation]:
    """Fresh observations as the network was trained on."""
    config = replace(SimulatorConfig(), pool=max(8 * spectra, 1000))
    simulator = Simulator(config, model.reference_response, seed + 1_000_000)
    batch = simulator.draw(spectra, np.random.default_rng([seed, 77]))
    return batch.observations(model.reference_response)


def by_counts(posteriors: Sequence[Posterior]) -> dict[str, dict[str, Any]]:
    """Figures of all posteriors, and of each decade of counts."""
    decades = np.array([int(np.log10(max(post.fit.counts, 1))) for post in posteriors])
    groups = {"all": np.full(len(decades), True)}
    groups |= {f"1e{decade}-1e{decade + 1}": decades == decade for decade in np.unique(decades)}
    return {
        name: figures([post for post, chosen in zip(posteriors, inside, strict=True) if chosen])
        for name, inside in groups.items()
    }


def figures(posteriors: Sequence[Posterior]) -> dict[str, Any]:
    """Median and worse tail of what refinement reports."""
    efficiency, khat, rounds, evaluations = np.array(
        [[getattr(post.diagnostics, name) for post in posteriors] for name in REPORTED], dtype=float
    )
    seconds = [post.seconds for post in posteriors]
    return {
        "spectra": len(posteriors),
        "efficiency": rounded(np.quantile(efficiency, [0.5, 0.05])),
        "khat": rounded(np.nanquantile(khat, [0.5, 0.95])),
        "network_kept": rounded(np.mean(rounds == 0)),
        "evaluations": rounded(np.mean(evaluations), 0),
        "seconds": rounded(np.quantile(seconds, [0.5, 0.95])),
    }


def compared(model: Model, path: Path, seeds: Sequence[int], data: Path) -> dict[str, Any]:
    """One observation refined with several seeds beside its MCMC posterior."""
    with np.load(path) as arrays:
        gold = dict(arrays)
    obs = read_observation(
        path.with_suffix(".pha"),
        rmf=data / "nicer" / "response" / "nicer.rmf.gz",
        arf=data / "nicer" / "arf" / str(gold["arf"]),
        systematic=float(gold["e_sys"]),
    )
    posteriors = [model.infer(obs, SAMPLES, seed=seed, refine=True) for seed in seeds]
    differences = [differing(post, gold["samples"]) for post in posteriors]
    return {
        "counts": posteriors[0].fit.counts,
        "efficiency": rounded([post.diagnostics.efficiency for post in posteriors]),
        "log_evidence": rounded([post.diagnostics.log_evidence for post in posteriors]),
        "log_evidence_error": rounded([post.diagnostics.log_evidence_error for post in posteriors]),
        "median": rounded(np.mean([difference[0] for difference in differences], axis=0)),
        "width": rounded(np.mean([difference[1] for difference in differences], axis=0)),
        "cool_disc": rounded(np.mean([difference[2] for difference in differences])),
    }


def differing(post: Posterior, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Of medians in half 68 % widths, of these widths as a fraction, both (5,), and of the share of cool discs."""
    equal = np.full(len(samples), 1 / len(samples))
    columns = zip(to_unit(post.theta).T, to_unit(samples).T, strict=True)
    mine, truth = np.array(
        [(quantiles(a, post.weights, LEVELS), quantiles(b, equal, LEVELS)) for a, b in columns]
    ).transpose(1, 0, 2)
    width = truth[:, 2] - truth[:, 0]
    cool = post.weights @ (post.theta[:, 3] < COOL_DISC) - np.mean(samples[:, 3] < COOL_DISC)
    return (mine[:, 1] - truth[:, 1]) / (width / 2), (mine[:, 2] - mine[:, 0]) / width - 1, float(cool)


def rounded(values: Any, digits: int = 3) -> Any:
    """Plain floats for JSON."""
    return np.round(np.asarray(values, dtype=float), digits).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description="Efficiency, time and truth of refinement.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, default=100, help="how many to simulate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3, help="how often each MCMC-sampled observation is refined")
    default = ROOT.parent / "shared" / "data" / "gold"
    parser.add_argument("--gold", type=Path, default=default, help="MCMC-sampled observations, where they are present")
    arguments = parser.parse_args()
    model = load_model(arguments.model, "cpu")
    observations = simulated(model, arguments.spectra, arguments.seed)
    result: dict[str, Any] = {
        "simulated": by_counts([model.infer(obs, SAMPLES, seed=k, refine=True) for k, obs in enumerate(observations)])
    }
    paths = sorted(path for path in arguments.gold.glob("*.npz") if path.with_suffix(".pha").exists())
    result["gold"] = {path.stem: compared(model, path, range(arguments.seeds), arguments.gold.parent) for path in paths}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
