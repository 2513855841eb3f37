"""The bins of a response: energies of photons, channels and how these are numbered, as its tables have them."""

import numpy as np

from xspecnf.errors import InputError
from xspecnf.fitstable import Table
from xspecnf.grid import FloatArray, IntArray


def energies(table: Table) -> tuple[FloatArray, IntArray]:
    """Rising edges (n + 1,) keV, and at which of their bins each row (n,) lies: a grating's rows go down in energy.

    Raises InputError unless the bins follow one another.
    """
    low, high = table.finite("ENERG_LO"), table.finite("ENERG_HI")
    order = np.arange(len(low))
    if low[0] > low[-1]:
        low, high, order = low[::-1], high[::-1], order[::-1]
    if np.any(high < low) or not np.allclose(high[:-1], low[1:], rtol=1e-5, atol=1e-9):
        raise InputError(f"{table.path}: its energy bins overlap or leave gaps; make it again")
    return np.append(low, high[-1]), order


def channel_edges(bounds: Table) -> FloatArray:
    """(channels + 1,) keV. Raises InputError for channels that overlap or leave gaps."""
    low, high = bounds.finite("E_MIN"), bounds.finite("E_MAX")
    if np.any(high <= low) or not np.allclose(high[:-1], low[1:], rtol=1e-3, atol=1e-6):
        raise InputError(f"{bounds.path}: the channels of its EBOUNDS do not follow one another; make it again")
    return np.append(low, high[-1])


def first_channel(matrix: Table, bounds: Table) -> int:
    """The number of the first channel: TLMIN of F_CHAN, else that of EBOUNDS, else its first row.

    The standard's default for an absent TLMIN is 1, yet files without it number from 0 as often.
    """
    for table, column in ((matrix, "F_CHAN"), (bounds, "CHANNEL")):
        lowest = table.column_keyword("TLMIN", column)
        if lowest is not None:
            return lowest
    return int(bounds.integers("CHANNEL")[0])
