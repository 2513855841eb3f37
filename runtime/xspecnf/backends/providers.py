"""Where onnxruntime runs the graphs: the CPU, a GPU where it was built for CUDA and finds it, or CoreML by its own
provider.
"""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal

from xspecnf.backends.base import Place
from xspecnf.errors import ProviderError

ProviderName = Literal["auto"] | Place

CPU, CUDA, COREML = "CPUExecutionProvider", "CUDAExecutionProvider", "CoreMLExecutionProvider"
_SILENT, _WARNINGS = 4, 2


def choose_provider(provider: ProviderName, graph: Path) -> Place:
    """Resolve "auto": CUDA where it starts, else the CPU. graph: any of the bundle's, to try it on.

    Raises:
        ProviderError: "cuda" or "ort-coreml" was asked for and onnxruntime has none, or cannot start it.
    """
    if provider == "cpu":
        return "cpu"
    from xspecnf.engine import onnxruntime

    available = onnxruntime.get_available_providers()
    if provider == "ort-coreml":
        if COREML not in available:
            raise ProviderError(
                f"provider ort-coreml: this onnxruntime offers only {', '.join(available)}; use --provider cpu"
            )
        return "ort-coreml"
    if CUDA in available and _cuda_starts(graph):
        return "cuda"
    if provider == "auto":
        return "cpu"
    if CUDA in available:
        found = "onnxruntime cannot start CUDA: no GPU, or no driver, CUDA or cuDNN that fits it; see nvidia-smi"
    else:
        remedy = "pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
        found = f"this onnxruntime offers only {', '.join(available)}; run: {remedy}"
    raise ProviderError(f"provider cuda: {found}, or use --provider cpu")


def _cuda_starts(graph: Path) -> bool:
    """Whether a session on CUDA opens; quietly, for what onnxruntime prints on the way is many lines."""
    from xspecnf.engine import onnxruntime

    onnxruntime.set_default_logger_severity(_SILENT)
    try:
        if hasattr(onnxruntime, "preload_dlls"):  # since 1.21: the libraries that pip installed
            with redirect_stdout(StringIO()):
                onnxruntime.preload_dlls()
        session = onnxruntime.InferenceSession(os.fspath(graph), providers=[CUDA, CPU])
        return session.get_providers()[0] == CUDA
    except Exception:  # onnxruntime's own exceptions share no public base class
        return False
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
