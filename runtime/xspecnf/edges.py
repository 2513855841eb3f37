"""The bins of a response: energies of photons, channels and how these are numbered, as its tables have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xspecnf.errors import InputError
from xspecnf.fitstable import Table
from xspecnf.grid import FloatArray, IntArray

SAME_ENERGY = 1e-6
"""Relative difference within which two edges are one: what is written in single precision is off by so much."""


@dataclass(frozen=True)
class Numbering:
    """The labels of a detector's channels: they run from `first`; their energies fall where `descending`."""

    first: int
    descending: bool = False

    def place(self, label: IntArray, channels: int) -> IntArray:
        """Where channels with these labels lie among `channels` of them, counted from 0 by rising energy."""
        offset = label - self.first
        return channels - 1 - offset if self.descending else offset

    def label(self, place: int, channels: int) -> int:
        """The inverse of `place`, of one channel."""
        return self.first + (channels - 1 - place if self.descending else place)


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of EBOUNDS: edges (channels + 1,) keV, rising; numbering of their labels."""

    edges: FloatArray
    numbering: Numbering

    def __len__(self) -> int:
        return len(self.edges) - 1


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


def shared_edges(one: FloatArray, other: FloatArray) -> FloatArray:
    """Rising edges that hold all of both, `one` where they are the same to rounding."""
    if len(one) == len(other) and np.allclose(one, other, rtol=SAME_ENERGY, atol=0):
        return one
    both = np.sort(np.concatenate([one, other]))
    return both[np.append(True, np.diff(both) > SAME_ENERGY * both[1:])]


def channels_of(bounds: Table) -> Channels:
    """The channels of an EBOUNDS table, by rising energy.

    Raises InputError for channels that overlap or leave gaps.
    """
    low, high, label = bounds.finite("E_MIN"), bounds.finite("E_MAX"), _labels(bounds)
    order = np.argsort(label, kind="stable")
    descending = bool(low[order[0]] > low[order[-1]])
    order = order[::-1] if descending else order
    low, high = low[order], high[order]
    if np.any(high <= low) or not np.allclose(high[:-1], low[1:], rtol=1e-3, atol=1e-6):
        raise InputError(f"{bounds.path}: the channels of its EBOUNDS do not follow one another; make it again")
    return Channels(np.append(low, high[-1]), Numbering(int(label.min()), descending))


def _labels(bounds: Table) -> IntArray:
    """(rows,) the CHANNEL of each row; where these are no row of numbers, as some writers leave them, TLMIN and on."""
    label = bounds.integers("CHANNEL")
    if np.array_equal(np.sort(label), label.min() + np.arange(len(label))):
        return label
    lowest = bounds.column_keyword("TLMIN", "CHANNEL")
    if lowest is None:
        raise InputError(f"{bounds.path}: the CHANNEL numbers of its EBOUNDS are not consecutive; make it again")
    return lowest + np.arange(len(label))


def first_of_matrix(matrix: Table, channels: Channels) -> int:
    """The number of the first channel in F_CHAN: its TLMIN, else that of EBOUNDS.

    The standard's default for an absent TLMIN is 1, yet files without it number from 0 as often. Raises InputError
    where the two tables number the channels differently: then nobody knows which channel is meant.
    """
    stated, first = matrix.column_keyword("TLMIN", "F_CHAN"), channels.numbering.first
    if stated is None or stated == first:
        return first
    raise InputError(
        f"{matrix.path}: F_CHAN of its {matrix.name} numbers the channels from {stated} (TLMIN), its EBOUNDS from "
        f"{first}; correct one of them"
    )
