"""Each finding both ways, on looks made by hand; how they make a verdict over time."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from made import STEPS, facts, healthy, run

from sparring.referee import FINDINGS, Finding, Look, Story, judge
from sparring.referee.facts import warnings_of

NEAR = {"distance": 0.003, "distance_average": 0.001}
FAR = {"distance": 0.9, "distance_average": 0.9}
# What makes each finding, and what comes near to it without being one.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mode-collapse": (FAR | {"diversity": 0.05, "diversity_average": 0.05}, {"diversity": 0.8}),
    "partial-collapse": (
        {"entropy": 0.55, "shares": [0.25] * 4 + [0.0] * 6, **FAR},
        {"entropy": 0.93},
    ),
    "discriminator-overpowers": (
        FAR | {"separation": 1.0, "score_gap": 0.99, "gradient": 1e-4},
        {"separation": 1.0, "score_gap": 0.99},
    ),
    "generator-overpowers": (FAR | {"separation": 0.5}, {"separation": 0.5}),
    "swapped-labels": (FAR | {"separation": 0.02}, {"separation": 0.02}),
    "vanishing-gradients": (FAR | {"gradient": 1e-5}, {"gradient": 1e-5}),
    "exploding": (
        FAR | {"losses": {"discriminator": 1e7, "generator": -1e6}},
        {"losses": {"discriminator": 30.0, "generator": -20.0}},
    ),
    "oscillation": (FAR | {"moved": 1.5}, {"moved": 1.5}),
    "stalled": (FAR, {"distance": 0.1, "distance_average": 0.1}),
    "discriminator-overfitting": ({"overfitting": 0.97}, {"overfitting": 0.7}),
    "memorization": ({"copies": 0.8}, {"copies": 0.05}),
    "dead-units": (FAR | {"dead_units": 0.9}, {"dead_units": 0.2}),
    "saturated-outputs": (FAR | {"saturated": 0.99}, {"saturated": 0.82}),
    "learning-rate-high": (
        FAR | {"updates": {"discriminator": 0.3, "generator": 0.3}},
        {"updates": {"discriminator": 0.05, "generator": 0.05}},
    ),
    "learning-rate-low": (
        FAR | {"updates": {"discriminator": 1e-6, "generator": 1e-6}},
        {"updates": {"discriminator": 1e-6, "generator": 1e-6}},
    ),
    "ema-behind": ({"distance_average": 0.9}, {"distance_average": 0.1}),
    "output-range": (FAR | {"limits": (0.0, 1.0)}, {"limits": (0.0, 1.0)}),
    "near-equilibrium": (
        NEAR | {"two_sample": 0.52, "separation": 0.53},
        NEAR | {"two_sample": 0.62, "separation": 0.53},
    ),
    "nonfinite": ({"nonfinite": ("loss/generator", 512, ["generator.bias"])}, {}),
}
WARNING = {"code": "high-rate", "advice": "lower it", "keys": {"optimizer.generator.lr": 1e-4}}
OF_FACTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "warning-came-true": (
        {"warned": (WARNING,)},
        {"distance": 0.3, "distance_average": 0.3},
        {"distance": 0.1, "distance_average": 0.1},
    ),
    "tiny-batch-norm": ({"batch_norm": ("generator",), "batch_size": 2}, FAR, {}),
    "labels-ignored": (
        {"conditional": True},
        {"agreement": 0.1, "agreement_real": 0.9},
        {"agreement": 0.8, "agreement_real": 0.9},
    ),
}


@pytest.mark.parametrize("code", FINDINGS)
def test_each_is_found_where_it_is_and_nowhere_else(code: str) -> None:
    more, bad, good = OF_FACTS[code] if code in OF_FACTS else ({}, *CASES[code])
    find, known = FINDINGS[code], facts(**more)
    found = find(known, run(begins=2, **bad))
    assert found is not None
    assert found.code == code
    assert found.evidence
    assert found.advice
    assert found.step <= STEPS
    assert find(known, run(begins=2, **good)) is None
    assert find(known, run()) is None
    assert find(known, []) is None
    json.dumps(found.json(), allow_nan=False)
    assert Finding.read(json.loads(json.dumps(found.json()))).evidence == found.evidence


@pytest.mark.parametrize("one", [{"separation": 0.8}, {"distance": 0.05, "distance_average": 0.05}])
def test_what_one_test_tells_apart_is_not_near_equilibrium(one: dict[str, float]) -> None:
    alike = NEAR | {"two_sample": 0.52, "separation": 0.53}
    assert FINDINGS["near-equilibrium"](facts(), run(begins=2, **alike | one)) is None


def test_a_range_that_ends_at_no_bound_is_not_the_outputs_fault() -> None:
    short = run(begins=2, **FAR | {"limits": (-1.0, 0.4)})
    assert FINDINGS["output-range"](facts(), short) is None


def test_a_warning_that_came_true_has_its_advice_and_keys() -> None:
    found = FINDINGS["warning-came-true"](
        facts(warned=(WARNING, WARNING)), run(distance=0.3, distance_average=0.3)
    )
    assert found is not None
    assert found.evidence.startswith("high-rate had been warned about")
    assert (found.advice, found.keys) == (WARNING["advice"], WARNING["keys"])
    # What nobody warned about has to be further away to be called bad.
    assert judge(facts(), run(distance=0.3, distance_average=0.3))[0] == "healthy"


def test_a_warning_has_not_come_true_early_nor_while_samples_still_come_nearer() -> None:
    find, known = FINDINGS["warning-came-true"], facts(warned=(WARNING,))
    away = run(distance=0.3, distance_average=0.3)
    assert find(known, away[:6]) is None
    assert find(known, away[:7]) is not None
    for start, found in ((1.0, False), (0.3, True)):  # where samples were at a quarter of the run
        places = [(250, start), (510, 0.3), (550, 0.3), (590, 0.3)]
        looks = [replace(healthy(k), distance=d, distance_average=d) for k, d in places]
        assert (find(known, looks) is not None) == found


def test_only_warnings_about_training_can_come_true() -> None:
    said = [Finding(code, "warning", 0, "e", "a") for code in ("high-rate", "short-run")]
    assert [one["code"] for one in warnings_of(said)] == ["high-rate"]


def test_a_healthy_run_is_healthy_once_enough_was_seen() -> None:
    assert judge(facts(), run()) == ("healthy", [])
    assert judge(facts(), run()[:3])[0] == "unknown"
    assert judge(facts(), []) == ("unknown", [])


def test_the_beginning_of_a_run_is_no_failure() -> None:
    """Every generator starts by making one thing, far from the data, and is told apart."""
    start = {"diversity": 0.01, "diversity_average": 0.01, "entropy": 0.0, "separation": 1.0}
    looks = [healthy(step) for step in range(100, 1001, 100)]
    looks[0] = run(**FAR | start)[0]
    story = Story(facts())
    for look in looks:
        assert story.add(look) == []
    assert story.verdict == "healthy"


def test_a_finding_has_its_begin_and_is_resolved_when_it_goes_away() -> None:
    story = Story(facts())
    told = []
    for place, look in enumerate(run(begins=3, copies=0.9)):
        told += [(place, found.code) for found in story.add(look)]
    assert told == [(5, "memorization")]  # three in a row, told once
    (found,) = story.findings
    assert (found.step, found.until, found.resolved) == (400, 1000, False)
    assert story.verdict == "unhealthy"
    for step in range(1100, 1500, 100):
        story.add(healthy(step))
    (found,) = story.findings
    assert found.resolved
    assert story.verdict == "healthy"


def test_findings_name_recipe_keys_with_values_that_differ() -> None:
    for code in ("learning-rate-high", "discriminator-overpowers", "mode-collapse", "ema-behind"):
        found = FINDINGS[code](facts(), run(begins=2, **CASES[code][0]))
        assert found is not None
        assert found.keys
        for key, value in found.keys.items():
            assert value != facts().recipe.get(key)


def test_looks_can_be_written_and_read_back() -> None:
    for look in (healthy(100), Look(3, 4, nonfinite=("loss/generator", 2, [])), Look(1, 2)):
        again = Look.read(json.loads(json.dumps(look.json())))
        assert again.json() == look.json()
    record = {"step": 1, "samples_seen": 2, "losses": {"generator": None}, "of": "another version"}
    assert Look.read(record) == Look(1, 2)
    assert not math.isnan(Look.read({"step": 1, "samples_seen": 2, "distance": 0.5}).distance or 0)


@pytest.mark.parametrize(
    ("own", "factor", "rate"),
    [
        *((5e-4, 1 / 3, 5e-4), (6e-4, 1 / 3, 3.33e-4), (2e-3, 1 / 3, 3.33e-4)),
        *((2e-3, 10, 2e-3), (1.9e-3, 10, 1e-2), (5e-4, 10, 1e-2), (5e-4, 100, 1e-2)),
    ],
)
def test_an_advised_rate_is_the_recipe_s_own_where_that_was_left(
    own: float, factor: float, rate: float
) -> None:
    key = "optimizer.generator.lr"
    assert facts(own_rates={key: own}).rate_times("generator", factor) == {key: rate}
    least = min(1e-3 * factor, 1e-2)  # and never beyond what preflight warns of
    assert facts().rate_times("generator", factor) == {key: float(f"{least:.3g}")}
