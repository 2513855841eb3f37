"""Options that several verbs share: which spectra, with what responses, by which model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.help import REAL, RESPONSE, RESULTS, RUNNING
from xspecnf_cli.inputs import expanded, lists_among


class Provider(StrEnum):
    """Where the networks run: `xspecnf.backends.base.Place`, and auto."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    coreml = "coreml"
    coreml_cpu = "coreml-cpu"
    coreml_gpu = "coreml-gpu"
    coreml_ne = "coreml-ne"
    ort_coreml = "ort-coreml"


class ResponseSource(StrEnum):
    """Where a response comes from when the files give none."""

    bundle = "bundle"


def model_names(incomplete: str) -> list[str]:
    """The shipped models whose names begin so, for the shell's completion."""
    from xspecnf.bundle import shipped_bundles

    return [name for name in shipped_bundles() if name.startswith(incomplete)]


LISTS = "xspecnf.lists"
"""Where a command's context has the files that named its spectra."""


def _spectra(context: typer.Context, arguments: list[Path]) -> list[Path]:
    spectra = expanded(arguments)
    context.meta[LISTS] = lists_among(arguments)
    return spectra


Observations = Annotated[
    list[Path],
    typer.Argument(
        metavar="OBS.pha",
        help="PHA spectra, gzipped or not; folders of them; patterns in quotes; @list.txt.",
        callback=_spectra,
    ),
]
Row = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Row of a type II file, as OBS.pha{N} says too.", rich_help_panel=RESPONSE),
]
Observation = Annotated[Path, typer.Argument(metavar="OBS.pha", help="PHA spectrum, gzipped or not.")]
ModelName = Annotated[
    str,
    typer.Option(
        "--model", metavar="NAME|FOLDER", help="A shipped model or a bundle's folder.", autocompletion=model_names
    ),
]
Samples = Annotated[int, typer.Option(min=1, metavar="N", help="Posterior samples of each spectrum.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same samples.")]
Rmf = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Redistribution matrix, in place of the header's.", rich_help_panel=RESPONSE),
]
Arf = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Effective area, in place of the header's.", rich_help_panel=RESPONSE),
]
ResponseOption = Annotated[
    ResponseSource | None,
    typer.Option(
        metavar="bundle", help="The model's own response where the files give none.", rich_help_panel=RESPONSE
    ),
]
Background = Annotated[
    str | None,
    typer.Option(metavar="FILE|none", help="Background, in place of the header's.", rich_help_panel=RESPONSE),
]
Systematic = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.5,
        metavar="F",
        help="Fractional systematic error, in place of the file's; 0.015 suits NICER.",
        rich_help_panel=RESPONSE,
    ),
]
Marginal = Annotated[
    bool,
    typer.Option(
        "--marginal",
        help="Integrate the likelihood over the background's error, not PGSTAT: for faint sources.",
        rich_help_panel=RESPONSE,
    ),
]
Where = Annotated[
    Provider,
    typer.Option(metavar="ENGINE", help=f"Where the networks run: {', '.join(Provider)}.", rich_help_panel=RUNNING),
]
Jobs = Annotated[int, typer.Option(min=1, metavar="N", help="Processes that share the files.", rich_help_panel=RUNNING)]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers share the files.", rich_help_panel=RUNNING),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors alone; write the files.", rich_help_panel=RESULTS)]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object a spectrum.", rich_help_panel=RESULTS)]

RealFolder = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        metavar="FOLDER",
        help="Real spectra, to learn from or be judged on.",
        rich_help_panel=REAL,
    ),
]
RealRmf = Annotated[
    Path | None,
    typer.Option(exists=True, metavar="FILE", help="Redistribution matrix of all real spectra.", rich_help_panel=REAL),
]
RealArfs = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        metavar="FOLDER",
        help="The ARFs that their headers name.",
        rich_help_panel=REAL,
    ),
]
