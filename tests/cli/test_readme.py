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
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?")
SECONDS = re.compile(r"in \d+\.\d+ s")


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
    assert _words(result.stdout) == _words(shown.group(1))
    assert _numbers(result.stdout) == pytest.approx(_numbers(shown.group(1)), rel=0.05)


def _words(text: str) -> list[str]:
    """What is said besides numbers, whose digits set the columns' widths."""
    return NUMBER.sub("#", text).split()


def _numbers(text: str) -> list[float]:
    """In their order; without the time that it took. The last digits depend on the machine's rounding."""
    return [float(number) for number in NUMBER.findall(SECONDS.sub("", text))]
