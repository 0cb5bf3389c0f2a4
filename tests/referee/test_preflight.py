"""Each known bad combination is warned of, its neighbours are not, and the advice mends it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sparring
from helpers import CPU, QUICK, D, G, toy
from sparring.data import Dataset, open_data
from sparring.data.dataset import split_by_draw
from sparring.errors import InputError
from sparring.games import GAMES, Game
from sparring.objectives import LOSSES, Term
from sparring.recipe import Recipe
from sparring.recipes import load_recipe, recipe_names
from sparring.referee import Finding, preflight

# The shipped recipes' networks, thin: what is warned of does not depend on their width.
THIN_PAIR = ["generator.width=2", "discriminator.width=2"]
THIN_RECIPES = (
    *("acgan", "cyclegan", "dcgan", "digits", "lsgan", "pix2pix", "progressive", "r3gan"),
    *("sngan", "srgan", "wgan", "wgan-gp"),
)
THIN = {
    **dict.fromkeys(THIN_RECIPES, THIN_PAIR),
    "stylegan2": [*THIN_PAIR, "generator.styles=4"],
    "mlp-mnist": ["generator.width=[8]", "discriminator.width=[8]"],
}


def found(
    name: str, *overrides: str, data: Dataset | None = None, **code: Any
) -> tuple[list[Finding], Recipe, Game]:
    """What preflight says of a recipe with overrides and with parts from code."""
    words = [*(f"{player}.name=mine:{player}" for player in (G, D) if player in code), *overrides]
    renamed = [word.partition(".name=")[0] for word in words if ".name=" in word]
    thin = [word for word in THIN.get(name, []) if word.partition(".")[0] not in renamed]
    recipe = load_recipe(name, [*thin, *words])
    recipe.custom = sorted(code)
    dataset = data or toy(recipe.data.name)
    game = GAMES[recipe.game](recipe, dataset, CPU, **code)
    return preflight(recipe, dataset, game), recipe, game


def codes(name: str, *overrides: str, **more: Any) -> list[str]:
    return [finding.code for finding in found(name, *overrides, **more)[0]]


@pytest.mark.parametrize("name", recipe_names())
def test_no_shipped_recipe_is_warned_of_on_its_own_data(name: str) -> None:
    try:
        dataset = open_data(load_recipe(name).data)
    except InputError as problem:
        pytest.skip(f"its data are not here: {problem}")
    assert found(name, data=dataset)[0] == []


def test_the_introductory_notes_own_settings_are_warned_of() -> None:
    """By override, as the recipe's comment has them: default betas, which are known to be bad."""
    betas = [f"optimizer.{player}.betas=[0.9,0.999]" for player in ("generator", "discriminator")]
    note = ["generator.init=normal", "discriminator.init=normal", "penalties=[]", *betas]
    assert codes("gaussian", *note) == ["adam-momentum", "adam-momentum"]


R1 = "penalties=[{name: r1, weight: 0.1}]"
WASSERSTEIN = "loss.name=wasserstein"
# What is bad: the recipe and its overrides, the code, words of the line. Its advice mends it.
BAD: dict[str, tuple[list[str], str, str]] = {
    "BatchNorm under R1": (["dcgan", R1], "coupled-penalty", "penalty r1 on a discriminator"),
    "BatchNorm under R2": (["dcgan", "penalties=[{name: r2}]"], "coupled-penalty", "penalty r2"),
    "in an MLP": (["ring", "discriminator.normalization=batch"], "coupled-penalty", "r1, r2"),
    "nearness to the others": (
        ["digits", "discriminator.minibatch=discrimination"],
        "coupled-penalty",
        "penalty r1",
    ),
    "beta1 of G": (["ring", "optimizer.generator.betas=[0.9, 0.99]"], "adam-momentum", "generator"),
    "beta1 of D": (["ring", "optimizer.discriminator.betas=[0.95, 0.99]"], "adam-momentum", "0.95"),
    "labels for nothing": (["acgan", "terms=[]"], "idle-classifier", "nothing trains"),
    "15 samples": (
        ["dcgan", "batch_size=15"],
        "small-batch",
        "15 samples in the discriminator and",
    ),
    "15 of 60": (["dcgan", "batch_size=60", "micro_batch=15"], "small-batch", "15 samples"),
    "a rest of 8": (["dcgan", "batch_size=40", "micro_batch=32"], "small-batch", "over 8 samples"),
    "one step too few": (["digits", "steps=62"], "short-run", "3,968 of 4,000"),
    "rate of Adam": (["ring", "optimizer.generator.lr=0.02"], "high-rate", "0.02 of the generator"),
    "rate far below": (
        ["ring", "optimizer.discriminator.lr=5e-5"],
        "far-rate",
        "5e-05 of the discriminator is 20 times and more from the recipe's own",
    ),
    "rate far above": (["dcgan", "optimizer.generator.lr=4e-3"], "far-rate", "0.004 of the gen"),
    "rate of RMSprop": (
        ["ring", "optimizer.discriminator.name=rmsprop", "optimizer.discriminator.lr=1"],
        "high-rate",
        "1 of the discriminator",
    ),
    "weight": (["ring", "penalties.1.weight=5000"], "heavy-penalty", "5000 of penalty r2"),
    "average": (["ring", "ema={half_life: 1024000, ramp_up: null}"], "slow-average", "1,024,000"),
    "ramp": (["ring", "ema={half_life: 1.0e+9, ramp_up: 2}"], "slow-average", "averaged"),
    "fake labels": (
        ["ring", "loss.smoothing={real: 0.1, fake: 0.1}"],
        "two-sided-smoothing",
        "0.1",
    ),
    "fid of 64": (["digits", "evaluation.samples=64"], "fid-of-few", "64 dimensions"),
    "6000 against 500": (["digits", "evaluation.samples=6000"], "few-held-out", "only 500 real"),
}


@pytest.mark.parametrize(("words", "code", "line"), BAD.values(), ids=BAD)
def test_a_bad_combination_is_warned_of_and_its_advice_mends_it(
    words: list[str], code: str, line: str
) -> None:
    (finding,), _, _ = found(*words)
    assert (finding.code, finding.severity, finding.step) == (code, "warning", 0)
    assert line in finding.evidence
    assert len(finding.evidence + finding.advice) < 180
    advised = re.match(r"set (\S+)", finding.advice)
    assert advised
    assert found(*words, advised[1].rstrip(",:"))[0] == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [("digits", "lr=0.0015 (the recipe's own) or less"), ("mine", "lr=0.001 or less")],
)
def test_a_rate_that_was_raised_goes_back_to_the_recipe_s_own(name: str, advice: str) -> None:
    (finding,), _, _ = found("digits", f"name={name}", "optimizer.discriminator.lr=0.03")
    assert finding.advice == f"set optimizer.discriminator.{advice}"


# Right beside the bad ones, and good.
GOOD: dict[str, list[str]] = {
    "BatchNorm without a penalty": ["dcgan"],
    "deviation in the minibatch": ["digits", "discriminator.minibatch=stddev"],
    "a critic bounded by a penalty of its own": ["wgan-gp", "penalties.0.apart=true"],
    "a penalty on other normalization": ["dcgan", R1, "discriminator.normalization=layer"],
    "BatchNorm in the generator only": ["ring", "generator.normalization=batch"],
    "beta1 below": ["ring", "optimizer.generator.betas=[0.89, 0.99]"],
    "momentum of SGD": [
        *("ring", "optimizer.generator.name=sgd", "optimizer.generator.momentum=0.9"),
        "optimizer.generator.betas=[0.9, 0.99]",
    ],
    "16 samples": ["dcgan", "batch_size=16"],
    "parts of 16": ["dcgan", "micro_batch=16"],
    "few without BatchNorm": ["digits", "batch_size=8", "generator.normalization=layer"],
    "one pass": ["digits", "steps=63"],
    "one pass of two moves": ["digits", "steps=32", "repeats.discriminator=2"],
    "a short run of a distribution": ["ring", "steps=1"],
    "a high rate": ["ring", "optimizer.generator.lr=0.01"],
    "a rate not so far below": ["ring", "optimizer.discriminator.lr=5.1e-5"],
    "any rate of a recipe of one's own": ["ring", "name=mine", "optimizer.generator.lr=1e-5"],
    "a rate of SGD": ["ring", "optimizer.generator.name=sgd", "optimizer.generator.lr=1"],
    "a heavy weight": ["ring", "penalties.0.weight=1000"],
    "a long average that ramps up": ["ring", "ema={half_life: 1.0e+9, ramp_up: 0.1}"],
    "an average of half the run": ["ring", "ema={half_life: 512000, ramp_up: null}"],
    "no average": ["ring", "ema={half_life: 0, ramp_up: null}"],
    "one-sided smoothing": ["ring", "loss.smoothing=0.3"],
    "Wasserstein with a penalty": ["ring", WASSERSTEIN],
    "fid of 65": ["digits", "evaluation.samples=65"],
    "kid of few": ["digits", "evaluation.samples=64", "evaluation.metrics=[kid]"],
    "5000 against 500": ["digits", "evaluation.samples=5000"],
    "no scores": ["digits", "evaluation.samples=9999", "evaluation.metrics=[]"],
}


@pytest.mark.parametrize("words", GOOD.values(), ids=GOOD)
def test_what_is_just_as_it_should_be_is_not_warned_of(words: list[str]) -> None:
    assert found(*words)[0] == []


def test_wasserstein_needs_something_that_bounds_the_critic() -> None:
    (finding,), _, _ = found("ring", WASSERSTEIN, "penalties=[]")
    assert finding.code == "unbounded-critic"
    assert (
        codes("ring", WASSERSTEIN, finding.advice.removeprefix("set ").partition(", or")[0]) == []
    )
    assert codes("ring", WASSERSTEIN, "penalties=[]", loss=LOSSES["wasserstein"]) == []
    own = Term("mine", lambda batch: batch.on_real.logits.square())
    assert codes("ring", WASSERSTEIN, "penalties=[]", penalties=[own]) == []
    for normalized in (nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm):
        make = lambda shape, norm=normalized: nn.Sequential(norm(nn.Linear(2, 1)))  # noqa: E731
        assert codes("ring", WASSERSTEIN, "penalties=[]", discriminator=make) == []


def images(count: int, size: int = 8) -> Dataset:
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8, generator=draw)
    return Dataset("mine", values, split_by_draw(count))


def test_few_images_are_told() -> None:
    def said(count: int, *words: str) -> list[str]:
        return codes("digits", "evaluation.metrics=[]", *words, data=images(count))

    assert said(1247) == ["few-images"]  # 999 to train with: a tenth each is held out
    assert said(1248) == []
    assert said(100, "data.flip=true") == []
    few_vectors = Dataset("mine", torch.randn(100, 2), split_by_draw(100))
    assert codes("ring", "evaluation.metrics=[]", data=few_vectors) == []


def test_a_distance_in_more_dimensions_than_real_samples_is_told() -> None:
    """The advice differs: more generated samples would not help."""
    findings, _, _ = found("digits", "evaluation.samples=300", data=images(1300, size=16))
    (finding,) = findings
    assert "256 dimensions of 300 generated and 130 real" in finding.evidence
    assert finding.advice == "set evaluation.metrics=[kid]"


class Judge(nn.Module):
    """A discriminator that does something of its own with its logits [N, 1]."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer = nn.Linear(shape[0], 1)
        self.gate = nn.Sequential(nn.Linear(shape[0], 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x), x)

    def last(self, logits: Tensor, x: Tensor) -> Tensor:
        return logits


class WithSigmoid(Judge):
    def last(self, logits: Tensor, x: Tensor) -> Tensor:
        return torch.sigmoid(logits).squeeze(1)


class WithSigmoidLayer(Judge):
    def last(self, logits: Tensor, x: Tensor) -> Tensor:
        return nn.Sigmoid()(logits)[:, 0]


class WithGate(Judge):
    """A sigmoid inside is nothing to warn of, even as the last layer that was registered."""

    def last(self, logits: Tensor, x: Tensor) -> Tensor:
        return (logits * self.gate(x)).flatten()


@pytest.mark.parametrize(
    ("judge", "twice"),
    [(Judge, False), (WithSigmoid, True), (WithSigmoidLayer, True), (WithGate, False)],
)
def test_a_sigmoid_before_the_losss_own_is_told(judge: type[Judge], twice: bool) -> None:
    name = f"discriminator.name={__name__}:{judge.__name__}"
    findings, _, _ = found("ring", name)
    assert [finding.code for finding in findings] == ["sigmoid-twice"] * twice
    assert all(name in finding.advice for finding in findings)
    assert codes("ring", name, loss=LOSSES["least-squares"]) == []  # one's own loss may want it


class Painter(nn.Module):
    """A generator of images whose last operation is its own."""

    def __init__(self, latent_size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.layer = nn.Linear(latent_size, 2 * shape[1] * shape[2])

    def forward(self, z: Tensor) -> Tensor:
        _, height, width = self.shape
        return self.last(self.layer(z).view(-1, 2, height, width))[:, :1]

    def last(self, x: Tensor) -> Tensor:
        return x


class Tanh(Painter):
    def last(self, x: Tensor) -> Tensor:
        return x.tanh()


class ScaledSigmoid(Painter):
    def last(self, x: Tensor) -> Tensor:
        return 2 * x.sigmoid() - 1


class Clamped(Painter):
    def last(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)


class PlainSigmoid(Painter):
    def last(self, x: Tensor) -> Tensor:
        return x.sigmoid()


class Rectified(Painter):
    def last(self, x: Tensor) -> Tensor:
        return x.relu()


class NormalizedInput(Painter):
    """Far latents are brought back, so that only the last layer tells."""

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(nn.functional.normalize(z) / 100)


@pytest.mark.parametrize(
    ("painter", "words"),
    [
        (Tanh, None),
        (ScaledSigmoid, None),
        (Clamped, None),
        (Painter, "no bounds"),
        (Rectified, "no bounds"),
        (NormalizedInput, "no bounds"),
        (PlainSigmoid, "never negative"),
    ],
)
def test_a_generator_whose_range_is_not_that_of_images_is_told(
    painter: type[Painter], words: str | None
) -> None:
    name = f"generator.name={__name__}:{painter.__name__}"
    findings, _, _ = found("digits", name, "evaluation.metrics=[]", data=images(2000))
    assert [finding.code for finding in findings] == ["generator-range"] * (words is not None)
    assert all(words in finding.evidence for finding in findings if words)
    assert all(name in finding.advice for finding in findings)


def test_vectors_have_no_range() -> None:
    line = lambda latent_size, shape: nn.Linear(latent_size, shape[0])  # noqa: E731
    assert codes("ring", generator=line) == []


class Moody(Judge):
    """Statistics, a frozen part and draws of its own: everything that a look could disturb."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.norm = nn.BatchNorm1d(1)
        self.frozen = nn.BatchNorm1d(1).eval()

    def last(self, logits: Tensor, x: Tensor) -> Tensor:
        return self.frozen(self.norm(logits)) + torch.randn(1)


def test_looking_changes_nothing() -> None:
    recipe = load_recipe("ring", [f"discriminator.name={__name__}:Moody", "penalties=[]"])
    game = GAMES["latent"](recipe, toy("ring"), CPU)
    judge = game.players["discriminator"]
    judge.frozen.eval()
    before = {name: tensor.clone() for name, tensor in judge.state_dict().items()}
    modes = [layer.training for layer in judge.modules()]
    draws = torch.random.get_rng_state()
    preflight(recipe, toy("ring"), game)
    assert all(torch.equal(tensor, before[name]) for name, tensor in judge.state_dict().items())
    assert [layer.training for layer in judge.modules()] == modes
    assert not all(modes)
    assert torch.equal(torch.random.get_rng_state(), draws)
    assert all(parameter.grad is None for parameter in judge.parameters())
    assert game.players[G].training


def test_a_warning_is_said_written_and_no_verdict(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = {"optimizer.generator.betas": [0.9, 0.99]}
    run = sparring.train("ring", out=tmp_path / "run", overrides=QUICK | bad)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("warning: ")]
    (finding,) = run.summary["findings"]
    assert lines == [f"warning: {finding['evidence']}; {finding['advice']}"]
    assert "optimizer.generator.betas=[0.5,0.99]" in lines[0]
    assert (finding["code"], finding["severity"], finding["step"]) == (
        "adam-momentum",
        "warning",
        0,
    )
    assert run.summary["verdict"] == "unknown"
    written = json.loads(run.folder.findings.read_text())
    assert (written["verdict"], written["findings"]) == ("unknown", [finding])
    assert finding["evidence"].replace("'", "&#39;") in run.folder.report.read_text()


def test_what_is_refused_is_not_warned_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = {"optimizer.generator.betas": [0.9, 0.99], "evaluation.metrics": ["modes"]}
    with pytest.raises(InputError, match="modes"):
        sparring.train("digits", out=tmp_path / "run", overrides=bad)
    assert "warning" not in capfd.readouterr().err
