"""Every block of Python and of commands in README.md and docs/, run as a reader would, page by page from a checkout.

A block is run unless the comment before it says why not, `<!-- not run: reason -->`, or it trains or evaluates a model.
Of those that are not run, the Python must compile; of all, every option of `xspecnf` and of a benchmark must exist.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xspecnf.advice import ADVICE
from xspecnf_cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^(?:<!-- not run: ([^>]+) -->\n+)?```(python|sh)\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SLOW = {"train", "export", "evaluate", "doctor", "--install-completion"}
STAND_INS = ("obs", "ni_1", "ni_2", "archive/ni_3")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and why it is not run, if so."""

    language: str
    text: str
    left_out: str | None

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of every command of the shell, without what surrounds it."""
        for line in re.sub(r"\\\n", " ", self.text).splitlines():
            for command in re.split(r"&&|;|\|", line):
                words = shlex.split(command, comments=True)
                while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] == "do"):
                    words.pop(0)
                if words:
                    yield words

    @property
    def runs(self) -> bool:
        """Whether the block is run."""
        own = [words[1] for words in self.commands if words[0] == "xspecnf"] if self.language == "sh" else []
        return self.left_out is None and not SLOW & set(own)


def _blocks(page: Path) -> list[Block]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, text, reason or None) for reason, language, text in found]


WITH_BLOCKS = [page for page in PAGES if _blocks(page)]


@pytest.fixture
def checkout(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with examples/, where files may be written, and the spectra that the pages take as yours."""
    from matplotlib.figure import Figure

    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "archive").mkdir()
    for name in STAND_INS:
        for suffix in (".pha", ".arf", ".rmf.gz"):
            (tmp_path / f"{name}{suffix}").symlink_to(example.with_suffix(suffix))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xspecnf.plots.DPI", 20)
    for place in ("xspecnf.plots.corner.corner", "xspecnf.report.corner"):  # other tests draw it, in seconds
        monkeypatch.setattr(place, lambda *posteriors: Figure())


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_options_exist(page: Path, usage: Callable[[str], list[str]]) -> None:
    for block in _blocks(page):
        if block.language == "python":
            compile(block.text, page.name, "exec")
            continue
        for words in block.commands:
            if words[0] == "xspecnf":
                usage(shlex.join(words))
            elif words[0] == "python" and words[1].endswith(".py"):
                source = (ROOT / words[1]).read_text(encoding="utf-8")
                assert all(f'"{word}"' in source for word in words[2:] if word.startswith("--")), words


@pytest.mark.parametrize(
    "page", [page for page in WITH_BLOCKS if any(block.runs for block in _blocks(page))], ids=lambda page: page.name
)
@pytest.mark.usefixtures("checkout")
def test_the_page_runs(page: Path) -> None:
    pytest.importorskip("corner")
    names: dict[str, object] = {}
    for block in filter(lambda block: block.runs, _blocks(page)):
        if block.language == "python":
            exec(compile(block.text, page.name, "exec"), names)
            continue
        for words in block.commands:
            if words[0] == "xspecnf":
                _run(words[1:])


def _run(words: list[str]) -> None:
    """Run `xspecnf` on the words, with the shell's patterns expanded, and no more than one process."""
    words = words[: words.index(">")] if ">" in words else words
    words = [name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    if "--jobs" in words:
        words[words.index("--jobs") + 1] = "1"
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, f"xspecnf {shlex.join(words)}\n{result.output}"


def test_what_is_not_run_is_little() -> None:
    """At least two blocks of three that are ours to run are run."""
    blocks = [block for page in WITH_BLOCKS for block in _blocks(page)]
    ours = [b for b in blocks if b.language == "python" or any(words[0] == "xspecnf" for words in b.commands)]
    assert sum(block.runs for block in ours) >= 2 * len(ours) / 3


def test_the_guide_knows_every_flag() -> None:
    """With the advice that a report gives."""
    guide = (ROOT / "docs" / "verdict-guide.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (.*) \|$", guide, re.MULTILINE))
    assert table == ADVICE


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links, anchors, snippets and the docstrings that the API page names."""
    pytest.importorskip("mkdocs", reason="pip install '.[docs]'")
    call = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(
        call, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "<math" in (tmp_path / "site" / "method" / "index.html").read_text(encoding="utf-8")
    assert "infer_many" in (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
