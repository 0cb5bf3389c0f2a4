"""Train, sample, evaluate, load: what the command line does, from Python."""

from sparring.api.auditing import audit
from sparring.api.measuring import compare, evaluate
from sparring.api.reading import from_pretrained, load, read
from sparring.api.sampling import project, sample, stream, style_mix, translate, translated
from sparring.api.shipping import export, pack, push
from sparring.api.training import Run, train
from sparring.diagnosing import diagnose

__all__ = [
    "Run",
    "audit",
    "compare",
    "diagnose",
    "evaluate",
    "export",
    "from_pretrained",
    "load",
    "pack",
    "project",
    "push",
    "read",
    "sample",
    "stream",
    "style_mix",
    "train",
    "translate",
    "translated",
]
