"""Fresh simulated spectra to judge a bundle on, as many of each brightness as can be had.

The simulator's sources crowd at 1e3 to 1e6 counts. Which spectra are judged is decided by their counts alone, that is
by the data, which leaves calibrated posteriors calibrated: ranges that are frequent are thinned, and a spectrum without
a signal in the sum of its bins is not judged. Sources are drawn down to far fewer counts than such a signal needs,
because the posterior allows for them.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from xspecnf.bands import significance
from xspecnf.model import Model
from xspecnf.verdict import Thresholds
from xspecnf_train.simulate import ARRAYS, Batch, Simulator, SimulatorConfig
from xspecnf_train.tables import build

COUNT_EDGES = np.array([1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 3e6, 1e7, 1.5e8])
"""Of the ranges that figures are given for, decades up to the end of what is claimed; counts of source and background
in the good bins.
"""

FEWEST_COUNTS = 0.1
"""Expected of a source: fewer do not give a signal."""

DRAW = 2000
FLATTEN = 0.2
"""A range is thinned down to this share of the most frequent one; less would be more even and take longer."""

FIRST_SEED = 1_000_000
"""Added to an evaluation's seed: far from those of training runs."""


def fresh_spectra(model: Model, spectra: int, seed: int) -> Batch:
    """`spectra` observations under the settings that the bundle was trained with, in random order of counts."""
    trained = trained_simulator(model)
    config = replace(trained, pool=max(8 * spectra, 1000), counts=(FEWEST_COUNTS, trained.counts[1]))
    simulator = Simulator(config, model.reference_response, seed + FIRST_SEED)
    rng = np.random.default_rng([seed, 77])
    parts: list[Batch] = []
    for part in _thinned(simulator, rng):
        parts.append(part)
        if sum(len(p.u) for p in parts) >= spectra:
            break
    return _taken(parts, spectra)


def total_counts(batch: Batch) -> np.ndarray:
    """(B,) counts in the good bins."""
    return (batch.counts * batch.good).sum(axis=1)


def count_range(counts: np.ndarray) -> np.ndarray:
    """Number of the range of COUNT_EDGES that counts (N,) fall in; those beyond the ends belong to the outermost."""
    return np.clip(np.searchsorted(COUNT_EDGES, counts, side="right") - 1, 0, len(COUNT_EDGES) - 2)


def _thinned(simulator: Simulator, rng: np.random.Generator) -> Iterator[Batch]:
    """Draws without end of spectra with a signal, those of frequent ranges of counts thinned."""
    first = total_counts(_with_signal(simulator.draw(DRAW, rng)))
    share = np.bincount(count_range(first), minlength=len(COUNT_EDGES) - 1) / DRAW
    keep = np.minimum(1, FLATTEN * share.max() / np.maximum(share, 1 / DRAW))
    while True:
        batch = _with_signal(simulator.draw(DRAW, rng))
        yield picked(batch, rng.random(len(batch.u)) < keep[count_range(total_counts(batch))])


def _with_signal(batch: Batch) -> Batch:
    """Those that are detected in the sum of their bins, as the verdict asks of it or of a part of the band."""
    counts = total_counts(batch)
    background = (batch.background * batch.good).sum(axis=1)
    background_error = np.linalg.norm(batch.background_error * batch.good, axis=1)
    return picked(batch, significance(counts, background, background_error) >= Thresholds().signal_sigma)


def picked(batch: Batch, index: np.ndarray | slice) -> Batch:
    """The observations of a batch that `index` picks."""
    return replace(batch, **{name: getattr(batch, name)[index] for name in ARRAYS})


def _taken(parts: list[Batch], spectra: int) -> Batch:
    """The first `spectra` observations of all parts together."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
    return picked(replace(parts[0], **columns), slice(spectra))


def trained_simulator(model: Model) -> SimulatorConfig:
    """The simulator's settings that the bundle was trained with; the default ones where it does not say."""
    table = model.bundle.provenance.get("configuration", {}).get("simulator", {})
    return build(SimulatorConfig, f"{model.bundle.name}: provenance: simulator", table)
