"""Scoring 10,000 new samples again and again, as during training, against torch-fidelity.

Both work on the same features (a registered extractor: the same network on batches of the same
size), the same metrics and as many samples. torch-fidelity takes what a network gives, float32;
ours are turned into float64.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from benchmarks import common
from benchmarks.metrics.clothes import WORDS, clothes
from sparring.metrics import Scorer
from sparring.metrics.features import Extractor
from sparring.metrics.kid import BLOCK

COUNT, ROUNDS = 10_000, 3
BATCH = 500
METRICS = ("fid", "kid", "is", "precision", "recall")
THEIR_NAMES = {
    "fid": "frechet_inception_distance",
    "kid": "kernel_inception_distance_mean",
    "is": "inception_score_mean",
    "precision": "precision",
    "recall": "recall",
}
LEAST = 3.0

Row = dict[str, Any]


class Images(TorchDataset):
    """Images [N, C, H, W] as torch-fidelity wants them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def measure(quick: bool) -> Row:
    """All contenders in turn, each round on samples that none has seen."""
    count, rounds = (2000, 1) if quick else (COUNT, ROUNDS)
    found = clothes()
    data = found.dataset(train=slice(0, 2), real=slice(0, count))
    draw = torch.Generator().manual_seed(5)
    register(found.extractor)
    with common.scratch() as folder:
        real = data.split("test")
        scorer = Scorer(data, "test", extractor=found.extractor)
        contenders: dict[str, Callable[[Tensor], Row]] = {
            "sparring": lambda fake: values(scorer, fake),
            "torch-fidelity": lambda fake: theirs(fake, real, None),
            "torch-fidelity, cache": lambda fake: theirs(fake, real, folder),
            "torch-fidelity, cache, our KID blocks": lambda fake: theirs(
                fake, real, folder, kid_subsets=count // BLOCK, kid_subset_size=BLOCK
            ),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        answers: dict[str, Row] = {}
        shuffle = random.Random(0)
        rest = found.images[count:]
        for name in ("sparring", "torch-fidelity, cache"):  # what the first call keeps
            contenders[name](rest[:count])
        for _ in range(rounds):
            fake = rest[torch.randperm(len(rest), generator=draw)[:count]]
            for name in shuffle.sample(list(contenders), len(contenders)):
                wall, used = time.perf_counter(), sum(os.times()[:4])
                answers[name] = contenders[name](fake)
                spent = (time.perf_counter() - wall, sum(os.times()[:4]) - used)
                times[name].append(spent)
                print(name, *(f"{seconds:.1f}" for seconds in spent), flush=True)
    return summary(times, answers) | {
        "settings": WORDS
        | {
            "samples": f"{count:,} real and as many new ones each time",
            "metrics": METRICS,
            "rounds": f"{rounds}, in random order, after a call that fills the caches",
            "batch": BATCH,
            "sparring": "a Scorer's values, as they choose a checkpoint",
            "torch-fidelity": "calculate_metrics, its defaults (KID: 100 subsets of 1,000)",
            "cache": "its cache of the real input's features and statistics on",
            "seconds": "of wall clock, and of processors by all processes",
        }
    }


def values(scorer: Scorer, fake: Tensor) -> Row:
    return {name: estimate.value for name, estimate in scorer.estimates(fake, METRICS).items()}


def theirs(fake: Tensor, real: Tensor, cache: Path | None, **options: Any) -> Row:
    import torch_fidelity

    found = torch_fidelity.calculate_metrics(
        input1=Images(fake),
        input2=Images(real),
        cuda=False,
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        feature_extractor="clothes",
        batch_size=BATCH,
        samples_shuffle=False,
        save_cpu_ram=False,
        cache=cache is not None,
        cache_root=str(cache),
        input2_cache_name="real" if cache else None,
        verbose=False,
        **options,
    )
    return {name: found[key] for name, key in THEIR_NAMES.items()}


def register(extractor: Extractor) -> None:
    """Make our features torch-fidelity's `clothes`."""
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase
    from torch_fidelity.registry import register_feature_extractor

    assert extractor.classify is not None
    classify: Callable[[Tensor], Tensor] = extractor.classify

    class Clothes(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **options: Any) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return "features", "logits"

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            features = extractor.function(images)
            made = {"features": features, "logits": classify(features)}
            return tuple(made[name] for name in self.features_list)

    register_feature_extractor("clothes", Clothes)


def summary(times: dict[str, list[tuple[float, float]]], answers: dict[str, Row]) -> Row:
    """Medians, ratios within a round with their bounds, and how far the values agree."""
    rows = []
    for name, spent in times.items():
        pairs = list(zip(spent, times["sparring"], strict=True))
        row: Row = {"what": name}
        for clock, place in (("wall", 0), ("processor", 1)):
            seconds = [one[place] for one in spent]
            ratio = common.bootstrap_median([a[place] / b[place] for a, b in pairs])
            row |= {
                f"{clock}_seconds": round(sorted(seconds)[len(seconds) // 2], 2),
                f"{clock}_ratio": round(ratio["median"], 2),
                f"{clock}_low": round(ratio["low"], 2),
                f"{clock}_high": round(ratio["high"], 2),
            }
        rows.append(row)
    by_name = {row["what"]: row for row in rows}
    # KID takes other subsets than theirs unless it is told ours.
    ours, other = answers["sparring"], answers["torch-fidelity"]
    apart = [abs(other[name] / ours[name] - 1) for name in METRICS if name != "kid"]
    each, cached = (by_name[f"torch-fidelity{more}"] for more in ("", ", cache"))
    return {
        "rows": rows,
        "values": [{"what": name} | answer for name, answer in answers.items()],
        "largest_relative_difference": max(apart),
        "times": {name: [[round(t, 2) for t in s] for s in spent] for name, spent in times.items()},
        "goals": [
            common.goal("times as fast", each["wall_ratio"], LEAST, at_least=True),
            common.goal("times as fast, its cache on", cached["wall_ratio"], LEAST, at_least=True),
        ],
        "outcome": (
            f"A new set of samples is scored {each['wall_ratio']:g} times as fast as by calling "
            f"torch-fidelity each time ({each['processor_ratio']:g} in processor time), "
            f"{cached['wall_ratio']:g} times as fast with its cache on "
            f"({cached['processor_ratio']:g})."
        ),
    }
