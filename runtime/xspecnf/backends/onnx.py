"""The onnxruntime backend: one session a graph, opened when first used.

Measured on these graphs: without graph optimisation the flow loads three times faster and runs at the same speed, and
one intra-op thread per Python thread beats two; both are therefore fixed here.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from xspecnf.backends.base import TENSORS, Float32, Place
from xspecnf.backends.providers import COREML, CPU, CUDA, ProviderName, choose_provider
from xspecnf.bundle import Bundle
from xspecnf.errors import BundleError, ProviderError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_WANTED = {"cuda": [CUDA, CPU], "ort-coreml": [COREML, CPU]}
"""What onnxruntime tries in turn, node by node."""


class OnnxBackend:
    """Runs a bundle's graphs with onnxruntime; picklable, for the sessions are opened anew where it is used.

    Args:
        bundle: the bundle whose graphs run.
        provider: "cpu", "cuda", "ort-coreml", or "auto": CUDA where onnxruntime can start it, else the CPU.

    Raises:
        ProviderError: the one asked for is not in this onnxruntime, or cannot start.
    """

    def __init__(self, bundle: Bundle, provider: ProviderName = "auto") -> None:
        self._paths = {name: bundle.graph(name) for name in TENSORS}
        self.provider: Place = choose_provider(provider, self._paths["encoder"])
        self._sessions: dict[str, InferenceSession] = {}
        self._lock = Lock()

    def encode(self, spectrum: Float32) -> Float32:
        """Input channels (B, F, bins) -> context (B, C)."""
        return np.asarray(self._session("encoder").run(["context"], {"spectrum": spectrum})[0])

    def sample(self, context: Float32, noise: Float32) -> tuple[Float32, Float32]:
        """Context (B, C) and standard normal noise (B, S, 5) -> unit-cube theta (B, S, 5), its log density (B, S)."""
        theta, log_prob = self._session("flow").run(["theta", "log_prob"], {"context": context, "noise": noise})
        return np.asarray(theta), np.asarray(log_prob)

    def decode(self, theta: Float32) -> Float32:
        """Unit-cube theta (N, 5) -> log10 of the normalised rate (N, bins)."""
        return np.asarray(self._session("decoder").run(["spectrum"], {"theta": theta})[0])

    def _session(self, graph: str) -> InferenceSession:
        """The graph's session; of several threads that want it one opens it and the others wait."""
        with self._lock:
            if graph not in self._sessions:
                session = _open_session(self._paths[graph], self.provider, optimise=graph != "flow")
                _check_tensors(self._paths[graph], graph, session)
                self._sessions[graph] = session
            return self._sessions[graph]

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self._paths, "provider": self.provider}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._paths, self.provider = state["paths"], state["provider"]
        self._lock, self._sessions = Lock(), {}


def _open_session(path: Path, provider: str, optimise: bool) -> InferenceSession:
    from xspecnf.engine import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    wanted = _WANTED.get(provider, [CPU])
    try:
        session = onnxruntime.InferenceSession(os.fspath(path), options, providers=wanted)
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise BundleError(f"{path}: onnxruntime cannot load this graph ({_first_line(error)})") from error
    if session.get_providers()[0] != wanted[0]:
        raise ProviderError(f"provider {provider}: onnxruntime finds no device or library for it; use --provider cpu")
    return session


def _check_tensors(path: Path, graph: str, session: InferenceSession) -> None:
    inputs, outputs = TENSORS[graph]
    found_inputs = [tensor.name for tensor in session.get_inputs()]
    found_outputs = [tensor.name for tensor in session.get_outputs()]
    if set(inputs) != set(found_inputs) or not set(outputs) <= set(found_outputs):
        raise BundleError(
            f"{path}: has the tensors {found_inputs} -> {found_outputs}, needs {inputs} -> {outputs}; "
            "export the bundle again"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
