"""`xspecnf simulate`: a PHA file of Poisson counts from parameters, through a response."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xspecnf_cli.errors import Debug, reported


def simulate(
    output: Annotated[Path, typer.Option(help="The PHA file to write; it must not exist.")],
    rmf: Annotated[Path, typer.Option(help="Redistribution matrix, or a whole response.")],
    exposure: Annotated[float, typer.Option(min=1e-3, help="Exposure in seconds.")],
    nh: Annotated[float, typer.Option("--nH", help="TBabs column, 1e22 cm^-2.")],
    gamma: Annotated[float, typer.Option("--Gamma", help="Photon index of simplcutx.")],
    f_sc: Annotated[float, typer.Option("--f-sc", help="Scattered fraction of simplcutx.")],
    kt_disk: Annotated[float, typer.Option("--kT-disk", help="Maximum temperature of ezdiskbb, keV.")],
    norm: Annotated[float, typer.Option("--norm", help="Normalisation of ezdiskbb.")],
    arf: Annotated[Path | None, typer.Option(help="Effective area; none where the response includes it.")] = None,
    background: Annotated[
        Path | None, typer.Option(help="Background spectrum to add; its copy is written beside the output.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same counts.")] = 0,
    debug: Debug = False,
) -> None:
    """Simulate an observation and write it as a PHA file that names its response files."""
    with reported(debug):
        from xspecnf.simulation import Setup, simulate_file

        setup = Setup((nh, gamma, f_sc, kt_disk, norm), exposure, rmf, arf, background)
        for path in simulate_file(setup, output, seed):
            typer.echo(f"wrote {path}", err=True)
