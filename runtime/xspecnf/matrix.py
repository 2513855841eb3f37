"""The cells of redistribution matrices as their tables pack them (CAL/GEN/92-002), and whether they are in place."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xspecnf.edges import Channels, energies, first_of_matrix, shared_edges
from xspecnf.errors import InputError
from xspecnf.fitstable import LARGEST_NUMBER, Table
from xspecnf.grid import FloatArray, IntArray

ALIKE = 0.5
"""Two rows share what the lesser of them has in each bin. Of what usual neighbours share, any two in the responses of
eight missions share 0.6 and more; a row shares with one beside it 0.8 of what these share with each other; and none has
more than 1.3 times as much as both of them."""


def refuse_torn(matrix: FloatArray, path: Path) -> None:
    """Raise InputError where rows (of n, bins) do not follow from those beside them: pieces of them are out of place.

    The sums of a FITS file cannot tell: they do not change when words change places.
    """
    total = matrix.sum(axis=1)
    shared, beside = _shared(matrix[1:], matrix[:-1]), _shared(matrix[2:], matrix[:-2])
    fraction = shared / np.maximum(np.minimum(total[1:], total[:-1]), np.finfo(float).tiny)
    some = shared > 0
    broken = np.append(False, some & (fraction < ALIKE * np.median(fraction[some] if some.any() else 0.0)))
    broken[1:-1] |= np.maximum(shared[1:], shared[:-1]) < ALIKE * beside
    broken[1:-1] |= np.maximum(total[2:], total[:-2]) < ALIKE * total[1:-1]
    if broken.any():
        row = int(np.argmax(broken))
        raise InputError(f"{path}: row {row} of the matrix is unlike those beside it: damaged; get the file again")


def _shared(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.minimum(one, other).sum(axis=1)


class Matrix(NamedTuple):
    """A redistribution matrix: energy_edges (n + 1,) keV, rising; of each cell (cells,) its energy bin, its channel
    counted from 0 by rising energy, and its value.
    """

    energy_edges: FloatArray
    energy: IntArray
    channel: IntArray
    value: FloatArray


def matrix_of(table: Table, channels: Channels) -> Matrix:
    """The matrix in a table. Raises InputError for channels that EBOUNDS has not, and as `cells` does."""
    energy, label, value = cells(table)
    first = first_of_matrix(table, channels)
    offset = label - first
    if len(offset) == 0 or offset.min() < 0 or offset.max() >= len(channels):
        found = f"channels {offset.min()}..{offset.max()} from the first" if len(offset) else "no channel at all"
        found = f"the matrix fills {found}, EBOUNDS has {len(channels)}"
        raise InputError(f"{table.path}: {found}; correct TLMIN of F_CHAN")
    edges, order = energies(table)
    return Matrix(edges, order[energy], channels.numbering.place(label, len(channels)), value)


def added(matrices: Sequence[Matrix]) -> Matrix:
    """The sum of matrices, over the energies of them all: what one has in a bin, it has in each piece of the bin."""
    if len(matrices) == 1:
        return matrices[0]
    edges = reduce(shared_edges, (matrix.energy_edges for matrix in matrices))
    parts = [_over(matrix, edges) for matrix in matrices]
    return Matrix(edges, *(np.concatenate(values) for values in list(zip(*parts, strict=True))[1:]))


def _over(matrix: Matrix, edges: FloatArray) -> Matrix:
    """A matrix over finer energies."""
    old = np.searchsorted(matrix.energy_edges, (edges[1:] + edges[:-1]) / 2, side="right") - 1
    inside = (old >= 0) & (old < len(matrix.energy_edges) - 1)
    pieces = np.bincount(old[inside], minlength=len(matrix.energy_edges) - 1)
    first = np.searchsorted(old, np.arange(len(pieces)))
    copies = pieces[matrix.energy]
    start = np.repeat(np.cumsum(copies) - copies, copies)
    energy = np.repeat(first[matrix.energy], copies) + np.arange(copies.sum()) - start
    return Matrix(edges, energy, np.repeat(matrix.channel, copies), np.repeat(matrix.value, copies))


def cells(table: Table) -> tuple[IntArray, IntArray, FloatArray]:
    """Energy index, channel number and value (cells,) of every stored cell.

    Row e of the table holds N_GRP groups of neighbouring channels; group g starts at channel F_CHAN[g], is
    N_CHAN[g] long, and the groups' values follow one another in MATRIX. Columns may be scalars, vectors padded at
    the end or of variable length. Raises InputError for values that are not finite or that a row is short of.
    """
    groups = table.integers("N_GRP")
    first, row = _flattened(table, "F_CHAN", groups)
    length, _ = _flattened(table, "N_CHAN", groups)
    first, length = first.astype(np.int64), length.astype(np.int64)
    if np.any(length < 0):
        raise InputError(f"{table.path}: the matrix has groups of negative length; make it again")
    stored = np.bincount(row, weights=length, minlength=len(groups)).astype(np.int64)
    value, energy = _flattened(table, "MATRIX", stored)
    start = np.cumsum(length) - length
    channel = np.repeat(first - start, length) + np.arange(length.sum())
    value = value.astype(np.float64)
    if not np.all(np.abs(value) <= LARGEST_NUMBER):
        raise InputError(f"{table.path}: the matrix holds numbers that are not finite or too large; make it again")
    return energy, channel, value


def _flattened(table: Table, name: str, used: IntArray) -> tuple[NDArray[np.generic], IntArray]:
    """The first used[i] entries of each row i of a column, one after another, and the row of each.

    Raises InputError when a row is shorter than that, and for entries that are undefined.
    """
    column = table.column(name)
    if column.dtype != object:
        column = column.reshape(len(column), -1)
    held = np.array([len(row) for row in column])
    if np.any(held < used) or np.any(used < 0):
        wrong = np.argmax((held < used) | (used < 0))
        raise InputError(f"{table.path}: row {wrong} of the matrix is not as long as its groups; make it again")
    values = np.concatenate([np.atleast_1d(row[:n]) for row, n in zip(column, used, strict=True)])
    if table.undefined(name, values).any():
        raise InputError(f"{table.path}: {name} is undefined (TNULL) where the matrix needs it; make it again")
    return values, np.repeat(np.arange(len(used)), used)
