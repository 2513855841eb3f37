"""Each extra tried: a small piece of the work that it is installed for, in a second or two.

A version says that a package is there, not that it works: its own needs may be missing, or of releases that do not
go together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from xspecnf.errors import MissingExtraError, XspecnfError
from xspecnf.extras import installed, require, requirements


def state(extra: str) -> str:
    """What is wrong with an extra's packages: "" of none, the names of those that are missing or too old."""
    asked = requirements().get(extra, ())
    found = {r.name: installed(r.name) for r in asked}
    missing = [r.name for r in asked if found[r.name] is None]
    if len(missing) == len(asked):
        return "not installed"
    old = [f"{r.name}{r.specifier}" for r in asked if (v := found[r.name]) and not r.specifier.contains(v, True)]
    wanted = ", ".join(missing + old)
    return f"incomplete: needs {wanted}; run: pip install 'xspecnf[{extra}]'" if wanted else ""


def attempt(extra: str) -> str:
    """Do a small piece of an extra's work; what was done. Raises MissingExtraError where it cannot be done."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return TRIALS[extra]()
    except XspecnfError:
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        names = " ".join(r.name for r in requirements().get(extra, ()))
        again = f"run: pip install --force-reinstall {names}"
        raise MissingExtraError(f"the packages do not work together ({said}); {again}") from error


def _plot() -> str:
    from xspecnf import plots

    plots.check_packages("a figure")
    corner = require("corner", "plot", "a figure")
    figure = require("matplotlib.figure", "plot", "a figure").Figure()
    samples = np.random.default_rng(0).standard_normal((200, 2))
    corner.corner(samples, fig=figure, bins=10, smooth=1.0, plot_datapoints=False)
    return f"drew a figure of {len(plots.rendered(figure, 'png'))} bytes"


def _netcdf() -> str:
    from xspecnf.formats import netcdf

    netcdf.check_packages()
    xarray = require("xarray", "netcdf", "NetCDF")
    groups = {"posterior": xarray.Dataset({"x": (("chain", "draw"), np.arange(3.0)[None])})}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.nc"
        netcdf.write_groups(groups, path)
        data = require("arviz", "netcdf", "ArviZ's object").from_netcdf(path)
        mean = float(data["posterior"]["x"].mean())
        getattr(data, "close", lambda: None)()
    netcdf.of_groups(groups)
    return f"wrote a file that ArviZ reads, mean {mean:g}"


def _parquet() -> str:
    from astropy.table import Table

    require("pyarrow.parquet", "parquet", "Parquet")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.parquet"
        Table({"x": [1.0, 2.0]}).write(path, format="parquet")
        return f"wrote a table and read its {len(Table.read(path, format='parquet'))} rows"


def _cluster() -> str:
    """No more than the import: a scheduler would open ports."""
    return f"distributed {require('distributed', 'cluster', '--scheduler').__version__} imported"


def _sign() -> str:
    require("cryptography", "sign", "a signature")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b"trial"), b"trial")
    return "signed and verified"


def _train() -> str:
    torch = require("torch", "train", "training")
    require("nflows.transforms", "train", "training")
    tensors = require("safetensors.torch", "train", "training")
    x = torch.ones(2, requires_grad=True)
    (x @ x).backward()
    kept = tensors.load(tensors.save({"gradient": x.grad}))["gradient"]
    return f"a gradient of {float(kept[0]):g} went through a file"


def _export() -> str:
    _train()
    onnx = require("onnx", "export", "export")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "trial", [value], [out])
    model = onnx.helper.make_model(graph)
    onnx.checker.check_model(model)
    return f"a graph of {len(model.SerializeToString())} bytes is valid"


TRIALS: dict[str, Callable[[], str]] = {
    "plot": _plot,
    "netcdf": _netcdf,
    "parquet": _parquet,
    "cluster": _cluster,
    "sign": _sign,
    "train": _train,
    "export": _export,
}
"""By extra. CoreML and CUDA are tried as providers, by `doctor --benchmark`; Sherpa only reads what is written."""
