"""Help that reads the same on a terminal and in a pipe: verbs first, options under headings, a short first page."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

SETTINGS = {"help_option_names": ["-h", "--help"], "token_normalize_func": str.lower}
"""Of every verb; options are recognised in capitals and in small letters, --nh for --nH."""

RESPONSE = "Response, background, errors"
RESULTS = "Results"
RUNNING = "Running"
REAL = "Real spectra"
OTHER = "Options"

LEFT_OUT = ("show_completion",)
"""Options that the first screen has no room for."""


class Verb(TyperCommand):
    """A verb whose options stand under the headings that they were declared with, as `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options heading by heading, those without one first."""
        sections: dict[str, list[tuple[str, str]]] = {OTHER: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record:
                sections.setdefault(getattr(param, "rich_help_panel", None) or OTHER, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Verbs(TyperGroup):
    """The command itself: its verbs, then its options."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write verbs and options."""
        self.format_commands(ctx, formatter)
        records = [param.get_help_record(ctx) for param in self.get_params(ctx) if param.name not in LEFT_OUT]
        with formatter.section(OTHER):
            formatter.write_dl([record for record in records if record])
