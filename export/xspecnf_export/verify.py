"""Do the graphs compute what was trained? Each is compared with the torch networks in float64, the flow with nflows'
inverse.

The flow is compared twice. Its rebuilt inverse in float64 shows that the mathematics is the same; the graph in
float32 shows what single precision costs, which is most where posteriors are narrowest, so the bound is on the 99.9th
percentile and the largest difference is reported.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xspecnf.engine import onnxruntime
from xspecnf.errors import BundleError
from xspecnf_export.sampler import Sampler
from xspecnf_train.model import Networks

SPECTRA, SAMPLES = 200, 50
TAIL_SPREAD = 2.5
"""Every other sample's noise is this much wider than normal: beyond the splines' bounds."""

TOLERANCES = {"encoder": 1e-3, "decoder": 1e-3, "rebuilt_theta": 1e-7, "rebuilt_log_prob": 1e-5}
TOLERANCES_999 = {"theta": 1e-3, "log_prob": 2e-2}


@dataclass(frozen=True)
class Difference:
    """Absolute differences: the median, the 99.9th percentile and the largest."""

    median: float
    p999: float
    largest: float

    @classmethod
    def between(cls, found: np.ndarray | Tensor, expected: Tensor) -> "Difference":
        """Of arrays of one shape; a number that is not finite on one side only counts as infinitely far off."""
        difference = np.abs(np.asarray(found, dtype=np.float64) - expected.numpy()).ravel()
        difference = np.where(np.isnan(difference), np.inf, difference)
        median, p999 = np.quantile(difference, [0.5, 0.999], method="higher")
        return cls(float(median), float(p999), float(difference.max()))


@dataclass(frozen=True)
class Verification:
    """How far graphs and trained networks are apart.

    encoder: context, in units of its scatter (at least one). decoder: log10 rate. rebuilt_*: the sampler in float64
    against nflows. theta (unit cube), log_prob: the flow's graph against nflows in float64. inputs: how many samples
    were compared.
    """

    encoder: Difference
    decoder: Difference
    rebuilt_theta: Difference
    rebuilt_log_prob: Difference
    theta: Difference
    log_prob: Difference
    inputs: int

    def failures(self) -> list[str]:
        """The figures above their tolerance, as text."""
        largest = {name: (getattr(self, name).largest, bound) for name, bound in TOLERANCES.items()}
        p999 = {name: (getattr(self, name).p999, bound) for name, bound in TOLERANCES_999.items()}
        figures = largest | p999
        return [f"{name} off by {x:.2g} (at most {bound:g})" for name, (x, bound) in figures.items() if x > bound]


def verify(networks: Networks, folder: Path, seed: int = 0) -> Verification:
    """Compare the three graphs in `folder` with the trained `networks`.

    Raises BundleError when a difference is above its tolerance.
    """
    reference = copy.deepcopy(networks).double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    spectrum = spectra_like_training(networks, SPECTRA, generator)
    context = reference.encoder(spectrum.double())
    theta = torch.rand(SPECTRA * SAMPLES // 10, 5, generator=generator)
    scale = context.std(dim=0).clamp(min=1)
    (found_context,) = run_graph(folder / "encoder.onnx", {"spectrum": spectrum})
    (found_spectrum,) = run_graph(folder / "decoder.onnx", {"theta": theta})
    result = Verification(
        encoder=Difference.between(found_context / scale.numpy(), context / scale),
        decoder=Difference.between(found_spectrum, reference.decoder(theta.double())),
        **_compare_flow(reference, folder / "flow.onnx", context.float(), generator),
        inputs=SPECTRA * SAMPLES,
    )
    if failures := result.failures():
        found = "; ".join(failures)
        raise BundleError(f"{folder}: the graphs disagree with the trained networks ({found}); nothing was written")
    return result


def run_graph(path: Path, inputs: Mapping[str, Tensor]) -> list[np.ndarray]:
    """The graph's outputs from onnxruntime on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})  # type: ignore[return-value]


def spectra_like_training(networks: Networks, size: int, generator: torch.Generator) -> Tensor:
    """Inputs [B, F, bins] with the encoder's training means and scatters; constant channels stay constant."""
    encoder = networks.encoder
    noise = torch.randn(size, *encoder.mean.shape, generator=generator)
    noise[:, encoder.config.constants] = noise[:, encoder.config.constants, :1]
    return encoder.mean + encoder.scale * noise


def _compare_flow(
    reference: Networks, graph: Path, context: Tensor, generator: torch.Generator
) -> dict[str, Difference]:
    """The four differences of the flow, for `context` [B, C] in float32."""
    noise = torch.randn(SPECTRA, SAMPLES, 5, generator=generator)
    noise[:, ::2] *= TAIL_SPREAD
    rows = context.double().repeat_interleave(SAMPLES, dim=0)
    theta, log_prob = reference.flow.sample(noise.double().flatten(0, 1), rows)
    theta, log_prob = theta.unflatten(0, (SPECTRA, SAMPLES)), log_prob.unflatten(0, (SPECTRA, SAMPLES))
    rebuilt_theta, rebuilt_log_prob = Sampler(reference.flow)(context.double(), noise.double())
    found_theta, found_log_prob = run_graph(graph, {"context": context, "noise": noise})
    return {
        "rebuilt_theta": Difference.between(rebuilt_theta, theta),
        "rebuilt_log_prob": Difference.between(rebuilt_log_prob, log_prob),
        "theta": Difference.between(found_theta, theta),
        "log_prob": Difference.between(found_log_prob, log_prob),
    }
