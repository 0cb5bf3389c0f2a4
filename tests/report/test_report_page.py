"""The report is one safe, self-contained file, whatever of a run there is."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

import sparring
from helpers import QUICK
from sparring.errors import InputError
from sparring.report import image_grid, save_png, write_report
from sparring.report.page import duration, number, words

TITLES = ("Pictures", "From the first", "Curves", "Metrics", "Findings", "Recipe")


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text outside style and script."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._inside = "", ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def make_run(folder: Path, snapshots: int = 3) -> Path:
    """A finished run with everything in it."""
    generator = torch.Generator().manual_seed(0)
    for i in range(snapshots):
        shape = (16, 1, 28, 28)
        samples = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        save_png(image_grid(samples), folder / "samples" / f"{i * 1000:06d}.png")
    (folder / "recipe.yaml").write_text("name: digits\ndata: {name: mnist5k}\nsteps: 2000\n")
    ticks: list[dict[str, Any]] = [
        {"step": i, "samples_seen": 64 * i, "seconds": 0.1 * i, "loss/discriminator": 1.3}
        | {"loss/generator": None if i > 8 else 0.8, "metric/kid": 1 / i, "findings": []}
        for i in range(1, 11)
    ]
    lines = [json.dumps(tick) for tick in ticks]
    (folder / "history.jsonl").write_text("\n".join(lines) + '\n{"step": 11, "sam')
    kid = {"value": 0.0345, "error": 0.0021, "features": "digits-cnn", "layer": "penultimate"}
    kid |= {"resize": "none", "samples_real": 1000, "samples_fake": 2048, "seed": 12345}
    kid |= {"split": "test", "flags": ["few samples"]}
    finding = {"code": "mode-collapse", "severity": "error", "step": 1500}
    finding |= {"evidence": {"distance": 0.11}, "advice": "Restart from the best checkpoint."}
    summary = {"recipe": "digits", "data": "mnist5k", "seconds": 103.4, "steps": 2000}
    summary |= {"samples_seen": 128000, "samples_per_second": 1237.9, "verdict": "unhealthy"}
    summary |= {"best": {"step": 1000, "metrics": {"kid": 0.0345}}, "findings": [finding]}
    summary |= {"equilibrium": {"loss/discriminator": 1.386, "loss/generator": 0.693}}
    summary |= {"dataset": {"name": "MNIST", "description": "Digits.", "licence": "CC BY-SA 3.0"}}
    dump(folder / "metrics.json", {"step": 1000, "metrics": {"kid": kid}})
    dump(folder / "findings.json", {"verdict": "unhealthy", "findings": [finding]})
    dump(folder / "summary.json", summary)
    return folder


def dump(path: Path, content: Any) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content))


def test_the_report_says_what_the_run_holds(tmp_path: Path) -> None:
    path = write_report(make_run(tmp_path))
    assert path == tmp_path / "report.html"
    page = Page(path)
    text = re.sub(r"\s+", " ", page.text)
    for expected in (
        "digits on mnist5k",
        "unhealthy",
        "1 min 43 s",
        "1,238 samples/s",
        "at step 1,000",
        "0.0345 ± 0.0021",
        "digits-cnn, penultimate",
        "12345",
        "few samples",
        "mode-collapse",
        "distance: 0.11",
        "Restart from the best checkpoint.",
        "CC BY-SA 3.0",
        "generator 0.693",
        "not finite",
        "skipped: 1.",
        "steps: 2000",
    ):
        assert expected in text, expected


def test_the_page_is_one_file_that_asks_for_nothing(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path)))
    assert page.source.startswith("<!DOCTYPE html>")
    assert set(re.findall(r"https?://[^\"' <]*", page.source)) == {"http://www.w3.org/2000/svg"}
    assert not page.all("link")
    assert all("src" not in script for script in page.all("script"))
    sources = [image["src"] or "" for image in page.all("img")]
    assert len(sources) == 1 + 3  # the latest, and the slider's
    assert all(source.startswith("data:image/") for source in sources)


def test_without_javascript_the_last_snapshot_shows(tmp_path: Path) -> None:
    page = Page(write_report(make_run(tmp_path)))
    frames = [image for image in page.all("img") if "data-step" in image]
    assert [frame["data-step"] for frame in frames] == ["0", "1,000", "2,000"]
    assert ["shown" in (frame["class"] or "") for frame in frames] == [False, False, True]


@pytest.mark.parametrize("kind", ["digits", "ring"])
def test_every_picture_has_words(tmp_path: Path, images: Path, kind: str) -> None:
    run = images if kind == "digits" else sparring.train("ring", None, tmp_path / "r", QUICK).path
    page = Page(run / "report.html")
    assert all(image["alt"] for image in page.all("img"))
    drawings = page.all("svg")
    assert all(drawing["aria-label"] and drawing["role"] == "img" for drawing in drawings)
    # Curves, what the referee saw, kinds: each twice, wide and narrow.
    assert len(drawings) == (6 if kind == "digits" else 8)
    figures = page.source.split("<figure")[1:]
    assert len(figures) == (4 if kind == "digits" else 3)
    captions = [figure.partition("<figcaption>")[2].partition("</fig")[0] for figure in figures]
    assert all(len(caption) > 40 for caption in captions)
    identities = re.findall(r' id="([^"]+)"', page.source)
    assert len(identities) == len(set(identities))
    assert len(page.source) < 6_000_000
    order = [page.source.index(f"<h2>{title}") for title in TITLES]
    assert order == sorted(order)


def test_a_recipe_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("steps: 5\n")
    page = Page(write_report(tmp_path))
    assert tmp_path.name in page.text
    assert "unknown" in page.text
    assert not page.all("img")
    assert not page.all("table")
    assert not page.all("svg")


def test_a_folder_without_a_recipe_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe\.yaml"):
        write_report(tmp_path)


def test_nothing_from_the_run_becomes_markup(tmp_path: Path) -> None:
    run = make_run(tmp_path, snapshots=1)
    attack = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    (run / "recipe.yaml").write_text(f"name: '{attack}'\n")
    finding = dict.fromkeys(("code", "severity", "evidence", "advice"), attack)
    dump(run / "findings.json", {"verdict": attack, "findings": [finding]})
    dump(run / "metrics.json", {"step": 1, "metrics": {attack: {"value": attack}}})
    dump(run / "summary.json", {"data": attack, "dataset": {"description": attack}})
    (run / "history.jsonl").write_text(json.dumps({"samples_seen": 1, f"metric/{attack}": 1}))
    page = Page(write_report(run))
    assert len(page.all("script")) == 1
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert "<script>alert" in page.text  # shown as words


def test_damaged_files_are_left_out_and_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "metrics.json").write_text('{"step": 10')
    (run / "summary.json").write_text("[]")
    (run / "recipe.yaml").write_text("a: [1")
    (run / "samples" / "001000.png").write_bytes(b"no picture")
    page = Page(write_report(run))
    for name in ("metrics.json", "summary.json", "recipe.yaml", "left out: 1."):
        assert name in page.text
    assert "10" in page.text  # the history still knows the steps
    assert len(page.all("img")) == 1 + 2
    assert all(image["alt"] for image in page.all("img"))


def test_many_snapshots_stay_within_a_sane_size(tmp_path: Path) -> None:
    run = make_run(tmp_path, snapshots=0)
    generator = torch.Generator().manual_seed(0)
    for i in range(60):  # noise is the worst case for any compression
        samples = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=generator)
        save_png(image_grid(samples), run / "samples" / f"{i:06d}.png")
    path = write_report(run)
    page = Page(path)
    frames = [image for image in page.all("img") if "data-step" in image]
    assert len(frames) == 40
    (slider,) = [tag for tag in page.all("input") if tag["type"] == "range"]
    printed = [frame["data-step"] for frame in frames if "printed" in (frame["class"] or "")]
    assert len(printed) == 6
    assert (printed[0], printed[-1]) == ("0", "59")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "39", "39")
    assert (frames[0]["data-step"], frames[-1]["data-step"]) == ("0", "59")
    assert path.stat().st_size < 3_000_000


def test_a_run_in_progress_has_its_numbers_from_the_history(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for name in ("summary.json", "metrics.json", "findings.json"):
        (run / name).unlink()
    text = Page(write_report(run)).text
    assert "640 samples/s" in text
    assert "10 steps" in text


def test_numbers_and_words_for_people() -> None:
    assert [number(v) for v in (1234567, 0.03456, 12.43, 1234.5, float("nan"), None, "x")] == [
        "1,234,567",
        "0.0346",
        "12.4",
        "1,234",
        "not finite",
        "\u2013",
        "x",
    ]
    assert [duration(s) for s in (0.53, 58, 103.4, 7500, None)] == [
        "0.53 s",
        "58 s",
        "1 min 43 s",
        "2 h 05 min",
        "\u2013",
    ]
    assert words({"a": 0.5, "b": [1, "c"]}) == "a: 0.5, b: 1, c"


def test_what_all_scores_share_is_said_once(tmp_path: Path) -> None:
    run = make_run(tmp_path, snapshots=1)
    measured = json.loads((run / "metrics.json").read_text())
    kid = measured["metrics"]["kid"]
    dump(run / "metrics.json", measured | {"metrics": {"kid": kid, "precision": kid}})
    text = Page(write_report(run)).text
    assert (
        text.count("digits-cnn, penultimate; resize: none; 1,000 real samples of split test") == 1
    )
    assert "against 2,048 generated ones from seed 12345" in text
    assert "Split" not in text
    other = kid | {"features": "pixels"}
    dump(run / "metrics.json", measured | {"metrics": {"kid": kid, "precision": other}})
    text = Page(write_report(run)).text
    assert "All on features" not in text
    assert "Split" in text
    assert "pixels, penultimate" in text


def test_notes_of_the_run_stand_at_the_top(tmp_path: Path) -> None:
    run = make_run(tmp_path, snapshots=1)
    summary = json.loads((run / "summary.json").read_text())
    dump(run / "summary.json", summary | {"notes": ["stopped at step 7: kid has <not> improved"]})
    page = Page(write_report(run))
    assert "stopped at step 7: kid has <not> improved" in page.text
    assert page.source.index("stopped at step 7") < page.source.index("<h2>")
