"""Accuracy against cost: flows of several sizes, each trained alike on the contexts of one finished run's encoder.

    OMP_NUM_THREADS=1 python benchmarks/flow_sizes.py RUN FOLDER [--sizes 10x64x8 ...] [--steps 1500]

A size is transforms x hidden features x bins. The encoder stays as it is, so that the flows are compared with each
other only; one that has learnt as long as the run's own would be better. Prints a table of Markdown; of every size

    surprise    mean -ln q of the true parameters of 4096 spectra, in nats: of all, and by total counts
    sampling    milliseconds of one core for 1000 samples of one spectrum and their ln q, exported, and multiply-adds
                of its matrix products per second, in shares of what a product of large matrices reaches
    efficiency  effective samples over draws under the exact likelihood: median (5 %) of 100 spectra
"""

from __future__ import annotations

import argparse
import re
import shutil
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from xspecnf import load_model
from xspecnf.model import Model
from xspecnf.response import Response
from xspecnf_export import export
from xspecnf_train.config import StageConfig, TrainConfig
from xspecnf_train.evaluate.figures import figures
from xspecnf_train.evaluate.population import fresh_spectra, total_counts
from xspecnf_train.evaluate.workers import Judge, Sizes, judge_all
from xspecnf_train.loop import Trainer
from xspecnf_train.model import Networks
from xspecnf_train.run import SHARED, flow_task
from xspecnf_train.simulate import Batch, Simulator

SIZES = ("10x64x8", "6x64x8", "5x96x8", "4x128x8", "4x96x8", "4x64x8", "4x128x5", "3x128x8", "2x128x8")
SAMPLES = 1000
SEED = 4
COUNT_EDGES = (1e1, 1e3, 1e5, 3e6, 1e9)

COLUMNS = (
    "transforms x hidden x bins",
    "weights",
    "surprise",
    *("10 - 1e3", "1e3 - 1e5", "1e5 - 3e6", "above"),
    "ms per 1000",
    "of the arithmetic limit",
    "efficiency",
)


@dataclass(frozen=True)
class Size:
    """transforms, hidden features and bins of a flow."""

    transforms: int
    hidden_features: int
    num_bins: int

    def __str__(self) -> str:
        return f"{self.transforms} x {self.hidden_features} x {self.num_bins}"

    @classmethod
    def parse(cls, text: str) -> Size:
        transforms, hidden, bins = map(int, text.split("x"))
        return cls(transforms, hidden, bins)

    def configuration(self, text: str) -> str:
        """The configuration `text` with a flow of this size, that begins with nothing else."""
        for name, value in vars(self).items():
            text = re.sub(rf"(?m)^{name} = \d+", f"{name} = {value}", text)
        return re.sub(r"(?m)^start = .*\n", "", text)

    @property
    def products(self) -> int:
        """Multiply-adds of one sample: a masked layer of which half is zero, the outputs of four inputs, of half the
        units in the mean, and the first layer."""
        h = self.hidden_features
        return self.transforms * (h * h // 2 + 4 * (3 * self.num_bins + 1) * h // 2 + 5 * h // 2)


def trained(size: Size, run: Path, folder: Path, simulator: Simulator, steps: int) -> TrainConfig:
    """Train the flow on the encoder of `run` and leave a finished run in `folder`; returns its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(size.configuration((run / "config.toml").read_text()))
    shutil.copy(run / "response.npz", folder)
    config = TrainConfig.load(folder / "config.toml")
    torch.manual_seed(SEED)
    networks = Networks(config)
    shared = {
        name: weight for name, weight in load_file(run / "weights.safetensors").items() if name.startswith(SHARED)
    }
    networks.load_state_dict(networks.state_dict() | shared)
    for module in (networks.encoder, networks.decoder, networks.flow.rate):
        module.requires_grad_(False)
    stage = StageConfig(epochs=1, steps=steps, optimiser="muon", learning_rate=2e-3, schedule="cosine")
    Trainer(networks, folder, SEED, lambda _: None).run(flow_task(networks, simulator), stage)
    save_file(networks.state_dict(), folder / "weights.safetensors")
    return config


@torch.no_grad()
def surprises(config: TrainConfig, folder: Path, batch: Batch) -> np.ndarray:
    """-ln q of the true parameters of each spectrum."""
    networks = Networks(config)
    networks.load_state_dict(load_file(folder / "weights.safetensors"))
    context = networks.encoder(torch.from_numpy(batch.features()))
    return -networks.flow.log_prob(torch.from_numpy(batch.u).float(), context).numpy()


def sampling_seconds(model: Model, repeats: int = 30) -> float:
    """Median processor time of 1000 samples of one spectrum."""
    rng = np.random.default_rng(SEED)
    (width,) = model.backend.encode(np.zeros((1, len(model.bundle.inputs), 240), np.float32)).shape[1:]
    context, noise = np.zeros((1, width), np.float32), rng.standard_normal((1, SAMPLES, 5), dtype=np.float32)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        model.backend.sample(context, noise)
        times.append(time.process_time() - start)
    return float(np.median(times))


def products_per_second() -> float:
    """What one core reaches on large matrices."""
    square = np.ones((1000, 1000), np.float32)
    times = []
    for _ in range(10):
        start = time.process_time()
        np.matmul(square, square)
        times.append(time.process_time() - start)
    return 1e9 / float(np.median(times))


def row(size: Size, config: TrainConfig, folder: Path, batch: Batch) -> str:
    """The size's line."""
    model = load_model(export(folder, folder / "bundle", coreml=False), "cpu")
    surprise, counts = surprises(config, folder, batch), total_counts(batch)
    groups = [(counts >= low) & (counts < high) for low, high in pairwise(COUNT_EDGES)]
    seconds, limit = sampling_seconds(model), products_per_second()
    judge = Judge(folder / "bundle", "cpu", Sizes(100, SAMPLES, 100, 0), SEED)
    judged = figures(judge_all(judge, fresh_spectra(model, 100, SEED), 1, lambda _: None))
    efficiency = judged["network"]["all"]["efficiency"]
    weights = sum(
        w.numel() for n, w in load_file(folder / "weights.safetensors").items() if n.startswith("flow.transform")
    )
    cells = [
        str(size),
        f"{weights / 1e3:.0f} k",
        f"{surprise.mean():.2f}",
        *(f"{surprise[group].mean():.2f}" for group in groups),
        f"{1e3 * seconds:.1f}",
        f"{size.products * SAMPLES / seconds / limit:.2f}",
        f"{efficiency['median']:.2g} ({efficiency['q05']:.1g})",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Train, measure and print each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run, whose encoder is used")
    parser.add_argument("folder", type=Path, help="where the flows go, a run folder each")
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = TrainConfig.load(arguments.run / "config.toml")
    simulator = Simulator(config.simulator, Response.load(arguments.run / "response.npz"), SEED)
    batch = simulator.draw(4096, np.random.default_rng([SEED, 1]))
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for size in map(Size.parse, arguments.sizes):
        folder = arguments.folder / str(size).replace(" ", "")
        print(row(size, trained(size, arguments.run, folder, simulator, arguments.steps), folder, batch), flush=True)


if __name__ == "__main__":
    main()
