"""Augmentations: closed forms, draws by key, twice differentiable, memory in checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import CPU, D, G, a_batch, a_move, small_game, small_recipe, small_state
from sparring.data import open_data
from sparring.errors import InputError
from sparring.games.latent import latent_game
from sparring.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from sparring.networks.layers import at_rest
from sparring.objectives import AUGMENTS, make_augment
from sparring.objectives.ada import Ada
from sparring.objectives.augment import Augment, InstanceNoise
from sparring.objectives.diffaugment import DiffAugment
from sparring.objectives.penalties import r1
from sparring.objectives.warp import warp
from sparring.recipe import Data, Schedule
from sparring.training import checkpoint
from sparring.training.state import State
from sparring.training.step import run_step

GREY, COLOUR = (1, 16, 16), (3, 16, 16)


def pictures(shape: tuple[int, ...], count: int = 8) -> Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def of(stage: Augment, x: Tensor, name: str = "real", **fields: Any) -> Tensor:
    return stage(x, name, a_move(batch_size=8, **fields))


def stages(shape: tuple[int, ...]) -> list[Augment]:
    noise = InstanceNoise(0.3, Schedule(), 100)
    return [DiffAugment(shape), Ada(shape, target=None, p=0.7), noise]


@pytest.mark.parametrize("shape", [GREY, COLOUR, (3, 15, 15)])
def test_a_part_of_a_batch_is_augmented_as_in_the_whole(shape: tuple[int, ...]) -> None:
    x = pictures(shape)
    for stage in stages(shape):
        whole = of(stage, x)
        assert whole.shape == x.shape
        assert not torch.allclose(whole, x, atol=0.1)
        part = of(stage, x[2:5], part=slice(2, 5))
        assert torch.allclose(part, whole[2:5], atol=1e-6)
        assert not torch.allclose(of(stage, x, "fake"), whole)
        assert not torch.allclose(of(stage, x, step=1), whole)


@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 4, 4)])
def test_gradients_have_gradients(shape: tuple[int, ...]) -> None:
    x = pictures(shape, 2).double()
    for stage in stages(shape):
        assert torch.autograd.gradgradcheck(
            lambda x, stage=stage: of(stage, x, part=slice(0, 2)).tanh().sum((1, 2, 3)),
            x.clone().requires_grad_(),
            atol=1e-4,
        )


def test_warping_is_pytorchs_sampling_and_has_all_its_derivatives() -> None:
    grid = torch.rand(2, 5, 5, 2, dtype=torch.float64) * 3 - 1.5
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    sampled = nn.functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    assert torch.equal(warp(x, grid), sampled)
    assert torch.autograd.gradcheck(lambda x: warp(x, grid), x)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, grid).pow(3), x)


def test_a_probability_of_0_changes_nothing_and_of_1_everything() -> None:
    for shape in (GREY, COLOUR):
        x = pictures(shape)
        assert torch.allclose(of(Ada(shape, target=None, p=0.0), x), x, atol=1e-5)
        away = (of(Ada(shape, target=None, p=1.0), x) - x).abs().amax((1, 2, 3))
        assert (away > 0.05).all()


def test_blits_only_move_pixels() -> None:
    x = pictures(GREY)
    moved = of(Ada(GREY, ["blit"], target=None, p=1.0), x)
    # Every value that is there was there before.
    distance = (moved.flatten(1)[:, :, None] - x.flatten(1)[:, None]).abs().amin(2)
    assert distance.max() < 1e-4
    assert not torch.allclose(moved, x)


def test_color_of_grey_images_is_affine() -> None:
    x = pictures(GREY)
    for stage in (Ada(GREY, ["color"], target=None, p=1.0), DiffAugment(GREY, ["color"])):
        y = of(stage, x)
        for before, after in zip(x.flatten(1), y.flatten(1), strict=True):
            order = before.argsort()
            slopes = after[order].diff() / before[order].diff()
            kept = before[order].diff() > 1e-3
            assert slopes[kept].std() < 1e-2


def test_cutout_leaves_a_hole_and_translation_shifts_by_whole_pixels() -> None:
    x = pictures(GREY) + 3
    holes = of(DiffAugment(GREY, ["cutout"]), x) == 0
    sizes = holes.sum((1, 2, 3))
    assert ((sizes >= 16) & (sizes <= 64)).all()  # a quarter of 256 pixels, less at the edges
    moved = of(DiffAugment(GREY, ["translation"]), x)
    kept = (moved != 0).sum((1, 2, 3))
    assert ((kept >= 14 * 14) & (kept <= 256)).all()
    assert (kept < 256).any()
    inside = (moved[0][moved[0] != 0][:, None] - x[0].flatten()).abs().amin(1)
    assert inside.max() == 0


@pytest.mark.parametrize(("logits", "rises"), [(torch.ones(8), True), (-torch.ones(8), False)])
def test_p_follows_the_sign_of_real_logits_every_fourth_batch(logits: Tensor, rises: bool) -> None:
    stage = Ada(GREY, target=0.6, speed=320, p=0.5)
    seen = []
    for _ in range(8):
        stage.watch(logits)
        stage.adapt()
        seen.append(stage.p.item())
    step = 32 / 320 if rises else -32 / 320
    assert seen == pytest.approx([0.5] * 3 + [0.5 + step] * 4 + [0.5 + 2 * step])


def test_instance_noise_fades_with_its_schedule() -> None:
    x = torch.zeros(8, 64, 64)
    stage = InstanceNoise(0.5, Schedule(name="linear"), samples=800)
    stds = [of(stage, x, step=step).std().item() for step in (0, 50, 100)]
    assert stds == pytest.approx([0.5, 0.25, 0.0], abs=5e-3)


def digits_game(name: str, **options: Any) -> State:
    recipe = small_recipe(
        data={"name": "mnist5k"}, augment={"name": name, **options}, penalties=[{"name": "r1"}]
    )
    recipe.generator.name = recipe.discriminator.name = "dcgan"
    for network in (recipe.generator, recipe.discriminator):
        network.width = 2  # type: ignore[attr-defined]
    recipe.discriminator.normalization = "none"  # type: ignore[attr-defined]
    optimizer = {"name": "adam", "lr": 1e-3}
    recipe.optimizer = type(recipe.optimizer).model_validate({G: optimizer, D: optimizer})
    dataset = open_data(Data(name="mnist5k"))
    return State(latent_game(recipe, dataset, CPU), recipe, CPU)


def test_penalties_look_through_the_augmentation_at_the_images_before_it() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = DCGANDiscriminator((1, 16, 16), 2, normalization="none").double()
        made = DCGANGenerator(4, (1, 16, 16), 2)
    data = open_data(Data(name="mnist5k", size=16))
    game = small_game(generator=made, discriminator=judge, dataset=data)
    stage = DiffAugment((1, 16, 16))
    game.augment = [stage]
    batch = a_batch(game, differentiates=frozenset({"real"}))
    x = batch.real.detach().clone().requires_grad_()
    with at_rest(judge):
        (gradient,) = torch.autograd.grad(judge(stage(x, "real", batch.move)).sum(), x)
    assert torch.allclose(r1(1.0).fn(batch), gradient.square().flatten(1).sum(1))


def test_p_is_in_the_checkpoint_and_in_the_history(tmp_path: Path) -> None:
    state = digits_game("ada", speed=64)
    for _ in range(6):
        run_step(state)
    (stage,) = state.game.augment  # type: ignore[attr-defined]
    assert stage.batches == 2
    assert "augment/p" in state.statistics.stacked()
    checkpoint.save(state, tmp_path / "a.safetensors")
    other = digits_game("ada", speed=64)
    checkpoint.restore(other, checkpoint.read(tmp_path / "a.safetensors"))
    for one in (state, other):
        for _ in range(4):
            run_step(one)
    for name, player in state.game.players.items():
        for key, tensor in player.state_dict().items():
            assert torch.equal(tensor, other.game.players[name].state_dict()[key])
    assert torch.equal(stage.p, other.game.augment[0].p)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ({"name": "diffaugment", "policy": ["colour"]}, "augment.policy"),
        ({"name": "ada", "speeed": 3}, "augment.speeed"),
        ({"name": "adaa"}, "there is no `adaa`"),
    ],
)
def test_wrong_options_are_told_by_their_key(augment: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_augment(small_recipe(augment=augment), GREY)


def test_vectors_and_losses_without_signs_are_refused() -> None:
    for name in AUGMENTS:
        with pytest.raises(InputError, match="images, not vectors"):
            make_augment(small_recipe(augment={"name": name}), (2,))
    paired = {"loss": {"pairing": "relativistic-paired"}}
    with pytest.raises(InputError, match="sign of logits"):
        make_augment(small_recipe(augment={"name": "ada"}, **paired), GREY)
    make_augment(small_recipe(augment={"name": "ada", "target": None, "p": 0.3}, **paired), GREY)


def test_augmented_micro_batches_make_the_same_step() -> None:
    def after(micro_batch: int | None) -> Tensor:
        recipe = small_recipe(instance_noise={"std": 0.2})
        recipe.micro_batch = micro_batch
        game = small_game(recipe)
        game.augment = make_augment(recipe, (2,))
        state = small_state(recipe, game)
        for _ in range(3):
            run_step(state)
        return torch.cat([p.flatten() for p in game.players[G].parameters()])

    torch.testing.assert_close(after(3), after(None), rtol=1e-10, atol=1e-12)
