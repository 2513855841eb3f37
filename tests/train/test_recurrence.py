"""The recurrence with its gradient written out, against torch's own and against finite differences."""

import pytest
import torch
from torch import Tensor, nn

from xspecnf_train.networks import Decoder, DecoderConfig
from xspecnf_train.recurrence import bidirectional_gru

EXACT = {"rtol": 0, "atol": 1e-12}


def make(size: int, inputs: int = 2, layers: int = 2) -> nn.GRU:
    torch.manual_seed(1)
    gru = nn.GRU(inputs, size, num_layers=layers, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for weight in gru.parameters():
            weight.normal_()
    return gru


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def gradients(output: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Those of a sum in which every number of the output has a weight of its own."""
    return torch.autograd.grad((output * normal(*output.shape)).sum(), inputs)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("learnt", ["all", "input", "weights", "biases"])
def test_values_and_gradients_are_torchs(size: int, layers: int, learnt: str) -> None:
    gru, x = make(size, layers=layers), normal(4, 11, 2)
    parameters = {name: parameter for name, parameter in gru.named_parameters() if learnt in ("all", *_kind(name))}
    gru.requires_grad_(False)
    inputs = [parameter.requires_grad_() for parameter in parameters.values()]
    if learnt in ("all", "input"):
        inputs.append(x.requires_grad_())
    expected, found = gru(x)[0], bidirectional_gru(gru, x)
    torch.testing.assert_close(found, expected, **EXACT)
    torch.testing.assert_close(gradients(found, inputs), gradients(expected, inputs), **EXACT)


def _kind(name: str) -> tuple[str, ...]:
    return ("weights",) if name.startswith("weight") else ("biases",)


def test_gradient_is_that_of_finite_differences() -> None:
    gru, x = make(2, inputs=1, layers=1), normal(2, 3, 1).requires_grad_()
    names = [name for name, _ in gru.named_parameters()]

    def output(x: Tensor, *weights: Tensor) -> Tensor:
        for name, weight in zip(names, weights, strict=True):
            delattr(gru, name)
            setattr(gru, name, weight)
        return bidirectional_gru(gru, x)

    weights = [parameter.detach().clone().requires_grad_() for parameter in gru.parameters()]
    assert torch.autograd.gradcheck(output, (x, *weights))


def test_calls_do_not_disturb_each_other() -> None:
    """One backward pass may come after another call, and twice."""
    gru, x = make(1), normal(4, 11, 2).requires_grad_()
    first = bidirectional_gru(gru, x)
    value = first.detach().clone()
    second = bidirectional_gru(gru, 2 * x)
    once = torch.autograd.grad(first.sum(), x, retain_graph=True)
    assert torch.equal(first, value)
    assert not torch.equal(first, second)
    assert torch.equal(torch.autograd.grad(first.sum(), x)[0], once[0])


@pytest.mark.parametrize("shape", [(0, 5, 2), (1, 5, 2), (3, 1, 2)])
def test_short_and_empty_batches(shape: tuple[int, ...]) -> None:
    gru, x = make(3), normal(*shape).requires_grad_()
    output = bidirectional_gru(gru, x)
    assert output.shape == (*shape[:2], 6)
    assert gradients(output, [x])[0].shape == shape


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, and warns of sizes that it takes for constants
@pytest.mark.parametrize("size", [1, 3])
def test_decoder_is_the_one_that_is_exported(size: int) -> None:
    """Traced, for export, the decoder holds torch's recurrence; trained, this one: to float32's rounding the same."""
    torch.manual_seed(3)
    decoder, theta = Decoder(DecoderConfig(hidden=(16,), gru_hidden=size)), torch.rand(5, 5)
    traced = torch.jit.trace(decoder, theta, check_trace=False)
    assert "aten::gru" in str(traced.inlined_graph)
    torch.testing.assert_close(decoder(theta), traced(theta), rtol=0, atol=2e-6)
    assert [name for name in decoder.state_dict() if "recurrence" in name] == [
        f"recurrence.{kind}_l{layer}{way}"
        for layer in (0, 1)
        for way in ("", "_reverse")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
