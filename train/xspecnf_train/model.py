"""The three networks as one module, so that one file holds their weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xspecnf_train.config import TrainConfig
from xspecnf_train.flow import PosteriorFlow
from xspecnf_train.networks import Decoder, Encoder


class Networks(nn.Module):
    """encoder (spectrum -> context), flow (context -> posterior) and decoder (parameters -> spectrum) of a
    configuration.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config.encoder)
        self.flow = PosteriorFlow(config.flow)
        self.decoder = Decoder(config.decoder)


@dataclass(frozen=True)
class FrozenGuard:
    """Remembers the weights of modules that must not change, and says so if they did."""

    modules: dict[str, nn.Module]
    before: dict[str, Tensor]

    @classmethod
    def freeze(cls, **modules: nn.Module) -> "FrozenGuard":
        """Switch the gradients of `modules` off and remember their weights."""
        for module in modules.values():
            module.requires_grad_(False)
        return cls(modules, {name: _flat(module) for name, module in modules.items()})

    def verify(self) -> None:
        """Raise RuntimeError if any weight differs from what it was."""
        for name, module in self.modules.items():
            if not torch.equal(self.before[name], _flat(module)):
                raise RuntimeError(f"the frozen {name} changed during training; this is a defect of the trainer")


def _flat(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])
