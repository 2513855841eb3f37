"""Running the command line inside the test process, stdout and stderr apart."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from xspecnf_cli.app import app

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Call as run("infer", path, "--json"); the arguments are made strings."""

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture(scope="session")
def usage() -> Callable[[str], list[str]]:
    """Call with a line of the shell: the arguments of its `xspecnf`, whose verb and options are checked to exist."""

    def check(line: str) -> list[str]:
        words = shlex.split(line)
        words = words[words.index("xspecnf") + 1 :]
        command, rest = typer.main.get_command(app), list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
        context = command.make_context("xspecnf", [], resilient_parsing=True)
        command.make_parser(context).parse_args(rest)
        return words

    return check


@pytest.fixture
def infer(run: Run, tiny_bundle: Path) -> Run:
    """As `run("infer", ...)` with the tiny bundle on the CPU."""

    def invoke(*arguments: object) -> Result:
        return run("infer", "--model", tiny_bundle, "--provider", "cpu", *arguments)

    return invoke


@pytest.fixture
def orphan(example: Path, tmp_path: Path) -> Path:
    """A copy of the example without its response files."""
    target = tmp_path / "orphan.pha"
    target.write_bytes(example.read_bytes())
    return target
