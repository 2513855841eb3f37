"""Packages of extras: missing, too old, broken, each with the command that repairs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from xspecnf import extras, trials
from xspecnf.errors import MissingExtraError

ASKED = {"": (), "netcdf": (Requirement("h5py>=3.11"), Requirement("xarray>=2024.10"))}


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, to be changed by the test; the requirements are those of ASKED."""
    found = {"h5py": "3.12", "xarray": "2026.1"}
    monkeypatch.setattr(extras, "requirements", lambda: ASKED)
    monkeypatch.setattr(trials, "requirements", lambda: ASKED)
    monkeypatch.setattr(extras, "installed", found.get)
    monkeypatch.setattr(trials, "installed", found.get)
    return found


def test_what_is_too_old_is_told_before_it_is_imported(versions: dict[str, str]) -> None:
    versions["h5py"] = "2.10"
    with pytest.raises(MissingExtraError) as error:
        extras.require("h5py", "netcdf", "NetCDF")
    assert str(error.value) == "NetCDF needs h5py>=3.11, and 2.10 is installed; run: pip install 'xspecnf[netcdf]'"


def test_what_cannot_be_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a package that was built for another numpy."""
    (tmp_path / "built_otherwise.py").write_text("raise AttributeError('_ARRAY_API not found')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError) as error:
        extras.require("built_otherwise", "plot", "a figure")
    assert str(error.value) == (
        "a figure needs built_otherwise, which cannot be imported (AttributeError: _ARRAY_API not found); "
        "run: pip install --force-reinstall built_otherwise"
    )


def test_the_state_of_an_extra(versions: dict[str, str]) -> None:
    assert trials.state("netcdf") == ""
    versions["xarray"] = "2023.1"
    del versions["h5py"]
    wanted = "incomplete: needs h5py, xarray>=2024.10; run: pip install 'xspecnf[netcdf]'"
    assert trials.state("netcdf") == wanted
    versions.clear()
    assert trials.state("netcdf") == "not installed"


@pytest.mark.parametrize("extra", ["plot", "netcdf", "parquet", "cluster", "sign"])
def test_each_extra_that_is_installed_works(extra: str) -> None:
    if trials.state(extra):
        pytest.skip(f"the extra xspecnf[{extra}] is not installed")
    assert trials.attempt(extra)


def test_packages_that_do_not_go_together_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise TypeError("got an unexpected keyword")

    monkeypatch.setitem(trials.TRIALS, "sign", broken)
    with pytest.raises(MissingExtraError, match=r"do not work together \(TypeError: got an unexpected keyword\)"):
        trials.attempt("sign")


def test_h5py_is_asked_for_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from xspecnf.formats import check_suffix

    pytest.importorskip("h5netcdf")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match="NetCDF needs h5py"):
        check_suffix(Path("post.nc"))
