"""What an ONNX file asks for, read before onnxruntime sees it.

A graph is a program in a small language, and this is the part of the language that a bundle may use: arithmetic on
tensors that the file itself holds. No branch, loop or function, no random number, no operator of anyone's own, no data
in another file. How much memory and time the arithmetic takes cannot be told from the file.

Numbers are those of the fields in onnx.proto.
"""

from __future__ import annotations

from pathlib import Path

from xspecnf.errors import BundleError
from xspecnf.protobuf import fields

OPSET, IR = 17, 8
"""The newest that onnxruntime 1.17 reads, the oldest release that is supported."""

LARGEST = 64 * 2**20
"""Bytes of a graph."""

MOST_NODES = 50_000

_ALLOWED = """
Abs Add And Cast Ceil Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos CumSum Div Einsum Elu Equal Erf Exp
Expand Flatten Floor GRU Gather GatherElements GatherND Gemm GlobalAveragePool Greater GreaterOrEqual Identity LSTM
LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mod Mul Neg Not Or Pad Pow
PRelu Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round ScatterElements Selu
Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze
Where Xor
"""
OPERATORS = frozenset(_ALLOWED.split())
"""Of ONNX's own domain; each gives the same for the same input."""

_MODEL_IR, _MODEL_GRAPH, _MODEL_OPSET = 1, 7, 8
_MODEL_NOTES = (2, 3, 4, 5, 6, 14)  # who made it, versions, remarks
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS = 5, 10
_ATTRIBUTE_GRAPHS = (6, 11)
_ATTRIBUTE_SPARSE = (22, 23)
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_OWN_DOMAINS = ("", "ai.onnx")


def check_graph(path: Path, content: bytes) -> None:
    """Refuse what no graph of a bundle needs. content: of the file `path`, which is named in the error.

    Raises:
        BundleError: the file is no ONNX model, is too large or too new, or holds something that is not allowed.
    """
    if len(content) > LARGEST:
        raise BundleError(f"{path}: {len(content)} bytes, a graph may have {LARGEST}; do not use this bundle")
    try:
        _check_model(memoryview(content))
    except ValueError as error:
        raise BundleError(f"{path}: no graph that a bundle may hold ({error}); do not use this bundle") from error


def _check_model(model: memoryview) -> None:
    graphs, opsets = 0, 0
    for number, value in fields(model):
        if number == _MODEL_IR:
            _at_most(IR, value, "IR version")
        elif number == _MODEL_OPSET:
            opsets += 1
            _check_opset(_message(value))
        elif number == _MODEL_GRAPH:
            graphs += 1
            _check_nodes(_message(value))
        elif number not in _MODEL_NOTES:
            raise ValueError(f"field {number} of the model: functions, training or other additions")
    if (graphs, opsets) != (1, 1):
        raise ValueError(f"{graphs} graphs and {opsets} operator sets instead of one each")


def _check_opset(opset: memoryview) -> None:
    for number, value in fields(opset):
        if number == _OPSET_VERSION:
            _at_most(OPSET, value, "operator set")
        elif number == _OPSET_DOMAIN:
            _own_domain(value)


def _check_nodes(graph: memoryview) -> None:
    nodes = 0
    for number, value in fields(graph):
        if number == _GRAPH_NODE:
            nodes += 1
            _check_node(_message(value))
        elif number == _GRAPH_INITIALIZER:
            _check_tensor(_message(value))
        elif number == _GRAPH_SPARSE:
            raise ValueError("sparse tensors")
    _at_most(MOST_NODES, nodes, "nodes")


def _check_node(node: memoryview) -> None:
    for number, value in fields(node):
        if number == _NODE_OPERATOR:
            if (operator := _text(value)) not in OPERATORS:
                raise ValueError(f"the operator {operator!r}")
        elif number == _NODE_ATTRIBUTE:
            _check_attribute(_message(value))
        elif number == _NODE_DOMAIN:
            _own_domain(value)


def _check_attribute(attribute: memoryview) -> None:
    for number, value in fields(attribute):
        if number in _ATTRIBUTE_GRAPHS:
            raise ValueError("a graph within the graph")
        if number in _ATTRIBUTE_SPARSE:
            raise ValueError("sparse tensors")
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _check_tensor(_message(value))


def _check_tensor(tensor: memoryview) -> None:
    for number, value in fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise ValueError("data in another file")


def _at_most(most: int, found: int | memoryview, what: str) -> None:
    if not isinstance(found, int) or found > most:
        raise ValueError(f"{what} {found!r}, {most} at most")


def _own_domain(value: int | memoryview) -> None:
    if (domain := _text(value)) not in _OWN_DOMAINS:
        raise ValueError(f"operators of the domain {domain!r}")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()
