"""What the verdict means for somebody who has to use the result: in plain words, and what to do next."""

from __future__ import annotations

VERDICTS = {
    "good": "Nothing that was looked at speaks against this posterior.",
    "caution": "The posterior can be used with the reservations below.",
    "reject": "Do not use these parameters, for the reasons below.",
}

ADVICE = {
    "no-signal": "The source is not detected: what the parameters show is the prior. Quote an upper limit on the flux.",
    "background-dominated": "The answer leans on the background spectrum: try another background model and compare.",
    "poisson-background": "Errors of few counts are not Gaussian, as PGSTAT has them: norm, Gamma and f_sc are off. "
    "Give a background of more counts, or a model of it with errors.",
    "no-background": "Soft and faint sources need one: give it with --background. A bright one can do without.",
    "no-correction": "Put the file where the header names it, or set CORRFILE to none if it is not wanted.",
    "reference-response": "Parameters absorb differences of calibration: give the observation's own --rmf and --arf.",
    "bad-bins": "Check the QUALITY column; the parameters rest on the bins that are left.",
    "extrapolated": "The network was not trained for this: only a refined posterior, --refine, does not depend on it.",
    "unlike-training": "It looks like none of the training. Look at the residuals; trust only refined samples.",
    "misfit": "No parameters describe these data within their errors: the residuals show what is missing; do "
    "not believe the widths. It can be a line, reflection or the calibration; a systematic error covers the last.",
    "too-close": "The errors are too large, the background's or the systematic one; so are the intervals.",
    "missed-peak": "The samples lie beside the likelihood's peak: use --refine.",
    "unconstrained": "The interval is the prior's, not the data's: do not quote this parameter.",
    "prior-edge": "The data do not bound this parameter inside the prior: quote a limit, not an interval.",
    "outside-prior": "The network points outside the model's range. If the fit is bad or not refined, check exposure, "
    "response and background.",
    "approximate": "The network is less exact than these data: intervals may be off by their width. Use --refine.",
    "low-ess": "Too few samples carry the weight for intervals: ask for more --samples, or do not quote them.",
    "high-khat": "Weighted averages are not stable yet: ask for more --samples.",
    "uncertain-evidence": "Use the samples; do not compare models by this evidence.",
    "evidence-mismatch": "A mode may be missing: repeat with another --seed and compare.",
}
"""By flag."""
