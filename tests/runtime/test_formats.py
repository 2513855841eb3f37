"""Files that are written say the same as the posterior in memory, to the programs that they are for."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from xspecnf.companions import Companions
from xspecnf.errors import InputError, MissingExtraError
from xspecnf.formats import check_suffix
from xspecnf.formats.columns import row
from xspecnf.formats.json import record
from xspecnf.likelihood import log_likelihood
from xspecnf.model import load_model
from xspecnf.observation import MARGINAL, Observation
from xspecnf.posterior import Posterior

ARVIZ = pytest.mark.filterwarnings("ignore:\\s*ArviZ is undergoing:FutureWarning")


@pytest.fixture(scope="module")
def post(tiny_bundle: Path, synthetic: Observation) -> Posterior:
    return load_model(tiny_bundle, "cpu").infer(synthetic, samples=50, seed=3)


@pytest.fixture(scope="module")
def weighted(post: Posterior) -> Posterior:
    """As `post`, with weights that grow from sample to sample."""
    weights = np.arange(50.0)
    return replace(post, weights=weights / weights.sum())


def test_csv_holds_every_sample_exactly(post: Posterior, tmp_path: Path) -> None:
    post.save(tmp_path / "chain.csv")
    table = np.genfromtxt(tmp_path / "chain.csv", delimiter=",", names=True)
    assert table.dtype.names == (*post.names, "log_prob", "weight")
    for name, column in zip(post.names, post.theta.T, strict=True):
        np.testing.assert_array_equal(table[name], column)
    np.testing.assert_array_equal(table["log_prob"], post.log_prob)
    np.testing.assert_array_equal(table["weight"], post.weights)


def test_json_holds_summary_and_chain(post: Posterior, tmp_path: Path) -> None:
    post.save(tmp_path / "post.JSON")
    content = json.loads((tmp_path / "post.JSON").read_text())
    np.testing.assert_array_equal(content["chain"]["theta"], post.theta)
    assert content["parameters"]["nH"]["median"] == post.summary()["nH"].median
    assert content["fit"]["value"] == post.fit.value
    assert content["diagnostics"]["ess"] is None


def test_every_format_says_which_files_were_read(weighted: Posterior, tmp_path: Path) -> None:
    why = {"rmf": "header", "arf": "name", "background": "option"}
    files = Companions(Path("a.pha"), Path("a.rmf"), Path("a.arf"), Path("b.pha{2}"), why=why)
    post = replace(weighted, files=files)
    for suffix in (".npz", ".json"):
        post.save(tmp_path / f"post{suffix}")
        assert Posterior.load(tmp_path / f"post{suffix}").files == files
    written = json.loads((tmp_path / "post.json").read_text())["files"]
    assert (written["rmf"], written["background"], written["correction"]) == ("a.rmf", "b.pha{2}", None)
    assert written["why"]["background"] == "option"
    post.save(tmp_path / "post.fits")
    assert "background: b.pha{2}" in (tmp_path / "post.fits").read_bytes().decode("ascii", "replace")
    assert row(post)["background_file"] == "b.pha{2}"


def test_a_posterior_saved_before_it_said_so_loads(post: Posterior, tmp_path: Path) -> None:
    post.save(tmp_path / "old.json")
    content = json.loads((tmp_path / "old.json").read_text())
    del content["state"]["files"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    assert Posterior.load(tmp_path / "old.json").files is None


def test_the_record_has_the_documented_keys(post: Posterior) -> None:
    written = record(post, ["a.csv"])
    assert {"file", "model", "samples", "seed", "parameters", "fit"} <= set(written)
    assert {"diagnostics", "outputs", "seconds"} <= set(written)
    assert {"median", "q16", "q84", "mean", "std", "unit"} == set(written["parameters"]["norm"])
    assert {"statistic", "value", "dof", "reduced", "bins", "counts"} <= set(written["fit"])
    assert {"ess", "efficiency", "log_evidence", "verdict", "flags"} <= set(written["diagnostics"])
    json.dumps(written, allow_nan=False)


def test_an_unknown_suffix_names_the_known_ones(post: Posterior, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'\.txt'; use one of \.json, \.csv, \.npz, \.fits, \.nc"):
        post.save(tmp_path / "post.txt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("known", [False, True])
def test_saving_and_loading_is_the_identity(weighted: Posterior, tmp_path: Path, suffix: str, known: bool) -> None:
    """Also of numbers that are none, and of text beyond ASCII."""
    odd = replace(
        weighted.with_statistic() if known else weighted,
        file="Γ.pha",
        fit=replace(weighted.fit, best=np.inf, value=np.nan),
        notes=("float nan of a note", "ν"),
        mjd=58198.5,
    )
    odd.save(tmp_path / f"post{suffix}")
    loaded = Posterior.load(tmp_path / f"post{suffix}")
    for name in ("theta", "log_prob", "weights", "statistic"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(odd, name))
    for name in ("file", "model", "seed", "parameters", "diagnostics", "seconds", "notes", "mjd"):
        assert getattr(loaded, name) == getattr(odd, name)
    assert repr(loaded.fit) == repr(odd.fit)  # NaN is not equal to itself
    assert loaded.observation is None


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_a_damaged_file_is_named(post: Posterior, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"post{suffix}"
    post.save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"[]", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=f"post{suffix}: not a posterior that xspecnf saved"):
            Posterior.load(path)


def test_a_later_version_of_the_format_is_refused(post: Posterior, tmp_path: Path) -> None:
    path = tmp_path / "post.json"
    post.save(path)
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(InputError, match="version 2 of the format, this xspecnf reads 1"):
        Posterior.load(path)


def test_npz_needs_no_pickle(post: Posterior, tmp_path: Path) -> None:
    post.save(tmp_path / "post.npz")
    with np.load(tmp_path / "post.npz", allow_pickle=False) as content:
        np.testing.assert_array_equal(content["theta"], post.theta)
        assert json.loads(str(content["state"]))["model"] == "tiny"


def test_a_chain_is_what_xspec_loads(weighted: Posterior, tmp_path: Path) -> None:
    """What XSPEC's reader checks: the extension, the type's keywords, doubles, the labels, units as in model.dat."""
    from astropy.io import fits

    replace(weighted, file="Γ.pha", notes=(MARGINAL,)).save(tmp_path / "chain.fits")
    with fits.open(tmp_path / "chain.fits") as file:
        header, names = file["CHAIN"].header, file["CHAIN"].columns.names
        formats, units = file["CHAIN"].columns.formats, file["CHAIN"].columns.units
    assert names == ["nH__1", "Gamma__2", "FracSctr__3", "T_max__6", "norm__7", "FIT_STATISTIC"]
    assert set(formats) == {"D"}
    assert units == ["10^22", "", "", "keV", "", ""]
    assert (header["CHAINTYP"], header["TEMPR001"], header["STROW001"]) == ("MetropolisHastings", 1.0, 1)
    assert header["NAXIS2"] == 50
    assert MARGINAL in "".join(header["HISTORY"])


def test_every_row_of_a_chain_has_its_own_statistic(
    weighted: Posterior, synthetic: Observation, tiny_bundle: Path, tmp_path: Path
) -> None:
    from astropy.table import Table

    weighted.save(tmp_path / "chain.fits")
    table = Table.read(tmp_path / "chain.fits", hdu="CHAIN")
    theta = np.column_stack([table[name] for name in table.colnames[:5]])
    counts = load_model(tiny_bundle, "cpu").expected_counts(theta, synthetic)
    np.testing.assert_allclose(table["FIT_STATISTIC"], -2 * log_likelihood(counts, synthetic), rtol=1e-10)


def test_the_statistic_does_not_depend_on_how_it_is_cut(post: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = post.with_statistic().statistic
    monkeypatch.setattr("xspecnf.posterior.STATISTIC_CHUNK", 7)
    np.testing.assert_allclose(post.with_statistic().statistic, whole, rtol=1e-10)  # type: ignore[arg-type]


def test_a_chain_without_observation_is_refused_before_it_is_written(post: Posterior, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_observation=True"):
        replace(post, observation=None).save(tmp_path / "chain.fits")
    assert list(tmp_path.iterdir()) == []


@ARVIZ
def test_arviz_reads_the_netcdf_file(weighted: Posterior, synthetic: Observation, tmp_path: Path) -> None:
    arviz = pytest.importorskip("arviz")
    weighted.save(tmp_path / "post.nc")
    data = arviz.from_netcdf(tmp_path / "post.nc")
    equal = weighted.with_statistic().equally_weighted()
    assert data["posterior"].sizes == {"chain": 1, "draw": 50}
    np.testing.assert_array_equal(data["posterior"]["kT_disk"][0], equal.theta[:, 3])
    assert data["posterior"]["kT_disk"].attrs["units"] == "keV"
    np.testing.assert_array_equal(data["sample_stats"]["statistic"][0], equal.statistic)
    np.testing.assert_array_equal(data["observed_data"]["counts"], synthetic.counts)
    assert float(data["constant_data"]["exposure"]) == synthetic.exposure


@ARVIZ
def test_arviz_object_without_the_observation(weighted: Posterior) -> None:
    """Of either generation: an InferenceData has groups, a DataTree children."""
    arviz = pytest.importorskip("arviz")
    data = replace(weighted, observation=None).to_arviz()
    groups = data.children if hasattr(data, "children") else data.groups()
    assert set(groups) == {"posterior", "sample_stats"}
    summary = arviz.summary(data, kind="stats")
    assert float(summary.loc["Gamma", "mean"]) == pytest.approx(weighted.summary()["Gamma"].mean, abs=0.05)


def test_the_kind_of_object_is_decided_by_what_it_is(weighted: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    """ArviZ 1.3 has the name InferenceData, which is the tree; 0.x has a class of its own; a later one has no name."""
    xarray = pytest.importorskip("xarray")
    old = type("InferenceData", (), {"__init__": lambda self, **groups: setattr(self, "groups", groups)})
    for names, kind in (
        ({"InferenceData": xarray.DataTree}, xarray.DataTree),
        ({}, xarray.DataTree),
        ({"InferenceData": old}, old),
    ):
        monkeypatch.setitem(sys.modules, "arviz", SimpleNamespace(**names))
        assert type(replace(weighted, observation=None).to_arviz()) is kind


@pytest.mark.parametrize("package", ["h5netcdf", "h5py", "xarray"])
def test_a_missing_package_is_named_with_its_extra(
    post: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    pytest.importorskip("h5netcdf")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"NetCDF needs {package}.*pip install 'xspecnf\[netcdf\]'"):
        check_suffix(tmp_path / "post.nc")
    with pytest.raises(MissingExtraError, match=package):
        post.save(tmp_path / "post.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_batch_keeps_observations_on_request(tiny_bundle: Path, example: Path, keep: bool) -> None:
    (result,) = load_model(tiny_bundle, "cpu").infer_many([example], samples=5, keep_observation=keep)
    assert isinstance(result, Posterior)
    assert (result.observation is not None) is keep
