"""Fill the docs with the figures of benchmarks/results, so that none is typed by hand.

    python scripts/write_measured.py

docs/measured.md is made of all of them. On the other pages, what stands between the comments
`<!-- measured: FILE KEY.KEY [COLUMN ...] [COLUMN=VALUE ...] [by=COLUMN] -->` and `<!-- end -->` is
replaced by that part of benchmarks/results/FILE.json: a list of rows becomes a table (these
columns, rows with these values, rows that share a value of `by` put together), anything else a
piece of text. Within a line, it stays within it.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RESULTS = ROOT / "benchmarks" / "results"

MARKED = re.compile(r"(<!-- measured: (.+?) -->)(.*?)(<!-- end -->)", re.DOTALL)
# A part of these is measured by itself.
WITH_PARTS = (
    "best",
    "chooser",
    "claims",
    "collapse",
    "conditional",
    "cyclegan",
    "folders",
    "image_sizes",
    "metrics",
    "moments",
    "penalty_cost",
    "pix2pix",
    "progressive",
    "r3gan",
    "referee",
    "scaling",
    "growth",
    "streaming",
    "faults",
    "scarce",
    "serving",
    "sngan",
    "speed",
    "srgan",
    "stylegan2",
    "time_to_quality",
    "toys",
    "unrolled",
    "wasserstein",
)
PASSED_OVER = (
    "benchmark",
    "settings",
    "machine",
    "versions",
    "picture",
    "pictures",
    "growth",
    "gallery",
    "outcome",
    "over_time",
    "scatter",
)

INTRODUCTION = """# Measured

Every figure here comes from a file in `benchmarks/results/`, which `python -m benchmarks.NAME`
wrote on a two-core machine without a GPU (native bf16); `python scripts/write_measured.py` made
this page from them. The machine is shared: each file says whether it was quiet, and a benchmark
that compares two programs lets them take turns. Goals that were missed are shown as such.
"""

ABOUT = {
    "digits": (
        "The default recipe",
        "Three seeds; 2,000 samples each, judged by a classifier trained with augmentation on the "
        "1,000 digits that no GAN trained on. Distances are to the nearest training image.",
    ),
    "fashion": (
        "The default against the tutorial on Fashion-MNIST",
        "The same seconds of training (evaluation excluded), 10,000 samples against the test set "
        "on the features of a classifier trained for it.",
    ),
    "folders": (
        "A folder of one's own",
        "Real colour pictures from Debian packages, nothing chosen but the size and the time. "
        "Scores are against held-out pictures, on the features of a small network that learned "
        "to tell the training pictures apart; `training_pictures` is the same for real ones, the "
        "least one can hope for.",
    ),
    "chooser": (
        "What chooses a checkpoint",
        "Checkpoints of a run scored as a run scores them, on each kind of features. On digits a "
        "judge looks at other samples against the test split: `rank` is Spearman's correlation "
        "with it over all checkpoints, `late` over the later half, `lost` how much farther from "
        "the data the chosen checkpoint is than the best. `careful` is what is chosen where a "
        "better score must exceed its error.",
    ),
    "packing": (
        "Packing a folder",
        "Images a second from PNG files: packed once and then memory-mapped, a plain PIL loop, "
        "and torchvision's ImageFolder with a DataLoader, taking turns.",
    ),
    "toys": (
        "Data whose truth is known",
        "`gaussian-document` is the program of an introductory note as it is written; the "
        "others are recipes as shipped, and `ring` and `grid` without their penalties too.",
    ),
    "moments": (
        "The GAN that sees moments",
        "`document` is a course's first program as it is written, `shipped` the recipe "
        "`gaussian-moments`; the exercises are what the course tells its readers to change, on "
        "both settings.",
    ),
    "metrics": (
        "How far each number can be trusted",
        "Real pictures against real pictures, with and without faults of rising strength, on the "
        "features of a classifier trained on pictures that were used for nothing else; scoring "
        "10,000 samples again and again against torch-fidelity, taking turns.",
    ),
    "best": (
        "The kept checkpoint against the last one",
        "Short runs, scored twelve times on the selection split; both checkpoints against the "
        "test split, which took no part in choosing.",
    ),
    "sngan": (
        "Spectral normalization",
        "Distances over the steps of DCGAN at two rates and of `sngan`, and the largest singular "
        "values of its discriminator's layers at the end: of the matrix that a kernel unfolds to, "
        "and of the convolution as an operator.",
    ),
    "unrolled": (
        "Unrolled GANs",
        "The recipe `unrolled` with so many moves ahead. `late` is the second half of a run, "
        "looked at every 100 steps; `moved` is the share of samples that changed their nearest "
        "mode from look to look.",
    ),
    "pix2pix": (
        "Edges to clothes",
        "The recipe `pix2pix` against the same generator trained on pixels alone, on "
        "Fashion-MNIST: 2,000 drawings of test images, on the features of a classifier of clothes. "
        "`real` are training images.",
    ),
    "cyclegan": (
        "Domains whose map is known",
        "The recipe `cyclegan` on digits and on other digits that are recoloured, inverted or "
        "sheared: 500 held-out digits against the true map, which was never shown.",
    ),
    "srgan": (
        "Digits from 7x7 to 28x28",
        "The recipe `srgan`, the same generator trained on pixels alone, and bicubic "
        "interpolation, on 500 test digits. `real` are training digits.",
    ),
    "image_sizes": (
        "Image-to-image training at real sizes",
        "Steps on noise in colour with the published widths; from 512 pixels on not run but "
        "estimated.",
    ),
    "progressive": (
        "Growing from coarse to fine",
        "The recipe `progressive` and the same at full size from the start: FID, precision and "
        "recall of 1,000 samples against held-out digits, seconds of training alone. `exact` "
        "compares the trained networks at each growth with themselves before it. `sizes` are "
        "operations that were counted and times and memory that follow from them, but for the "
        "column that says measured.",
    ),
    "r3gan": (
        "R3GAN",
        "Modes of data that have many: 25 Gaussians, and stacked digits, which a classifier reads. "
        "KL is that of the modes found to even ones, in nats.",
    ),
    "claims": (
        "What the documents claim",
        "Claims of the teaching documents, tried out.",
    ),
    "wasserstein": (
        "Wasserstein critics",
        "Three seeds each of `wgan` and `wgan-gp`: the critic's estimate against FID with held-out "
        "digits, tick by tick, and what bounds the critic at the end.",
    ),
    "penalty_cost": (
        "What bounding the slope costs",
        "CPU milliseconds of one thread, in fp32, all taking turns; ratios to no penalty are "
        "medians over rounds with 95% bootstrap bounds.",
    ),
    "conditional": (
        "Samples of a class",
        "200 samples of each digit, judged by a classifier that learned from the 1,000 digits that "
        "no GAN trains on. `pixels` and `features` are mean distances inside the classes as shares "
        "of those between real digits.",
    ),
    "scarce": (
        "Few labelled digits",
        "`cdcgan` trained on the few digits alone; classifiers of the same length on real digits, "
        "on these and generated ones, and on generated ones only. Accuracy on 1,000 held-out "
        "digits; the `_warped` columns are with small warps of the training images.",
    ),
    "resume": (
        "Killed and resumed",
        "Runs killed by SIGKILL at random moments and resumed, against uninterrupted ones: every "
        "tensor, history line, picture and sample compared bit for bit.",
    ),
    "referee": (
        "The referee",
        "Short runs, broken on purpose and healthy, judged by what came of them; `replay` says how "
        "often the referee is right on settings that its thresholds were not tuned on. See the "
        "page When training goes wrong.",
    ),
    "scaling": (
        "Two processes",
        "One process against two on the same machine, one thread each, taking turns. Efficiency 1 "
        "would mean that the second process costs nothing.",
    ),
    "growth": (
        "Growth",
        "`dcgan` with one thing growing, and a step of several processes as the sum of its parts. "
        "See the page What more of everything costs.",
    ),
    "streaming": (
        "Data",
        "Memory of packing and training on a large set, the share of a step that its real images "
        "take, samples to disk, the audit.",
    ),
    "faults": (
        "Faults",
        "A process killed, a full disk, a data file that vanishes: what was lost, what was said.",
    ),
    "serving": (
        "The HTTP service",
        "Two cores shared with the load generator; the default digits generator unless said "
        "otherwise, every request for a new seed, no cache but for `hits` and `endurance`. `load` "
        "are medians over rounds in which the servers take turns. `broken` are answers that failed "
        "or were refused.",
    ),
    "speed": (
        "Milliseconds a step",
        "Taking turns in one process: the package with bf16 and in fp32, the plain loop of a "
        "tutorial, where there is one a bare hand-written loop of the same operations, and other "
        "libraries on their own networks. Ratios are to the package, medians over rounds with 95% "
        "bootstrap bounds. [What is compared with what](speed.md).",
    ),
    "time_to_quality": (
        "Time to quality",
        "Seconds of training alone until 2,000 samples are as near to held-out pictures as a "
        "bound, by FID; medians over seeds.",
    ),
    "precision": (
        "bf16 and fp32",
        "The default recipe, cut short: distances of 5,000 samples to held-out digits.",
    ),
}

Row = dict[str, Any]


def main() -> None:
    for path, text in pages().items():
        path.write_text(text)


def pages() -> dict[Path, str]:
    """Every page of the docs as the results stand now."""
    found = {path: filled(path.read_text()) for path in sorted(DOCS.glob("*.md"))}
    return found | {DOCS / "measured.md": measured_page()}


def filled(text: str) -> str:
    """A page with its marked blocks made anew."""

    def block(match: re.Match[str]) -> str:
        opening, words, before, closing = match.groups()
        if "\n" not in before:
            return f"{opening}{excerpt(words).strip()}{closing}"
        return f"{opening}\n\n{excerpt(words).strip()}\n\n{closing}"

    return MARKED.sub(block, text)


def excerpt(words: str) -> str:
    """The part of a result file that the words of a mark ask for; KeyError if it has none."""
    name, keys, *rest = shlex.split(words)
    found, owner = result_at(name, keys.split("."))
    if found is None:
        part = f" --only {keys.partition('.')[0]}" if name in WITH_PARTS else ""
        return f"*Not measured yet: `python -m benchmarks.{name}{part}` does it.*"
    wanted = dict(word.split("=", 1) for word in rest if "=" in word)
    columns = [word for word in rest if "=" not in word]
    if is_picture(found):
        return picture(found, owner.get("outcome", "what was measured"))
    if is_plain(found) or (isinstance(found, list) and not isinstance(found[0], dict)):
        return said(found)
    by = wanted.pop("by", None)
    rows = [row for row in rows_of(found) if all(said(row[k]) == v for k, v in wanted.items())]
    if not rows:
        raise KeyError(f"{name}: no row of {keys} has {wanted}")
    if missing := [column for column in columns if all(column not in row for row in rows)]:
        raise KeyError(f"{name}: {keys} has no column {missing[0]}")
    if columns:
        rows = [{column: row.get(column) for column in columns} for row in rows]
    return table(grouped(rows, by) if by else rows)


def result_at(name: str, keys: list[str]) -> tuple[Any, Row]:
    """A value of a result file and what holds it; None where it is not measured yet."""
    path = RESULTS / f"{name}.json"
    whole = json.loads(path.read_text()) if path.exists() else None
    if whole is None or (name in WITH_PARTS and keys[0] not in whole["parts"]):
        return None, {}
    found = owner = whole["parts"] if name in WITH_PARTS else whole
    for key in keys:
        if key not in found:
            raise KeyError(f"{path.name} has no {'.'.join(keys)}: {key} is missing")
        owner, found = found, found[key]
    return found, owner


def rows_of(found: Any) -> list[Row]:
    """A list of rows as it is; of a dict of dicts a row for each; else one row."""
    if isinstance(found, list):
        return found
    if all(isinstance(value, dict) for value in found.values()):
        return [{"": key, **value} for key, value in found.items()]
    return [found]


def grouped(rows: list[Row], by: str) -> list[Row]:
    """One row for each value of `by`; the other cells hold the values of all its rows."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(said(row[by]), []).append(row)
    others = [key for key in rows[0] if key != by]
    return [
        {by: value} | {key: ", ".join(said(row[key]) for row in members) for key in others}
        for value, members in groups.items()
    ]


def measured_page() -> str:
    """The page of all results."""
    parts = [INTRODUCTION]
    for name, (title, about) in ABOUT.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts += [f"## {title}\n", about + "\n", *section(json.loads(path.read_text()))]
    return "\n".join(parts)


def section(result: Any, title: str = "") -> list[str]:
    """The outcome, the picture and tables of everything that is rows or plain figures."""
    outcome = result.get("outcome", "")
    parts = [f"{outcome}\n"] if outcome else []
    if is_picture(result.get("picture")):
        parts.append(picture(result["picture"], outcome or title or "Samples") + "\n")
    plain = {k: v for k, v in result.items() if is_plain(v) and k not in PASSED_OVER}
    if plain and title:
        parts.append(table([plain]))
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            parts += [heading(title, key), table(value)]
        elif isinstance(value, dict) and key not in PASSED_OVER:
            inner = f"{title} · {key}" if title else key
            says = any(is_plain(v) or k == "outcome" for k, v in value.items())
            parts += ([heading(title, key)] if says else []) + section(value, inner)
    return parts


def heading(title: str, key: str) -> str:
    return f"**{f'{title} · {key}' if title else key}**\n"


def table(rows: list[Row]) -> str:
    """A Markdown table of the plain values of rows."""
    keys = [key for key in rows[0] if any(is_plain(row.get(key)) for row in rows)]
    lines = [f"| {' | '.join(keys)} |", f"| {' | '.join('---' for _ in keys)} |"]
    lines += [f"| {' | '.join(said(row.get(key)) for key in keys)} |" for row in rows]
    return "\n".join(lines) + "\n"


def is_picture(value: Any) -> bool:
    """Whether it is the path of a picture of the docs."""
    return isinstance(value, str) and value.startswith("docs/") and (ROOT / value).is_file()


def picture(path: str, words: str) -> str:
    """A picture of the docs; the first sentence of the words says it to those who do not see it."""
    return f"![{words.partition('. ')[0]}]({path.removeprefix('docs/')})"


def is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str | bool)


def said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(said, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


if __name__ == "__main__":
    main()
