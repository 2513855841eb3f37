"""Does the evidence see a gain shift? `OMP_NUM_THREADS=1 python benchmarks/gain.py [MODEL] [--spectra 200]`.

Refines simulated spectra of 1e3 to 3e6 counts, half of them with all energies measured 3 % too high or too low, through
the response that their observer believes in and through both that are shifted so. ln B is the evidence of a shift, the
mean of the two, over that of none. Prints by counts the share of spectra that the verdict calls a misfit, and of those
whose evidence is beyond 100 to 1 for a shift, and for none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from distortions import ENERGY, WIDTH, gain_shift, none
from failures import COUNT_EDGES, COUNTS, observations

from xspecnf import load_model
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.posterior import Posterior

SHIFTS = (0.97, 1.03)
ODDS = np.log(100)
SAMPLES = 500


@dataclass(frozen=True)
class Outcome:
    """Of one spectrum: whether it was shifted, its counts, whether the verdict has `misfit`, and ln B."""

    shifted: bool
    counts: float
    misfit: bool
    ln_bayes: float


def shifted(obs: Observation, gain: float) -> Observation:
    """The same counts through a response that measures every energy `gain` times too high."""
    each = np.eye(len(ENERGY)) / WIDTH[:, None]
    columns = np.stack([np.interp(ENERGY / gain, ENERGY, density) / gain for density in each]) * WIDTH
    return replace(obs, response=replace(obs.response, matrix=obs.response.matrix @ columns))


def outcomes(model: Model, spectra: int, seed: int) -> Iterator[Outcome]:
    """`spectra` of each kind."""
    for off, distortion in ((False, none), (True, gain_shift)):
        for obs in observations(model, distortion, spectra, COUNTS, np.random.default_rng([seed, off])):
            posterior = model.infer(obs, SAMPLES, refine=True)
            shifts = [model.infer(shifted(obs, gain), SAMPLES, refine=True) for gain in SHIFTS]
            ln_bayes = np.logaddexp(*(_evidence(s) for s in shifts)) - np.log(2) - _evidence(posterior)
            misfit = any(flag.name == "misfit" for flag in posterior.diagnostics.flags)
            yield Outcome(off, float(obs.counts[obs.good].sum()), misfit, float(ln_bayes))


def _evidence(posterior: Posterior) -> float:
    """ln Z of a refined posterior."""
    assert posterior.diagnostics.log_evidence is not None
    return posterior.diagnostics.log_evidence


def table(found: list[Outcome]) -> str:
    """Markdown: a row a kind and a range of counts."""
    lines = [
        "| | counts | spectra | misfit | 100 to 1 for a shift | for none |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    group = np.searchsorted(COUNT_EDGES, [o.counts for o in found], side="right") - 1
    for off in (False, True):
        for k, (low, high) in enumerate(pairwise(COUNT_EDGES)):
            rows = [o for o, g in zip(found, group, strict=True) if o.shifted == off and g == k]
            if rows:
                ln_bayes = np.array([o.ln_bayes for o in rows])
                shares = np.mean([[o.misfit for o in rows], ln_bayes > ODDS, ln_bayes < -ODDS], axis=1)
                cells = [
                    ("sound", "3 % shift")[off],
                    f"{low:.0e} - {high:.0e}",
                    str(len(rows)),
                    *(f"{s:.0%}" for s in shares),
                ]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Does the evidence see a gain shift?")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--spectra", type=int, default=200, help="of each kind, shifted and not")
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    print(table(list(outcomes(load_model(options.model, "cpu"), options.spectra, options.seed))))


if __name__ == "__main__":
    main()
