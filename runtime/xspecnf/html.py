"""A posterior as a fragment of HTML: what a notebook shows, and the top of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from xspecnf.plots.colours import VERDICT_COLOURS

if TYPE_CHECKING:
    from xspecnf.posterior import Marginal, Posterior

HEADS = ("parameter", "median", "68 % interval", "mean", "std", "unit")


def fragment(posterior: Posterior) -> str:
    """Name, verdict with its reasons, the parameters and how well they fit."""
    fit, flags = posterior.fit, posterior.diagnostics.flags
    facts = [f"{len(posterior.theta)} samples, model {posterior.model}", f"PGSTAT/dof {fit.best:.1f}/{fit.dof}"]
    if posterior.diagnostics.ess is not None:
        facts.append(f"{posterior.diagnostics.ess:.0f} effective samples")
    reasons = "".join(f"<li><b>{escape(flag.name)}</b>: {escape(flag.reason)}</li>" for flag in flags)
    return (
        f"<div><b>{escape(posterior.file)}</b> {badge(posterior.diagnostics.verdict)} {escape(', '.join(facts))}"
        f"{summary_table(posterior)}<ul>{reasons}</ul></div>"
    )


def badge(verdict: str) -> str:
    """The verdict on its colour."""
    style = f"background:{VERDICT_COLOURS[verdict]};color:white;border-radius:4px;padding:1px 8px"
    return f'<span style="{style}">{escape(verdict)}</span>'


def summary_table(posterior: Posterior) -> str:
    """The marginals of the parameters."""
    return table(HEADS, [_row(name, marginal) for name, marginal in posterior.summary().items()])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; without heads where they are empty."""
    head = "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in heads) + "</tr>" if heads else ""
    body = ("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table>{head}{''.join(body)}</table>"


def _row(name: str, m: Marginal) -> tuple[str, ...]:
    interval = f"{m.q16:.4g} to {m.q84:.4g}"
    return name, f"{m.median:.4g}", interval, f"{m.mean:.4g}", f"{m.std:.2g}", m.unit
