"""Options that several verbs share: where real spectra and their responses are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RealFolder = Annotated[
    Path | None, typer.Option(exists=True, file_okay=False, help="Folder of real spectra, to learn or be judged on.")
]
RealRmf = Annotated[Path | None, typer.Option(exists=True, help="Redistribution matrix of all real spectra.")]
RealArfs = Annotated[
    Path | None, typer.Option(exists=True, file_okay=False, help="Folder of the ARFs that their headers name.")
]
