"""Refinement's efficiency and time: `OMP_NUM_THREADS=1 python benchmarks/refine.py [MODEL] [--spectra 100]`.

Refines simulated spectra of 10 to 1.2e8 counts and prints one JSON object: for all and by decade of counts the
efficiency (effective samples over draws), what the samples are worth (effective samples over samples), Pareto k-hat,
where the samples come from, evaluations of the physics and seconds. Beside MCMC: benchmarks/mcmc.py and gold.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xspecnf import load_model
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.posterior import Posterior
from xspecnf_train.evaluate.population import trained_simulator
from xspecnf_train.simulate import Simulator

SAMPLES = 1000
REPORTED = ("efficiency", "ess", "khat", "evaluations")
METHODS = ("network", "adaptive", "mcmc")


def simulated(model: Model, spectra: int, seed: int) -> Iterator[Observation]:
    """Fresh observations as the network was trained on."""
    config = replace(trained_simulator(model), pool=max(8 * spectra, 1000))
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
    efficiency, ess, khat, evaluations = np.array(
        [[getattr(post.diagnostics, name) for post in posteriors] for name in REPORTED], dtype=float
    )
    methods = [post.diagnostics.method for post in posteriors]
    seconds = [post.seconds for post in posteriors]
    return {
        "spectra": len(posteriors),
        "efficiency": rounded(np.quantile(efficiency, [0.5, 0.05])),
        "worth": rounded(np.quantile(ess / SAMPLES, [0.5, 0.05])),
        "khat": rounded(np.nanquantile(khat, [0.5, 0.95])),
        "methods": {method: methods.count(method) for method in METHODS},
        "evaluations": rounded(np.mean(evaluations), 0),
        "seconds": rounded(np.quantile(seconds, [0.5, 0.95])),
    }


def rounded(values: Any, digits: int = 3) -> Any:
    """Plain floats for JSON."""
    return np.round(np.asarray(values, dtype=float), digits).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description="Efficiency and time of refinement.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, default=100, help="how many to simulate")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    model = load_model(arguments.model, "cpu")
    observations = simulated(model, arguments.spectra, arguments.seed)
    posteriors = [model.infer(obs, SAMPLES, seed=k, refine=True) for k, obs in enumerate(observations)]
    print(json.dumps(by_counts(posteriors), indent=1))


if __name__ == "__main__":
    main()
