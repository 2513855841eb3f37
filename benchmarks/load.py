"""Memory of one long batch: `OMP_NUM_THREADS=1 python benchmarks/load.py OBS.pha --rmf RMF --arf ARF [--files 20000]`.

Runs `xspecnf infer @list --table t.fits --quiet` on so many links to one spectrum, each a file of its own to the
program, and prints as it goes the rows done and the memory of the process, resident now and at its peak, in MB; then
its CPU time a file, start included, and the peak once the table is written. The first rows fill caches. The links share
one response: an archive of many ARFs holds up to sixteen, 8 MB each. Linux, for /proc.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

MEGABYTE = 1024**2
EVERY = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("observation", type=Path)
    parser.add_argument("--rmf", type=Path, required=True)
    parser.add_argument("--arf", type=Path, required=True)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--model", default="nicer-bhb")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = linked(options.observation.resolve(), folder, options.files)
        given = ["--model", options.model, "--rmf", options.rmf, "--arf", options.arf, "--samples", options.samples]
        table = folder / "t.fits"
        command = [sys.executable, "-m", "xspecnf_cli", "infer", f"@{names}", "--table", table, "--quiet", *given]
        watch(subprocess.Popen([str(word) for word in command]), table)


def linked(observation: Path, folder: Path, files: int) -> Path:
    """A list of links to one spectrum."""
    spectra = [folder / f"{k:06}.pha" for k in range(files)]
    for path in spectra:
        path.symlink_to(observation)
    names = folder / "list.txt"
    names.write_text("\n".join(map(str, spectra)))
    return names


def watch(process: subprocess.Popen[bytes], table: Path) -> None:
    """Print the rows of the journal and the memory until the process ends, then its CPU time."""
    rows, told, memory = 0, 0, (0.0, 0.0)
    with begun(table.with_name(f"{table.name}.journal"), process).open("rb") as journal:
        while process.poll() is None:
            rows += sum(1 for _ in journal)
            memory = resident(process.pid) or memory
            if rows >= told + EVERY or (rows and not told):
                told = rows
                print(f"{rows} rows: {memory[0]:.0f} MB, {memory[1]:.0f} MB at the peak", flush=True)
            time.sleep(0.2)
        rows += sum(1 for _ in journal)
    used = getrusage(RUSAGE_CHILDREN)
    cpu = 1000 * (used.ru_utime + used.ru_stime) / max(rows, 1)
    size = table.stat().st_size / MEGABYTE if table.exists() else 0
    print(f"ended with {process.returncode}: {rows} rows, {size:.1f} MB of table, {cpu:.1f} ms of CPU a file")
    print(f"{memory[1]:.0f} MB at the peak, the writing of the table included")


def begun(journal: Path, process: subprocess.Popen[bytes]) -> Path:
    """The journal, once it is there."""
    while not journal.exists():
        if process.poll() is not None:
            sys.exit(f"ended with {process.returncode} before the first row")
        time.sleep(0.01)
    return journal


def resident(process: int) -> tuple[float, float] | None:
    """Memory of a process in MB, now and at its peak; None where it has just ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in status.splitlines())
    if "VmRSS" not in found:
        return None
    now, peak = (float(found[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


if __name__ == "__main__":
    main()
