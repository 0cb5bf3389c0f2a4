"""CycleGAN on domains whose true map is known, and never shown.

    python -m benchmarks.cyclegan [--quick] [--only recoloured inverted sheared]

Domain A are half of the training digits as they are, domain B the other half changed: no digit is
in both. What the generator makes of 500 held-out digits is compared with these digits changed, as a
share of how far they are unchanged (mean absolute difference of grey levels); the class is read by
the judge of `benchmarks.digits`, which learned from plain digits, after the known map is undone.
The map of `sheared` cannot be undone pixel by pixel: there the judge reads what was made as it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import sparring
from benchmarks import common
from benchmarks.digits import EPOCHS, trained_judge
from sparring.data import maps, open_data
from sparring.games import Inputs, generate
from sparring.metrics.classifier import accuracy
from sparring.recipe import Data

SHOWN = 24
MOST_OF_IDENTITY, LEAST_KEPT = 1 / 3, 0.85

Result = dict[str, Any]


def measured(inputs: str, quick: bool, bounded: bool = True) -> Result:
    """One run of the recipe with this map."""
    overrides: Result = {"data.inputs": inputs, "evaluation.final_metrics": ["kid", "fid"]}
    if quick:
        overrides |= {"steps": 20, "evaluation.every": 0}
    judge, judged = trained_judge(open_data(Data()), epochs=2 if quick else EPOCHS)
    with common.scratch() as folder:
        run = sparring.train("cyclegan", out=folder / "run", overrides=overrides)
        summary = run.summary
        there, back = sparring.load(run.path), sparring.load(run.path / "model" / "back")
    data = open_data(Data.model_validate({"inputs": inputs}))
    assert data.source is not None
    plain, truth, labels = data.source.split("test"), data.split("test"), data.split_labels("test")
    assert labels is not None
    made = generate(there, Inputs(plain), images=True)
    again = generate(back, made, images=True)
    undone = generate(back, Inputs(truth), images=True)
    kept = {
        name: round(accuracy(judge, undo(inputs, images), labels), 4)
        for name, images in (("made", made), ("truth", truth))
    }
    figures = {
        "error": distance(made, truth),
        "of_the_identity": distance(plain, truth),
        "share": round(distance(made, truth) / distance(plain, truth), 4),
        "share_back": round(distance(undone, plain) / distance(truth, plain), 4),
        "there_and_back": distance(again, plain),
        "class_kept": kept["made"],
        "class_of_truth": kept["truth"],
        "steps": summary["steps"],
        "seconds": summary["seconds"],
    }
    goals = [
        common.goal(
            "error as a share of the identity's", figures["share"], MOST_OF_IDENTITY, at_least=False
        ),
        common.goal("class kept", figures["class_kept"], LEAST_KEPT, at_least=True),
    ]
    return {
        "outcome": f"Digits, what is made of them, the truth, and the way back: {inputs}",
        "settings": {"overrides": overrides, "judge": judged},
        "figures": figures,
        **({"goals": goals} if bounded else {}),
        "picture": common.save_rows(
            [x[:SHOWN] for x in (plain, made, truth, again)], f"cyclegan-{inputs}", quick
        ),
    }


def distance(images: Tensor, others: Tensor) -> float:
    """The mean absolute difference of grey levels in [0, 1]."""
    return round((images.float() - others.float()).abs().mean().item() / 255, 5)


def undo(inputs: str, images: Tensor) -> Tensor:
    """White digits on black [N, 1, 28, 28], for a judge that knows no others."""
    if inputs == "inverted":
        return 255 - images
    if inputs == "sheared":
        return images
    dark, light = (torch.tensor(c).float().view(1, 3, 1, 1) for c in (maps.DARK, maps.LIGHT))
    along = ((images.float() - dark) * (light - dark)).sum(1, keepdim=True)
    grey = 255 * along / (light - dark).square().sum()
    return grey.round().clamp(0, 255).to(torch.uint8)


PARTS = {
    "recoloured": lambda quick: measured("recoloured", quick),
    "inverted": lambda quick: measured("inverted", quick),
    # No bound: nothing in two unpaired sets says where in the image a slanted digit belongs.
    "sheared": lambda quick: measured("sheared", quick, bounded=False),
}


def show(name: str, result: Result) -> None:
    print(common.table([result["figures"]], name))
    if "goals" in result:
        print(common.table(result["goals"]))


def main() -> None:
    common.run_parts(__doc__, "cyclegan", PARTS, show)


if __name__ == "__main__":
    main()
