"""Configurations: the committed ones load, a wrong one is refused before anything starts, with its file and setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from xspecnf.errors import InputError
from xspecnf.features import CONSTANT_FEATURES, FEATURES
from xspecnf_train.config import RealConfig, StageConfig, TrainConfig
from xspecnf_train.simulate import SimulatorConfig
from xspecnf_train.tables import build

CONFIGS = Path(__file__).parents[2] / "train" / "xspecnf_train" / "configs"

MINIMAL = """
name = "tiny"
version = "1"
description = "for a test"
seed = 1
[encoder]
kind = "dense"
[flow]
[decoder]
[simulator]
counts = [100, 1e6]
[rate_stage]
epochs = 1
[decoder_stage]
epochs = 1
[joint_stage]
epochs = 3
learning_rate = 1
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], TrainConfig]:
    """load(text) -> the configuration that a file with that text gives."""

    def write_and_load(text: str) -> TrainConfig:
        path = tmp_path / "run.toml"
        path.write_text(text)
        return TrainConfig.load(path)

    return write_and_load


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: path.stem)
def test_the_committed_configurations_load(path: Path) -> None:
    config = TrainConfig.load(path)
    assert config.name == path.stem
    assert config.encoder.channels == len(FEATURES)
    assert config.flow.context_size == config.encoder.context_features
    for file in (config.instrument.rmf, config.instrument.arf):
        assert "/shared/" in file or (path.parent / file).exists()


def test_channels_follow_from_the_features(load: Callable[[str], TrainConfig]) -> None:
    config = load(MINIMAL)
    names = [FEATURES[channel] for channel in config.encoder.constants]
    assert names == list(CONSTANT_FEATURES)
    assert FEATURES[config.encoder.rate_channel] == "log_rate"
    assert config.simulator.counts == (100, 1e6)
    assert config.joint_stage == StageConfig(epochs=3, learning_rate=1)
    assert config.real_stage is None
    assert load(MINIMAL + "[real_stage]\nepochs = 2\nlabels = 8").real_stage == RealConfig(epochs=2, labels=8)


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("seed = 1", "seed = 1\nsede = 2", r"the top has no setting sede; it has name, version"),
        ("seed = 1", "seed = 1.5", r"the top: seed = 1.5 should be a whole number"),
        ("seed = 1", "", r"the top lacks seed"),
        ("seed = 1", "seed = ", r"not a readable TOML configuration"),
        ("[flow]", "[flow]\ntransform = 3", r"\[flow\] has no setting transform; it has coordinates"),
        ("[flow]", "[flow]\ncontext_size = 3", r"\[flow\] has no setting context_size"),
        ("[flow]", "[flow]\nrate_hidden = [64, 0.5]", r"\[flow\]: rate_hidden = \[64, 0.5\] should be a list of whole"),
        ("[flow]", "[flow]\ngaussian_head = 1", r"\[flow\]: gaussian_head = 1 should be true or false"),
        ("[flow]", '[flow]\ncoordinates = "polar"', r'flow: coordinates is "polar"'),
        ("[flow]", "", r"there is no table \[flow\]"),
        ("[flow]", "[[flow]]", r"there is no table \[flow\]"),
        ('kind = "dense"', 'kind = "deep"', r'encoder: kind is "deep"'),
        ('kind = "dense"', "", r"\[encoder\] lacks kind"),
        ("epochs = 3", 'epochs = "three"', r"\[joint_stage\]: epochs = 'three' should be a whole number"),
        ("epochs = 3", "epochs = true", r"\[joint_stage\]: epochs = True should be a whole number"),
        ("epochs = 3", "epochs = 0", r"\[joint_stage\]: epochs, steps.* must be at least 1"),
        ("epochs = 3", "", r"\[joint_stage\] lacks epochs"),
        (
            "epochs = 3",
            'epochs = 3\nschedule = "steps"',
            r"\[joint_stage\]: schedule is 'steps'; use cosine or plateau",
        ),
        ("epochs = 3", 'epochs = 3\noptimiser = "sgd"', r"\[joint_stage\]: optimiser is 'sgd'; use adamw or muon"),
        ("epochs = 3", "epochs = 3\nflow = -1", r"weights of the losses .* cannot be negative"),
        ("epochs = 3", "epochs = 3\nnoise = 0.5", r"\[joint_stage\]: noise is 0.5; use 1, or 0"),
        ("epochs = 3", "epochs = 3\nplateau_patience = 0", r"plateau_patience must be at least 1"),
        ("epochs = 3", "epochs = 3\nrestarts = [2, 3]", r"restarts is \[2, 3\]; give rising epochs between 0 and 3"),
        ("counts = [100, 1e6]", "counts = 100", r"\[simulator\]: counts = 100 should be a list of 2 numbers"),
        ("counts = [100, 1e6]", "counts = [1, 2, 3]", r"counts = \[1, 2, 3\] should be a list of 2 numbers"),
        ("counts = [100, 1e6]", "counts = [1e6, 100]", r"\[simulator\]: counts must be an interval"),
        ("counts = [100, 1e6]", "all_detectors = 0", r"\[simulator\]: all_detectors must be at least 1"),
        ("counts = [100, 1e6]", "background_shape = [1, 2]", r"\[simulator\] has no setting background_shape"),
        ("counts = [100, 1e6]", "bad_share = 1.2", r"\[simulator\]: bad_share is a share between 0 and 1"),
        ("[decoder]", "[response]\nrmf = 'a'\n[decoder]", r"\[response\] is called \[instrument\] now"),
        ("seed = 1", "seed = 1\ninstrument = 'XRT'", r"there is no table \[instrument\]"),
        ("[decoder]", "[instrument]\nrmf = 3\n[decoder]", r"\[instrument\]: rmf = 3 should be text"),
        ("[decoder]", "[instrument.grid]\nbins = 64\n[decoder]", r"\[instrument.grid\] lacks energy"),
        ("[decoder]", "[instrument.grid]\nenergy = [1, 5]\nbins = 9\n[decoder]", r"grid\]: bins is 9; use 32"),
        ("[decoder]", "[instrument.grid]\nenergy = [5, 1]\nbins = 64\n[decoder]", r"energy must be a rising interval"),
        ("[decoder]", "[real_stage]\nepochs = 1\nheld_out = 1.5\n[decoder]", r"\[real_stage\]: .*held_out"),
        ("[decoder]", "[real_stage]\nepochs = 1\nreverse = 1\n[decoder]", r"\[real_stage\]: reverse needs the counts"),
        (
            "[decoder]",
            '[real_stage]\nepochs = 1\nlabel = "map"\n[decoder]',
            r"\[real_stage\]: label is 'map'; use",
        ),
    ],
)
def test_a_wrong_setting_is_named(load: Callable[[str], TrainConfig], found: str, instead: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"run\.toml: .*{message}"):
        load(MINIMAL.replace(found, instead, 1))


def test_a_start_must_leave_something_to_learn(load: Callable[[str], TrainConfig]) -> None:
    text = MINIMAL.replace("seed = 1", 'seed = 1\nstart = "other.toml"')
    with pytest.raises(InputError, match=r"run\.toml: start leaves nothing to learn"):
        load(text)
    assert load(f"{text}[polish_stage]\nepochs = 1\n").start == "other.toml"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml: not a readable TOML configuration"):
        TrainConfig.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("settings", [{}, {"systematic": (0.01, 0.02), "pool": 10}])
def test_settings_survive_the_manifest(settings: dict[str, Any]) -> None:
    """JSON turns pairs into lists; the simulator's settings come back the same."""
    config = SimulatorConfig(**settings)
    table = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    assert build(SimulatorConfig, "simulator", table) == config
