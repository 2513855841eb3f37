"""The parameters of tbabs(simplcutx(ezdiskbb)), their prior box and the unit cube that the network works in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name here and in XSPEC, its unit and the interval of its uniform prior in `scale` ("linear" or
    "log10").
    """

    name: str
    xspec: str
    number: int
    unit: str
    low: float
    high: float
    scale: str

    def __post_init__(self) -> None:
        if self.scale not in ("linear", "log10"):
            raise ValueError(f"{self.name}: the scale must be linear or log10, not {self.scale!r}")
        if not self.low < self.high or (self.scale == "log10" and self.low <= 0):
            raise ValueError(f"{self.name}: {self.low}..{self.high} is no interval in {self.scale}")

    @property
    def scaled_range(self) -> float:
        """Width of the prior's interval in the parameter's scale."""
        return math.log10(self.high / self.low) if self.scale == "log10" else self.high - self.low

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its name here, in XSPEC with its component, and in XSPEC without."""
        return (self.name, self.xspec, self.xspec.rpartition(".")[2])


BHB_PARAMETERS = (
    Parameter("nH", "TBabs.nH", 1, "1e22 cm-2", 5e-3, 75.0, "log10"),
    Parameter("Gamma", "simplcutx.Gamma", 2, "", 1.3, 4.0, "linear"),
    Parameter("f_sc", "simplcutx.FracSctr", 3, "", 1e-3, 1.0, "log10"),
    Parameter("kT_disk", "ezdiskbb.T_max", 6, "keV", 0.025, 4.0, "log10"),
    Parameter("norm", "ezdiskbb.norm", 7, "(km/10kpc)^2", 1e-2, 1e10, "log10"),
)


def to_unit(theta: np.ndarray, parameters: Sequence[Parameter] = BHB_PARAMETERS) -> np.ndarray:
    """Physical theta (..., P) to coordinates of the prior's unit cube (..., P)."""
    columns = [
        np.log10(theta[..., k] / p.low) / p.scaled_range
        if p.scale == "log10"
        else (theta[..., k] - p.low) / p.scaled_range
        for k, p in enumerate(parameters)
    ]
    return np.stack(columns, axis=-1)


def from_unit(u: np.ndarray, parameters: Sequence[Parameter] = BHB_PARAMETERS) -> np.ndarray:
    """Coordinates of the unit cube (..., P) to physical theta (..., P), the inverse of :func:`to_unit`."""
    columns = [
        p.low * 10 ** (u[..., k] * p.scaled_range) if p.scale == "log10" else p.low + u[..., k] * p.scaled_range
        for k, p in enumerate(parameters)
    ]
    return np.stack(columns, axis=-1)


def index(name: str, parameters: Sequence[Parameter] = BHB_PARAMETERS) -> int:
    """The place in theta of the parameter with that name, here or in XSPEC; capitals or not.

    Raises:
        ValueError: no parameter has it.
    """
    for k, parameter in enumerate(parameters):
        if name.lower() in map(str.lower, parameter.aliases):
            return k
    known = ", ".join(f"{p.name} ({p.xspec})" for p in parameters)
    raise ValueError(f"no parameter is called {name!r}; the model has {known}")
