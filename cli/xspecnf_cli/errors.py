"""Errors as a user sees them: one line and exit code 1, a traceback only with --debug; after Ctrl-C, 130."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC, EPIPE
from typing import Annotated

import typer

from xspecnf.errors import XspecnfError
from xspecnf_cli.help import RUNNING

FAILED = 1
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=RUNNING)]


def one_line(error: BaseException) -> str:
    """The message of an error on one line; an unforeseen kind of error is named, for the report that it deserves."""
    if isinstance(error, OSError) and error.filename is None and error.errno in (EPIPE, ENOSPC):
        return f"standard output: {error.strerror}; what was finished is kept"  # of a file the error has the name
    text = " ".join(str(error).split())
    expected = isinstance(error, XspecnfError | OSError | ValueError)
    return text if expected and text else f"unexpected {type(error).__name__}: {text} (--debug shows where)"


def report(error: BaseException, file: str = "") -> None:
    """Print one error line on stderr, with the file in front where the message does not name it."""
    text = one_line(error)
    typer.echo(f"error: {text}" if file in text else f"error: {file}: {text}", err=True)


def report_output(error: BaseException, file: str, output: object) -> None:
    """Print one error line on stderr: the file, which of its outputs could not be written, and why."""
    why = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)
    typer.echo(f"error: {file}: {output}: {why.removeprefix(f'{output}: ')}", err=True)


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Turn whatever fails inside into one line and exit code 1, Ctrl-C into 130; with `debug` let it through."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        if debug:
            raise
        typer.echo("interrupted: what was finished is kept", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if debug:
            raise
        report(error)
        raise typer.Exit(FAILED) from None
