"""What becomes of damaged files: `python benchmarks/mutants.py EXAMPLE [--mutants 10000] [--no-sums]`.

EXAMPLE is a NICER spectrum with .arf and .rmf.gz beside it, such as examples/maxi_j1820/1200120106.pha. Each mutant is
one of four sound files (spectrum, background, RMF, ARF) after one mutation of benchmarks/mutations.py; it is read and
inferred from as `xspecnf infer` does, in a process that may take 1 GiB more than it has when it begins, and what was
read is compared with what the sound files give. One Markdown table comes out, a row a mutation:

    refused     a clear error that names the file
    same        an answer, every number of the observation that of the sound files, the response's effect within 1 %
    noted       an answer from other numbers, with a note that the sound files do not have
    flagged     the same without a note, but the verdict has a flag that the sound files do not have
    silent      the same with neither
    traceback   an error that is not ours, or that names no file
    hang        more than 5 s of CPU
    memory      more than 1 GiB

--no-sums: the sound files carry no CHECKSUM and DATASUM, so that nobody can tell a changed number from another one.
--show KIND: print the mutants of a kind, with their numbers, which repeat them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from mutations import FILES, mutant, originals

from xspecnf import load_model, read_observation
from xspecnf.errors import InputError
from xspecnf.model import Model
from xspecnf.observation import Observation
from xspecnf.physics import expected_counts
from xspecnf.posterior import Posterior

KINDS = ("refused", "same", "noted", "flagged", "silent", "traceback", "hang", "memory")
SECONDS = 5.0
PATIENCE = 20 * SECONDS
"""Of the clock, on a machine that others use."""

MEMORY = 2**30
SAMPLES = 50
FOLDED = 0.01
"""What a response may change of the counts of any bin and mean the same: less than the calibration is good for."""

NUMBERS = ("counts", "background", "background_error", "exposure", "systematic", "good", "has_background")

Result = tuple[int, str, str, str]
"""Number, mutation, kind, what was said."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("example", type=Path)
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-sums", action="store_true")
    parser.add_argument("--show", nargs="*", choices=KINDS, default=[])
    options = parser.parse_args()
    table = Counter[tuple[str, str]]()
    with suppress(KeyboardInterrupt):  # what is done is shown
        for number, mutation, kind, said in results(
            options.example, not options.no_sums, options.seed, options.mutants
        ):
            table[mutation, kind] += 1
            if kind in options.show:
                print(f"{number}: {mutation}: {kind}: {said}", file=sys.stderr, flush=True)
    print(markdown(table))


def results(example: Path, sums: bool, seed: int, mutants: int) -> Iterator[Result]:
    """Every mutant's fate; after a process that hung or died the next one goes on."""
    number = 0
    while number < mutants:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = multiprocessing.Pipe(duplex=False)
            context = multiprocessing.get_context("spawn")
            worker = context.Process(target=work, args=(theirs, example, sums, Path(folder), seed, number, mutants))
            worker.start()
            theirs.close()
            ours.recv()
            while number < mutants:
                try:
                    if not ours.poll(PATIENCE):
                        raise TimeoutError
                    result: Result = ours.recv()
                except (EOFError, TimeoutError) as end:
                    kind = "hang" if isinstance(end, TimeoutError) else "traceback"
                    result = (number, mutant(originals(example, sums), seed, number)[1], kind, "the process ended")
                number += 1
                yield result
                if result[3] == "the process ended":
                    break
            worker.kill()
            worker.join()


def work(pipe: Connection, example: Path, sums: bool, folder: Path, seed: int, first: int, last: int) -> None:
    """Send the fates of the mutants first..last - 1."""
    pristine, model = originals(example, sums), load_model(provider="cpu")
    paths = {name: folder / name for name in FILES}
    for name, path in paths.items():
        path.write_bytes(pristine[name])
    sound = infer(model, paths)
    if isinstance(sound, Exception) or sound.notes:
        raise ValueError(f"the sound files are not sound: {sound}")
    resource.setrlimit(resource.RLIMIT_AS, (memory() + MEMORY, resource.RLIM_INFINITY))
    pipe.send("ready")
    for number in range(first, last):
        file, mutation, content = mutant(pristine, seed, number)
        path = folder / f"{number}-{file}"  # a name of its own: responses are cached by name and time
        path.write_bytes(content)
        started = time.process_time()
        found = infer(model, paths | {file: path}, sound)
        kind, said = fate(sound, found)
        kind = "hang" if time.process_time() - started > SECONDS else kind
        pipe.send((number, mutation, kind, said))
        path.unlink()


def infer(model: Model, paths: dict[str, Path], sound: Posterior | None = None) -> Posterior | Exception:
    """The posterior with its observation, or the error; the sound one again where the observation is the same."""
    source, background, rmf, arf = (paths[name] for name in FILES)
    try:
        obs = read_observation(source, rmf=rmf, arf=arf, background=background, grid=model.bundle.grid)
        if sound is not None and same(sound.observation, obs):
            return sound
        return replace(model.infer(obs, SAMPLES), observation=obs)
    except Exception as error:
        return error


def same(sound: Observation | None, found: Observation) -> bool:
    """Whether every number is the same."""
    equal = sound is not None and np.array_equal(sound.response.matrix, found.response.matrix)
    return equal and not found.notes and all(np.array_equal(getattr(sound, n), getattr(found, n)) for n in NUMBERS)


def fate(sound: Posterior, found: Posterior | Exception) -> tuple[str, str]:
    """The kind, and what was said."""
    if isinstance(found, Exception):
        if out_of_memory(found):
            return "memory", str(found)
        ours = isinstance(found, InputError) and any(name in str(found) for name in FILES)
        return "refused" if ours else "traceback", f"{type(found).__name__}: {found}"
    differ = differences(sound, found)
    if not differ:
        return "same", ""
    if notes := set(found.notes) - set(sound.notes):
        return "noted", "; ".join(notes)
    flags = {flag.name for flag in found.diagnostics.flags} - {flag.name for flag in sound.diagnostics.flags}
    return ("flagged", ", ".join(flags)) if flags else ("silent", differ)


def differences(sound: Posterior, found: Posterior) -> str:
    """Which numbers of two posteriors' observations differ, of the response what it makes of the sound one's median."""
    ours, theirs = sound.observation, found.observation
    differ = [name for name in NUMBERS if not np.array_equal(getattr(ours, name), getattr(theirs, name))]
    if not np.array_equal(ours.response.matrix, theirs.response.matrix):
        folded, other = (expected_counts(np.median(sound.theta, axis=0)[None], obs) for obs in (ours, theirs))
        differ += ["response"] * (not np.allclose(other, folded, rtol=FOLDED, atol=0))
    return ", ".join(differ)


def out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def memory() -> int:
    """Bytes of address space that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def markdown(table: Counter[tuple[str, str]]) -> str:
    """A row a mutation and one of sums."""
    mutations = sorted({mutation for mutation, _ in table})
    rows = [[mutation, *(table[mutation, kind] for kind in KINDS)] for mutation in mutations]
    rows.append(["**all**", *(sum(table[mutation, kind] for mutation in mutations) for kind in KINDS)])
    lines = [["mutation", *KINDS], ["---"] * (1 + len(KINDS)), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    main()
