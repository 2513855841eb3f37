"""A bundle's golden outputs: for a few inputs of each graph, what the trained network gives in float64.

One file a graph, its arrays named as the graph's tensors. They tell whether a machine, a provider or another program
computes what was trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xspecnf.archive import load_arrays
from xspecnf.backends.base import TENSORS, Backend
from xspecnf.bundle import GRAPHS, Bundle
from xspecnf.errors import BundleError

GOLDEN = {graph: f"{graph}.golden.npz" for graph in GRAPHS}

QUANTILE = 0.99
LIMITS = {"context": 1e-3, "theta": 1e-2, "log_prob": 2e-2, "spectrum": 1e-3}
"""At most this much, for 99 % of the values: context and theta in units of their scatter, spectrum in dex."""

Arrays = dict[str, NDArray[Any]]


def check_golden(bundle: Bundle, backend: Backend) -> dict[str, float]:
    """The 99th percentile of the deviations of each output from the golden one; empty for a bundle without them.

    Raises:
        BundleError: one is above its limit, or a golden file cannot be read.
    """
    if not set(GOLDEN.values()) <= set(bundle.files):
        return {}
    found = deviations(bundle, backend)
    if wrong := [f"{name} by {found[name]:.1e}" for name in found if not found[name] <= LIMITS[name]]:
        raise BundleError(
            f"{bundle.name}: on {backend.provider} the graphs are off their golden outputs ({', '.join(wrong)}); "
            "use --provider cpu"
        )
    return found


def deviations(bundle: Bundle, backend: Backend) -> dict[str, float]:
    """By output, in the units of LIMITS; infinite where numbers are not finite."""
    encoder, flow, decoder = (_load(bundle, graph) for graph in GRAPHS)
    theta, log_prob = backend.sample(flow["context"], flow["noise"])
    pairs = {
        "context": (backend.encode(encoder["spectrum"]), encoder["context"]),
        "theta": (theta, flow["theta"]),
        "log_prob": (log_prob, flow["log_prob"]),
        "spectrum": (backend.decode(decoder["theta"]), decoder["spectrum"]),
    }
    scatter = np.maximum(encoder["context"].std(axis=0), 1)
    units = {"context": scatter, "theta": flow["theta"].std(axis=1, keepdims=True)}
    return {name: _quantile((found - stored) / units.get(name, 1)) for name, (found, stored) in pairs.items()}


def _quantile(difference: NDArray[np.float64]) -> float:
    size = np.abs(difference)
    return float(np.quantile(np.where(np.isfinite(size), size, np.inf), QUANTILE, method="higher"))


def _load(bundle: Bundle, graph: str) -> Arrays:
    path = bundle.path / GOLDEN[graph]
    inputs, outputs = TENSORS[graph]
    try:
        arrays = load_arrays(path)
        return {name: arrays[name] for name in inputs + outputs}
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"{path}: no readable golden outputs ({error}); export the bundle again") from error
