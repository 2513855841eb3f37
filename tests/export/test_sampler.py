"""The rebuilt inverse against nflows' own, in float64 and float32, and as a graph in onnxruntime."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from xspecnf_export.bundle import load_networks
from xspecnf_export.onnx import write_graphs
from xspecnf_export.sampler import Sampler
from xspecnf_export.verify import run_graph
from xspecnf_train.config import TrainConfig
from xspecnf_train.flow import FlowConfig, PosteriorFlow
from xspecnf_train.model import Networks

CONTEXT = 7
SMALL = FlowConfig(context_size=CONTEXT, transforms=3, hidden_features=12, num_bins=6)
CONFIGS = {
    "no head": SMALL,
    "head": replace(SMALL, gaussian_head=True, num_blocks=1, num_bins=8, tail_bound=3.0),
    "head alone": replace(SMALL, gaussian_head=True, transforms=0),
    "paper": replace(SMALL, coordinates="cube", num_blocks=3, activation="gelu", hidden_features=15),
    "tanh": replace(SMALL, activation="tanh", transforms=2),
    "silu": replace(SMALL, activation="silu", transforms=1),
}


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flow_of(config: FlowConfig) -> PosteriorFlow:
    flow = PosteriorFlow(config).double()
    with torch.no_grad():
        for number, weight in enumerate(flow.parameters()):
            weight += 0.1 * normal(number, *weight.shape)
    return flow.requires_grad_(False)


def expected(flow: PosteriorFlow, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """What nflows' inverse gives, sample by sample."""
    rows = context.repeat_interleave(noise.shape[1], dim=0)
    theta, log_prob = flow.sample(noise.flatten(0, 1), rows)
    return theta.view(noise.shape), log_prob.view(noise.shape[:2])


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_sampler_is_nflows_inverse(config: FlowConfig, spread: float) -> None:
    """Also with noise of four times the usual width, most of it in the tails."""
    flow, context, noise = flow_of(config), normal(1, 30, CONTEXT), spread * normal(2, 30, 40, 5)
    theta, log_prob = Sampler(flow)(context, noise)
    theta_expected, log_prob_expected = expected(flow, context, noise)
    torch.testing.assert_close(theta, theta_expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(log_prob, log_prob_expected, rtol=0, atol=1e-8)


def test_single_precision_costs_little() -> None:
    flow, context, noise = flow_of(CONFIGS["head"]), normal(1, 30, CONTEXT), normal(2, 30, 40, 5)
    context, noise = context.float().double(), noise.float().double()
    theta_expected, log_prob_expected = expected(flow, context, noise)
    theta, log_prob = Sampler(flow.float())(context.float(), noise.float())
    assert (theta - theta_expected).abs().quantile(0.99) < 1e-4
    assert (log_prob - log_prob_expected).abs().quantile(0.99) < 1e-2


def test_one_context_does_not_touch_another() -> None:
    sampler, context, noise = Sampler(flow_of(CONFIGS["head"])), normal(1, 3, CONTEXT), normal(2, 3, 4, 5)
    together, _ = sampler(context, noise)
    alone, _ = sampler(context[1:2], noise[1:2])
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-12)


@pytest.fixture(scope="module")
def networks(run: Path) -> Networks:
    return load_networks(run, TrainConfig.load(run / "config.toml"))


@pytest.fixture(scope="module")
def graphs(networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    write_graphs(networks, folder)
    return folder


@pytest.mark.parametrize(("spectra", "samples"), [(1, 1), (1, 50), (5, 7), (1, 0), (0, 3), (0, 0)])
def test_flow_graph_of_any_size(networks: Networks, graphs: Path, spectra: int, samples: int) -> None:
    context = normal(3, spectra, networks.flow.config.context_size).float()
    noise = normal(4, spectra, samples, 5).float()
    theta, log_prob = run_graph(graphs / "flow.onnx", {"context": context, "noise": noise})
    assert theta.shape == (spectra, samples, 5)
    assert log_prob.shape == (spectra, samples)
    in_torch, log_prob_in_torch = Sampler(networks.flow)(context, noise)
    torch.testing.assert_close(torch.from_numpy(theta), in_torch, rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.from_numpy(log_prob), log_prob_in_torch, rtol=0, atol=1e-2)


@pytest.mark.parametrize("size", [0, 1, 9])
def test_encoder_and_decoder_graphs_of_any_size(networks: Networks, graphs: Path, size: int) -> None:
    spectrum = normal(5, size, networks.encoder.config.channels, 240).float()
    (context,) = run_graph(graphs / "encoder.onnx", {"spectrum": spectrum})
    torch.testing.assert_close(torch.from_numpy(context), networks.encoder(spectrum), rtol=1e-4, atol=1e-4)
    theta = torch.rand(size, 5, generator=torch.Generator().manual_seed(6))
    (decoded,) = run_graph(graphs / "decoder.onnx", {"theta": theta})
    assert decoded.shape == (size, 240)
    if size:  # torch's own recurrence refuses an empty batch, too
        torch.testing.assert_close(torch.from_numpy(decoded), networks.decoder(theta), rtol=0, atol=1e-4)
