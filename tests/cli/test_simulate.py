"""`xspecnf simulate`: files of Poisson counts that any program reads, as XSPEC's fakeit makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import Result

from xspecnf.likelihood import fit_statistic
from xspecnf.observation import read_observation
from xspecnf.physics import expected_counts

Run = Callable[..., Result]
MANDATORY = """
    EXTNAME TELESCOP INSTRUME FILTER EXPOSURE BACKFILE CORRFILE CORRSCAL RESPFILE ANCRFILE HDUCLASS HDUCLAS1 HDUVERS
    POISSERR CHANTYPE DETCHANS AREASCAL BACKSCAL SYS_ERR QUALITY GROUPING
"""
THETA = ("--nH", 0.6, "--Gamma", 2.6, "--f-sc", 0.03, "--kT-disk", 0.32, "--norm", 1e4)
TRUTH = np.array([[0.6, 2.6, 0.03, 0.32, 1e4]])


@pytest.fixture
def response(example: Path) -> tuple[object, ...]:
    return ("--rmf", example.with_suffix(".rmf.gz"), "--arf", example.with_suffix(".arf"))


def test_simulated_counts_are_poisson_about_the_model(run: Run, response: tuple, tmp_path: Path) -> None:
    """The file finds its response by its header, and the parameters that made it fit as they should."""
    path = tmp_path / "sim.pha"
    done = run("simulate", "--output", path, *response, "--exposure", 500, *THETA)
    assert done.exit_code == 0
    obs = read_observation(path)
    assert obs.exposure == 500
    assert not obs.has_background
    statistic = fit_statistic(expected_counts(TRUTH, obs), obs)
    assert statistic == pytest.approx(240, abs=5 * np.sqrt(2 * 240))


def test_simulation_is_fixed_by_its_seed(run: Run, response: tuple, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("simulate", "--output", tmp_path / f"{name}.pha", *response, "--exposure", 10, "--seed", seed, *THETA)
    a, b, c = (read_observation(tmp_path / f"{name}.pha").counts for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_background_is_added_and_copied(run: Run, response: tuple, tmp_path: Path) -> None:
    """A bright simulated source serves as the background of a faint one with twice the exposure."""
    template, path = tmp_path / "template.pha", tmp_path / "sim.pha"
    run("simulate", "--output", template, *response, "--exposure", 100, *THETA)
    done = run(
        *("simulate", "--output", path, *response, "--exposure", 200, "--background", template),
        *(*THETA[:-1], 1.0),
    )
    assert done.exit_code == 0
    obs = read_observation(path)
    assert obs.has_background
    np.testing.assert_allclose(obs.background, 2 * read_observation(template).counts)
    assert obs.counts.sum() == pytest.approx(obs.background.sum(), rel=0.01)


def test_xspecs_names_and_any_case_serve(run: Run, response: tuple, tmp_path: Path) -> None:
    names = ("--NH", 0.6, "--gamma", 2.6, "--FracSctr", 0.03, "--T_max", 0.32, "--Norm", 1e4)
    for name, theta in (("ours", THETA), ("xspec", names), ("small", map(_small, names))):
        done = run("simulate", "--output", tmp_path / f"{name}.pha", *response, "--exposure", 10, *theta)
        assert done.exit_code == 0
    ours, *others = (read_observation(tmp_path / f"{name}.pha").counts for name in ("ours", "xspec", "small"))
    for other in others:
        np.testing.assert_array_equal(ours, other)


def _small(word: object) -> object:
    return word.lower() if isinstance(word, str) else word


def test_the_systematic_error_is_drawn_and_written(run: Run, response: tuple, tmp_path: Path) -> None:
    """In every bin the counts scatter about the model by Poisson's error and the systematic one."""
    path = tmp_path / "sim.pha"
    done = run("simulate", "--output", path, *response, "--exposure", 10_000, "--systematic", 0.05, *THETA)
    assert done.exit_code == 0
    obs = read_observation(path)
    np.testing.assert_allclose(obs.systematic, 0.05, rtol=1e-6)
    expected = expected_counts(TRUTH, obs)[0]
    chi2 = ((obs.counts - expected) ** 2 / (expected + (0.05 * expected) ** 2)).sum()
    assert chi2 == pytest.approx(240, abs=5 * np.sqrt(2 * 240))
    assert ((obs.counts - expected) ** 2 / expected).sum() > 1000  # Poisson's error alone would not do


def test_many_differ_by_their_seeds(run: Run, response: tuple, tmp_path: Path) -> None:
    one, many = tmp_path / "one.pha", tmp_path / "sim{n}.pha"
    run("simulate", "--output", one, *response, "--exposure", 10, "--seed", 8, *THETA)
    done = run("simulate", "--output", many, "--spectra", 2, *response, "--exposure", 10, "--seed", 7, *THETA)
    assert done.exit_code == 0
    first, second = (read_observation(tmp_path / f"sim{number}.pha").counts for number in (0, 1))
    np.testing.assert_array_equal(second, read_observation(one).counts)
    assert not np.array_equal(first, second)
    refused = run("simulate", "--output", one, "--spectra", 2, *response, "--exposure", 10, *THETA)
    assert refused.exit_code == 2


def test_the_set_is_complete(
    run: Run, infer: Run, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every keyword that OGIP/92-007 demands, links that hold from any folder, and infer reads it at once."""
    for suffix in (".rmf.gz", ".arf"):
        (tmp_path / f"own{suffix}").symlink_to(example.with_suffix(suffix))
    monkeypatch.chdir(tmp_path)
    files = ("--rmf", "own.rmf.gz", "--arf", "own.arf", "--exposure", 100)
    run("simulate", "--output", "blank.pha", *files, *THETA[:-1], 1.0)
    (tmp_path / "sets").mkdir()
    done = run("simulate", "--output", "sets/sim.pha", *files, "--background", "blank.pha", *THETA)
    assert done.stderr.splitlines() == ["wrote sets/sim.pha", "wrote sets/sim_bg.pha"]
    with fits.open("sets/sim.pha") as hdus:
        hdus.verify("exception")
        header, columns = hdus["SPECTRUM"].header, hdus["SPECTRUM"].columns.names
    assert set(MANDATORY.split()) <= set(header)
    assert columns == ["CHANNEL", "COUNTS"]
    links = [header[key] for key in ("RESPFILE", "ANCRFILE", "BACKFILE")]
    assert links == ["../own.rmf.gz", "../own.arf", "sim_bg.pha"]
    monkeypatch.chdir(tmp_path.parent)
    shown = infer(tmp_path / "sets" / "sim.pha", "--samples", 10, "--no-refine")
    assert shown.exit_code == 0
    assert "no-background" not in shown.stdout


@pytest.mark.parametrize("name", ["sim.pha", "sim_bg.pha"])
def test_simulate_replaces_nothing_but_simulations(
    run: Run, response: tuple, example: Path, tmp_path: Path, name: str
) -> None:
    """The spectrum and the background's copy are looked at before either is made."""
    call = ("simulate", *response, "--exposure", 10, *THETA)
    (tmp_path / name).write_text("precious")
    done = run(*call, "--output", tmp_path / "sim.pha", "--background", example)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{tmp_path / name}: exists already and xspecnf did not write it" in done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
    assert run(*call, "--output", tmp_path / "again.pha").exit_code == 0
    assert run(*call, "--output", tmp_path / "again.pha", "--seed", 1).exit_code == 0


def test_simulate_spares_what_it_reads(run: Run, response: tuple, tmp_path: Path) -> None:
    """A background that was simulated too, by its name and by that of the copy."""
    call = ("simulate", *response, "--exposure", 10, *THETA)
    for name in ("a.pha", "b_bg.pha"):
        run(*call, "--output", tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        target = tmp_path / name.replace("_bg", "")
        done = run(*call, "--output", target, "--background", tmp_path / name)
        assert done.exit_code == 2
        assert f"is the background {tmp_path / name}, which is read" in done.stderr
        assert (tmp_path / name).read_bytes() == whole


def test_one_that_cannot_be_written_costs_no_other(
    run: Run, response: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xspecnf.formats import pha

    whole = pha.write_atomically

    def full(path: Path, content: bytes) -> None:
        if path.name == "new0.pha":
            raise OSError(28, "No space left on device", str(path))
        whole(path, content)

    monkeypatch.setattr(pha, "write_atomically", full)
    output = tmp_path / "folder" / "new{n}.pha"
    done = run("simulate", "--output", output, "--spectra", 2, *response, "--exposure", 10, *THETA)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"error: [Errno 28] No space left on device: '{tmp_path}/folder/new0.pha'",
        f"wrote {tmp_path}/folder/new1.pha",
    ]


def test_parameters_outside_the_prior_are_refused(run: Run, response: tuple, tmp_path: Path) -> None:
    done = run("simulate", "--output", tmp_path / "sim.pha", *response, "--exposure", 10, *THETA, "--Gamma", 9)
    assert done.exit_code == 1
    assert "Gamma = 9 lies outside 1.3 .. 4" in done.stderr
