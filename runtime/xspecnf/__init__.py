"""xspecnf: NICER spectra of black hole binaries to posteriors, by a normalising flow checked against exact physics.

    import xspecnf

    model = xspecnf.load_model()
    obs = xspecnf.read_observation("obs.pha")
    post = model.infer(obs, samples=1000, seed=0)
    print(post)

Each name is imported when it is first used, so that a program pays only for what it asks for.

onnxruntime reports to its makers unless it is told not to. Importing xspecnf tells it, for this process and those that
it starts; where ORT_DISABLE_TELEMETRY is set already, the user has decided: see telemetry.py, docs/security.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xspecnf.telemetry import switch_off

if TYPE_CHECKING:
    from xspecnf.batch import Failure
    from xspecnf.errors import XspecnfError
    from xspecnf.model import Model, load_model
    from xspecnf.observation import Observation, read_observation
    from xspecnf.physics import photons
    from xspecnf.posterior import Posterior
    from xspecnf.statistics import pgstat

__all__ = [
    "Failure",
    "Model",
    "Observation",
    "Posterior",
    "XspecnfError",
    "load_model",
    "pgstat",
    "photons",
    "read_observation",
]

_MODULES = {
    "Failure": "batch",
    "Model": "model",
    "Observation": "observation",
    "Posterior": "posterior",
    "XspecnfError": "errors",
    "load_model": "model",
    "pgstat": "statistics",
    "photons": "physics",
    "read_observation": "observation",
}


switch_off()


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
