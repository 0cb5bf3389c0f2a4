"""A latent game's batch: draws by key, each thing computed once, other weights on demand."""

import pytest
import torch
from torch import Tensor, nn

from helpers import CPU, D, G, a_batch, changed, small_game, small_recipe, toy, weights
from sparring.games import generate, latents_of
from sparring.games.latent import latent_game
from sparring.games.sampling import draw_latents
from sparring.networks.dcgan import DCGANGenerator
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import LOSSES, objective
from sparring.objectives.penalties import r1, r2
from sparring.randomness import keyed
from sparring.recipe import Latent
from sparring.training.state import State
from sparring.training.step import run_step


def calls_of(network: nn.Module) -> list[int]:
    """A list that grows by the batch size of every forward pass."""
    seen: list[int] = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    return seen


def test_one_joint_forward_says_what_two_say() -> None:
    game = small_game()
    calls = calls_of(game.players[D])
    joint, apart = a_batch(game), a_batch(game, differentiates=frozenset({"real"}))
    for side in ("on_real", "on_fake"):
        torch.testing.assert_close(
            getattr(joint, side).logits, getattr(apart, side).logits, rtol=1e-14, atol=1e-14
        )
    assert calls == [16, 8, 8]
    discriminator = game.players[D]
    torch.testing.assert_close(joint.on_real.logits, discriminator(joint.real))
    torch.testing.assert_close(joint.on_fake.logits, discriminator(joint.fake))
    assert not torch.allclose(joint.on_real.logits, joint.on_fake.logits)


def test_everything_is_computed_once_and_only_if_asked_for() -> None:
    game = small_game()
    judged, made = calls_of(game.players[D]), calls_of(game.players[G])
    batch = a_batch(game, G)
    assert batch.on_fake is batch.on_fake
    assert batch.fake is batch.fake
    assert (judged, made) == ([8], [8])


def test_batch_normalization_never_sees_real_and_fake_together() -> None:
    discriminator = MLPDiscriminator((2,), [8], normalization="batch")
    game = small_game(discriminator=discriminator)
    calls = calls_of(game.players[D])
    batch = a_batch(game)
    assert batch.on_real.logits.shape == batch.on_fake.logits.shape == (8,)
    assert calls == [8, 8]


@pytest.mark.parametrize(("phase", "learns"), [(D, False), (G, True)])
def test_fakes_carry_a_graph_only_when_the_generator_learns(phase: str, learns: bool) -> None:
    assert a_batch(small_game(), phase).fake.requires_grad is learns


def test_draws_depend_on_seed_step_phase_and_repeat() -> None:
    game = small_game()
    moves = [
        a_batch(game, phase, step=step, repeat=repeat, seed=seed)
        for phase in (D, G)
        for step in (0, 1)
        for repeat in (0, 1)
        for seed in (0, 1)
    ]
    assert len({tuple(batch.z.flatten().tolist()) for batch in moves}) == 16
    again = a_batch(game, G, step=1, repeat=1, seed=1)
    assert torch.equal(again.z, moves[-1].z)


def test_a_micro_batch_is_a_slice_of_the_whole_batch_with_its_dropout() -> None:
    discriminator = MLPDiscriminator((2,), [16, 16], dropout=0.5)
    generator = MLPGenerator(4, (2,), [16], dropout=0.25)
    game = small_game(discriminator=discriminator, generator=generator)
    for differentiates in (frozenset[str](), frozenset({"real"})):
        whole = a_batch(game, differentiates=differentiates)
        parts = [
            a_batch(game, part=part, differentiates=differentiates)
            for part in (slice(0, 3), slice(3, 6), slice(6, 8))
        ]
        for of in ("z", "real", "fake"):
            together = torch.cat([getattr(part, of) for part in parts])
            torch.testing.assert_close(together, getattr(whole, of), rtol=0, atol=1e-14)
        for side in ("on_real", "on_fake"):
            together = torch.cat([getattr(part, side).logits for part in parts])
            torch.testing.assert_close(together, getattr(whole, side).logits)
        # The noise is there: without it the logits would be others.
        game.players[D].eval()
        assert not torch.allclose(game.players[D](whole.real), whole.on_real.logits)
        game.players[D].train()


@pytest.mark.parametrize("differentiates", [frozenset(), frozenset({"real"})])
def test_real_and_fake_samples_meet_different_dropout(differentiates: frozenset[str]) -> None:
    game = small_game(discriminator=MLPDiscriminator((2,), [64], dropout=0.5))
    batch = a_batch(game, differentiates=differentiates)
    batch.__dict__["fake"] = batch.real  # the same samples on both sides
    assert not torch.allclose(batch.on_real.logits, batch.on_fake.logits)


def twice(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: (2 * value.detach()).requires_grad_() for name, value in module.named_parameters()
    }


@pytest.mark.parametrize("looked_before", [True, False])
def test_a_view_through_other_weights_leaves_the_games_own_alone(looked_before: bool) -> None:
    game = small_game()
    before = weights(game.players[D])
    batch = a_batch(game, G)
    first = batch.on_fake.logits.detach().clone() if looked_before else None
    other = twice(game.players[D])
    view = batch.with_parameters(D, other)
    replaced = MLPDiscriminator((2,), [8]).double()
    replaced.load_state_dict(other)
    torch.testing.assert_close(view.on_fake.logits, replaced(batch.fake))
    torch.testing.assert_close(view.on_real.logits, replaced(batch.real))
    assert not torch.allclose(view.on_fake.logits, batch.on_fake.logits)
    if first is not None:
        assert torch.equal(batch.on_fake.logits, first)
        assert view.fake is batch.fake
    assert torch.equal(view.z, batch.z)
    view.on_fake.logits.sum().backward()
    assert all(value.grad is not None for value in other.values())
    assert not changed(before, game.players[D])


def test_views_stack_and_a_replaced_generator_makes_other_fakes() -> None:
    game = small_game()
    batch = a_batch(game, D)
    assert batch.on_fake.logits.shape == (8,)
    view = batch.with_parameters(G, twice(game.players[G]))
    assert not torch.allclose(view.fake, batch.fake)
    both = view.with_parameters(D, twice(game.players[D]))
    assert both.fake is view.fake
    assert not torch.allclose(both.on_fake.logits, view.on_fake.logits)


def positions_drawn(recipe_of: dict[str, object]) -> list[tuple[str, int, list[float]]]:
    """Phase, step and real samples of every move of three steps that looks at them."""
    recipe = small_recipe(**recipe_of)
    game = small_game(recipe)
    seen: list[tuple[str, int, list[float]]] = []
    make_batch = game.batch

    def batch(move):  # type: ignore[no-untyped-def]
        made = make_batch(move)
        needed = next(phase.reads_real for phase in game.phases if phase.name == move.phase)
        if needed:
            seen.append((move.phase, move.step, made.real[:, 0].tolist()))
        return made

    game.batch = batch  # type: ignore[method-assign]
    state = State(game, recipe, CPU)
    for _ in range(3):
        run_step(state)
    return seen


@pytest.mark.parametrize(
    ("changes", "phases"),
    [
        ({}, [D]),
        ({"repeats": {D: 3, G: 2}}, [D, D, D]),
        ({"loss": {"pairing": "relativistic-paired"}, "repeats": {D: 2}}, [D, D, G]),
    ],
)
def test_every_repeat_takes_the_next_real_samples(
    changes: dict[str, object], phases: list[str]
) -> None:
    seen = positions_drawn(changes)
    assert [phase for phase, _, _ in seen] == phases * 3
    game = small_game()
    order = game.sampler.at(0, 8 * len(seen))
    expected = game.dataset.values[order, 0].double().tolist()
    assert [value for _, _, values in seen for value in values] == expected


def test_images_reach_the_networks_in_minus_one_to_one() -> None:
    recipe = small_recipe(data={"name": "patterns"})
    batch = a_batch(small_game(recipe))
    assert batch.real.shape == (8, 1, 8, 8)
    assert set(batch.real.flatten().tolist()) == {-1.0, 1.0}
    stored = batch.game.dataset.values[batch.game.sampler.at(0, 8)].double()
    assert torch.equal(batch.real, stored / 127.5 - 1)


@pytest.mark.parametrize(
    ("loss", "pairing", "figures"),
    [
        # Right: 1 of 3 real (above 0), 2 of 3 fake (below 0).
        ("logistic", "standard", {"accuracy/real": 1 / 3, "accuracy/fake": 2 / 3}),
        ("hinge", "standard", {"score/real": 0.0, "score/fake": -1.0, "accuracy/real": 1 / 3}),
        # The boundary is -0.5, midway between the means 0 and -1.
        ("wasserstein", "standard", {"accuracy/real": 1 / 3, "accuracy/fake": 2 / 3}),
        ("logistic", "relativistic-average", {"score/real": 0.56, "score/fake": 0.40}),
    ],
)
def test_scores_and_accuracy_of_given_logits(
    loss: str, pairing: str, figures: dict[str, float]
) -> None:
    game = small_game(small_recipe(loss={"name": loss, "pairing": pairing}))
    kept = {
        "logits/real": torch.tensor([[2.0, -1.0, -1.0]]),
        "logits/fake": torch.tensor([[1.0, -2.0, -2.0]]),
    }
    watched = game.watch(kept)
    assert set(watched) == {"score/real", "score/fake", "accuracy/real", "accuracy/fake"}
    assert {name: watched[name] for name in figures} == pytest.approx(figures, abs=0.01)
    assert game.watch({}) == {}


def test_a_sample_depends_on_its_seed_only() -> None:
    latent = Latent(size=6)
    generator = DCGANGenerator(6, (1, 28, 28), 4).eval()
    many = generate(generator, latents_of(latent, range(10, 140)), images=True)
    assert many.shape == (130, 1, 28, 28)
    assert many.dtype == torch.uint8
    for seed in (10, 73, 74, 139):
        alone = generate(generator, latents_of(latent, [seed]), images=True)
        assert torch.equal(alone[0], many[seed - 10])
    assert len(many.flatten(1).unique(dim=0)) == 130


@pytest.mark.parametrize(("name", "mean", "std"), [("normal", 0, 1), ("uniform", 0.5, 12**-0.5)])
def test_priors(name: str, mean: float, std: float) -> None:
    latent = Latent.model_validate({"size": 50, "prior": name})
    z = draw_latents(latent, (2000, 50), keyed("test"))
    assert z.mean().item() == pytest.approx(mean, abs=0.01)
    assert z.std().item() == pytest.approx(std, abs=0.01)
    rows = latents_of(latent, range(2000))
    assert rows.std().item() == pytest.approx(std, abs=0.01)
    if name == "uniform":
        assert rows.min() >= 0
        assert rows.max() < 1


def test_a_recipe_becomes_a_game() -> None:
    recipe = small_recipe(
        loss={"name": "hinge", "smoothing": 0.1, "pairing": "relativistic-average"},
        penalties=[{"name": "r2", "weight": 0.5, "every": 4}],
        repeats={D: 3},
    )
    game = latent_game(recipe, toy(), CPU, penalties=[r1(2.0)], terms=[r2(1.0)])
    assert game.loss == objective(LOSSES["hinge"], "relativistic-average", 0.1)
    discriminator, generator = game.phases
    assert [term.name for term in discriminator.terms] == ["adversarial", "r2", "r1"]
    assert [term.weight_at(0) for term in discriminator.terms] == [1.0, 2.0, 2.0]
    assert [term.name for term in generator.terms] == ["adversarial", "r2"]
    assert (discriminator.repeats, generator.repeats) == (3, 1)
    assert discriminator.terms[0].couples_batch
    assert generator.terms[0].couples_batch
    assert torch.equal(game.sampler.indices, torch.arange(100_000))  # the training split
    assert recipe.generator.options()["activation"] == "leaky_relu"  # completed


def test_a_penaltys_weight_follows_its_schedule() -> None:
    schedule = {"name": "linear", "end": 0.5}
    penalty = {"name": "r1", "weight": 2.0, "every": 4, "schedule": schedule}
    recipe = small_recipe(penalties=[penalty])
    term = latent_game(recipe, toy(), CPU).phases[0].terms[1]
    assert [term.weight_at(seen) for seen in (0, 32, 64)] == [8, 6, 4]  # of 64 samples in all


def test_the_same_seed_makes_the_same_players_and_another_one_others() -> None:
    games = [latent_game(small_recipe(seed=seed), toy(), CPU) for seed in (0, 0, 1)]
    for player in (D, G):
        first = weights(games[0].players[player])
        assert not changed(first, games[1].players[player])
        assert changed(first, games[2].players[player])


def test_flips_mirror_half_of_the_real_images_and_follow_the_parts() -> None:
    recipe = small_recipe(batch_size=64, data={"name": "patterns", "flip": True})
    game = small_game(recipe)
    flipped = a_batch(game, batch_size=64).real
    game.flip = False
    plain = a_batch(game, batch_size=64).real
    same = (flipped == plain).flatten(1).all(1)
    mirrored = (flipped == plain.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all()
    columns = ~(plain == plain.flip(-1)).flatten(1).all(1)  # rows are their own mirror images
    assert 0.2 < mirrored[columns].double().mean() < 0.8
    game.flip = True
    parts = [a_batch(game, batch_size=64, part=slice(i, i + 16)).real for i in range(0, 64, 16)]
    assert torch.equal(torch.cat(parts), flipped)
