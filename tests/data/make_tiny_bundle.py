"""A bundle of a few kilobytes whose posterior is known in closed form, for tests of the runtime.

The flow is u = sigmoid(centre + WIDTH * noise) in each of the five coordinates: a logit-normal distribution. The centre
is the same for every spectrum but for a small dependence on the mean of the input, so that different spectra differ.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from xspecnf.features import FEATURES
from xspecnf.grid import NICER
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf.response import Response

WIDTH = 0.3


def make(folder: Path, name: str = "tiny") -> Path:
    """Write the bundle into `folder`, which must not exist; returns it."""
    folder.mkdir(parents=True)
    _write(folder / "encoder.onnx", _encoder())
    _write(folder / "flow.onnx", _flow())
    _write(folder / "decoder.onnx", _decoder())
    _response().save(folder / "response.npz")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    manifest = {
        "schema": 1,
        "name": name,
        "version": "0.0.1",
        "description": "A closed-form stand-in for tests.",
        "instrument": "NICER",
        "parameters": [asdict(parameter) for parameter in BHB_PARAMETERS],
        "grid": NICER.to_dict(),
        "inputs": list(FEATURES),
        "provenance": {},
        "metrics": {},
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _encoder() -> onnx.GraphProto:
    slope = np.full((len(FEATURES), 5), 0.01, dtype=np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["spectrum"], ["mean"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["mean", "slope"], ["context"]),
    ]
    inputs = [_tensor("spectrum", ["B", len(FEATURES), 240])]
    return helper.make_graph(nodes, "encoder", inputs, [_tensor("context", ["B", 5])], [_constant("slope", slope)])


def _flow() -> onnx.GraphProto:
    """log q = sum_j [-n_j^2/2 - ln(2 pi)/2 - ln(WIDTH u_j (1 - u_j))]."""
    nodes = [
        helper.make_node("Unsqueeze", ["context", "one_axis"], ["centre"]),
        helper.make_node("Mul", ["noise", "width"], ["spread"]),
        helper.make_node("Add", ["centre", "spread"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["theta"]),
        helper.make_node("Neg", ["logit"], ["minus"]),
        helper.make_node("Sigmoid", ["minus"], ["rest"]),
        helper.make_node("Mul", ["theta", "rest"], ["product"]),
        helper.make_node("Mul", ["product", "width"], ["jacobian"]),
        helper.make_node("Log", ["jacobian"], ["log_jacobian"]),
        helper.make_node("Mul", ["noise", "noise"], ["square"]),
        helper.make_node("Mul", ["square", "half"], ["half_square"]),
        helper.make_node("Add", ["half_square", "log_jacobian"], ["terms"]),
        helper.make_node("Add", ["terms", "half_log_2pi"], ["minus_log"]),
        helper.make_node("ReduceSum", ["minus_log", "last_axis"], ["minus_log_prob"], keepdims=0),
        helper.make_node("Neg", ["minus_log_prob"], ["log_prob"]),
    ]
    constants = [
        _constant("one_axis", np.array([1])),
        _constant("last_axis", np.array([2])),
        _constant("width", np.float32(WIDTH)),
        _constant("half", np.float32(0.5)),
        _constant("half_log_2pi", np.float32(0.5 * np.log(2 * np.pi))),
    ]
    inputs = [_tensor("context", ["B", 5]), _tensor("noise", ["B", "S", 5])]
    outputs = [_tensor("theta", ["B", "S", 5]), _tensor("log_prob", ["B", "S"])]
    return helper.make_graph(nodes, "flow", inputs, outputs, constants)


def _decoder() -> onnx.GraphProto:
    weights = np.zeros((5, 240), dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["theta", "weights"], ["spectrum"])]
    inputs, outputs = [_tensor("theta", ["N", 5])], [_tensor("spectrum", ["N", 240])]
    return helper.make_graph(nodes, "decoder", inputs, outputs, [_constant("weights", weights)])


def _response() -> Response:
    """A flat 1000 cm^2 over 0.2-12 keV, each photon landing in the bin of its own energy."""
    edges = np.concatenate([[0.2], NICER.energy_lo, [NICER.energy_hi[-1], 12.0]])
    matrix = np.zeros((242, 240))
    matrix[1:-1] = 1000 * np.eye(240)
    return Response(edges, matrix, "tiny reference")


def _tensor(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _constant(name: str, values: np.ndarray | np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)


def _write(path: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
