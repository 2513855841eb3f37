"""Was the network trained on spectra this bright, this long and through such a response?

The network sees a spectrum divided by exposure x effective area, so that a response counts by its shape and by that
product. The ranges are those of the simulator's configuration, which the bundle's provenance records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from xspecnf.observation import Observation
from xspecnf.response import Response

MARGIN = 1.1
"""A range is left only by more than this factor: its ends are soft."""

NICER_DETECTORS = 50
"""Of the reference response, where the configuration does not tell."""

SHAPE_SIGMA = 8.0
"""The simulated area's rms distortion times this is the farthest that training has seen: three independent terms add
up, most at the ends of the band.
"""

STEEPEST_SYSTEMATIC = 3.0
"""A simulated systematic error grows towards high energies up to this factor."""


@dataclass(frozen=True)
class TrainingRange:
    """Ranges of the training's simulator.

    Attributes:
        exposure: (low, high) s of the reference response: exposure times area over the reference's.
        counts: most counts of a source.
        rate: most counts/s of a source through the reference response.
        area_shape: largest departure of the effective area's shape from the reference's, a fraction.
        systematic: largest fractional systematic error.
        background_rate: most counts/s through the reference response.
    """

    exposure: tuple[float, float]
    counts: float
    rate: float
    area_shape: float
    systematic: float
    background_rate: float

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> Self | None:
        """From a bundle's provenance; None where it records no complete simulator."""
        try:
            c = provenance["configuration"]["simulator"]
            fewest, most = (n / c.get("all_detectors", NICER_DETECTORS) for n in c["detectors"])
            return cls(
                exposure=(c["exposure"][0] * fewest, c["exposure"][1] * most),
                counts=float(c["counts"][1]),
                rate=float(c["rate_max"]),
                area_shape=SHAPE_SIGMA * c["area_scatter"],
                systematic=STEEPEST_SYSTEMATIC * c["systematic"][1],
                background_rate=c["background_rate"][1] / fewest,  # the simulated one takes no part in the area
            )
        except (KeyError, TypeError, IndexError):
            return None

    def left_by(self, obs: Observation, reference: Response) -> Iterator[str]:
        """In words, how an observation leaves the range; nothing where it is inside."""
        ratio = obs.response.effective_area / np.maximum(reference.effective_area, 1e-30)
        area = float(np.median(ratio[obs.good]))
        exposure = obs.exposure * area
        low, high = self.exposure
        if not low / MARGIN <= exposure <= MARGIN * high:
            yield f"exposure x area is worth {exposure:.0f} s of the reference response, not {low:.0f} .. {high:.0f} s"
        shape = float(np.abs(ratio[obs.good] / area - 1).max()) if area > 0 else np.inf
        if shape > MARGIN * self.area_shape:
            yield f"the effective area's shape departs by {shape:.0%} from the reference's, not {self.area_shape:.0%}"
        background = float(obs.background[obs.good].sum())
        net = float(obs.counts[obs.good].sum()) - background
        yield from _above("net counts", net, self.counts)
        yield from _above("net counts/s of the reference response", net / exposure, self.rate)
        yield from _above("background counts/s of the reference response", background / exposure, self.background_rate)
        yield from _above("systematic error", float(obs.systematic[obs.good].max()), self.systematic)


def _above(name: str, value: float, limit: float) -> Iterator[str]:
    if value > MARGIN * limit:
        yield f"{name}: {value:.3g}, above {limit:.3g}"
