"""Shapes, pass-through entries and exact relations of the encoder and the decoder."""

import math
from dataclasses import replace

import pytest
import torch

from xspecnf.errors import InputError
from xspecnf_train.networks import Decoder, DecoderConfig, Encoder, EncoderConfig, ResidualBlock

DENSE = EncoderConfig("dense", channels=5, rate_channel=3, rate_error_channel=4, context_size=12, width=32, blocks=2)


@pytest.mark.parametrize("kind", ["paper", "dense"])
@pytest.mark.parametrize("batch", [0, 1, 7])
def test_encoder_passes_rate_and_error_through(kind: str, batch: int) -> None:
    encoder = Encoder(replace(DENSE, kind=kind))
    spectrum = torch.randn(batch, 5, 240)
    context = encoder(spectrum)
    assert context.shape == (batch, 14)
    assert encoder.config.context_features == 14
    assert torch.equal(context[:, -2], spectrum[:, 3, 0])
    assert torch.equal(context[:, -1], spectrum[:, 4, 0])


def test_dense_encoder_reads_every_bin_and_only_the_first_of_a_constant_channel() -> None:
    encoder = Encoder(replace(DENSE, constant_channels=(1,)))
    spectrum = torch.randn(1, 5, 240, requires_grad=True)
    encoder(spectrum)[:, :-2].sum().backward()
    assert spectrum.grad is not None
    seen = spectrum.grad[0] != 0
    assert seen[[0, 2]].all()
    assert seen[[1, 3, 4]].sum(dim=1).tolist() == [1, 1, 1]


def test_residual_block_starts_as_the_identity() -> None:
    x = torch.randn(3, 8)
    assert torch.equal(ResidualBlock(8)(x), x)


@pytest.mark.parametrize("gru_hidden", [0, 1, 3])
@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("output_layer", [False, True])
def test_decoder_shapes(gru_hidden: int, shortcut: bool, output_layer: bool) -> None:
    sizes = DecoderConfig((8, 8), gru_hidden, recurrence_shortcut=shortcut, output_layer=output_layer)
    assert Decoder(sizes)(torch.rand(4, 5)).shape == (4, 240)


@pytest.mark.parametrize("sizes", [{"gru_hidden": 0}, {"output_layer": True}, {"output_layer": True, "gru_hidden": 0}])
def test_decoder_starts_from_the_mean(sizes: dict) -> None:
    decoder, theta, spectrum = Decoder(DecoderConfig((8, 8), **sizes)), torch.rand(9, 5), 3 * torch.randn(9, 240) - 5
    with torch.no_grad():
        decoder.centre(theta, spectrum)
        torch.testing.assert_close(decoder(theta).mean(dim=0), spectrum.mean(dim=0), rtol=0, atol=1e-5)


def test_decoder_is_exact_in_norm() -> None:
    """A tenfold norm is a tenfold rate in every bin: one twelfth of norm's twelve decades."""
    decoder = Decoder(DecoderConfig(log_norm_linear=True)).double()
    theta = torch.rand(3, 5).double()
    brighter = theta + torch.tensor([0, 0, 0, 0, 1 / 12])
    torch.testing.assert_close(decoder(brighter) - decoder(theta), torch.ones(3, 240).double(), rtol=1e-6, atol=1e-6)
    assert math.isclose(decoder.log_norm_low, -2)


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "transformer"}, {"rate_channel": 5}, {"rate_channel": 4}, {"width": 0}, {"constant_channels": (0, 1, 2)}],
)
def test_wrong_encoder_is_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="encoder"):
        replace(DENSE, **wrong)


@pytest.mark.parametrize("wrong", [{"hidden": ()}, {"gru_hidden": -1}, {"norm_low": 0.0}])
def test_wrong_decoder_is_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="decoder"):
        DecoderConfig(**wrong)
