"""The model card: what a bundle is, how good it is and what it cannot do, made from its manifest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PGSTATS = ("sample", "median", "best", "truth")

LIMITS = """\
- It knows one model: an absorbed disc with thermal Comptonisation. Lines, reflection, a second component or another
  instrument are outside it; a poor fit statistic and the verdict say so.
- Posteriors are those of the prior box above. Outside it the probability is zero, whatever the data say.
- Check what matters with importance weights of the exact likelihood (`--refine`), above all beyond 1e6 counts.
"""


def model_card(manifest: Mapping[str, Any]) -> str:
    """The README.md of a bundle, in Markdown."""
    sections = [
        f"# {manifest['name']} {manifest['version']}\n\n{manifest['description']}\n",
        f"## Model and prior\n\n{_physics(manifest['physics'])}\n\n{_parameters(manifest)}",
        f"## Measured\n\n{_metrics(manifest['metrics'])}\n",
        f"## Training\n\n{_tree(_without(manifest['provenance'], 'configuration')) or 'Not recorded.'}\n",
        f"## Graphs against the trained networks (float64)\n\n{_verification(manifest['verification'])}",
        f"## What it cannot do\n\n{LIMITS}",
    ]
    return "\n".join(sections)


def _physics(physics: Mapping[str, Any]) -> str:
    return (
        f"`{physics['model']}`, abundances {physics['abundances']}, electron temperature {physics['kT_e']:g} "
        f"{physics['kT_e_unit']}, reflection fraction {physics['reflection_fraction']:g}."
    )


def _parameters(manifest: Mapping[str, Any]) -> str:
    rows = (
        (p["name"], p["xspec"], p["unit"] or "-", f"{p['low']:g} .. {p['high']:g}", f"uniform, {p['scale']}")
        for p in manifest["parameters"]
    )
    return _table(("parameter", "XSPEC", "unit", "range", "prior"), rows)


def _verification(verification: Mapping[str, Any]) -> str:
    rows = [
        (name, *(f"{d[key]:.1e}" for key in ("median", "p999", "largest")))
        for name, d in verification.items()
        if isinstance(d, Mapping)
    ]
    return _table(("quantity", "median", "99.9 %", "largest"), rows) + f"\n{verification['inputs']} samples compared.\n"


def _metrics(metrics: Mapping[str, Any]) -> str:
    """What `xspecnf evaluate` found: a table by counts, the real spectra below it."""
    if "by_counts" not in metrics:
        return _tree(metrics) or "Nothing was measured for this bundle."
    head = ("counts", "spectra", "coverage error, marginal", "joint", *PGSTATS, "efficiency, median", "5 %")
    ranges = metrics["by_counts"] | {"all": metrics["all"]}
    rows = [_metrics_row(name, figures) for name, figures in ranges.items()]
    text = (
        f"{metrics['spectra']} fresh simulated spectra, {metrics['samples']} samples each; PGStat and efficiency from "
        f"{metrics['exact_samples']} of them. Coverage error: the largest difference from nominal over credible levels "
        "of 5 to 95 % (and parameters; joint: TARP). PGStat: reduced statistic, mean and in brackets median, of one "
        "sample, of the posterior's median point, of the best sample and of the true parameters. Efficiency: effective "
        "sample size over samples "
        f"under the exact likelihood, without adaptation.\n\n{_table(head, rows)}"
    )
    return text + (_real(metrics["real"]) if "real" in metrics else "")


def _metrics_row(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    coverage, statistic, efficiency = figures["coverage_error"], figures["reduced_pgstat"], figures["efficiency"]
    return (
        name,
        str(figures["spectra"]),
        f"{coverage['marginal_max']:.3f}",
        f"{coverage['joint_max']:.3f}",
        *(f"{statistic[key]['mean']:.3g} ({statistic[key]['median']:.3g})" for key in PGSTATS),
        f"{efficiency['median']:.2g}",
        f"{efficiency['q05']:.2g}",
    )


def _real(figures: Mapping[str, Any]) -> str:
    statistic, efficiency = figures["reduced_pgstat"], figures["efficiency"]
    found = ", ".join(f"{name} {s['median']:.3g} (mean {s['mean']:.3g})" for name, s in statistic.items())
    return (
        f"\n{figures['spectra']} real spectra with a systematic error of {figures['systematic']:.2g}, median reduced "
        f"PGStat: {found}; efficiency {efficiency['median']:.2g} (5 %: {efficiency['q05']:.2g}).\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def _tree(value: Any, depth: int = 0) -> str:
    """Nested mappings as a nested list; tables of figures stay readable without knowing what was measured."""
    lines = []
    for name, entry in value.items():
        indent = "  " * depth
        if isinstance(entry, Mapping):
            lines += [f"{indent}- {name}:", _tree(entry, depth + 1)]
        else:
            lines.append(f"{indent}- {name}: {_figure(entry)}")
    return "\n".join(line for line in lines if line)


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_figure(entry) for entry in value)
    return str(value)
