"""The samples of a posterior as an astropy Table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xspecnf.formats.columns import ASTROPY_UNITS

if TYPE_CHECKING:
    from astropy.table import Table

    from xspecnf.posterior import Posterior


def table(posterior: Posterior) -> Table:
    """One row a sample; units where there are any, and what the result is in the table's meta."""
    from astropy.table import Column, Table

    columns = [
        Column(values, p.name, unit=ASTROPY_UNITS.get(p.unit, p.unit) or None, description=p.xspec)
        for p, values in zip(posterior.parameters, posterior.theta.T, strict=True)
    ]
    columns += [Column(posterior.log_prob, "log_prob"), Column(posterior.weights, "weight")]
    if posterior.statistic is not None:
        columns.append(Column(posterior.statistic, "statistic"))
    meta = {"file": posterior.file, "model": posterior.model, "seed": posterior.seed}
    meta["files"] = "; ".join(posterior.files.words()) if posterior.files else ""
    return Table(columns, meta=meta | {"verdict": posterior.diagnostics.verdict})
