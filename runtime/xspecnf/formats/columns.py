"""The columns of a catalogue, and the row that a posterior or a failure makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xspecnf.parameters import Parameter
    from xspecnf.posterior import Posterior

Row = dict[str, Any]

ASTROPY_UNITS = {"1e22 cm-2": "10**22 cm-2", "(km/10kpc)^2": "10**-2 km2 kpc-2"}
"""Units of the parameters as astropy reads and FITS files spell them."""

MOMENTS = {
    "q16": "16 % quantile",
    "q84": "84 % quantile",
    "mean": "posterior mean",
    "std": "posterior standard deviation",
}
DIAGNOSTICS = {
    "ess": "effective samples; of refined posteriors",
    "efficiency": "effective share of the draws; of refined posteriors",
    "log_evidence": "ln evidence, prior normalised on its bounds; of refined posteriors",
    "log_evidence_error": "its standard deviation",
    "acceptance": "share of the network's draws inside the prior",
    "novelty": "share of training spectra as unlike the others as this one",
}


FILES = {
    "rmf_file": "redistribution matrix that was read",
    "arf_file": "effective area that was read",
    "background_file": "background that was read",
    "correction_file": "correction that was read",
}
"""What tables of earlier releases do not have."""


@dataclass(frozen=True)
class Column:
    """A column: name, type ("f8" or "str"), unit in astropy's spelling, meaning."""

    name: str
    description: str
    unit: str = ""
    dtype: str = "f8"

    @property
    def missing(self) -> float | str:
        """What stands where a row has no value."""
        return "" if self.dtype == "str" else math.nan


def columns(parameters: Sequence[Parameter]) -> tuple[Column, ...]:
    """All columns in their order, for a model of these parameters."""
    return (
        Column("file", "spectrum", dtype="str"),
        Column("mjd", "middle of the observation, MJD", "d"),
        *(column for parameter in parameters for column in _of_parameter(parameter)),
        Column("pgstat", "PGSTAT at the posterior's median"),
        Column("pgstat_best", "smallest PGSTAT among the samples looked at"),
        Column("dof", "bins less parameters"),
        Column("counts", "in the good bins", "ct"),
        Column("p_total", "posterior predictive p-value of PGSTAT"),
        Column("p_local", "posterior predictive p-value of the largest residual"),
        Column("residual", "largest residual of neighbouring bins in sigma"),
        Column("residual_lo", "where it begins", "keV"),
        Column("residual_hi", "where it ends", "keV"),
        *(Column(name, description) for name, description in DIAGNOSTICS.items()),
        *(Column(name, description, dtype="str") for name, description in FILES.items()),
        Column("verdict", "good, caution or reject", dtype="str"),
        Column("flags", "reasons for the verdict", dtype="str"),
        Column("settings", "how the row was made", dtype="str"),
        Column("error", "why there is no result", dtype="str"),
    )


def row(posterior: Posterior) -> Row:
    """The row of a result."""
    fit, diagnostics, check = posterior.fit, posterior.diagnostics, posterior.diagnostics.predictive
    values: Row = {"file": posterior.file, "mjd": posterior.mjd}
    for name, marginal in posterior.summary().items():
        values[name] = marginal.median
        values |= {f"{name}_{moment}": getattr(marginal, moment) for moment in MOMENTS}
    values |= {"pgstat": fit.value, "pgstat_best": fit.best, "dof": fit.dof, "counts": fit.counts}
    if check is not None:
        residual = asdict(check.residual)
        values |= {"p_total": check.p_total, "p_local": check.p_local, "residual": residual["sigma"]}
        values |= {"residual_lo": residual["energy_lo"], "residual_hi": residual["energy_hi"]}
    known = {name: getattr(diagnostics, name) for name in DIAGNOSTICS}
    values |= {name: value for name, value in known.items() if value is not None}
    used = {name: getattr(posterior.files, name.removesuffix("_file"), None) for name in FILES}
    values |= {name: str(path) for name, path in used.items() if path is not None}
    flags = " ".join(flag.name for flag in diagnostics.flags)
    return values | {"verdict": diagnostics.verdict, "flags": flags, "error": ""}


def failed(file: str, error: str) -> Row:
    """The row of a file that could not be done."""
    return {"file": file, "error": error}


def _of_parameter(parameter: Parameter) -> tuple[Column, ...]:
    unit = ASTROPY_UNITS.get(parameter.unit, parameter.unit)
    median = Column(parameter.name, f"{parameter.xspec}, posterior median", unit)
    others = (Column(f"{parameter.name}_{moment}", words, unit) for moment, words in MOMENTS.items())
    return median, *others
