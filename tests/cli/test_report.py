"""`xspecnf report`: a page that says everything and fetches nothing, in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import Result

from xspecnf.advice import ADVICE

Run = Callable[..., Result]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

pytest.importorskip("matplotlib")
pytest.importorskip("corner")


@pytest.fixture(scope="module")
def page(tiny_bundle: Path, example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a copy of the example whose name tries to break out of the page."""
    from typer.testing import CliRunner

    from xspecnf_cli.app import app

    folder = tmp_path_factory.mktemp("report")
    source = folder / "<b>&amp;.pha"
    shutil.copy(example, source)
    path = folder / "report.html"
    files = ["--rmf", example.with_suffix(".rmf.gz"), "--arf", example.with_suffix(".arf")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xspecnf.plots.DPI", 40)
        call = ["report", source, "--output", path, "--model", tiny_bundle, "--no-refine", "--samples", 60, *files]
        done = CliRunner().invoke(app, [str(word) for word in call])
    assert done.exit_code == 0, done.output
    return path


class Parts(HTMLParser):
    """Tags and text of a page; the tags must be balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_says_what_is_known(page: Path) -> None:
    parts = Parts()
    parts.feed(page.read_text(encoding="utf-8"))
    assert parts.open == []
    for words in ("reject", "misfit", ADVICE["misfit"], "kT_disk", "1e22 cm-2", "Provenance", "tiny", "PGSTAT"):
        assert words in parts.text
    assert "<b>&amp;.pha" in parts.text  # shown as it is, not obeyed


def test_the_page_fetches_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parts = Parts()
    parts.feed(text)
    assert len(parts.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in parts.sources)
    assert "<script" not in text
    assert not re.search(r"url\(|@import|https?:", text)


def test_a_browser_shows_it(page: Path, tmp_path: Path) -> None:
    """The browser's own parser finds the same structure, and its images have a size."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no headless browser here: none of {', '.join(BROWSERS)}")
    probe = tmp_path / "probe.html"
    script = (
        "<script>onload=()=>{document.body.dataset.sizes=[...document.images].map(i=>i.naturalWidth).join();"
        "document.body.dataset.wide=document.documentElement.scrollWidth>innerWidth}</script></body>"
    )
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    call = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    done = subprocess.run([*call, probe.as_uri()], capture_output=True, text=True, check=True, timeout=300)
    sizes = re.search(r'data-sizes="([\d,]+)"', done.stdout)
    assert sizes is not None
    assert [int(size) > 100 for size in sizes.group(1).split(",")] == [True] * 3
    assert 'data-wide="false"' in done.stdout


def test_every_flag_has_advice() -> None:
    """The verdict's source names its flags; none is left without a word on what to do."""
    from xspecnf import verdict

    source = Path(str(verdict.__file__)).read_text(encoding="utf-8")
    assert set(re.findall(r'Flag\("([a-z-]+)"', source)) == set(ADVICE)


def test_a_missing_response_is_one_line(run: Run, orphan: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    done = run("report", orphan, "--output", tmp_path / "report.html", "--model", tiny_bundle)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "report.html").exists()


def test_without_the_packages_that_draw_nothing_is_begun(
    run: Run, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "corner", None)
    monkeypatch.setattr("xspecnf.load_model", None)
    done = run("report", example, "--output", tmp_path / "report.html")
    assert done.exit_code == 1
    assert "pip install 'xspecnf[plot]'" in done.stderr


@pytest.fixture
def short(run: Run, example: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A report of few samples, drawn in no time."""
    monkeypatch.setattr("xspecnf.plots.DPI", 20)

    def invoke(output: Path) -> Result:
        return run("report", example, "--model", tiny_bundle, "--no-refine", "--samples", 20, "--output", output)

    return invoke


def test_a_figure_that_cannot_be_drawn_leaves_the_page(
    short: Run, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> object:
        raise ValueError("no spread in <nH>")

    monkeypatch.setattr("xspecnf.report.corner", never)
    page = tmp_path / "new" / "page.html"
    done = short(page)
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [f"error: {example}: {page}, a figure: no spread in <nH>", f"wrote {page}"]
    text = page.read_text(encoding="utf-8")
    assert text.count("<figure>") == 2
    assert "No figure could be drawn here (no spread in &lt;nH&gt;)" in text


def test_a_page_that_cannot_be_written_leaves_the_answer(
    short: Run, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("xspecnf.atomic.write_atomically", full)
    done = short(tmp_path / "page.html")
    assert done.exit_code == 1
    assert done.stderr == f"error: {example}: {tmp_path}/page.html: No space left on device\n"
    assert "kT_disk" in done.stdout
