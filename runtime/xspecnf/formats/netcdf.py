"""InferenceData as NetCDF: the layout that ArviZ reads (its schema: posterior, sample_stats, observed_data).

ArviZ's samples have no weights: they are resampled. The file is written by xarray, so that it does not depend on which
of ArviZ's generations is installed.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xspecnf.atomic import atomically
from xspecnf.extras import require, require_all

if TYPE_CHECKING:
    from xspecnf.observation import Observation
    from xspecnf.posterior import Posterior


PACKAGES = ("xarray", "h5py", "h5netcdf")
"""What writes a file: h5netcdf does not bring h5py any more."""


def check_packages() -> None:
    """Raise MissingExtraError where a package that writes NetCDF is missing, too old or broken."""
    require_all(PACKAGES, "netcdf", "NetCDF")


def write(posterior: Posterior, path: Path) -> None:
    """Write the groups of :func:`datasets` to `path`. Raises MissingExtraError without the packages of the extra."""
    write_groups(datasets(posterior), path)


def write_groups(groups: dict[str, Any], path: Path) -> None:
    """Write an xarray.Dataset a group, by the group's name."""
    with atomically(path) as part:
        require("xarray", "netcdf", "NetCDF").DataTree.from_dict(groups).to_netcdf(part, engine="h5netcdf")


def inference_data(posterior: Posterior) -> Any:
    """ArviZ's own object, an InferenceData or, from its version 1 on, a DataTree. Raises MissingExtraError."""
    require("arviz", "netcdf", "to_arviz()")
    return of_groups(datasets(posterior))


def of_groups(groups: dict[str, Any]) -> Any:
    """An xarray.Dataset a group as the object that the installed ArviZ works on. Raises MissingExtraError."""
    arviz = require("arviz", "netcdf", "to_arviz()")
    tree = require("xarray", "netcdf", "to_arviz()").DataTree
    with warnings.catch_warnings(action="ignore"):  # from version 1 on the name is the tree's, and warns of that
        kind = getattr(arviz, "InferenceData", tree)
    return tree.from_dict(groups) if issubclass(kind, tree) else kind(**groups)


def datasets(posterior: Posterior) -> dict[str, Any]:
    """The groups by name, as xarray.Dataset: one chain of equally weighted draws.

    posterior: the parameters, with their units. sample_stats: log_prob; and, where the exact statistic of the samples
    can be had, statistic and lp = -statistic/2, which is ln of the posterior density in the scaled parameters up to
    a constant. With the observation: observed_data, the counts; constant_data, what belongs to them.
    """
    xarray = require("xarray", "netcdf", "NetCDF")
    if posterior.observation is not None:
        posterior = posterior.with_statistic()
    equal = posterior.equally_weighted()
    draws = {p.name: _draws(x, p.unit, p.xspec) for p, x in zip(equal.parameters, equal.theta.T, strict=True)}
    stats = {"log_prob": _draws(equal.log_prob, "", "ln density of the proposal, in the scaled parameters")}
    if equal.statistic is not None:
        stats |= {"statistic": _draws(equal.statistic, "", "-2 ln L"), "lp": _draws(-equal.statistic / 2, "", "ln L")}
    attributes = {
        "inference_library": "xspecnf",
        "model": posterior.model,
        "file": posterior.file,
        "seed": posterior.seed,
        "verdict": posterior.diagnostics.verdict,
        "notes": "; ".join(posterior.notes),
    }
    groups = {
        "posterior": xarray.Dataset(draws, attrs=attributes),
        "sample_stats": xarray.Dataset(stats, attrs=attributes),
    }
    if posterior.observation is not None:
        groups |= {name: xarray.Dataset(*content) for name, content in _data(posterior.observation).items()}
    return groups


def _draws(values: Any, unit: str, meaning: str) -> tuple[tuple[str, str], Any, dict[str, str]]:
    return ("chain", "draw"), values[None], {"units": unit, "long_name": meaning}


def _data(obs: Observation) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Variables and coordinates of the groups that hold data."""
    coordinates = {name: ("bin", getattr(obs, name), {"units": "keV"}) for name in ("energy_lo", "energy_hi")}
    counts = {name: ("bin", getattr(obs, name), {"units": "count"}) for name in ("background", "background_error")}
    constants = {"systematic": ("bin", obs.systematic), "good": ("bin", obs.good)}
    exposure = {"exposure": ((), obs.exposure, {"units": "s"})}
    return {
        "observed_data": ({"counts": ("bin", obs.counts, {"units": "count"})}, coordinates),
        "constant_data": (counts | constants | exposure, coordinates),
    }
