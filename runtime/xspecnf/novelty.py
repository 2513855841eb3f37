r"""How unlike the training data does a spectrum look to the network?

The encoder's context c, whitened by the training contexts' mean and covariance, z = W (c - mean), is compared with a
sample of these: the score is the distance to the nearest of them. Contexts lie on a curved surface of few dimensions,
which a nearest neighbour follows and an ellipsoid does not. The p-value is the share of further training-like spectra,
none of them in the sample, that are as far away or farther.

It answers whether the network has seen such a spectrum, not whether the model fits it: the encoder keeps what tells of
the parameters and drops the rest, a line for instance. That is what :mod:`xspecnf.predictive` looks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xspecnf.archive import load_arrays
from xspecnf.errors import BundleError

LEAST_VARIANCE = 1e-6
"""Of the largest: a direction in which contexts hardly vary must not decide."""


@dataclass(frozen=True, eq=False)
class Novelty:
    """What contexts of training-like spectra look like.

    Attributes:
        mean: (C,) of the contexts.
        whitening: (C, C) W.
        sample: (N, C) whitened contexts.
        distances: (M,) ascending distances of further ones to their nearest neighbour in the sample.

    Raises:
        ValueError: the shapes disagree, there is no context, or a number is not finite.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    sample: NDArray[np.floating[Any]]
    distances: NDArray[np.float32]

    def __post_init__(self) -> None:
        size = self.mean.shape[0] if self.mean.ndim == 1 else -1
        if self.whitening.shape != (size, size) or self.sample.shape[1:] != (size,) or self.distances.ndim != 1:
            raise ValueError(f"shapes {[array.shape for array in vars(self).values()]} disagree")
        if min(self.sample.size, self.distances.size) == 0:
            raise ValueError("no context to compare with")
        if not all(np.all(np.isfinite(array)) for array in vars(self).values()):
            raise ValueError("a number is not finite")

    @classmethod
    def learn(cls, sample: NDArray[np.float32], further: NDArray[np.float32]) -> Self:
        """From contexts of simulated spectra: a sample (N, C), and (M, C) further ones of other sources."""
        mean = sample.mean(axis=0, dtype=np.float64)
        variance, directions = np.linalg.eigh(np.atleast_2d(np.cov(sample.T.astype(np.float64))))
        whitening = directions.T / np.sqrt(np.maximum(variance, LEAST_VARIANCE * variance[-1]))[:, None]
        whitened = ((sample - mean) @ whitening.T).astype(np.float16)
        blank = cls(mean.astype(np.float32), whitening.astype(np.float32), whitened, np.zeros(1, np.float32))
        distances = np.sort([blank.distance(context) for context in further]).astype(np.float32)
        return cls(blank.mean, blank.whitening, blank.sample, distances)

    def distance(self, context: NDArray[np.floating[Any]]) -> float:
        """Of a context (C,) from the nearest of the sample, in standard deviations of the training contexts."""
        z = self.whitening @ (context - self.mean)
        squared = self._squares - 2 * (self.sample @ z)
        return math.sqrt(max(float(squared.min() + z @ z), 0.0))

    @cached_property
    def _squares(self) -> NDArray[np.float32]:
        return np.einsum("nc,nc->n", self.sample, self.sample, dtype=np.float32)

    def p_value(self, context: NDArray[np.floating[Any]]) -> float:
        """Share of training-like spectra at least as far from the sample as a context (C,); 1/(M + 1) at least."""
        nearer = int(np.searchsorted(self.distances, self.distance(context)))
        return (len(self.distances) - nearer + 1) / (len(self.distances) + 1)

    def save(self, path: Path) -> None:
        """Write an .npz."""
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises BundleError when the file is none."""
        try:
            arrays = load_arrays(path)
            return cls(arrays["mean"], arrays["whitening"], arrays["sample"].astype(np.float32), arrays["distances"])
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise BundleError(f"{path}: no reference of contexts ({error}); reinstall the bundle") from error
