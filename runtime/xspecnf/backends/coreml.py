"""The CoreML backend: a bundle's packages on Apple's CPU, GPU or neural engine, through coremltools.

A package is compiled once for each release of macOS; what comes out is kept in the user's cache. CoreML takes no
empty tensor, and one prediction at a time.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import sys
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from xspecnf.backends.base import Float32, Place
from xspecnf.bundle import GRAPHS, PACKAGE, Bundle
from xspecnf.errors import ProviderError
from xspecnf.extras import require

UNITS: dict[Place, str] = {
    "coreml": "ALL",
    "coreml-cpu": "CPU_ONLY",
    "coreml-gpu": "CPU_AND_GPU",
    "coreml-ne": "CPU_AND_NE",
}
"""What each provider's name means as coremltools' ComputeUnit."""


class CoreMLBackend:
    """Runs a bundle's `.mlpackage`s with CoreML; picklable, for the models are loaded anew where it is used.

    Args:
        bundle: the bundle whose packages run.
        provider: one of UNITS.

    Raises:
        ProviderError: this is no Mac.
        MissingExtraError: coremltools is not installed.
        BundleError: the bundle has no packages, or damaged ones.
    """

    def __init__(self, bundle: Bundle, provider: Place = "coreml") -> None:
        load_coremltools(provider)
        self.provider: Place = provider
        self._packages = {graph: (bundle.package(graph), _digest(bundle, graph)) for graph in GRAPHS}
        self._models: dict[str, Any] = {}
        self._lock = Lock()

    def encode(self, spectrum: Float32) -> Float32:
        """Input channels (B, F, bins) -> context (B, C)."""
        return self._predict("encoder", spectrum=spectrum)["context"][: len(spectrum)]

    def sample(self, context: Float32, noise: Float32) -> tuple[Float32, Float32]:
        """Context (B, C) and standard normal noise (B, S, 5) -> unit-cube theta (B, S, 5), its log density (B, S)."""
        found = self._predict("flow", context=context, noise=noise)
        rows, samples = (slice(size) for size in noise.shape[:2])
        return found["theta"][rows, samples], found["log_prob"][rows, samples]

    def decode(self, theta: Float32) -> Float32:
        """Unit-cube theta (N, 5) -> log10 of the normalised rate (N, bins)."""
        return self._predict("decoder", theta=theta)["spectrum"][: len(theta)]

    def _predict(self, graph: str, **inputs: Float32) -> dict[str, Float32]:
        """The graph's outputs; of one row or sample where there is none, which the caller cuts off."""
        if any(0 in values.shape for values in inputs.values()):
            inputs = {
                name: np.zeros([max(1, size) for size in values.shape], np.float32) for name, values in inputs.items()
            }
        with self._lock:
            try:
                if graph not in self._models:
                    self._models[graph] = self._load(graph)
                return self._models[graph].predict(inputs)
            except Exception as error:  # coremltools raises what CoreML says as RuntimeError, and much as Exception
                raise ProviderError(
                    f"{self._packages[graph][0]}: CoreML cannot run it on {UNITS[self.provider]} ({error}); "
                    f"remove {cache_folder()} and try again, or use --provider cpu"
                ) from error

    def _load(self, graph: str) -> Any:
        """The graph's model, compiled now or earlier."""
        coremltools = load_coremltools(self.provider)
        package, digest = self._packages[graph]
        folder = cache_folder() / f"macos-{platform.mac_ver()[0]}"
        compiled = folder / f"{graph}-{digest}.mlmodelc"
        if not compiled.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                draft = Path(scratch) / compiled.name
                coremltools.models.utils.compile_model(str(package), str(draft))
                _put(draft, compiled)
        return coremltools.models.CompiledMLModel(str(compiled), coremltools.ComputeUnit[UNITS[self.provider]])

    def __getstate__(self) -> dict[str, Any]:
        return {"packages": self._packages, "provider": self.provider}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._packages, self.provider = state["packages"], state["provider"]
        self._models, self._lock = {}, Lock()


def load_coremltools(provider: Place) -> Any:
    """The module coremltools.

    Raises:
        ProviderError: this is no Mac.
        MissingExtraError: it is not installed.
    """
    if sys.platform != "darwin":
        raise ProviderError(
            f"provider {provider}: CoreML runs on macOS alone, and this is {platform.system()}; use --provider cpu"
        )
    logging.getLogger("coremltools").setLevel(logging.ERROR)  # it warns of the torch that is there, which plays no part
    return require("coremltools", "coreml", f"provider {provider}")


def cache_folder() -> Path:
    """Where compiled models are kept. To remove it costs no more than compiling again."""
    return Path.home() / "Library" / "Caches" / "xspecnf"


def _digest(bundle: Bundle, graph: str) -> str:
    """What identifies a package: the sums of its files."""
    sums = sorted(f"{name} {sha}" for name, sha in bundle.files.items() if name.startswith(f"{graph}{PACKAGE}/"))
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:16]


def _put(draft: Path, compiled: Path) -> None:
    """Move a finished folder to its place, unless another process was first."""
    try:
        draft.rename(compiled)
    except OSError:
        if not compiled.exists():
            raise
