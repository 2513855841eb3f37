"""What a bundle is worth, measured: calibration, goodness of fit and efficiency on fresh simulated spectra, and the fit
of real ones.

Everything goes through the bundle's own graphs, as a user's spectra do.
"""

from xspecnf_train.evaluate.run import evaluate
from xspecnf_train.evaluate.workers import Sizes

__all__ = ["Sizes", "evaluate"]
