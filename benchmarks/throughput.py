"""Many spectra: what theta and log_prob of 2160 of them cost, beside nflows, the arithmetic limit and MCMC.

OMP_NUM_THREADS=1 python benchmarks/throughput.py [MODEL] [--run RUN] [--spectra 2160] [--threads 2]

Prints, measured in the same run: `Model.sample` with 1000 samples and with 1 of each spectrum (from observations in
memory), and the parts of the latter; the rate of a float32 matrix product on one core, and which share of the flow's
time its own matrix products would take at that rate; with RUN, the training run of the bundle, nflows' own sampling of
the same weights by torch, on a few spectra and extrapolated; and on one bright spectrum effective samples per CPU
second of refinement and of the ensemble MCMC, both on the exact likelihood.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
from mcmc import walked
from population import population, sgemm_rate, timed

from xspecnf import load_model
from xspecnf.backends.base import Float32
from xspecnf.features import stacked_features
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.sampling import CALL_SAMPLES
from xspecnf.target import Target

PAPER = {1: 2.11, 1000: 51.8}
"""Seconds for 2160 spectra by samples of each (Redmen et al. 2025)."""

PAPER_SPECTRA = 2160
NFLOWS_SAMPLES = 2000
REFINED = 10
"""Seeds that one bright spectrum is refined with: the proposals that are tried differ, and with them the time."""
SAME = 1e-2
"""Largest difference of samples of the same weights in float32, in the prior's unit cube."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Theta and log_prob of many spectra.")
    parser.add_argument("model", nargs="?", default="nicer-bhb", help="a bundle's name or folder")
    parser.add_argument("--run", type=Path, help="the training run of the bundle, for nflows' own sampling")
    parser.add_argument("--spectra", type=int, default=PAPER_SPECTRA)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    model = load_model(options.model, "cpu")
    observations = population(model, options.spectra)
    whole(model, observations, options.threads)
    parts(model, observations)
    arithmetic(model, options.spectra)
    if options.run:
        nflows(options.run, model, observations)
    exact(model, max(observations, key=lambda obs: obs.counts.sum()))


def show(name: str, found: str) -> None:
    """One line of the report."""
    print(f"{name:48} {found}", flush=True)


def whole(model: Model, observations: list[Observation], threads: int) -> None:
    """Take all samples of all spectra, and keep none."""

    def work(spectra: int, samples: int) -> None:
        for _ in model.sample(observations[:spectra], samples, threads=threads):
            pass

    work(2, 2)  # opens the graphs
    for samples, paper in PAPER.items():
        took = timed(partial(work, len(observations), samples), repeats=3 if samples == 1 else 1)
        show(
            f"{len(observations)} spectra x {samples}", f"{took.wall:.3f} s on {threads} threads, {took.cpu:.3f} s CPU"
        )
        show("    the paper, on its machine", f"{paper * len(observations) / PAPER_SPECTRA:.3f} s")


def parts(model: Model, observations: list[Observation]) -> None:
    """Where the time of one sample a spectrum goes, on one thread."""
    some = observations[:256]
    spectrum = stacked_features(some)
    context = model.backend.encode(spectrum)
    work = {
        "network input": partial(stacked_features, some),
        "encoder": partial(model.backend.encode, spectrum),
        "flow, one sample": partial(model.backend.sample, context, noise(len(some), 1)),
    }
    for name, part in work.items():
        show(f"    {name}", f"{1e6 * timed(part, repeats=5).cpu / len(some):.1f} us CPU a spectrum")


def noise(spectra: int, samples: int) -> Float32:
    """What the flow makes samples of."""
    return np.random.default_rng(0).standard_normal((spectra, samples, 5), dtype=np.float32)


def arithmetic(model: Model, spectra: int) -> None:
    """The flow's time beside that of its matrix products alone."""
    context = model.backend.encode(np.zeros((1, len(model.bundle.inputs), model.bundle.grid.bins), np.float32))
    call = partial(model.backend.sample, context, noise(1, CALL_SAMPLES))
    per_sample, rate = timed(call, repeats=5).cpu / CALL_SAMPLES, sgemm_rate()
    products = operations(model.bundle.graph("flow"))
    show("flow, one sample of many", f"{1e6 * per_sample:.2f} us CPU, {products / 1e3:.1f} kFLOP in matrix products")
    show("sgemm of 1000 x 1000, one core", f"{rate / 1e9:.1f} GFLOP/s")
    show(f"limit of {spectra} x 1000 at that rate", f"{spectra * 1000 * products / rate:.2f} s CPU")
    show("    as a share of the flow's time", f"{products / rate / per_sample:.1%}")


def operations(graph: Path) -> int:
    """Floating point operations of a sample in the matrix products: constant matrices times a column a sample."""
    import onnx

    model = onnx.load(graph).graph
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.initializer}
    return sum(2 * sizes[n.input[0]] for n in model.node if n.op_type in ("MatMul", "Gemm") and n.input[0] in sizes)


def nflows(run: Path, model: Model, observations: list[Observation]) -> None:
    """The same weights by nflows' own inverse in torch, for one spectrum."""
    import torch
    from nflows.transforms.autoregressive import MaskedPiecewiseRationalQuadraticAutoregressiveTransform

    from xspecnf_export.bundle import load_networks
    from xspecnf_train.backend import TorchBackend
    from xspecnf_train.config import TrainConfig
    from xspecnf_train.flow import SplineTransform

    torch.set_num_threads(1)
    networks = load_networks(run, TrainConfig.load(run / "config.toml"))
    for module in networks.modules():
        if isinstance(module, SplineTransform):  # nflows' class with a faster inverse
            module.__class__ = MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    backend = TorchBackend(networks)
    context = model.backend.encode(stacked_features(observations[:1]))
    drawn = noise(1, NFLOWS_SAMPLES)
    difference = np.abs(backend.sample(context, drawn)[0] - model.backend.sample(context, drawn)[0]).max()
    if difference > SAME:
        raise SystemExit(f"{run}: its samples are not the bundle's, by {difference:.1g}; give the run of the bundle")
    took, spectra = timed(partial(backend.sample, context, drawn)).cpu, len(observations)
    show(f"nflows in torch, {NFLOWS_SAMPLES} samples", f"{took:.3f} s CPU")
    show(f"    extrapolated to {spectra} x 1000", f"{took * spectra * 1000 / NFLOWS_SAMPLES:.0f} s CPU")


def exact(model: Model, obs: Observation) -> None:
    """Effective samples per CPU second on the exact likelihood."""
    model.infer(obs, 10, refine=True)  # builds the tables of the physics
    started = time.process_time()
    refined = sum(model.infer(obs, seed=seed, refine=True).diagnostics.ess or 0.0 for seed in range(REFINED))
    refining = time.process_time() - started
    started = time.process_time()
    chain = walked(Target(obs, model.bundle.parameters, partial(model.expected_counts, obs=obs)))
    walking = time.process_time() - started
    show(f"one spectrum of {obs.counts.sum():.2g} counts", "effective samples of the exact posterior")
    for name, ess, took in (("refinement", refined, refining), ("ensemble MCMC", chain.ess, walking)):
        show(f"    {name}", f"{ess / took:.1f} a CPU second ({ess:.0f} in {took:.2f} s)")


if __name__ == "__main__":
    main()
