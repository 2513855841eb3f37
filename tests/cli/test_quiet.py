"""Nothing acts unasked: no file in HOME, no socket, no library's warning on the terminal (docs/security.md)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OFF = "ORT_DISABLE_TELEMETRY"
CI = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "CIRCLECI", "TRAVIS")
"""Where these are set onnxruntime keeps quiet anyway."""

FOUND = """
import json, os, sys
{before}
from xspecnf.processes import processes
from xspecnf import load_model, read_observation
sockets = []
sys.addaudithook(lambda event, args: sockets.append(str(args)) if event.startswith("socket.") else None)
if __name__ == "__main__":
    post = load_model().infer(read_observation({example!r}), samples=100, refine=True)
    with processes(1) as workers:
        worker = workers.submit(os.getenv, "ORT_DISABLE_TELEMETRY").result()
    open_now = {{os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)}}
    native = [name for name in open_now if name.startswith("socket:")]
    print(json.dumps([os.environ["ORT_DISABLE_TELEMETRY"], worker, sockets, native]))
"""


def run(arguments: list[str], home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with an empty home, as on a user's machine."""
    kept = {name: value for name, value in os.environ.items() if name not in (*CI, OFF) and "XDG" not in name}
    environment = kept | {"HOME": str(home)} | variables
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("words", [["--no-refine"], ["--refine", "--output", "o.nc", "--table", "t.ecsv"]])
def test_an_inference_leaves_nothing_in_the_home_and_says_nothing(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    command = ["-m", "xspecnf_cli", "infer", str(example), "--quiet", "--samples", "100", *words]
    done = run(command, tmp_path / "home")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "home").rglob("*")) == []


def test_onnxruntime_would_otherwise_report(tmp_path: Path) -> None:
    """What the setting is for: a release that does not report any more needs none."""
    done = run(["-c", "import onnxruntime; print(onnxruntime.__version__)"], tmp_path)
    if not list(tmp_path.rglob("*")):
        pytest.skip(f"onnxruntime {done.stdout.strip()} leaves nothing in HOME here")
    assert list(tmp_path.rglob("deviceid"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc on this system")
@pytest.mark.parametrize("before", ["", "import onnxruntime"])
def test_the_api_and_its_workers_are_quiet_too(example: Path, tmp_path: Path, before: str) -> None:
    """Also in a program that imports onnxruntime first; that import is not ours."""
    script = tmp_path / "script.py"
    script.write_text(FOUND.format(before=before, example=str(example)))
    (tmp_path / "home").mkdir()
    done = run([str(script)], tmp_path / "home")
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["1", "1", [], []]
    if not before:
        assert list((tmp_path / "home").rglob("*")) == []


def test_who_has_decided_is_left_alone(tmp_path: Path) -> None:
    code = f"import xspecnf, os; print(os.environ[{OFF!r}])"
    assert run(["-c", code], tmp_path, **{OFF: "0"}).stdout == "0\n"


def test_warnings_of_libraries_stay_away_unless_asked_for(tmp_path: Path) -> None:
    code = "import sys, warnings; sys.argv = ['xspecnf', '--version']; from xspecnf_cli.__main__ import quieten; "
    code += "quieten(); import logging, numpy as np; np.ones(1) / np.zeros(1); warnings.warn('old', FutureWarning); "
    code += "logging.getLogger('matplotlib').warning('a cache')"
    assert run(["-c", code], tmp_path).stderr == ""
    assert "divide by zero" in run(["-W", "default", "-c", code], tmp_path).stderr
