"""The backend of a provider's name."""

from __future__ import annotations

from xspecnf.backends.base import Backend
from xspecnf.backends.coreml import UNITS, CoreMLBackend
from xspecnf.backends.onnx import OnnxBackend
from xspecnf.backends.providers import ProviderName
from xspecnf.bundle import Bundle


def open_backend(bundle: Bundle, provider: ProviderName = "auto") -> Backend:
    """What runs the bundle's graphs: CoreML where it is asked for by name, else onnxruntime.

    Raises:
        ProviderError: the provider asked for is not available here.
        MissingExtraError: it needs a package that is not installed.
        BundleError: it needs files that the bundle does not have.
    """
    return CoreMLBackend(bundle, provider) if provider in UNITS else OnnxBackend(bundle, provider)
