"""The backend of a provider's name, and the providers that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from xspecnf.backends.base import Backend, Place
from xspecnf.backends.coreml import UNITS, CoreMLBackend
from xspecnf.backends.onnx import OnnxBackend
from xspecnf.backends.providers import ProviderName
from xspecnf.bundle import Bundle
from xspecnf.errors import XspecnfError


def open_backend(bundle: Bundle, provider: ProviderName = "auto") -> Backend:
    """What runs the bundle's graphs: CoreML where it is asked for by name, else onnxruntime.

    Raises:
        ProviderError: the provider asked for is not available here.
        MissingExtraError: it needs a package that is not installed.
        BundleError: it needs files that the bundle does not have.
    """
    return CoreMLBackend(bundle, provider) if provider in UNITS else OnnxBackend(bundle, provider)


def available(bundle: Bundle) -> Iterator[Backend]:
    """The bundle on each provider that exists here."""
    for provider in get_args(Place):
        try:
            yield open_backend(bundle, provider)
        except XspecnfError:  # not here, not installed, or not in this bundle
            continue
