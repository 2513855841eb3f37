"""How a progress bar looks; imported where there is a terminal to draw it on, for rich takes its time to load."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from xspecnf_cli.progress import DELAY
from xspecnf_cli.sheet import terminal


class Rate(ProgressColumn):
    """Steps a second, or seconds a step where that is the larger number."""

    def render(self, task: Task) -> Text:
        """The rate, blank until there is one."""
        speed = task.finished_speed or task.speed or 0.0
        words = "" if speed == 0 else f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"
        return Text(words, style="progress.data.speed")


class LateProgress(Progress):
    """A bar that shows itself only when the work has taken a while."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar, nothing before its time."""
        if any((task.elapsed or 0.0) > DELAY for task in self.tasks):
            yield from super().get_renderables()


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Draw a bar for the stage under way until the block ends, as :func:`xspecnf_cli.progress.stages` has it."""
    console = terminal() if sys.stdout.isatty() else Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    drawn = LateProgress(
        *columns,
        TextColumn("left"),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=sys.stderr.isatty(),
    )

    def step(stage: str, done: int, total: int) -> None:
        if [task.description for task in drawn.tasks] != [stage]:
            for task in drawn.tasks:
                drawn.remove_task(task.id)
            drawn.add_task(stage, total=total, completed=done)
        drawn.update(drawn.task_ids[0], completed=done)

    with drawn:
        yield step
