"""The model card: what a bundle is, how good it is and what it cannot do, made from its manifest."""

from collections.abc import Mapping
from typing import Any

from xspecnf_train.evaluate.markdown import markdown, table

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
        f"## Graphs against the trained networks (float64)\n\n{_verification(manifest)}",
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
    return table(("parameter", "XSPEC", "unit", "range", "prior"), rows)


def _verification(manifest: Mapping[str, Any]) -> str:
    compared = dict(manifest["verification"])
    inputs = compared.pop("inputs")
    for name, precision in manifest["coreml"].items():
        compared[f"CoreML {name}, its program"] = precision["program"]
        compared[f"CoreML {name}, in float32"] = precision["single"]
    rows = [(name, *(f"{d[key]:.1e}" for key in ("median", "p999", "largest"))) for name, d in compared.items()]
    return table(("quantity", "median", "99.9 %", "largest"), rows) + f"\n{inputs} samples compared.\n"


def _metrics(metrics: Mapping[str, Any]) -> str:
    """The tables of `xspecnf evaluate`; a plain list of what else was measured."""
    if "network" in metrics:
        return markdown(metrics)
    return _tree(metrics) or "Nothing was measured for this bundle."


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
