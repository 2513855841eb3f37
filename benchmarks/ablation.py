"""Trains a row of the ablation from the weights of a finished run instead of from nothing.

    OMP_NUM_THREADS=1 python benchmarks/ablation.py CONFIG --start RUN --output FOLDER [--keep all|decoder]

`--keep decoder` takes the stages that the rows of one table share, the rate network and the decoder, from RUN, and
begins the joint stage with fresh encoder and flow; `--keep all` goes on from all of RUN's weights with a fresh
optimiser. `xspecnf train CONFIG` trains the shared stages first and is otherwise the same. An interrupted row goes on
from its checkpoint. The finished row is exported to FOLDER/bundle.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from xspecnf.bundle import WEIGHTS_FILE
from xspecnf_export import export
from xspecnf_train.checkpoint import Progress, save_checkpoint
from xspecnf_train.config import TrainConfig
from xspecnf_train.model import Networks
from xspecnf_train.run import train

KEPT = {"all": "", "decoder": ("decoder.", "flow.rate.", "encoder.mean", "encoder.scale")}


def start(config: Path, run: Path, kept: str, output: Path) -> None:
    """Put a checkpoint into `output` whose joint stage is still to come."""
    settings = TrainConfig.load(config)
    torch.manual_seed(settings.seed)
    weights = Networks(settings).state_dict()
    weights |= {name: value for name, value in load_file(run / WEIGHTS_FILE).items() if name.startswith(KEPT[kept])}
    output.mkdir(parents=True, exist_ok=True)
    progress = Progress(done=["rate", "decoder"])
    save_checkpoint(output / "checkpoint.safetensors", {f"networks.{n}": w for n, w in weights.items()}, progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--start", type=Path, required=True, help="the run folder that weights are taken from")
    parser.add_argument("--output", type=Path, required=True, help="the row's run folder")
    parser.add_argument("--keep", choices=KEPT, default="decoder")
    arguments = parser.parse_args()
    if not (arguments.output / "checkpoint.safetensors").exists():
        start(arguments.config, arguments.start, arguments.keep, arguments.output)
    train(arguments.config, arguments.output)
    export(arguments.output, arguments.output / "bundle", arguments.config.stem, coreml=False)


if __name__ == "__main__":
    main()
