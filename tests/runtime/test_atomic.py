"""Output files are there as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from xspecnf.atomic import write_atomically


@pytest.mark.parametrize("content", ["Γ = 2.1\n", b"\x00\xff"])
def test_what_is_written_replaces_what_was_there(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "out.json"
    path.write_text("before")
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there_and_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.json"
    path.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device", f"{path}.part")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*out\.json'$"):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/out\.csv'$"):
        write_atomically(tmp_path / "nowhere" / "out.csv", "")
