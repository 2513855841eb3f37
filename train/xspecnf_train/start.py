"""What a run begins with in place of random weights: what the run of another configuration learnt, or a bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from xspecnf.bundle import WEIGHTS_FILE, Bundle
from xspecnf.errors import BundleError, InputError
from xspecnf_train.checkpoint import CHECKPOINT, Progress, load_checkpoint
from xspecnf_train.config import TrainConfig
from xspecnf_train.loop import Trainer
from xspecnf_train.model import Networks
from xspecnf_train.tables import build

ADDED = ("polish", "real")
"""Stages that a configuration may give to what has finished without them, or with others."""

FLOWLESS = ("rate", "decoder")
SHARED = ("encoder.", "decoder.", "flow.rate.")
"""What a run with a new flow takes from another run: stages, and weights by how their names begin."""


def begin_with_run(networks: Networks, trainer: Trainer, settings: TrainConfig, run: Path) -> None:
    """Take what a finished `run` learnt: encoder, decoder and rate network for a flow that has a stage of its own to
    learn in; without that stage all networks, and what is left to do is to polish them and the stage on real spectra.

    Raises InputError when they are of other sizes.
    """
    before, weights = load_checkpoint(run / CHECKPOINT)[1], load_file(run / WEIGHTS_FILE)
    done = [stage for stage in before.done if stage not in ADDED]
    if settings.flow_stage:
        weights = {name: w for name, w in weights.items() if name.startswith(SHARED)}
        done = [stage for stage in before.done if stage in FLOWLESS]
    try:
        networks.load_state_dict(networks.state_dict() | weights)
    except RuntimeError as error:
        raise InputError(f"{run}: its networks are of other sizes ({error})") from error
    trainer.progress = Progress(done=done, seconds=before.seconds, spectra=before.spectra)


def begin_with_bundle(networks: Networks, trainer: Trainer, settings: TrainConfig, bundle: Bundle) -> None:
    """Take all networks from a bundle; what is left to do is the stage on real spectra, and polishing where the
    configuration has another than the bundle had.

    Raises InputError for networks other than the configuration's, BundleError for weights that are missing or damaged.
    """
    made = bundle.provenance.get("configuration", {})
    for part in ("encoder", "flow", "decoder"):
        if not _same(settings, made, part):
            raise InputError(
                f"{bundle.path}: its {part} is not the configuration's; take the configuration that it was trained with"
            )
    left = ADDED[1:] if _same(settings, made, "polish_stage") else ADDED
    weights = bundle.weights()
    try:
        networks.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{weights}: not the weights of these networks ({error}); export it again") from error
    past = bundle.provenance
    trainer.progress = Progress(
        done=[stage for stage in past.get("stages", []) if stage not in left],
        seconds=3600 * past.get("training_hours", 0),
        spectra=past.get("simulated_spectra_seen", 0),
        origin=origin(bundle),
    )
    trainer.save({})


def _same(settings: TrainConfig, made: Mapping[str, Any], part: str) -> bool:
    """Whether a table of the configuration is that which a bundle was made with, or both have none."""
    ours, theirs = getattr(settings, part), made.get(part)
    if ours is None or theirs is None:
        return ours is theirs
    return build(type(ours), part, theirs) == ours


def origin(bundle: Bundle) -> str:
    """What a run remembers of the bundle that it began with."""
    return f"{bundle.name} {bundle.version}"
