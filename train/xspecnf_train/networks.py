"""The encoder (spectrum to context) and the decoder (parameters to spectrum).

Both see spectra on the bins of the instrument's grid. The encoder's last two context entries are not learned: they are
ln rate and ln relative rate error, copied from the input, because the flow's brightness coordinate is exact in them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from xspecnf.errors import InputError
from xspecnf_train.recurrence import bidirectional_gru

BINS = 240
"""Energy bins of a NICER spectrum."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of an encoder.

    kind: "paper" (convolutions, then three linear layers) or "dense" (a wide linear layer beside the convolutions, then
    residual blocks of `width`). rate_channel, rate_error_channel: the input channels that hold ln rate and ln relative
    rate error, the same value in all bins; constant_channels: any others of that sort. bins: of the grid.
    """

    kind: str
    channels: int
    rate_channel: int
    rate_error_channel: int
    constant_channels: Sequence[int] = ()
    context_size: int = 120
    width: int = 256
    blocks: int = 3
    bins: int = BINS

    def __post_init__(self) -> None:
        """Refuse a configuration that cannot be built: InputError."""
        _require(self.kind in ("paper", "dense"), f'encoder: kind is "{self.kind}"; use "paper" or "dense"')
        sizes = (self.context_size, self.width, self.blocks, self.bins)
        _require(min(sizes) > 0, "encoder: sizes, blocks and bins must be positive")
        _require(
            all(0 <= channel < self.channels for channel in self.constants),
            f"encoder: constant channels {self.constants} must lie in 0..{self.channels - 1}",
        )
        _require(self.rate_channel != self.rate_error_channel, "encoder: rate and rate error are the same channel")
        _require(len(self.varying) > 0, "encoder: no channel varies over the spectrum")

    @property
    def constants(self) -> list[int]:
        """Channels with one value for the whole spectrum."""
        return sorted({self.rate_channel, self.rate_error_channel, *self.constant_channels})

    @property
    def varying(self) -> list[int]:
        """Channels with a value for each bin."""
        return [channel for channel in range(self.channels) if channel not in self.constants]

    @property
    def context_features(self) -> int:
        """Length of the context: the learned entries and the two that are passed through."""
        return self.context_size + 2


class Encoder(nn.Module):
    """Transformed channels of a spectrum [B, F, bins] -> context [B, context_size + 2]."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.body = _PaperBody(config) if config.kind == "paper" else _DenseBody(config)
        self.register_buffer("mean", torch.zeros(config.channels, config.bins))
        self.register_buffer("scale", torch.ones(config.channels, config.bins))

    def standardise(self, spectrum: Tensor) -> None:
        """Bring each channel and bin of the training `spectrum` [B, F, bins] to zero mean and unit scale."""
        self.mean.copy_(spectrum.mean(dim=0))
        self.scale.copy_(spectrum.std(dim=0).clamp(min=0.05))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Encode `spectrum` [B, F, bins]; context[:, -2] is ln rate and context[:, -1] ln relative rate error."""
        rate = spectrum[:, self.config.rate_channel, :1]
        rate_error = spectrum[:, self.config.rate_error_channel, :1]
        return torch.cat([self.body((spectrum - self.mean) / self.scale), rate, rate_error], dim=1)


class _PaperBody(nn.Module):
    """The paper's: three strided convolutions, three linear layers with a shortcut, GELU."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        size = config.context_size
        self.convolutions, outputs = _convolutions(config.channels, config.bins, strides=(2, 2, 2))
        self.linear = nn.ModuleList([nn.Linear(outputs, size), nn.Linear(size, size), nn.Linear(size, size)])

    def forward(self, spectrum: Tensor) -> Tensor:
        first = functional.gelu(self.linear[0](self.convolutions(spectrum)))
        second = functional.gelu(self.linear[1](first))
        return self.linear[2](first + second)


class _DenseBody(nn.Module):
    """A linear layer over all the bins plus a convolutional branch, then residual blocks."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.varying, self.constants = config.varying, config.constants
        inputs = len(self.varying) * config.bins + len(self.constants)
        self.dense = nn.Linear(inputs, config.width)
        self.convolutions, outputs = _convolutions(len(self.varying), config.bins, strides=(5, 3, 2))
        self.merge = nn.Linear(outputs, config.width)
        self.blocks = nn.ModuleList(ResidualBlock(config.width) for _ in range(config.blocks))
        self.context = nn.Linear(config.width, config.context_size)

    def forward(self, spectrum: Tensor) -> Tensor:
        shape = spectrum[:, self.varying]
        flat = torch.cat([shape.flatten(1), spectrum[:, self.constants, 0]], dim=1)
        hidden = self.dense(flat) + self.merge(self.convolutions(shape))
        for block in self.blocks:
            hidden = block(hidden)
        return self.context(functional.gelu(hidden))


class ResidualBlock(nn.Module):
    """x + W2 gelu(W1 gelu(x)); W2 starts at zero, so that a deep stack starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.gelu(self.first(functional.gelu(x))))


def _convolutions(channels: int, bins: int, strides: Sequence[int]) -> tuple[nn.Sequential, int]:
    """Convolutions of 16, 32, 32 channels with GELU [B, channels, bins] -> [B, outputs], and the number of outputs."""
    layers: list[nn.Module] = []
    for width, stride in zip((16, 32, 32), strides, strict=True):
        layers += [nn.Conv1d(channels, width, kernel_size=5, stride=stride, padding=2), nn.GELU()]
        channels, bins = width, math.ceil(bins / stride)
    return nn.Sequential(*layers, nn.Flatten()), channels * bins


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a decoder.

    hidden: widths of the linear layers before the last, which has `bins` outputs. gru_hidden: size of the two-layer
    bidirectional recurrence over the bins (the paper: 1; 0 leaves it out). recurrence_shortcut: add the linear layers'
    output to the recurrence's. output_layer: behind it all a linear layer over the bins, whose result is in standard
    deviations of the training spectra from their mean (the paper's). log_norm_linear: the network sees the four shape
    parameters only and log10 norm is added, which is exact. norm_low, norm_high: the ends of norm's unit coordinate.
    """

    hidden: Sequence[int] = (120, 120, 240, 240)
    gru_hidden: int = 1
    recurrence_shortcut: bool = False
    output_layer: bool = False
    log_norm_linear: bool = False
    norm_low: float = 1e-2
    norm_high: float = 1e10
    bins: int = BINS

    def __post_init__(self) -> None:
        """Refuse a configuration that cannot be built: InputError."""
        _require(min(self.hidden, default=0) > 0, f"decoder: hidden is {self.hidden}; give positive widths")
        _require(self.gru_hidden >= 0, f"decoder: gru_hidden is {self.gru_hidden}; use 0 or more")
        _require(0 < self.norm_low < self.norm_high, "decoder: norm_low must be positive and below norm_high")


class Decoder(nn.Module):
    """Parameters in the unit cube [N, 5] -> log10 of the rate per bin [N, bins].

    The rate is the normalised one, photons/cm^2/s/keV through the reference response.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = [4 if config.log_norm_linear else 5, *config.hidden, config.bins]
        self.linear = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(widths))
        if config.gru_hidden:
            self.recurrence = nn.GRU(1, config.gru_hidden, num_layers=2, batch_first=True, bidirectional=True)
            self.readout = nn.Linear(config.gru_hidden, 1)
        if config.output_layer:
            self.output = nn.Linear(config.bins, config.bins)
            self.register_buffer("mean", torch.zeros(config.bins))
            self.register_buffer("scale", torch.ones(()))
        self.log_norm_low = math.log10(config.norm_low)
        self.log_norm_range = math.log10(config.norm_high / config.norm_low)

    def forward(self, theta: Tensor) -> Tensor:
        """Decode `theta` [N, 5]."""
        spectrum = self._dense(2 * theta[:, : self.linear[0].in_features] - 1)
        if self.config.gru_hidden:
            recurrent = self._recurrent(spectrum)
            spectrum = spectrum + recurrent if self.config.recurrence_shortcut else recurrent
        if self.config.output_layer:
            spectrum = self.mean + self.scale * self.output(spectrum)
        if self.config.log_norm_linear:
            spectrum = spectrum + self.log_norm_low + self.log_norm_range * theta[:, 4:]
        return spectrum

    def centre(self, theta: Tensor, spectrum: Tensor) -> None:
        """Start from the mean of `spectrum` [N, bins]: put what the decoded `theta` [N, 5] lacks into the last bias."""
        missing = spectrum - self(theta)
        if self.config.output_layer:
            self.scale.copy_((missing - missing.mean(dim=0)).std())
            self.mean += (spectrum - self(theta)).mean(dim=0)
        else:
            self.linear[-1].bias += missing.mean(dim=0)

    def _dense(self, x: Tensor) -> Tensor:
        """Linear layers with GELU between them and a shortcut wherever the width stays the same."""
        x = self.linear[0](x)
        for layer in self.linear[1:]:
            y = layer(functional.gelu(x))
            x = x + y if y.shape == x.shape else y
        return x

    def _recurrent(self, spectrum: Tensor) -> Tensor:
        """Run the recurrence along the bins, average its two directions, map to the spectrum's scale."""
        x = spectrum[..., None]
        exported = torch.jit.is_tracing()  # type: ignore[reportPrivateImportUsage]
        # The exporters know torch's own recurrence, by its name.
        output = self.recurrence(x)[0] if exported else bidirectional_gru(self.recurrence, x)
        return self.readout(output.unflatten(-1, (2, -1)).mean(dim=-2))[..., 0]
