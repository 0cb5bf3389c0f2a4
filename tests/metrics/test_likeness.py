"""L1 and PSNR against what they are by hand."""

import math

import pytest
import torch

from sparring.data import Dataset
from sparring.data.domains import with_inputs
from sparring.metrics import Made, Scorer
from sparring.recipe import Data


def test_l1_and_psnr_are_what_they_are_by_hand() -> None:
    place = torch.arange(12)
    splits = {"train": place[:8], "select": place[8:10], "test": place[10:]}
    black = torch.zeros(12, 3, 8, 8, dtype=torch.uint8)
    data = with_inputs(Dataset("black", black, splits), Data.model_validate({"inputs": "edges"}))
    made = black[:3].clone()
    made[1] += 51  # a fifth of the range, everywhere
    made[2, :, :4] += 102  # two fifths, on one half
    scorer = Scorer(data, "test", "pixels")
    found = scorer.score(Made(made, wanted=black[:3]), ["l1", "psnr"])
    assert found["l1"].value == pytest.approx((0 + 0.2 + 0.2) / 3)
    ratios = (100, -10 * math.log10(0.04), -10 * math.log10(0.08))
    assert found["psnr"].value == pytest.approx(sum(ratios) / 3)
    assert found["l1"].error == pytest.approx(torch.tensor([0, 0.2, 0.2]).std().item() / 3**0.5)
    assert (found["l1"].features, found["l1"].samples_fake) == ("pixels", 3)
