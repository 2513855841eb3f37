"""No data are lost: what a command reads, and what others made, is never written over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from xspecnf_cli import losses, own
from xspecnf_cli.losses import Target, refuse_losses

Run = Callable[..., Result]


@pytest.fixture
def folder(example: Path, tmp_path: Path) -> Path:
    """A spectrum with its response beside it, its background by the header's siblings, and a list of it."""
    shutil.copy(example, tmp_path / "obs.pha")
    shutil.copy(example.with_suffix(".arf"), tmp_path / "obs.arf")
    shutil.copy(example.with_suffix(".rmf.gz"), tmp_path / "obs.rmf.gz")
    shutil.copy(example, tmp_path / "obs_bg.pha")
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'obs.pha'}\n")
    return tmp_path


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _refused(done: Result, *names: object) -> None:
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    (line,) = (line for line in done.stderr.splitlines() if "Invalid value" in line)
    for name in names:
        assert str(name) in line


OPTIONS = [
    ("--output", "obs.fits", "obs.pha"),
    ("--output", "bg.fits", "obs_bg.pha"),
    ("--output", "arf.fits", "obs.arf"),
    ("--output", "rmf.fits", "obs.rmf.gz"),
    ("--output", "list.csv", "list.txt"),
    ("--table", "t.fits", "obs.pha"),
    ("--table", "t.fits", "obs.arf"),
    ("--plot", "{stem}.png", "obs.pha"),
]


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize(("option", "name", "read"), OPTIONS)
def test_an_output_that_is_an_input_is_refused(
    infer: Run, folder: Path, option: str, name: str, read: str, link: Callable[..., None]
) -> None:
    """By hard link and by symbolic link, of what is named, is found beside the spectrum or names it."""
    output = folder / (name if option != "--plot" else "obs-corner.png")
    link(folder / read, output)
    before = _content(folder)
    done = infer(f"@{folder / 'list.txt'}", option, folder / name, "--samples", 10)
    _refused(done, output, folder / read, "which is read")
    assert _content(folder) == before


def test_the_spectrum_itself_under_any_spelling(infer: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "obs.pha").rename(folder / "obs.fits")
    monkeypatch.chdir(folder)
    for spelling in ("{stem}.fits", "./obs.fits", f"../{folder.name}/obs.fits", folder / "obs.fits"):
        _refused(infer("obs.fits", "--output", spelling), "which is read", "the spectrum obs.fits")


def test_the_output_of_one_may_be_the_input_of_another(infer: Run, folder: Path) -> None:
    """The second's output is the first's ARF, by the name that its header or folder gives."""
    shutil.copy(folder / "obs.pha", folder / "other.pha")
    (folder / "obs.arf").rename(folder / "other.fits")
    (folder / "obs.arf").symlink_to("other.fits")
    done = infer(folder / "obs.pha", folder / "other.pha", "--output", folder / "{stem}.fits", "--samples", 10)
    _refused(done, folder / "other.fits", folder / "obs.arf", f"the ARF of {folder / 'obs.pha'}")


@pytest.mark.parametrize("option", ["rmf", "arf", "background"])
def test_what_an_option_names_is_an_input(infer: Run, folder: Path, option: str) -> None:
    """Also where xspecnf itself wrote it, and another chain could take its place."""
    path = folder / "given.fits"
    path.write_bytes(b"HISTORY xspecnf, model ")
    done = infer(folder / "obs.pha", f"--{option}", path, "--output", path)
    _refused(done, f"{path}: is the {option.upper() if option != 'background' else option} {path}")


def test_a_models_files_are_inputs(run: Run, tiny_bundle: Path, folder: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, folder / "bundle")
    manifest = bundle / "manifest.json"
    before = manifest.read_bytes()
    for verb in ("infer", "fit"):
        _refused(
            run(verb, folder / "obs.pha", "--model", bundle, "--output", manifest), manifest, "a file of the model"
        )
    _refused(run("evaluate", bundle, "--output", manifest), manifest, "a file of the model")
    assert manifest.read_bytes() == before


def test_what_is_written_on_the_way_counts_too(infer: Run, folder: Path) -> None:
    """A chain is written as chain.fits.part at first, and a table has a journal."""
    shutil.copy(folder / "obs.pha", folder / "chain.fits.part")
    _refused(infer(folder / "chain.fits.part", "--output", folder / "chain.fits"), "written first", "which is read")
    shutil.copy(folder / "obs.pha", folder / "t.ecsv.journal")
    done = infer(folder / "t.ecsv.journal", "--table", folder / "t.ecsv")
    _refused(done, folder / "t.ecsv.journal", "which is read")


def test_a_fit_and_a_report_spare_what_they_read(run: Run, folder: Path, tiny_bundle: Path) -> None:
    (folder / "obs.pha").rename(folder / "obs.xcm")
    before = _content(folder)
    for verb in ("fit", "report"):
        done = run(verb, folder / "obs.xcm", "--model", tiny_bundle, "--output", folder / "obs.xcm")
        _refused(done, folder / "obs.xcm", "which is read")
    assert _content(folder) == before


def test_a_signature_does_not_replace_the_key(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    key = bundle / "manifest.sig"
    key.write_text("-----BEGIN PRIVATE KEY-----")
    _refused(run("models", "sign", bundle, "--key", key), "the private key", key)
    assert key.exists()


@pytest.mark.parametrize("suffix", [".npz", ".json", ".csv", ".fits", ".nc", ".png", ".ecsv"])
def test_what_others_made_is_not_replaced_and_results_are(infer: Run, folder: Path, suffix: str) -> None:
    """Of every kind of file: an earlier run's gives way to a later one's, another program's does not."""
    pytest.importorskip("h5py") if suffix == ".nc" else None
    option = {".png": "--plot", ".ecsv": "--table"}.get(suffix, "--output")
    call = (folder / "obs.pha", "--samples", 20, "--no-refine", option, folder / f"post{suffix}")
    written = folder / ("post-corner.png" if suffix == ".png" else f"post{suffix}")
    written.write_text("# of another program\n")
    done = infer(*call)
    _refused(done, f"{written}: exists already and xspecnf did not write it")
    written.write_bytes(b"")  # as mktemp leaves it: nothing to lose
    for _ in range(2) if suffix != ".ecsv" else ():
        assert infer(*call).exit_code == 0
        assert written.stat().st_size > 0


def test_fits_and_pages_of_an_earlier_run_are_replaced(run: Run, folder: Path, tiny_bundle: Path) -> None:
    pytest.importorskip("corner")
    outputs = ("--output", folder / "fit.xcm", "--output", folder / "fit.json")
    page = ("--no-refine", "--samples", 20, "--output", folder / "page.html")
    for _ in range(2):
        assert run("fit", folder / "obs.pha", "--model", tiny_bundle, *outputs).exit_code == 0
        assert run("report", folder / "obs.pha", "--model", tiny_bundle, *page).exit_code == 0
    for name in ("fit.xcm", "page.html"):
        (folder / name).write_text("mine")
    _refused(run("fit", folder / "obs.pha", "--model", tiny_bundle, *outputs), "fit.xcm: exists already")
    _refused(run("report", folder / "obs.pha", "--model", tiny_bundle, *page), "page.html: exists already")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("--output", "a.fits"), ("--table", "a.fits")),
        (("--output", "obs-corner.png.csv"), ("--output", "./obs-corner.png.csv")),
        (("--output", "a.csv"), ("--output", "link/a.csv")),
    ],
)
def test_two_outputs_are_two_files(infer: Run, folder: Path, first: tuple, second: tuple) -> None:
    (folder / "link").symlink_to(folder)
    files = (first[0], folder / first[1], second[0], f"{folder}/{second[1]}")
    _refused(infer(folder / "obs.pha", *files), "would be the same file as --output", first[1])


def test_a_disk_that_takes_capitals_for_small_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [Target(tmp_path / name, "--output", own.RESULTS[".csv"]) for name in ("a.csv", "A.csv")]
    refuse_losses(targets, ())
    monkeypatch.setattr(losses, "_folds_case", lambda _: True)
    losses._folder.cache_clear()
    with pytest.raises(losses.typer.BadParameter, match=r"A\.csv: would be the same file as --output .*a\.csv"):
        refuse_losses(targets, ())
    losses._folder.cache_clear()


def test_headers_are_not_read_where_no_file_can_be_an_input(tmp_path: Path) -> None:
    """Outputs that are not there, and results of an earlier run: a batch that goes on begins at once."""

    def never() -> object:
        raise AssertionError
        yield

    (tmp_path / "done.csv").write_text("nH,log_prob,weight\n")
    targets = [Target(tmp_path / name, "--output", own.RESULTS[".csv"]) for name in ("done.csv", "new.csv")]
    refuse_losses(targets, (), never())  # type: ignore[arg-type]


def test_what_is_no_file_is_refused(infer: Run, run: Run, folder: Path) -> None:
    (folder / "post.csv").mkdir()
    _refused(infer(folder / "obs.pha", "--output", folder / "post.csv"), "is a folder, not a file")
    _refused(run("report", folder / "obs.pha", "--output", "/dev/null"), "is a device or pipe")


@pytest.mark.parametrize("option", ["--output", "--table", "--plot"])
def test_folders_are_made(infer: Run, folder: Path, option: str) -> None:
    pytest.importorskip("corner")
    suffix = {"--output": ".csv", "--table": ".ecsv", "--plot": ".png"}[option]
    done = infer(folder / "obs.pha", "--samples", 20, "--no-refine", option, f"{folder}/new/deep/post{suffix}")
    assert done.exit_code == 0, done.output
    assert all(path.is_file() for path in (folder / "new" / "deep").iterdir())
    assert (folder / "new" / "deep").iterdir()


@pytest.mark.parametrize("verb", ["infer", "fit", "report"])
def test_a_folder_that_cannot_be_made_is_refused(run: Run, folder: Path, verb: str) -> None:
    done = run(verb, folder / "obs.pha", "--output", folder / "list.txt" / "post.json")
    _refused(done, folder / "list.txt" / "post.json", "cannot be written to (File exists)")
    assert not (folder / "new").exists()


def test_wrong_usage_leaves_no_folder(infer: Run, folder: Path) -> None:
    infer(folder / "obs.pha", "--output", folder / "new" / "a.csv", "--output", folder / "new" / "a.csv")
    assert not (folder / "new").exists()


def test_an_evaluation_is_shown_though_it_cannot_be_written(
    run: Run, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("xspecnf.atomic.write_atomically", full)
    sizes = ("--spectra", 2, "--samples", 20, "--exact", 0, "--refined", 0, "--workers", 1)
    done = run("evaluate", tiny_bundle, *sizes, "--json", "--output", tmp_path / "figures.json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["sizes"]["spectra"] == 2
    assert f"{tmp_path / 'figures.json'}: No space left on device" in done.stderr
