"""One evaluation from spectra to figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf_train.evaluate.calibration import LEVELS
from xspecnf_train.evaluate.figures import CLAIMED, QUANTILES, figures, plot_figures
from xspecnf_train.evaluate.population import fresh_spectra
from xspecnf_train.evaluate.workers import Judge, Sizes, judge_all
from xspecnf_train.steps import Step, unwatched


def evaluate(
    model: Model,
    sizes: Sizes | None = None,
    seed: int = 1,
    real: Sequence[Observation] = (),
    workers: int = 1,
    report: Callable[[str], None] = print,
    step: Step = unwatched,
    marginal: bool = False,
) -> dict[str, Any]:
    """Judge a bundle on simulated spectra; returns the figures, ready for JSON.

    Args:
        model: the bundle's model.
        sizes: how many spectra and samples.
        seed: fixes the spectra and all that is drawn.
        real: observations to be judged too, all of them by the exact physics and, if any spectrum is, refined.
        workers: processes.
        report: told in words how far the work is.
        step: told in spectra how far it is.
        marginal: take the likelihood that the simulated spectra were drawn from, and not PGSTAT.
    """
    sizes = sizes or Sizes()
    started = time.monotonic()
    judge = Judge(model.bundle.path, model.backend.provider, sizes, seed, marginal)
    report(f"simulating {sizes.spectra} spectra")
    simulated = judge_all(judge, fresh_spectra(model, sizes.spectra, seed), workers, report, partial(step, "simulated"))
    result = {"bundle": model.bundle.name, "sizes": asdict(sizes), "seed": seed, "claimed_counts": CLAIMED}
    result |= {"marginal": marginal}
    result |= figures(simulated)
    plots = plot_figures(simulated)
    if real:
        every = replace(sizes, spectra=len(real), exact=len(real), refined=len(real) if sizes.refined else 0)
        judged = judge_all(replace(judge, sizes=every), real, workers, report, partial(step, "real"))
        systematic = float(np.median([obs.systematic.mean() for obs in real]))
        result["real"] = {"systematic": round(systematic, 4)} | figures(judged)
        plots["real"] = plot_figures(judged)
    timing = {"seconds": round(time.monotonic() - started), "workers": workers}
    return result | timing | {"plots": {"levels": LEVELS.round(3).tolist(), "quantiles": QUANTILES} | plots}
