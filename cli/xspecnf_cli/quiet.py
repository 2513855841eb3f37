"""A terminal shows what xspecnf says; what libraries warn each other of is for those who ask."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence


def quiet(arguments: Sequence[str]) -> None:
    """Drop warnings and logs of libraries, here and in worker processes; not with -W, PYTHONWARNINGS or --debug.

    It changes the whole process: for a process of its own.
    """
    if sys.warnoptions or "--debug" in map(str.lower, arguments):
        return
    sys.warnoptions.append("ignore")  # a process that multiprocessing starts takes it over
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler, warnings are printed
