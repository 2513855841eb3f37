"""How well a posterior fits, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xspecnf.verdict import Flag, Level

if TYPE_CHECKING:
    from xspecnf.predictive import PredictiveCheck


@dataclass(frozen=True)
class Fit:
    """Goodness of fit on the good bins; the systematic error's normalisation term is left out of every value.

    Attributes:
        statistic: "pgstat".
        value: the statistic at the posterior median of every parameter.
        dof: bins less free parameters.
        bins: good bins.
        counts: total counts in them.
        best: the smallest statistic among the median point and the samples that were evaluated.
        best_theta: (5,) physical parameters of `best`.
    """

    statistic: str
    value: float
    dof: int
    bins: int
    counts: int
    best: float
    best_theta: tuple[float, ...]

    @property
    def reduced(self) -> float:
        """value/dof; NaN without degrees of freedom."""
        return self._over_dof(self.value)

    @property
    def reduced_best(self) -> float:
        """best/dof; the point of all medians, whose `reduced` is, may lie where the posterior is not."""
        return self._over_dof(self.best)

    def _over_dof(self, value: float) -> float:
        return value / self.dof if self.dof > 0 else float("nan")


@dataclass(frozen=True)
class Diagnostics:
    """How far the posterior can be trusted.

    Attributes:
        verdict: "good", "caution" or "reject".
        flags: the reasons, empty for "good".
        acceptance: share of the network's draws inside the prior; the others were replaced.
        predictive: posterior predictive p-values; None where the model cannot be evaluated at the posterior.
        novelty: share of training-like spectra as unlike the training data as this one; None where the bundle does not
            know.
        ess: effective sample size: what the samples are worth; None unless refined.
        efficiency: effective share of the draws that the samples were chosen from; None unless refined.
        log_evidence: ln of the evidence with the prior normalised on its bounds; None unless refined.
        log_evidence_error: its standard deviation; None unless refined.
        khat: shape of the weights' tail, reliable below 0.7; None unless refined, with too few samples to tell, or of
            MCMC's samples, which are equal.
        method: where refined samples come from: "network", "adaptive" (importance sampling) or "mcmc"; None unless
            refined.
        rounds: of adaptation that led to the samples, 0 where they are the network's; None unless refined.
        evaluations: of the exact physics in the refinement; None unless refined.
        rhat: of MCMC, below 1.01 where it converged and gave the samples; None where it was not called for.
    """

    verdict: Level
    flags: tuple[Flag, ...]
    acceptance: float
    predictive: PredictiveCheck | None = None
    novelty: float | None = None
    ess: float | None = None
    efficiency: float | None = None
    log_evidence: float | None = None
    log_evidence_error: float | None = None
    khat: float | None = None
    method: str | None = None
    rounds: int | None = None
    evaluations: int | None = None
    rhat: float | None = None
