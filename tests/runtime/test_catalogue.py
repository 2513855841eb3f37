"""The table of a batch: what other programs read in it, and what a stopped batch leaves."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from xspecnf.errors import InputError, MissingExtraError
from xspecnf.formats.catalogue import Catalogue
from xspecnf.formats.columns import failed, row
from xspecnf.model import load_model
from xspecnf.observation import Observation
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.posterior import Posterior

SUFFIXES = (".ecsv", ".fits", ".parquet")


@pytest.fixture(scope="module")
def post(tiny_bundle: Path, synthetic: Observation) -> Posterior:
    return replace(load_model(tiny_bundle, "cpu").infer(synthetic, samples=50, seed=3), file="Γ/a.pha", mjd=58198.25)


@pytest.fixture(scope="module", params=SUFFIXES)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, post: Posterior) -> Path:
    """A finished table, see `_finished`."""
    return _finished(tmp_path_factory.mktemp("catalogue") / f"batch{request.param}", post)


def _finished(path: Path, post: Posterior) -> Path:
    """Write a table of two results and a failure."""
    with _open(path) as catalogue:
        catalogue.append(row(post))
        catalogue.append(failed("bad.pha", "no FITS file"))
        catalogue.append(row(replace(post, file="c.pha")))
    return path


def _open(path: Path, settings: str = "seed=3") -> Catalogue:
    return Catalogue(path, BHB_PARAMETERS, settings)


def test_astropy_reads_rows_units_and_failures(path: Path, post: Posterior) -> None:
    table = Table.read(path, **({"hdu": 1} if path.suffix == ".fits" else {}))
    summary = post.summary()
    assert list(table["file"]) == [post.file, "bad.pha", "c.pha"]
    assert table["nH"][0] == summary["nH"].median
    assert table["norm_q84"][2] == summary["norm"].q84
    assert table["mjd"][0] == 58198.25
    assert table["pgstat"][0] == post.fit.value
    assert not np.isfinite(np.ma.filled(table["nH"][1], np.nan))
    assert table["error"][1] == "no FITS file"
    assert (1 * u.Unit(table["nH"].unit)).to("cm-2").value == pytest.approx(1e22)
    assert (1 * u.Unit(table["norm"].unit)).to("km2 kpc-2").value == pytest.approx(0.01)
    assert table["kT_disk"].unit == u.keV


def test_a_table_from_before_it_named_files_goes_on(tmp_path: Path, post: Posterior) -> None:
    path = _finished(tmp_path / "old.ecsv", post)
    table = Table.read(path)
    table.remove_columns([name for name in table.colnames if name.endswith("_file")])
    table.write(path, overwrite=True)
    with _open(path) as catalogue:
        assert "c.pha" in catalogue
        catalogue.append(row(replace(post, file="d.pha")))
    assert list(Table.read(path)["file"]) == [post.file, "bad.pha", "c.pha", "d.pha"]


def test_pandas_reads_parquet(tmp_path: Path, post: Posterior) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(_finished(tmp_path / "batch.parquet", post))
    assert frame.loc[frame["file"] == "c.pha", "Gamma"].item() == post.summary()["Gamma"].median


def test_a_fits_table_is_standard(tmp_path: Path, post: Posterior) -> None:
    with fits.open(_finished(tmp_path / "batch.fits", post)) as file:
        file.verify("exception")
        assert file[1].columns["nH"].unit == "10**22 cm-2"


def test_an_opened_table_knows_what_is_done(path: Path, post: Posterior) -> None:
    """A failure is tried again, its row is replaced, and nothing else changes."""
    with _open(path) as catalogue:
        assert post.file in catalogue
        assert "c.pha" in catalogue
        assert "bad.pha" not in catalogue
        before = catalogue.table()
    copy = path.with_name(f"copy{path.suffix}")
    copy.write_bytes(path.read_bytes())
    with _open(copy) as again:
        again.append(row(replace(post, file="bad.pha")))
    with _open(copy) as again:
        after = again.table()
    assert list(after["file"]) == list(before["file"])
    assert after["nH"][1] == after["nH"][0]
    for name in before.colnames:
        np.testing.assert_array_equal(after[name][[0, 2]], before[name][[0, 2]])


def test_other_settings_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match="made with 'seed=3', not with 'seed=4'"), _open(path, "seed=4"):
        pass
    assert not list(path.parent.glob("*.journal"))


def test_no_journal_is_left(path: Path) -> None:
    assert not list(path.parent.glob("*.journal*"))


def test_a_killed_batch_loses_nothing_but_a_torn_line(tmp_path: Path, post: Posterior) -> None:
    path = tmp_path / "batch.ecsv"
    with _open(tmp_path / "running.ecsv") as running:
        running.append(row(post))
        found = running.journal.read_text()
    _open(path).journal.write_text(found + '{"file": "c.pha", "err')
    with _open(path) as catalogue:
        assert post.file in catalogue
        assert "c.pha" not in catalogue
        catalogue.append(row(replace(post, file="c.pha")))
    assert list(Table.read(path)["file"]) == [post.file, "c.pha"]


def test_an_exception_leaves_the_finished_rows(tmp_path: Path, post: Posterior) -> None:
    path = tmp_path / "batch.fits"

    def interrupted() -> None:
        with _open(path) as catalogue:
            catalogue.append(row(post))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(Table.read(path, hdu=1)) == 1


@pytest.mark.parametrize("name", ["batch.fits", "batch.ecsv", "batch.parquet", "batch.fits.journal"])
def test_foreign_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[1, 2]\n")
    with pytest.raises(InputError, match=name), _open(tmp_path / name.removesuffix(".journal")):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_second_writer_is_refused_until_the_first_has_finished(tmp_path: Path, post: Posterior) -> None:
    path = tmp_path / "batch.fits"
    with _open(path) as first:
        first.append(row(post))
        with (
            pytest.raises(InputError, match=r"batch\.fits\.journal: another xspecnf is writing this table"),
            _open(path),
        ):
            pass
        first.append(row(replace(post, file="c.pha")))
    with _open(path) as second:
        assert list(second.rows) == [post.file, "c.pha"]


def test_a_part_that_a_killed_writer_left_is_replaced(tmp_path: Path, post: Posterior) -> None:
    (tmp_path / "batch.fits.part").write_text("half a table")
    with _open(tmp_path / "batch.fits") as catalogue:
        catalogue.append(row(post))
    assert [path.name for path in tmp_path.iterdir()] == ["batch.fits"]


def test_a_disk_without_room_keeps_the_journal(tmp_path: Path, post: Posterior) -> None:
    """What the table has no room for, the journal has; the next run makes the table of it."""
    path = tmp_path / "batch.ecsv"
    (tmp_path / "batch.ecsv.part").mkdir()  # where the table would be written
    with (
        pytest.raises(InputError, match=r"batch\.ecsv: Is a directory; the rows so far are kept"),
        _open(path) as first,
    ):
        first.append(row(post))
    (tmp_path / "batch.ecsv.part").rmdir()
    with _open(path) as second:
        assert post.file in second
    assert list(Table.read(path)["file"]) == [post.file]


def test_wrong_suffix_and_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"'\.csv'; use one of \.ecsv, \.fits, \.parquet"):
        _open(tmp_path / "batch.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"xspecnf\[parquet\]"):
        _open(tmp_path / "batch.parquet")


def test_the_journal_is_plain_json(tmp_path: Path, post: Posterior) -> None:
    with _open(tmp_path / "batch.ecsv") as catalogue:
        catalogue.append(row(post))
        (line,) = catalogue.journal.read_text().splitlines()
    assert json.loads(line)["verdict"] == post.diagnostics.verdict


def test_a_journal_that_is_none_is_left_alone(tmp_path: Path) -> None:
    """Another's file without an end of line, which would else be a torn row."""
    journal = tmp_path / "batch.ecsv.journal"
    journal.write_bytes(b"SIMPLE  =                    T")
    with pytest.raises(InputError, match="not a journal of xspecnf"), _open(tmp_path / "batch.ecsv"):
        pass
    assert journal.read_bytes() == b"SIMPLE  =                    T"
