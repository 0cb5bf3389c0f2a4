"""Batch normalization with the statistics of several processes, of which there is one here."""

import pytest
import torch

from sparring.networks.batch_norm import _Normalize, _plain

EPS = 1e-5


def given(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)
    weight, bias = torch.rand(2, shape[1], generator=draw, dtype=torch.float64)
    if dtype != torch.float64:
        weight, bias = weight.float(), bias.float()
    return tuple(one.detach().requires_grad_() for one in (x, weight, bias))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_gradients_and_theirs_are_right(shape: tuple[int, ...], affine: bool) -> None:
    x, weight, bias = given(*shape)

    def normalized(x: torch.Tensor, *gains: torch.Tensor) -> torch.Tensor:
        y, _, _ = _Normalize.apply(x, *(gains or (None, None)), EPS)
        return y

    inputs = (x, weight, bias) if affine else (x,)
    assert torch.autograd.gradcheck(normalized, inputs)
    assert torch.autograd.gradgradcheck(normalized, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_less_precision_is_that_of_the_values_alone(dtype: torch.dtype) -> None:
    x, weight, bias = given(16, 8, 6, 6, dtype=dtype)
    with torch.no_grad():
        x += 20  # where statistics in bfloat16 would be off by far more
    y, mean, variance = _Normalize.apply(x, weight, bias, EPS)
    exact = _plain(x.double(), weight.double(), bias.double(), EPS)
    assert y.dtype == dtype
    assert mean.dtype == variance.dtype == torch.float32
    bound = 1e-4 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(y.double(), exact, rtol=0, atol=bound)
    dy = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(dtype)
    ours = torch.autograd.grad(y, (x, weight, bias), dy)
    theirs = torch.autograd.grad(exact, (x, weight, bias), dy.double())
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        error = (one.double() - other.double()).abs().max() / other.double().abs().max()
        assert error < bound
