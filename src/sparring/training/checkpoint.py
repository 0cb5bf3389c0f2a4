"""Checkpoints: everything a run needs to go on, in one file that is whole or not there."""

from __future__ import annotations

import errno
import json
import os
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sparring.errors import InputError
from sparring.run import cannot_write
from sparring.training.state import State
from sparring.version import __version__

FORMAT = 1
LAST, PREVIOUS, BEST = "last.safetensors", "previous.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and whose checksum holds."""

    path: Path
    tensors: dict[str, Tensor]
    meta: dict[str, Any]


class BrokenCheckpoint(Exception):
    """A file that is not a whole checkpoint: what is wrong with it."""


def save(state: State, path: Path, keep: Path | None = None, **extra: Any) -> None:
    """Write the state to `path`, atomically; `extra` is JSON that goes with it.

    What was at `path` is moved to `keep` once the new file is whole on disk.
    """
    # Cloned, because safetensors refuses tensors that share memory (tied weights).
    kept = {
        key: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, tensor in tensors(state).items()
    }
    meta = {
        "format": FORMAT,
        "version": __version__,
        "step": state.step,
        "recipe": state.recipe.model_dump(mode="json"),
        **extra,
    }
    meta["checksum"] = _checksum(kept, meta)
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(kept, temporary, metadata={"sparring": json.dumps(meta)})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if keep and path.exists():
            path.replace(keep)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, _from_system(error)) from None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint; BrokenCheckpoint says why it cannot be used."""
    try:
        with safe_open(path, "pt") as file:
            meta = json.loads((file.metadata() or {}).get("sparring", "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise BrokenCheckpoint("it does not exist") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise BrokenCheckpoint(f"it cannot be read ({error})") from None
    if not isinstance(meta, dict) or not meta.keys() >= {"format", "checksum"}:
        raise BrokenCheckpoint("it is no checkpoint of this program")
    if meta["format"] != FORMAT:
        raise BrokenCheckpoint(f"it has format {meta['format']}, this version reads {FORMAT}")
    if meta.pop("checksum") != _checksum(tensors, meta):
        raise BrokenCheckpoint("its checksum is wrong")
    return Checkpoint(path, tensors, meta)


def has_any(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from, whole or not."""
    return (folder / LAST).exists() or (folder / PREVIOUS).exists()


def load_latest(folder: Path, tell: Any = print) -> Checkpoint | None:
    """`last`, or `previous` with a message where `last` is broken; None where neither exists."""
    last, previous = folder / LAST, folder / PREVIOUS
    if not has_any(folder):
        return None
    problems = []
    for path in (last, previous):
        try:
            checkpoint = read(path)
        except BrokenCheckpoint as problem:
            problems.append(f"`{path}`: {problem}")
            continue
        if problems:
            step = checkpoint.meta["step"]
            tell(f"checkpoint {problems[0]}; going on from `{path.name}` (step {step})")
        return checkpoint
    raise InputError(
        f"no checkpoint in `{folder}` can be used: {'; '.join(problems)}",
        "start again in another folder with --out, or restore one of these files",
    )


def restore(state: State, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's tensors and counters into a state made from the same recipe."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in checkpoint.tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = tensor
    _load_modules(state.game.players, groups.get("player", {}), strict=True)
    averages = {name: average.module for name, average in state.ema.items()}
    _load_modules(averages, groups.get("ema", {}), strict=True)
    _load_modules(_memories(state), groups.get("term", {}), strict=True)
    for name, optimizer in state.optimizers.items():
        prefix = f"{name}/"
        saved = groups.get("optimizer", {})
        _load_optimizer(
            optimizer, {k[len(prefix) :]: v for k, v in saved.items() if k.startswith(prefix)}
        )
    device = next(iter(state.parameters.values()))[0].device
    state.remembered = {k: tensor.to(device) for k, tensor in groups.get("observer", {}).items()}
    kept = groups.get("statistics", {})
    state.statistics.load({key: tensor.to(device) for key, tensor in kept.items()})
    state.step = checkpoint.meta["step"]


def start_from(state: State, checkpoint: Checkpoint) -> list[str]:
    """Take over another run's weights where names and shapes agree; returns what did not."""
    tensors = checkpoint.tensors
    players = {k[len("player/") :]: v for k, v in tensors.items() if k.startswith("player/")}
    left = _load_modules(state.game.players, players, strict=False)
    for name, average in state.ema.items():
        average.module.load_state_dict(state.game.players[name].state_dict())
    return left


def player_tensors(checkpoint: Checkpoint, player: str) -> dict[str, Tensor]:
    """The averaged weights of a player."""
    prefix = f"ema/{player}/"
    return {k[len(prefix) :]: v for k, v in checkpoint.tensors.items() if k.startswith(prefix)}


def _from_system(error: OSError | SafetensorError) -> OSError:
    """The system's error, which safetensors passes on in words only."""
    if isinstance(error, OSError):
        return error
    found = re.search(r"os error (\d+)", str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number) if found else str(error))


def tensors(state: State) -> dict[str, Tensor]:
    """All tensors of a state by name: player/, ema/, term/, optimizer/, statistics/,
    observer/."""
    found: dict[str, Tensor] = {}
    for name, player in state.game.players.items():
        found |= {f"player/{name}/{key}": value for key, value in player.state_dict().items()}
    for name, average in state.ema.items():
        found |= {f"ema/{name}/{key}": v for key, v in average.module.state_dict().items()}
    for name, memory in _memories(state).items():
        found |= {f"term/{name}/{key}": value for key, value in memory.state_dict().items()}
    for name, optimizer in state.optimizers.items():
        for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
            for key, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    found[f"optimizer/{name}/{index}/{key}"] = value
    found |= {f"observer/{key}": tensor for key, tensor in state.remembered.items()}
    found |= {f"statistics/{key}": value for key, value in state.statistics.tensors().items()}
    return found


def _memories(state: State) -> dict[str, nn.Module]:
    """What a game remembers, and the terms that remember something, by phase and name."""
    return dict(state.game.memories) | {
        f"{phase.name}.{term.name}": term.fn
        for phase in state.game.phases
        for term in phase.terms
        if isinstance(term.fn, nn.Module)
    }


def _load_modules(
    modules: dict[str, nn.Module], saved: dict[str, Tensor], strict: bool
) -> list[str]:
    left = []
    for name, module in modules.items():
        prefix = f"{name}/"
        own = module.state_dict()
        given = {k[len(prefix) :]: v for k, v in saved.items() if k.startswith(prefix)}
        fitting = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
        missing = sorted(own.keys() - fitting.keys())
        if strict and missing:
            raise InputError(
                f"the checkpoint does not fit `{name}`: "
                f"{missing[0]} is missing or differs in shape",
                "give the recipe that it was trained with, or start from it with --init",
            )
        left += [f"{name}.{key}" for key in missing]
        module.load_state_dict(fitting, strict=False)
    return left


def _load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    """Take over what an optimizer of the same kind remembers; one of another kind starts afresh."""
    parameters = optimizer.param_groups[0]["params"]
    optimizer.state.clear()
    if {key.partition("/")[2] for key in saved} != _memory_of(optimizer):
        return
    for key, tensor in saved.items():
        index, _, name = key.partition("/")
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape:
            # Fused kernels walk memory in order: moments must lie as the parameter does.
            tensor = torch.empty_like(parameter).copy_(tensor)
        elif name == "step" and parameter.device.type != "cpu":
            tensor = tensor.to(parameter.device)
        optimizer.state[parameter][name] = tensor.detach()


def _memory_of(optimizer: torch.optim.Optimizer) -> set[str]:
    """The names of the tensors that an optimizer keeps for each parameter."""
    momentum = {"momentum_buffer"} if optimizer.defaults.get("momentum") else set()
    if isinstance(optimizer, torch.optim.Adam):
        return {"step", "exp_avg", "exp_avg_sq"}
    return momentum | (
        {"step", "square_avg"} if isinstance(optimizer, torch.optim.RMSprop) else set()
    )


def _checksum(tensors: dict[str, Tensor], meta: dict[str, Any]) -> int:
    value = zlib.crc32(json.dumps(meta, sort_keys=True).encode())
    for key in sorted(tensors):
        value = zlib.crc32(key.encode(), value)
        value = zlib.crc32(tensors[key].reshape(-1).view(torch.uint8).numpy().data, value)
    return value
