"""What a step promises: who learns, from which terms, how often, and with what draws."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import (
    CPU,
    PLAIN_SGD,
    D,
    G,
    a_move,
    changed,
    small_game,
    small_recipe,
    small_state,
    weights,
)
from sparring.errors import InputError
from sparring.games import Move, Phase
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import Term, make_penalties
from sparring.objectives.penalties import r1, r2
from sparring.recipe import Optimizer
from sparring.training.optim import share
from sparring.training.state import State
from sparring.training.step import run_step

SMALL_STEPS = {"name": "sgd", "lr": 0.1}


def assert_same_weights(ours: State, theirs: State, tolerance: float = 1e-12) -> None:
    for name, player in ours.game.players.items():
        expected = weights(theirs.game.players[name])
        for key, tensor in weights(player).items():
            torch.testing.assert_close(tensor, expected[key], rtol=0, atol=tolerance)


def after(steps: int, state: State) -> State:
    for _ in range(steps):
        run_step(state)
    return state


def test_each_phase_gives_gradients_to_its_own_player_only() -> None:
    state = small_state(small_recipe(repeats={D: 2}))
    seen: list[str] = []
    for name, player in state.game.players.items():
        for parameter in player.parameters():
            parameter.register_post_accumulate_grad_hook(lambda p, name=name: seen.append(name))
    run_step(state)
    assert seen == [D] * 8 + [G] * 4  # two moves of four tensors, then one
    for player in state.game.players.values():
        assert all(parameter.grad is None for parameter in player.parameters())


def penalized(weight: float, every: int) -> State:
    return small_state(penalties=[r1(weight, every), r2(weight / 2, every)])


def test_a_lazy_term_counts_k_times_each_kth_step() -> None:
    lazy, eager = after(1, penalized(0.25, 4)), after(1, penalized(1.0, 1))
    assert_same_weights(lazy, eager)
    assert changed(weights(after(1, small_state()).game.players[D]), lazy.game.players[D])


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_lazy_term_is_left_out_between(step: int) -> None:
    lazy, without = penalized(0.25, 4), small_state()
    lazy.step = without.step = step
    assert_same_weights(after(1, lazy), after(1, without))


def test_over_k_steps_a_lazy_term_alone_sums_to_the_same_gradient() -> None:
    """A linear discriminator's R1 has the same gradient on every batch: 2 w, whatever the data."""
    moved = []
    for weight, every in ((0.5, 4), (0.5, 1)):
        discriminator = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Flatten(0))
        recipe = small_recipe(optimizer={D: {"name": "sgd", "lr": 1e-9}, G: PLAIN_SGD})
        game = small_game(recipe, discriminator=discriminator)
        game.phases[0].terms[:] = [r1(weight, every)]
        before = weights(game.players[D])["0.weight"]
        after(4, State(game, recipe, CPU))
        moved.append((before - weights(game.players[D])["0.weight"]) / before / 1e-9)
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-5, atol=0)
    torch.testing.assert_close(moved[0], torch.full_like(moved[0], 4 * 0.5 * 2), rtol=1e-5, atol=0)


NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": 0.4},
    "layer norm": {"normalization": "layer"},
}


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("loss", ["logistic", "hinge"])
@pytest.mark.parametrize("pairing", ["standard", "relativistic-paired"])
def test_micro_batches_equal_the_whole_batch(
    pairing: str, loss: str, options: dict[str, Any]
) -> None:
    states = []
    for micro_batch in (None, 3):  # parts of 3, 3 and 2
        recipe = small_recipe(
            micro_batch=micro_batch,
            loss={"name": loss, "pairing": pairing, "smoothing": 0.1},
            optimizer={D: SMALL_STEPS, G: SMALL_STEPS},
        )
        torch.manual_seed(1)
        game = small_game(
            recipe,
            generator=MLPGenerator(4, (2,), [8], **options),
            discriminator=MLPDiscriminator((2,), [8, 8], **options),
            penalties=[r1(0.1, 2), r2(0.1)],
        )
        states.append(State(game, recipe, CPU))
        assert states[-1].warnings == []
    whole, parts = (after(3, state) for state in states)
    assert_same_weights(parts, whole)
    kept, expected = parts.statistics.stacked(), whole.statistics.stacked()
    assert kept.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(kept[name], values)


def test_micro_batches_are_refused_where_the_loss_compares_samples() -> None:
    recipe = small_recipe(micro_batch=4, loss={"pairing": "relativistic-average"})
    with pytest.raises(InputError, match=r"micro_batch=4: term `adversarial`.*discriminator"):
        small_state(recipe)
    small_state(small_recipe(micro_batch=8, loss={"pairing": "relativistic-average"}))


def test_micro_batches_are_refused_for_ones_own_coupling_term() -> None:
    term = Term("moments", lambda batch: batch.fake.std(0), couples_batch=True)
    with pytest.raises(InputError, match=r"term `moments` of phase `generator`"):
        small_state(small_recipe(micro_batch=4), terms=[term])


def test_micro_batches_of_batch_normalization_are_warned_about() -> None:
    generator = MLPGenerator(4, (2,), [8], normalization="batch")
    state = small_state(small_recipe(micro_batch=4), generator=generator)
    assert len(state.warnings) == 1
    assert state.warnings[0].startswith("generator: batch statistics")


def test_two_terms_of_one_name_are_refused() -> None:
    """They would share one place in the history and in the sum."""
    with pytest.raises(InputError, match="r1"):
        small_state(penalties=[r1(1.0), r1(2.0, every=4)])


def test_repeats_are_moves_of_their_own() -> None:
    state = after(3, small_state(small_recipe(repeats={D: 3, G: 2}, optimizer={D: {}, G: {}})))
    counts = {
        name: {int(values["step"]) for values in optimizer.state.values()}
        for name, optimizer in state.optimizers.items()
    }
    assert counts == {D: {9}, G: {6}}


def r1_phase(every: int, optimizer: Optimizer, shares: str | None = D, **options: Any) -> State:
    """A game whose discriminator has a phase of its own for R1."""
    recipe = small_recipe(optimizer={D: optimizer, G: PLAIN_SGD})
    game = small_game(recipe)
    phase = Phase("r1", (D,), optimizer, [r1(1.0)], every=every, shares=shares, **options)
    game.phases.insert(1, phase)
    return State(game, recipe, CPU)


def test_a_shared_optimizer_moves_in_both_phases_with_adams_rate_and_betas_corrected() -> None:
    state = r1_phase(3, Optimizer(lr=0.01, betas=(0.5, 0.99)))
    assert state.optimizers.keys() == {D, G}
    (group,) = state.optimizers[D].param_groups
    assert group["lr"] == pytest.approx(0.01 * 3 / 4)
    assert group["betas"] == pytest.approx((0.5 ** (3 / 4), 0.99 ** (3 / 4)))
    after(7, state)  # of its own at steps 0, 3 and 6
    weight = next(state.game.players[D].parameters())
    assert state.optimizers[D].state[weight]["step"] == 7 + 3
    # Over four moves of three steps, moments fade as over three moves uncorrected.
    assert group["betas"][0] ** 4 == pytest.approx(0.5**3)
    assert group["lr"] == pytest.approx(0.01 * 3 / 4)


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_only_adam_and_only_one_that_is_shared_is_corrected(name: str) -> None:
    chosen = Optimizer(name=name, lr=0.01, betas=(0.5, 0.99))
    of_its_own = r1_phase(3, chosen, shares=None)
    assert of_its_own.optimizers.keys() == {D, "r1", G}
    states = [of_its_own] if name == "adam" else [of_its_own, r1_phase(3, chosen)]
    for state in states:
        for optimizer in (one for name, one in state.optimizers.items() if name != G):
            (group,) = optimizer.param_groups
            assert group["lr"] == 0.01
            assert group.get("betas", (0.5, 0.99)) == (0.5, 0.99)


def test_the_correction_counts_all_who_share_and_all_repeats() -> None:
    chosen = Optimizer()
    phases = [
        Phase(D, (D,), chosen, [], repeats=2),
        Phase("a", (D,), chosen, [], every=4, shares=D),
        Phase("b", (D,), chosen, [], every=2, shares=D),
        Phase(G, (G,), chosen, []),
    ]
    assert share(phases[0], phases) == pytest.approx(2 / (2 + 1 / 4 + 1 / 2))
    assert share(phases[3], phases) == 1


def apart(every: int, **changes: Any) -> State:
    """R1 as a recipe asks for it: a phase of its own."""
    chosen = {"name": "r1", "weight": 0.5, "every": every, "apart": True}
    recipe = small_recipe(penalties=[chosen], **changes)
    return State(small_game(recipe, penalties=make_penalties(recipe)), recipe, CPU)


def test_a_penalty_apart_moves_after_its_player_on_the_same_real_samples() -> None:
    state = apart(2, optimizer={D: SMALL_STEPS, G: SMALL_STEPS})
    assert [phase.name for phase in state.game.phases] == [D, f"{D}/r1", G]
    seen: list[tuple[str, int, Tensor]] = []
    make_batch = state.game.batch

    def batch(move: Move) -> Any:
        made = make_batch(move)
        seen.append((move.phase, move.step, made.real.detach()))
        return made

    state.game.batch = batch  # type: ignore[method-assign]
    after(3, state)
    order = [(phase, step) for phase, step, _ in seen if phase != G]
    assert order == [(D, 0), (f"{D}/r1", 0), (D, 1), (D, 2), (f"{D}/r1", 2)]
    real = {(phase, step): samples for phase, step, samples in seen}
    for step in (0, 2):
        torch.testing.assert_close(real[D, step], real[f"{D}/r1", step], rtol=0, atol=0)
    assert not torch.equal(real[D, 0], real[D, 1])
    # The figures are called as those of a summand, and compare nothing that was not looked at.
    kept = state.statistics.stacked()
    assert kept[f"loss/{D}/r1"].shape == (2,)
    assert kept["logits/real"].shape == kept["logits/fake"].shape == (3, 8)


def test_a_penalty_apart_is_its_gradient_alone_at_the_weights_after_the_players_move() -> None:
    """With rate 1 and plain SGD: k times the weight times the gradient of R1, once."""
    state, without = apart(2), small_state()
    for one in (state, without):
        one.game.phases[-1] = replace(one.game.phases[-1], active=lambda samples_seen: False)
    after(1, state)
    after(1, without)
    judge = without.game.players[D]
    move = state.game.batch(a_move(D, differentiates=frozenset({"real"})))
    batch = without.game.batch(replace(move.move, phase=D))
    for parameter in judge.parameters():
        parameter.requires_grad_(True)
    value = 2 * 0.5 * r1(1.0).fn(batch).mean()
    gradients = torch.autograd.grad(value, list(judge.parameters()), allow_unused=True)
    for ours, theirs, gradient in zip(
        state.game.players[D].parameters(), judge.parameters(), gradients, strict=True
    ):
        expected = theirs if gradient is None else theirs - gradient
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


def test_two_terms_of_one_name_are_refused_also_apart() -> None:
    with pytest.raises(InputError, match="two terms called `r1`"):
        small_state(penalties=[r1(1.0), replace(r1(2.0), apart=True)])


def test_a_phase_is_active_when_it_says_so() -> None:
    state = r1_phase(1, Optimizer(), None, active=lambda samples_seen: 16 <= samples_seen < 32)
    moved = []
    for _ in range(5):
        run_step(state)
        moved.append(
            max((int(v["step"]) for v in state.optimizers["r1"].state.values()), default=0)
        )
    assert moved == [0, 0, 1, 2, 2]


def test_a_skipped_phase_does_not_shift_what_the_others_draw() -> None:
    seen: dict[bool, list[Tensor]] = {True: [], False: []}
    for active, reals in seen.items():
        recipe = small_recipe()
        game = small_game(recipe)
        look = Term("look", lambda batch, reals=reals: reals.append(batch.real) or batch.real * 0)
        first = Phase("first", (D,), Optimizer(), [r1(1.0)], 2, active=lambda _, on=active: on)
        game.phases.insert(0, first)
        game.phases[1].terms.append(look)
        after(3, State(game, recipe, CPU))
    assert all(torch.equal(*pair) for pair in zip(seen[True], seen[False], strict=True))


def test_after_runs_on_the_changed_weights() -> None:
    recipe = small_recipe()
    game = small_game(recipe)

    def clip() -> None:
        with torch.no_grad():
            for parameter in game.players[D].parameters():
                parameter.clamp_(-0.01, 0.01)

    phase = game.phases[0]
    game.phases[0] = Phase(D, (D,), phase.optimizer, phase.terms, after=clip)
    after(2, State(game, recipe, CPU))
    assert all(p.abs().max() <= 0.01 for p in game.players[D].parameters())


def test_the_rate_follows_its_schedule() -> None:
    schedule = {"name": "linear", "end": 0.5}
    state = small_state(small_recipe(optimizer={D: PLAIN_SGD | {"schedule": schedule}, G: {}}))
    rates = []
    for _ in range(8):
        run_step(state)
        rates.append(state.optimizers[D].param_groups[0]["lr"])
    assert rates == pytest.approx([1 - 0.5 * step / 8 for step in range(8)])
    assert state.optimizers[G].param_groups[0]["lr"] == 2e-4


def test_the_gradient_norm_is_that_of_the_whole_gradient() -> None:
    state = small_state()
    before = weights(state.game.players[D])
    after(1, state)
    gradient = [before[key] - tensor for key, tensor in weights(state.game.players[D]).items()]
    expected = torch.cat([part.flatten() for part in gradient]).norm().item()
    assert state.statistics.stacked()[f"grad_norm/{D}"].tolist() == pytest.approx([expected])


def test_nothing_depends_on_the_global_random_state() -> None:
    ends = []
    for seed in (1, 2):
        recipe = small_recipe()
        discriminator = MLPDiscriminator((2,), [8], dropout=0.3, init="normal")
        with torch.no_grad():
            for parameter in discriminator.parameters():
                parameter.fill_(0.1)
        game = small_game(recipe, discriminator=discriminator)
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        ends.append(after(4, State(game, recipe, CPU)))
        assert torch.equal(torch.get_rng_state(), before)
    assert_same_weights(*ends, tolerance=0)


@pytest.mark.parametrize("penalty", [False, True])
def test_bf16_is_each_players_own_and_never_the_penalized_discriminators(penalty: bool) -> None:
    recipe = small_recipe(precision={G: "bf16", D: "bf16"})
    state = small_state(recipe, penalties=[r1(1.0)] if penalty else [], dtype=torch.float32)
    seen: dict[str, list[torch.dtype]] = {D: [], G: []}
    for name, player in state.game.players.items():
        layer = next(m for m in player.modules() if isinstance(m, nn.Linear))
        layer.register_forward_hook(lambda m, i, out, name=name: seen[name].append(out.dtype))
    run_step(state)
    half, full = torch.bfloat16, torch.float32
    assert seen[G] == [half, half]  # its move and the discriminator's
    assert seen[D] == ([full, full] if penalty else [half]) + [half]
    assert state.statistics.stacked()["logits/real"].dtype == full
    precise = small_state(small_recipe(), dtype=torch.float32)
    assert changed(weights(after(1, precise).game.players[G]), state.game.players[G])
