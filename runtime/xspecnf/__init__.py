"""xspecnf: NICER spectra of black hole binaries to posteriors, by a normalising flow checked against exact physics.

    import xspecnf

    model = xspecnf.load_model()
    obs = xspecnf.read_observation("obs.pha")
    post = model.infer(obs, samples=1000, seed=0)
    print(post)

Each name is imported when it is first used, so that a program pays only for what it asks for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xspecnf.batch import Failure
    from xspecnf.bestfit import BestFit, fit
    from xspecnf.errors import XspecnfError
    from xspecnf.model import Model, load_model
    from xspecnf.observation import Observation, read_observation
    from xspecnf.physics import photons
    from xspecnf.posterior import Posterior
    from xspecnf.profiles import Profile, profile
    from xspecnf.statistics import pgstat

__all__ = [
    "BestFit",
    "Failure",
    "Model",
    "Observation",
    "Posterior",
    "Profile",
    "XspecnfError",
    "fit",
    "load_model",
    "pgstat",
    "photons",
    "profile",
    "read_observation",
]

_MODULES = {
    "BestFit": "bestfit",
    "Failure": "batch",
    "Model": "model",
    "Observation": "observation",
    "Posterior": "posterior",
    "Profile": "profiles",
    "XspecnfError": "errors",
    "fit": "bestfit",
    "load_model": "model",
    "pgstat": "statistics",
    "photons": "physics",
    "profile": "profiles",
    "read_observation": "observation",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
