"""The three networks as CoreML packages: kind mlprogram, float32, rows and samples flexible; and what proves them.

The same modules as for ONNX, traced and converted by coremltools. Conversion and proof work on any machine: each
package is read back and evaluated in numpy, see `mil.py`.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xspecnf.errors import BundleError
from xspecnf_export.onnx import DYNAMIC, GRAPHS
from xspecnf_export.reference import Reference, references
from xspecnf_export.sampler import Sampler
from xspecnf_export.verify import Difference
from xspecnf_train.model import Networks

Inputs = Mapping[str, np.ndarray]
Outputs = Mapping[str, np.ndarray]

LARGEST = 1_000_000
"""Most rows, and most samples of a row, of one prediction: CoreML wants a number."""

DESCRIPTIONS = {
    "encoder": "A spectrum's transformed channels to the context of its posterior",
    "flow": "Contexts and Gaussian noise to posterior samples",
    "decoder": "Parameters to the rates that they make",
}
TENSORS = {
    "encoder": {"spectrum": "transformed channels [B, F, bins]", "context": "context [B, C]"},
    "flow": {
        "context": "the encoder's context [B, C]",
        "noise": "standard normal noise [B, S, 5]",
        "theta": "samples in the prior's unit cube [B, S, 5]",
        "log_prob": "their log density in the unit cube [B, S]",
    },
    "decoder": {
        "theta": "points of the prior's unit cube [N, 5]",
        "spectrum": "log10 of counts over sensitivity, photons/cm^2/s/keV [N, bins]",
    },
}

CHECKED = (200, 50)
"""Spectra, and samples of each, that a package is compared on: of fewer a 99.9th percentile is that of one or two."""

ROWS = 20
"""Spectra that are evaluated at a time: every number on the way is kept."""

TOLERANCES = {"context": 1e-5, "spectrum": 1e-5, "theta": 1e-3, "log_prob": 1e-3}
"""At most this far off: every number of the program, and 99.9 % of them in float32. Context is in units of its scatter,
theta in standard deviations of its posterior.
"""

# It looks for macOS at import, and for the torch of its year.
logging.getLogger("coremltools").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Precision:
    """How far a package's outputs are from the trained network's in float64.

    program: evaluated in float64, which is what the conversion changed; single: in float32, which is what CoreML
    computes in on a CPU.
    """

    program: Difference
    single: Difference

    def failures(self, output: str) -> list[str]:
        """The figures above the output's tolerance, as text."""
        bound = TOLERANCES[output]
        figures = {"": self.program.largest, " in float32": self.single.p999}
        return [f"{output}{how} off by {x:.2g} (at most {bound:g})" for how, x in figures.items() if not x <= bound]


def write_packages(networks: Networks, folder: Path, about: Mapping[str, str]) -> dict[str, Any]:
    """Write encoder.mlpackage, flow.mlpackage and decoder.mlpackage into `folder`; returns how exact they are.

    about: version, author, license and anything else that CoreML's metadata name.

    Raises:
        BundleError: a package differs from the trained network by more than TOLERANCES.
    """
    converted = modules(networks)
    for graph, example in references(networks, 2, 3).items():
        convert(converted[graph], graph, example, folder / f"{graph}.mlpackage", about)
    return {name: asdict(precision) for name, precision in verify_packages(networks, folder).items()}


def modules(networks: Networks) -> dict[str, nn.Module]:
    """What is converted, by graph."""
    return {
        "encoder": networks.encoder.eval(),
        "flow": Sampler(networks.flow).eval(),
        "decoder": networks.decoder.eval(),
    }


def convert(
    module: nn.Module,
    graph: str,
    example: Reference,
    package: Path,
    about: Mapping[str, str],
    precision: str = "FLOAT32",
) -> None:
    """Write one module as a package. precision: FLOAT32 or FLOAT16, of everything between inputs and outputs."""
    import coremltools

    inputs, outputs = GRAPHS[graph]
    free = {name: coremltools.RangeDim(1, LARGEST) for name in DYNAMIC}
    with warnings.catch_warnings(), redirect_stderr(StringIO()), torch.no_grad():  # the latter for progress bars
        warnings.simplefilter("ignore")  # torch's of traced sizes, which the comparison checks; coremltools' of numpy
        traced = torch.jit.trace(module, tuple(example.inputs.values()), check_trace=False)
        model: Any = coremltools.convert(
            traced,
            convert_to="mlprogram",
            inputs=[
                coremltools.TensorType(name, _flexible(free, shape, example.inputs[name]), np.float32)
                for name, shape in inputs.items()
            ],
            outputs=[coremltools.TensorType(name, dtype=np.float32) for name in outputs],
            compute_precision=coremltools.precision[precision],
            minimum_deployment_target=coremltools.target.macOS13,
            skip_model_load=True,
        )
    model.short_description = DESCRIPTIONS[graph]
    for field, text in about.items():
        setattr(model, field, text)
    for name in inputs:
        model.input_description[name] = TENSORS[graph][name]
    for name in outputs:
        model.output_description[name] = TENSORS[graph][name]
    model.save(str(package))
    for path in package.rglob("*"):  # some of which coremltools leaves to their owner alone
        path.chmod(0o755 if path.is_dir() else 0o644)


def _flexible(free: Mapping[str, Any], shape: list[str | int], example: Tensor) -> tuple[Any, ...]:
    """The tensor's shape, with the ranges `free` in place of rows and samples."""
    return tuple(free.get(str(name), size) for name, size in zip(shape, example.shape, strict=True))


def verify_packages(networks: Networks, folder: Path) -> dict[str, Precision]:
    """Compare the packages in `folder` with the trained networks, by output.

    Raises:
        BundleError: one differs by more than TOLERANCES.
    """
    from xspecnf_export.mil import Program

    result: dict[str, Precision] = {}
    for graph, reference in references(networks, *CHECKED).items():
        package = folder / f"{graph}.mlpackage"
        program, single = (differences(Program(package, double), reference) for double in (True, False))
        result |= {name: Precision(program[name], single[name]) for name in program}
    if failures := [failure for name, precision in result.items() for failure in precision.failures(name)]:
        found = "; ".join(failures)
        raise BundleError(
            f"{folder}: the CoreML packages disagree with the trained networks ({found}); nothing was written, "
            "--no-coreml leaves them out"
        )
    return result


def differences(program: Callable[[Inputs], Outputs], reference: Reference) -> dict[str, Difference]:
    """How far the program's outputs are from the reference's, in the units of TOLERANCES."""
    inputs = {name: tensor.numpy() for name, tensor in reference.inputs.items()}
    starts = range(0, len(next(iter(inputs.values()))), ROWS)
    parts = [program({name: values[k : k + ROWS] for name, values in inputs.items()}) for k in starts]
    result: dict[str, Difference] = {}
    for name, expected in reference.outputs.items():
        unit = _unit(name, expected)
        found = np.concatenate([part[name] for part in parts])
        result[name] = Difference.between(found / unit.numpy(), expected / unit)
    return result


def _unit(output: str, expected: Tensor) -> Tensor:
    """What a difference is measured in."""
    if output == "theta":
        return expected.std(dim=1, keepdim=True)
    return expected.std(dim=0).clamp(min=1) if output == "context" else torch.ones(1, dtype=torch.float64)
