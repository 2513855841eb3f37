"""The command's manners: help that teaches, options in any case, completion, terminals and pipes, Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from astropy.table import Table
from typer.testing import CliRunner, Result

from xspecnf_cli.app import app
from xspecnf_cli.sheet import Line, Sheet

Run = Callable[..., Result]


def _verbs(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    command = command or typer.main.get_command(app)
    for name, verb in command.commands.items():
        if hasattr(verb, "commands"):
            yield from _verbs(verb, (*path, name))
        else:
            yield (*path, name)


VERBS = tuple(_verbs())


def test_the_first_help_fits_a_screen(run: Run) -> None:
    lines = run("--help").stdout.rstrip().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert {path[0] for path in VERBS} <= set(re.findall(r"^  (\w+)  ", "\n".join(lines), re.MULTILINE))


@pytest.mark.parametrize("group", [(), ("models",)], ids=" ".join)
def test_no_summary_is_cut_short(run: Run, group: tuple[str, ...]) -> None:
    commands = run(*group, "--help").stdout.partition("Commands:")[2]
    assert "..." not in commands


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_an_example_and_a_traceback(run: Run, verb: tuple[str, ...], usage: Callable) -> None:
    text = run(*verb, "--help").stdout
    assert "--debug" in text
    examples = re.findall(r"^ +(?:Example: )?(xspecnf (?:.*\\\n)*.*)", text, re.MULTILINE)
    assert examples
    for example in examples:
        assert usage(example.replace("\\\n", " "))[: len(verb)] == list(verb)


def test_the_version(run: Run) -> None:
    assert re.fullmatch(r"xspecnf \d+\.\d+\.\d+\S*\n", run("--version").stdout)


@pytest.mark.parametrize(("word", "offered"), [("inf", "infer"), ("sim", "simulate"), ("infer --syst", "--systematic")])
def test_the_shell_completes(word: str, offered: str) -> None:
    words = f"xspecnf {word}"
    asked = {"_XSPECNF_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    assert CliRunner().invoke(app, [], prog_name="xspecnf", env=asked).stdout.split() == [offered]


def test_models_are_completed() -> None:
    asked = {"_XSPECNF_COMPLETE": "complete_bash", "COMP_WORDS": "xspecnf infer --model nicer", "COMP_CWORD": "3"}
    assert "nicer-bhb" in CliRunner().invoke(app, [], prog_name="xspecnf", env=asked).stdout.split()


def test_a_sheet_in_plain_text() -> None:
    sheet = Sheet(
        "obs.pha",
        ("parameter", "median", "68 % interval", "unit"),
        (("nH", "0.12", "0.1 .. 0.2", "1e22 cm-2"), ("Gamma", "1.6", "1.5 .. 1.7", "")),
        (Line("verdict: reject", "reject"), Line("misfit: bad", indent=2)),
    )
    assert sheet.text().splitlines() == [
        "obs.pha",
        "  parameter       median  68 % interval              unit",
        "  nH                0.12  0.1 .. 0.2                 1e22 cm-2",
        "  Gamma              1.6  1.5 .. 1.7",
        "  verdict: reject",
        "    misfit: bad",
    ]
    with pytest.raises(ValueError, match="4 cells"):
        Sheet("obs.pha", sheet.heads, (("nH",),), ())


def _python(script: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script], text=True, start_new_session=True, **options)


def _command(*arguments: object) -> str:
    """A script that runs the command as its entry point does."""
    words = ["xspecnf", *map(str, arguments)]
    return f"import sys; sys.argv = {words!r}\nfrom xspecnf_cli.__main__ import main\nmain()"


def _on_terminal(script: str) -> str:
    """What a script writes to a terminal of 80 columns."""
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"}
    process = _python(script, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    written = b""
    try:
        while part := os.read(leader, 65536):
            written += part
    except OSError:  # how Linux says that the other end has closed
        pass
    os.close(leader)
    assert process.wait(timeout=120) == 0, written.decode()
    return written.decode()


AT_ONCE = "import xspecnf_cli.bar; xspecnf_cli.bar.DELAY = 0.0\n"
"""Bars that do not wait."""


def _plain(shown: str) -> str:
    """What was written to a terminal without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_terminal_has_a_drawn_table_and_a_bar(tiny_bundle: Path, example: Path) -> None:
    call = ("infer", "--model", tiny_bundle, "--samples", 5, "--no-refine", example, example, example)
    shown = _on_terminal(AT_ONCE + _command(*call))
    assert "\x1b[1;31mverdict: reject" in shown
    assert "━" in shown
    plain = _plain(shown)
    assert plain.count("kT_disk") == 3
    assert re.search(r"infer .* [12]/3 .*left", plain)
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 80


def test_an_evaluation_is_drawn_too(tiny_bundle: Path) -> None:
    none = ("--exact", 0, "--refined", 0, "--workers", 1)
    shown = _plain(_on_terminal(AT_ONCE + _command("evaluate", tiny_bundle, "--spectra", 2, "--samples", 20, *none)))
    assert re.search(r"simulated ━.* 0/2 ", shown)
    assert re.search(r"^ counts +spectra +marginal", shown, re.MULTILINE)
    assert "spectra judged" not in shown


def test_a_pipe_has_plain_text_and_no_rich(tiny_bundle: Path, example: Path) -> None:
    call = ("infer", "--model", tiny_bundle, "--samples", 5, "--no-refine", example)
    script = (
        "import atexit, sys; atexit.register(lambda: print(*{'rich', 'torch'} & set(sys.modules), file=sys.stderr))\n"
    )
    out, err = _python(script + _command(*call), stdout=subprocess.PIPE, stderr=subprocess.PIPE).communicate()
    assert "\x1b" not in out + err
    assert "verdict: reject" in out
    assert err.strip() == ""


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_what_was_finished(tiny_bundle: Path, example: Path, tmp_path: Path, jobs: int) -> None:
    """Whole files and a whole table of them, one line, 130; the same command then does what is left."""
    names = [tmp_path / f"copy{number}.pha" for number in range(300)]
    for name in names:
        name.symlink_to(example)
    files = ("--rmf", example.with_suffix(".rmf.gz"), "--arf", example.with_suffix(".arf"))
    table, kept = tmp_path / "results.ecsv", tmp_path / "out"
    kept.mkdir()
    options = ("--model", tiny_bundle, "--samples", 5, "--no-refine", "--quiet", "--jobs", jobs, *files)
    call = ("infer", *options, "--table", table, "--output", kept / "{stem}.csv", *names)
    # A shell that runs these tests in the background lets its children ignore Ctrl-C.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = _python(heeding + _command(*call), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(list(kept.glob("*.csv"))) < 2 and process.poll() is None:  # the second follows the first one's row
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does it: to the command and all its workers
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, ""), err
    assert err == "interrupted: what was finished is kept\n"
    done = Table.read(table)
    assert 1 <= len(done) < len(names)
    assert not any(done["error"].tolist())
    assert len(done) <= len(list(kept.glob("*.csv"))) <= len(done) + 1
    assert not list(tmp_path.glob("*.journal"))
