"""What half precision costs CoreML packages: each graph of a training run converted in float32 and in float16, and
evaluated operation by operation in those types, beside the trained network in float64.

    python benchmarks/coreml_half.py runs/nicer-bhb

Prints, for each output, the 99.9th percentile and the largest of the differences, in the units of the exports' gate
(`xspecnf_export.coreml.TOLERANCES`), and whether the gate would let the package pass.
"""

import sys
import tempfile
from pathlib import Path

from xspecnf_export.bundle import ABOUT, load_networks
from xspecnf_export.coreml import CHECKED, TOLERANCES, convert, differences, modules
from xspecnf_export.mil import Program
from xspecnf_export.reference import Reference, references
from xspecnf_train.config import TrainConfig
from xspecnf_train.model import Networks

PRECISIONS = ("FLOAT32", "FLOAT16")


def main(run: Path) -> None:
    """Print the table of one run."""
    networks = load_networks(run, TrainConfig.load(run / "config.toml"))
    small, checked = references(networks, 2, 3), references(networks, *CHECKED)
    print("| output | precision | 99.9 % | largest | at most | passes |\n|---|---|---|---|---|---|")
    for graph, reference in checked.items():
        for precision in PRECISIONS:
            print(*rows(networks, graph, small[graph], reference, precision), sep="\n", flush=True)


def rows(networks: Networks, graph: str, example: Reference, reference: Reference, precision: str) -> list[str]:
    """The table's rows of one graph in one precision."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / f"{graph}.mlpackage"
        convert(modules(networks)[graph], graph, example, package, ABOUT, precision)
        found = differences(Program(package), reference)
    return [
        f"| {name} | {precision.lower()} | {d.p999:.1e} | {d.largest:.1e} | {TOLERANCES[name]:g} | "
        f"{'yes' if d.p999 <= TOLERANCES[name] else 'no'} |"
        for name, d in found.items()
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
