"""Checkpoints hold everything bit for bit, and one that is damaged is noticed."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers import CPU, D, G, changed, small_game, small_recipe, small_state, weights
from sparring.errors import InputError
from sparring.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from sparring.networks.mlp import MLPDiscriminator, MLPGenerator
from sparring.objectives import Term
from sparring.objectives.penalties import r1
from sparring.training import checkpoint
from sparring.training.checkpoint import LAST, PREVIOUS, BrokenCheckpoint, load_latest, read
from sparring.training.loop import Tick, train
from sparring.training.state import State

ADAM = {"lr": 1e-3, "betas": [0.5, 0.99]}


class Drift(nn.Module):
    """A term with memory: the distance of the fakes' mean from its running average."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 8, 8))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Any) -> Tensor:
        mean = batch.fake.mean(0)
        drift = (mean - self.mean).square()
        self.mean = 0.9 * self.mean + 0.1 * mean.detach()
        self.calls += 1
        return drift


def full_state(**changes: Any) -> State:
    """Convolutions in channels_last, Adam, BatchNorm, a lazy penalty and a term with memory."""
    recipe = small_recipe(
        data={"name": "patterns"}, optimizer={D: ADAM, G: ADAM}, steps=12, **changes
    )
    torch.manual_seed(0)
    game = small_game(
        recipe,
        generator=DCGANGenerator(4, (1, 8, 8), 4),
        discriminator=DCGANDiscriminator((1, 8, 8), 4, normalization="none"),
        penalties=[r1(0.1, 2)],
        terms=[Term("drift", Drift(), couples_batch=True)],
        dtype=torch.float32,
    )
    return State(game, recipe, CPU)


def trained(state: State, until: int) -> list[Tick]:
    ticks: list[Tick] = []
    train(state, [lambda tick, state: ticks.append(tick)], lambda: state.step == until)
    return ticks


def saved(folder: Path, until: int, state: State | None = None) -> State:
    """A state saved as `last` at some step."""
    state = state or full_state()
    trained(state, until)
    checkpoint.save(state, folder / LAST, keep=folder / PREVIOUS)
    return state


def test_everything_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = saved(tmp_path, 6)
    restored = full_state()
    checkpoint.restore(restored, read(tmp_path / LAST))
    before, after = (checkpoint.tensors(s) for s in (state, restored))
    assert before.keys() == after.keys()
    assert {key.split("/")[0] for key in before} == {
        *("player", "ema", "term", "optimizer", "statistics")
    }
    for key, tensor in before.items():
        assert torch.equal(tensor, after[key]), key
        assert tensor.dtype == after[key].dtype
    assert restored.step == 6
    for name, optimizer in state.optimizers.items():
        other = restored.optimizers[name]
        pairs = zip(*(o.param_groups[0]["params"] for o in (optimizer, other)), strict=True)
        for ours, theirs in pairs:
            assert ours.stride() == theirs.stride()
            for key in ("exp_avg", "exp_avg_sq"):
                moment = other.state[theirs][key]
                assert moment.stride() == optimizer.state[ours][key].stride() == theirs.stride()
    convolution = restored.game.players[D].layers[0].weight
    assert convolution.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stop", [1, 4, 6, 11])
def test_training_on_from_a_checkpoint_equals_never_having_stopped(
    tmp_path: Path, stop: int
) -> None:
    """Also the ticks: statistics are kept over an interruption in the middle of one."""
    whole = full_state()
    expected = trained(whole, 12)
    saved(tmp_path, stop)
    resumed = full_state()
    checkpoint.restore(resumed, read(tmp_path / LAST))
    ticks = trained(resumed, 12)
    before, after = (checkpoint.tensors(state) for state in (whole, resumed))
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert before.keys() == after.keys()
    expected = [tick for tick in expected if tick.step > stop]
    assert [tick.step for tick in ticks] == [tick.step for tick in expected]
    for ours, theirs in zip(ticks, expected, strict=True):
        assert list(ours.values.items()) == list(theirs.values.items())


def test_the_memory_of_a_term_is_part_of_it(tmp_path: Path) -> None:
    state = saved(tmp_path, 5)
    found = read(tmp_path / LAST)
    drift = state.game.phases[1].terms[1].fn
    assert isinstance(drift, Drift)
    assert drift.calls == 5
    assert torch.equal(found.tensors["term/generator.drift/mean"], drift.mean)
    assert found.tensors["term/generator.drift/calls"] == 5


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    state = saved(tmp_path, 2)
    saved(tmp_path, 3, state)
    saved(tmp_path, 4, state)
    assert read(tmp_path / LAST).meta["step"] == 4
    assert read(tmp_path / PREVIOUS).meta["step"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAST, PREVIOUS]


def flip(place: Callable[[bytes], int]) -> Callable[[Path], None]:
    """Damage that flips one bit at a place."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[place(bytes(content))] ^= 1
        path.write_bytes(content)

    return damage


def cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return damage


def foreign(path: Path) -> None:
    save_file({"a": torch.zeros(3)}, path)


def from_the_future(path: Path) -> None:
    with safe_open(path, "pt") as file:
        meta = json.loads(file.metadata()["sparring"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"sparring": json.dumps(meta | {"format": 2})})


DAMAGE: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint"),
    "foreign": foreign,
    "from the future": from_the_future,
    "cut to 99.9%": cut(0.999),
    "cut to half": cut(0.5),
    "cut to 20 bytes": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "first bit": flip(lambda content: 0),
    "a bit of a name": flip(lambda content: content.index(b"player/") + 2),
    "the step": flip(lambda content: content.index(b'\\"step\\": ') + len(rb"\"step\": ")),
    "the recipe": flip(lambda content: content.index(b'\\"lr\\": 0.0') + len(rb"\"lr\": 0.0")),
    "the first weights": flip(lambda content: int.from_bytes(content[:8], "little") + 9),
    "weights in the middle": flip(lambda content: 3 * len(content) // 4),
    "the last bit": flip(lambda content: len(content) - 1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_last_falls_back_to_the_one_before(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    state = saved(tmp_path, 2)
    saved(tmp_path, 3, state)
    told: list[str] = []
    assert load_latest(tmp_path, told.append).meta["step"] == 3
    assert told == []
    damage(tmp_path / LAST)
    with pytest.raises(BrokenCheckpoint):
        read(tmp_path / LAST)
    found = load_latest(tmp_path, told.append)
    assert found is not None
    assert found.meta["step"] == 2
    assert len(told) == 1
    assert LAST in told[0]
    assert "going on from `previous.safetensors` (step 2)" in told[0]
    damage(tmp_path / PREVIOUS)
    if (tmp_path / PREVIOUS).exists():
        with pytest.raises(InputError, match=r"no checkpoint in .* can be used"):
            load_latest(tmp_path, told.append)
    else:
        assert load_latest(tmp_path, told.append) is None


def test_a_full_disk_leaves_the_last_one_alone(tmp_path: Path) -> None:
    state = saved(tmp_path, 2)
    trained(state, 3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # as if there were no room
    try:
        with pytest.raises(InputError, match="cannot be written"):
            checkpoint.save(state, tmp_path / LAST, keep=tmp_path / PREVIOUS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read(tmp_path / LAST).meta["step"] == 2
    assert [path.name for path in tmp_path.iterdir()] == [LAST]


class Tied(nn.Module):
    """A generator that uses one weight twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.last = nn.Linear(4, 2)

    def forward(self, z: Tensor) -> Tensor:
        return self.last(self.second(self.first(z).relu()).relu())


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    state = small_state(generator=Tied())
    saved(tmp_path, 2, state)
    restored = small_state(generator=Tied())
    checkpoint.restore(restored, read(tmp_path / LAST))
    assert not changed(weights(state.game.players[G]), restored.game.players[G])
    second = restored.game.players[G]
    assert second.second.weight is second.first.weight


def test_another_network_is_refused_with_the_tensor_that_does_not_fit(tmp_path: Path) -> None:
    saved(tmp_path, 1, small_state())
    for generator in (MLPGenerator(4, (2,), [9]), MLPGenerator(4, (2,), [8, 8])):
        with pytest.raises(InputError, match="does not fit `generator`: layers"):
            checkpoint.restore(small_state(generator=generator), read(tmp_path / LAST))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"name": "adam"}, {"name": "rmsprop"}),
        ({"name": "rmsprop"}, {"name": "adam"}),
        ({"name": "sgd", "momentum": 0.9}, {"name": "adam"}),
        ({"name": "adam"}, {"name": "sgd", "momentum": 0.9}),
        ({"name": "rmsprop"}, {"name": "rmsprop", "momentum": 0.9}),
    ],
)
def test_another_optimizer_starts_afresh(
    tmp_path: Path, before: dict[str, Any], now: dict[str, Any]
) -> None:
    saved(tmp_path, 2, small_state(small_recipe(optimizer={D: before, G: before})))
    state = small_state(small_recipe(optimizer={D: now, G: now}))
    checkpoint.restore(state, read(tmp_path / LAST))
    assert [tick.step for tick in trained(state, 8)] == [4, 8]


def test_starting_from_another_run_takes_what_fits(tmp_path: Path) -> None:
    source = saved(tmp_path, 3, small_state())
    # The same generator, a discriminator with one hidden layer more.
    state = small_state(discriminator=MLPDiscriminator((2,), [8, 8]))
    left = checkpoint.start_from(state, read(tmp_path / LAST))
    assert not changed(weights(source.game.players[G]), state.game.players[G])
    assert not changed(weights(state.game.players[G]), state.ema[G].module)
    own = state.game.players[D].state_dict()
    theirs = source.game.players[D].state_dict()
    assert torch.equal(own["layers.0.weight"], theirs["layers.0.weight"])
    assert left == ["discriminator.layers.2.bias", "discriminator.layers.2.weight"]
    assert state.step == 0
