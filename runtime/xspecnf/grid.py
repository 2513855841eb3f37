"""The spectral grid of a bundle: which channels of which detector are summed into which of the network's bins.

The channels are summed in groups whose size grows with energy, for NICER about a third of the detector's resolution;
the groups whose mean energy lies in the energy range become the bins. NICER's PI channel c holds 10 c to 10 (c + 1) eV.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xspecnf.errors import BundleError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Groups of detector channels.

    channel_edges: increasing channels; segment i runs from edge i up to, not including, edge i + 1.
    group_sizes: channels per group in each segment; each must divide its segment.
    energy_range: keV; a group is kept when the mean energy of its channels lies inside.
    bins: number of groups kept, counted from the lowest energy.
    channels: number of detector channels; here they count from 0.
    channel_width: keV.
    lowest_channel: the number that the detector's files give to the first channel.
    energies: (bins + 1,) keV, the bins' nominal edges where the channels are not of one width from 0 keV on; the energy
        range then selects nothing.
    telescope, instrument: TELESCOP and INSTRUME of the spectra; '' for any instrument.

    Raises ValueError when the segments do not make `bins` groups inside the detector's channels.
    """

    channel_edges: tuple[int, ...]
    group_sizes: tuple[int, ...]
    energy_range: tuple[float, float]
    bins: int
    channels: int = 1501
    channel_width: float = 0.010
    lowest_channel: int = 0
    energies: tuple[float, ...] = ()
    telescope: str = "NICER"
    instrument: str = ""

    def __post_init__(self) -> None:
        lengths = np.diff(self.channel_edges)
        if len(lengths) == 0 or len(lengths) != len(self.group_sizes):
            raise ValueError(f"{len(self.channel_edges)} channel edges need a group size for each segment between them")
        if self.channel_edges[0] < 0 or self.channel_edges[-1] > self.channels or np.any(lengths <= 0):
            raise ValueError(f"channel edges must increase within 0..{self.channels}, got {self.channel_edges}")
        if min(self.group_sizes) < 1 or np.any(lengths % np.asarray(self.group_sizes)):
            raise ValueError(f"group sizes {self.group_sizes} do not divide segments of {lengths.tolist()} channels")
        if self.bins < 1 or len(self.first_channel) != self.bins:
            raise ValueError(f"{self.bins} bins asked for, {len(self.first_channel)} lie in {self.energy_range} keV")
        if self.energies and (len(self.energies) != self.bins + 1 or np.any(np.diff(self.energies) <= 0)):
            raise ValueError(f"{self.bins} bins need {self.bins + 1} rising energies, got {len(self.energies)}")

    @cached_property
    def _groups(self) -> tuple[IntArray, IntArray]:
        """First channel and number of channels of each kept group."""
        segments = zip(self.channel_edges[:-1], self.channel_edges[1:], self.group_sizes, strict=True)
        pairs = [(first, size) for low, high, size in segments for first in range(low, high, size)]
        first, size = np.array(pairs, dtype=np.int64).T
        mean_energy = (first + 0.5 * size) * self.channel_width
        inside = (mean_energy >= self.energy_range[0]) & (mean_energy <= self.energy_range[1])
        kept = inside | bool(self.energies)
        return first[kept][: self.bins], size[kept][: self.bins]

    @property
    def first_channel(self) -> IntArray:
        """(bins,) first channel of each bin."""
        return self._groups[0]

    @property
    def channels_per_bin(self) -> IntArray:
        """(bins,) number of channels summed in each bin."""
        return self._groups[1]

    @cached_property
    def energy_lo(self) -> FloatArray:
        """(bins,) nominal lower energy of each bin, keV."""
        if self.energies:
            return np.array(self.energies[:-1])
        return self.first_channel.astype(np.float64) * self.channel_width

    @cached_property
    def energy_hi(self) -> FloatArray:
        """(bins,) nominal upper energy of each bin, keV."""
        if self.energies:
            return np.array(self.energies[1:])
        return (self.first_channel + self.channels_per_bin).astype(np.float64) * self.channel_width

    @cached_property
    def width(self) -> FloatArray:
        """(bins,) keV."""
        return self.energy_hi - self.energy_lo

    @cached_property
    def energy(self) -> FloatArray:
        """(bins,) middle of each bin, keV."""
        return (self.energy_lo + self.energy_hi) / 2

    @property
    def detector(self) -> str:
        """Telescope and instrument, for messages."""
        return f"{self.telescope} {self.instrument}".strip()

    @property
    def last_channel(self) -> int:
        """The number that the detector's files give to the last channel."""
        return self.lowest_channel + self.channels - 1

    def takes(self, telescope: str, instrument: str) -> bool:
        """Whether spectra with these TELESCOP and INSTRUME keywords are of the grid's detector."""
        same = telescope.upper() == self.telescope.upper()
        return same and self.instrument.upper() in ("", instrument.upper())

    @cached_property
    def bin_of_channel(self) -> IntArray:
        """(channels,) the bin that each channel falls in; -1 for the channels of no bin."""
        index = np.full(self.channels, -1, dtype=np.int64)
        index[self.first_channel[0] : self.first_channel[-1] + self.channels_per_bin[-1]] = np.repeat(
            np.arange(self.bins), self.channels_per_bin
        )
        return index

    def group(self, values: ArrayLike) -> FloatArray:
        """Sum values per channel (..., channels) into bins (..., bins).

        Raises ValueError when the last axis is not the detector's channels.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim == 0 or values.shape[-1] != self.channels:
            raise ValueError(f"expected {self.channels} channels on the last axis, got shape {values.shape}")
        end = self.first_channel[-1] + self.channels_per_bin[-1]
        return np.add.reduceat(values[..., :end], self.first_channel, axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises BundleError for fields that make no grid."""
        try:
            lists = {name: tuple(fields[name]) for name in ("channel_edges", "group_sizes", "energy_range")}
            return cls(**{**fields, **lists, "energies": tuple(fields.get("energies", ()))})
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"the bundle's grid cannot be used ({error}); reinstall the bundle") from error


NICER = Grid(
    channel_edges=(0, 20, 248, 600, 1200, 1494, 1500),
    group_sizes=(2, 3, 4, 5, 6, 2),
    energy_range=(0.3, 10.0),
    bins=240,
)
