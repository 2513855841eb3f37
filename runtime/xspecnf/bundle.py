"""The model bundle: a folder with a manifest, three graphs and a reference response, checked before anything is used.

The folder is the only thing that crosses from training to the runtime. `manifest.json` (schema 1) names every file with
its sha256; :func:`load_bundle` refuses a folder whose manifest is unknown or incomplete, whose files are missing,
altered or too large, which points outside itself, or whose graphs are more than arithmetic. Nothing in a bundle is
executed or unpickled: docs/security.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from xspecnf.errors import BundleError
from xspecnf.features import FEATURES
from xspecnf.graphfile import check_graph
from xspecnf.grid import Grid
from xspecnf.novelty import Novelty
from xspecnf.parameters import BHB_PARAMETERS, Parameter
from xspecnf.response import Response
from xspecnf.training_range import TrainingRange

SCHEMA = 1
DEFAULT_BUNDLE = "nicer-bhb"
GRAPHS = ("encoder", "flow", "decoder")
RESPONSE_FILE = "response.npz"
NOVELTY_FILE = "novelty.npz"
WEIGHTS_FILE = "weights.safetensors"
MANIFEST_FILE = "manifest.json"
PACKAGE = ".mlpackage"
SHIPPED = "xspecnf_models"

LARGEST_MANIFEST, LARGEST_FILE = 2**20, 64 * 2**20
"""Bytes."""

MOST_FILES = 100


@dataclass(frozen=True)
class Bundle:
    """A validated model bundle.

    Attributes:
        path: the folder.
        name: the bundle's name, such as "nicer-bhb".
        version: the bundle's own version.
        description: one sentence about the model.
        instrument: the telescope whose spectra it takes, as in the TELESCOP keyword.
        parameters: theta's names, units and prior bounds, in order.
        grid: the bins that the networks see.
        inputs: the names of the encoder's input channels.
        files: sha256 in hexadecimal of every file of the folder, by name.
        provenance: where the weights come from, as written by the training run.
        metrics: the figures that were measured before the bundle was written.
    """

    path: Path
    name: str
    version: str
    description: str
    instrument: str
    parameters: tuple[Parameter, ...]
    grid: Grid
    inputs: tuple[str, ...]
    files: Mapping[str, str]
    provenance: Mapping[str, Any]
    metrics: Mapping[str, Any]

    def __post_init__(self) -> None:
        required = {f"{graph}.onnx" for graph in GRAPHS} | {RESPONSE_FILE}
        if missing := sorted(required - set(self.files)):
            raise BundleError(f"{self.path}: the manifest lists no {', '.join(missing)}; export the bundle again")
        if len(self.files) > MOST_FILES:
            raise BundleError(
                f"{self.path}: the manifest lists {len(self.files)} files, {MOST_FILES} at most; {_DISTRUST}"
            )
        for name in self.files:
            _refuse_foreign_path(self.path, name)
        for text in (self.name, self.version, self.description, self.instrument):
            if not (isinstance(text, str) and text.isprintable()):
                raise BundleError(f"{self.path}: {text!r} is no line of text; {_DISTRUST}")
        if self.parameters != BHB_PARAMETERS:
            raise BundleError(f"{self.path}: made for other parameters or bounds than this xspecnf's; {_UPDATE}")
        if self.inputs != FEATURES:
            raise BundleError(f"{self.path}: made for the input channels {self.inputs}, not {FEATURES}; {_UPDATE}")

    def graph(self, name: str) -> Path:
        """The file of one of the GRAPHS."""
        return self.path / f"{name}.onnx"

    @property
    def packages(self) -> tuple[str, ...]:
        """Those of the GRAPHS that come as packages for CoreML too."""
        return tuple(graph for graph in GRAPHS if any(name.startswith(f"{graph}{PACKAGE}/") for name in self.files))

    def package(self, graph: str) -> Path:
        """The folder of one graph's package for CoreML, its files checked now: loading leaves out what few need.

        Raises:
            BundleError: there is none, or it is damaged.
        """
        if graph not in self.packages:
            raise BundleError(f"{self.path}: has no {graph}{PACKAGE}; export the bundle again, or use --provider cpu")
        for name, digest in self.files.items():
            if name.startswith(f"{graph}{PACKAGE}/"):
                _checked(self.path / name, digest)
        return self.path / f"{graph}{PACKAGE}"

    def weights(self) -> Path:
        """The networks' weights before they became graphs, from which training goes on; checked now, as few need them.

        Raises:
            BundleError: there are none, or the file is damaged.
        """
        path = self.path / WEIGHTS_FILE
        if WEIGHTS_FILE not in self.files:
            raise BundleError(f"{path}: was not exported; export the run again with this xspecnf")
        if not path.exists():
            raise BundleError(
                f"{path}: is not here, since installed bundles come without; take the bundle's folder of the repository"
            )
        _checked(path, self.files[WEIGHTS_FILE])
        return path

    @cached_property
    def reference_response(self) -> Response:
        """The instrument's response on the grid, for spectra that come without one. Read when first asked for.

        Its name says that it is the bundle's, so that it is known from the files that it was made of.
        """
        stored = Response.load(self.path / RESPONSE_FILE, self.grid)
        return replace(stored, name=f"{stored.name} of bundle {self.name}")

    @cached_property
    def novelty(self) -> Novelty | None:
        """What the training spectra's contexts look like; None in a bundle without it. Read when first asked for."""
        return Novelty.load(self.path / NOVELTY_FILE) if NOVELTY_FILE in self.files else None

    @cached_property
    def training_range(self) -> TrainingRange | None:
        """What the network was trained on; None where the provenance does not tell."""
        return TrainingRange.of(self.provenance)


_DISTRUST = "do not use this bundle"
_UPDATE = "install the version of xspecnf that the bundle was exported with, or export the bundle again"


def load_bundle(name_or_path: str | Path = DEFAULT_BUNDLE) -> Bundle:
    """Load a shipped bundle by name or any bundle by the path of its folder, and check every file's sha256.

    Packages for CoreML are checked by :meth:`Bundle.package`, weights by :meth:`Bundle.weights`.

    Raises:
        BundleError: there is no such bundle, or it is damaged, incomplete, of an unknown schema or not to be trusted.
    """
    folder = find_bundle(name_or_path)
    bundle = _from_manifest(folder, _read_manifest(folder))
    # What ships came with this program: whoever could alter its graphs could alter the program too.
    strangers = set() if folder in shipped_bundles().values() else {f"{graph}.onnx" for graph in GRAPHS}
    loaded = (item for item in bundle.files.items() if PACKAGE not in item[0] and item[0] != WEIGHTS_FILE)
    for name, digest in loaded:
        content = _checked(folder / name, digest)
        if name in strangers:
            check_graph(folder / name, content)
    return bundle


def find_bundle(name_or_path: str | Path) -> Path:
    """The folder of a bundle; a shipped name wins over a folder of the same name, which `./name` still reaches."""
    if name_or_path in (shipped := shipped_bundles()):
        return shipped[str(name_or_path)]
    folder = Path(name_or_path)
    if (folder / MANIFEST_FILE).is_file():
        return folder.resolve()
    known = ", ".join(shipped) or "none"
    raise BundleError(
        f"{name_or_path}: neither a shipped model ({known}) nor a folder that holds {MANIFEST_FILE}; "
        "`xspecnf models list` shows the shipped ones"
    )


def shipped_bundles() -> dict[str, Path]:
    """The bundles that were installed with xspecnf: folder by name."""
    root = Path(str(resources.files(SHIPPED)))
    return {manifest.parent.name: manifest.parent for manifest in sorted(root.glob(f"*/{MANIFEST_FILE}"))}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(_read(path, LARGEST_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not a readable JSON file ({error}); copy or export the bundle again") from error
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != SCHEMA:
        raise BundleError(f"{path}: manifest schema {found!r}, but this xspecnf reads schema {SCHEMA}; {_UPDATE}")
    return manifest


def _from_manifest(folder: Path, manifest: Mapping[str, Any]) -> Bundle:
    needed = {field.name for field in fields(Bundle)} - {"path"}
    if missing := sorted(needed - set(manifest)):
        raise BundleError(f"{folder / MANIFEST_FILE}: no field {', '.join(missing)}; export the bundle again")
    values = {key: manifest[key] for key in needed}
    try:
        values["parameters"] = tuple(Parameter(**entry) for entry in manifest["parameters"])
        values["grid"] = Grid.from_dict(manifest["grid"])
        values["inputs"] = tuple(manifest["inputs"])
        return Bundle(path=folder, **values)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise BundleError(f"{folder / MANIFEST_FILE}: a malformed field ({error}); export the bundle again") from error


def _refuse_foreign_path(folder: Path, name: str) -> None:
    """Names are relative, with slashes, and reach a file of the folder through no link."""
    parts = PurePosixPath(name)
    plain = str(parts) == name and not parts.is_absolute() and ".." not in parts.parts and not set(name) & set("\\:\0")
    if not plain or (folder / name).resolve() != folder.resolve() / name:
        raise BundleError(f"{folder / MANIFEST_FILE}: the file {name!r} lies outside the bundle; {_DISTRUST}")


def _checked(path: Path, digest: str) -> bytes:
    """The file's content. Raises BundleError where its sha256 is another."""
    content = _read(path, LARGEST_FILE)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise BundleError(
            f"{path}: its sha256 is {found[:12]}..., the manifest says {str(digest)[:12]}...: the file was altered "
            "or cut off; copy or install the bundle again"
        )
    return content


def _read(path: Path, largest: int) -> bytes:
    """The file's content. Raises BundleError where there is no file, or a larger one."""
    try:
        if path.exists() and not path.is_file():  # a pipe would wait for ever
            raise BundleError(f"{path}: not a file; {_DISTRUST}")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); copy or install the bundle again") from error
    if len(content) > largest:
        raise BundleError(f"{path}: more than {largest} bytes; {_DISTRUST}")
    return content
