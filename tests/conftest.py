"""Fixtures that several folders of tests share."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the data that do not ship with the project; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: the data that do not ship with the project")
    return folder


@pytest.fixture(scope="session")
def example() -> Path:
    """The example observation with its response and systematic errors beside it."""
    return ROOT / "examples" / "maxi_j1820" / "1200120106.pha"


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose posterior is known in closed form; see tests/data/make_tiny_bundle.py."""
    make = runpy.run_path(str(ROOT / "tests" / "data" / "make_tiny_bundle.py"))["make"]
    return make(tmp_path_factory.mktemp("bundles") / "tiny")
