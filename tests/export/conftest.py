"""A small finished run: real configuration and response, small networks whose weights were moved as training would."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from xspecnf.grid import NICER
from xspecnf.response import Response
from xspecnf_export import export
from xspecnf_train.config import TrainConfig
from xspecnf_train.model import Networks

CONFIG = """
name = "small"
version = "0.0.1"
description = "A small network for tests."
seed = 1
[simulator]
[encoder]
kind = "dense"
context_size = 6
width = 16
blocks = 1
[flow]
gaussian_head = true
head_features = 8
transforms = 1
hidden_features = 12
num_blocks = 2
num_bins = 6
[decoder]
hidden = [16, 240]
recurrence_shortcut = true
log_norm_linear = true
[rate_stage]
epochs = 1
[decoder_stage]
epochs = 1
[joint_stage]
epochs = 1
"""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.toml").write_text(CONFIG)
    networks = Networks(TrainConfig.load(folder / "config.toml"))
    save_file(moved(networks).state_dict(), folder / "weights.safetensors")
    Response(np.linspace(0.3, 10, 31), np.ones((30, NICER.bins)), "flat").save(folder / "response.npz")
    (folder / "provenance.json").write_text('{"seed": 1, "hardware": "a test"}')
    (folder / "metrics.json").write_text('{"coverage": {"1e3-1e4": 0.68}}')
    return folder


@pytest.fixture(scope="session")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run exported, with packages for CoreML."""
    pytest.importorskip("coremltools", reason="pip install '.[export]'")
    return export(run, tmp_path_factory.mktemp("bundles") / "small-bundle")


def moved(networks: torch.nn.Module, scale: float = 0.05) -> torch.nn.Module:
    """The networks with every weight moved by normal noise of `scale`."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in networks.parameters():
            weight += scale * torch.randn(weight.shape, generator=generator)
    return networks


@pytest.fixture(scope="session", autouse=True)
def few_contexts() -> Iterator[None]:
    """A small reference of contexts, and a comparison of packages on few spectra: they take seconds at full size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xspecnf_export.coreml.CHECKED", (10, 20))
        patch.setattr("xspecnf_export.novelty.SAMPLE", 100)
        patch.setattr("xspecnf_export.novelty.FURTHER", 50)
        yield
