"""nflows' masked autoregressive network at a given context, one dimension after the other, for its inverse.

The network itself takes all its weights, masks and context terms anew for every dimension. Here masks and context
terms are taken once, and dimension k costs the hidden units that it depends on.
"""

from typing import Any

from torch import Tensor, addmm, argsort, bincount, nn


class GivenContext:
    """An nflows.transforms.made.MADE of D dimensions with L logits each, at `context` [B, C].

    Hidden units are sorted by degree: those of degree k or less are the ones that the logits of dimension k depend on,
    and that depend on one another.
    """

    def __init__(self, made: Any, context: Tensor, dimensions: int) -> None:
        degrees = made.initial_layer.degrees
        order = argsort(degrees, stable=True)
        self.activation = made.activation
        self.units = bincount(degrees, minlength=dimensions).cumsum(dim=0).tolist()
        self.initial = _masked(made.initial_layer)[order].T
        self.hidden = (made.initial_layer.bias + made.activation(made.context_layer(context)))[:, order]
        self.blocks: list[tuple[Tensor, ...]] = []
        for block in made.blocks:
            first, second = block.linear_layers
            inner = (first.bias + block.context_layer(context))[:, order]
            weights = [_masked(linear)[order][:, order].T for linear in (first, second)]
            self.blocks.append((inner, second.bias[order], *weights))
        self.output = _masked(made.final_layer)[:, order].unflatten(0, (dimensions, -1)).mT
        self.bias = made.final_layer.bias.unflatten(0, (dimensions, -1))

    def logits(self, known: Tensor) -> Tensor:
        """Of dimension k [B, L] where the k dimensions before it are `known` [B, k]."""
        k = known.shape[1]
        if not k:
            return self.bias[0].expand(len(known), -1)
        n = self.units[k]
        hidden = addmm(self.hidden[:, :n], known, self.initial[:k, :n])
        for inner, bias, first, second in self.blocks:
            activated = self.activation(addmm(inner[:, :n], self.activation(hidden), first[:n, :n]))
            hidden = hidden + addmm(bias[:n], activated, second[:n, :n])
        return addmm(self.bias[k], hidden, self.output[k, :n])


def _masked(linear: nn.Linear) -> Tensor:
    return linear.weight * linear.get_buffer("mask")
