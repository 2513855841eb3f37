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
    "no-background": "Soft and faint sources need one: give it with --background. A bright one can do without.",
    "reference-response": "Parameters absorb differences of calibration: give the observation's own --rmf and --arf.",
    "bad-bins": "Check the QUALITY column; the parameters rest on the bins that are left.",
    "extrapolated": "The network was not trained for this: only a refined posterior, --refine, does not depend on it.",
    "unlike-training": "The spectrum looks like none of the training. Look at the residuals, and refine.",
    "misfit": "No parameters describe these data within their errors: the residuals show what is missing; do "
    "not believe the widths. It can be a line, reflection or the calibration; a systematic error covers the last.",
    "missed-peak": "The network's samples lie beside the likelihood's peak: use --refine.",
    "prior-edge": "The data do not bound this parameter inside the prior: quote a limit, not an interval.",
    "outside-prior": "The network points outside the model's range. If the fit is bad or not refined, check exposure, "
    "response and background.",
    "low-ess": "Too few samples carry the weight for intervals: ask for more --samples, or do not quote them.",
    "high-khat": "Weighted averages are not stable yet: ask for more --samples.",
    "uncertain-evidence": "Use the samples; do not compare models by this evidence.",
    "evidence-mismatch": "A mode may be missing: repeat with another --seed and compare.",
}
"""By flag."""
