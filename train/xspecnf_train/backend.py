"""Networks that are still being trained, as the runtime knows a bundle's graphs: its inference works on both."""

import numpy as np
import torch
from numpy.typing import NDArray

from xspecnf.backends.base import Place
from xspecnf_train.model import Networks

Float32 = NDArray[np.float32]


class TorchBackend:
    """A `xspecnf.backends.Backend` of torch networks."""

    provider: Place = "cpu"

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    @torch.no_grad()
    def encode(self, spectrum: Float32) -> Float32:
        """Input channels (B, F, bins) -> context (B, C)."""
        return self.networks.encoder(torch.from_numpy(spectrum)).numpy()

    @torch.no_grad()
    def sample(self, context: Float32, noise: Float32) -> tuple[Float32, Float32]:
        """Context (B, C) and standard normal noise (B, S, 5) -> unit-cube theta (B, S, 5), its log density (B, S)."""
        rows = torch.from_numpy(context).repeat_interleave(noise.shape[1], dim=0)
        u, log_prob = self.networks.flow.sample(torch.from_numpy(noise).flatten(0, 1), rows)
        return u.numpy().reshape(noise.shape), log_prob.numpy().reshape(noise.shape[:2])

    @torch.no_grad()
    def decode(self, theta: Float32) -> Float32:
        """Unit-cube theta (N, 5) -> log10 of the normalised rate (N, bins)."""
        return self.networks.decoder(torch.from_numpy(theta)).numpy()
