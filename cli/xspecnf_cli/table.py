"""A posterior as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xspecnf.verdict import chance

if TYPE_CHECKING:
    from xspecnf import Posterior
    from xspecnf.posterior import Marginal
    from xspecnf.predictive import PredictiveCheck


def table(posterior: Posterior, outputs: Sequence[str] = ()) -> str:
    """The five parameters with their 68 % intervals, the fit, the verdict with its reasons, the timing."""
    lines = [posterior.file, f"  {'parameter':<10}{'median':>12}  {'68 % interval':<25}  unit"]
    lines += [_row(name, marginal) for name, marginal in posterior.summary().items()]
    lines.append(_fit(posterior))
    if posterior.diagnostics.predictive is not None:
        lines.append(_predictive(posterior.diagnostics.predictive))
    if posterior.diagnostics.ess is not None:
        lines.append(_exact(posterior))
    lines.append(f"  verdict: {posterior.diagnostics.verdict}")
    lines += [f"    {flag.name}: {flag.reason}" for flag in posterior.diagnostics.flags]
    lines += [f"  note: {note}" for note in posterior.notes]
    lines += [f"  wrote {output}" for output in outputs]
    size = len(posterior.theta)
    lines.append(f"  {size} samples in {posterior.seconds:.3f} s, model {posterior.model}, seed {posterior.seed}")
    return "\n".join(lines)


def _row(name: str, marginal: Marginal) -> str:
    interval = f"{marginal.q16:.4g} .. {marginal.q84:.4g}"
    return f"  {name:<10}{marginal.median:>12.4g}  {interval:<25}  {marginal.unit}".rstrip()


def _fit(posterior: Posterior) -> str:
    fit = posterior.fit
    return (
        f"  PGStat/dof {fit.value:.1f}/{fit.dof} = {fit.reduced:.2f} at the median, {fit.best:.1f} at best "
        f"({fit.counts} counts in {fit.bins} bins)"
    )


def _predictive(check: PredictiveCheck) -> str:
    r = check.residual
    return (
        f"  posterior predictive {chance(check.p_total)}; largest residual {r.sigma:+.1f} sigma at "
        f"{r.energy_lo:.2f}-{r.energy_hi:.2f} keV, {chance(check.p_local)}"
    )


def _exact(posterior: Posterior) -> str:
    d = posterior.diagnostics
    return (
        f"  exact likelihood: {d.ess:.0f} effective samples ({d.efficiency:.1%}), "
        f"ln evidence {d.log_evidence:.2f} +- {d.log_evidence_error:.2f}"
    )
