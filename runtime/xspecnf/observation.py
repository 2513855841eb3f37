"""Observation: a spectrum on the network's grid, with its response and its background.

Counts are summed over the channels of a bin; what is behind the source is :mod:`xspecnf.background`'s.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xspecnf.background import Background, refuse_no_fractions
from xspecnf.caveats import blind_caveat, error_caveat, few_counts_caveat, source_caveat
from xspecnf.companions import Companions, Search, missing, search, used
from xspecnf.coverage import in_place, per_channel, refuse_foreign
from xspecnf.edges import Numbering
from xspecnf.errors import InputError
from xspecnf.fitstable import LARGEST_NUMBER
from xspecnf.grid import NICER, BoolArray, FloatArray, Grid
from xspecnf.ogip import Spectrum, read_spectrum
from xspecnf.response import Response, load_response

PathLike = str | Path

MARGINAL = "the likelihood is the marginal one, integrated over the background's error, and not PGSTAT"
"""The note of an observation with that likelihood."""

GAUSSIAN_COUNTS = 10.0
"""In a bin of a background: errors that are the square roots of fewer are no Gaussian's. At 4 counts a bin the norm of
a source as bright as the background comes out 3 % high, at 1 a bin 30 %.
"""

ROOT = 0.1
"""By which fraction the variances of a background are its counts."""

BAD_QUALITY = 5  # OGIP's "set bad by the user": what channels that a file leaves out count as


@dataclass(frozen=True, eq=False)
class Observation:
    """One observed spectrum; arrays are (bins,) float64 unless said.

    counts: of source and background. background, background_error: counts, scaled to the source's exposure.
    exposure: s. energy_lo, energy_hi: keV, nominal.
    systematic: fractional error of the model. good: (bins,) bool, no channel of the bin is flagged.
    has_background: False where the background is zero for want of a file.
    poisson_background: counts a bin of the background in its own exposure, where its errors are the square roots of too
        few for a Gaussian; None where they are not.
    marginal: the likelihood integrates over what is unknown of the background, in place of PGSTAT's best of all.
    files: what it was read from; None where it was not read from files.
    missing_correction: the correction file that the header names and that is not there, '' otherwise.
    mjd: middle of the observation, NaN where the file does not tell.
    notes: what a user should know about where the numbers come from.

    Raises InputError when arrays disagree in shape, are not finite, counts or errors are negative or beyond any count,
    or the exposure is not positive.
    """

    name: str
    counts: FloatArray
    background: FloatArray
    background_error: FloatArray
    exposure: float
    energy_lo: FloatArray
    energy_hi: FloatArray
    systematic: FloatArray
    good: BoolArray
    response: Response
    has_background: bool = True
    poisson_background: float | None = None
    marginal: bool = False
    notes: tuple[str, ...] = ()
    mjd: float = math.nan
    files: Companions | None = None
    missing_correction: str = ""

    def __post_init__(self) -> None:
        bins = (self.response.grid.bins,)
        for field in ("counts", "background", "background_error", "energy_lo", "energy_hi", "systematic", "good"):
            values = getattr(self, field)
            if values.shape != bins or not np.all(np.isfinite(values)):
                raise InputError(f"{self.name}: {field} must be {bins[0]} finite numbers, found shape {values.shape}")
        for field in ("counts", "background_error", "systematic"):
            if np.any(getattr(self, field) < 0):
                raise InputError(f"{self.name}: negative {field}; correct the spectrum")
        for field in ("counts", "background", "background_error"):
            most = float(np.abs(getattr(self, field)).max(where=self.good, initial=0.0))
            if most > LARGEST_NUMBER:
                raise InputError(f"{self.name}: {field} is {most:.3g} in a bin; check exposures and BACKSCAL")
        if not (np.isfinite(self.exposure) and self.exposure > 0):
            raise InputError(f"{self.name}: exposure {self.exposure} s is not a positive time; correct the spectrum")
        if np.any(self.good & (self.response.effective_area <= 0)):
            raise InputError(
                f"{self.name}: {self.response.name} has no area in some of the good bins; flag them as bad"
            )


def read_observation(
    path: PathLike,
    *,
    rmf: PathLike | None = None,
    arf: PathLike | None = None,
    background: PathLike | None = None,
    systematic: float | None = None,
    marginal: bool = False,
    reference: Response | None = None,
    grid: Grid = NICER,
) -> Observation:
    """Read a spectrum, its response and its background.

    rmf, arf, background: files to use instead of those that the header or NICER's naming point to; background
    "none" means that there is none. systematic: fractional, instead of the file's SYS_ERR. marginal: take the
    likelihood that is integrated over the background's error, instead of PGSTAT. reference: the response to use when
    the files give none. grid: the bins, and the detector that the spectrum must be of; for a bundle of another
    instrument than NICER `model.bundle.grid`. Of a type II file the path names the row, as `obs.pha{3}`. Raises
    InputError for whatever cannot be used, and for a missing response.
    """
    spectrum = read_spectrum(path)
    refuse_foreign(spectrum, grid)
    _refuse_subtracted(spectrum)
    response, responses, why = _find_response(spectrum, rmf, arf, reference, grid)
    numbering = _numbering(spectrum, response, grid, stands_in=response is reference)
    spectrum = in_place(spectrum, grid.channels, numbering, response.name)
    behind = Background.find(spectrum, background, numbering, grid)
    flagged = grid.group(per_channel(spectrum, (spectrum.quality != 0) | spectrum.void, grid, 1.0)) > 0
    flagged |= behind.void
    response = _scale_area(response, spectrum, grid)
    blind = (response.effective_area <= 0) & ~flagged
    good = ~flagged & ~blind
    poisson = _few_counts(behind.spectrum, good, grid)
    return Observation(
        name=spectrum.name,
        counts=grid.group(per_channel(spectrum, spectrum.counts, grid)),
        background=behind.counts,
        background_error=behind.error,
        exposure=spectrum.exposure,
        energy_lo=grid.energy_lo,
        energy_hi=grid.energy_hi,
        systematic=_systematic(spectrum, systematic, grid),
        good=good,
        response=response,
        has_background=behind.spectrum is not None,
        poisson_background=poisson,
        marginal=marginal,
        notes=(
            *spectrum.notes,
            *source_caveat(spectrum),
            *error_caveat(spectrum),
            *(note for one in responses for note in one.notes),
            *response.notes,
            *blind_caveat(response.name, blind, grid),
            *behind.notes,
            *few_counts_caveat(poisson),
            *[MARGINAL] * marginal,
        ),
        mjd=spectrum.mjd,
        files=used(spectrum, [*responses, *behind.searches], why),
        missing_correction=behind.missing_correction,
    )


def _refuse_subtracted(spectrum: Spectrum) -> None:
    """Raise InputError for negative counts and for a spectrum less its background."""
    if spectrum.net:
        raise InputError(
            f"{spectrum.path}: HDUCLAS2 = 'NET': its background is already subtracted, which leaves no Poisson counts; "
            "give source and background as two files"
        )
    if np.any(spectrum.counts < 0):
        row = int(np.argmax(spectrum.counts < 0))
        raise InputError(
            f"{spectrum.path}: {spectrum.counts[row]:g} counts in channel {spectrum.channel[row]}; a spectrum with its "
            "background already subtracted cannot be used: give source and background as two files"
        )


def _numbering(spectrum: Spectrum, response: Response, grid: Grid, stands_in: bool) -> Numbering:
    """How the spectrum's channels are numbered: as its response says, or where that stands in as it says itself."""
    stated = response.numbering or Numbering(grid.lowest_channel)
    first = spectrum.first_channel
    return replace(stated, first=first) if stands_in and first is not None else stated


def _systematic(spectrum: Spectrum, option: float | None, grid: Grid) -> FloatArray:
    """(bins,) fractional systematic error: the option's, else the file's.

    The channels of a bin share one calibration, so their errors are fully correlated: the bin's is the mean,
    weighted by counts (plainly where there are none).
    """
    if option is not None:
        if not 0 <= option < 1:
            raise InputError(f"{spectrum.path}: a systematic error of {option} is not a fraction; give 0.015 for 1.5 %")
        return np.full(grid.bins, float(option))
    refuse_no_fractions(spectrum, "correct it or give --systematic")
    errors = per_channel(spectrum, spectrum.systematic, grid)
    counts = per_channel(spectrum, spectrum.counts, grid)
    total = grid.group(counts)
    weighted = grid.group(errors * counts) / np.maximum(total, 1e-300)
    return np.where(total > 0, weighted, grid.group(errors) / grid.channels_per_bin)


def _find_response(
    spectrum: Spectrum, rmf: PathLike | None, arf: PathLike | None, reference: Response | None, grid: Grid
) -> tuple[Response, list[Search], Mapping[str, str]]:
    """The response, the searches that led to it, and what else to say of them.

    Raises InputError when it is missing and there is no reference to fall back on.
    """
    rmf_search, arf_search = search(spectrum, "rmf", rmf), search(spectrum, "arf", arf)
    if rmf_search.found is not None:
        alone = load_response(rmf_search.found, None, grid)
        if alone.includes_area:
            if arf is not None:
                raise InputError(f"{rmf_search.found}: it includes the effective area; leave --arf out or give an RMF")
            return alone, [rmf_search], {"arf": "the RMF includes the effective area"}
        if arf_search.found is not None:
            return load_response(rmf_search.found, arf_search.found, grid), [rmf_search, arf_search], {}
    if reference is None:
        raise missing(spectrum, rmf_search if rmf_search.found is None else arf_search)
    if reference.grid != grid:
        raise InputError(f"{reference.name}: the reference response is on another grid; use the bundle it came with")
    note = f"no response file was found; the reference response {reference.name} was used"
    stand_in = {"rmf": f"the reference response {reference.name}"}
    return reference, [replace(rmf_search, found=None, notes=(note,))], stand_in


def _scale_area(response: Response, spectrum: Spectrum, grid: Grid) -> Response:
    """The response times AREASCAL, averaged over the channels of a bin."""
    if np.all(spectrum.areascal == 1):
        return response  # the shared object: its cached rebinning serves every spectrum
    factor = grid.group(per_channel(spectrum, spectrum.areascal, grid, 1.0)) / grid.channels_per_bin
    return response.scaled(factor)


def _few_counts(background: Spectrum | None, good: BoolArray, grid: Grid) -> float | None:
    """Of a background whose errors are the square roots of too few: counts in the middle one of the good bins."""
    if background is None or not _has_roots(background) or not good.any():
        return None
    middle = float(np.median(grid.group(per_channel(background, background.counts, grid))[good]))
    return middle if middle < GAUSSIAN_COUNTS else None


def _has_roots(background: Spectrum) -> bool:
    """Whether its errors are the square roots of its counts, by default or as they are stated."""
    some = background.counts > 0
    stated = background.error
    return stated is None or bool(some.any() and np.allclose(stated[some] ** 2, background.counts[some], rtol=ROOT))
