"""Path lengths against closed forms and against torch-fidelity."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import toy
from sparring.data import open_data
from sparring.errors import InputError
from sparring.games import Prior, latents_of
from sparring.metrics import Made, Scorer, source
from sparring.metrics.features import Extractor, find_extractor
from sparring.metrics.path_length import path_lengths, slerp, without_tails
from sparring.recipe import Data, Latent

SIZE = 6


class Linear(nn.Module):
    """x = W z as vectors of the plane, or as 8x8 images."""

    def __init__(self, shape: tuple[int, ...] = (2,)) -> None:
        super().__init__()
        weight = torch.randn(SIZE, math.prod(shape), generator=torch.Generator().manual_seed(1))
        self.weight = nn.Parameter(0.1 * weight)
        self.shape = shape

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.weight).view(-1, *self.shape)


def expected(generator: Linear, latent: Latent, count: int) -> Tensor:
    """|W dz/dt|² at the start of each path, by hand."""
    a = latents_of(latent, range(count)).double()
    b = latents_of(latent, range(count, 2 * count)).double()
    speed = b - a
    if latent.prior == "normal":
        cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
        angle = cosine.acos()[:, None]
        speed = angle * (b - a * cosine[:, None]) / angle.sin()
    return (speed @ generator.weight.double()).square().sum(1)


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_a_linear_generator_has_a_closed_form(prior: str) -> None:
    latent, generator, ring = Latent(size=SIZE, prior=prior), Linear(), toy("ring")
    made = Made(ring.split("test")[:300], generator=source(generator, Prior(latent)))
    scorer = Scorer(ring, "test")
    estimate = scorer.estimates(made, ["ppl"])["ppl"]
    lengths = expected(generator, latent, 300)
    kept = lengths.sort().values[2:-2]  # places 2.99 and 296.01 of 0 to 299, rounded outwards
    # At slerp each end is not of the length that a straight line would give it.
    assert estimate.value == pytest.approx(kept.mean().item(), rel=2e-3)
    assert estimate.error == pytest.approx(kept.std().item() / math.sqrt(len(kept)), rel=5e-3)
    record = scorer.score(made, ["ppl"])["ppl"]
    assert record.flags == ["not LPIPS as published: squared distances of features `samples`"]


@pytest.mark.parametrize("features", ["pixels", "classifier"])
def test_images_are_not_rounded(features: str) -> None:
    """A step of 1e-4 changes no grey level of 256, and still has its length."""
    latent, generator = Latent(size=SIZE, prior="uniform"), Linear((1, 28, 28))
    digits = open_data(Data())
    made = Made(digits.split("test")[:40], generator=source(generator, Prior(latent)))
    found = Scorer(digits, "test", features).estimates(made, ["ppl"])["ppl"]
    assert found.value > 0
    if features == "pixels":  # means of four or so, of images in [0, 1]
        blocks = torch.nn.functional.adaptive_avg_pool2d
        weights = generator.weight.detach().view(SIZE, 1, 28, 28)
        generator.weight = nn.Parameter(blocks(weights, 16).flatten(1) / 2)
        lengths = without_tails(expected(generator, latent, 40))
        assert found.value == pytest.approx(lengths.mean().item(), rel=2e-3)


def test_a_constant_generator_has_no_length() -> None:
    generator = Linear()
    with torch.no_grad():
        generator.weight.zero_()
    made = Made(toy("ring").values[:50], generator=source(generator, Prior(Latent(size=SIZE))))
    assert Scorer(toy("ring"), "test").estimates(made, ["ppl"])["ppl"].value == 0


def test_the_arc_keeps_its_length_and_ends() -> None:
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    assert torch.allclose(slerp(a, b, 0.5), torch.tensor([[3.0, 3.0]]) / math.sqrt(2))
    for share, end in ((0.0, a), (1.0, b)):
        assert torch.allclose(slerp(a, b, share), end, atol=1e-6)
    assert torch.allclose(slerp(a, 2 * a, 0.5), 1.5 * a)  # no arc between parallel ones


def test_tails_are_left_out_as_published() -> None:
    values = torch.arange(1000.0, dtype=torch.float64).flip(0)
    kept = without_tails(values)
    low = np.percentile(values.numpy(), 1, method="lower")
    high = np.percentile(values.numpy(), 99, method="higher")
    assert (kept.min().item(), kept.max().item()) == (low, high)
    assert len(kept) == 1000 - 9 - 9


def test_what_ppl_cannot_do_without() -> None:
    ring = toy("ring")
    with pytest.raises(InputError, match="`ppl` needs a generator, which cannot be had"):
        Scorer(ring, "test").score(ring.values[:20], ["ppl"])
    own = find_extractor("samples", ring)
    rounded = Extractor("mine", own.layer, own.resize, own.function)
    made = Made(ring.values[:20], generator=source(Linear(), Prior(Latent(size=SIZE))))
    with pytest.raises(InputError, match="`mine` read whole grey levels"):
        Scorer(ring, "test", extractor=rounded).score(made, ["ppl"])


def test_parity_with_torch_fidelity() -> None:
    """The same paths and distance; without tails, for which it calls a NumPy that is gone."""
    fidelity = pytest.importorskip("torch_fidelity", reason="needs torch-fidelity")
    from torch_fidelity.metric_ppl import calculate_ppl
    from torch_fidelity.noise import batch_slerp_any, random_normal
    from torch_fidelity.sample_similarity_base import SampleSimilarityBase

    class Squared(SampleSimilarityBase):
        def __init__(self, name: str, **_: object) -> None:
            super().__init__(name)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a - b).square().flatten(1).sum(1)

    if "sparring-squared" not in fidelity.registry.SAMPLE_SIMILARITY_REGISTRY:
        fidelity.register_sample_similarity("sparring-squared", Squared)
    generator = Linear((3, 8, 8))
    count, seed = 200, 3
    theirs = calculate_ppl(
        1,
        input1=fidelity.GenerativeModelModuleWrapper(generator, SIZE, "normal", 0),
        input1_model_num_samples=count,
        ppl_sample_similarity="sparring-squared",
        ppl_z_interp_mode="slerp_any",
        ppl_discard_percentile_lower=None,
        ppl_discard_percentile_higher=None,
        rng_seed=seed,
        cuda=False,
        verbose=False,
    )
    draw = np.random.RandomState(seed)
    starts, ends = (random_normal(draw, (count, SIZE)) for _ in range(2))
    steps = batch_slerp_any(starts, ends, 1e-4)
    ours = path_lengths(source(generator, Prior(Latent(size=SIZE))).outputs, _flat, starts, steps)
    assert ours.mean().item() == pytest.approx(theirs["perceptual_path_length_mean"], rel=1e-3)
    assert ours.std(correction=0).item() == pytest.approx(
        theirs["perceptual_path_length_std"], rel=1e-3
    )
    torch.testing.assert_close(slerp(starts, ends, 0.3), batch_slerp_any(starts, ends, 0.3))


def _flat(images: Tensor) -> Tensor:
    return images.flatten(1)
