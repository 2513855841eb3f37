"""Folding: the counts that a photon spectrum makes in each bin of the grid.

    counts/s in bin k = sum_j photons_j R_jk,   R_jk = sum over the channels c of bin k of RMF_jc ARF_j   [cm^2]

R is grouped once, so a fold is one matrix product over 240 columns instead of 1501.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xspecnf.errors import BundleError, InputError
from xspecnf.grid import NICER, FloatArray, Grid

if TYPE_CHECKING:
    from xspecnf.ogip import Arf, Rmf

# An ARF in float32 beside an RMF in float64 differs by rounding alone; another calibration differs by a whole bin.
ENERGY_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Response:
    """RMF x ARF (x AREASCAL), grouped on a grid.

    energy_edges: (n + 1,) increasing photon energies, keV.
    matrix: (n, bins) cm^2, float32 or float64.
    name: what it was made of, for messages and results.
    grid: the bins of the matrix's columns.

    The arrays are made read-only: responses are shared between observations. Raises InputError when the shapes
    disagree, the energies do not increase or the matrix holds negative or non-finite numbers.
    """

    energy_edges: FloatArray
    matrix: NDArray[np.floating[Any]]
    name: str
    grid: Grid = field(default=NICER)

    def __post_init__(self) -> None:
        n = len(self.energy_edges) - 1
        if self.matrix.shape != (n, self.grid.bins):
            raise InputError(f"{self.name}: {n} energies x {self.grid.bins} bins, but a matrix of {self.matrix.shape}")
        if not (np.all(np.diff(self.energy_edges) > 0) and self.energy_edges[0] >= 0):
            raise InputError(f"{self.name}: its energies do not increase; make the response again")
        if not (np.all(np.isfinite(self.matrix)) and np.all(self.matrix >= 0)):
            raise InputError(f"{self.name}: the response holds negative or non-finite numbers; make it again")
        self.energy_edges.flags.writeable = False
        self.matrix.flags.writeable = False

    def fold(self, photons: ArrayLike) -> NDArray[np.floating[Any]]:
        """Counts/s per bin (..., bins) from photons/cm^2/s per energy bin (..., n)."""
        return np.asarray(photons) @ self.matrix

    def rebinned(self, edges: ArrayLike) -> "Response":
        """The same response for photons given on another energy grid, `edges` (m + 1,) keV.

        Photons are taken as uniform inside each of the new bins; those outside the response's energies make no
        counts. Row i is the mean of the old rows over new bin i, weighted by the shared widths.
        """
        new = np.asarray(edges, dtype=np.float64)
        low, high = max(new[0], self.energy_edges[0]), min(new[-1], self.energy_edges[-1])
        cuts = np.unique(np.concatenate([new, self.energy_edges]))
        cuts = cuts[(cuts >= low) & (cuts <= high)]
        matrix = np.zeros((len(new) - 1, self.grid.bins), dtype=self.matrix.dtype)
        if len(cuts) > 1:
            centre, width = 0.5 * (cuts[:-1] + cuts[1:]), np.diff(cuts)
            old_row = np.searchsorted(self.energy_edges, centre) - 1
            new_row, first = np.unique(np.searchsorted(new, centre) - 1, return_index=True)
            shared = self.matrix[old_row] * width[:, None]
            matrix[new_row] = np.add.reduceat(shared, first, axis=0) / np.diff(new)[new_row, None]
        return Response(new.copy(), matrix, self.name, self.grid)

    @property
    def effective_area(self) -> FloatArray:
        """(bins,) cm^2: counts/s/keV in answer to a flat spectrum of 1 photon/cm^2/s/keV."""
        return (np.diff(self.energy_edges) @ self.matrix) / (self.grid.energy_hi - self.grid.energy_lo)

    def scaled(self, factor: ArrayLike) -> "Response":
        """The response times `factor`, a number or one per bin (bins,): AREASCAL, dead time."""
        return Response(self.energy_edges, self.matrix * np.asarray(factor), self.name, self.grid)

    def save(self, path: str | Path) -> None:
        """Write an .npz; the matrix in float32, whose precision is far better than the calibration's."""
        matrix = self.matrix.astype(np.float32)
        np.savez_compressed(path, energy_edges=self.energy_edges, matrix=matrix, name=np.array(self.name))

    @classmethod
    def load(cls, path: str | Path, grid: Grid = NICER) -> Self:
        """Read what `save` wrote. Raises BundleError when the file is none or does not fit the grid."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(arrays["energy_edges"], arrays["matrix"], str(arrays["name"]), grid)
        except (OSError, ValueError, KeyError, EOFError, InputError) as error:
            raise BundleError(
                f"{path}: no stored response of {grid.bins} bins ({error}); reinstall the bundle"
            ) from error

    @classmethod
    def from_ogip(cls, rmf: "Rmf", arf: "Arf | None", grid: Grid = NICER) -> Self:
        """Group RMF x ARF; `arf` None when the RMF holds the areas itself (an RSP).

        Raises InputError when the RMF has other channels than the grid or the ARF has other energies than the RMF.
        """
        if rmf.channels != grid.channels or rmf.first_channel != 0:
            last = rmf.first_channel + rmf.channels - 1
            raise InputError(
                f"{rmf.path}: has {rmf.channels} channels ({rmf.first_channel}..{last}), the network's grid has "
                f"{grid.channels} (0..{grid.channels - 1}); give the response of a NICER PI spectrum with --rmf"
            )
        area = np.ones(len(rmf.energy_edges) - 1) if arf is None else _matching_area(rmf, arf)
        bins = grid.bin_of_channel[rmf.channel]
        kept = bins >= 0
        cells = rmf.energy[kept] * grid.bins + bins[kept]
        weights = rmf.value[kept] * area[rmf.energy[kept]]
        sums = np.bincount(cells, weights=weights, minlength=len(area) * grid.bins).astype(np.float64)
        name = rmf.path.name if arf is None else f"{rmf.path.name} x {arf.path.name}"
        return cls(rmf.energy_edges.copy(), sums.reshape(-1, grid.bins), name, grid)


def _matching_area(rmf: "Rmf", arf: "Arf") -> FloatArray:
    """The ARF's areas (n,) cm^2 once its energies are known to be the RMF's."""
    n = len(rmf.energy_edges) - 1
    if len(arf.area) != n or not np.allclose(arf.energy_edges, rmf.energy_edges, rtol=ENERGY_TOLERANCE, atol=1e-6):
        raise InputError(
            f"{arf.path}: {len(arf.area)} energies over {_span(arf.energy_edges)} keV do not match those of {rmf.path} "
            f"({n} over {_span(rmf.energy_edges)} keV); give the ARF and RMF of one calibration with --arf and --rmf"
        )
    return arf.area


def _span(edges: FloatArray) -> str:
    return f"{edges[0]:g}-{edges[-1]:g}"
