"""What the stages minimise, in nats per spectrum.

    flow            -ln q(u | context) of the true parameters: the posterior's own loss (neural posterior estimation)
    reconstruction  Gaussian -ln p of the observed log10 rate given the decoder's, at one posterior sample, mean over
    the bins latent          squared distance of one posterior sample from the truth in the unit cube, in units of the
    prior's deviation

The last two are the paper's. They act on samples, so minimising them alone would shrink the posterior to a point.
"""

import math

import torch
from torch import Tensor

from xspecnf.features import FEATURES
from xspecnf_train.config import StageConfig
from xspecnf_train.model import Networks

LN10 = math.log(10)
PRIOR_VARIANCE = 1 / 12


def joint_loss(networks: Networks, spectrum: Tensor, u: Tensor, weights: StageConfig, noise: Tensor) -> Tensor:
    """The weighted sum of the three losses: spectrum [B, F, 240], u [B, 5], noise [B, 5] standard normal; a scalar."""
    context = networks.encoder(spectrum)
    loss = -weights.flow * networks.flow.log_prob(u, context).mean()
    if weights.reconstruction or weights.latent:
        sample, _ = networks.flow.sample(noise, context)
        sample = sample.clamp(-0.2, 1.2)
        loss = loss + weights.latent * ((sample - u) ** 2).mean() / PRIOR_VARIANCE
        loss = loss + weights.reconstruction * reconstruction_loss(networks.decoder(sample), spectrum)
    return loss


def reconstruction_loss(decoded: Tensor, spectrum: Tensor) -> Tensor:
    """Gaussian -ln p of the observed log10 rates [B, 240] in the features `spectrum`, given the `decoded` ones."""
    channel = {name: spectrum[:, index] for index, name in enumerate(FEATURES)}
    observed = (channel["log_shape"] + channel["log_rate"]) / LN10
    relative_error = torch.exp(LN10 * channel["log_error"] - channel["log_shape"]).clamp(1e-3, 2.0)
    sigma = relative_error / LN10
    nats = 0.5 * ((decoded - observed) / sigma) ** 2 + torch.log(sigma)
    return (nats.clamp(max=1e4) * channel["good"]).mean()


def decoder_loss(decoded: Tensor, log_rate: Tensor) -> Tensor:
    """Mean absolute and squared difference of log10 rates [B, 240] from the simulator's noise-free ones."""
    difference = decoded - log_rate
    return (difference**2).mean() + 0.1 * difference.abs().mean()
