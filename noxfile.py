"""`nox -s versions -p 3.11`: the same answers from the oldest to the newest onnxruntime and numpy that are allowed.

`nox -s newest`: the newest Python and the newest release of everything that writes files, without torch.
"""

from __future__ import annotations

from pathlib import Path

import nox

OBSERVATION = "examples/maxi_j1820/1200120106.pha"
VERSIONS = [
    ("1.17.3", "1.26.4"),  # the oldest, whose answers the others are compared with
    ("1.20.1", "2.1.3"),
    ("1.24.4", "1.26.4"),
    ("", ""),  # the newest
]
"""onnxruntime and numpy. Before 1.19 onnxruntime needs numpy 1."""


@nox.session(python=["3.11", "3.12", "3.13"])
@nox.parametrize(("onnxruntime", "numpy"), VERSIONS)
def versions(session: nox.Session, onnxruntime: str, numpy: str) -> None:
    """Golden outputs of one pair of releases."""
    answers = Path(session.cache_dir) / "answers.npz"
    if (onnxruntime, numpy) == VERSIONS[0]:
        answers.unlink(missing_ok=True)
    wanted = {"onnxruntime": onnxruntime, "numpy": numpy}
    session.install(*(f"{name}=={version}" if version else name for name, version in wanted.items()), ".")
    session.run("xspecnf", "doctor")
    session.run("python", "benchmarks/versions.py", OBSERVATION, str(answers), env={"OMP_NUM_THREADS": "1"})


@nox.session(python="3.13")
def newest(session: nox.Session) -> None:
    """The tests of the runtime and of the command by the newest releases; those that need torch skip."""
    session.install(".[plot,netcdf,parquet,cluster,sign]", "pytest", "hypothesis", "onnx")
    session.run("xspecnf", "doctor")
    session.run("pytest", "tests/runtime", "tests/cli", env={"OMP_NUM_THREADS": "1"})
