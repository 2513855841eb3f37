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

import numpy as np
from distortions import ENERGY, WIDTH, gain_shift, none
from failures import COUNTS, count_range, groups, observations, row

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
    head = ("", "counts", "spectra", "misfit", "100 to 1 for a shift", "for none")
    lines = [row(head), row(["---"] * 2 + ["---:"] * 4)]
    shift, group = np.array([o.shifted for o in found]), groups(found)
    misfit, ln_bayes = np.array([(o.misfit, o.ln_bayes) for o in found]).T
    for off in (False, True):
        for k in np.unique(group[shift == off]):
            chosen = (shift == off) & (group == k)
            shares = np.mean([misfit[chosen], ln_bayes[chosen] > ODDS, ln_bayes[chosen] < -ODDS], axis=1)
            name = "3 % shift" if off else "sound"
            lines.append(row([name, count_range(k), str(chosen.sum()), *(f"{share:.0%}" for share in shares)]))
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
