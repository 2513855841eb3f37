"""Nothing acts unasked: no file in HOME, no socket, no library's warning on the terminal (docs/security.md)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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


STAND_IN = """
import os
def disable_telemetry_events(): print("called")
print(os.environ["ORT_DISABLE_TELEMETRY"])
os.write(2, b"[W:onnxruntime:Default] no GPU")
"""
"""What an onnxruntime says when it is imported, past sys.stderr, on a machine with a display that is no GPU."""


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    """The variable with which Python imports STAND_IN as onnxruntime."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "onnxruntime.py").write_text(STAND_IN)
    return {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


DECISIONS = ((None, "1", True), ("", "1", True), ("True", "True", True), ("0", "0", False), ("2", "2", False))
"""What the user has set, what it is then, and whether that is a yes to onnxruntime; an empty value decides nothing."""


@pytest.mark.parametrize(("value", "kept", "off"), DECISIONS)
def test_who_has_decided_is_left_alone(
    tmp_path: Path, stand_in: dict[str, str], value: str | None, kept: str, off: bool
) -> None:
    variables = stand_in if value is None else stand_in | {OFF: value}
    at_import, *calls = run(["-c", "import xspecnf.engine"], tmp_path, **variables).stdout.split()
    assert at_import == kept
    assert calls == ["called"] * off


@pytest.mark.parametrize(("value", "kept", "off"), DECISIONS)
def test_an_onnxruntime_that_was_here_before_is_told(
    tmp_path: Path, stand_in: dict[str, str], value: str | None, kept: str, off: bool
) -> None:
    code = f"import os; os.environ.setdefault({OFF!r}, ''); import onnxruntime, xspecnf; print(os.environ[{OFF!r}])"
    variables = stand_in if value is None else stand_in | {OFF: value}
    *calls, now = run(["-c", code], tmp_path, **variables).stdout.splitlines()[1:]
    assert now == kept
    assert calls == ["called"] * off


ASKED = (([], [], False), ([], ["infer", "--debug"], True), (["-W", "default"], [], True))
"""Arguments of Python and of the command, and whether they ask for what libraries say."""


@pytest.mark.parametrize(("python", "arguments", "shown"), ASKED)
def test_warnings_of_libraries_stay_away_unless_asked_for(
    tmp_path: Path, python: list[str], arguments: list[str], shown: bool
) -> None:
    """In workers too."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""
if __name__ == "__main__":
    from xspecnf_cli.__main__ import quieten
    quieten({arguments!r})
    import logging, warnings, numpy as np
    np.ones(1) / np.zeros(1)
    warnings.warn("here", FutureWarning)
    logging.getLogger("matplotlib").warning("a cache")
    from xspecnf.processes import processes
    with processes(1) as workers:
        workers.submit(warnings.warn, "there", FutureWarning).result()
"""
    )
    said = run([*python, str(script)], tmp_path).stderr
    assert [text in said for text in ("divide by zero", "here", "a cache", "there")] == [shown] * 4
    assert shown or said == ""


@pytest.mark.parametrize(("python", "arguments", "shown"), ASKED)
def test_what_onnxruntime_prints_at_its_import_stays_away(
    tmp_path: Path, stand_in: dict[str, str], python: list[str], arguments: list[str], shown: bool
) -> None:
    code = f"import sys; from xspecnf_cli.__main__ import quieten; quieten({arguments!r})\n"
    code += "import xspecnf.engine; print('later', file=sys.stderr)"
    said = run([*python, "-c", code], tmp_path, **stand_in).stderr
    assert said == "[W:onnxruntime:Default] no GPU" * shown + "later\n"


def test_onnxruntime_is_imported_in_one_place() -> None:
    """Which is the one that keeps it from reporting."""
    folders = ("runtime", "cli", "train", "export", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = [p.name for p in files if re.search(r"^ *import onnxruntime", p.read_text(encoding="utf-8"), re.MULTILINE)]
    assert found == ["engine.py"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc on this system")
def test_nothing_waits_to_send(tmp_path: Path) -> None:
    """The telemetry's threads begin with the import, seconds before they look for their server."""
    code = "import os, numpy, xspecnf\nthreads = len(os.listdir('/proc/self/task'))\n"
    code += "import xspecnf.engine\nprint(len(os.listdir('/proc/self/task')) - threads)"
    assert run(["-c", code], tmp_path).stdout == "0\n"
