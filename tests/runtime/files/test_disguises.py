"""One observation in many disguises: however its files number, order, name and pack it, it is read as the plain one.

Each seed draws a disguise at random: the first channel's number, the order of rows, falling energies, counts or rates,
their units, scale factors as keywords or columns, dead and undefined channels, tables with names of their own or behind
others, matrices in pieces, gzip, and what the headers say of the companions, with decoys in the current folder.
"""

import gzip
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from xspecnf.observation import Observation, read_observation

CHANNELS, ENERGIES = 1501, 60
EDGES = np.linspace(0.1, 12.0, ENERGIES + 1)
EXPOSURE, LENGTH = 400.0, 900.0
"""Seconds, of the source and of the background."""

DEAD = slice(600, 640)
"""Channels without a value."""

COMMON = {"TELESCOP": "NICER", "INSTRUME": "XTI", "HDUCLASS": "OGIP"}


@dataclass(frozen=True)
class Disguise:
    """How the files of the observation look."""

    first: int = 0
    descending: bool = False
    shuffled: bool = False
    unit: str = ""  # of a rate; '' for counts
    scales: str = "keyword"
    dead: str = "flagged"
    placed: str = "plain"  # the spectrum's table
    classed: bool = False
    pieces: int = 1
    falling: bool = False  # rows of the matrix
    companions: str = "relative"
    packed: bool = False
    folder: str = "night"
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    @classmethod
    def draw(cls, seed: int) -> "Disguise":
        random = np.random.default_rng(seed)

        def one(*values: Any) -> Any:
            return values[random.integers(len(values))]

        return cls(
            first=one(0, 1, 7, 100),
            descending=one(False, True),
            shuffled=one(False, True),
            unit=one("", "count/s", "counts/ks", "ct min-1", "s**-1"),
            scales=one("keyword", "column"),
            dead=one("flagged", "no area", "undefined", "unflagged area", "not finite"),
            placed=one("plain", "second", "by name", "by number", "by version", "row"),
            classed=one(False, True),
            pieces=one(1, 2, 5),
            falling=one(False, True),
            companions=one("relative", "absolute", "windows", "elsewhere", "by name", "option"),
            packed=one(False, True),
            folder=one("night", "night 1", "run[1]", "a{2}", "GX_339+4"),
            random=random,
        )


def expected_counts() -> tuple[np.ndarray, np.ndarray]:
    """Of source and background (channels,), by rising energy; zero in dead channels."""
    random = np.random.default_rng(1)
    counts, background = random.poisson(50, CHANNELS).astype(float), random.poisson(30, CHANNELS).astype(float)
    counts[DEAD] = background[DEAD] = 0
    return counts, background


def dense_matrix() -> np.ndarray:
    """(ENERGIES, CHANNELS): Gaussian lines."""
    centre = (EDGES[1:] + EDGES[:-1])[:, None] / 2
    channel = (np.arange(CHANNELS) + 0.5) * 0.01
    lines = np.exp(-(((channel - centre) / 0.2) ** 2) / 2)
    return lines / lines.sum(axis=1, keepdims=True)


def spectrum_columns(counts: np.ndarray, exposure: float, look: Disguise, kind: str) -> list[fits.Column]:
    """The columns of a type I table, a row a channel."""
    scale = {"BACKSCAL": np.full(CHANNELS, 2.0 if kind == "source" else 3.0), "AREASCAL": np.full(CHANNELS, 0.5)}
    quality = np.zeros(CHANNELS, int)
    values, null = counts.copy(), None
    if look.dead != "unflagged area" and look.dead != "undefined":
        quality[DEAD] = 1
    if "area" in look.dead:
        scale["AREASCAL"][DEAD] = 0
    if look.dead == "not finite":
        scale["BACKSCAL"][DEAD] = np.nan
    rate = {"": 1.0, "count/s": exposure, "counts/ks": exposure / 1e3, "ct min-1": exposure / 60, "s**-1": exposure}
    if look.dead == "undefined":
        null = 65535 if not look.unit else None
        values[DEAD] = 65535 if not look.unit else np.nan
        quality[DEAD] = 1 if look.unit else 0
    name = "RATE" if look.unit else "COUNTS"
    columns = [fits.Column(name, "D" if look.unit else "J", array=values / rate[look.unit], unit=look.unit, null=null)]
    columns.append(fits.Column("QUALITY", "I", array=quality))
    columns.append(fits.Column("GROUPING", "I", array=look.random.choice([1, -1], CHANNELS)))
    if kind == "background":
        error = np.sqrt(counts + 4) / rate[look.unit]
        columns.append(fits.Column("STAT_ERR", "D", array=error, unit=look.unit))
        columns.append(fits.Column("SYS_ERR", "D", array=np.full(CHANNELS, 0.1)))
    if look.scales == "column" or look.dead in ("no area", "unflagged area", "not finite"):
        columns += [fits.Column(key, "D", array=value) for key, value in scale.items()]
    return columns


def spectrum_table(counts: np.ndarray, exposure: float, look: Disguise, kind: str) -> fits.BinTableHDU:
    label = look.first + (np.arange(CHANNELS)[::-1] if look.descending else np.arange(CHANNELS))
    columns = [fits.Column("CHANNEL", "J", array=label), *spectrum_columns(counts, exposure, look, kind)]
    table = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    if look.shuffled:
        table.data = table.data[look.random.permutation(CHANNELS)]
    table.header.update(COMMON | {"EXPOSURE": exposure, "DETCHANS": CHANNELS, "HDUCLAS1": "SPECTRUM"})
    defaults = {"BACKSCAL": 2.0 if kind == "source" else 3.0, "AREASCAL": 0.5, "SYS_ERR": 0.0}
    table.header.update({key: value for key, value in defaults.items() if key not in table.columns.names})
    table.header["HDUCLAS2"] = "BKG" if kind == "background" else "TOTAL"
    return table


def as_row(table: fits.BinTableHDU) -> fits.BinTableHDU:
    """The second row of a type II table; the first is another spectrum."""
    columns = []
    for column in table.columns:
        values = np.asarray(table.data[column.name])
        other = np.ones_like(values) if column.name in ("COUNTS", "RATE") else values
        columns.append(
            fits.Column(
                column.name,
                f"{CHANNELS}{column.format}",
                array=np.stack([other, values]),
                unit=column.unit,
                null=column.null,
            )
        )
    whole = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    kept = (*COMMON, "EXPOSURE", "DETCHANS", "HDUCLAS1", "HDUCLAS2", "BACKSCAL", "AREASCAL", "SYS_ERR")
    names = [*kept, "RESPFILE", "ANCRFILE", "BACKFILE"]
    whole.header.update({key: table.header[key] for key in names if key in table.header})
    whole.header["HDUCLAS4"] = "TYPE:II"
    return whole


def write(path: Path, *tables: fits.BinTableHDU, packed: bool = False) -> Path:
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return path


def write_spectrum(path: Path, table: fits.BinTableHDU, look: Disguise) -> str:
    """Write a spectrum's table behind what the disguise puts before it; returns the name to ask for."""
    other = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[0.0])], name="GTI")
    twin = table.copy()
    twin.data["QUALITY"][:] = 5
    twin.name = "SPECTRUM"
    if look.placed == "row":
        write(path, other, as_row(table))
        return f"{path}{{2}}"
    if look.placed in ("plain", "second"):
        if look.classed:
            table.name = "XTI-PHA1-SPE"
        write(path, *([other] if look.placed == "second" else []), table)
        return str(path)
    if look.placed == "by version":
        write(path, twin, other, table)
        return f"{path}[SPECTRUM,2]"
    table.name = "OF_NIGHT"
    write(path, twin, table)
    return f"{path}[of_night]" if look.placed == "by name" else f"{path}[2]"


def response_tables(look: Disguise) -> list[fits.BinTableHDU]:
    dense, low, high = dense_matrix(), 0.01 * np.arange(CHANNELS), 0.01 * np.arange(1, CHANNELS + 1)
    label = look.first + np.arange(CHANNELS)
    if look.descending:
        dense, low, high = dense[:, ::-1], low[::-1], high[::-1]
    tables = [matrix_table(share * dense, look) for share in look.random.dirichlet(np.ones(look.pieces))]
    columns = [fits.Column("CHANNEL", "J", array=label)]
    columns += [fits.Column(k, "D", unit="keV", array=v) for k, v in (("E_MIN", low), ("E_MAX", high))]
    bounds = fits.BinTableHDU.from_columns(columns, name="XTI-EBDS-MOD" if look.classed else "EBOUNDS")
    if look.shuffled:
        bounds.data = bounds.data[look.random.permutation(CHANNELS)]
    bounds.header.update(COMMON | {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "EBOUNDS"})
    return [bounds, *tables] if look.shuffled else [*tables, bounds]


def matrix_table(dense: np.ndarray, look: Disguise) -> fits.BinTableHDU:
    order = slice(None, None, -1) if look.falling else slice(None)
    columns = [
        fits.Column("ENERG_LO", "D", unit="keV", array=EDGES[:-1][order]),
        fits.Column("ENERG_HI", "D", unit="keV", array=EDGES[1:][order]),
        fits.Column("N_GRP", "I", array=np.ones(ENERGIES)),
        fits.Column("F_CHAN", "I", array=np.full(ENERGIES, look.first)),
        fits.Column("N_CHAN", "I", array=np.full(ENERGIES, CHANNELS)),
        fits.Column("MATRIX", f"{CHANNELS}D", array=dense[order]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="XTI-RMF.-RSP" if look.classed else "MATRIX")
    table.header.update(COMMON | {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "RSP_MATRIX", "TLMIN4": look.first})
    return table


def arf_table(look: Disguise) -> fits.BinTableHDU:
    columns = [
        fits.Column("ENERG_LO", "D", unit="keV", array=EDGES[:-1]),
        fits.Column("ENERG_HI", "D", unit="keV", array=EDGES[1:]),
        fits.Column("SPECRESP", "D", unit="cm**2", array=np.linspace(500, 1500, ENERGIES)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="XTI-ARF" if look.classed else "SPECRESP")
    table.header.update(COMMON | {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "SPECRESP"})
    return table


def observe(folder: Path, look: Disguise, elsewhere: Path) -> Observation:
    """Write the files of a disguise and read them, from another folder that holds decoys of the same names."""
    home = folder / look.folder
    home.mkdir(parents=True)
    beside = home / "sub" if look.companions == "elsewhere" else home
    beside.mkdir(exist_ok=True)
    names = {"RESPFILE": "src.rmf", "ANCRFILE": "src.arf", "BACKFILE": "src_bg.pha"}
    said = {
        "relative": "{name}",
        "absolute": f"{beside}/{{name}}".replace("a{2}", "a{{2}}"),
        "windows": "D:\\nicer\\data\\{name}",
        "elsewhere": "sub/{name}",
        "by name": "none",
        "option": "no/such/{name}",
    }[look.companions]
    counts, background = expected_counts()
    source = spectrum_table(counts, EXPOSURE, look, "source")
    for key, name in names.items():
        source.header[key] = said.format(name=name)
    named = write_spectrum(home / "src.pha", source, look)
    write(beside / "src.rmf", *response_tables(look), packed=look.packed)
    write(beside / "src.arf", arf_table(look), packed=look.packed)
    measured = spectrum_table(background, LENGTH, look, "background")
    write(beside / "src_bg.pha", measured, packed=look.packed)
    for name in names.values():
        (elsewhere / name).write_text("a decoy")
    ending = ".gz" if look.packed else ""
    options = {"rmf": "src.rmf", "arf": "src.arf", "background": "src_bg.pha"} if look.companions == "option" else {}
    return read_observation(named, **{key: f"{home}/{name}{ending}" for key, name in options.items()})


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("seed", range(40))
def test_every_disguise_is_the_plain_observation(tmp_path: Path, elsewhere: Path, seed: int) -> None:
    look = Disguise.draw(seed)
    plain, found = observe(tmp_path / "a", Disguise(), elsewhere), observe(tmp_path / "b", look, elsewhere)
    good = plain.good
    assert np.array_equal(found.good, good)
    assert 0 < np.count_nonzero(~good) < 20
    for name in ("counts", "background", "background_error", "systematic"):
        np.testing.assert_allclose(getattr(found, name)[good], getattr(plain, name)[good], rtol=1e-6)
    np.testing.assert_allclose(found.response.matrix[:, good], plain.response.matrix[:, good], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.response.energy_edges, plain.response.energy_edges)
    assert found.exposure == plain.exposure
    assert found.files is not None
    assert (tmp_path / "b" / look.folder) in found.files.background.parents
    left_out = [note for note in found.notes if "hold no value" in note]
    assert len(left_out) == (2 if look.dead == "unflagged area" or (look.dead == "undefined" and not look.unit) else 0)


def test_numberings_that_disagree_are_named(tmp_path: Path, elsewhere: Path) -> None:
    from xspecnf.errors import InputError

    observe(tmp_path, Disguise(first=1), elsewhere)
    home = tmp_path / "night"
    os.remove(home / "src.rmf")
    write(home / "src.rmf", *response_tables(Disguise(first=0)))
    with pytest.raises(InputError, match=r"numbered from 1, those of src\.rmf x src\.arf from 0"):
        read_observation(home / "src.pha")
    os.remove(home / "src.rmf")
    matrix, bounds = response_tables(Disguise(first=1))
    matrix.header["TLMIN4"] = 0
    write(home / "src.rmf", matrix, bounds)
    with pytest.raises(InputError, match=r"numbers the channels from 0 \(TLMIN\), its EBOUNDS from 1"):
        read_observation(home / "src.pha")


def test_one_matrix_of_several_can_be_chosen(tmp_path: Path, elsewhere: Path) -> None:
    whole = observe(tmp_path, Disguise(pieces=2), elsewhere)
    source, rmf = tmp_path / "night/src.pha", tmp_path / "night/src.rmf"
    parts = [read_observation(source, rmf=f"{rmf}{behind}") for behind in ("{1}", "[2]")]
    total = sum(part.response.matrix for part in parts)
    np.testing.assert_allclose(total, whole.response.matrix, rtol=1e-6, atol=1e-30)
    assert "src.rmf: its 2 matrices were added up" in whole.notes
    assert not any("added up" in note for part in parts for note in part.notes)


@pytest.mark.parametrize("look", [Disguise(first=7), Disguise(descending=True), Disguise(first=1, descending=True)])
def test_a_simulation_numbers_its_channels_as_the_response_does(
    tmp_path: Path, elsewhere: Path, look: Disguise
) -> None:
    """The same seed gives the same counts at the same energies, and what is written is read with its response."""
    from xspecnf.simulation import Setup, simulate_file

    counts = []
    for name, disguise in (("plain", Disguise()), ("other", look)):
        observe(tmp_path / name, disguise, elsewhere)
        home = tmp_path / name / "night"
        files = (home / "src.rmf", home / "src.arf")
        setup = Setup((0.5, 2.0, 0.1, 0.5, 1e3), 100.0, *files)
        simulate_file(setup, home / "sim.pha", seed=4)
        counts.append(read_observation(home / "sim.pha").counts)
    assert counts[0].sum() > 1000
    np.testing.assert_array_equal(*counts)
