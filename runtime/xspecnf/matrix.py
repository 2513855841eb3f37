"""The cells of a redistribution matrix as its table packs them (CAL/GEN/92-002), and whether they are in place."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xspecnf.errors import InputError
from xspecnf.fitstable import LARGEST_NUMBER, Table
from xspecnf.grid import FloatArray, IntArray

SHARED = 0.5
"""Two rows share what the lesser of them has in each bin. A row shares with the row beside it 0.8 and more of what the
rows on both sides of it share with each other, in every response of eight missions that was looked at; a row that a
piece of another one has come into shares next to nothing."""


def refuse_torn(matrix: FloatArray, path: Path) -> None:
    """Raise InputError where a row (of n, bins) is unlike the two beside it, which are alike: pieces are out of place.

    The sums of a FITS file cannot tell: they do not change when words change places.
    """
    beside = np.minimum(matrix[:-2], matrix[2:]).sum(axis=1)
    shared = np.minimum(matrix[:-1], matrix[1:]).sum(axis=1)
    unlike = np.maximum(shared[:-1], shared[1:]) < SHARED * beside
    if np.any(unlike):
        row = int(np.argmax(unlike)) + 1
        raise InputError(f"{path}: row {row} of the matrix is unlike those beside it: damaged; get the file again")


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
