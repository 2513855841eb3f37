"""Options that several verbs share: which spectra, with what responses, by which model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.inputs import expanded


class Provider(StrEnum):
    """Where the networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class ResponseSource(StrEnum):
    """Where a response comes from when the files give none."""

    bundle = "bundle"


Observations = Annotated[
    list[Path],
    typer.Argument(
        metavar="OBS.pha...", help="PHA spectra, gzipped or not; folders of them; @list.txt.", callback=expanded
    ),
]
ModelName = Annotated[str, typer.Option("--model", help="A shipped model's name or a bundle's folder.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same samples.")]
Rmf = Annotated[Path | None, typer.Option(help="Redistribution matrix, in place of the header's.")]
Arf = Annotated[Path | None, typer.Option(help="Effective area, in place of the header's.")]
ResponseOption = Annotated[
    ResponseSource | None, typer.Option(help="'bundle': the model's reference response where the files give none.")
]
Background = Annotated[
    str | None, typer.Option(metavar="FILE|none", help="Background in place of the header's, or 'none'.")
]
Systematic = Annotated[
    float | None, typer.Option(min=0, max=0.5, help="Fractional systematic error, in place of the file's.")
]
Where = Annotated[Provider, typer.Option(help="Where the networks run.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that share the files.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers can read the files and share them."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors alone; write the files.")]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON object an observation on stdout.")]

RealFolder = Annotated[
    Path | None, typer.Option(exists=True, file_okay=False, help="Folder of real spectra, to learn or be judged on.")
]
RealRmf = Annotated[Path | None, typer.Option(exists=True, help="Redistribution matrix of all real spectra.")]
RealArfs = Annotated[
    Path | None, typer.Option(exists=True, file_okay=False, help="Folder of the ARFs that their headers name.")
]
