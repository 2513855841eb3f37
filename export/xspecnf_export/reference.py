"""Inputs of each graph like those it was trained on, and what the trained network gives for them in float64."""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xspecnf.golden import GOLDEN
from xspecnf_export.verify import TAIL_SPREAD, spectra_like_training
from xspecnf_train.model import Networks

GOLDEN_SIZES = (8, 50)
"""Spectra and samples of each: 200 kilobytes."""


@dataclass(frozen=True)
class Reference:
    """One graph's inputs [B, ...] in float32 and its outputs in float64, by the tensors' names."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def references(networks: Networks, spectra: int, samples: int, seed: int = 0) -> dict[str, Reference]:
    """Of encoder, flow and decoder; every other sample's noise lies in the tails."""
    exact = copy.deepcopy(networks).double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    spectrum = spectra_like_training(networks, spectra, generator)
    context = exact.encoder(spectrum.double())
    noise = torch.randn(spectra, samples, 5, generator=generator)
    noise[:, ::2] *= TAIL_SPREAD
    given = context.float()
    theta, log_prob = exact.flow.sample(noise.double().flatten(0, 1), given.double().repeat_interleave(samples, dim=0))
    point = torch.rand(spectra, 5, generator=generator)
    return {
        "encoder": Reference({"spectrum": spectrum}, {"context": context}),
        "flow": Reference(
            {"context": given, "noise": noise},
            {"theta": theta.view(noise.shape), "log_prob": log_prob.view(noise.shape[:2])},
        ),
        "decoder": Reference({"theta": point}, {"spectrum": exact.decoder(point.double())}),
    }


def write_golden(networks: Networks, folder: Path) -> None:
    """Write each graph's golden file, see `xspecnf.golden`."""
    for graph, reference in references(networks, *GOLDEN_SIZES).items():
        arrays = {name: tensor.numpy() for name, tensor in (reference.inputs | reference.outputs).items()}
        np.savez_compressed(folder / GOLDEN[graph], **arrays)  # type: ignore[arg-type]
