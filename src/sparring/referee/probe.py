"""How the players stand to each other: what the discriminator says, and what reaches the generator.

Nothing here changes the run: buffers are put back, and draws have a name of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sparring.data import to_network
from sparring.games import LatentGame, Move
from sparring.games.batch import D, G
from sparring.networks.layers import at_rest, uses_batch_statistics
from sparring.referee import measures
from sparring.training.state import State

GRADIENT_SAMPLES = 64  # of a batch whose gradients are looked at
BOUND = 0.999  # an output beyond it is at the end of tanh's range


def judged(state: State, game: LatentGame, sides: dict[str, Tensor], labels: Any) -> dict[str, Any]:
    """What the discriminator says of samples as networks see them, by side.

    Without dropout; batch statistics are those of each side, as in training.
    """
    judge = game.players[D]
    with torch.no_grad(), undisturbed(judge), at_rest(judge), state.contexts.usual(D):
        if uses_batch_statistics(judge):
            for layer in judge.modules():
                layer.training = isinstance(layer, nn.modules.batchnorm._BatchNorm)
            found = {side: _logits(game, x, labels.get(side)) for side, x in sides.items()}
        else:
            given = None if None in labels.values() else torch.cat(list(labels.values()))
            logits = _logits(game, torch.cat(list(sides.values())), given)
            sizes = [len(x) for x in sides.values()]
            found = dict(zip(sides, logits.split(sizes), strict=True))
    real, held_out, fake = (found[side].cpu() for side in ("real", "held_out", "fake"))
    loss = game.loss
    boundary = float(held_out.mean() + fake.mean()) / 2 if loss.shift_invariant else 0.0
    return {
        "logits": {side: float(said.mean()) for side, said in found.items()},
        "spreads": {side: float(said.std(correction=0)) for side, said in found.items()},
        "accuracy": {
            "real": share(real > boundary),
            "held_out": share(held_out > boundary),
            "fake": share(fake < boundary),
        },
        "separation": measures.auc(held_out, fake),
        "overfitting": measures.auc(real, held_out),
        "score_gap": float(held_out.sigmoid().mean() - fake.sigmoid().mean()),
    }


def _logits(game: LatentGame, samples: Tensor, labels: Tensor | None) -> Tensor:
    given = (samples, labels) if D in game.conditional else (samples,)
    return game.players[D](*given).float().flatten()


def share(told: Tensor) -> float:
    return float(told.float().mean())


def gradients(state: State, game: LatentGame) -> dict[str, Any]:
    """Gradients of the generator's adversarial loss at a batch of this moment."""
    generator, judge = game.players[G], game.players[D]
    count = min(GRADIENT_SAMPLES, state.recipe.batch_size)
    move = Move(
        seed=state.seed,
        step=state.step,
        samples_seen=state.samples_seen,
        phase="referee",
        repeat=0,
        position=state.step * state.reals_per_step * state.recipe.batch_size,
        batch_size=count,
        part=slice(0, count),
        learning=frozenset({G}),
        differentiates=frozenset(),
        autocast=state.contexts.of_move(frozenset()),
    )
    learn(state, G)
    names = [name for name, _ in generator.named_parameters()]
    weights = state.parameters[G]
    with undisturbed(generator), undisturbed(judge), state.contexts.move():
        batch = game.batch(move)
        paired = game.loss.pairing is not None
        said = batch.on_real.logits if paired else None
        loss = game.loss.generator(said, batch.on_fake.logits).mean()
        found = torch.autograd.grad(loss, [batch.fake, *weights], allow_unused=True)
    at_fake, *of_weights = found
    known = [(name, g) for name, g in zip(names, of_weights, strict=True) if g is not None]
    if not known:
        return {"gradient": 0.0, "signal": 0.0}
    ends = [(name, g) for name, g in known if g.dim() > 1] or known
    signal = 0.0 if at_fake is None else float(at_fake.flatten(1).norm(dim=1).mean()) * count
    return {
        "gradient": float(torch.stack(torch._foreach_norm([g for _, g in known])).norm()),
        "gradient_ends": {
            where: float(g.square().mean().sqrt())
            for where, (_, g) in (("first", ends[0]), ("last", ends[-1]))
        },
        "signal": signal,
    }


def learn(state: State, player: str) -> None:
    """Only this player's weights have gradients, as in its own moves."""
    for name, parameters in state.parameters.items():
        for parameter in parameters:
            parameter.requires_grad_(name == player)


@torch.no_grad()
def updates(state: State) -> dict[str, float]:
    """How far the last step took each phase's weights, as a share of their norm, by Adam's memory
    or by the momentum of SGD."""
    found = {}
    for phase in state.game.phases:
        optimizer = state.optimizers.get(phase.name)
        step = None if optimizer is None else _last_step(optimizer)
        if step is not None and optimizer is not None:
            parameters = optimizer.param_groups[0]["params"]
            size = torch.stack(torch._foreach_norm(parameters)).norm()
            found[phase.name] = float(step / size.clamp(min=1e-12))
    return found


def _last_step(optimizer: torch.optim.Optimizer) -> Tensor | None:
    group = optimizer.param_groups[0]
    memories = [optimizer.state[p] for p in group["params"] if optimizer.state.get(p)]
    if not memories:
        return None
    if isinstance(optimizer, torch.optim.Adam):
        first, second = group["betas"]
        number = float(memories[0]["step"])
        means = [memory["exp_avg"] for memory in memories]
        squares = torch._foreach_sqrt([memory["exp_avg_sq"] for memory in memories])
        torch._foreach_div_(squares, (1 - second**number) ** 0.5)
        torch._foreach_add_(squares, group["eps"])
        steps = torch._foreach_div(means, squares)
        scale = group["lr"] / (1 - first**number)
    elif all(memory.get("momentum_buffer") is not None for memory in memories):
        steps, scale = tuple(memory["momentum_buffer"] for memory in memories), group["lr"]
    else:
        return None
    return torch.stack(torch._foreach_norm(steps)).norm() * scale


@contextmanager
def units_watched(network: nn.Module) -> Iterator[dict[nn.Module, Tensor]]:
    """Inside, which units of each ReLU answered to any sample is kept: bool [channels]."""
    alive: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, given: Any, out: Tensor) -> None:
        answered = (out > 0).flatten(2).any(2).any(0) if out.dim() > 2 else (out > 0).any(0)
        alive[layer] = answered | alive[layer] if layer in alive else answered

    layers = [layer for layer in network.modules() if isinstance(layer, nn.ReLU)]
    handles = [layer.register_forward_hook(watch) for layer in layers]
    try:
        yield alive
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Buffers (running statistics, power iterations) are afterwards as they were before."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)


def as_networks_see(game: LatentGame, samples: Tensor) -> Tensor:
    return game.as_grown(to_network(samples, game.device, game.dtype))
