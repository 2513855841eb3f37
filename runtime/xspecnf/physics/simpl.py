r"""simpl: empirical Comptonisation, a fraction of the photons scattered into power laws (Steiner et al. 2009, PASP 121,
1279).

    n_out(E) = (1 - f_sc) n(E) + f_sc INT n(E0) G(E; E0) dE0
    G = A (E/E0)^-Gamma / E0  above E0,   A (E/E0)^(Gamma+1) / E0  below,   A = (Gamma-1)(Gamma+2)/(1+2 Gamma)

Of the photons scattered at E0, the share A/(Gamma-1) (E/E0)^(1-Gamma) ends above an energy E > E0 and the share
A/(Gamma+2) (E/E0)^(Gamma+2) below an energy E < E0. A bin therefore gains what flows in through one edge less what
flows out through the other, two cumulative sums, and photons are conserved but for those that leave the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def simpl(photons: Float64, edges: Float64, gamma: Float64, f_sc: Float64, up_only: bool = False) -> Float64:
    """Photons/cm^2/s per bin after scattering.

    photons: (S, n) per bin; edges: (n+1,) keV, ascending; gamma > 1 and f_sc in 0..1: (S, 1). up_only: the kernel
    without its lower branch, XSPEC's UpScattOnly = 1. Returns (S, n).
    """
    if np.any(gamma <= 1) or np.any((f_sc < 0) | (f_sc > 1)):
        raise ValueError("simpl: Gamma must be above 1 and the scattered fraction within 0..1")
    down = np.zeros_like(gamma) if up_only else (gamma - 1) / (1 + 2 * gamma)
    up = 1 - down
    seed = np.sqrt(edges[:-1] * edges[1:])
    nothing = np.zeros((len(photons), 1))
    from_below = np.concatenate([nothing, np.cumsum(photons * seed ** (gamma - 1), axis=1)], axis=1)
    to_above = up * edges ** (1 - gamma) * from_below
    weights = photons * seed ** (-gamma - 2)
    from_above = np.concatenate([np.cumsum(weights[:, ::-1], axis=1)[:, ::-1], nothing], axis=1)
    to_below = down * edges ** (gamma + 2) * from_above
    scattered = photons - np.diff(to_above, axis=1) + np.diff(to_below, axis=1)
    return (1 - f_sc) * photons + f_sc * scattered
