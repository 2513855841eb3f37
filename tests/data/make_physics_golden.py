"""Make physics_golden.npz, a small part of the oracle spectra: `python tests/data/make_physics_golden.py ORACLE.npz`.

The oracle holds ten parameter sets on 2000 logarithmic bins over 0.002-200 keV, computed in float64 by an independent
program. Kept are every seventh bin of 0.2-12 keV, those with an absorption edge or resonance, and their numbers; the
tests evaluate the model on all 2000 bins and compare these.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

EDGES_KEV = (0.292, 0.405, 0.528, 0.543, 0.546, 0.708, 0.866, 1.31, 1.85, 2.482, 7.117)


def make(oracle: Path, output: Path) -> None:
    """Write the golden subset of `oracle` to `output`."""
    with np.load(oracle, allow_pickle=False) as arrays:
        edges, params, photons = arrays["edges"], arrays["params"], arrays["photons_nthcomp"]
    middle = np.sqrt(edges[:-1] * edges[1:])
    band = np.flatnonzero((middle > 0.2) & (middle < 12))
    with_edges = np.searchsorted(edges, EDGES_KEV) - 1
    bins = np.union1d(band[::7], with_edges).astype(np.int16)
    np.savez_compressed(output, params=params, bins=bins, photons=photons[:, bins])


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(__file__).with_name("physics_golden.npz"))
