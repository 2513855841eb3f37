"""What the verdict sees: `OMP_NUM_THREADS=1 python benchmarks/failures.py [MODEL] [--spectra 300] [--refined 30]`.

Infers simulated spectra of 1e3 to 3e6 counts that went wrong in known ways (benchmarks/distortions.py), and ones that
did not, and prints one JSON object and Markdown tables: for each way to go wrong the share of spectra that each flag of
failure catches, by itself and all together, and by brightness; the false alarms among sound spectra, and whatever else
the verdict says of these; and the p-value below which all flags of failure together would raise one in a hundred of
them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from distortions import DISTORTIONS, Distortion, Instrument, none

from xspecnf import load_model
from xspecnf.advice import ADVICE
from xspecnf.errors import InputError
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.parameters import from_unit
from xspecnf.posterior import Posterior
from xspecnf.predictive import replicated
from xspecnf_train.evaluate.population import trained_simulator
from xspecnf_train.simulate import Simulator

SAMPLES = 1000

COUNTS = (1e3, 3e6)
COUNT_EDGES = (0, 1e4, 1e5, 1e6, np.inf)
SOUND = "sound"
FLAGS = ("misfit", "too-close", "unlike-training", "extrapolated", "no-signal", "outside-prior")
"""Of failure: these should be silent for a sound spectrum."""

DOUBTS = ("approximate", "missed-peak", "low-ess", "high-khat", "evidence-mismatch")
"""That the posterior falls short, be the spectrum sound or not; they are shown, and do not count as false alarms."""

FALSE_ALARMS = 0.01


class Counted(Protocol):
    """Of a spectrum of so many counts."""

    @property
    def counts(self) -> float: ...


@dataclass(frozen=True)
class Outcome:
    """What the verdict said of one spectrum: its counts, level, raised flags, and p-values (total and 1 less it, local,
    novelty; else 1).
    """

    counts: float
    level: str
    flags: tuple[str, ...]
    p: tuple[float, float, float, float]


def observations(
    model: Model, distortion: Distortion, size: int, counts: tuple[float, float], rng: np.random.Generator
) -> Iterator[Observation]:
    """Simulated observations whose source counts are distorted, drawn under the likelihood's assumptions.

    Their response is not called the bundle's, which the verdict would say.
    """
    config = replace(trained_simulator(model), counts=counts, pool=max(8 * size, 1000))
    simulator = Simulator(config, model.reference_response, int(rng.integers(2**31)))
    batch = simulator.draw(size, rng)
    theta = from_unit(batch.u, model.bundle.parameters)
    expected = distortion(theta, batch.sensitivity, Instrument.of(model.reference_response), rng)
    for source, obs in zip(expected, batch.observations(model.reference_response), strict=True):
        response = replace(obs.response, name="simulated")
        yield replace(obs, counts=replicated(source[None], obs, rng)[0], response=response)


def outcome(model: Model, obs: Observation, refine: bool) -> Outcome:
    """The verdict's; a spectrum for which the network finds nothing inside the prior is one outside it."""
    total = float(obs.counts[obs.good].sum())
    try:
        posterior = model.infer(obs, SAMPLES, refine=refine)
    except InputError:
        return Outcome(total, "reject", ("outside-prior",), (1.0, 1.0, 1.0, 1.0))
    diagnostics = posterior.diagnostics
    return Outcome(total, diagnostics.verdict, tuple(flag.name for flag in diagnostics.flags), _p_values(posterior))


def _p_values(posterior: Posterior) -> tuple[float, float, float, float]:
    d = posterior.diagnostics
    total, local = (d.predictive.p_total, d.predictive.p_local) if d.predictive else (0.0, 0.0)
    return total, 1 - total, local, 1.0 if d.novelty is None else d.novelty


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Shares of spectra that each flag, any flag, and any flag within each range of counts catches."""
    caught = np.array([any(flag in FLAGS for flag in o.flags) for o in outcomes])
    group = groups(outcomes)
    return {
        "spectra": len(outcomes),
        "any": share(caught),
        "by_flag": {flag: share([flag in o.flags for o in outcomes]) for flag in FLAGS + DOUBTS},
        "by_counts": {
            count_range(k): share(caught[group == k]) for k in range(len(COUNT_EDGES) - 1) if np.any(group == k)
        },
    }


def said(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Shares of each verdict and of each flag that was raised at all, of all spectra and by range of counts."""
    group = groups(outcomes)
    names = ["good", "caution", "reject", *ADVICE]
    raised = {name: np.array([name in (o.level, *o.flags) for o in outcomes]) for name in names}
    return {
        name: {"all": share(values)} | {count_range(k): share(values[group == k]) for k in np.unique(group)}
        for name, values in raised.items()
        if values.any()
    }


def groups(outcomes: Sequence[Counted]) -> np.ndarray:
    """The range of COUNT_EDGES that each spectrum is in."""
    return np.searchsorted(COUNT_EDGES, [o.counts for o in outcomes], side="right") - 1


def threshold(sound: Sequence[Outcome]) -> dict[str, float]:
    """The p-value that any of the four stays above in all but FALSE_ALARMS of sound spectra, and each alone."""
    p = np.array([o.p for o in sound])
    each = np.quantile(p, FALSE_ALARMS, axis=0)
    together = float(np.quantile(p.min(axis=1), FALSE_ALARMS))
    return {"together": together, **dict(zip(("total", "close", "local", "novelty"), each.tolist(), strict=True))}


def share(raised: Sequence[bool] | np.ndarray) -> float:
    """Of true values, rounded."""
    return round(float(np.mean(raised)), 4)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown: a row a kind of failure, a column a flag that was raised at all, and the ranges of counts."""
    flags = [flag for flag in FLAGS + DOUBTS if any(found["by_flag"][flag] for found in results.values())]
    ranges = [count_range(k) for k in range(len(COUNT_EDGES) - 1)]
    lines = [row(["", "any of failure", *flags, *ranges]), row(["---"] + ["---:"] * (1 + len(flags) + len(ranges)))]
    for kind, found in results.items():
        cells = [
            found["any"],
            *(found["by_flag"][flag] for flag in flags),
            *(found["by_counts"].get(r) for r in ranges),
        ]
        lines.append(row([kind, *("-" if cell is None else f"{cell:.1%}" for cell in cells)]))
    return "\n".join(lines)


def said_table(shares: dict[str, dict[str, float]]) -> str:
    """Markdown: a row a verdict or flag, a column a range of counts."""
    heads = list(next(iter(shares.values())))
    lines = [row(["of sound spectra", *heads]), row(["---"] + ["---:"] * len(heads))]
    lines += [row([name, *(f"{found[head]:.1%}" for head in heads)]) for name, found in shares.items()]
    return "\n".join(lines)


def row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def count_range(k: int) -> str:
    """What the k-th range of COUNT_EDGES is called."""
    low, high = COUNT_EDGES[k : k + 2]
    return f"< {high:.0e}" if k == 0 else f"> {low:.0e}" if np.isinf(high) else f"{low:.0e}-{high:.0e}"


def run(model: Model, spectra: int, sound: int, refine: bool, seed: int) -> dict[str, Any]:
    """Figures of every kind of failure and of `sound` sound spectra, refined or not."""
    sizes = {SOUND: sound} | dict.fromkeys(DISTORTIONS, spectra)
    outcomes = {
        kind: [
            outcome(model, obs, refine)
            for obs in observations(
                model, DISTORTIONS.get(kind, none), size, COUNTS, np.random.default_rng([seed, index, refine])
            )
        ]
        for index, (kind, size) in enumerate(sizes.items())
    }
    # A faint source under a bright background is sound and rightly called lost: no false alarm.
    outcomes[SOUND] = [found for found in outcomes[SOUND] if "no-signal" not in found.flags]
    kinds = {kind: figures(found) for kind, found in outcomes.items()}
    return {"kinds": kinds, "sound": said(outcomes[SOUND]), "p_for_1_percent": threshold(outcomes[SOUND])}


def main() -> None:
    parser = argparse.ArgumentParser(description="What the verdict sees.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, default=100, help="of each kind of failure")
    parser.add_argument("--sound", type=int, default=1000, help="sound spectra, for the false alarms")
    parser.add_argument("--refined", type=int, default=0, help="of each kind, refined; ten times as many sound ones")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = load_model(options.model, "cpu")
    results = {"network": run(model, options.spectra, options.sound, False, options.seed)}
    if options.refined:
        results["refined"] = run(model, options.refined, 10 * options.refined, True, options.seed)
    print(json.dumps(results, indent=1))
    for name, result in results.items():
        print(f"\n{name}\n\n{table(result['kinds'])}\n\n{said_table(result['sound'])}")


if __name__ == "__main__":
    main()
