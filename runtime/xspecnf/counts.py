"""Counts and their errors from the columns of a SPECTRUM table, whatever they are called and measured in."""

from __future__ import annotations

import re

import numpy as np

from xspecnf.errors import InputError
from xspecnf.fitstable import LARGEST_NUMBER, Table
from xspecnf.grid import BoolArray, FloatArray

SCALES = ("BACKSCAL", "AREASCAL")
VALUES = ("COUNTS", "RATE", "STAT_ERR", "SYS_ERR", *SCALES)

SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "ks": 1e3, "min": 60.0, "h": 3600.0}
"""Times that a rate may be per."""

COUNTS = r"(?:counts?|cts?|photons?|ph|1)"
TIME = r"(?: */ *(?P<per>[a-z]+)|(?:[ .*]+|^)(?P<inverse>[a-z]+) *(?:\*\*|\^)? *\(?-1\)?)"
CHANNEL = r"(?: */ *(?:chan|channel|bin))?"
RATE = re.compile(f"{COUNTS}?{TIME}{CHANNEL}", re.IGNORECASE)
NUMBER = re.compile(f"(?:{COUNTS}|n|none|number|unitless|dimensionless){CHANNEL}", re.IGNORECASE)
"""Units of a rate and of a number, as files spell them."""


def no_value(table: Table, flagged: BoolArray) -> BoolArray:
    """(entries,) True for channels that hold no value: undefined counts, no area, or no number where flagged as bad."""
    void = np.zeros(len(flagged), bool)
    for name in VALUES:
        if not table.states(name):
            continue
        values = table.numbers(name, 0.0)
        void |= flagged & ~(np.abs(values) <= LARGEST_NUMBER)
        if name in SCALES:
            void |= values == 0
        elif name in ("COUNTS", "RATE") and name in table:
            void |= table.undefined(name, table.column(name))
    return void


def counts_of(table: Table, exposure: float, void: BoolArray) -> tuple[FloatArray, FloatArray | None]:
    """Counts and their stated errors (None: Poisson), each (entries,), from COUNTS or from RATE times the exposure.

    As in XSPEC, POISSERR = T makes a STAT_ERR that is there all the same count for nothing. Zero in void channels.
    Raises InputError for neither column, and for units that are neither counts nor counts in a time.
    """
    if "COUNTS" not in table and "RATE" not in table:
        raise InputError(f"{table.path}: neither a COUNTS nor a RATE column; give a PHA spectrum")
    name = "COUNTS" if "COUNTS" in table else "RATE"
    factor = _factor(table, name, exposure, rate=name == "RATE")
    counts = table.finite(name, 0.0, void) * factor
    error = table.finite("STAT_ERR", 0.0, void) * (_factor(table, "STAT_ERR", exposure, rate=None) or factor)
    stated = not table.flag("POISSERR") and bool(np.any(error > 0))
    return counts, error if stated else None


def _factor(table: Table, name: str, exposure: float, rate: bool | None) -> float:
    """What turns a column into counts over the exposure.

    rate: whether it must be a rate or must not; None for either, and then 0 where no unit is stated.
    """
    unit = table.unit(name) if name in table else ""
    if not unit:
        return 0.0 if rate is None else exposure if rate else 1.0
    per = RATE.fullmatch(unit)
    time = SECONDS.get((per["per"] or per["inverse"]).lower()) if per else None
    if time is not None and rate is not False:
        return exposure / time
    if time is None and not rate and NUMBER.fullmatch(unit):
        return 1.0
    wanted = "count/s (or per ks, min, h)" if rate else "count" if rate is False else "count or count/s"
    raise InputError(f"{table.path}: {name} is in {unit!r}, {wanted} expected; convert the file")
