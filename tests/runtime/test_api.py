"""The public face: few names, and nothing heavy at import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import xspecnf

HEAVY = ("torch", "nflows", "onnx", "onnxruntime", "astropy", "scipy", "matplotlib", "typer")


def test_a_handful_of_names_that_all_resolve() -> None:
    assert 5 <= len(xspecnf.__all__) <= 9
    for name in xspecnf.__all__:
        assert getattr(xspecnf, name) is not None
    assert set(dir(xspecnf)) == set(xspecnf.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        xspecnf.nothing  # noqa: B018


@pytest.mark.parametrize("statement", ["import xspecnf", "from xspecnf import *", "import xspecnf_models"])
def test_importing_loads_nothing_heavy(statement: str) -> None:
    check = f"import sys\n{statement}\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
