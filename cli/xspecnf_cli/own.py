"""By what a file that xspecnf wrote is known: only such a file is written over."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

_CHAIN, _FIGURE = rb"HISTORY xspecnf, model ", rb"tEXtSoftware\0xspecnf|/Creator \(xspecnf\)|<dc:title>xspecnf<"
RESULTS = {
    ".npz": rb"\APK.{28}state\.npy",
    ".json": rb'\A\{"file": "',
    ".csv": rb"\A[^\n]{1,200},log_prob,weight",
    ".fits": _CHAIN,
    ".nc": rb"xspecnf",
    ".xcm": rb"\A# [^\n]{1,200} of xspecnf",
    ".png": _FIGURE,
    ".pdf": _FIGURE,
    ".svg": _FIGURE,
}
"""Of the posterior, fit or figure that a suffix names."""

TABLES = {".ecsv": rb"\A# %ECSV", ".fits": rb"TTYPE1  = 'file ", ".parquet": rb"\APAR1"}
"""Of a table, which its reader then looks at closely."""

JOURNAL = rb'\A\{"'
SIGNATURE = rb"\A.{64}\Z"
PAGE = rb'<meta name="generator" content="xspecnf">'
FIGURES = rb'\A\{"bundle": "'
SPECTRUM = rb"CREATOR = 'xspecnf"


def wrote(path: Path, mark: bytes) -> bool:
    """Whether the file holds what the regular expression `mark` says, or nothing at all; not of one that is closed to
    us.
    """
    try:
        with open(path, "rb") as file:
            if not path.stat().st_size:
                return True
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return re.search(mark, content, re.DOTALL) is not None
    except OSError:
        return False
