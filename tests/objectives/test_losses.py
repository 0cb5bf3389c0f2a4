"""Every loss, pairing and smoothing against numbers from plain formulas."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from sparring.errors import InputError
from sparring.objectives import LOSSES, PAIRINGS, objective

REAL, FAKE = [0.5, -1.0, 2.0], [-0.3, 0.8, -2.5]
SMOOTHINGS = [(0.0, 0.0), (0.1, 0.0), (0.2, 0.1)]  # none, one-sided, two-sided

# Means over the three pairs of logits: the discriminator's loss at each smoothing, then the
# generator's. Worked out with probabilities, -log s(r) - log(1 - s(f)) and so on, where a label
# that is wrong with probability p costs (1 - p) times its own cost plus p times the other's.
GOLDEN = {
    "logistic": {
        "standard": (1.239537442483, 1.289537442483, 1.406204109150, 1.268115214903),
        "relativistic-paired": (1.556750680882, 1.673417347548, 1.906750680882, 3.890084014215),
        "relativistic-average": (0.828651891092, 0.945318557759, 1.178651891092, 3.161985224426),
    },
    "logistic-saturating": {
        "standard": (1.239537442483, 1.289537442483, 1.406204109150, -0.601448548236),
        "relativistic-paired": (1.556750680882, 1.673417347548, 1.906750680882, -1.556750680882),
        "relativistic-average": (0.828651891092, 0.945318557759, 1.178651891092, -0.828651891092),
    },
    "hinge": {
        "standard": (1.666666666667, 1.733333333333, 1.883333333333, 0.666666666667),
        "relativistic-paired": (2.000000000000, 2.143333333333, 2.430000000000, 4.866666666667),
        "relativistic-average": (0.944444444444, 1.116666666667, 1.455555555556, 4.333333333333),
    },
    "least-squares": {
        "standard": (3.743333333333, 3.943333333333, 4.410000000000, 4.660000000000),
        "relativistic-paired": (13.420000000000, 13.886666666667, 14.820000000000, 22.753333333333),
        "relativistic-average": (3.437777777778, 3.904444444444, 4.837777777778, 12.771111111111),
    },
    "wasserstein": {
        "standard": (-1.166666666667, -1.066666666667, -0.833333333333, 0.666666666667),
        "relativistic-paired": (-2.333333333333, -2.100000000000, -1.633333333333, 2.333333333333),
        "relativistic-average": (-2.333333333333, -2.100000000000, -1.633333333333, 2.333333333333),
    },
}
# Where the discriminator cannot tell, all logits 0: its loss and the generator's.
LOG2 = 0.6931471805599453
EQUILIBRIA = {
    ("logistic", "standard"): (1.386294361, 0.693147181),
    ("logistic", "relativistic"): (2 * LOG2, 2 * LOG2),
    ("logistic-saturating", "standard"): (2 * LOG2, -LOG2),
    ("logistic-saturating", "relativistic"): (2 * LOG2, -2 * LOG2),
    ("hinge", "standard"): (2, 0),
    ("hinge", "relativistic"): (2, 2),
    ("least-squares", "standard"): (2, 1),
    ("least-squares", "relativistic"): (2, 2),
    ("wasserstein", "standard"): (0, 0),
    ("wasserstein", "relativistic"): (0, 0),
}
EVERY_PAIR = [(loss, pairing) for loss in LOSSES for pairing in PAIRINGS]


def logits() -> tuple[Tensor, Tensor]:
    """The logits of the golden numbers, ready for gradients."""
    real, fake = (torch.tensor(values, dtype=torch.float64) for values in (REAL, FAKE))
    return real.requires_grad_(), fake.requires_grad_()


def test_golden_numbers_exist_for_every_combination() -> None:
    assert {(loss, pairing) for loss in GOLDEN for pairing in GOLDEN[loss]} == set(EVERY_PAIR)


@pytest.mark.parametrize("sides", range(3), ids=["hard", "one-sided", "two-sided"])
@pytest.mark.parametrize(("loss", "pairing"), EVERY_PAIR)
def test_both_players_losses_are_the_golden_numbers(loss: str, pairing: str, sides: int) -> None:
    real, fake = logits()
    of = objective(LOSSES[loss], pairing, *SMOOTHINGS[sides])
    for_discriminator, for_generator = of.discriminator(real, fake), of.generator(real, fake)
    assert for_discriminator.shape == for_generator.shape == (3,)  # one value a sample
    *golden, golden_generator = GOLDEN[loss][pairing]
    assert for_discriminator.mean().item() == pytest.approx(golden[sides], abs=1e-11)
    assert for_generator.mean().item() == pytest.approx(golden_generator, abs=1e-11)


@pytest.mark.parametrize(("loss", "pairing"), EVERY_PAIR)
def test_equilibrium(loss: str, pairing: str) -> None:
    discriminator, generator = EQUILIBRIA[loss, pairing.split("-")[0]]
    assert objective(LOSSES[loss], pairing).equilibrium() == {
        "loss/discriminator": pytest.approx(discriminator, abs=1e-6),
        "loss/generator": pytest.approx(generator, abs=1e-6),
    }


@pytest.mark.parametrize(("smooth_real", "smooth_fake"), SMOOTHINGS)
@pytest.mark.parametrize("loss", ["logistic", "logistic-saturating"])
def test_smoothed_logistic_loss_is_cross_entropy_with_soft_targets(
    loss: str, smooth_real: float, smooth_fake: float
) -> None:
    real, fake = logits()
    of_real = cross_entropy(real, torch.full_like(real, 1 - smooth_real))
    of_fake = cross_entropy(fake, torch.full_like(fake, smooth_fake))
    ours = objective(LOSSES[loss], "standard", smooth_real, smooth_fake).discriminator(real, fake)
    assert ours.mean().item() == pytest.approx((of_real + of_fake).item(), abs=1e-12)


@pytest.mark.parametrize("pairing", [name for name in PAIRINGS if name != "standard"])
@pytest.mark.parametrize("loss", LOSSES)
def test_relativistic_losses_do_not_see_a_constant_added_to_all_logits(
    loss: str, pairing: str
) -> None:
    real, fake = logits()
    of = objective(LOSSES[loss], pairing, 0.1, 0.05)
    for play in (of.discriminator, of.generator):
        torch.testing.assert_close(play(real + 7.5, fake + 7.5), play(real, fake))
    assert of.shift_invariant


@pytest.mark.parametrize("loss", LOSSES)
def test_standard_losses_see_it_except_the_critics(loss: str) -> None:
    real, fake = logits()
    of = objective(LOSSES[loss])
    same = torch.allclose(of.discriminator(real + 7.5, fake + 7.5), of.discriminator(real, fake))
    assert same == of.shift_invariant == (loss == "wasserstein")


def slope_for_generator(loss: str, logit: float) -> float:
    """How the generator's loss changes with the logit of its sample."""
    fake = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
    objective(LOSSES[loss]).generator(None, fake).sum().backward()
    assert fake.grad is not None
    return fake.grad.item()


def test_the_saturating_loss_gives_a_losing_generator_nothing_to_learn_from() -> None:
    saturating, other = "logistic-saturating", "logistic"
    assert slope_for_generator(saturating, -30) == pytest.approx(-math.exp(-30), rel=1e-9)
    assert slope_for_generator(other, -30) == pytest.approx(-1)
    # They agree where the discriminator cannot tell.
    assert slope_for_generator(saturating, 0) == slope_for_generator(other, 0) == -0.5


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_pushes_the_generators_logits_up(loss: str) -> None:
    assert slope_for_generator(loss, 0.3) < 0


@pytest.mark.parametrize("loss", ["logistic", "logistic-saturating"])
def test_logits_of_a_thousand_stay_finite(loss: str) -> None:
    real = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    fake = torch.tensor([1000.0, -1000.0], requires_grad=True)
    of = objective(LOSSES[loss], "standard", 0.1, 0.1)
    (of.discriminator(real, fake).sum() + of.generator(real, fake).sum()).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert torch.cat([real.grad, fake.grad]).isfinite().all()


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_only_the_average_couples_the_samples_of_a_batch(pairing: str) -> None:
    real, fake = logits()
    of = objective(LOSSES["logistic"], pairing)
    alone = torch.cat([of.discriminator(real[i : i + 1], fake[i : i + 1]) for i in range(3)])
    changed = not torch.allclose(alone, of.discriminator(real, fake))
    assert changed == of.couples_batch == (pairing == "relativistic-average")


def test_a_pairing_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"loss\.pairing: there is no `relativistic`") as problem:
        objective(LOSSES["hinge"], "relativistic")
    assert "relativistic-paired" in problem.value.hint
