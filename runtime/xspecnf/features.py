"""What the network sees of a spectrum: channels on a unit scale in which exposure, number of detectors and response
cancel.

With S counts, background B +- sigma, systematic error e and the sensitivity a = exposure x effective area x bin width
(counts per photon/cm^2/s/keV):

    rate  = (S - B)/a,    error = sqrt(S + 1 + sigma^2 + (e (S - B))^2)/a,
    total = sum of rate x bin width over the band, likewise its error; held above half of that error

Bins of bad quality are filled by interpolation and flagged. Two constant channels, ln total and ln of its relative
error, go through the encoder unchanged: the flow measures the brightness against them.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xspecnf.observation import Observation

FEATURES = (
    "shape",  # asinh of rate over total
    "log_shape",  # ln of rate over total, held above the noise
    "signal_to_noise",
    "log_error",  # log10 of error over total
    "background_share",
    "systematic_share",
    "good",
    "log_rate",  # ln total [photons/cm^2/s]
    "log_rate_error",  # ln of the total's relative error
    "log_counts",
)
CONSTANT_FEATURES = ("log_rate", "log_rate_error", "log_counts")


def features(obs: "Observation") -> np.ndarray:
    """The network's input for one observation: (F, bins) float32."""
    return stacked_features([obs])[0]


def stacked_features(observations: "Sequence[Observation]") -> np.ndarray:
    """The network's input for B observations on one grid, each as it would be alone: (B, F, bins) float32."""
    width = observations[0].energy_hi - observations[0].energy_lo
    sensitivity = np.stack([obs.exposure * obs.response.effective_area * width for obs in observations])
    names = ("counts", "background", "background_error", "systematic", "good")
    arrays = (np.stack([getattr(obs, name) for obs in observations]) for name in names)
    return batch_features(*arrays, sensitivity=sensitivity, width=width)


def batch_features(
    counts: np.ndarray,
    background: np.ndarray,
    background_error: np.ndarray,
    systematic: np.ndarray,
    good: np.ndarray,
    sensitivity: np.ndarray,
    width: np.ndarray,
) -> np.ndarray:
    """The network's input for B spectra: all arguments (B, bins), `width` [keV] (bins,); returns (B, F, bins) float32.

    counts, background and background_error are in counts of the source's exposure; sensitivity in counts per
    photon/cm^2/s/keV.
    """
    net = counts - background
    model_error = systematic * np.maximum(net, 0)
    variance = counts + 1 + background_error**2 + model_error**2
    sensitivity = np.where(sensitivity > 0, sensitivity, 1.0)  # a bin without area is bad: it is filled
    rate, error = filled(net / sensitivity, good), filled(np.sqrt(variance) / sensitivity, good)
    total_error = np.sqrt(((error * width) ** 2).sum(axis=1, keepdims=True))
    total = np.maximum((rate * width).sum(axis=1, keepdims=True), 0.5 * total_error)
    log_counts = np.log10(1 + (counts * good).sum(axis=1, keepdims=True))
    channels = (
        np.arcsinh(50 * rate / total),
        np.log(np.maximum(rate, 0.5 * error) / total),
        np.arcsinh(rate / error) / 3,
        np.log10(error / total),
        filled(np.clip(background / (np.maximum(counts, background) + 1), 0, 1), good),
        filled(model_error / np.sqrt(variance), good),
        good,
        np.log(total),
        np.log(total_error / total),
        log_counts,
    )
    return np.stack([np.broadcast_to(c, counts.shape) for c in channels], axis=1).astype(np.float32)


def filled(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """`values` (B, bins) with the bins that are not good interpolated from their good neighbours; a spectrum that has
    none stays as it is.
    """
    good = good.astype(bool)
    index = np.arange(values.shape[1])
    result = values.copy()
    for k in np.flatnonzero(good.any(axis=1) & ~good.all(axis=1)):
        bad = ~good[k]
        result[k, bad] = np.interp(index[bad], index[good[k]], values[k, good[k]])
    return result
