"""The exact likelihood of simulated spectra on tensors: physics, response and statistic with gradients.

The same as `xspecnf.likelihood.log_likelihood` of each spectrum's observation, for one parameter set a spectrum.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.physics import MODEL_EDGES, photons
from xspecnf.response import Response
from xspecnf.statistics import pgstat
from xspecnf_train.simulate import Batch

LEAST_RATE = 1e-30
"""photons/cm^2/s/keV: keeps the statistic's gradient finite where absorption leaves nothing."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """ln L of parameters given simulated spectra; `matrix` folds photons/cm^2/s in the model's bins into normalised
    rates [photons/cm^2/s/keV], (model bins, bins).
    """

    matrix: Tensor

    @classmethod
    def of(cls, response: Response) -> "Likelihood":
        """The likelihood of a simulator's spectra, from the response that it was made with."""
        matrix = response.rebinned(MODEL_EDGES).matrix / (response.effective_area * response.grid.width)
        return cls(torch.from_numpy(matrix.astype(np.float32)))

    def __call__(self, u: Tensor, batch: Batch) -> Tensor:
        """ln L [B], float64, of u [B, 5] in the prior's unit cube, one for each spectrum of `batch`."""
        rate = photons(physical(u), MODEL_EDGES) @ self.matrix
        model = rate.clamp(min=LEAST_RATE).double() * torch.from_numpy(batch.sensitivity)
        counts, background, error, systematic, good = (
            torch.from_numpy(array)
            for array in (batch.counts, batch.background, batch.background_error, batch.systematic, batch.good)
        )
        return -0.5 * pgstat(counts, model, background, error, systematic=systematic, good=good)


def physical(u: Tensor) -> Tensor:
    """Physical parameters [B, 5] of u [B, 5]; the shape's are held inside the prior, norm may lie beyond it."""
    columns = []
    for k, p in enumerate(BHB_PARAMETERS):
        unit = u[:, k] if p.name == "norm" else u[:, k].clamp(0, 1)
        columns.append(p.low * 10 ** (unit * p.scaled_range) if p.scale == "log10" else p.low + unit * p.scaled_range)
    return torch.stack(columns, dim=1)
