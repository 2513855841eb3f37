"""The figures of an evaluation as Markdown: for the terminal, the model card and the README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]

TITLES = {"network": "The network alone", "refined": "Refined"}
CREDIBLE = {"marginal": "marginal", "tarp": "TARP", "likelihood": "likelihood"}
MIDDLES = {"sample": "sample", "median": "median point", "spectrum": "median spectrum"}

CALIBRATION = """\
Coverage: the largest difference from nominal over credible levels of 5 to 95 %, in brackets what chance alone makes of
it with so many spectra and calibrated posteriors: its mean and 95 % quantile. Marginal: central intervals of the five
parameters; TARP: balls around random points; likelihood: regions of highest likelihood, the posterior's own highest
density regions as the prior is uniform. Efficiency: effective sample size over draws under the exact likelihood; worth:
over the samples that refinement returns."""

PGSTAT = """\
Reduced PGStat, mean and in brackets median: of the middle sample by PGStat, the point of median parameters (which a
bent or divided posterior leaves out), the median of the samples' spectra bin by bin, the maximum-likelihood fit and the
true parameters."""

UNIFORMITY = "p-values of the ranks of the truth against the uniform law, chi2 / Kolmogorov-Smirnov"


def markdown(figures: Figures) -> str:
    """Tables of everything that was measured; what was not leaves no trace."""
    kinds = [kind for kind in TITLES if kind in figures]
    parts = [_sizes(figures), CALIBRATION]
    parts += [f"**{TITLES[kind]}**{_failures(figures[kind])}\n\n{_calibration(figures[kind])}" for kind in kinds]
    parts += [_evidence(figures["refined"]["all"])] if "refined" in figures else []
    parts += [_uniformity(figures, kinds)]
    parts += [f"{PGSTAT}\n\n{_pgstat(figures, kinds)}"] if "pgstat" in figures[kinds[-1]]["all"] else []
    parts += [_real(figures["real"])] if "real" in figures else []
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _sizes(figures: Figures) -> str:
    sizes = figures["sizes"]
    options = " ".join(f"--{name} {number}" for name, number in (*sizes.items(), ("seed", figures["seed"])))
    likelihood = " with the marginal likelihood" if figures.get("marginal") else ""
    return (
        f"{sizes['spectra']} fresh simulated spectra, spread over the decades of counts, {sizes['samples']} samples "
        f"each; {sizes['exact']} of them judged by the exact physics, {sizes['refined']} refined{likelihood}. Repeated "
        f"and, with --plots FOLDER, plotted by `xspecnf evaluate {figures['bundle']} {options}"
        f"{' --marginal' if likelihood else ''}`."
    )


def _groups(figures: Figures) -> dict[str, Figures]:
    """The groups of one kind of posterior by what a reader calls them."""
    claimed = {"**1e2 - 3e6**": figures["claimed"]} if "claimed" in figures else {}
    return {**figures["by_counts"], **claimed, "**all**": figures["all"]}


def _failures(figures: Figures) -> str:
    failed = figures["all"]["failed"]
    return f", without a posterior for {failed} spectra" if failed else ""


def _calibration(figures: Figures) -> str:
    groups = _groups(figures)
    names = [name for name in CREDIBLE if name in figures["all"].get("coverage", {})]
    columns = {
        "efficiency, median (5 %)": ("efficiency", "median", "q05"),
        "worth, median (5 %)": ("worth", "median", "q05"),
        "k-hat, median (95 %)": ("khat", "median", "q95"),
        "seconds, median (95 %)": ("seconds", "median", "q95"),
    }
    columns = {title: keys for title, keys in columns.items() if keys[0] in figures["all"]}
    head = ("counts", "spectra", *(CREDIBLE[name] for name in names), *columns)
    rows = [
        (
            name,
            str(group["spectra"]),
            *(_deviation(group.get("coverage", {}).get(kind)) for kind in names),
            *(_pair(group.get(section), *keys) for section, *keys in columns.values()),
        )
        for name, group in groups.items()
    ]
    return table(head, rows)


def _deviation(found: Figures | None) -> str:
    return "-" if found is None else f"{found['max']:.3f} ({found['chance']:.3f}, {found['chance_95']:.3f})"


def _pair(found: Figures | None, first: str, second: str) -> str:
    return "-" if found is None else f"{found[first]:.2g} ({found[second]:.2g})"


def _evidence(group: Figures) -> str:
    if "evidence" not in group:
        return ""
    z = group["evidence"]
    return (
        f"ln evidence of {z['pairs']} pairs of independent refinements differs by {z['z_rms']:.2f} of its errors, rms; "
        f"{z['within_1_sigma']:.0%} within 1 sigma, {z['within_2_sigma']:.0%} within 2, "
        f"{z['within_3_sigma']:.0%} within 3."
    )


def _uniformity(figures: Figures, kinds: Sequence[str]) -> str:
    """Of the spectra that the claims are about, where there are enough of them."""
    tests = {kind: figures[kind].get("claimed", {}).get("uniformity", {}) for kind in kinds}
    names = list(dict.fromkeys(name for found in tests.values() for name in found))
    rows = [(TITLES[kind], *(_p(tests[kind].get(name)) for name in names)) for kind in kinds if tests[kind]]
    low, high = figures["claimed_counts"]
    title = f"{UNIFORMITY}, spectra of {low:g} to {high:g} counts"
    return f"{title}:\n\n{table(('', *names), rows)}" if rows else ""


def _p(found: Figures | None) -> str:
    if found is None:
        return "-"
    chi2 = "-" if found["chi2_p"] is None else f"{found['chi2_p']:.2g}"
    return f"{chi2} / {found['ks_p']:.2g}"


def _pgstat(figures: Figures, kinds: Sequence[str]) -> str:
    """One row a group of spectra: the middles of each kind of posterior, the best fit and the truth."""
    middles = [(kind, point) for kind in kinds for point in MIDDLES]
    last = figures[kinds[-1]]
    points = [point for point in ("fit", "truth") if point in last["all"]["pgstat"]]
    head = ("counts", "spectra", *(f"{kind}: {MIDDLES[point]}" for kind, point in middles), *points)
    rows = []
    for name, group in _groups(last).items():
        if "pgstat" not in group:
            continue
        found = {kind: _groups(figures[kind])[name].get("pgstat", {}) for kind in kinds}
        cells = [*(found[kind].get(point) for kind, point in middles), *(group["pgstat"][point] for point in points)]
        rows.append((name, str(group["pgstat"]["spectra"]), *(_mean(cell) for cell in cells)))
    return table(head, rows) + _above_fit(figures, kinds)


def _mean(found: Figures | None) -> str:
    return "-" if found is None else f"{found['mean']:.4g} ({found['median']:.4g})"


def _above_fit(figures: Figures, kinds: Sequence[str]) -> str:
    """One line of how far the means of all spectra are above that of the best fit."""
    found = {kind: figures[kind]["all"].get("pgstat", {}).get("above_fit", {}) for kind in kinds}
    lines = [
        f"{TITLES[kind]}: " + ", ".join(f"{MIDDLES[point]} {share:+.2%}" for point, share in shares.items())
        for kind, shares in found.items()
        if shares
    ]
    return "\nMeans of all, relative to the best fit's. " + "; ".join(lines) + ".\n" if lines else ""


def _real(figures: Figures) -> str:
    kinds = [kind for kind in TITLES if kind in figures]
    head = ("posterior", "spectra", *MIDDLES.values(), "best sample", "best fit", "efficiency, median (5 %)")
    rows = []
    for kind in kinds:
        found = figures[kind]["all"]
        cells = (_mean(found.get("pgstat", {}).get(point)) for point in (*MIDDLES, "best", "fit"))
        rows.append(
            (
                TITLES[kind] + _failures(figures[kind]),
                str(found["spectra"]),
                *cells,
                _pair(found.get("efficiency"), "median", "q05"),
            )
        )
    text = f"Real spectra, systematic error {figures['systematic']:.2g}, reduced PGStat:\n\n{table(head, rows)}"
    return text + _above_fit(figures, kinds)
