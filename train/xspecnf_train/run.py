"""`xspecnf train`: a configuration in, a run folder out.

The folder holds config.toml (a copy), response.npz and instrument.json (the reference response, its grid and the
background), checkpoint.safetensors while it runs, labels.safetensors from stage three on, and at its end
weights.safetensors, curve.json and provenance.json, which is what `xspecnf export` reads.
"""

import datetime
import json
import platform
import subprocess
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from xspecnf.atomic import write_atomically
from xspecnf.bundle import MANIFEST_FILE, RESPONSE_FILE, WEIGHTS_FILE, Bundle, load_bundle
from xspecnf.errors import InputError
from xspecnf.lock import alone
from xspecnf.response import Response
from xspecnf_train.backend import TorchBackend
from xspecnf_train.checkpoint import CHECKPOINT, Progress, load_checkpoint
from xspecnf_train.config import RealConfig, StageConfig, TrainConfig
from xspecnf_train.instrument import Instrument
from xspecnf_train.labels import label_spectra
from xspecnf_train.likelihood import Likelihood
from xspecnf_train.loop import Task, Trainer
from xspecnf_train.losses import decoder_loss, joint_loss
from xspecnf_train.model import FrozenGuard, Networks
from xspecnf_train.real import RealFiles, RealSet, hold_out, real_task
from xspecnf_train.simulate import Batch, Simulator
from xspecnf_train.start import ADDED, begin_with_bundle, begin_with_run, origin
from xspecnf_train.steps import Step, unwatched

START = "start"
"""Folder within a run of the run that it begins with."""

TURN = ".training"
"""Folder within a run that is locked by who trains it; the run's own is, for a moment, by who writes a file."""


def train(
    config: Path,
    output: Path,
    resume: bool = True,
    real: RealFiles | None = None,
    report: Callable[[str], None] = print,
    step: Step = unwatched,
    start: str | Path | None = None,
) -> Path:
    """Run the stages of the TOML `config` into the folder `output`, going on from its checkpoint if there is one and
    `resume`.

    real: the spectra of stage three; without them that stage is left out, and the provenance says so. report and
    step are told how far the run is, in words and in steps of each stage. start: a bundle, by name or folder, that a
    new run begins with, see :func:`begin_with_bundle`; its instrument too. Returns `output`.
    Raises InputError for a configuration, folder or spectra that cannot be used, BundleError for a bundle that cannot
    be begun with and TrainingFailed when the loss is no number any more.
    """
    settings = TrainConfig.load(config)
    if real and not settings.real_stage:
        raise InputError(f"{config}: has no table [real_stage]; add it (see nicer-bhb.toml), or leave --real out")
    bundle = load_bundle(start) if start else None
    _refuse_foreign(output, config)
    (output / TURN).mkdir(parents=True, exist_ok=True)
    with alone(output / TURN) as free:
        if not free:
            raise InputError(f"{output}: another training is writing it; wait for it, or give another --output")
        _prepare(output, config, settings, resume)
        instrument = _instrument(settings, config, output, bundle)
        networks, simulator = _simulated(settings, instrument, report)
        trainer = Trainer(networks, output, settings.seed, report, step)
        if not any(trainer.progress.begun):
            if bundle:
                begin_with_bundle(networks, trainer, settings, bundle)
            elif settings.start:
                before = train(config.parent / settings.start, output / START, resume, report=report, step=step)
                begin_with_run(networks, trainer, settings, before)
        elif bundle and trainer.progress.origin != origin(bundle):
            raise InputError(
                f"{output}: holds a run that did not begin with {origin(bundle)}; choose another folder, or start over "
                "with --restart"
            )
        _run_stages(networks, simulator, trainer, settings, real, instrument.response)
        _finish(output, networks, trainer, settings, real)
    return output


def _simulated(
    settings: TrainConfig, instrument: Instrument, report: Callable[[str], None]
) -> tuple[Networks, Simulator]:
    """The networks before any training, and the simulator of their spectra."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    networks = Networks(settings)
    report(f"simulating {settings.simulator.pool} noise-free spectra")
    simulator = Simulator(instrument.simulated_by(settings.simulator), instrument.response, settings.seed)
    _centre(networks, simulator, np.random.default_rng(settings.seed))
    return networks, simulator


def _run_stages(
    networks: Networks,
    simulator: Simulator,
    trainer: Trainer,
    settings: TrainConfig,
    real: RealFiles | None,
    response: Response,
) -> None:
    """Those that the checkpoint has not seen the end of."""
    trainer.run(_rate_task(networks, simulator), settings.rate_stage)
    trainer.run(_decoder_task(networks, simulator), settings.decoder_stage)
    frozen = FrozenGuard.freeze(decoder=networks.decoder, rate=networks.flow.rate)
    if settings.flow_stage:
        trainer.run(flow_task(networks, simulator), settings.flow_stage)
    trainer.run(_joint_task("joint", networks, simulator, settings.joint_stage, response), settings.joint_stage)
    if settings.polish_stage:
        trainer.run(_joint_task("polish", networks, simulator, settings.polish_stage, response), settings.polish_stage)
    if trainer.progress.stage == "real" and not real:
        raise InputError(f"{trainer.folder}: the run has begun stage three; give its spectra again with --real")
    if real and settings.real_stage:
        spectra = _labelled(networks, trainer, real, settings.real_stage, response)
        trainer.run(real_task(networks, simulator, spectra, settings.real_stage), settings.real_stage)
    frozen.verify()


@torch.no_grad()
def _centre(networks: Networks, simulator: Simulator, rng: np.random.Generator) -> None:
    """Start where the data are: the encoder's inputs standardised, the means of ln R and of the decoded spectra in the
    last biases.
    """
    networks.encoder.standardise(torch.from_numpy(simulator.draw(8192, rng).features()))
    _, totals = simulator.draw_totals(8192, rng)
    nn.init.constant_(networks.flow.rate[-1].bias, float(totals.mean()))  # type: ignore[arg-type]
    u, log_rate = simulator.draw_spectra(8192, rng)
    networks.decoder.centre(torch.from_numpy(u).float(), torch.from_numpy(log_rate).float())


def _rate_task(networks: Networks, simulator: Simulator) -> Task:
    def loss(batch: tuple[np.ndarray, np.ndarray], _: torch.Generator) -> Tensor:
        u, total = (torch.from_numpy(array).float() for array in batch)
        return (networks.flow.rate(2 * u[:, :4] - 1)[:, 0] - total).square().mean()

    return Task("rate", networks.flow.rate, simulator.draw_totals, loss)


def _decoder_task(networks: Networks, simulator: Simulator) -> Task:
    def loss(batch: tuple[np.ndarray, np.ndarray], _: torch.Generator) -> Tensor:
        u, log_rate = (torch.from_numpy(array).float() for array in batch)
        return decoder_loss(networks.decoder(u), log_rate)

    return Task("decoder", networks.decoder, simulator.draw_spectra, loss)


def flow_task(networks: Networks, simulator: Simulator) -> Task:
    """The stage in which the flow learns to read what the encoder, as it is, makes of spectra."""

    def loss(batch: Batch, _: torch.Generator) -> Tensor:
        with torch.no_grad():
            context = networks.encoder(torch.from_numpy(batch.features()))
        return -networks.flow.log_prob(torch.from_numpy(batch.u).float(), context).mean()

    return Task("flow", networks.flow, simulator.draw, loss)


def _joint_task(name: str, networks: Networks, simulator: Simulator, stage: StageConfig, response: Response) -> Task:
    likelihood = Likelihood.of(response)

    def draw(size: int, rng: np.random.Generator) -> tuple[Tensor, Batch]:
        batch = simulator.draw(size, rng)
        return torch.from_numpy(batch.features()), batch

    def loss(drawn: tuple[Tensor, Batch], generator: torch.Generator) -> Tensor:
        spectrum, batch = drawn
        u, noise = torch.from_numpy(batch.u).float(), torch.randn(len(batch.u), 5, generator=generator)
        return joint_loss(networks, spectrum, u, stage, noise, partial(likelihood, batch=batch))

    return Task(name, networks, draw, loss, validation=draw if name == "polish" else None)


def _labelled(
    networks: Networks,
    trainer: Trainer,
    real: RealFiles,
    config: RealConfig,
    response: Response,
) -> RealSet:
    """The labelled real spectra; the labels stay in the run, since stage three changes the network they come from."""
    stored = trainer.folder / "labels.safetensors"
    if trainer.progress.stage == "real":
        arrays = load_file(stored)
        return RealSet(arrays["spectrum"], arrays["labels"], arrays["held_out"].numpy())
    rng = np.random.default_rng([trainer.seed, 3])
    observations = real.read(config.systematic, response, trainer.report)
    trainer.report(f"labelling {len(observations)} real spectra: {config.label}")
    kept, labels = label_spectra(TorchBackend(networks), observations, config, rng, trainer.report)
    spectra = RealSet.of(kept, labels, hold_out([obs.name for obs in kept], config.held_out, rng))
    arrays = {"spectrum": spectra.spectrum, "labels": spectra.labels, "held_out": torch.from_numpy(spectra.held_out)}
    write_atomically(stored, save(arrays))
    return spectra


def _refuse_foreign(output: Path, config: Path) -> None:
    """Nothing of a bundle, nor a configuration that no run put there, is written over."""
    if (output / MANIFEST_FILE).exists():
        raise InputError(f"{output}: is a bundle, not the folder of a run; choose another folder")
    kept, run = output / "config.toml", any((output / name).exists() for name in (TURN, CHECKPOINT, WEIGHTS_FILE))
    if kept.exists() and not run and kept.read_bytes() != config.read_bytes():
        raise InputError(f"{kept}: exists already, and no run put it there; remove it, or choose another folder")


def _prepare(output: Path, config: Path, settings: TrainConfig, resume: bool) -> None:
    """Put a copy of the configuration into the run's folder; refuse to mix two configurations in one folder."""
    kept, checkpoint = output / "config.toml", output / CHECKPOINT
    if not resume:
        checkpoint.unlink(missing_ok=True)
    elif kept.exists() and checkpoint.exists():
        changed = _changed(TrainConfig.load(kept), settings, load_checkpoint(checkpoint)[1])
        if changed:
            raise InputError(
                f"{output}: holds a run of another configuration than {config}, which differs in {', '.join(changed)}; "
                "choose another folder, or start over with --restart"
            )
    write_atomically(kept, config.read_bytes())


def _changed(before: TrainConfig, now: TrainConfig, progress: Progress) -> list[str]:
    """Names of the settings that differ, but for the number of threads and for stages that may be added to a finished
    run, until one begins.
    """
    free = takewhile(lambda stage: stage not in progress.begun, reversed(ADDED))
    fixed = {f.name for f in fields(now)} - {"threads"} - {f"{stage}_stage" for stage in free}
    return sorted(name for name in fixed if getattr(before, name) != getattr(now, name))


def _instrument(settings: TrainConfig, config: Path, output: Path, bundle: Bundle | None) -> Instrument:
    """Of a run that has begun its own copy, else the bundle's, else made from the configuration's files."""
    if not ((output / CHECKPOINT).exists() and (output / RESPONSE_FILE).exists()):
        try:
            found = Instrument.of_bundle(bundle) if bundle else Instrument.read(settings.instrument, config.parent)
            found.save(output)
        except InputError as error:
            raise InputError(f"{config}: {error}") from error
    return Instrument.load(output)


def _finish(output: Path, networks: Networks, trainer: Trainer, settings: TrainConfig, real: RealFiles | None) -> None:
    """Write the final weights, the learning curve and the provenance."""
    progress = trainer.progress
    weights = {key: value.contiguous() for key, value in networks.state_dict().items()}
    write_atomically(output / WEIGHTS_FILE, save(weights))
    write_atomically(output / "curve.json", json.dumps(progress.curve, indent=1).encode())
    provenance = {
        "commit": _commit(),
        "seed": settings.seed,
        "start": progress.origin or None,
        "stages": progress.done,
        "real_spectra": real.folder.name if real and "real" in progress.done else None,
        "simulated_spectra_seen": progress.spectra,
        "training_hours": round(progress.seconds / 3600, 3),
        "hardware": f"{platform.machine()}, {settings.threads} threads, CPU",
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    write_atomically(output / "provenance.json", json.dumps(provenance, indent=1).encode())


def _commit() -> str | None:
    """The commit of the checkout that this file belongs to, if it is one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None
