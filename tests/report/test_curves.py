"""Curves show what a history has, and survive what it lacks."""

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sparring.report import curves_figure, figure_png, figure_svg

EQUILIBRIUM = {"loss/discriminator": 1.386, "loss/generator": 0.693}


def history(ticks: int = 100) -> list[dict[str, Any]]:
    """A run in which everything is recorded, KID at every tenth tick, best at the 50th."""
    records: list[dict[str, Any]] = []
    for i in range(1, ticks + 1):
        record: dict[str, Any] = {"step": i, "samples_seen": 640 * i, "seconds": 0.1 * i}
        record |= {"loss/discriminator": 1.3 + 0.1 * math.sin(i), "loss/generator": 0.8 + 1 / i}
        record |= {"loss/discriminator/r1": 99.0, "score/real": 0.6, "score/fake": 0.4}
        record |= {"accuracy/real": 0.7, "accuracy/fake": 0.75, "findings": []}
        record |= {"grad_norm/discriminator": 0.4, "grad_norm/generator": 0.02}
        if i % 10 == 0:
            record["metric/kid"] = 0.1 + abs(i - 50) / 100
        records.append(record)
    return records


def words_of(figure: Any) -> set[str]:
    """Every text in a figure."""
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return set(texts) | {text.get_text() for text in figure.texts}


def test_everything_recorded_has_its_panel_and_its_words() -> None:
    figure = curves_figure(history(), EQUILIBRIUM)
    assert len(figure.axes) == 5
    words = words_of(figure)
    assert {"Losses", "KID", "lower is better", "best 0.1\nat 32k"} <= words
    assert {"discriminator 1.386", "generator 0.693", "generated"} <= words
    assert any("healthy, 60 to 80%" in word for word in words)
    band = figure.axes[2].patches[0].get_extents().transformed(figure.axes[2].transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((0.6, 0.8))
    losses = figure.axes[0]
    assert losses.get_ylim()[1] < 3  # the term loss/discriminator/r1 is not among the losses
    assert losses.get_xlim() == (0, 64)
    assert figure.axes[3].get_yscale() == "log"


@pytest.mark.parametrize(
    ("keys", "panels"),
    [
        (("loss/discriminator", "loss/generator"), 1),
        (("accuracy/real",), 1),
        (("metric/kid", "grad_norm/generator"), 2),
        ((), 0),
    ],
)
def test_panels_without_data_are_left_out(keys: tuple[str, ...], panels: int) -> None:
    kept = {"samples_seen", *keys}
    records = [{k: v for k, v in record.items() if k in kept} for record in history()]
    assert len(curves_figure(records, {}).axes) == panels


def test_an_empty_history_gives_no_axes() -> None:
    assert curves_figure([], EQUILIBRIUM).axes == []


@pytest.mark.parametrize("broken", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("ticks", [3, 100])
def test_values_that_are_not_finite_leave_a_marked_gap(broken: float | None, ticks: int) -> None:
    records = history(ticks)
    for record in records[-2:]:
        record["loss/generator"] = record["grad_norm/generator"] = broken
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = curves_figure(records, EQUILIBRIUM)
        assert "not finite" in figure_svg(figure)
    generator = figure.axes[0].lines[-1].get_ydata()
    assert np.isnan(np.asarray(generator, float)[-2:]).all()
    assert np.isfinite(np.asarray(generator, float)[:-2]).all()


def test_a_value_that_is_never_finite_is_left_out() -> None:
    records = [record | {"loss/generator": None} for record in history()]
    words = words_of(curves_figure(records, EQUILIBRIUM))
    assert "discriminator 1.386" in words
    assert "generator 0.693" not in words


def test_zero_gradients_do_not_break_the_logarithm() -> None:
    records = [r | {"grad_norm/discriminator": 0.0, "grad_norm/generator": 0} for r in history(5)]
    assert figure_svg(curves_figure(records, {}))


def test_long_histories_are_smoothed_and_short_ones_are_not() -> None:
    def losses(ticks: int) -> list[Any]:
        kept = ("samples_seen", "loss/discriminator")
        records = [{key: record[key] for key in kept} for record in history(ticks)]
        return [np.asarray(line.get_ydata()) for line in curves_figure(records, {}).axes[0].lines]

    assert len(losses(20)) == 1
    raw, smooth = losses(400)
    assert smooth.std() < raw.std() / 5
    assert smooth.mean() == pytest.approx(raw.mean(), abs=0.01)
    assert len(losses(5000)[0]) < 2000  # a page cannot hold every tick


def test_svg_is_inline_and_asks_nobody_for_anything() -> None:
    records = [record | {"loss/<script>$x_{": 1.0} for record in history(80)]
    svg = figure_svg(curves_figure(records, EQUILIBRIUM), label='curves "of" a run')
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "<script" not in svg
    assert set(re.findall(r"https?://[^\"' ]*", svg)) == {"http://www.w3.org/2000/svg"}
    assert 'aria-label="curves &quot;of&quot; a run"' in svg
    assert "var(--ink, #" in svg
    assert ">Losses</text>" in svg
    assert "DejaVu" not in svg


def test_svg_leaves_the_global_settings_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure_svg(curves_figure(history(5), {}))
    assert dict(matplotlib.rcParams) == before


def test_png_is_as_wide_as_asked(tmp_path: Path) -> None:
    figure_png(curves_figure(history(5), {}, width=6), tmp_path / "curves.png", dpi=100)
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width == 600


def test_findings_that_began_at_one_step_share_a_mark() -> None:
    from sparring.report.fight import marks_of

    findings = [{"step": 100}, {"step": 0}, {"step": 100}, {"step": 300}]
    marks = marks_of(findings, [{"step": 400, "samples_seen": 4000}])
    assert [(mark.x, mark.label) for mark in marks] == [(1.0, "1, 3"), (3.0, "4")]
