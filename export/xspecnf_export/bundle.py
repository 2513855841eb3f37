"""`xspecnf export`: a training run in, a model bundle out, written whole or not at all."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from xspecnf.bundle import MANIFEST_FILE, NOVELTY_FILE, RESPONSE_FILE, SCHEMA, WEIGHTS_FILE, load_bundle
from xspecnf.errors import BundleError, InputError
from xspecnf.features import FEATURES
from xspecnf.lock import alone
from xspecnf.parameters import BHB_PARAMETERS
from xspecnf_export.card import model_card
from xspecnf_export.coreml import write_packages
from xspecnf_export.novelty import learn_novelty
from xspecnf_export.onnx import GRAPHS, write_graphs
from xspecnf_export.reference import write_golden
from xspecnf_export.verify import verify
from xspecnf_train.config import TrainConfig
from xspecnf_train.instrument import Instrument
from xspecnf_train.model import Networks

PHYSICS = {
    "model": "tbabs(simplcutx(ezdiskbb))",
    "abundances": "wilm",
    "kT_e": 100.0,
    "kT_e_unit": "keV",
    "reflection_fraction": 0.0,
}
ABOUT = {"author": "The xspecnf developers", "license": "BSD-3-Clause"}
PRIOR = "uniform over the unit cube of the parameters' scaled bounds"


def export(run: Path, bundle: Path, name: str | None = None, coreml: bool = True) -> Path:
    """Write the finished training `run` as the folder `bundle`, verified against the trained networks; returns it.

    name: of the bundle, by default that of its folder. An existing bundle of that path is replaced. coreml: also
    write the packages for Apple's CoreML, which takes most of the time.
    Raises InputError for a run that cannot be read and BundleError for a folder that is no bundle, or graphs that
    disagree.
    """
    config = TrainConfig.load(run / "config.toml")
    networks = load_networks(run, config)
    bundle = bundle.resolve()
    _refuse_to_replace(bundle)
    if run.resolve().is_relative_to(bundle):
        raise BundleError(f"{bundle}: holds the run {run}, and would be replaced; give --output another folder")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(bundle) as scratch:
        draft = scratch / "new"
        draft.mkdir(parents=True)
        _write(draft, run, config, networks, name or bundle.name, coreml)
        load_bundle(draft)
        if bundle.exists():
            bundle.rename(scratch / "old")
        draft.rename(bundle)
    return bundle


@contextmanager
def _scratch(bundle: Path) -> Iterator[Path]:
    """A path beside the bundle to write it at, for one export at a time; what a killed one left there is removed."""
    locked = bundle.with_name(f".{bundle.name}.export")
    locked.mkdir(exist_ok=True)
    with alone(locked) as free:
        if not free:
            raise BundleError(f"{bundle}: another export is writing it; wait for it, or give another --output")
        shutil.rmtree(locked / "scratch", ignore_errors=True)
        try:
            yield locked / "scratch"
        finally:
            shutil.rmtree(locked)


def load_networks(run: Path, config: TrainConfig) -> Networks:
    """The trained networks of a run. Raises InputError when its weights are missing or belong to other networks."""
    path = run / WEIGHTS_FILE
    networks = Networks(config)
    try:
        networks.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: no weights to export ({error}); let `xspecnf train` finish first") from error
    except RuntimeError as error:
        raise InputError(f"{path}: not the weights of {run / 'config.toml'} ({error}); train the run again") from error
    return networks.eval().requires_grad_(False)


def _refuse_to_replace(bundle: Path) -> None:
    """Only a bundle may be replaced by a bundle."""
    if bundle.exists() and not (bundle / MANIFEST_FILE).is_file():
        raise BundleError(f"{bundle}: exists and is no bundle; give --output another folder, or remove this one")


def _write(folder: Path, run: Path, config: TrainConfig, networks: Networks, name: str, coreml: bool) -> None:
    """All files of the bundle, the manifest last, since it holds the checksums of the others."""
    instrument = Instrument.load(run)
    response = instrument.response
    config = replace(config, simulator=instrument.simulated_by(config.simulator))
    write_graphs(networks, folder)
    write_golden(networks, folder)
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "version": config.version,
        "description": config.description,
        "instrument": response.grid.telescope,
        "parameters": [asdict(parameter) for parameter in BHB_PARAMETERS],
        "prior": PRIOR,
        "grid": response.grid.to_dict(),
        "inputs": list(FEATURES),
        "physics": PHYSICS,
        "tensors": {graph: {"inputs": inputs, "outputs": outputs} for graph, (inputs, outputs) in GRAPHS.items()},
        "provenance": _read_json(run / "provenance.json") | {"configuration": asdict(config)},
        "metrics": _measured(run),
        "verification": asdict(verify(networks, folder)),
        "coreml": write_packages(networks, folder, ABOUT | {"version": config.version}) if coreml else {},
    }
    shutil.copyfile(run / RESPONSE_FILE, folder / RESPONSE_FILE)
    shutil.copyfile(run / WEIGHTS_FILE, folder / WEIGHTS_FILE)
    novelty = learn_novelty(folder / "encoder.onnx", config.simulator, response, config.seed)
    novelty.save(folder / NOVELTY_FILE)
    (folder / "README.md").write_text(model_card(manifest), encoding="utf-8")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest["files"] = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _measured(run: Path) -> dict[str, Any]:
    """The figures of the run's evaluation, without the curves that only its plots need."""
    return {name: value for name, value in _read_json(run / "metrics.json").items() if name != "plots"}


def _read_json(path: Path) -> dict[str, Any]:
    """What the run recorded in `path`; nothing if it did not. Raises InputError when the file is damaged."""
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); run the training or evaluation again") from error
