"""The inception score: confident and varied class predictions (Salimans et al., 2016)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from sparring.errors import InputError
from sparring.metrics.record import Comparison, Estimate

SPLITS = 10


def inception_score(comparison: Comparison) -> Estimate:
    """exp of the mean KL(p(y|x) ‖ p(y)) over ten splits; it never looks at real data."""
    assert comparison.logits is not None
    scores = split_scores(comparison.logits.double())
    flags = ["blind to real data and to copies"]
    if len(comparison.logits) < 100 * SPLITS:
        flags.append(f"only {len(comparison.logits)} samples: biased downwards")
    return Estimate(scores.mean().item(), scores.std().item() / math.sqrt(len(scores)), flags)


def split_scores(logits: Tensor) -> Tensor:
    """The score [SPLITS] of each split of logits [N, classes]."""
    count = len(logits)
    if count < SPLITS:
        raise InputError(f"{count} samples are too few for `is`", f"give at least {SPLITS}")
    edges = [count * place // SPLITS for place in range(SPLITS + 1)]
    scores = []
    for start, end in pairwise(edges):
        log_p = logits[start:end].log_softmax(1)
        p = log_p.exp()
        scores.append((p * (log_p - p.mean(0).log())).sum(1).mean().exp())
    return torch.stack(scores)
