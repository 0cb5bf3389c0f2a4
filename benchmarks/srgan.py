"""Digits from 7x7 to 28x28: SRGAN against bicubic enlargement and pixels alone.

    python -m benchmarks.srgan [--quick] [--only digits]

`pixels` is the recipe `srgan` with the same steps, generator and first weights, whose first stage
never ends. Scores are of the 500 test digits, on the features of the shipped classifier, against
these digits at their own size, which helps all alike; `class_kept` is how often that classifier
reads the digit that it was. `real` are 500 training digits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

import sparring
from benchmarks import common
from sparring.data import open_data
from sparring.games import Pictures, generate
from sparring.metrics import Made, Scorer
from sparring.metrics.classifier import accuracy, shipped_classifier
from sparring.recipe import Data

SHOWN = 24
ALONE = {"pretraining.samples": 10**9}
COMMON = {"evaluation.final_metrics": [], "snapshots": 2}

Result = dict[str, Any]


def digits(quick: bool) -> Result:
    """All three ways of enlarging the same digits."""
    data = open_data(Data.model_validate({"inputs": "small", "factor": 4}))
    scorer, classifier = Scorer(data, "test"), shipped_classifier()
    pictures, seeds = Pictures(data, "test"), range(500)
    inputs, truth, labels = pictures.of(seeds), pictures.wanted(seeds), data.split_labels("test")
    assert truth is not None
    assert labels is not None
    made: dict[str, tuple[Tensor, Result]] = {"bicubic": (bicubic(inputs.z, 4), {})}
    for name, overrides in (("pixels", ALONE), ("srgan", {})):
        changes = COMMON | overrides | ({"steps": 20} if quick else {})
        with common.scratch() as folder:
            run = sparring.train("srgan", out=folder / "run", overrides=changes)
            samples = generate(sparring.load(run.path), inputs, images=True)
            summary = run.summary
            made[name] = samples, {"steps": summary["steps"], "seconds": summary["seconds"]}
    made["real"] = data.split("train")[:500], {}
    rows = []
    for name, (samples, more) in made.items():
        of = Made(samples, wanted=None if name == "real" else truth)
        found = scorer.estimates(of, ["fid", "kid", *(["psnr"] if of.wanted is not None else [])])
        kept = None if name == "real" else round(accuracy(classifier, samples, labels), 4)
        scores = {key: round(estimate.value, 3) for key, estimate in found.items()}
        rows.append({"enlarged_by": name} | scores | {"class_kept": kept} | more)
    of_others = {row["enlarged_by"]: row["fid"] for row in rows}
    ours = of_others["srgan"]
    return {
        "outcome": "Small digits, enlarged by bicubic interpolation, by pixels alone and by srgan, "
        "and the originals",
        "settings": {"overrides": COMMON, "pixels": ALONE},
        "goals": [
            common.goal("distance over bicubic's", round(ours / of_others["bicubic"], 4), 1, False),
            common.goal("distance over that of pixels", round(ours / of_others["pixels"], 4), 1,
                        False),
        ],
        "scores": rows,
        "picture": common.save_rows(
            [x[:SHOWN] for x in (inputs.z, *(made[name][0] for name in
             ("bicubic", "pixels", "srgan")), truth)], "srgan-digits", quick
        ),
    }  # fmt: skip


def bicubic(images: Tensor, factor: int) -> Tensor:
    """uint8 images enlarged by cubic interpolation."""
    large = interpolate(images.float(), scale_factor=factor, mode="bicubic", align_corners=False)
    return large.round().clamp(0, 255).to(torch.uint8)


PARTS = {"digits": digits}


def show(name: str, result: Result) -> None:
    columns = ("enlarged_by", "fid", "kid", "psnr", "class_kept")
    print(
        common.table([{key: row.get(key, "") for key in columns} for row in result["scores"]], name)
    )
    print(common.table(result["goals"]))


def main() -> None:
    common.run_parts(__doc__, "srgan", PARTS, show)


if __name__ == "__main__":
    main()
