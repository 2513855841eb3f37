"""Folding: the counts that a photon spectrum makes in each bin of the grid.

    counts/s in bin k = sum_j photons_j R_jk,   R_jk = sum over the channels c of bin k of RMF_jc ARF_j   [cm^2]

R is grouped once, so a fold is one matrix product over the grid's columns, NICER's 240 in place of 1501.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xspecnf.archive import load_arrays
from xspecnf.atomic import atomically
from xspecnf.edges import Numbering
from xspecnf.errors import BundleError, InputError
from xspecnf.grid import NICER, FloatArray, Grid
from xspecnf.matrix import refuse_torn
from xspecnf.ogip import Arf, Rmf, read_arf, read_rmf
from xspecnf.rows import split_extension, split_row

# An ARF in float32 beside an RMF in float64 differs by rounding alone; another calibration differs by a whole bin.
ENERGY_TOLERANCE = 1e-3

# The rows of a redistribution matrix sum to 1 at most; those of a whole response to areas in cm^2.
LARGEST_PROBABILITY = 1.5


@dataclass(frozen=True, eq=False)
class Response:
    """RMF x ARF (x AREASCAL), grouped on a grid; also an RMF alone, until `with_area` gives it an ARF.

    energy_edges: (n + 1,) increasing photon energies, keV.
    matrix: (n, bins) cm^2, float32 or float64.
    name: what it was made of, for messages and results.
    grid: the bins of the matrix's columns.
    notes: what a user should know about the files it was read from.
    numbering: of the channels in spectra of this response; None where it does not tell.

    The arrays are made read-only: responses are shared between observations. Raises InputError when the shapes
    disagree, the energies do not increase or the matrix holds negative or non-finite numbers.
    """

    energy_edges: FloatArray
    matrix: NDArray[np.floating[Any]]
    name: str
    grid: Grid = NICER
    notes: tuple[str, ...] = ()
    numbering: Numbering | None = None

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
        return _rebinned(self, new.tobytes())

    @cached_property
    def effective_area(self) -> FloatArray:
        """(bins,) cm^2: counts/s/keV in answer to a flat spectrum of 1 photon/cm^2/s/keV."""
        return (np.diff(self.energy_edges) @ self.matrix) / self.grid.width

    def scaled(self, factor: ArrayLike) -> "Response":
        """The response times `factor`, a number or one per bin (bins,), as AREASCAL is."""
        return replace(self, matrix=self.matrix * np.asarray(factor))

    def save(self, path: str | Path) -> None:
        """Write an .npz, whole; the matrix in float32, whose precision is far better than the calibration's."""
        matrix = self.matrix.astype(np.float32)
        members = {"energy_edges": self.energy_edges, "matrix": matrix, "name": np.array(self.name)}
        if self.numbering is not None:
            members["numbering"] = np.array([self.numbering.first, self.numbering.descending])
        with atomically(Path(path)) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **members)

    @classmethod
    def load(cls, path: str | Path, grid: Grid = NICER) -> Self:
        """Read what `save` wrote. Raises BundleError when the file is none or does not fit the grid."""
        try:
            arrays = load_arrays(Path(path))
            numbering = None
            if "numbering" in arrays:  # not in those of older releases
                first, descending = arrays["numbering"]
                numbering = Numbering(int(first), bool(descending))
            return cls(arrays["energy_edges"], arrays["matrix"], str(arrays["name"]), grid, numbering=numbering)
        except (OSError, ValueError, KeyError, TypeError, IndexError, InputError) as error:
            raise BundleError(
                f"{path}: no stored response of {grid.bins} bins ({error}); reinstall the bundle"
            ) from error

    @property
    def includes_area(self) -> bool:
        """Whether the matrix holds areas; False for an RMF alone, whose rows are probabilities."""
        return float(self.matrix.sum(axis=1).max()) > LARGEST_PROBABILITY

    @classmethod
    def from_rmf(cls, rmf: Rmf, grid: Grid = NICER) -> Self:
        """An RMF grouped on the grid, without areas unless it is a whole response (RSP).

        Raises InputError when its channels are not the grid's.
        """
        if rmf.channels != grid.channels:
            raise InputError(
                f"{rmf.path}: has {rmf.channels} channels, the network's grid has {grid.channels}; give the response "
                f"of a {grid.detector} PI spectrum with --rmf"
            )
        _refuse_other_energies(rmf, grid)
        n = len(rmf.energy_edges) - 1
        bins = grid.bin_of_channel[rmf.channel]
        kept = bins >= 0
        cells = rmf.energy[kept] * grid.bins + bins[kept]
        sums = np.bincount(cells, weights=rmf.value[kept], minlength=n * grid.bins).astype(np.float64)
        matrix = sums.reshape(n, grid.bins)
        refuse_torn(matrix, rmf.path)
        return cls(rmf.energy_edges, matrix, rmf.path.name, grid, rmf.notes, rmf.numbering)

    def with_area(self, arf: Arf) -> "Response":
        """The response of this RMF with an ARF's areas. Raises InputError when their energies differ."""
        n = len(self.energy_edges) - 1
        if len(arf.area) != n or not np.allclose(arf.energy_edges, self.energy_edges, rtol=ENERGY_TOLERANCE, atol=1e-6):
            raise InputError(
                f"{arf.path}: {len(arf.area)} energies over {_span(arf.energy_edges)} keV do not match those of "
                f"{self.name} ({n} over {_span(self.energy_edges)} keV); give an ARF and RMF that belong together"
            )
        name = f"{self.name} x {arf.path.name}"
        return replace(self, matrix=self.matrix * arf.area[:, None], name=name, notes=self.notes + arf.notes)


def _refuse_other_energies(rmf: Rmf, grid: Grid) -> None:
    """Raise InputError where the RMF gives the bins other energies than the grid, by half a bin and more."""
    found = rmf.channel_edges[grid.first_channel]
    off = np.abs(found - grid.energy_lo) > 0.5 * (grid.energy_hi - grid.energy_lo)
    if np.any(off):
        at = int(np.argmax(off))
        label = rmf.numbering.label(int(grid.first_channel[at]), rmf.channels)
        raise InputError(
            f"{rmf.path}: its channel {label} begins at {found[at]:g} keV, the "
            f"network's grid has {grid.energy_lo[at]:g} keV there; give the response of a {grid.telescope} spectrum"
        )


def load_response(rmf: Path, arf: Path | None, grid: Grid = NICER) -> Response:
    """The response of the files, grouped; one object for all spectra that share them, until the files change.

    arf: None when `rmf` is a whole response. Raises InputError as `read_rmf`, `read_arf` and `Response` do.
    """
    return _response(_version(rmf), None if arf is None else _version(arf), grid)


@lru_cache(maxsize=16)
def _rebinned(response: Response, edges: bytes) -> Response:
    """`Response.rebinned`; cached because the physics folds every spectrum of a batch from one grid of its own."""
    old, new = response.energy_edges, np.frombuffer(edges)
    matrix = np.zeros((len(new) - 1, response.grid.bins), dtype=response.matrix.dtype)
    cuts = np.unique(np.concatenate([new, old]))
    cuts = cuts[(cuts >= max(new[0], old[0])) & (cuts <= min(new[-1], old[-1]))]
    if len(cuts) > 1:
        centre, width = 0.5 * (cuts[:-1] + cuts[1:]), np.diff(cuts)
        new_row, first = np.unique(np.searchsorted(new, centre) - 1, return_index=True)
        shared = response.matrix[np.searchsorted(old, centre) - 1] * width[:, None]
        matrix[new_row] = np.add.reduceat(shared, first, axis=0) / np.diff(new)[new_row, None]
    return Response(new, matrix, response.name, response.grid)


FileVersion = tuple[Path, int, int]


def _version(name: Path) -> FileVersion:
    """What identifies a file's content without reading it: its name with any extension, bytes, time of change in ns."""
    path, _ = split_extension(split_row(name)[0])
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return name.parent.resolve() / name.name, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _grouped_rmf(rmf: FileVersion, grid: Grid) -> Response:
    return Response.from_rmf(read_rmf(rmf[0]), grid)


@lru_cache(maxsize=16)
def _response(rmf: FileVersion, arf: FileVersion | None, grid: Grid) -> Response:
    grouped = _grouped_rmf(rmf, grid)
    return grouped if arf is None else grouped.with_area(read_arf(arf[0]))


def _span(edges: FloatArray) -> str:
    return f"{edges[0]:g}-{edges[-1]:g}"
