"""Output files are there as a whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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


def test_a_part_that_a_killed_writer_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.csv.part").write_text("half of something longer than what is written now")
    write_atomically(tmp_path / "out.csv", "whole")
    assert (tmp_path / "out.csv").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_writers_of_one_file_take_turns(tmp_path: Path) -> None:
    """Whoever reads meanwhile sees one of the texts, whole."""
    path, texts = tmp_path / "out.txt", [letter * 300_000 for letter in "abcd"]
    write_atomically(path, texts[0])
    with ThreadPoolExecutor(4) as writers:
        futures = [writers.submit(write_atomically, path, text) for text in texts * 5]
        while not all(future.done() for future in futures):
            assert path.read_text() in texts
    for future in futures:
        future.result()
    assert [found.name for found in tmp_path.iterdir()] == ["out.txt"]
