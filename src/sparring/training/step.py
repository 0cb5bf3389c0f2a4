"""One step: every phase's moves, in order."""

from __future__ import annotations

import torch
from torch import Tensor

from sparring import ranks
from sparring.games import Move, Phase
from sparring.objectives import Term
from sparring.training.optim import settings_at
from sparring.training.state import State

GRADIENT_NORM_EVERY = 32  # steps; the norm costs a pass over all weights


def run_step(state: State) -> None:
    """Make the moves of all phases, update the averages, count the step."""
    game = state.game
    game.before_step(state.samples_seen)
    draw = state.step * state.reals_per_step
    latest: dict[str, int] = {}  # draw of each phase that others may share
    for phase in game.phases:
        due = state.step % phase.every == 0 and phase.active(state.samples_seen)
        for repeat in range(phase.repeats):
            latest[phase.name] = latest[phase.shares] if phase.shares else draw
            if due:
                make_move(state, phase, repeat, latest[phase.name] * state.recipe.batch_size)
            # Counted also when skipped: the position of a draw is a function of the step alone.
            draw += phase.reads_real
    state.step += 1
    for average in state.ema.values():
        average.update(state.samples_seen, state.recipe.batch_size)


def make_move(state: State, phase: Phase, repeat: int, position: int) -> None:
    """One move: sum the terms that are due, one backward pass a micro-batch, one optimizer step."""
    terms = [term for term in phase.terms if term.is_due(state.step)]
    if not terms:
        return
    batch_size = state.recipe.batch_size
    differentiates = frozenset().union(*(term.differentiates for term in terms))
    contexts = state.contexts
    kept: list[dict[str, Tensor]] = []
    let_learn(state, phase)
    for part in state.parts:
        move = Move(
            seed=state.seed,
            step=state.step,
            samples_seen=state.samples_seen,
            phase=phase.name,
            repeat=repeat,
            position=position,
            batch_size=batch_size,
            part=part,
            first=state.parts[0].start,
            learning=frozenset(phase.players),
            differentiates=differentiates,
            autocast=contexts.of_move(differentiates),
        )
        batch = state.game.batch(move)
        share = (part.stop - part.start) / batch_size
        with ranks.together(state.recipe.sync_batch_statistics):
            with contexts.move():
                values = {term.name: times(term.fn(batch).mean(), share) for term in terms}
                weighted = [times(values[t.name], t.weight_at(state.samples_seen)) for t in terms]
            loss = weighted[0] if len(weighted) == 1 else torch.stack(weighted).sum()
            loss.backward()
            named = {loss_name(phase, term): values[term.name].detach() for term in terms}
            kept.append(named | dict(batch.statistics()))
    finish_move(state, phase, kept)


def finish_move(state: State, phase: Phase, kept: list[dict[str, Tensor]]) -> None:
    """Step the phase's optimizer at its scheduled rate and keep the statistics of the move."""
    optimizer = state.optimizers[phase.shares or phase.name]
    settings = settings_at(phase, state.progress, state.shares[phase.name])
    for group in optimizer.param_groups:
        group.update(settings)
    # Before the norm: where both go bad in one step, the loss is what tells why.
    for name in kept[0]:
        parts = [part[name] for part in kept]
        whole = sum(parts[1:], parts[0]) if parts[0].dim() == 0 else torch.cat(parts)
        state.statistics.keep(state.step, name, whole)
    parameters = optimizer.param_groups[0]["params"]
    ranks.reduce_gradients(parameters)
    if state.step % GRADIENT_NORM_EVERY == 0:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        state.statistics.keep(state.step, f"grad_norm/{phase.name}", norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    phase.after()


def times(value: Tensor, factor: float) -> Tensor:
    """value * factor, without an operation for a factor of 1, which is what most are."""
    return value if factor == 1 else value * factor


def loss_name(phase: Phase, term: Term) -> str:
    """How a term is called in the history: the first one is the loss of the phase."""
    return f"loss/{phase.name}" + ("" if term is phase.terms[0] else f"/{term.name}")


def let_learn(state: State, phase: Phase) -> None:
    """Only the phase's players get gradients: those of the others would be computed for nothing."""
    for name, parameters in state.parameters.items():
        learns = name in phase.players
        for parameter in parameters:
            parameter.requires_grad_(learns)
