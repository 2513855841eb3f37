"""The three networks as ONNX graphs: opset 17, IR 8, float32, batch and samples dynamic.

The TorchScript exporter writes them, because its graphs are the plain ones: what the sampler's code says, node by node.
"""

import io
import warnings
from pathlib import Path

import onnx
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from xspecnf_export.sampler import Sampler
from xspecnf_train.model import Networks

OPSET, IR = 17, 8
"""What onnxruntime 1.17 and all later ones read."""

GRAPHS = {
    "encoder": ({"spectrum": ["B", "F", "bins"]}, {"context": ["B", "C"]}),
    "flow": ({"context": ["B", "C"], "noise": ["B", "S", 5]}, {"theta": ["B", "S", 5], "log_prob": ["B", "S"]}),
    "decoder": ({"theta": ["N", 5]}, {"spectrum": ["N", "bins"]}),
}
"""Inputs and outputs of each graph; B spectra, S samples and N parameter sets are dynamic, F input channels and the
grid's bins are not.
"""

DYNAMIC = ("B", "S", "N")


class NeverEmpty(nn.Module):
    """A network that sees one row more than it is given: onnxruntime's GRU ends the process on an empty batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, theta: Tensor) -> Tensor:
        return self.network(torch.cat([theta, torch.full((1, theta.shape[1]), 0.5)]))[:-1]


def write_graphs(networks: Networks, folder: Path) -> None:
    """Write encoder.onnx, flow.onnx and decoder.onnx of the trained `networks` (float32) into `folder`."""
    context = torch.zeros(2, networks.flow.config.context_size)
    examples: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "encoder": (networks.encoder, (torch.zeros(2, *networks.encoder.mean.shape),)),
        "flow": (Sampler(networks.flow), (context, torch.zeros(2, 3, 5))),
        "decoder": (NeverEmpty(networks.decoder), (torch.zeros(1, 5),)),
    }
    for name, (module, example) in examples.items():
        onnx.save(_tidy(_trace(module.eval(), example, name)), folder / f"{name}.onnx")


def _trace(module: nn.Module, example: tuple[Tensor, ...], name: str) -> ModelProto:
    """The module's graph as the exporter gives it."""
    inputs, outputs = GRAPHS[name]
    axes = {
        tensor: {axis: size for axis, size in enumerate(shape) if size in DYNAMIC}
        for tensor, shape in (inputs | outputs).items()
    }
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # It warns that it is the older of torch's two exporters, and of traced sizes, which verify.py checks.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            example,
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
        )
    return onnx.load_from_string(buffer.getvalue())


def _tidy(model: ModelProto) -> ModelProto:
    """Compute nothing twice, drop the exporter's notes on source files; check what is left."""
    nodes = _distinct(model)
    sizes = {node.output[0] for node in nodes if node.op_type in ("Concat", "Shape")}
    for node in nodes:
        node.doc_string = ""
        if node.op_type == "Reshape" and node.input[1] in sizes:  # taken at their word, 0 too
            del node.attribute[:]
            node.attribute.append(onnx.helper.make_attribute("allowzero", 1))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.ir_version = IR
    onnx.checker.check_model(model)
    return model


def _distinct(model: ModelProto) -> list[NodeProto]:
    """The nodes without those that repeat another; copies and repetitions are read from the first."""
    given = {tensor.name for tensor in (*model.graph.input, *model.graph.initializer)}
    results = {tensor.name for tensor in model.graph.output}
    same: dict[str, str] = {}
    known: dict[tuple[object, ...], NodeProto] = {}
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = same.get(name, name)
        if node.op_type == "Identity" and node.input[0] in given and node.output[0] not in results:
            same[node.output[0]] = node.input[0]
            continue
        attributes = sorted(attribute.SerializeToString() for attribute in node.attribute)
        first = known.setdefault((node.op_type, *node.input, *attributes, len(node.output)), node)
        same |= dict(zip(node.output, first.output, strict=True))
    return list(known.values())
