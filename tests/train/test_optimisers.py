"""Muon's updates as mathematics, and which weights are whose."""

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from xspecnf_train.flow import FlowConfig, PosteriorFlow
from xspecnf_train.optimisers import Muon, optimisers, orthogonal


def matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(40, 40), (20, 60), (60, 20)])
def test_an_update_keeps_the_singular_vectors_and_evens_out_the_values(shape: tuple[int, int]) -> None:
    left, _, right = torch.linalg.svd(matrix(*shape), full_matrices=False)
    found = orthogonal(left @ torch.diag(torch.linspace(1, 50, len(right))) @ right)
    along = left.T @ found @ right.T
    torch.testing.assert_close(along, torch.diag(along.diagonal()), rtol=0, atol=1e-4)
    assert along.diagonal().min() > 0.6
    assert along.diagonal().max() < 1.3


def test_an_update_does_not_depend_on_the_gradient_s_scale() -> None:
    torch.testing.assert_close(orthogonal(matrix(5, 8)), orthogonal(1e-3 * matrix(5, 8)), rtol=1e-3, atol=1e-4)


def test_steps_are_as_large_as_adamw_s_usual_ones() -> None:
    weight = nn.Parameter(torch.zeros(64, 256))
    weight.grad = matrix(64, 256)
    Muon([weight], lr=1e-3).step()
    rms = weight.detach().square().mean().sqrt()
    assert 0.1e-3 < rms < 0.3e-3


def test_muon_has_the_hidden_matrices_and_adamw_the_rest() -> None:
    flow = PosteriorFlow(FlowConfig(context_size=10, gaussian_head=True, transforms=2, hidden_features=16))
    flow.rate.requires_grad_(False)
    muon, adamw = optimisers("muon", flow, 1e-3, 0.0)
    assert isinstance(muon, Muon)
    assert isinstance(adamw, AdamW)
    mine, rest = ({id(p) for group in each.param_groups for p in group["params"]} for each in (muon, adamw))
    assert not mine & rest
    assert mine | rest == {id(p) for p in flow.parameters() if p.requires_grad}
    learnt_by_muon = [name for name, p in flow.named_parameters() if id(p) in mine]
    assert all(name.endswith("weight") for name in learnt_by_muon)
    assert not any("final_layer" in name or "output" in name for name in learnt_by_muon)
    assert len(optimisers("adamw", flow, 1e-3, 0.0)) == 1


def test_muon_finds_a_minimum_however_uneven_the_slopes() -> None:
    """A quadratic whose curvatures span four decades."""
    curvature, target = torch.logspace(-4, 0, 16)[:, None], matrix(16, 16)
    weight = nn.Parameter(torch.zeros(16, 16))
    optimiser = Muon([weight], lr=0.3)
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.3 * (1 - step / 300)
        optimiser.zero_grad()
        (0.5 * curvature * (weight - target).square()).sum().backward()
        optimiser.step()
    assert (weight.detach() - target).square().mean() < 0.01
