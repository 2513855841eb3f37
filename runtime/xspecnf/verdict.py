"""Should this posterior be believed? A verdict from numbers alone, with every reason named.

A flag's severity is "caution" or "reject"; the verdict is the worst of its flags, "good" without any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from xspecnf.predictive import PredictiveCheck

Severity = Literal["caution", "reject"]
Level = Literal["good", "caution", "reject"]

RELIABLE_KHAT = 0.7
"""Pareto shape above which weighted estimates converge too slowly to be trusted: the proposal misses its target."""


@dataclass(frozen=True)
class Thresholds:
    """Where a flag is raised. The defaults are judgements; the reasons stand beside them.

    Attributes:
        signal_sigma: net counts below so many standard deviations, in all of the band and in each window of it:
            nothing to fit (reject).
        background_fraction: background above this share of the counts: its model decides the answer.
        poisson_fraction: share of a background in the counts of some part of the band from which it matters that its
            errors are no Gaussian's.
        edge_mass: posterior mass within the outer 1 % of a parameter's range; a flat posterior has 0.01 at each end.
        edge_density: of the posterior at an end of a parameter's range, over its largest; at both, where it is even.
        p_total, p_local: posterior predictive p-values below which the model does not fit; with `novelty` and `p_close`
            chosen to raise about 1 % of false alarms among sound spectra (benchmarks/failures.py).
        p_close: 1 - p_total below which the data scatter too little for their errors.
        misses: the best draw's fit statistic lies so far above the posterior's peak: the scatter of five parameters
            leaves the best of many draws within a few of it.
        novelty: share of training-like spectra that are as unlike the training data.
        misfit_reject: reduced statistic beyond which no parameter means anything.
        bad_bins: share of the bins that are lost to bad quality; the network trained on gaps of up to a quarter.
        bad_bins_reject: the same, too many to go on.
        network_efficiency: effective share of the network's draws that were looked at, when not refined: with 5 of 60
            the posterior is not theirs.
        efficiency: effective share of the draws that the samples were chosen from, when refined.
        ess_reject: fewer effective samples than this cannot carry a 68 % interval.
        khat: shape of the weights' tail beyond which importance sampling converges too slowly to be trusted.
        khat_reject: beyond which it does not converge.
        evidence_sigma: by how much the network may find more evidence than the refined samples.
        acceptance: share of the network's draws inside the prior.
    """

    signal_sigma: float = 5.0
    background_fraction: float = 0.5
    poisson_fraction: float = 0.1
    edge_mass: float = 0.05
    edge_density: float = 0.5
    p_total: float = 0.004
    p_local: float = 0.004
    p_close: float = 0.002
    misses: float = 20.0
    novelty: float = 0.002
    misfit_reject: float = 5.0
    bad_bins: float = 0.25
    bad_bins_reject: float = 0.5
    network_efficiency: float = 5 / 60
    efficiency: float = 0.05
    ess_reject: float = 20.0
    khat: float = RELIABLE_KHAT
    khat_reject: float = 1.0
    evidence_sigma: float = 5.0
    acceptance: float = 0.5

    def __post_init__(self) -> None:
        if any(value <= 0 for value in vars(self).values()):
            raise ValueError("every threshold must be positive")


@dataclass(frozen=True)
class Facts:
    """What is known of an observation and its posterior.

    Attributes:
        counts: total counts in the good bins.
        background: expected background counts in them, at the source's exposure.
        signal: net counts in standard deviations, of all good bins and of the window where they are most.
        poisson_background: the background's counts a bin where they are too few for Gaussian errors; None otherwise.
        background_share: the largest share of the counts that are background, in any part of the band.
        bad_fraction: share of the bins with a bad-quality channel.
        has_background: False where no background was subtracted or modelled.
        missing_correction: the correction file that the header names and that was not found, '' otherwise.
        reference_response: True where the bundle's response stood in for the observation's own.
        statistic: PGSTAT of the best sample, without the systematic error's normalisation term.
        dof: bins less free parameters.
        check: posterior predictive check; None where the model cannot be evaluated at the posterior.
        edges: by parameter name, the posterior at the ends of its range.
        network_efficiency: effective share of the network's draws that were looked at; None where refined.
        beyond: how the observation leaves the range of the training, in words.
        novelty: p-value of its context among training-like spectra; None where the bundle does not know.
        acceptance: share of the network's draws inside the prior.
        ess: effective sample size; None where no exact likelihood was computed.
        efficiency: effective share of the draws that the samples were chosen from; None likewise.
        khat: shape of the weights' tail; None likewise, where too few samples tell, or where MCMC left no weights.
        evidence_khat: the same of the weights that the evidence rests on.
        evidence_excess: of the network's draws over the refined samples [standard deviations]; None likewise.
    """

    counts: float
    background: float
    signal: tuple[float, float]
    bad_fraction: float
    has_background: bool
    statistic: float
    dof: int
    check: PredictiveCheck | None
    missing_correction: str = ""
    reference_response: bool = False
    edges: Mapping[str, Edges] = field(default_factory=dict)
    poisson_background: float | None = None
    background_share: float = 0.0
    network_efficiency: float | None = None
    beyond: tuple[str, ...] = ()
    novelty: float | None = None
    acceptance: float = 1.0
    ess: float | None = None
    efficiency: float | None = None
    khat: float | None = None
    evidence_khat: float | None = None
    evidence_excess: float | None = None


@dataclass(frozen=True)
class Edges:
    """A posterior at the ends of a parameter's range.

    Attributes:
        mass: the larger of those in the outer 1 % of either end, as far as it reaches the outer 0.1 %.
        density: the larger of those in the outer 5 % of either end, or less where the posterior is narrow, over the
            largest anywhere.
        evenness: the smaller of those at either end, over the largest anywhere, in slices that hold enough samples.
    """

    mass: float
    density: float
    evenness: float


@dataclass(frozen=True)
class Flag:
    """One reason to doubt: a stable name for programs, a sentence for people."""

    name: str
    severity: Severity
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The level and the flags that led to it, in the order in which they were looked at."""

    level: Level
    flags: tuple[Flag, ...]


def judge(facts: Facts, thresholds: Thresholds | None = None) -> Verdict:
    """Look at every rule once; the worst flag decides."""
    limits = thresholds or Thresholds()
    rules = (_data_flags, _training_flags, _fit_flags, _posterior_flags, _weight_flags)
    flags = tuple(flag for rule in rules for flag in rule(facts, limits))
    severities = {flag.severity for flag in flags}
    level: Level = "reject" if "reject" in severities else "caution" if severities else "good"
    return Verdict(level, flags)


def _data_flags(facts: Facts, limits: Thresholds) -> Iterator[Flag]:
    share = facts.background / max(facts.counts, 1)
    if facts.signal[1] < limits.signal_sigma:
        yield Flag("no-signal", "reject", _without_signal(facts, limits))
    elif share > limits.background_fraction:
        yield Flag("background-dominated", "caution", f"{share:.0%} of the counts are background")
    if facts.poisson_background is not None and facts.background_share > limits.poisson_fraction:
        reason = f"the background's errors are square roots of {facts.poisson_background:.2g} counts a bin: too few"
        yield Flag("poisson-background", "caution", reason)
    if not facts.has_background:
        yield Flag("no-background", "caution", "no background file: the background was taken to be zero")
    if facts.missing_correction:
        reason = f"the correction file {facts.missing_correction} was not found and not subtracted"
        yield Flag("no-correction", "caution", reason)
    if facts.reference_response:
        yield Flag("reference-response", "caution", "the bundle's reference response was used, not the observation's")
    if facts.bad_fraction > limits.bad_bins:
        severity: Severity = "reject" if facts.bad_fraction > limits.bad_bins_reject else "caution"
        yield Flag("bad-bins", severity, f"{facts.bad_fraction:.0%} of the bins hold channels of bad quality")


def _without_signal(facts: Facts, limits: Thresholds) -> str:
    whole, best = facts.signal
    net = facts.counts - facts.background
    if whole < -limits.signal_sigma:
        return f"the background lies {-whole:.1f} sigma above the counts, by {-net:.0f}"
    return f"{net:.0f} net counts are only {whole:.1f} sigma above the background, in part of the band {best:.1f}"


def _training_flags(facts: Facts, limits: Thresholds) -> Iterator[Flag]:
    if facts.beyond:
        yield Flag("extrapolated", "caution", f"beyond what the network was trained on: {'; '.join(facts.beyond)}")
    if facts.novelty is not None and facts.novelty < limits.novelty:
        reason = f"the network has hardly seen such a spectrum: {facts.novelty:.2%} of the training data are as far out"
        yield Flag("unlike-training", "caution", reason)


def _fit_flags(facts: Facts, limits: Thresholds) -> Iterator[Flag]:
    if facts.dof <= 0:
        return
    if facts.check is None or not math.isfinite(facts.statistic):
        yield Flag("misfit", "reject", "the model cannot be evaluated at the posterior")
        return
    check = facts.check
    reduced = check.statistic / facts.dof
    if check.p_total < limits.p_total or check.p_local < limits.p_local:
        severity: Severity = "reject" if reduced > limits.misfit_reject else "caution"
        yield Flag("misfit", severity, f"the model does not fit: PGSTAT/dof {reduced:.2f}, {_worst(check)}")
    if check.p_total > 1 - limits.p_close:
        reason = f"the data scatter less than their errors: PGSTAT/dof {reduced:.2f}, {chance(1 - check.p_total)}"
        yield Flag("too-close", "caution", reason)
    if facts.statistic > check.statistic + limits.misses:
        severity = "reject" if facts.statistic / facts.dof > limits.misfit_reject else "caution"
        gap = facts.statistic - check.statistic
        yield Flag("missed-peak", severity, f"the samples fit worse than the model can, by {gap:.0f}")


def _worst(check: PredictiveCheck) -> str:
    """The check in words."""
    residual = check.residual
    kind = "excess" if residual.sigma > 0 else "deficit"
    where = f"{residual.energy_lo:.2f}-{residual.energy_hi:.2f} keV ({residual.sigma:+.1f} sigma)"
    p = chance(min(check.p_total, check.p_local))
    return f"posterior predictive {p}, largest {kind} of counts at {where}"


def chance(p: float) -> str:
    """A p-value for people: the tail of a fitted law is not quoted to less than a millionth."""
    return f"p = {p:.2g}" if p > 1e-6 else "p < 1e-06"


def _posterior_flags(facts: Facts, limits: Thresholds) -> Iterator[Flag]:
    flat = [name for name, edges in facts.edges.items() if edges.evenness > limits.edge_density]
    if flat:
        reason = f"the data hardly constrain {', '.join(flat)}: the posterior is nearly the prior"
        yield Flag("unconstrained", "caution", reason)
    if edge := [name for name, edges in facts.edges.items() if name not in flat and _at_edge(edges, limits)]:
        yield Flag("prior-edge", "caution", f"the posterior of {', '.join(edge)} reaches the edge of the prior")
    if facts.acceptance < limits.acceptance:
        severity: Severity = "reject" if facts.ess is None else "caution"  # where refined, only the search began there
        reason = f"only {facts.acceptance:.1%} of the network's draws are inside the prior"
        yield Flag("outside-prior", severity, reason)


def _at_edge(edges: Edges, limits: Thresholds) -> bool:
    return edges.mass > limits.edge_mass or edges.density > limits.edge_density


def _weight_flags(facts: Facts, limits: Thresholds) -> Iterator[Flag]:
    """What the exact likelihood says of the samples: of few of the network's, of all where they were refined."""
    if facts.network_efficiency is not None and facts.network_efficiency < limits.network_efficiency:
        reason = f"the network's samples only resemble the posterior: {facts.network_efficiency:.1%} are effective"
        yield Flag("approximate", "caution", reason)
    if facts.ess is None or facts.efficiency is None:
        return
    if facts.efficiency < limits.efficiency:
        severity: Severity = "reject" if facts.ess < limits.ess_reject else "caution"
        reason = f"the samples hardly follow the likelihood: {facts.ess:.0f} effective ones ({facts.efficiency:.1%})"
        yield Flag("low-ess", severity, reason)
    elif facts.ess < limits.ess_reject:
        yield Flag("low-ess", "caution", f"{facts.ess:.0f} effective samples are too few for intervals: ask for more")
    if facts.khat is not None and facts.khat > limits.khat:
        severity = "reject" if facts.khat > limits.khat_reject else "caution"
        yield Flag("high-khat", severity, f"a few samples dominate: Pareto k {facts.khat:.2f} of the weights")
    elif facts.khat is None and facts.evidence_khat is not None and facts.evidence_khat > limits.khat:
        reason = f"the evidence, though not the samples, rests on few weights: Pareto k {facts.evidence_khat:.2f}"
        yield Flag("uncertain-evidence", "caution", reason)
    if facts.evidence_excess is not None and facts.evidence_excess > limits.evidence_sigma:
        reason = f"the network found {facts.evidence_excess:.1f} sigma more evidence: part of the posterior may be lost"
        yield Flag("evidence-mismatch", "caution", reason)
