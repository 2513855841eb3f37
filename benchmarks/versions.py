"""The same answers from other releases of onnxruntime and numpy? Run by the session `versions` of noxfile.py.

OMP_NUM_THREADS=1 python benchmarks/versions.py OBS.pha ANSWERS.npz [--model nicer-bhb]

Infers one spectrum with a fixed seed, by the network alone and refined. Where ANSWERS.npz is not there, writes it; else
compares with it, prints the largest differences and fails where they are more than rounding: of theta in the prior's
unit cube, of log_prob, of the decoder's log10 rate, and, of the refined posterior, of the medians in its standard
deviations and of ln evidence in the error of the difference.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from xspecnf import load_model, read_observation
from xspecnf.engine import onnxruntime
from xspecnf.parameters import to_unit

ALLOWED = {"theta": 1e-5, "log_prob": 1e-3, "spectrum": 1e-4, "medians": 0.1, "log_evidence": 3.0}
"""Rounding of float32 through the networks; a refined posterior is made of other draws where one of them rounds over
an edge, and is then the same to Monte Carlo error: of 700 effective samples 0.05 in the medians, twice taken."""

SAMPLES = 1000

Answers = dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("observation", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--model", default="nicer-bhb")
    options = parser.parse_args()
    found = answers(options.model, options.observation)
    name = f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"
    if not options.answers.exists():
        np.savez(options.answers, **found)  # type: ignore[arg-type]
        print(f"{name}: wrote {options.answers}")
        return
    with np.load(options.answers) as stored:
        differences = compared(found, dict(stored))
    print(f"{name}: " + ", ".join(f"{what} {value:.1e}" for what, value in differences.items()))
    if any(not value <= ALLOWED[what] for what, value in differences.items()):
        sys.exit(f"{name}: more than rounding")


def answers(name: str, path: Path) -> Answers:
    """What the graphs and the refined posterior say of one spectrum."""
    model, obs = load_model(name, "cpu"), read_observation(path)
    raw = model.infer(obs, SAMPLES, seed=0)
    refined = model.infer(obs, SAMPLES, seed=0, refine=True)
    theta = to_unit(raw.theta, model.bundle.parameters)
    moments = [(marginal.median, marginal.std) for marginal in refined.summary().values()]
    return {
        "theta": theta,
        "log_prob": raw.log_prob,
        "spectrum": model.backend.decode(theta.astype(np.float32)),
        "medians": np.array(moments).T,
        "log_evidence": np.array([refined.diagnostics.log_evidence, refined.diagnostics.log_evidence_error]),
    }


def compared(found: Answers, stored: Answers) -> dict[str, float]:
    """The largest difference of each answer."""
    differences = {name: float(np.abs(found[name] - stored[name]).max()) for name in found}
    medians, deviations = stored["medians"]
    (one, error), (other, its_error) = found["log_evidence"], stored["log_evidence"]
    return differences | {
        "medians": float(np.abs((found["medians"][0] - medians) / deviations).max()),
        "log_evidence": float(abs(one - other) / np.hypot(error, its_error)),
    }


if __name__ == "__main__":
    main()
