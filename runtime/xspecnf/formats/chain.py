"""An XSPEC chain file, as `chain run` writes and `chain load` reads it.

One binary table, EXTNAME CHAIN: a column of doubles each free parameter, named name__number in the order of numbers,
and FIT_STATISTIC last (XSPEC manual, command `chain`). `error`, `eqwidth err` and `flux ... err` take the
chain for the model in hand only if the columns' units, too, are those of XSPEC's model.dat: here nH and T_max have one.

XSPEC's rows have no weights: the samples are resampled. FIT_STATISTIC is -2 ln L (:mod:`xspecnf.likelihood`): PGSTAT on
this package's bins and, with a systematic error, its normalisation term, which XSPEC does not know; or that of the
marginal likelihood, as HISTORY then says with the posterior's other notes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xspecnf.atomic import atomically

if TYPE_CHECKING:
    from astropy.io.fits import Column

    from xspecnf.parameters import Parameter
    from xspecnf.posterior import Posterior

XSPEC_UNITS = {"TBabs.nH": "10^22", "ezdiskbb.T_max": "keV"}


def write(posterior: Posterior, path: Path) -> None:
    """Write the equally weighted samples to `path`. Raises ValueError where the statistic cannot be computed."""
    from astropy.io import fits

    chain = posterior.with_statistic().equally_weighted()
    columns = [_column(p, values) for p, values in zip(chain.parameters, chain.theta.T, strict=True)]
    table = fits.BinTableHDU.from_columns(
        [*columns, fits.Column("FIT_STATISTIC", "D", array=chain.statistic)], name="CHAIN"
    )
    # Without a temperature that holds from the first row on XSPEC refuses a chain of this type.
    table.header.update({"CHAINTYP": "MetropolisHastings", "TEMPR001": 1.0, "STROW001": 1})
    file = Path(posterior.file).name
    table.header.add_history(_ascii(f"xspecnf, model {posterior.model}, seed {posterior.seed}, of {file}"))
    table.header.add_history("TBabs(simplcutx(ezdiskbb)), abund wilm, ReflFrac 0, kT_e 100 keV frozen")
    for note in (*(posterior.files.words() if posterior.files else ()), *posterior.notes):
        table.header.add_history(_ascii(note))
    with atomically(path) as part, part.open("wb") as file:
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)


def _ascii(text: str) -> str:
    """All that a FITS header takes."""
    return text.encode("ascii", "replace").decode()


def _column(parameter: Parameter, values: np.ndarray) -> Column:
    from astropy.io import fits

    name = f"{parameter.xspec.split('.')[1]}__{parameter.number}"
    return fits.Column(name, "D", unit=XSPEC_UNITS.get(parameter.xspec), array=values)
