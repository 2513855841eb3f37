"""CoreML packages read back and evaluated in numpy: what was saved is checked where CoreML itself does not run.

A package of the kind "mlprogram" holds one function as a list of operations (coremltools' MIL, specified in
mlmodel/format/MIL.proto), and its weights in a file beside it. Operations are evaluated in their order, each by the
function of its type in `mil_operations.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from coremltools.proto import MIL_pb2, Model_pb2
from numpy.typing import DTypeLike, NDArray

from xspecnf.errors import BundleError
from xspecnf_export.mil_operations import OPERATIONS

Values = dict[str, Any]
Message = Any
"""Protobuf makes its classes when it is imported, where no checker of types sees them."""

MODEL_FILE = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS_FOLDER = "Data/com.apple.CoreML"
BLOB_SENTINEL = 0xDEADBEEF
BLOB_HEADER = np.dtype([("sentinel", "<u4"), ("type", "<u4"), ("bytes", "<u8"), ("offset", "<u8")])
"""What stands before the numbers of each tensor of a weight file."""

LISTS = ("values", "loop_vars")
"""Inputs of an operation that are several tensors."""

MIL_TYPES: dict[int, DTypeLike] = {
    MIL_pb2.FLOAT16: np.float16,
    MIL_pb2.FLOAT32: np.float32,
    MIL_pb2.INT32: np.int32,
    MIL_pb2.UINT16: np.uint16,
    MIL_pb2.BOOL: np.bool_,
}


class Program:
    """The function of a saved package.

    Args:
        package: the folder `*.mlpackage`.
        double: compute in float64, which shows whether the program is the right one; else in the types that it
            declares, which shows what their precision costs.

    Raises:
        BundleError: no such program, or an operation of a type that is not known here.
    """

    def __init__(self, package: Path, double: bool = False) -> None:
        self.package = package
        self.double = double
        self._blobs: dict[str, bytes] = {}
        model: Message = Model_pb2.Model()
        model.ParseFromString((package / MODEL_FILE).read_bytes())
        function = model.mlProgram.functions["main"]
        self.description = model.description
        self.inputs = [tensor.name for tensor in function.inputs]
        self._block = function.block_specializations[function.opset]
        if unknown := sorted(self.operations() - set(OPERATIONS) - {"const", "while_loop"}):
            raise BundleError(f"{package}: operations {', '.join(unknown)} are not known here; add them to OPERATIONS")
        self._constants: Values = {}
        self._read_constants(self._block)

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs, in order."""
        return list(self._block.outputs)

    def operations(self) -> set[str]:
        """The types of all operations, those inside loops included."""
        return _types(self._block)

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name for the inputs by name."""
        given = {name: self._cast(np.asarray(inputs[name])) for name in self.inputs}
        results = self._run(self._block, self._constants | given)
        return dict(zip(self.outputs, results, strict=True))

    def _run(self, block: Message, values: Values) -> list[Any]:
        for operation in block.operations:
            if operation.type == "const":
                continue
            arguments = {name: _argument(name, bound, values) for name, bound in operation.inputs.items()}
            if operation.type == "while_loop":
                results = self._loop(operation, arguments["loop_vars"], values)
            else:
                results = OPERATIONS[operation.type](**arguments)
            several = results if isinstance(results, list | tuple) else [results]
            for output, result in zip(operation.outputs, several, strict=True):
                values[output.name] = self._cast(result) if operation.type == "cast" else result
        return [values[name] for name in block.outputs]

    def _loop(self, operation: Message, state: list[Any], values: Values) -> list[Any]:
        condition, body = operation.blocks
        while self._run(condition, values | _bound(condition, state))[0]:
            state = self._run(body, values | _bound(body, state))
        return state

    def _read_constants(self, block: Message) -> None:
        """Names are unique within a function, those inside loops included."""
        for operation in block.operations:
            if operation.type == "const":
                self._constants[operation.outputs[0].name] = self._cast(self._value(operation.attributes["val"]))
            for inner in operation.blocks:
                self._read_constants(inner)

    def _value(self, value: Message) -> Any:
        """A constant as an array, or as a string."""
        tensor = value.type.tensorType
        shape = [dimension.constant.size for dimension in tensor.dimensions]
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue, MIL_TYPES[tensor.dataType]).reshape(shape)
        stored = value.immediateValue.tensor
        numbers = getattr(stored, stored.WhichOneof("value")).values
        if tensor.dataType == MIL_pb2.STRING:
            return numbers[0]
        dtype = MIL_TYPES[tensor.dataType]
        flat = np.frombuffer(numbers, dtype) if isinstance(numbers, bytes) else np.array(numbers, dtype)
        return flat.reshape(shape)

    def _blob(self, place: Message, dtype: DTypeLike) -> NDArray[Any]:
        """A tensor of the weight file."""
        path = self.package / WEIGHTS_FOLDER / place.fileName.removeprefix("@model_path/")
        content = self._blobs.setdefault(place.fileName, path.read_bytes())
        header = np.frombuffer(content, BLOB_HEADER, 1, place.offset)[0]
        if header["sentinel"] != BLOB_SENTINEL:
            raise BundleError(f"{path}: no tensor at byte {place.offset}; export the bundle again")
        return np.frombuffer(content, dtype, header["bytes"] // np.dtype(dtype).itemsize, header["offset"])

    def _cast(self, value: Any) -> Any:
        """In double precision where that is asked for and the value is floating."""
        floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        return value.astype(np.float64) if self.double and floating else value


def _types(block: Message) -> set[str]:
    inner = (_types(part) for operation in block.operations for part in operation.blocks)
    return {operation.type for operation in block.operations}.union(*inner)


def _bound(block: Message, state: list[Any]) -> Values:
    """A loop's state under the names that `block` gives it."""
    return dict(zip((tensor.name for tensor in block.inputs), state, strict=True))


def _argument(name: str, bound: Message, values: Values) -> Any:
    found = [values[argument.name] for argument in bound.arguments]
    return found if name in LISTS else found[0]
