"""What the figures have in common: names, units, colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xspecnf.parameters import Parameter

Float64 = NDArray[np.float64]

SYMBOLS = {
    "nH": r"$N_\mathrm{H}$",
    "Gamma": r"$\Gamma$",
    "f_sc": r"$f_\mathrm{sc}$",
    "kT_disk": r"$kT_\mathrm{disk}$",
    "norm": r"$\mathrm{norm}$",
}
UNITS = {
    "1e22 cm-2": r"$10^{22}\,\mathrm{cm}^{-2}$",
    "keV": "keV",
    "(km/10kpc)^2": r"$(\mathrm{km}/10\,\mathrm{kpc})^2$",
}
DECADE = 10.0
"""Values of a parameter with a logarithmic prior that spread by more are shown as logarithms."""


@dataclass(frozen=True)
class Scale:
    """How a parameter is shown: its logarithm, or in a power of ten of its unit.

    Attributes:
        label: name and unit, in matplotlib's mathematics.
        logarithmic: log10 of the value is shown.
        exponent: the value is divided by 10 to this power.
    """

    label: str
    logarithmic: bool = False
    exponent: int = 0

    def __call__(self, values: Float64) -> Float64:
        """Values as they are shown, of the same shape."""
        return np.log10(values) if self.logarithmic else values / 10.0**self.exponent


def scale(parameter: Parameter, values: Float64) -> Scale:
    """The scale that fits the values (S,) of a parameter."""
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
    symbol, unit = SYMBOLS.get(parameter.name, parameter.name), UNITS.get(parameter.unit, parameter.unit)
    if parameter.scale == "log10" and high > DECADE * low:
        return Scale(_labelled(rf"$\log_{{10}}$ {symbol}", unit), logarithmic=True)
    exponent = math.floor(math.log10(middle)) if middle > 0 else 0
    exponent = 0 if -2 <= exponent <= 2 else exponent
    factor = rf"$10^{{{exponent}}}$" if exponent else ""
    return Scale(_labelled(symbol, rf"{factor} {unit}".strip()), exponent=exponent)


def _labelled(symbol: str, unit: str) -> str:
    return f"{symbol}\n[{unit}]" if unit else symbol


def with_errors(low: float, middle: float, high: float) -> str:
    """A median with its distances to both quantiles, to two digits of the smaller one."""
    below, above = middle - low, high - middle
    smallest = min(error for error in (below, above, abs(middle), 1.0) if error > 0)
    digits = max(0, 1 - math.floor(math.log10(smallest)))
    return rf"${middle:.{digits}f}^{{+{above:.{digits}f}}}_{{-{below:.{digits}f}}}$"
