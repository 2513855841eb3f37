"""A training run's configuration: one TOML file, checked as a whole before anything starts."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from xspecnf.errors import InputError
from xspecnf.features import CONSTANT_FEATURES, FEATURES
from xspecnf_train.flow import FlowConfig
from xspecnf_train.instrument import GridConfig, InstrumentConfig
from xspecnf_train.networks import DecoderConfig, EncoderConfig
from xspecnf_train.simulate import SimulatorConfig
from xspecnf_train.tables import build


@dataclass(frozen=True)
class StageConfig:
    """One training stage.

    epochs of `steps` batches of `batch` spectra; optimiser: "adamw" or "muon" (see xspecnf_train.optimisers), at
    `learning_rate`, which follows `schedule`: "cosine" falls to `final_rate` of it over the whole stage, or starts
    again at each of the epochs `restarts`, every time from half the rate of the time before; "plateau" halves it after
    `plateau_patience` epochs without a better validation loss; the first `warm_up` steps rise linearly to it. The stage
    ends early after `patience` such epochs (0: never). ema: decay per step of the averaged weights that are kept (0:
    the weights themselves). reconstruction, latent, flow, reverse: weights of the losses (see xspecnf_train.losses).
    noise: standard deviation of the noise behind the samples that the losses look at: 1, or 0 for a network that
    answers with one point. decoder_error: the decoder's own relative error, which the reconstruction is to allow for.
    """

    epochs: int
    steps: int = 1000
    batch: int = 512
    optimiser: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "plateau"
    final_rate: float = 0.01
    restarts: Sequence[int] = ()
    warm_up: int = 200
    plateau_patience: int = 10
    patience: int = 0
    ema: float = 0.0
    reconstruction: float = 0.0
    latent: float = 0.0
    flow: float = 0.0
    reverse: float = 0.0
    noise: float = 1.0
    decoder_error: float = 0.0

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "plateau"):
            raise ValueError(f"schedule is {self.schedule!r}; use cosine or plateau")
        if self.optimiser not in ("adamw", "muon"):
            raise ValueError(f"optimiser is {self.optimiser!r}; use adamw or muon")
        if (
            min(self.epochs, self.steps, self.batch, self.warm_up, self.plateau_patience) < 1
            or self.learning_rate <= 0
            or not 0 <= self.ema < 1
        ):
            raise ValueError(
                "epochs, steps, batch, warm_up and plateau_patience must be at least 1, learning_rate positive, "
                "ema at least 0 and below 1"
            )
        if any(a >= b for a, b in pairwise((0, *self.restarts, self.epochs))):
            raise ValueError(f"restarts is {list(self.restarts)}; give rising epochs between 0 and {self.epochs}")
        if min(self.reconstruction, self.latent, self.flow, self.reverse, self.weight_decay, self.decoder_error) < 0:
            raise ValueError("the weights of the losses and of the decay, and decoder_error, cannot be negative")
        if self.noise not in (0, 1):
            raise ValueError(f"noise is {self.noise}; use 1, or 0 for a network that answers with one point")


@dataclass(frozen=True)
class RealConfig(StageConfig):
    """Stage three, on real spectra.

    simulated_share of each batch stays simulated; held_out is the share of observation ids that early stopping is
    judged on; label: "posterior", `labels` draws from each spectrum's exact posterior, or "fit", its best fit (see
    xspecnf_train.labels); systematic: fractional error, None for what the files say.
    """

    simulated_share: float = 0.5
    held_out: float = 0.2
    label: str = "posterior"
    labels: int = 200
    systematic: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.simulated_share < 1 and 0 < self.held_out < 1 and self.labels > 0):
            raise ValueError("simulated_share and held_out are shares below 1, held_out and labels above 0")
        if self.label not in ("posterior", "fit"):
            raise ValueError(f"label is {self.label!r}; use posterior or fit")
        if self.reverse:
            raise ValueError("reverse needs the counts of simulated spectra; it works in [joint_stage] alone")
        if self.systematic is not None and not 0 <= self.systematic < 1:
            raise ValueError(f"systematic is a fraction below 1, not {self.systematic}")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a bundle's content; the same file and seed give the same run.

    start: another configuration, relative to this one, whose run gives the networks that this one begins with; it is
    trained first. flow_stage: the flow is a new one, which learns alone to read such a start's encoder; without it the
    start's flow is taken too, and what is left is to polish. polish_stage: everything end to end once more, from the
    best weights so far and with settings of its own.
    """

    name: str
    version: str
    description: str
    seed: int
    encoder: EncoderConfig
    flow: FlowConfig
    decoder: DecoderConfig
    simulator: SimulatorConfig
    rate_stage: StageConfig
    decoder_stage: StageConfig
    joint_stage: StageConfig
    flow_stage: StageConfig | None = None
    polish_stage: StageConfig | None = None
    real_stage: RealConfig | None = None
    start: str = ""
    threads: int = 2
    instrument: InstrumentConfig = field(default_factory=InstrumentConfig)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file. Raises InputError that names the file and the setting that is wrong."""
        try:
            tables = tomllib.loads(Path(path).read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"{path}: not a readable TOML configuration ({error})") from error
        try:
            return cls.from_tables(tables)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Build from the parsed tables; input channels and sizes that follow from one another are filled in.

        Raises InputError that names the section and the setting that is wrong.
        """
        if "response" in tables:
            raise InputError("the table [response] is called [instrument] now; rename it")
        instrument = _instrument(_section(tables, "instrument")) if "instrument" in tables else InstrumentConfig()
        inputs = {
            "bins": instrument.bins,
            "channels": len(FEATURES),
            "rate_channel": FEATURES.index("log_rate"),
            "rate_error_channel": FEATURES.index("log_rate_error"),
            "constant_channels": tuple(FEATURES.index(name) for name in CONSTANT_FEATURES),
        }
        encoder = build(EncoderConfig, "[encoder]", _section(tables, "encoder"), **inputs)
        context = {"context_size": encoder.context_features}
        built: dict[str, Any] = {
            "instrument": instrument,
            "encoder": encoder,
            "flow": build(FlowConfig, "[flow]", _section(tables, "flow"), **context),
            "decoder": build(DecoderConfig, "[decoder]", _section(tables, "decoder"), bins=instrument.bins),
            "simulator": build(SimulatorConfig, "[simulator]", _section(tables, "simulator"), background_shape=()),
        }
        for stage in ("rate_stage", "decoder_stage", "joint_stage"):
            built[stage] = build(StageConfig, f"[{stage}]", _section(tables, stage))
        for stage in ("flow_stage", "polish_stage"):
            if stage in tables:
                built[stage] = build(StageConfig, f"[{stage}]", _section(tables, stage))
        if "real_stage" in tables:
            built["real_stage"] = build(RealConfig, "[real_stage]", _section(tables, "real_stage"))
        if tables.get("start") and not built.keys() & {"flow_stage", "polish_stage"}:
            raise InputError("start leaves nothing to learn without [flow_stage] or [polish_stage]; add one of them")
        rest = {name: value for name, value in tables.items() if name not in built}
        return build(cls, "the top", rest, **built)


def _instrument(table: Mapping[str, Any]) -> InstrumentConfig:
    """The table [instrument] with [instrument.grid] inside."""
    files = {name: value for name, value in table.items() if name != "grid"}
    grid = build(GridConfig, "[instrument.grid]", _section(table, "grid")) if "grid" in table else None
    return build(InstrumentConfig, "[instrument]", files, grid=grid)


def _section(tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table [name]; InputError when there is none."""
    if not isinstance(tables.get(name), Mapping):
        raise InputError(f"there is no table [{name}]")
    return tables[name]
