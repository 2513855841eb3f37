"""The README's first command prints what the README shows; its other blocks are run by test_docs.py."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xspecnf_cli.app import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The working folder of the README: one that holds examples/, but where written files may go."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def test_the_first_command_prints_what_the_readme_shows() -> None:
    command = re.search(r"pip install \. && xspecnf (infer .*)", README)
    assert command
    result = CliRunner().invoke(app, shlex.split(command.group(1)))
    assert result.exit_code == 0, result.output
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert shown
    assert _without_timing(result.stdout) == _without_timing(shown.group(1))


def _without_timing(text: str) -> list[str]:
    """Lines without the time that it took; numbers to two digits, which is what machines agree on."""
    lines = [re.sub(r"in \d+\.\d+ s", "", line).rstrip() for line in text.strip().splitlines()]
    return [re.sub(r"\d+\.\d+|\d{3,}", lambda number: f"{float(number.group()):.2g}", line) for line in lines]
