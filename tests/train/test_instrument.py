"""Another instrument: its grid by resolution, its files, its background, and the road from them to a bundle."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import xspecnf
from xspecnf.edges import Numbering
from xspecnf.errors import InputError
from xspecnf.grid import NICER, Grid
from xspecnf.observation import read_observation
from xspecnf.ogip import Rmf
from xspecnf.response import Response
from xspecnf_export import export
from xspecnf_train.backgrounds import measured_beside, tilted_shapes
from xspecnf_train.evaluate.population import fresh_spectra
from xspecnf_train.instrument import GridConfig, Instrument, InstrumentConfig, line_width, resolution_grid
from xspecnf_train.real import RealFiles
from xspecnf_train.run import train
from xspecnf_train.simulate import Simulator, SimulatorConfig

CONFIG = Path(__file__).parents[2] / "train" / "xspecnf_train" / "configs" / "chandra-acis.toml"
CHANDRA = InstrumentConfig("obs1.rmf", "obs1.arf", "9774_bg.pi", GridConfig((0.5, 8.0), 96))

FWHM = 0.1
"""keV at 1 keV; it grows with the root of the energy, as a silicon detector's does."""


@pytest.fixture(scope="module")
def rmf() -> Rmf:
    """Gaussian lines on channels that widen with energy; the first one is number 1."""
    edges, channel_edges = np.linspace(0.3, 10, 400), np.geomspace(0.2, 12, 900)
    middle = (edges[1:] + edges[:-1]) / 2
    centre, width = (channel_edges[1:] + channel_edges[:-1]) / 2, np.diff(channel_edges)
    sigma = FWHM * np.sqrt(middle)[:, None] / 2.3548
    matrix = np.exp(-0.5 * ((centre - middle[:, None]) / sigma) ** 2) * width
    matrix /= matrix.sum(axis=1, keepdims=True)
    energy, channel = np.indices(matrix.shape).reshape(2, -1)
    return Rmf(
        Path("xis.rmf"),
        edges,
        energy,
        channel,
        matrix.ravel(),
        channel_edges,
        Numbering(1),
        telescope="SUZAKU",
        instrument="XIS",
    )


@pytest.fixture(scope="module")
def ogip(shared: Path) -> Path:
    return shared / "ogip"


@pytest.fixture(scope="module")
def chandra(ogip: Path) -> Instrument:
    return Instrument.read(CHANDRA, ogip)


def test_the_width_of_gaussian_lines_is_found(rmf: Rmf) -> None:
    middle = (rmf.energy_edges[1:] + rmf.energy_edges[:-1]) / 2
    inside = (middle > 0.5) & (middle < 9)
    np.testing.assert_allclose(line_width(rmf)[inside], FWHM * np.sqrt(middle[inside]), rtol=0.03)


def test_bins_share_the_resolution(rmf: Rmf) -> None:
    """The integral of dE / FWHM over a bin is 2 (sqrt(b) - sqrt(a)) / FWHM at 1 keV, the same but for the channels."""
    grid = resolution_grid(rmf, GridConfig((0.5, 8.0), 60))
    elements = 2 * (np.sqrt(grid.energy_hi) - np.sqrt(grid.energy_lo)) / FWHM
    channel = np.diff(rmf.channel_edges)[grid.first_channel] / (FWHM * np.sqrt(grid.energy))
    assert np.all(np.abs(elements - elements.mean()) < channel + 0.03 * elements.mean())
    np.testing.assert_array_equal(grid.energy_lo[1:], grid.energy_hi[:-1])
    assert grid.energy_lo[0] == pytest.approx(0.5, abs=0.01)
    assert grid.energy_hi[-1] == pytest.approx(8.0, abs=0.05)
    assert (grid.bins, grid.channels, grid.lowest_channel, grid.detector) == (60, 899, 1, "SUZAKU XIS")
    assert Grid.from_dict(grid.to_dict()) == grid


def test_more_bins_than_channels_are_refused(rmf: Rmf) -> None:
    with pytest.raises(InputError, match=r"xis.rmf: \d+ channels between 0.5 and 1 keV cannot make 300 bins"):
        resolution_grid(rmf, GridConfig((0.5, 1.0), 300))


def test_a_run_keeps_its_instrument(chandra: Instrument, tmp_path: Path) -> None:
    chandra.save(tmp_path)
    kept = Instrument.load(tmp_path)
    assert kept.response.grid == chandra.response.grid
    assert kept.background_shape == chandra.background_shape
    np.testing.assert_allclose(kept.response.matrix, chandra.response.matrix, rtol=1e-6)


def test_a_run_without_an_instrument_is_of_nicer(tmp_path: Path) -> None:
    Response(np.linspace(0.3, 10, 31), np.ones((30, NICER.bins)), "flat").save(tmp_path / "response.npz")
    kept = Instrument.load(tmp_path)
    assert kept.response.grid == NICER
    assert kept.simulated_by(SimulatorConfig()) == SimulatorConfig()


def test_the_background_has_the_shape_of_its_file(chandra: Instrument, ogip: Path) -> None:
    grid = chandra.response.grid
    shape = np.array(chandra.background_shape)
    assert shape.sum() == pytest.approx(1, abs=1e-5)
    counts = read_observation(ogip / "9774.pi", grid=grid).background
    soft = grid.energy < 2
    assert shape[soft].sum() == pytest.approx(counts[soft].sum() / counts.sum(), abs=0.05)
    tilted = tilted_shapes(chandra.background_shape, grid, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(tilted.sum(axis=1), 1)
    np.testing.assert_allclose(np.median(tilted, axis=0), shape, rtol=0.1)


def test_a_detector_of_another_telescope(ogip: Path) -> None:
    asca = InstrumentConfig("s0_mar24.rmf", "s0_mar24.arf", grid=GridConfig((0.6, 9.0), 64))
    grid = Instrument.read(asca, ogip).response.grid
    assert (grid.bins, grid.detector) == (64, "ASCA SIS0")
    assert read_observation(ogip / "s0_mar24_bin.pha", grid=grid).counts.sum() > 1000
    with pytest.raises(InputError, match="TELESCOP = 'CHANDRA', INSTRUME = 'ACIS', not a ASCA SIS0 spectrum"):
        read_observation(ogip / "9774.pi", grid=grid)


def test_real_spectra_are_read_on_the_grid_without_their_backgrounds(
    chandra: Instrument, ogip: Path, tmp_path: Path
) -> None:
    for name in ("9774.pi", "9774_bg.pi", "9774.arf", "9774.rmf"):
        (tmp_path / name).symlink_to(ogip / name)
    (obs,) = RealFiles(tmp_path).read(None, chandra.response, report=pytest.fail)
    assert (obs.name, obs.response.grid) == ("9774.pi", chandra.response.grid)
    assert obs.has_background


def test_a_background_beside_the_source_scatters_as_it_says() -> None:
    expected = np.full((500, 40), 300.0)
    background, error = measured_beside(expected, (0.1, 0.1), np.random.default_rng(0))
    pull = (background - expected) / error
    assert pull.mean() == pytest.approx(0, abs=0.03)
    assert pull.std() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(error, np.sqrt(0.1 * background))


def test_the_simulator_works_on_the_grid(chandra: Instrument) -> None:
    config = chandra.simulated_by(SimulatorConfig(pool=500, detectors=(1, 1), all_detectors=1, area_scatter=0.0))
    batch = Simulator(config, chandra.response, seed=1).draw(50, np.random.default_rng(0))
    assert batch.features().shape == (50, 10, 96)
    exposure = batch.sensitivity / (chandra.response.grid.width * chandra.response.effective_area)
    np.testing.assert_allclose(exposure, exposure[:, :1].repeat(96, axis=1))
    for obs in batch.observations(chandra.response):
        np.testing.assert_array_equal(obs.energy_lo, chandra.response.grid.energy_lo)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (InstrumentConfig(), r"\[instrument\] names no rmf"),
        (InstrumentConfig("obs1.rmf", grid=CHANDRA.grid), "obs1.rmf: holds no effective area; name an arf"),
        (InstrumentConfig("obs1.rmf", "obs1.arf"), "obs1.rmf: has 1024 channels, the network's grid has 1501"),
        (
            InstrumentConfig("obs1.rmf", "obs1.arf", "hxmt/P011160506306_HE_BKG.fits", CHANDRA.grid),
            "not on the channels",
        ),
        (
            InstrumentConfig("hxmt/P011160506306_HE_RSP.fits", grid=GridConfig((30.0, 200.0), 32)),
            "come from photons outside 0.1-20 keV",
        ),
    ],
    ids=["no rmf", "no area", "NICER's grid", "a foreign background", "hard X-rays"],
)
def test_what_cannot_be_an_instrument_is_refused(config: InstrumentConfig, message: str, ogip: Path) -> None:
    with pytest.raises(InputError, match=message):
        Instrument.read(config, ogip)


def test_the_road_to_a_bundle_of_another_instrument(
    ogip: Path, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xspecnf_export.novelty.SAMPLE", 100)  # seconds at full size
    monkeypatch.setattr("xspecnf_export.novelty.FURTHER", 50)
    text = CONFIG.read_text().replace("../../../../shared/data/ogip", str(ogip))
    small = {"pool": 800, "epochs": 2, "steps": 2, "batch": 16, "width": 16, "transforms": 2, "hidden_features": 16}
    for key, value in small.items():
        text = re.sub(rf"(?m)^{key} = \d+", f"{key} = {value}", text)
    config = tmp_path / "chandra-acis.toml"
    config.write_text(text)
    run = train(config, tmp_path / "run", report=lambda _: None)
    model = xspecnf.load_model(export(run, tmp_path / "bundle", coreml=False))
    grid = model.bundle.grid
    assert (model.bundle.instrument, grid.bins, grid.detector) == ("CHANDRA", 96, "CHANDRA ACIS")
    obs = read_observation(ogip / "9774.pi", grid=grid)
    assert model.infer(obs, samples=20).theta.shape == (20, 5)
    batch = fresh_spectra(model, 20, seed=1)
    assert batch.grid == grid
    assert (batch.background > 0).any()
    with pytest.raises(InputError, match="not a CHANDRA ACIS spectrum"):
        read_observation(example, grid=grid)
    with pytest.raises(InputError, match="on 240 bins of NICER, the bundle bundle takes 96 bins of CHANDRA ACIS"):
        model.infer(read_observation(example))
