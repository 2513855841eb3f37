"""`xspecnf simulate`: PHA files of Poisson counts from parameters, through a response."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xspecnf_cli import own
from xspecnf_cli.errors import FAILED, Debug, report, reported
from xspecnf_cli.help import RESPONSE
from xspecnf_cli.losses import Target
from xspecnf_cli.progress import progress
from xspecnf_cli.reading import Reading

if TYPE_CHECKING:
    from xspecnf.simulation import Setup

NUMBER = "{n}"
PARAMETERS = "Parameters, by their names here or in XSPEC"

NH = Annotated[float, typer.Option("--nH", metavar="NH", help="TBabs column, 1e22 cm^-2.", rich_help_panel=PARAMETERS)]
Gamma = Annotated[
    float, typer.Option("--Gamma", metavar="G", help="Photon index of simplcutx.", rich_help_panel=PARAMETERS)
]
Fsc = Annotated[
    float,
    typer.Option(
        "--f-sc", "--FracSctr", metavar="F", help="Scattered fraction of simplcutx.", rich_help_panel=PARAMETERS
    ),
]
KTdisk = Annotated[
    float,
    typer.Option(
        "--kT-disk", "--T_max", metavar="KT", help="Maximum temperature of ezdiskbb, keV.", rich_help_panel=PARAMETERS
    ),
]
Norm = Annotated[
    float, typer.Option("--norm", metavar="N", help="Normalisation of ezdiskbb.", rich_help_panel=PARAMETERS)
]


def simulate(
    output: Annotated[Path, typer.Option(metavar="FILE", help="The PHA file to write; {n}: its number.")],
    exposure: Annotated[float, typer.Option(min=1e-3, metavar="S", help="Exposure in seconds.")],
    nh: NH,
    gamma: Gamma,
    f_sc: Fsc,
    kt_disk: KTdisk,
    norm: Norm,
    rmf: Annotated[
        Path, typer.Option(metavar="FILE", help="Redistribution matrix, or whole response.", rich_help_panel=RESPONSE)
    ],
    arf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Effective area, if the response lacks it.", rich_help_panel=RESPONSE),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Background to add; a copy is written too.", rich_help_panel=RESPONSE),
    ] = None,
    systematic: Annotated[
        float,
        typer.Option(min=0, max=0.5, metavar="F", help="Fractional systematic error.", rich_help_panel=RESPONSE),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed gives the same counts.")] = 0,
    spectra: Annotated[int, typer.Option(min=1, metavar="N", help="How many, with seeds that follow.")] = 1,
    debug: Debug = False,
) -> None:
    """Simulate observations as PHA files, like XSPEC's fakeit.

    Poisson counts in every channel; the header names response and background, so that infer and XSPEC read it at once.

    \b
    Example:
      xspecnf simulate --output sim.pha --exposure 1000 \\
        --rmf nicer.rmf --arf nicer.arf \\
        --nH 0.6 --Gamma 2.6 --FracSctr 0.03 --T_max 0.32 --norm 1e4
    """
    if spectra > 1 and NUMBER not in output.name:
        raise typer.BadParameter(f"{spectra} spectra need {NUMBER} in the name of the file", param_hint="--output")
    with reported(debug), progress(spectra, "simulate") as advance:
        from xspecnf.simulation import Setup, simulated_files

        numbers = [f"{number:0{len(str(spectra - 1))}}" for number in range(spectra)]
        paths = [output.with_name(output.name.replace(NUMBER, number)) for number in numbers]
        files = [file for path in paths for file in simulated_files(path, background is not None)]
        reading = Reading((), rmf=rmf, arf=arf, background=background)
        reading.spare([Target(file, "--output", own.SPECTRUM) for file in files])
        setup = Setup((nh, gamma, f_sc, kt_disk, norm), exposure, rmf, arf, background, systematic)
        failed = False
        for number, path in enumerate(paths):
            failed |= not _done(setup, path, seed + number, debug)
            advance()
    if failed:
        raise typer.Exit(FAILED)


def _done(setup: Setup, path: Path, seed: int, debug: bool) -> bool:
    """Simulate one; that it cannot be written is reported, so that others are."""
    from xspecnf.simulation import simulate_file

    try:
        for file in simulate_file(setup, path, seed, replace=True):
            typer.echo(f"wrote {file}", err=True)
    except OSError as error:
        if debug:
            raise
        report(error, str(path))
        return False
    return True
