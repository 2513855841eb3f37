"""Damaged files: a slice of benchmarks/mutants.py, which has ten thousand of them, and what hypothesis makes up."""

from __future__ import annotations

import gzip
import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xspecnf import read_observation
from xspecnf.errors import InputError
from xspecnf.observation import Observation
from xspecnf.ogip import read_arf, read_rmf, read_spectrum

MUTATIONS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "mutations.py"))
FILES: tuple[str, ...] = MUTATIONS["FILES"]
READERS: dict[str, Callable[[Path], Any]] = dict(
    zip(FILES, (read_spectrum, read_spectrum, read_rmf, read_arf), strict=True)
)
NUMBERS = ("counts", "background", "background_error", "exposure", "systematic", "good")
bounded = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def sound(example: Path) -> dict[str, bytes]:
    return MUTATIONS["originals"](example, sums=True)


@pytest.fixture(scope="module")
def folder(sound: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound files."""
    folder = tmp_path_factory.mktemp("sound")
    for name, content in sound.items():
        (folder / name).write_bytes(content)
    return folder


def observed(folder: Path, changed: dict[str, Path] | None = None) -> Observation:
    """What infer would read, with one of the files in another place."""
    source, background, rmf, arf = ((changed or {}).get(name, folder / name) for name in FILES)
    return read_observation(source, rmf=rmf, arf=arf, background=background)


def meaning(obs: Observation) -> bytes:
    return b"".join(np.asarray(getattr(obs, name)).tobytes() for name in NUMBERS) + obs.response.matrix.tobytes()


def test_mutants_are_refused_noted_or_mean_the_same(folder, tmp_path, sound):
    expected = observed(folder)
    assert expected.notes == ()
    refused = 0
    for number in range(1, 121):
        name, mutation, content = MUTATIONS["mutant"](sound, 0, number)
        if mutation == "bomb":
            continue
        path = tmp_path / f"{number}-{name}"  # a name of its own: responses are cached
        path.write_bytes(content)
        found = answer(partial(observed, folder, {name: path}))
        if isinstance(found, str):
            assert any(file in found for file in FILES), (number, found)
            refused += 1
        else:
            assert found.notes or meaning(found) == meaning(expected), (number, mutation)
    assert refused > 30


@pytest.mark.parametrize("rows", [-404, -(10**6)])
def test_table_of_negative_length_is_refused(tmp_path, sound, rows):
    """From its end astropy goes back to where it began, and so on until there is no memory left."""
    at = sound["source.pha"].rindex(b"NAXIS2") + 10
    content = sound["source.pha"][:at] + b"%20d" % rows + sound["source.pha"][at + 20 :]
    (tmp_path / "a.fits").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.fits"):
        read_spectrum(tmp_path / "a.fits")


@pytest.mark.parametrize("name", FILES)
@bounded
@given(data=st.data())
def test_overwritten_bytes_raise_nothing_but_an_input_error(name, tmp_path, sound, data):
    content = bytearray(sound[name])
    for _ in range(data.draw(st.integers(1, 4))):
        new = data.draw(st.binary(min_size=1, max_size=12))
        at = data.draw(st.integers(0, min(len(content), 20_000) - len(new)))
        content[at : at + len(new)] = new
    read_or_refuse(name, tmp_path / "a.fits", bytes(content))


@pytest.mark.parametrize("name", FILES)
@bounded
@given(cut=st.integers(0, 20_000), packed=st.booleans())
def test_cut_files_raise_nothing_but_an_input_error(name, tmp_path, sound, cut, packed):
    content = gzip.compress(sound[name], 1)[:cut] if packed else sound[name][:cut]
    read_or_refuse(name, tmp_path / "a.fits", content)


@bounded
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"SIMPLE  =", b"SIMPLE  =                    T", b"\x1f\x8b\x08"])
)
def test_noise_is_refused(tmp_path, noise, begin):
    (tmp_path / "a.fits").write_bytes(begin + noise)
    with pytest.raises(InputError, match=r"a\.fits"):
        read_spectrum(tmp_path / "a.fits")


def read_or_refuse(name: str, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = answer(partial(READERS[name], path))
    assert not isinstance(found, str) or path.name in found


def answer(reader: Callable[[], Any]) -> Any:
    """What was read, or the words of the refusal."""
    try:
        return reader()
    except InputError as error:
        return str(error)
