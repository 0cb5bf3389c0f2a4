"""Train the classifier that comes with the package, and write its accuracy beside it.

    python scripts/train_classifier.py

It sees the 4,000 training digits of mnist5k, the ones that GANs train on too; its accuracy is
that on the 500 test digits.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from safetensors.torch import save_file

from sparring.data import open_data
from sparring.metrics.classifier import accuracy, train_classifier
from sparring.recipe import Data

FOLDER = Path(__file__).parent.parent / "src/sparring/metrics/assets"


def main() -> None:
    digits = open_data(Data())
    labels = digits.labels
    assert labels is not None
    started = time.perf_counter()
    train, test = digits.splits["train"], digits.splits["test"]
    classifier = train_classifier(digits.values[train], labels[train], epochs=60)
    tensors = {name: tensor.contiguous() for name, tensor in classifier.state_dict().items()}
    FOLDER.mkdir(exist_ok=True)
    save_file(tensors, FOLDER / "classifier28.safetensors")
    figures = {
        "data": "mnist5k",
        "train": len(train),
        "test": len(test),
        "accuracy": round(accuracy(classifier, digits.values[test], labels[test]), 4),
        "seconds": round(time.perf_counter() - started, 1),
    }
    (FOLDER / "classifier28.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(figures)


if __name__ == "__main__":
    main()
