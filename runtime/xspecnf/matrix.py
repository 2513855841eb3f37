"""The cells of a redistribution matrix as its table packs them (CAL/GEN/92-002), and whether they are in place."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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


def cells(table: Table) -> tuple[IntArray, IntArray, FloatArray]:
    """Energy index, channel number and value (cells,) of every stored cell.

    Row e of the table holds N_GRP groups of neighbouring channels; group g starts at channel F_CHAN[g], is
    N_CHAN[g] long, and the groups' values follow one another in MATRIX. Columns may be scalars, vectors padded at
    the end or of variable length. Raises InputError for values that are not finite or that a row is short of.
    """
    groups = table.integers("N_GRP")
    first, row = _flattened(table.column("F_CHAN"), groups, table.path)
    length, _ = _flattened(table.column("N_CHAN"), groups, table.path)
    first, length = first.astype(np.int64), length.astype(np.int64)
    if np.any(length < 0):
        raise InputError(f"{table.path}: the matrix has groups of negative length; make it again")
    stored = np.bincount(row, weights=length, minlength=len(groups)).astype(np.int64)
    value, energy = _flattened(table.column("MATRIX"), stored, table.path)
    start = np.cumsum(length) - length
    channel = np.repeat(first - start, length) + np.arange(length.sum())
    value = value.astype(np.float64)
    if not np.all(np.abs(value) <= LARGEST_NUMBER):
        raise InputError(f"{table.path}: the matrix holds numbers that are not finite or too large; make it again")
    return energy, channel, value


def _flattened(column: NDArray[np.generic], used: IntArray, path: Path) -> tuple[NDArray[np.generic], IntArray]:
    """The first used[i] entries of each row i, one after another, and the row of each.

    Raises InputError when a row is shorter than that.
    """
    if column.dtype != object:
        column = column.reshape(len(column), -1)
    held = np.array([len(row) for row in column])
    if np.any(held < used) or np.any(used < 0):
        wrong = np.argmax((held < used) | (used < 0))
        raise InputError(f"{path}: row {wrong} of the matrix is not as long as its groups; make it again")
    values = np.concatenate([np.atleast_1d(row[:n]) for row, n in zip(column, used, strict=True)])
    return values, np.repeat(np.arange(len(used)), used)
