"""The commands and the code of docs/output.md, as a reader would run them from a checkout."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xspecnf_cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that holds examples/, but where written files may go."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xspecnf.plots.DPI", 20)


def _run(command: str) -> None:
    words = [
        path for word in shlex.split(command)[1:] for path in (map(str, Path().glob(word)) if "*" in word else [word])
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


def test_the_python_of_a_posterior_and_of_a_table(tmp_path: Path) -> None:
    """The table that is read is the one that the page's command makes."""
    (command,) = [line for block in _blocks("sh") for line in block.splitlines() if "--table" in line]
    _run(command)
    names: dict[str, object] = {}
    for block in _blocks("python"):
        if "arviz" not in block:
            exec(compile(block, "docs/output.md", "exec"), names)
    assert (tmp_path / "obs.npz").exists()
    assert len(names["table"]) == 2  # type: ignore[arg-type]


def test_the_commands_that_draw(tmp_path: Path) -> None:
    pytest.importorskip("corner")
    lines = [line for block in _blocks("sh") for line in block.splitlines() if "--plot" in line]
    assert len(lines) == 2
    for line in lines:
        _run(line + " --no-refine")
    assert {path.name for path in tmp_path.glob("*.p*")} == {
        "1200120106-corner.png",
        "1200120106-spectrum.png",
        "history.pdf",
    }
