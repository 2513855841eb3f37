"""Does a loaded model work here? Run its graphs on inputs whose answers are known, in kind or to the digit."""

from __future__ import annotations

import numpy as np

from xspecnf.bundle import WEIGHTS_FILE
from xspecnf.errors import BundleError
from xspecnf.golden import check_golden
from xspecnf.model import Model

SAMPLES = 16


def verify_graphs(model: Model) -> dict[str, float]:
    """Run encoder, flow and decoder once, with no sample at all, and on the bundle's golden inputs; check its packages
    and, where they are here, the weights for training.

    Returns:
        How far each output is off the golden one, see :func:`xspecnf.golden.check_golden`.

    Raises:
        BundleError: a package or the weights are damaged, or a graph cannot run, or returns another shape, numbers that
            are not finite or not the golden ones.
    """
    bundle, backend = model.bundle, model.backend
    for graph in bundle.packages:
        bundle.package(graph)
    if WEIGHTS_FILE in bundle.files and (bundle.path / WEIGHTS_FILE).exists():
        bundle.weights()
    spectrum = np.zeros((2, len(bundle.inputs), bundle.grid.bins), dtype=np.float32)
    context = backend.encode(spectrum)
    noise = np.random.default_rng(0).standard_normal((2, SAMPLES, 5), dtype=np.float32)
    theta, log_prob = backend.sample(context, noise)
    decoded = backend.decode(np.full((3, 5), 0.5, dtype=np.float32))
    empty, _ = backend.sample(context, noise[:, :0])
    _expect(bundle.name, "context", context, (2, context.shape[-1]))
    _expect(bundle.name, "theta", theta, (2, SAMPLES, 5))
    _expect(bundle.name, "log_prob", log_prob, (2, SAMPLES))
    _expect(bundle.name, "spectrum", decoded, (3, bundle.grid.bins))
    _expect(bundle.name, "theta of no sample", empty, (2, 0, 5))
    return check_golden(bundle, backend)


def _expect(bundle: str, tensor: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if values.shape != shape or not np.all(np.isfinite(values)):
        raise BundleError(
            f"{bundle}: {tensor} came out with shape {values.shape}, finite {bool(np.all(np.isfinite(values)))}; "
            f"expected {shape}, all finite; export the bundle again"
        )
