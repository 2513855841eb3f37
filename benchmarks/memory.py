"""Peak memory and time by the number of samples: `python benchmarks/memory.py SPECTRUM [--samples N ...]`.

Each row is one run of the command in a process of its own, by what it writes and how the samples are made.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {
    "the network's": ("--no-refine",),
    "refined": (),
    "refined, marginal": ("--marginal",),
    "the network's, .npz": ("--no-refine", "--output", "o.npz"),
    "the network's, .csv": ("--no-refine", "--output", "o.csv"),
    "the network's, .json": ("--no-refine", "--output", "o.json"),
    "the network's, table": ("--no-refine", "--table", "t.ecsv"),
    "the network's, chain": ("--no-refine", "--output", "o.fits"),
    "the network's, .nc": ("--no-refine", "--output", "o.nc"),
    "the network's, figures": ("--no-refine", "--plot", "o.png"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spectrum", type=Path)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="WAY")
    options = parser.parse_args()
    print("| samples | " + " | ".join(f"{n:,}".replace(",", " ") for n in options.samples) + " |")
    print("|---" * (len(options.samples) + 1) + "|")
    for way in options.ways:
        cells = (measured(options.spectrum.resolve(), n, WAYS[way]) for n in options.samples)
        print(f"| {way} | " + " | ".join(f"{megabytes:.0f} MB, {seconds:.1f} s" for megabytes, seconds in cells) + " |")


def measured(spectrum: Path, samples: int, words: tuple[str, ...]) -> tuple[float, float]:
    """Peak resident memory [MB] and wall seconds of one command."""
    command = [
        sys.executable,
        "-m",
        "xspecnf_cli",
        "infer",
        str(spectrum),
        "--quiet",
        "--samples",
        str(samples),
        *words,
    ]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            sys.exit(f"{' '.join(command)}: exit status {status}")
        return usage.ru_maxrss / 1024, time.perf_counter() - start


if __name__ == "__main__":
    main()
