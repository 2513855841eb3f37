"""What the stages minimise, in nats per spectrum.

    flow            -ln q(u | context) of the true parameters: the posterior's own loss (neural posterior estimation)
    reconstruction  Gaussian -ln p of the observed log10 rate given the decoder's, at one posterior sample, mean over
                    the bins
    latent          squared distance of one posterior sample from the truth in the unit cube, in units of the prior's
                    variance
    reverse         ln q - ln p(spectrum | u) at one posterior sample, p the exact likelihood, less that of the truth

The second and third are the paper's. They act on samples, so minimising them alone would shrink the posterior to a
point, and beside the flow loss they narrow it. With weights r and l against a flow loss of weight one, a Gaussian
posterior of standard deviation s along a parameter of the unit cube is learnt with the variance v s^2 that solves

    1 - 1/v + k v = 0,   k = r/bins + 4.8 l s^2

where all the width comes from the likelihood and the decoder is exact; one that errs by more than the data drags the
posterior after it, unless decoder_error allows for that. The last loss is the reverse Kullback-Leibler divergence but
for a constant: like the flow loss it is least at the posterior itself, so that no weight of it narrows or widens
anything. What was measured: docs/losses.md.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from xspecnf.features import FEATURES
from xspecnf_train.config import StageConfig
from xspecnf_train.model import Networks

LN10 = math.log(10)
PRIOR_VARIANCE = 1 / 12

LARGEST_EXCESS = 100.0
"""Nats below the truth's likelihood beyond which a sample's shortfall counts by its logarithm alone: a few samples far
out would drown the rest of their batch."""


def joint_loss(
    networks: Networks,
    spectrum: Tensor,
    u: Tensor,
    weights: StageConfig,
    noise: Tensor,
    log_likelihood: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The weighted sum of the losses: spectrum [B, F, bins], u [B, 5], noise [B, 5] standard normal; a scalar.

    log_likelihood: of u [B, 5] for each spectrum [B], where the reverse loss has a weight.
    """
    context = networks.encoder(spectrum)
    loss = u.new_zeros(())
    if weights.flow:
        loss = -weights.flow * networks.flow.log_prob(u, context).mean()
    if weights.reconstruction or weights.latent or weights.reverse:
        sample, log_q = networks.flow.sample(weights.noise * noise, context)
        held = sample.clamp(-0.2, 1.2)
        if weights.latent:
            loss = loss + weights.latent * ((held - u) ** 2).mean() / PRIOR_VARIANCE
        if weights.reconstruction:
            nats = reconstruction_loss(networks.decoder(held), spectrum, weights.decoder_error)
            loss = loss + weights.reconstruction * nats
        if weights.reverse and log_likelihood:
            loss = loss + weights.reverse * reverse_loss(log_q, log_likelihood(sample), log_likelihood(u))
    return loss


def reverse_loss(log_q: Tensor, log_likelihood: Tensor, of_truth: Tensor) -> Tensor:
    """Mean ln q - ln L of one sample per spectrum [B], ln L relative to that of the true parameters [B]."""
    excess = of_truth - log_likelihood
    held = LARGEST_EXCESS * torch.log1p(excess.clamp(min=0) / LARGEST_EXCESS)
    return (log_q + torch.where(excess > 0, held, excess)).mean()


def reconstruction_loss(decoded: Tensor, spectrum: Tensor, decoder_error: float = 0.0) -> Tensor:
    """Gaussian -ln p of the observed log10 rates [B, bins] in the features `spectrum`, given the `decoded` ones, whose
    relative error `decoder_error` adds to the data's.
    """
    channel = {name: spectrum[:, index] for index, name in enumerate(FEATURES)}
    observed = (channel["log_shape"] + channel["log_rate"]) / LN10
    relative_error = torch.exp(LN10 * channel["log_error"] - channel["log_shape"]).clamp(1e-3, 2.0)
    sigma = torch.sqrt(relative_error**2 + decoder_error**2) / LN10
    nats = 0.5 * ((decoded - observed) / sigma) ** 2 + torch.log(sigma)
    return (nats.clamp(max=1e4) * channel["good"]).mean()


def decoder_loss(decoded: Tensor, log_rate: Tensor) -> Tensor:
    """Mean absolute and squared difference of log10 rates [B, bins] from the simulator's noise-free ones."""
    difference = decoded - log_rate
    return (difference**2).mean() + 0.1 * difference.abs().mean()
