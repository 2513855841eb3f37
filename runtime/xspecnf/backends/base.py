"""What a backend must offer: the three graphs of a bundle as functions of float32 arrays."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Place = Literal["cpu", "cuda", "ort-coreml", "coreml", "coreml-cpu", "coreml-gpu", "coreml-ne"]

TENSORS = {
    "encoder": (["spectrum"], ["context"]),
    "flow": (["context", "noise"], ["theta", "log_prob"]),
    "decoder": (["theta"], ["spectrum"]),
}
"""Inputs and outputs of each graph."""


class Backend(Protocol):
    """Runs encoder, flow and decoder. B spectra, S samples, F input channels, C context values; B and S may be 0."""

    provider: Place
    """Where the graphs run."""

    def encode(self, spectrum: Float32) -> Float32:
        """Input channels (B, F, bins) -> context (B, C)."""
        ...

    def sample(self, context: Float32, noise: Float32) -> tuple[Float32, Float32]:
        """Context (B, C) and standard normal noise (B, S, 5) -> unit-cube theta (B, S, 5), its log density (B, S)."""
        ...

    def decode(self, theta: Float32) -> Float32:
        """Unit-cube theta (N, 5) -> log10 of the normalised rate (N, bins)."""
        ...
