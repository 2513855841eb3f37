"""A posterior as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xspecnf.verdict import chance
from xspecnf_cli.sheet import Line, Sheet

if TYPE_CHECKING:
    from xspecnf import Posterior
    from xspecnf.companions import Companions
    from xspecnf.posterior import Marginal
    from xspecnf.predictive import PredictiveCheck


def table(posterior: Posterior, outputs: Sequence[str] = ()) -> Sheet:
    """The five parameters with their 68 % intervals, the fit, the verdict with its reasons, the timing."""
    diagnostics, size = posterior.diagnostics, len(posterior.theta)
    lines = [_fit(posterior)]
    if diagnostics.predictive is not None:
        lines.append(_predictive(diagnostics.predictive))
    if diagnostics.ess is not None:
        lines.append(_exact(posterior))
    lines.append(Line(f"verdict: {diagnostics.verdict}", diagnostics.verdict))
    lines += [Line(f"{flag.name}: {flag.reason}", indent=2) for flag in diagnostics.flags]
    lines += read_with(posterior.files)
    lines += [Line(f"note: {note}") for note in posterior.notes]
    lines += [Line(f"wrote {output}") for output in outputs]
    timing = f"{size} samples in {posterior.seconds:.3f} s, model {posterior.model}, seed {posterior.seed}"
    return Sheet(
        posterior.file,
        ("parameter", "median", "68 % interval", "unit"),
        tuple(_row(name, marginal) for name, marginal in posterior.summary().items()),
        (*lines, Line(timing, "aside")),
    )


def read_with(files: Companions | None) -> list[Line]:
    """The files that were read with the spectrum."""
    return [Line(words) for words in files.words()] if files else []


def _row(name: str, marginal: Marginal) -> tuple[str, ...]:
    return name, f"{marginal.median:.4g}", f"{marginal.q16:.4g} .. {marginal.q84:.4g}", marginal.unit


def _fit(posterior: Posterior) -> Line:
    fit = posterior.fit
    return Line(
        f"PGStat/dof {fit.best:.1f}/{fit.dof} = {fit.reduced_best:.2f} at best, {fit.value:.1f} at the medians "
        f"({fit.counts} counts in {fit.bins} bins)"
    )


def _predictive(check: PredictiveCheck) -> Line:
    r = check.residual
    return Line(
        f"posterior predictive {chance(check.p_total)}; largest residual {r.sigma:+.1f} sigma at "
        f"{r.energy_lo:.2f}-{r.energy_hi:.2f} keV, {chance(check.p_local)}"
    )


def _exact(posterior: Posterior) -> Line:
    d = posterior.diagnostics
    return Line(
        f"exact likelihood: {d.ess:.0f} effective samples, efficiency {d.efficiency:.1%}, "
        f"ln evidence {d.log_evidence:.2f} +- {d.log_evidence_error:.2f}"
    )
