"""One observation on one page: a self-contained HTML file that needs no network and no script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from xspecnf.advice import ADVICE, VERDICTS
from xspecnf.html import badge, summary_table, table
from xspecnf.plots import rendered
from xspecnf.plots.corner import corner
from xspecnf.plots.spectrum import spectrum
from xspecnf.verdict import chance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xspecnf.observation import Observation
    from xspecnf.posterior import Posterior

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .25rem .8rem; text-align: left; border-bottom: 1px solid #ddd }
img { max-width: 100% } figure { margin: 1rem 0 } figcaption { color: #555 } pre { overflow-x: auto }
""".strip()


Lost = Callable[[Exception], None]
"""What is told why a figure cannot be drawn."""

GENERATOR = '<meta name="generator" content="xspecnf">'
"""By which a later run knows that it may replace the page."""


def report(
    posterior: Posterior,
    obs: Observation,
    raw: Posterior | None = None,
    command: str = "",
    lost: Lost | None = None,
) -> str:
    """The page.

    Args:
        posterior: what is reported.
        obs: what it was inferred from.
        raw: the network's own posterior, for the corner plot of a refined one.
        command: what repeats the inference, for the provenance.
        lost: is told why a figure cannot be drawn, in whose place the page says so; without it the error is raised.

    Raises:
        MissingExtraError: matplotlib or corner is not installed.
    """
    name = escape(posterior.file.rsplit("/", 1)[-1])
    sections = "".join(_sections(posterior, obs, raw, command, lost))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{GENERATOR}<title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><h1>{name} {badge(posterior.diagnostics.verdict)}</h1>{sections}</body></html>\n"
    )


def _sections(
    posterior: Posterior,
    obs: Observation,
    raw: Posterior | None,
    command: str,
    lost: Lost | None,
) -> Iterator[str]:
    yield _verdict(posterior)
    yield f"<h2>Parameters</h2>{summary_table(posterior)}"
    yield f"<h2>How well it fits</h2>{table((), _fit(posterior))}"
    yield _image(
        partial(spectrum, posterior, obs),
        "The observed counts, the model and what it would have observed (68 and 95 %); below, residuals in sigma.",
        lost,
    )
    yield _image(
        partial(spectrum, posterior, obs, unfolded=True),
        "The same unfolded: the data depend on the model that was used to unfold them.",
        lost,
    )
    yield "<h2>Posterior</h2>"
    yield _image(partial(corner, posterior, raw), "68 and 95 % contours of every pair of parameters.", lost)
    yield f"<h2>Provenance</h2>{table((), _provenance(posterior, obs))}"
    yield f"<pre>{escape(command)}</pre>" if command else ""


def _verdict(posterior: Posterior) -> str:
    diagnostics = posterior.diagnostics
    reasons = "".join(
        f"<li><b>{escape(flag.name)}</b> ({flag.severity}): {escape(flag.reason)}. {escape(ADVICE[flag.name])}</li>"
        for flag in diagnostics.flags
    )
    return f"<p>{VERDICTS[diagnostics.verdict]}</p><ul>{reasons}</ul>"


def _fit(posterior: Posterior) -> Iterator[tuple[str, str]]:
    fit, diagnostics, check = posterior.fit, posterior.diagnostics, posterior.diagnostics.predictive
    yield "PGSTAT at best", f"{fit.best:.1f} for {fit.dof} degrees of freedom ({fit.reduced_best:.2f})"
    yield "PGSTAT at the medians", f"{fit.value:.1f}"
    yield "counts", f"{fit.counts} in {fit.bins} bins"
    if check is not None:
        residual = check.residual
        yield "posterior predictive", f"{chance(check.p_total)}: how often the model's own data would fit as badly"
        where = f"{residual.energy_lo:.2f}-{residual.energy_hi:.2f} keV"
        yield "largest residual", f"{residual.sigma:+.1f} sigma at {where}, {chance(check.p_local)}"
    if diagnostics.ess is not None:
        yield "effective samples", f"{diagnostics.ess:.0f} of {len(posterior.theta)}"
        yield "efficiency", f"{diagnostics.efficiency:.1%} of the draws that these were chosen from"
        yield "ln evidence", f"{diagnostics.log_evidence:.2f} ± {diagnostics.log_evidence_error:.2f}"


def _provenance(posterior: Posterior, obs: Observation) -> Iterator[tuple[str, str]]:
    from importlib.metadata import version

    yield "file", posterior.file
    yield "exposure", f"{obs.exposure:.6g} s"
    yield "middle of the observation", f"MJD {obs.mjd:.5f}" if obs.mjd == obs.mjd else "not in the file"
    yield "response", obs.response.name
    yield "files", "; ".join(obs.files.words()) if obs.files else "none"
    yield "systematic error", f"{obs.systematic.min():.2%} to {obs.systematic.max():.2%}"
    yield "refined", posterior.diagnostics.method or "no"
    yield "model", posterior.model
    yield "xspecnf", version("xspecnf")
    yield "samples, seed", f"{len(posterior.theta)}, {posterior.seed}"
    yield from (("note", note) for note in posterior.notes)


def _image(draw: Callable[[], Figure], caption: str, lost: Lost | None) -> str:
    words = escape(caption)
    try:
        content = b64encode(rendered(draw(), "png")).decode()
    except Exception as error:
        if lost is None:
            raise
        lost(error)
        return f"<p>No figure could be drawn here ({escape(str(error))}). It would show: {words}</p>"
    return f'<figure><img src="data:image/png;base64,{content}" alt="{words}"><figcaption>{words}</figcaption></figure>'
