"""Pictures of vectors show what the discriminator really says, where it says it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from helpers import toy
from sparring.networks.layers import seeded
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import LOSSES, objective
from sparring.recipe import Latent
from sparring.report import (
    Judge,
    judge_of,
    samples_picture,
    vector_figure,
    vector_limits,
    vector_picture,
)
from sparring.report.plane import (
    LINES,
    PER_LINE,
    latent_grid,
    pushes,
    score_map,
    warp_figure,
)


def drawn(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def a_judge(size: int, loss: str = "logistic", **options: object) -> Judge:
    """A small discriminator with opinions."""
    with seeded(1):
        network = MLPDiscriminator((size,), [16], "tanh", **options)  # type: ignore[arg-type]
    judge = judge_of(network, objective(LOSSES[loss]), drawn(200, size), drawn(200, size, 1) + 1)
    assert judge
    return judge


def words_of(figure: object) -> str:
    return " ".join(text.get_text() for text in figure.texts)  # type: ignore[attr-defined]


class Batchwise(nn.Module):
    """A discriminator of moments: one logit for a whole batch."""

    def __init__(self, per_sample: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.per_sample = per_sample

    def forward(self, x: Tensor) -> Tensor:
        value = self.weight * x.mean()
        return value + 0 * x[:, 0] if self.per_sample else value


def test_scores_are_sigmoids_of_logits() -> None:
    judge = a_judge(2)
    points = drawn(50, 2, 2)
    logits = judge.network(points)
    assert torch.allclose(judge.scores(points), logits.sigmoid(), atol=1e-6)
    assert (judge.word, judge.limits, judge.middle) == ("score", (0.0, 1.0), 0.5)


def test_a_critic_is_read_from_midway_between_the_means() -> None:
    judge = a_judge(2, "wasserstein")
    real, fake = drawn(200, 2), drawn(200, 2, 1) + 1
    means = [judge.network(samples).mean().item() for samples in (real, fake)]
    assert judge.scores(real).mean() == pytest.approx((means[0] - means[1]) / 2, abs=1e-5)
    assert judge.scores(fake).mean() == pytest.approx((means[1] - means[0]) / 2, abs=1e-5)
    assert judge.word == "logit"
    assert judge.middle == 0
    low, high = judge.limits
    inside = (judge.scores(torch.cat([real, fake])).abs() <= high).float().mean()
    assert low == -high
    assert inside == pytest.approx(0.98, abs=0.01)


def test_the_heat_map_is_the_score_at_the_centre_of_each_cell() -> None:
    judge = a_judge(2)
    limits = ((-3.0, 3.0), (-2.0, 4.0))
    scores = score_map(judge, limits, 6)
    for row, column in ((0, 0), (0, 5), (4, 1), (5, 5)):
        point = torch.tensor([[-2.5 + column, -1.5 + row]])
        assert scores[row, column] == pytest.approx(judge.network(point).sigmoid().item(), abs=1e-6)
    assert scores.std() > 0.01


def test_the_heat_map_is_what_the_figure_shows() -> None:
    judge = a_judge(2)
    real = drawn(300, 2)
    figure = vector_figure(real, real + 1, judge=judge, resolution=30)
    axes = figure.axes[0]
    (image,) = axes.images
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert image.get_extent() == pytest.approx([x0, x1, y0, y1])
    assert image.get_clim() == (0, 1)
    assert np.allclose(image.get_array(), score_map(judge, ((x0, x1), (y0, y1)), 30))


def test_arrows_point_up_the_logit() -> None:
    judge = a_judge(2)
    fake = drawn(64, 2, 3)
    arrows = pushes(judge, fake, longest=0.5)
    at = fake.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(judge.network(at).sum(), at)
    cosine = nn.functional.cosine_similarity(torch.from_numpy(arrows), gradients.double())
    assert cosine.min() > 0.9999
    length = np.linalg.norm(arrows, axis=1)
    assert length.max() == pytest.approx(0.5)
    assert (length < 0.499).sum() >= 0.8 * 64  # weaker gradients have shorter arrows
    step = fake + 0.01 * torch.from_numpy(arrows).float()
    assert (judge.logits(step) > judge.logits(fake)).all()


def test_a_flat_discriminator_pushes_nowhere() -> None:
    network = MLPDiscriminator((2,), [4])
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    judge = judge_of(network, objective(LOSSES["logistic"]), drawn(9, 2), drawn(9, 2))
    assert judge
    assert (pushes(judge, drawn(5, 2), 1.0) == 0).all()
    assert vector_picture(drawn(9, 2), drawn(9, 2), judge=judge)


def test_the_curve_over_the_densities_is_the_score() -> None:
    judge = a_judge(1)
    real = drawn(300, 1)
    figure = vector_figure(real, real + 1, judge=judge)
    densities, scores = figure.axes
    x, y = (np.asarray(values, float) for values in scores.lines[-1].get_data())
    points = torch.from_numpy(x).float()[:, None]
    assert np.allclose(y, judge.network(points).sigmoid().detach(), atol=1e-6)
    assert scores.get_xlim() == densities.get_xlim()
    of_real, of_fake = (np.asarray(line.get_ydata(), float) for line in densities.lines)
    width = (x[1] - x[0]) * np.ones_like(x)
    assert (of_real * width).sum() == pytest.approx(1, abs=0.02)
    assert (x * of_fake * width).sum() - (x * of_real * width).sum() > 0.7
    assert "D's score" in words_of(figure)
    assert "mean" in words_of(figure)


def test_looking_at_a_discriminator_leaves_it_as_it_was() -> None:
    with seeded(0):
        network = MLPDiscriminator((2,), [8], normalization="batch", dropout=0.5).train()
    network.layers[2].eval()
    modes = [module.training for module in network.modules()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    judge = judge_of(network, objective(LOSSES["logistic"]), drawn(99, 2), drawn(99, 2))
    assert judge
    first = vector_picture(drawn(99, 2), drawn(99, 2), judge=judge)
    assert first.tobytes() == vector_picture(drawn(99, 2), drawn(99, 2), judge=judge).tobytes()
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[k]) for k, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("per_sample", [True, False])
def test_who_judges_whole_batches_has_no_opinion_of_a_point(per_sample: bool) -> None:
    loss = objective(LOSSES["logistic"])
    assert judge_of(Batchwise(per_sample), loss, drawn(99, 1), drawn(99, 1) + 1) is None
    assert judge_of(None, loss, drawn(99, 1), drawn(99, 1)) is None


@pytest.mark.parametrize("prior", ["normal", "uniform"])
@pytest.mark.parametrize("size", [2, 5])
def test_the_grid_is_the_generator_at_evenly_likely_latents(prior: str, size: int) -> None:
    latent = Latent.model_validate({"size": size, "prior": prior})
    grid = latent_grid(latent)
    assert grid.shape == (2, LINES, PER_LINE, size)
    shares = torch.special.ndtr(grid) if prior == "normal" else grid
    assert torch.allclose(shares[0, :, 0, 0].diff(), torch.tensor(0.048), atol=1e-5)
    assert torch.allclose(shares[1, :, 0, 1].diff(), torch.tensor(0.048), atol=1e-5)
    assert (grid[0, ..., 0].diff(dim=1) == 0).all()  # along a line the first latent is the same
    assert (grid[1, ..., 1].diff(dim=1) == 0).all()
    assert (shares[..., 2:] == 0.5).all()
    with seeded(0):
        generator = MLPGenerator(size, (2,), [8])
    figure = warp_figure(generator, latent, toy("ring").split("select"), ((-3, 3), (-3, 3)))
    for collection, lines in zip(figure.axes[0].collections[1:], grid, strict=True):
        bent = torch.from_numpy(np.stack([path.vertices for path in collection.get_paths()]))
        expected = generator(lines.flatten(0, 1)).view(LINES, PER_LINE, 2)
        assert torch.allclose(bent.float(), expected, atol=1e-5)


def test_limits_have_a_margin_and_survive_a_constant() -> None:
    samples = torch.tensor([[0.0, 5.0, 1.0], [4.0, 5.0, 2.0], [float("nan"), 9.0, 9.0]])
    assert vector_limits(samples) == ((-1.0, 5.0), (4.0, 6.0))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_frames_of_a_film_have_one_size_and_show_the_generated(size: int) -> None:
    real = drawn(300, size)
    judge = a_judge(size) if size < 3 else None
    pictures = [vector_picture(real, fake, "step 1", judge=judge) for fake in (real, real + 1000)]
    assert pictures[0].size == pictures[1].size
    orange = [orange_pixels(picture) for picture in pictures]
    assert orange[0] > 1.5 * orange[1]  # the far ones are off the edge
    assert "100% out of sight" in words_of(vector_figure(real, real + 1000))


def orange_pixels(picture: Image.Image) -> int:
    """How many pixels are clearly more red than blue."""
    pixels = np.asarray(picture).astype(int)
    return int((pixels[..., 0] - pixels[..., 2] > 130).sum())


@pytest.mark.parametrize("size", [1, 2])
def test_vectors_that_are_not_finite_are_still_pictured(size: int) -> None:
    broken = torch.full((10, size), float("nan"))
    judge = a_judge(size)
    assert samples_picture(broken, torch.zeros(5, size), judge=judge).width == 624
    assert samples_picture(torch.ones(10, size)).width == 624


def test_vectors_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one D"):
        vector_picture(torch.zeros(4, 2), torch.zeros(4, 3))
