"""The model card: what hubs read at its head, and what people read below."""

from typing import Any

import pytest
import torch
import yaml

from helpers import small_recipe, toy
from sparring.card import model_card
from sparring.data import Dataset

RECORD: dict[str, Any] = {
    "value": 3.25,
    "error": 0.5,
    "features": "pixels",
    "layer": "grey levels",
    "resize": "none",
    "samples_real": 100,
    "samples_fake": 200,
    "seed": 0,
    "split": "test",
    "flags": ["few samples"],
}
FINDING = {
    "code": "short",
    "severity": "warning",
    "step": 1200,
    "evidence": "it was short",
    "advice": "train on",
}


def pictures(licence: str = "") -> Dataset:
    values = torch.zeros(30, 3, 8, 8, dtype=torch.uint8)
    return Dataset("mine", values, {}, description="30 squares", licence=licence)


def card(dataset: Dataset, **metrics: dict[str, Any]) -> tuple[dict[str, Any], str]:
    text = model_card(small_recipe(), dataset, 8, metrics, "unknown", [FINDING])
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_head_is_what_hubs_read() -> None:
    card_module = pytest.importorskip("huggingface_hub", reason="needs the extra hub")
    text = model_card(small_recipe(), pictures(), 8, {"fid": RECORD}, "unknown", [])
    read = card_module.ModelCard(text).data
    (result,) = read.eval_results
    assert (read.library_name, read.pipeline_tag) == ("sparring", "unconditional-image-generation")
    assert (result.metric_type, result.metric_value) == ("fid", 3.25)
    assert (result.dataset_name, result.dataset_split) == ("mine", "test")
    assert read.model_name == "small"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("", {"license": "unknown"}),
        ("none stated (A. Body, 2009)", {"license": "unknown"}),
        ("MIT (Zalando)", {"license": "mit"}),
        ("CC BY-SA 3.0 (MNIST)", {"license": "cc-by-sa-3.0"}),
        ("ours: ask us", {"license": "other", "license_name": "ours: ask us"}),
    ],
)
def test_the_licence_of_the_data(licence: str, expected: dict[str, str]) -> None:
    head, body = card(pictures(licence))
    assert {key: value for key, value in head.items() if "license" in key} == expected
    assert f"Licence: {licence or 'not known'}." in body


def test_the_body_is_what_people_read() -> None:
    head, body = card(pictures(), fid=RECORD, kid=RECORD | {"value": float("nan"), "error": None})
    assert head["metrics"] == ["fid"]  # what is no number is not for a table of results
    assert "| fid | 3.25 ± 0.5 | pixels (grey levels), resize none | 200 generated (seed 0)" in body
    assert "| kid | nan |" in body
    assert "verdict over the training: unknown" in body
    assert "- warning `short` at step 1,200: it was short" in body
    for section in ("Intended use", "Limits", "Scores", "Findings"):
        assert f"\n## {section}\n" in body


def test_vectors_have_no_pipeline() -> None:
    head, body = card(toy(), fid=RECORD)
    assert "pipeline_tag" not in head
    assert head["model-index"][0]["results"][0]["task"] == {"type": "other"}
    assert "**Output**: vectors, shape [2]" in body
